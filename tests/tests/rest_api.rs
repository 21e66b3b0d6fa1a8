//! The REST API of a running gateway, by its own word: its OpenAPI document, and the page of the book.
#![cfg(test)]

use std::{fs, path::Path, process::Command, time::Duration};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start, program},
    gateway::Site,
    peers::repository,
    ports, venv,
};
use serde_json::Value;

/// A gateway without a file.
fn gateway(site: &Site) -> Countersign {
    gateway_with(site, "")
}

/// The same; `sections` go into the file that is imported.
fn gateway_with(site: &Site, sections: &str) -> Countersign {
    let more = format!("radius_ip_2=192.0.2.1\nradius_secret_2=another\n{sections}");
    let gateway = Start::beside(&site.config(&more))
        .argument("--second-factor-listen")
        .argument(&ports::loopback(ports::free_tcp()).to_string())
        .launch();
    wait_until("it says what to do", Duration::from_secs(10), || {
        gateway.output().contains("countersign import FILE")
    });
    gateway
}

/// A section whose second factor is the built-in one.
fn with_builtin() -> String {
    format!(
        "\n[radius_server_auto2]\napi_host=builtin\nclient=duo_only_client\nport={}\n\
         radius_ip_1=127.0.0.0/8\nradius_secret_1=other-secret\n",
        ports::free_udp()
    )
}

fn said(gateway: &Countersign, arguments: &[&str]) -> String {
    let output = gateway.command(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// Whatever is sent, no answer is a fault of ours, none is outside the document, and none has a status
/// that it does not name.
#[test]
fn nothing_that_is_sent_gets_an_answer_outside_the_document() {
    let site = Site::new();
    let gateway = gateway_with(&site, &with_builtin());
    said(
        &gateway,
        &["import", gateway.config().to_str().unwrap(), "--yes"],
    );
    for user in ["alice", "bob"] {
        wait_until(
            "the second factor is there",
            Duration::from_secs(20),
            || {
                let made = gateway.command(&["factor", "add", user]);
                made.status.success()
            },
        );
    }
    let token = said(&gateway, &["token", "create", "tests", "--role", "admin"]);
    let folder = tempfile::tempdir().unwrap();
    // So that much of what is sent finds something.
    fs::write(folder.path().join("schemathesis.toml"), KNOWN).unwrap();
    let base = format!("http://{}", gateway.admin);
    let run = |more: &[&str]| {
        let tried = Command::new(venv::program("schemathesis"))
            .current_dir(folder.path())
            .arg("run")
            .arg(format!("{base}/api/openapi.json"))
            .args(["--url", &base, "--header"])
            .arg(format!("Authorization: Bearer {token}"))
            .args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS])
            .args([
                "--seed",
                "20261122",
                "--max-examples",
                "6",
                "--workers",
                "1",
            ])
            .args(["--request-timeout", "20", "--warnings", "off", "--no-color"])
            .args(more)
            .output()
            .unwrap();
        let found = String::from_utf8_lossy(&tried.stdout);
        assert!(tried.status.success(), "{found}\n{}", gateway.output());
        assert!(!gateway.output().contains("panicked"));
    };
    // What is deleted is not there for the others, nor is a token.
    let deletes = "deleteIntegration|deleteToken|deleteUser";
    run(&["--exclude-operation-id-regex", deletes]);
    run(&["--include-operation-id-regex", deletes]);
}

/// Nobody needs a token to read what it says of itself.
#[test]
fn the_document_and_its_page_are_for_everybody() {
    let site = Site::new();
    let gateway = gateway(&site);
    let document = gateway.get("/api/openapi.json");
    assert_eq!(
        (document.status, document.json()["openapi"].as_str()),
        (200, Some("3.1.0"))
    );
    let page = gateway.get("/api/docs");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(
        gateway.get("/api/docs/style.css").header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert_eq!(gateway.get("/api/nothing").status, 404);
}

#[test]
fn the_examples_of_the_book_do_what_it_says() {
    let site = Site::new();
    let gateway = gateway(&site);
    let page = fs::read_to_string(repository().join("docs/src/api.md")).unwrap();
    let page = page.replace("127.0.0.1:8400", &gateway.admin.to_string());
    let folder = tempfile::tempdir().unwrap();
    let mut script = format!(
        "set -eu\ncountersign() {{ {} \"$@\" --data-dir {}; }}\n",
        program().display(),
        gateway.data_dir().display()
    );
    let mut wanted = Vec::new();
    for (kind, text) in blocks(&page) {
        match kind {
            "sh" => script.push_str(&format!("exec > out-{}\n{text}\n", wanted.len())),
            kind => wanted.push((kind, text)),
        }
    }
    assert!(wanted.len() > 15, "{wanted:?}");
    let run = Command::new("sh")
        .arg("-c")
        .arg(&script)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    for (number, (kind, text)) in wanted.iter().enumerate() {
        let got =
            fs::read_to_string(folder.path().join(Path::new(&format!("out-{number}")))).unwrap();
        match *kind {
            "json" => {
                let want: Value = serde_json::from_str(text).unwrap();
                let is = serde_json::from_str(&got).unwrap_or_else(|_| panic!("{text}\n{got}"));
                assert!(holds(&is, &want), "{text}\n{got}");
            }
            _ => assert!(got.contains(text.trim_end()), "{text}\n{got}"),
        }
    }
}

/// The blocks of a page, with their kinds.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    page.split("```")
        .skip(1)
        .step_by(2)
        .map(|block| block.split_once('\n').unwrap())
        .collect()
}

/// Whether a document has at least what is wanted; `…` stands for any text.
fn holds(is: &Value, want: &Value) -> bool {
    match (is, want) {
        (Value::Object(is), Value::Object(want)) => want
            .iter()
            .all(|(name, want)| is.get(name).is_some_and(|is| holds(is, want))),
        (Value::Array(is), Value::Array(want)) => {
            is.len() >= want.len() && is.iter().zip(want).all(|(is, want)| holds(is, want))
        }
        (Value::String(_), Value::String(want)) if want == "…" => true,
        (is, want) => is == want,
    }
}

/// What stands in the places of addresses.
const KNOWN: &str = r#"
[[operations]]
include-path-regex = "^/api/v1/integrations/"
parameters = { "path.id" = "radius_server_auto", "path.address" = "192.0.2.1" }

[[operations]]
include-path-regex = "^/api/v1/authenticators/"
parameters = { "path.id" = "duo_only_client" }

[[operations]]
include-path-regex = "^/api/v1/revisions/"
parameters = { "path.number" = 1 }

[[operations]]
include-path-regex = "^/api/v1/nodes/"
parameters = { "path.node" = "local" }

[[operations]]
include-path-regex = "^/api/v1/second-factor/users/"
parameters = { "path.name" = "alice" }
"#;
/// What is looked at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,\
                      allow_header_conformance";
