//! `deploy/Dockerfile` and `.dockerignore`, as far as they can be looked at without an engine.
#![cfg(test)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use e2e::{countersign::program, peers::repository, venv};

/// The instructions of the Dockerfile, each in one line, without comments.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(repository().join("deploy/Dockerfile")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.trim().is_empty());
    let pairs = lines.map(|line| line.split_once(' ').unwrap());
    pairs
        .map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
        .collect()
}

/// Those of the last stage, which is the image.
fn image() -> Vec<(String, String)> {
    let mut all = instructions();
    let from = all.iter().rposition(|(name, _)| name == "FROM").unwrap();
    all.split_off(from)
}

#[track_caller]
fn one(of: &[(String, String)], name: &str) -> String {
    let mut found = of.iter().filter(|(each, _)| each == name);
    let (_, rest) = found.next().unwrap();
    assert!(found.next().is_none(), "{name} is there once");
    rest.clone()
}

/// Whether `.dockerignore` lets a path through: the last line that is about it decides.
fn is_sent(path: &Path) -> bool {
    let text = fs::read_to_string(repository().join(".dockerignore")).unwrap();
    let mut sent = true;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (rule, lets) = match line.strip_prefix('!') {
            Some(rule) => (rule, true),
            None => (line, false),
        };
        if rule == "*" || path.starts_with(rule) {
            sent = lets;
        }
    }
    sent
}

/// Every file that the builder is sent.
fn context(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(repository()).unwrap().to_owned();
        let built = ["target", "node_modules", ".git"]
            .iter()
            .any(|one| entry.file_name() == *one);
        if entry.file_type().unwrap().is_dir() {
            if !built {
                context(&path, found);
            }
        } else if is_sent(&name) {
            found.push(name);
        }
    }
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

/// Words of the form that no shell reads.
fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn hadolint_finds_nothing() {
    let file = repository().join("deploy/Dockerfile");
    let output = Command::new(venv::program("hadolint"))
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    // It does find what is wrong.
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("Dockerfile");
    fs::write(&bad, "FROM debian\nADD https://example.com/x /x\n").unwrap();
    let output = Command::new(venv::program("hadolint"))
        .arg(&bad)
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[test]
fn what_is_copied_is_there_and_sent_and_nothing_comes_from_elsewhere() {
    let mut copies = 0;
    for (name, rest) in instructions() {
        assert_ne!(name, "ADD", "{rest}");
        if name != "COPY" || rest.starts_with("--from=") {
            continue;
        }
        let mut paths: Vec<&str> = rest.split_whitespace().collect();
        paths.pop();
        for path in paths {
            copies += 1;
            assert!(repository().join(path).exists(), "COPY {path}");
            assert!(path == "." || is_sent(Path::new(path)), "COPY {path}");
        }
    }
    assert!(copies > 5, "{copies}");
}

#[test]
fn the_builder_is_sent_the_workspace_and_no_file_of_the_users() {
    for (path, want) in [
        ("Cargo.lock", true),
        ("migrations", true),
        ("web/package.json", true),
        ("docs/src/devices/cisco.md", true),
        ("web/node_modules/x", false),
        ("target/release/countersign", false),
        ("config/authproxy.cfg", false),
        ("secrets/grafana_admin_password", false),
        (".env", false),
        (".git/config", false),
        ("authproxy.cfg", false),
    ] {
        assert_eq!(is_sent(Path::new(path)), want, "{path}");
    }
    let mut files = Vec::new();
    context(repository(), &mut files);
    let folder = tempfile::tempdir().unwrap();
    for file in &files {
        let to = folder.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(repository().join(file), to).unwrap();
    }
    // It is a whole workspace, and the lock file is right for it.
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--locked",
            "--offline",
            "--no-deps",
            "--format-version=1",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_image_runs_as_nobody_special_and_its_commands_are_understood() {
    let image = image();
    let user = one(&image, "USER");
    let (user, group) = user.split_once(':').unwrap();
    for id in [user, group] {
        assert!(id.parse::<u32>().unwrap() > 9_999, "{id}");
    }
    for (name, rest) in &image {
        let copied =
            rest.starts_with("--from=program /out/countersign ") || rest.starts_with("LICENSE ");
        assert!(name != "COPY" || copied, "{rest}");
        assert_ne!(
            name, "ARG",
            "what is given to a build can be read in the image"
        );
        assert_ne!(
            name, "VOLUME",
            "one without a name is lost with its container"
        );
    }
    assert_eq!(words(&one(&image, "ENTRYPOINT")), ["countersign"]);
    let health = one(&image, "HEALTHCHECK");
    let (_, health) = health.split_once("CMD ").unwrap();
    let health = words(health);
    assert_eq!(health[0], "countersign");
    for arguments in [&words(&one(&image, "CMD"))[..], &health[1..]] {
        let output = Command::new(program())
            .args(arguments)
            .arg("--help")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn the_builders_are_new_enough() {
    let first_number = |text: &str| -> Vec<u32> {
        let number = text
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .find(|it| !it.is_empty());
        number
            .unwrap()
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect()
    };
    let from = |name: &str| {
        let all = instructions();
        let mut found = all
            .iter()
            .filter(|(each, rest)| each == "FROM" && rest.starts_with(name));
        first_number(found.next().unwrap().1.strip_prefix(name).unwrap())
    };
    let read = |file: &str, before: &str| {
        let text = fs::read_to_string(repository().join(file)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(before));
        first_number(line.unwrap())
    };
    assert!(from("rust:") >= read("Cargo.toml", "rust-version = "));
    assert!(from("node:")[0] > read("scripts/web", "need=")[0]);
}
