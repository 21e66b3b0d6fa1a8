//! Every link of the book and of the pages beside the program leads somewhere: files, anchors, pictures.
//! What lies outside is judged by its form alone: a test asks no network.
#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use e2e::peers::repository;

#[test]
fn every_link_leads_somewhere() {
    let mut pages = Vec::new();
    for folder in [".", "bench", "docs", "docs/src", "fuzz", "web", "web/e2e"] {
        pages.extend(markdown(&repository().join(folder)));
    }
    for folder in ["docs/src/devices", "docs/src/reference"] {
        pages.extend(markdown(&repository().join(folder)));
    }
    let texts: BTreeMap<PathBuf, String> = pages
        .into_iter()
        .map(|page| (page.clone(), fs::read_to_string(page).unwrap()))
        .collect();
    let mut seen = 0;
    let mut faults = Vec::new();
    for (page, text) in &texts {
        for (line, target) in links(text) {
            seen += 1;
            if let Some(fault) = fault(page, &target, &texts) {
                let page = page.strip_prefix(repository()).unwrap_or(page);
                faults.push(format!("{}:{line}: {target}: {fault}", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen > 400, "{seen} links");
}

/// What is wrong with a link of a page.
fn fault(page: &Path, target: &str, texts: &BTreeMap<PathBuf, String>) -> Option<String> {
    if let Some((scheme, rest)) = target.split_once("://") {
        let host = rest.split(['/', '#', '?']).next().unwrap_or_default();
        return match scheme {
            _ if scheme != "https" => Some("outside links begin with https://".to_owned()),
            _ if !host.contains('.') || host.contains("example.") => {
                Some(format!("'{host}' is nobody's host"))
            }
            _ if rest.contains(|letter: char| letter.is_whitespace() || letter == '"') => {
                Some("a blank or a quote in it".to_owned())
            }
            _ => None,
        };
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => page.to_owned(),
        file => plain(&page.parent().unwrap().join(file)),
    };
    if !path.exists() {
        return Some("no such file".to_owned());
    }
    let book = repository().join("docs/src");
    if page.starts_with(&book) && !path.starts_with(&book) {
        return Some("it leads out of the book, which is read without the repository".to_owned());
    }
    if anchor.is_empty() {
        return None;
    }
    let Some(text) = texts.get(&path) else {
        return Some("an anchor in what is no page".to_owned());
    };
    let there = anchors(text);
    (!there.contains(anchor)).then(|| format!("no such heading; there are {there:?}"))
}

/// Its links and pictures with their lines, those in code left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            found.push((number, target.to_owned()));
            rest = after;
        }
        for attribute in [" src=\"", " href=\""] {
            for after in line.split(attribute).skip(1) {
                let target = after.split('"').next().unwrap_or_default();
                found.push((number, target.to_owned()));
            }
        }
        // [name]: target
        if let Some((name, target)) = line.split_once("]: ")
            && name.starts_with('[')
        {
            found.push((number, target.trim().to_owned()));
        }
    }
    found
}

/// The anchors of a page, as mdBook makes them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut times = BTreeMap::<String, usize>::new();
    for (_, line) in prose(text) {
        for after in line.split("<a id=\"").skip(1) {
            found.insert(after.split('"').next().unwrap_or_default().to_owned());
        }
        let heading = line.trim_start_matches('#');
        let depth = line.len() - heading.len();
        if !(1..=6).contains(&depth) || !heading.starts_with(' ') {
            continue;
        }
        let id: String = heading
            .trim()
            .chars()
            .filter_map(|letter| match letter {
                letter if letter.is_alphanumeric() || matches!(letter, '_' | '-') => {
                    Some(letter.to_ascii_lowercase())
                }
                letter if letter.is_whitespace() => Some('-'),
                _ => None,
            })
            .collect();
        let before = times.entry(id.clone()).or_default();
        found.insert(match *before {
            0 => id,
            more => format!("{id}-{more}"),
        });
        *before += 1;
    }
    found
}

/// The lines outside of code blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!code && !fence).then_some((number + 1, line))
    })
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// The pages of a folder itself.
fn markdown(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| plain(&entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

#[test]
fn anchors_are_those_that_mdbook_makes() {
    let page = "# The `[main]` section\n## How, then?\n```\n# no heading\n```\n## How, then?\n### a_b-c\n#5 is none\n";
    let want = ["the-main-section", "how-then", "how-then-1", "a_b-c"];
    assert_eq!(anchors(page), want.map(str::to_owned).into());
}

#[test]
fn broken_links_are_faults() {
    let page = repository().join("docs/src/security.md");
    let texts = BTreeMap::from([(page.clone(), "# There\n".to_owned())]);
    for (target, good) in [
        ("security.md", true),
        ("security.md#there", true),
        ("security.md#here", false),
        ("#nowhere", false),
        ("nothing.md", false),
        ("images/nothing.png", false),
        ("images/overview.png", true),
        ("../../README.md", false),
        ("https://www.rfc-editor.org/rfc/rfc2865", true),
        ("http://www.rfc-editor.org/rfc/rfc2865", false),
        ("https://gate.example.com/", false),
        ("https://nothing/", false),
    ] {
        let fault = fault(&page, target, &texts);
        assert_eq!(fault.is_none(), good, "{target}: {fault:?}");
    }
}
