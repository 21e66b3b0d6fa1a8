//! `countersign generate`: manual pages and completions out of the arguments, for `scripts/package`.
//! Hidden, as nobody else needs it.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};

use crate::args::Cli;
use crate::failure::Failure;

/// Writes `man/*.1`, `bash/`, `zsh/` and `fish/` below the folder.
pub(crate) fn run(folder: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::new(format!("cannot write to {}", folder.display()), &error);
    let pages = folder.join("man");
    fs::create_dir_all(&pages).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &pages).map_err(failed)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let files = folder.join(shell.to_string());
        fs::create_dir_all(&files).map_err(failed)?;
        let mut shown = shown(&Cli::command());
        generate_to(shell, &mut shown, "countersign", &files).map_err(failed)?;
    }
    Ok(())
}

/// The command without what is hidden: completions offer all there is.
fn shown(command: &Command) -> Command {
    let mut shown = Command::new(command.get_name().to_owned());
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    let arguments = command.get_arguments().filter(|one| !one.is_hide_set());
    let inner = command.get_subcommands().filter(|one| !one.is_hide_set());
    shown.args(arguments).subcommands(inner.map(self::shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_in_no_page_and_no_completion() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let all = [
            read("bash/countersign.bash"),
            read("zsh/_countersign"),
            read("fish/countersign.fish"),
            read("man/countersign.1"),
            read("man/countersign-dataplane.1"),
        ];
        for text in &all {
            assert!(text.contains("dataplane"), "{text}");
            for hidden in ["supervised", "generate", "database-from-stdin"] {
                assert!(!text.contains(hidden), "{hidden}: {text}");
            }
        }
        assert!(read("man/countersign-node-join.1").contains("countersign\\-node\\-join"));
        assert!(!folder.path().join("man/countersign-generate.1").exists());
    }
}
