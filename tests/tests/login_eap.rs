//! `countersign login` to sections of mode `eap`: what it shows, asks and verifies.
#![cfg(test)]

use std::{fs, process::Output};

use e2e::{
    countersign::Countersign,
    eap::{Gateway, MENU, PASSWORD},
    gateway::{Site, on_data_dir},
    peers::fakeduo::{Outcome, User},
};
use serde_json::Value;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn login<const N: usize>(gateway: &Gateway<N>, words: &[&str], input: &str) -> Output {
    let words = [&["login"][..], words].concat();
    on_data_dir(&words, &gateway.running.data_dir(), input)
}

/// Holds the exit code, and that these stand in the output in this order.
#[track_caller]
fn assert_says(output: &Output, exit: i32, texts: &[&str]) {
    assert_eq!(output.status.code(), Some(exit), "{output:?}");
    let said = stdout(output);
    let mut rest = said.as_str();
    for text in texts {
        let Some((_, after)) = rest.split_once(text) else {
            panic!("no {text} where it should be: {said}");
        };
        rest = after;
    }
}

/// A file that lies beside the configuration.
fn beside(running: &Countersign, name: &str) -> String {
    let path = running.config().with_file_name(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_menu_is_shown_and_answered_by_further_lines() {
    let gateway = Gateway::with([""]);
    let asked = format!("asked: {PASSWORD}\nasked: {MENU}\n");
    let pushed = login(&gateway, &["alice"], "pw-alice\n1\n");
    assert_says(
        &pushed,
        0,
        &[
            "certificate: CN=localhost\n  issued by CN=Test Intermediate CA\n  good until ",
            "\n  for localhost, 127.0.0.1, ::1\n  SHA-256 ",
            "\n  not verified: --ca FILE does, as a supplicant would\n",
            "PEAP version 1 with TLS 1.3\n",
            &asked,
            "ACCEPTED  alice  radius_server_eap, approved (revision 1)\n",
            "PEAP with TLS 1.3",
            "keys: MS-MPPE-Recv-Key and MS-MPPE-Send-Key of the accept are the tunnel's\n",
        ],
    );
    assert_eq!(stderr(&pushed), "");
    // There is no Reply-Message that anybody could read.
    assert!(!stdout(&pushed).contains("the user reads"), "{pushed:?}");
    assert_eq!(gateway.duo.pushes("alice"), 1);

    // The password from a file: then all lines are answers. After codes were sent it is asked again.
    let file = gateway.running.data_dir().join("password");
    fs::write(&file, "pw-alice\n").unwrap();
    let file = file.to_str().unwrap();
    let again = login(&gateway, &["alice", "--password-file", file], "sms\npush\n");
    assert_says(&again, 0, &[&asked, "asked: ", MENU, "ACCEPTED"]);
    assert_eq!(gateway.duo.pushes("alice"), 2);

    // One document, with the prompts in it, and nothing beside.
    let told = json(&login(&gateway, &["alice", "--json"], "pw-alice\n1\n"));
    assert_eq!(told["code"], "Access-Accept", "{told:#}");
    assert_eq!(told["prompts"], serde_json::json!([PASSWORD, MENU]));
    assert_eq!(told["eap"]["keys"], "same", "{told:#}");
    assert_eq!(told["eap"]["certificate"]["verified"], false, "{told:#}");
    assert_eq!(told["login"]["outcome"], "accept", "{told:#}");
    assert_eq!(told["fault"], Value::Null);

    let unanswered = login(&gateway, &["alice"], "pw-alice\n");
    assert_says(&unanswered, 1, &[&asked]);
    assert!(
        stderr(&unanswered).contains("the input has no further line"),
        "{unanswered:?}"
    );
    gateway.assert_secret("alice", 3, &["pw-alice"]);
}

#[test]
fn who_is_refused_is_told_so() {
    let gateway = Gateway::with(["factors=push\n"]);
    gateway.duo.user("dora", User::who(Outcome::Deny));
    let wrong = login(&gateway, &["alice"], "pw-bob\n");
    assert_says(
        &wrong,
        1,
        &["asked: Password: ", "REJECTED  alice", "primary_rejected"],
    );
    assert!(!stdout(&wrong).contains("keys:"), "{wrong:?}");
    assert_eq!(stderr(&wrong), "", "the verdict says it");
    let denied = login(&gateway, &["dora"], "pw-dora\n");
    assert_says(&denied, 1, &["REJECTED  dora", "denied"]);
    let told = json(&login(&gateway, &["dora", "--json"], "pw-dora\n"));
    assert_eq!(told["code"], "Access-Reject", "{told:#}");
    assert_eq!(told["eap"]["keys"], Value::Null);
    assert_eq!(told["login"]["user"], "dora");
}

#[test]
fn versions_are_what_the_options_leave_and_the_server_has() {
    let gateway = Gateway::with([
        "factors=push\n",
        "factors=push\nminimum_tls_version=tls1.3\n",
    ]);
    let first = ["alice", "--integration", "radius_server_eap", "--json"];
    let mut logins = 0;
    for (tls, want_tls) in [(None, "1.3"), (Some("1.2"), "1.2"), (Some("1.3"), "1.3")] {
        for (peap, version) in [(None, 1), (Some("1"), 1), (Some("0"), 0)] {
            let mut words = first.to_vec();
            words.extend(tls.iter().flat_map(|one| ["--tls", one]));
            words.extend(peap.iter().flat_map(|one| ["--peap", one]));
            let output = login(&gateway, &words, "pw-alice\n");
            logins += 1;
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let eap = &json(&output)["eap"];
            assert_eq!(
                (&eap["version"], &eap["tls"]),
                (&version.into(), &want_tls.into())
            );
            assert_eq!(
                (&eap["keys"], &eap["outer"]),
                (&"same".into(), &"alice".into())
            );
            // Version 0 proves that the login belongs to the tunnel.
            assert_eq!(eap["crypto_binding"], version == 0, "{eap:#}");
        }
    }
    assert_eq!(gateway.duo.pushes("alice"), logins);
    let second = ["alice", "--integration", "radius_server_eap2"];
    let old = login(
        &gateway,
        &[&second[..], &["--tls", "1.2"]].concat(),
        "pw-alice\n",
    );
    assert_says(&old, 1, &["REJECTED  alice", "no TLS in common with us"]);
    assert!(
        stderr(&old).contains("no TLS in common with the server"),
        "{old:?}"
    );
    let bound = login(
        &gateway,
        &[&second[..], &["--peap", "0"]].concat(),
        "pw-alice\n",
    );
    assert_says(
        &bound,
        0,
        &[
            "PEAP version 0 with TLS 1.3",
            "are the tunnel's, bound to the login",
        ],
    );
    let which = login(&gateway, &["alice"], "pw-alice\n");
    assert_says(&which, 2, &[]);
    assert!(
        stderr(&which)
            .contains("say which with --integration: radius_server_eap, radius_server_eap2"),
        "{which:?}"
    );
}

#[test]
fn the_name_outside_is_another_where_that_is_wanted() {
    let gateway = Gateway::with(["factors=push\n"]);
    let words = ["alice", "--outer", "anonymous"];
    let output = login(&gateway, &words, "pw-alice\n");
    assert_says(&output, 0, &["ACCEPTED  alice", "outer name anonymous"]);
    // Before the password the node knows the other one only.
    let rogue = beside(&gateway.running, "rogue-ca.pem");
    let output = login(
        &gateway,
        &[&words[..], &["--ca", &rogue]].concat(),
        "pw-alice\n",
    );
    assert_says(&output, 1, &["REJECTED  anonymous"]);
}

#[test]
fn a_certificate_is_verified_as_a_supplicant_would() {
    let gateway = Gateway::with(["factors=push\n"]);
    let ca = beside(&gateway.running, "ca.pem");
    let rogue = beside(&gateway.running, "rogue-ca.pem");
    let key = beside(&gateway.running, "chain.key");
    let verified =
        |words: &[&str]| login(&gateway, &[&["alice"][..], words].concat(), "pw-alice\n");
    for tls in ["1.2", "1.3"] {
        let any = verified(&["--ca", &ca, "--tls", tls]);
        assert_says(&any, 0, &["verified: by the CA; --server-name", "ACCEPTED"]);
        for name in ["localhost", "127.0.0.1"] {
            let named = verified(&["--ca", &ca, "--server-name", name, "--tls", tls]);
            assert_says(
                &named,
                0,
                &[
                    &format!("verified: by the CA, and for {name}\n"),
                    "ACCEPTED",
                ],
            );
        }
        for (words, says) in [
            (
                &["--ca", &rogue][..],
                "the certificate is not trusted: the CA did not sign it",
            ),
            (
                &["--ca", &ca, "--server-name", "radius.invalid"],
                "the certificate is for another name",
            ),
        ] {
            let refused = verified(&[words, &["--tls", tls]].concat());
            assert_says(
                &refused,
                1,
                &[
                    "not trusted\n",
                    "REJECTED  alice",
                    "does not trust the certificate",
                ],
            );
            assert!(stderr(&refused).contains(says), "{refused:?}");
            assert!(!stdout(&refused).contains("asked:"), "{refused:?}");
        }
    }
    let told = json(&verified(&["--ca", &rogue, "--json"]));
    assert!(
        told["fault"].as_str().unwrap().contains("not trusted"),
        "{told:#}"
    );
    assert_eq!(told["login"]["reason"], "eap_failed", "{told:#}");
    for (words, exit, says) in [
        (&["--server-name", "localhost"][..], 2, "--ca"),
        (&["--ca", "/no/such.pem"], 1, "cannot read /no/such.pem"),
        (&["--ca", &key], 2, "no CA certificates"),
        (
            &["--ca", &ca, "--server-name", "not a name"],
            2,
            "--server-name",
        ),
        (&["--tls", "1.1"], 2, "1.2"),
        (&["--peap", "2"], 2, "--peap"),
        (&["--outer", ""], 2, "1 to 253 octets"),
    ] {
        let wrong = verified(words);
        assert_eq!(wrong.status.code(), Some(exit), "{words:?}: {wrong:?}");
        assert!(stderr(&wrong).contains(says), "{words:?}: {wrong:?}");
    }
    // No password went anywhere but where the certificate held.
    assert_eq!(gateway.upstream.count("alice"), 6);
}

#[test]
fn options_of_a_supplicant_are_refused_where_there_is_none() {
    let site = Site::new();
    let running = Countersign::run(&site.config(""));
    for words in [
        &["--outer", "anonymous"][..],
        &["--tls", "1.2"],
        &["--peap", "0"],
    ] {
        let words = [&["login", "alice"][..], words].concat();
        let output = on_data_dir(&words, &running.data_dir(), "any\n");
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        assert!(
            stderr(&output).contains("'radius_server_auto' speaks no EAP"),
            "{output:?}"
        );
    }
}
