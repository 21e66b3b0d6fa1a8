//! Commands that are read and not run: whether the program has each command and option that they name.

use std::{collections::BTreeMap, process::Command, sync::Mutex};

use e2e::countersign::program;

/// What is wrong with the invocations of `countersign` in a line of a shell.
///
/// # Errors
/// The first word that the program does not know, with what it knows.
pub(crate) fn read(line: &str) -> Result<(), String> {
    for command in split(line) {
        let name = |word: &String| word == "countersign" || word.ends_with("/countersign");
        // Behind sudo, systemd-run and their like.
        if let Some(at) = command.iter().position(name) {
            invocation(&command[at + 1..])?;
        }
    }
    Ok(())
}

fn invocation(words: &[String]) -> Result<(), String> {
    let mut path: Vec<&str> = Vec::new();
    let mut value_of_option = false;
    for word in words {
        let help = help(&path)?;
        if std::mem::take(&mut value_of_option) && !word.starts_with("--") {
            continue;
        }
        if word == "…" || word == "COMMAND" {
            return Ok(());
        }
        if word.starts_with('-') && word.len() > 1 {
            let option = word.split(['=', '…']).next().unwrap_or_default();
            let spec = help.lines().map(str::trim).find(|line| {
                let names = line.split("  ").next().unwrap_or_default();
                line.starts_with('-') && names.split([' ', ',']).any(|one| one == option)
            });
            let spec = spec.ok_or_else(|| {
                format!("'countersign {}' has no {option}:\n{help}", path.join(" "))
            })?;
            value_of_option = !word.contains('=') && spec.contains(&format!("{option} <"));
        } else if commands(&help).any(|command| command == word) {
            path.push(word);
        } else if help.contains("\nCommands:\n") || !takes_words(&help) {
            return Err(format!(
                "'countersign {}' has no {word}:\n{help}",
                path.join(" ")
            ));
        }
    }
    Ok(())
}

/// Whether its usage has arguments that are no options.
fn takes_words(help: &str) -> bool {
    help.contains("\nArguments:\n")
}

/// The commands that a help text lists.
fn commands(help: &str) -> impl Iterator<Item = &str> {
    let list = help
        .split_once("\nCommands:\n")
        .map_or("", |(_, rest)| rest);
    list.lines()
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
}

/// What `--help` says of a command.
fn help(path: &[&str]) -> Result<String, String> {
    static KNOWN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let name = path.join(" ");
    if let Some(help) = KNOWN.lock().unwrap().get(&name) {
        return Ok(help.clone());
    }
    let output = Command::new(program())
        .args(path)
        .arg("--help")
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(format!("'countersign {name}' is no command"));
    }
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    KNOWN.lock().unwrap().insert(name, help.clone());
    Ok(help)
}

/// The commands of a line of a shell, each as its words. Quotes hold words together; what stands in
/// `$(…)` is a command too; a redirection ends its command.
fn split(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = String::new();
    let mut quote = None;
    let mut letters = line
        .replace("\\\n", " ")
        .replace("$(", ";")
        .chars()
        .collect::<Vec<_>>();
    letters.push(';');
    for letter in letters {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), letter) => word.push(letter),
            (None, '\'' | '"') => quote = Some(letter),
            (None, ' ' | '\n' | '\t' | '|' | ';' | '&' | '(' | ')' | '<' | '>') => {
                if !word.is_empty() {
                    commands.last_mut().unwrap().push(std::mem::take(&mut word));
                }
                if letter != ' ' && letter != '\t' {
                    commands.push(Vec::new());
                }
            }
            (None, letter) => word.push(letter),
        }
    }
    commands
}

#[test]
fn commands_and_options_are_those_of_the_program() {
    for (line, good) in [
        (
            "countersign run --config /etc/countersign/authproxy.cfg",
            true,
        ),
        (
            "countersign run --confg /etc/countersign/authproxy.cfg",
            false,
        ),
        ("countersign rune", false),
        ("countersign run now", false),
        (
            "echo x | countersign login alice --integration radius_server_auto",
            true,
        ),
        (
            "echo x | countersign login alice --integraton radius_server_auto",
            false,
        ),
        ("sudo countersign factor add erin --data-dir DIR", true),
        ("countersign factor --data-dir DIR add erin", true),
        ("countersign factor ad erin", false),
        (
            "TOKEN=$(countersign token create script --role viewer)",
            true,
        ),
        (
            "TOKEN=$(countersign token create script --rolle viewer)",
            false,
        ),
        ("countersign events --since 1h -f", true),
        ("countersign events --since=1h > events.txt", true),
        ("countersign factor …", true),
        ("ls --nothing", true),
        ("true\ncountersign nothing", false),
    ] {
        let is = read(line);
        assert_eq!(is.is_ok(), good, "{line}: {is:?}");
    }
}
