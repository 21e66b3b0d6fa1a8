//! The pure parts stay pure: no sockets, clock, randomness or async, and no arrow that points
//! outwards.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// One part of the crate that must stay pure.
struct Part {
    /// A folder, or a file, below `src`.
    path: &'static str,
    /// The module of `lib.rs` it belongs to: where that is declared, the part must be there.
    module: &'static str,
    /// Modules of the crate that it may not know.
    outward: &'static [&'static str],
}

const PARTS: &[Part] = &[
    Part {
        path: "radius",
        module: "radius",
        outward: &["eap", "flow", "duo", "primary", "server", "control"],
    },
    Part {
        path: "server/dedup.rs",
        module: "server",
        outward: &["eap", "flow", "duo", "primary", "control"],
    },
    // Its tunnel is a trait, and what is random comes from outside. `ring` is pure: hashes in memory.
    Part {
        path: "eap",
        module: "eap",
        outward: &[
            "radius", "flow", "state", "duo", "primary", "server", "control", "clock",
        ],
    },
    // Sees the types of `primary`, which are pure.
    Part {
        path: "flow",
        module: "flow",
        outward: &["eap", "server", "control"],
    },
    Part {
        path: "duo/sign.rs",
        module: "duo",
        outward: &["radius", "flow", "primary", "server", "control"],
    },
    Part {
        path: "primary/ldap/answer",
        module: "primary",
        outward: &["radius", "flow", "duo", "server", "control"],
    },
    Part {
        path: "primary/ldap/ber.rs",
        module: "primary",
        outward: &["radius", "flow", "duo", "server", "control"],
    },
    Part {
        path: "primary/ldap/filter.rs",
        module: "primary",
        outward: &["radius", "flow", "duo", "server", "control"],
    },
    Part {
        path: "primary/ldap/groups",
        module: "primary",
        outward: &["radius", "flow", "duo", "server", "control"],
    },
    Part {
        path: "primary/ldap/message",
        module: "primary",
        outward: &["radius", "flow", "duo", "server", "control"],
    },
    Part {
        path: "primary/ldap/ntlm",
        module: "primary",
        outward: &["radius", "flow", "duo", "server", "control"],
    },
    Part {
        path: "check/certificate.rs",
        module: "check",
        outward: &[
            "radius", "eap", "flow", "duo", "primary", "server", "control",
        ],
    },
    Part {
        path: "duo/message.rs",
        module: "duo",
        outward: &["radius", "flow", "primary", "server", "control"],
    },
];

/// Names that have no business in a pure part, as sequences of whole words.
const FORBIDDEN: &[&str] = &[
    "tokio",
    "hyper",
    "hyper_util",
    "axum",
    "rustls",
    "tokio_rustls",
    "socket2",
    "nix",
    "getrandom",
    "rand",
    "async",
    "await",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "UnixDatagram",
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::env",
    "std::process",
    "thread::spawn",
    "thread::sleep",
];

#[test]
fn the_pure_parts_know_no_socket_clock_randomness_or_outer_module() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = code(&fs::read_to_string(src.join("lib.rs")).unwrap());
    let mut faults = Vec::new();
    let mut parts = 0;
    for part in PARTS
        .iter()
        .filter(|part| contains(&lib, &format!("mod {}", part.module)))
    {
        parts += 1;
        let files = sources(&src.join(part.path));
        assert!(
            !files.is_empty(),
            "{} is missing or has no source",
            part.path
        );
        for file in files {
            let text = code(&fs::read_to_string(&file).unwrap());
            for name in offences(&text, part.outward) {
                faults.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(parts >= 2, "lib.rs declares {parts} of the pure parts");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_part_that_is_missing_or_empty_has_no_source() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let empty = tempfile::tempdir().unwrap();
    for path in [
        crate_root.join("src/nowhere"),
        crate_root.join("src/no.rs"),
        empty.path().into(),
    ] {
        assert!(sources(&path).is_empty(), "{}", path.display());
    }
    assert_eq!(sources(&crate_root.join("src/lib.rs")).len(), 1);
}

#[test]
fn an_impure_source_is_found() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("a runtime", "use tokio::time;", &["tokio"]),
        ("a clock", "let now = Instant::now();", &["Instant::now"]),
        (
            "a clock by its path",
            "let now = std::time::SystemTime::now();",
            &["SystemTime::now"],
        ),
        (
            "a socket",
            "fn send(to: &std::net::UdpSocket) {}",
            &["UdpSocket"],
        ),
        ("randomness", "let octet = rand::random();", &["rand"]),
        (
            "async",
            "async fn wait() { later().await }",
            &["async", "await"],
        ),
        (
            "an outer module",
            "use crate::server::driver;",
            &["crate::server"],
        ),
        (
            "an outer module in a list",
            "use crate::{radius, server};",
            &["crate::server"],
        ),
        ("an inner module", "use crate::radius::Packet;", &[]),
        (
            "a longer word",
            "let operand = random(tokioish, Instant::now_ish);",
            &[],
        ),
        (
            "a comment",
            "// tokio is not used here\n/// nor hyper\nlet a = 1; // rand",
            &[],
        ),
        (
            "a test",
            "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { Instant::now(); } }",
            &[],
        ),
    ];
    for (name, text, want) in cases {
        assert_eq!(offences(&code(text), &["server"]), *want, "{name}");
    }
}

/// Rust sources below a folder, or the one file; tests apart.
fn sources(path: &Path) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(path) else {
        return if path.is_file() {
            vec![path.to_owned()]
        } else {
            Vec::new()
        };
    };
    let is_source = |path: &PathBuf| {
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        stem != "tests" && !stem.ends_with("_tests")
    };
    let mut found = Vec::new();
    for path in folder.map(|entry| entry.unwrap().path()).filter(is_source) {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The text without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn offences(text: &str, outward: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = FORBIDDEN
        .iter()
        .filter(|name| contains(text, name))
        .map(|name| (*name).to_owned())
        .collect();
    for module in outward {
        let listed = text
            .split("crate::{")
            .skip(1)
            .any(|list| contains(list.split(';').next().unwrap_or_default(), module));
        let name = format!("crate::{module}");
        if listed || contains(text, &name) {
            found.push(name);
        }
    }
    found
}

/// Whether the words stand in the text as whole words.
fn contains(text: &str, words: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(words).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + words.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}
