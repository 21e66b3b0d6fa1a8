//! Notices over HTTPS to a push service's double, whose browser is other software.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::super::trust::{self, Roots};
use super::*;
use crate::double::{Double, Heard, Say};

fn route(double: &Double, hosts: &[&str]) -> Route {
    Route {
        tls: trust::client(Roots::And(&double.ca_pem)).unwrap(),
        signer: Signer::new(&Signer::generate().unwrap()).unwrap(),
        settings: WebPush {
            contact: "mailto:it@corp.example".to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ca_pem: None,
        },
    }
}

/// A browser, which is a program that prints its keys and then what it was told.
struct Browser {
    child: std::process::Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    keys: Keys,
}

impl Browser {
    fn open() -> Self {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repository = crate_folder.join("..");
        let made = Command::new(repository.join("scripts/venv"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "scripts/venv: {said}");
        let mut child = Command::new(repository.join("target/venv/bin/python"))
            .arg(crate_folder.join("src/outbound/web_push/peer.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let keys = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        Self { child, lines, keys }
    }

    /// Without a line to read it ends.
    fn closes(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn reads(mut self, heard: &Heard) -> Value {
        let authorization = heard.header("authorization").unwrap();
        let body = data_encoding::BASE64.encode(&heard.body);
        let mut input = self.child.stdin.take().unwrap();
        writeln!(input, "{authorization}\t{body}").unwrap();
        drop(input);
        let told = self.lines.next().expect("the browser can read it").unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(&told).unwrap()
    }
}

#[tokio::test]
async fn a_browser_reads_a_notice_and_knows_who_sent_it() {
    let mut double = Double::secure().await;
    let browser = Browser::open();
    let route = route(&double, &["localhost"]);
    let subscription = Subscription {
        endpoint: double.url("/push/abc?d=1"),
        keys: browser.keys.clone(),
    };
    double.say(&[Say::Status(201)]);
    let payload = br#"{"application":"vpn"}"#;
    route
        .send(&subscription, "topic-1", payload, 1_000)
        .await
        .unwrap();
    let heard = double.heard().await;
    assert_eq!(heard.path, "/push/abc?d=1");
    for (name, want) in [
        ("content-encoding", "aes128gcm"),
        ("ttl", "60"),
        ("urgency", "high"),
        ("topic", "topic-1"),
    ] {
        assert_eq!(heard.header(name), Some(want), "{name}");
    }
    let told = browser.reads(&heard);
    assert_eq!(told["plain"], std::str::from_utf8(payload).unwrap());
    assert_eq!(told["head"], json!({ "typ": "JWT", "alg": "ES256" }));
    let audience = double.url("");
    let claims = json!({ "aud": audience, "exp": 44_200, "sub": "mailto:it@corp.example" });
    assert_eq!(told["claims"], claims);
    assert_eq!(told["key"], route.signer.public_key());
}

#[tokio::test]
async fn a_browser_that_is_gone_is_told_apart() {
    let double = Double::secure().await;
    let browser = Browser::open();
    let route = route(&double, &["localhost"]);
    let subscription = Subscription {
        endpoint: double.url("/push/abc"),
        keys: browser.keys.clone(),
    };
    for (status, gone) in [(404, true), (410, true), (413, false), (500, false)] {
        double.say(&[Say::Status(status)]);
        let sent = route.send(&subscription, "topic", b"{}", 0).await;
        assert_eq!(sent.unwrap_err().is_gone(), gone, "{status}");
    }
    browser.closes();
}

#[test]
fn notices_go_to_push_services_only() {
    let own = ["push.corp.example".to_owned(), "*.own.example".to_owned()];
    for (url, want) in [
        ("https://fcm.googleapis.com/fcm/send/x", Ok(Reach::Public)),
        (
            "https://updates.push.services.mozilla.com/x",
            Ok(Reach::Public),
        ),
        ("https://web.push.apple.com/x", Ok(Reach::Public)),
        ("https://db5p.notify.windows.com/w/?t=x", Ok(Reach::Public)),
        ("https://push.corp.example:8443/x", Ok(Reach::Any)),
        ("https://a.b.own.example/x", Ok(Reach::Any)),
        ("https://own.example/x", Err(BadSubscription::Host)),
        ("https://xown.example/x", Err(BadSubscription::Host)),
        ("https://push.apple.com/x", Err(BadSubscription::Host)),
        ("https://evilpush.apple.com/x", Err(BadSubscription::Host)),
        (
            "https://fcm.googleapis.com:22/x",
            Err(BadSubscription::Host),
        ),
        (
            "https://fcm.googleapis.com.evil.example/x",
            Err(BadSubscription::Host),
        ),
        ("https://169.254.169.254/x", Err(BadSubscription::Host)),
        ("http://localhost/x", Err(BadSubscription::Endpoint)),
        (
            "https://a@fcm.googleapis.com/x",
            Err(BadSubscription::Endpoint),
        ),
        ("x", Err(BadSubscription::Endpoint)),
    ] {
        let found = endpoint(&own, url).map(|(_, reach)| reach);
        assert_eq!(found, want, "{url}");
    }
}

#[test]
fn hosts_and_contacts_are_checked() {
    for (host, good) in [
        ("push.example", true),
        ("*.Push.example", true),
        ("127.0.0.1", true),
        ("localhost", true),
        ("*", false),
        ("*.example", false),
        ("*.*.example", false),
        ("https://push.example", false),
        ("push.example:443", false),
        ("", false),
    ] {
        assert_eq!(check_hosts(&[host.to_owned()]).is_ok(), good, "{host}");
    }
    for (contact, good) in [
        ("mailto:it@corp.example", true),
        ("https://corp.example/contact", true),
        ("it@corp.example", false),
        ("http://corp.example", false),
        ("mailto:", false),
        ("mailto:a@b.example\r\nx", false),
    ] {
        assert_eq!(check_contact(contact).is_ok(), good, "{contact}");
    }
}

#[test]
fn keys_have_their_lengths() {
    let point = |first: u8| {
        let mut octets = [7; POINT_OCTETS];
        octets[0] = first;
        BASE64URL_NOPAD.encode(&octets)
    };
    let auth = BASE64URL_NOPAD.encode(&[1; AUTH_OCTETS]);
    for (name, p256dh, auth, good) in [
        ("good", point(4), auth.clone(), true),
        (
            "padded",
            format!("{}=", point(4)),
            format!("{auth}=="),
            true,
        ),
        ("compressed", point(2), auth.clone(), false),
        ("short", "BAAA".to_owned(), auth.clone(), false),
        ("no base64", "+".repeat(87), auth.clone(), false),
        ("short secret", point(4), "AAAA".to_owned(), false),
    ] {
        let keys = Keys {
            p256dh,
            auth: Secret::new(auth),
        };
        assert_eq!(decoded(&keys).is_ok(), good, "{name}");
    }
}
