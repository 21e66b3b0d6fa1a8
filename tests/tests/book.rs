//! Every command of the book is run, on a machine of its own, and prints what the book says; those that no
//! test can run are read: the program has the commands and options that they name.
//!
//! `BOOK=quick_start.md cargo test -p e2e --test book` runs those of one page. CONTRIBUTING.md says how a
//! command is written. The links are followed by `book_links.rs`, `api.md` is run by `rest_api.rs`.
#![cfg(test)]

#[path = "book/fences.rs"]
mod fences;
#[path = "book/machine.rs"]
mod machine;
#[path = "book/matching.rs"]
mod matching;
#[path = "book/reading.rs"]
mod reading;
#[path = "book/running.rs"]
mod running;

use std::{
    collections::BTreeMap,
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    thread,
};

use e2e::peers::repository;

use crate::{
    fences::{Fence, fences, named, pages, prompted},
    running::{manner, run},
};

/// Labels of blocks without commands.
const TEXTS: &[&str] = &[
    "", "ini", "json", "csv", "text", "xml", "conf", "yaml", "promql",
];

/// Why a block of commands is read alone, and how many blocks there are for that reason. A new one is
/// counted here by whoever looked whether it cannot be run after all.
const READ_ALONE: &[(&str, usize)] = &[
    // It builds, or runs what was just built.
    ("build", 1),
    // It is typed into a device of another maker.
    ("device", 4),
    // It changes the machine itself: packages, services, network interfaces.
    ("machine", 13),
    // It asks a host that is not there.
    ("network", 4),
    // It takes a container engine.
    ("container", 6),
    // It takes a database server.
    ("database", 2),
];

/// How many pages are run at a time.
const AT_ONCE: usize = 2;

#[test]
fn every_command_of_the_book_does_what_it_says() {
    let only = env::var("BOOK").ok();
    let todo: Vec<(String, Vec<Fence>)> = book()
        .into_iter()
        .filter(|(page, _)| only.as_ref().is_none_or(|only| only == page))
        .map(|(page, text)| {
            let mut blocks = fences(&page, &text);
            blocks.retain(|fence| manner(&fence.label).is_some());
            (page, blocks)
        })
        .filter(|(_, blocks)| !blocks.is_empty())
        .collect();
    assert!(!todo.is_empty(), "no commands in {only:?}");
    let commands: usize = todo
        .iter()
        .flat_map(|(_, blocks)| blocks)
        .map(|fence| fence.commands().len())
        .sum();
    let next = Mutex::new(todo.into_iter());
    let faults = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((page, blocks)) = next.lock().unwrap().next() else {
                        break;
                    };
                    // A panic says what was printed; here the page is added, and the others are run.
                    let end = catch_unwind(AssertUnwindSafe(|| run(&page, &blocks)));
                    let fault = match end {
                        Ok(Ok(())) => continue,
                        Ok(Err(fault)) => fault,
                        Err(panic) => {
                            let text = panic.downcast_ref::<String>().cloned();
                            format!("docs/src/{page}: {}", text.unwrap_or_default())
                        }
                    };
                    faults.lock().unwrap().push(fault);
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(only.is_some() || commands > 20, "{commands} commands");
}

#[test]
fn every_command_that_is_not_run_is_one_of_the_program() {
    let mut faults = Vec::new();
    for (page, text) in book() {
        let mut lines = named(&text);
        for fence in fences(&page, &text) {
            if why(&fence.label).is_some() {
                let commands = fence.commands().into_iter();
                lines.extend(commands.map(|command| (command.line, command.text)));
            }
        }
        for (line, command) in lines {
            if let Err(fault) = reading::read(&command) {
                faults.push(format!("docs/src/{page}:{line}: {command}\n{fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn every_block_says_what_it_is() {
    let mut faults = Vec::new();
    let mut alone: BTreeMap<&str, usize> = READ_ALONE.iter().map(|(why, _)| (*why, 0)).collect();
    for (page, text) in book() {
        for fence in fences(&page, &text) {
            if let Some(count) = why(&fence.label).and_then(|why| alone.get_mut(why)) {
                *count += 1;
            } else if TEXTS.contains(&&*fence.label) {
                let mut lines = fence.lines.iter();
                // In the files of devices a `#` begins a comment.
                let command = lines.find(|(_, text)| {
                    text.starts_with("$ ")
                        || fence.label.is_empty() && prompted(text).is_some()
                        || [
                            "countersign ",
                            "curl ",
                            "make ",
                            "docker ",
                            "systemctl ",
                            "apt",
                        ]
                        .iter()
                        .any(|program| text.starts_with(program))
                });
                if let Some((line, text)) = command {
                    faults.push(format!(
                        "docs/src/{page}:{line}: a command in a block of the kind '{}': {text}; \
                         write ```console",
                        fence.label
                    ));
                }
            } else if manner(&fence.label).is_none() && !(fence.label == "sh" && page == "api.md") {
                faults.push(format!(
                    "{}: no kind of block: {}",
                    fence.place(),
                    fence.label
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let counted: BTreeMap<&str, usize> = READ_ALONE.iter().copied().collect();
    assert_eq!(
        alone, counted,
        "blocks that are read alone, beside READ_ALONE"
    );
}

#[test]
fn every_device_has_its_time_outs_and_a_way_to_test() {
    let mut faults = Vec::new();
    let book = book();
    let devices = book
        .iter()
        .filter(|(page, _)| page.starts_with("devices/") && page != "devices/index.md");
    assert!(devices.clone().count() > 10);
    for (page, text) in devices {
        for heading in ["## Time-outs", "## Check"] {
            if !text.lines().any(|line| line == heading) {
                faults.push(format!("{page} has no '{heading}'"));
            }
        }
        let (_, index) = book
            .iter()
            .find(|(page, _)| page == "devices/index.md")
            .unwrap();
        let name = page.trim_start_matches("devices/");
        if !index.contains(&format!("]({name}) |")) {
            faults.push(format!("devices/index.md has no row of {name}"));
        }
    }
    // A push waits for 60 seconds, so a device that waits for no more gives up in that very second.
    for (page, text) in &book {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in ["60 seconds or more", "60 or more", "60 and 1"] {
            if text.contains(words) {
                faults.push(format!("{page}: '{words}': it must be more than 60"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a start or a command says, as the book has it, is said by the program or its scripts.
#[test]
fn what_keeps_a_gateway_from_starting_is_in_its_own_words() {
    let page = fs::read_to_string(repository().join("docs/src/troubleshooting.md")).unwrap();
    let (_, section) = page.split_once("## It does not start").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let said: Vec<&str> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .filter(|said| !said.starts_with("--") && !SYSTEM_SAYS.contains(said))
        .collect();
    assert!(said.len() > 10, "{said:?}");
    let words = sources();
    let mut faults = Vec::new();
    for said in said {
        // What stands for something else: any text, a folder, a number.
        let parts = said.split(['…', '/']).flat_map(|part| part.split("DIR"));
        for part in parts.flat_map(|part| part.split("N,")).map(str::trim) {
            if part.len() > 5 && !words.contains(part) {
                faults.push(format!("nothing says '{part}' (of '{said}')"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_variable_of_the_book_is_one_that_is_read() {
    let words = sources();
    let mut faults = Vec::new();
    let mut seen = 0;
    for (page, text) in book() {
        let names = text.split(|sign: char| !sign.is_ascii_uppercase() && sign != '_');
        for name in names.filter(|name| name.starts_with("COUNTERSIGN_")) {
            seen += 1;
            if !words.contains(name) {
                faults.push(format!("{page}: nothing reads {name}"));
            }
        }
    }
    assert!(seen > 30, "{seen}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What the system says, and no source of ours.
const SYSTEM_SAYS: [&str; 1] = ["No space left on device"];

/// The program's sources and the packages' scripts, a text over several lines as one.
fn sources() -> String {
    let mut todo: Vec<_> = [
        "cli/src",
        "controlplane/src",
        "dataplane/src",
        "secondfactor/src",
        "local/src",
    ]
    .map(|folder| repository().join(folder))
    .into();
    let mut text = String::new();
    for script in ["authproxyctl", "setup"] {
        text += &fs::read_to_string(repository().join("deploy/packages").join(script)).unwrap();
    }
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    let lines = text.split("\\\n").map(str::trim_start);
    lines.collect::<Vec<_>>().concat()
}

/// Why a block of commands is read alone.
fn why(label: &str) -> Option<&str> {
    label
        .strip_prefix("console,")
        .filter(|why| READ_ALONE.iter().any(|(known, _)| known == why))
}

/// The pages of the book, with their names.
fn book() -> Vec<(String, String)> {
    let pages = pages(&repository().join("docs/src"));
    assert!(pages.len() > 40, "{} pages", pages.len());
    assert!(fs::exists(repository().join("docs/book.toml")).unwrap());
    pages
}
