//! The code blocks of a page and the commands in them. Knows nothing of what running them takes.

use std::{fs, path::Path};

/// A code block.
#[derive(Debug)]
pub(crate) struct Fence {
    /// The page, below `docs/src`.
    pub(crate) page: String,
    /// The line of the page that opens it, from 1.
    pub(crate) line: usize,
    /// What stands behind the three backticks.
    pub(crate) label: String,
    /// Its lines, without what the block is indented by, with their numbers.
    pub(crate) lines: Vec<(usize, String)>,
}

/// A command with what the book says that it prints.
#[derive(Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) prints: Vec<String>,
}

impl Fence {
    /// Where it stands, for messages.
    pub(crate) fn place(&self) -> String {
        format!("docs/src/{}:{}", self.page, self.line)
    }

    /// Its commands: what stands behind a prompt, `$ ` or `# `, with the lines that a `\` at the end
    /// of one joins to it. The lines up to the next prompt are what it prints.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let mut found: Vec<Command> = Vec::new();
        let mut goes_on = false;
        for (line, text) in &self.lines {
            if goes_on {
                let command = &mut found.last_mut().unwrap().text;
                command.push('\n');
                command.push_str(text);
            } else if let Some(command) = prompted(text) {
                found.push(Command {
                    line: *line,
                    text: command.to_owned(),
                    prints: Vec::new(),
                });
            } else {
                let command = found.last_mut();
                let command = command.unwrap_or_else(|| {
                    panic!("{}: it begins with no prompt: {text}", self.place())
                });
                command.prints.push(text.clone());
                continue;
            }
            goes_on = text.ends_with('\\');
        }
        for command in &mut found {
            while command.prints.last().is_some_and(String::is_empty) {
                command.prints.pop();
            }
        }
        found
    }
}

/// What stands behind a prompt.
pub(crate) fn prompted(line: &str) -> Option<&str> {
    line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "))
}

/// The blocks of a page.
pub(crate) fn fences(page: &str, text: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut open: Option<(Fence, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        match (open.take(), bare.strip_prefix("```")) {
            (None, Some(label)) => {
                let fence = Fence {
                    page: page.to_owned(),
                    line: number,
                    label: label.trim().to_owned(),
                    lines: Vec::new(),
                };
                open = Some((fence, indent));
            }
            (Some((fence, _)), Some(_)) => found.push(fence),
            (Some((mut fence, indent)), None) => {
                let text = line.get(indent..).unwrap_or_default();
                fence.lines.push((number, text.to_owned()));
                open = Some((fence, indent));
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block is not closed");
    found
}

/// The commands that the prose of a page names: `countersign …` within backticks, with their lines.
pub(crate) fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut code = false;
    // A span may go over the end of a line.
    let mut prose = String::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        if !code && !fence {
            prose.push_str(line);
        }
        prose.push('\n');
    }
    let mut line = 1;
    for (number, span) in prose.split('`').enumerate() {
        if number % 2 == 1 && span.starts_with("countersign ") {
            found.push((line, span.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        line += span.matches('\n').count();
    }
    found
}

/// The pages below a folder, with their names in it, in the order of the names.
pub(crate) fn pages(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
