//! The pages of `docs/` that are made of the schema, compared with what is checked in.
//!
//! An option is documented once, in `authproxy::schema`; the pages carry copies between marks.
//! `UPDATE_DOCS=1 cargo test -p controlplane --test docs` brings the copies up to date.
#![cfg(test)]

#[path = "docs/options.rs"]
mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use controlplane::authproxy::differences::DIFFERENCES;
use controlplane::authproxy::schema::{Numbering, OptionSpec, SectionKind, options_of};
use proto::event::Reason;
use serde_json::Value;

/// Where each section's options are documented, below `docs/src`.
const PAGES: &[(&str, &[SectionKind])] = &[
    ("reference/main.md", &[SectionKind::Main]),
    ("reference/ad_client.md", &[SectionKind::AdClient]),
    ("reference/radius_client.md", &[SectionKind::RadiusClient]),
    (
        "reference/duo_only_client.md",
        &[SectionKind::DuoOnlyClient],
    ),
    (
        "reference/radius_server_auto.md",
        &[SectionKind::RadiusServerAuto],
    ),
    (
        "reference/radius_server_challenge.md",
        &[SectionKind::RadiusServerChallenge],
    ),
    (
        "reference/radius_server_eap.md",
        &[SectionKind::RadiusServerEap],
    ),
    (
        "reference/radius_server_concat.md",
        &[SectionKind::RadiusServerConcat],
    ),
    (
        "reference/radius_server_duo_only.md",
        &[SectionKind::RadiusServerDuoOnly],
    ),
    (
        "reference/not_served.md",
        &[
            SectionKind::RadiusServerIframe,
            SectionKind::LdapServerAuto,
            SectionKind::Cloud,
            SectionKind::Sso,
            SectionKind::HttpProxy,
        ],
    ),
];

#[test]
fn option_tables_are_those_of_the_schema() {
    for (page, kinds) in PAGES {
        for kind in *kinds {
            check(page, kind.name(), &table(*kind));
        }
    }
}

#[test]
fn the_table_of_differences_is_that_of_the_code() {
    let mut text = "| subject | here | before | why |\n|---|---|---|---|\n".to_owned();
    for one in DIFFERENCES {
        let cells = [one.subject, one.ours, one.theirs, one.why].map(cell);
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    check("differences.md", "differences", &text);
}

#[test]
fn the_fate_of_each_option_is_told() {
    let document: Value = serde_json::from_str(&options::document()).unwrap();
    let mut text = "| section | served | served, and new here | changes nothing |\n\
                    |---|---|---|---|\n"
        .to_owned();
    for section in document.as_array().unwrap() {
        let (mut served, mut new) = (Vec::new(), Vec::new());
        let mut idle: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for option in section["options"].as_array().unwrap() {
            let name = format!("`{}`", option["name"].as_str().unwrap());
            match (option["why_not"].as_str(), option["new"] == true) {
                (Some(why), _) => idle.entry(why).or_default().push(name),
                (None, true) => new.push(name),
                (None, false) => served.push(name),
            }
        }
        let idle: Vec<String> = idle
            .into_iter()
            .map(|(why, names)| format!("{}: {}", names.join(", "), cell(why)))
            .collect();
        let _ = writeln!(
            text,
            "| `[{}]` | {} | {} | {} |",
            section["section"].as_str().unwrap(),
            served.join(", "),
            new.join(", "),
            idle.join("; "),
        );
    }
    check("moving.md", "fates", &text);
}

#[test]
fn the_options_that_the_page_knows_are_those_of_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src/generated/options.json");
    let want = options::document();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, want).unwrap();
    } else {
        let is = fs::read_to_string(&path).unwrap();
        assert!(
            is == want,
            "options.json is out of date; UPDATE_DOCS=1 cargo test -p controlplane --test docs"
        );
    }
}

#[test]
fn every_reason_has_its_remedy() {
    let page = fs::read_to_string(docs().join("troubleshooting.md")).unwrap();
    for reason in Reason::ALL {
        assert!(page.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn every_section_has_a_page_and_every_page_is_in_the_book() {
    let documented: BTreeSet<&str> = PAGES
        .iter()
        .flat_map(|(_, kinds)| *kinds)
        .map(|kind| kind.name())
        .collect();
    let all: BTreeSet<&str> = SectionKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(documented, all);

    let summary = fs::read_to_string(docs().join("SUMMARY.md")).unwrap();
    let mut pages = Vec::new();
    markdown(&docs(), &mut pages);
    assert!(pages.len() > PAGES.len(), "{pages:?}");
    for page in pages {
        let name = page.strip_prefix(docs()).unwrap().display().to_string();
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "{name} is not in SUMMARY.md"
        );
    }
}

/// The table of one section's options.
fn table(kind: SectionKind) -> String {
    let mut text = String::new();
    for option in options_of(kind) {
        if text.is_empty() {
            text.push_str("| option | value | default | meaning |\n|---|---|---|---|\n");
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            names(option),
            cell(&option.kind.describe()),
            match option.default {
                _ if option.required => "required".to_owned(),
                Some(default) => format!("`{}`", cell(default)),
                None => "unset".to_owned(),
            },
            cell(option.help),
        );
    }
    if text.is_empty() {
        text.push_str("This section has no options.\n");
    }
    text
}

/// Its names, as a file may write them.
fn names(option: &OptionSpec) -> String {
    let name = option.name;
    let mut all = match option.numbering {
        Numbering::Single => format!("`{name}`"),
        Numbering::FromTwo => format!("`{name}`, `{name}_2`, …"),
        Numbering::FromOne => format!("`{name}_1`, `{name}_2`, …"),
        _ => panic!("a numbering that this page does not know"),
    };
    if option.ours {
        all.push_str(" (new)");
    }
    all
}

/// Text within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Compares the part of a page between two marks with `want`, or brings it up to date.
fn check(page: &str, name: &str, want: &str) {
    let path = docs().join(page);
    let old =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (begin, end) = (
        format!("<!-- {name}: made of the code, see controlplane/tests/docs.rs -->\n"),
        format!("<!-- end of {name} -->\n"),
    );
    let parts = old.split_once(&begin).and_then(|(before, rest)| {
        let (is, after) = rest.split_once(&end)?;
        Some((before, is, after))
    });
    let Some((before, is, after)) = parts else {
        panic!("{page} lacks the marks\n{begin}{end}");
    };
    let want = format!("\n{want}\n");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{want}{end}{after}")).unwrap();
    } else {
        assert_eq!(
            is, want,
            "{page} is out of date; UPDATE_DOCS=1 cargo test -p controlplane --test docs"
        );
    }
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src")
}
