//! What is planted, and how it is found again, be it as it is or in another writing.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, Engine as _};
use e2e::{http::Answer, peers::FakeDuo};

/// What was planted, by its kind; each has characters that look different in other writings.
pub(crate) struct Planted(pub(crate) BTreeMap<&'static str, String>);

impl Planted {
    pub(crate) fn new() -> Self {
        let kinds = [
            ("radius secret", "Pl+radius \"secret\"/1"),
            ("upstream secret", "Pl+upstream <secret>/2"),
            ("bind password", "Pl+bind \\password\\/3"),
            ("protected value", "Pl+protected =value/4"),
            ("user password", "Pl+user %password&5"),
            ("passcode", "73519824"),
            ("admin password", "Pl+admin long \"password\" 6"),
            ("second factor's key", FakeDuo::SKEY),
            ("in a bad body", "Pl+body \"value\" &7"),
        ];
        let all = kinds.map(|(kind, secret)| (kind, secret.to_owned()));
        Self(all.into())
    }

    pub(crate) fn of(&self, kind: &str) -> &str {
        &self.0[kind]
    }

    /// Those that a text holds, in any writing, with what stands around them.
    pub(crate) fn found_in(&self, place: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (kind, secret) in &self.0 {
            let held = writings(secret)
                .into_iter()
                .find_map(|(writing, form)| Some((writing, text.find(&form)?)));
            if let Some((writing, at)) = held {
                let from = text.floor_char_boundary(at.saturating_sub(160));
                let to = text.ceil_char_boundary((at + 160).min(text.len()));
                found.push(format!(
                    "{kind} ({writing}) in {place}: …{}…",
                    &text[from..to]
                ));
            }
        }
        found
    }
}

/// A text as it is, and as programs write it.
fn writings(secret: &str) -> Vec<(&'static str, String)> {
    let hex: String = secret.bytes().map(|octet| format!("{octet:02x}")).collect();
    let quoted = serde_json::to_string(secret).unwrap();
    let percent: String = secret
        .bytes()
        .map(|octet| match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(octet).to_string()
            }
            octet => format!("%{octet:02X}"),
        })
        .collect();
    let mut forms = vec![
        ("plain", secret.to_owned()),
        ("JSON", quoted.trim_matches('"').to_owned()),
        ("JSON twice", secret.escape_default().to_string()),
        ("hexadecimal", hex.to_uppercase()),
        ("hexadecimal", hex),
        ("form", percent.replace("%20", "+")),
        ("URL", percent),
    ];
    // Within a longer text base64 depends on what stands before: three writings, without their edges.
    for before in 0..3 {
        let shifted = [&vec![0; before][..], secret.as_bytes()].concat();
        let whole = shifted.len() / 3 * 3;
        let skipped = if before == 0 { 0 } else { 4 };
        for text in [
            BASE64_STANDARD.encode(&shifted[..whole]),
            BASE64_URL_SAFE.encode(&shifted[..whole]),
        ] {
            forms.push(("base64", text[skipped..].to_owned()));
        }
    }
    forms
}

/// What is looked through in the end.
#[derive(Default)]
pub(crate) struct Seen(Vec<(String, String)>);

impl Seen {
    pub(crate) fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    pub(crate) fn octets(&mut self, place: impl Into<String>, octets: &[u8]) {
        self.add(place, String::from_utf8_lossy(octets));
    }

    pub(crate) fn answer(&mut self, place: &str, answer: &Answer) {
        self.add(place, format!("{:?}\n{}", answer.headers, answer.body));
    }

    #[track_caller]
    pub(crate) fn assert_none_of(&self, planted: &Planted) {
        let all = self.0.iter();
        let found: Vec<_> = all
            .flat_map(|(place, text)| planted.found_in(place, text))
            .collect();
        assert!(
            found.is_empty(),
            "{} places:\n{}",
            found.len(),
            found[..found.len().min(8)].join("\n")
        );
    }
}

#[test]
fn a_secret_is_found_in_each_writing() {
    let planted = Planted::new();
    let secret = planted.of("radius secret");
    for (writing, form) in writings(secret) {
        let text = format!("{{\"x\": \"{form}\"}}");
        assert_eq!(planted.found_in("a text", &text).len(), 1, "{writing}");
    }
    for before in ["", "a", "ab", "abc"] {
        let text = BASE64_STANDARD.encode(format!("{before}{secret} and more"));
        assert_eq!(
            planted.found_in("a text", &text).len(),
            1,
            "{before:?}: {text}"
        );
    }
    let nothing = planted.found_in("a text", "nothing of that kind");
    assert_eq!(nothing, [""; 0]);
}
