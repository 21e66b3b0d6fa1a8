//! The commands of one page, in their order, on a machine of its own.

use e2e::peers::{repository, require};

use crate::{
    fences::{Command, Fence},
    machine::{Machine, told, until_good},
    matching::{Learned, compare, fill},
};

/// How a block of commands is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Manner<'a> {
    /// The exit code of its last command.
    exit: i32,
    /// What is typed at a terminal.
    types: Option<&'a str>,
    /// On which machine: one has a data folder of its own.
    on: Option<&'a str>,
}

/// How a block with this label is run; none where it is no such block, or read alone.
pub(crate) fn manner(label: &str) -> Option<Manner<'_>> {
    let mut manner = Manner {
        exit: 0,
        types: None,
        on: None,
    };
    let rest = label.strip_prefix("console")?;
    if let Some(option) = rest.strip_prefix(',') {
        match option.split_once('=')? {
            ("exit", code) => manner.exit = code.parse().ok()?,
            ("types", typed) => manner.types = Some(typed),
            ("on", machine) => manner.on = Some(machine),
            _ => return None,
        }
    } else if !rest.is_empty() {
        return None;
    }
    Some(manner)
}

/// Runs them.
///
/// # Errors
/// The first command that does not do what the page says, with what it did.
pub(crate) fn run(page: &str, blocks: &[Fence]) -> Result<(), String> {
    let mut machine = Machine::new();
    let mut learned = Learned::new();
    set_up(page, &machine, &mut learned)?;
    for fence in blocks {
        let manner = manner(&fence.label).unwrap();
        let commands = fence.commands();
        for (number, command) in commands.iter().enumerate() {
            let exit = match number + 1 == commands.len() {
                true => manner.exit,
                false => 0,
            };
            let manner = Manner { exit, ..manner };
            perform(&mut machine, command, manner, &mut learned).map_err(|fault| {
                format!(
                    "docs/src/{page}:{}: {}\n{fault}",
                    command.line, command.text
                )
            })?;
        }
    }
    Ok(())
}

/// Runs the page's own set-up, `tests/tests/book/PAGE.sh`, if there is one.
fn set_up(page: &str, machine: &Machine, learned: &mut Learned) -> Result<(), String> {
    let folder = repository().join("tests/tests/book");
    let name = page.trim_end_matches(".md").replace('/', "-");
    let script = folder.join(format!("{name}.sh"));
    if !script.exists() {
        return Ok(());
    }
    let line = format!(
        "set -eu; . {}; . {}",
        folder.join("common.sh").display(),
        script.display()
    );
    let (text, code) = told(&machine.run(&line));
    if code != 0 {
        return Err(format!("{}: exit code {code}\n{text}", script.display()));
    }
    for line in text.lines() {
        if let Some((book, printed)) = line
            .strip_prefix("learn ")
            .and_then(|pair| pair.split_once(' '))
        {
            learned.insert(book.to_owned(), printed.to_owned());
        }
    }
    Ok(())
}

/// Runs one command, and compares.
fn perform(
    machine: &mut Machine,
    command: &Command,
    manner: Manner<'_>,
    learned: &mut Learned,
) -> Result<(), String> {
    let line = fill(&command.text, learned);
    let on = manner.on.map_or_else(String::new, |name| {
        format!("export COUNTERSIGN_DATA_DIR=/srv/{name}; ")
    });
    let prints = printed_by(command, manner, learned);
    if let Some(line) = line.strip_suffix(" &") {
        machine.start(line);
        return Ok(());
    }
    // What goes on until somebody ends it: the next one takes its place, as after Ctrl-C.
    if begins(&line, &["countersign run", "countersign demo"]) {
        machine.stop();
        machine.start(&format!("exec {line}"));
        // Without a file it has nothing to serve yet.
        let probe = if line.contains("--config") || line.contains(" demo") {
            "readyz"
        } else {
            "healthz"
        };
        machine.until(&format!("curl -sf http://127.0.0.1:8400/{probe}"));
        return match prints.is_empty() {
            true => Ok(()),
            false => until_good(|| compare(&prints, &machine.printed(), learned)),
        };
    }
    if begins(&line, &["countersign dataplane"]) {
        machine.start(&format!("{on}exec {line}"));
        return until_good(|| match machine.printed().contains("revision applied") {
            true => Ok(()),
            false => Err(machine.printed()),
        });
    }
    // A variable is there for the commands behind it too.
    if let Some((name, _)) = line.split_once('=')
        && !name.is_empty()
        && name.bytes().all(|octet| octet.is_ascii_uppercase())
    {
        let (text, code) = told(&machine.run(&format!(
            "{line}; export {name}; declare -p {name} >>../env"
        )));
        return if code == 0 { Ok(()) } else { Err(text) };
    }
    let line = match manner.types {
        None => format!("{on}{line}"),
        Some(typed) => {
            drop(require("script", "bsdutils"));
            let quoted = line.replace('\'', "'\\''");
            format!(
                "printf '{typed}\\n' | script -qec '{quoted}' /dev/null; exit ${{PIPESTATUS[1]}}"
            )
        }
    };
    let attempt = |learned: &mut Learned| {
        let (text, code) = told(&machine.run(&line));
        let mut text = plain(&text);
        if let Some(typed) = manner.types {
            // The terminal shows it before the command has asked.
            text = text.trim_start_matches(typed).trim_start().to_owned();
        }
        if code != manner.exit {
            return Err(format!("exit code {code}\n{text}"));
        }
        if prints.is_empty() {
            return Ok(());
        }
        compare(&prints, &text, learned).map_err(|fault| format!("{fault}\nall of it:\n{text}"))
    };
    // What is only looked at may still be on its way.
    match begins(&command.text, LOOKS) {
        true => until_good(|| attempt(learned)),
        false => attempt(learned),
    }
}

/// What the page says that it prints. What is typed stands behind the question there, and the next line
/// of the command follows the question.
fn printed_by(command: &Command, manner: Manner<'_>, learned: &Learned) -> Vec<String> {
    let mut prints: Vec<String> = Vec::new();
    let mut asked = false;
    for line in &command.prints {
        let line = fill(line, learned);
        let question = manner
            .types
            .and_then(|typed| line.strip_suffix(typed))
            .filter(|question| question.ends_with(": "));
        match prints.last_mut() {
            Some(last) if asked => last.push_str(&line),
            _ => prints.push(question.unwrap_or(&line).to_owned()),
        }
        asked = question.is_some();
    }
    prints
}

/// A text without what moves and colours it at a terminal.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().replace('\r', "");
    for part in parts {
        plain.push_str(
            part.split_once(char::is_alphabetic)
                .map_or("", |(_, rest)| rest),
        );
    }
    plain
}

/// Commands that change nothing, and so may be given again until they show what is wanted.
const LOOKS: &[&str] = &[
    "countersign status",
    "countersign events",
    "countersign audit",
    "countersign node list",
    "countersign factor --data-dir DIR pushes",
    "countersign factor pushes",
    "curl -s http",
    "grep ",
];

fn begins(line: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| line.starts_with(start))
}
