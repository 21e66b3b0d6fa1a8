//! No finding shows what may be a secret, however the file is broken.

use super::severity::{file, said};
use super::*;
use crate::protected::{protect, reveal};
use crate::seal::Key;

/// Neither of the planted secrets is long enough to be recognised by a piece shorter than this.
const PIECE: usize = 9;

/// Secrets as they are in the field: words, base64, hexadecimal, sealed by Windows.
const SECRETS: &[&str] = &[
    "hunter2hunter2hunter2",
    "correcthorsebatterystaple",
    "c2VjcmV0MTIzNGM2VjcmV0MTIzNA==",
    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    "AQAAANCMnd8BFdERjHoAwE/Cl+sBAAAA",
    "p=w:p;w#p w=p\u{e9}w[ppppppppppp]",
];

fn pieces(secret: &str) -> Vec<String> {
    let characters: Vec<char> = secret.chars().collect();
    characters
        .windows(PIECE)
        .map(|piece| piece.iter().collect())
        .collect()
}

#[test]
fn no_malformed_line_shows_a_secret() {
    let forms: &[fn(&str) -> String] = &[
        |s| format!("radius_secret_1: {s}"),
        |s| format!("radius_secret_1:{s}=="),
        |s| format!("radius_secret_1 {s}"),
        |s| format!("radius_secret_1 {s}="),
        |s| format!("radius_secret_1;{s}=x"),
        str::to_owned,
        |s| format!("{s}="),
        |s| format!("{s}==\n{s}=="),
        |s| format!("={s}"),
        |s| format!("\t{s}=x"),
        |s| format!("[{s}]"),
        |s| format!("[{s}]\n[{s}]"),
        |s| format!("[{s}"),
        |s| format!("skey_protected={s}"),
        |s| format!("skey={s}\nskey={s}"),
        |s| format!("exempt_username_1=x\n  {s}=x"),
        |s| format!("secret={s}\u{1}"),
        |s| format!("radius_secret_2={s}"),
    ];
    for secret in SECRETS {
        for form in forms {
            let broken = form(secret);
            for whole in [
                file("", "", &broken, ""),
                file(&broken, "", "", ""),
                format!("{broken}\n{}", file("", "", "", "")),
                broken.clone(),
            ] {
                let report = run(&whole);
                let shown = text(&report.diagnostics);
                let json = json(&report.diagnostics).to_string();
                assert!(!shown.is_empty(), "{broken}: something is said");
                for piece in pieces(secret) {
                    assert!(!shown.contains(&piece), "{broken}: {shown}");
                    assert!(!json.contains(&piece), "{broken}: {json}");
                }
            }
        }
    }
}

#[test]
fn a_colon_instead_of_an_equals_sign_is_named() {
    let report = run(&file("", "", "exempt_username_1: c2VjcmV0MTIzNA==", ""));
    assert_eq!(
        said(&report),
        [
            "error: [radius_server_auto]: what stands before the '=' is no option name; \
             write '=' between option and value, not ':'"
        ]
    );
}

#[test]
fn an_unknown_name_is_shown_as_far_as_it_helps() {
    for (line, want) in [
        ("fail_mode=secure", "[radius_server_auto] fail_mode: "),
        ("wibble_3=x", "[radius_server_auto] wibble_3: "),
        ("wibblewobble=x", "[radius_server_auto] wibblewo…: "),
        ("Wibble=x", "[radius_server_auto]: "),
        ("w1bble=x", "[radius_server_auto]: "),
    ] {
        let found = said(&run(&file("", "", line, "")));
        let want = format!("warning: {want}this section has no such option");
        assert!(found[0].starts_with(&want), "{line}: {found:?}");
    }
}

#[test]
fn a_dictionary_that_is_another_file_is_not_shown() {
    let lines = [
        "root:$6$hunter2hunter2$hunter2hunter2:19000:0:99999:7:::",
        "hunter2hunter2 hunter2hunter2 hunter2hunter2",
        "ATTRIBUTE hunter2hunter2 hunter2hunter2 hunter2hunter2",
        "ATTRIBUTE x 1 hunter2hunter2",
        "ATTRIBUTE x 1 string hunter2hunter2",
        "VALUE x y hunter2hunter2",
        "VENDOR hunter2hunter2 hunter2hunter2",
        "VENDOR x 1 hunter2hunter2",
        "VENDOR x 1 format=hunter2hunter2",
        "BEGIN-VENDOR hunter2hunter2",
        "END-VENDOR hunter2hunter2",
        "END-TLV hunter2hunter2",
        "ALIAS hunter2hunter2 hunter2hunter2",
    ];
    for line in lines {
        let files = files().with("conf/passwords", line);
        let report = run_with(&file("dictionary=passwords", "", "", ""), &files);
        let shown = text(&report.diagnostics);
        assert!(
            shown.contains("conf/passwords:1: error: "),
            "{line}: {shown}"
        );
        assert!(!shown.contains("hunter2hu"), "{line}: {shown}");
    }
}

#[test]
fn a_sealed_value_is_opened_behind_the_clear_name_or_refused() {
    let (ours, other) = (Key::new([1; 32]), Key::new([2; 32]));
    let sealed = protect(&ours, &Secret::from("hunter2hunter2")).unwrap();
    let whole = file("", "", "", "").replace("=hunter2-nas\n", &format!("={sealed}\n"));
    assert!(whole.contains(&sealed), "{whole}");
    let damaged = whole.replace(&sealed, sealed.get(..sealed.len() - 1).unwrap());
    let read = |text: &str, key: &Key| {
        let source = Source {
            path: Path::new("conf/authproxy.cfg"),
            octets: text.as_bytes(),
            mode: None,
            now_ms: NOW_MS,
            files: &files(),
            unseal: &|text| reveal(key, text),
        };
        import(&source, &Dictionary::builtin())
    };
    let good = read(&whole, &ours).imported.unwrap().resolve(1, made);
    let clear = whole.replace(&sealed, "hunter2hunter2");
    let want = read(&clear, &ours).imported.unwrap().resolve(1, made);
    assert_eq!(good, want);
    for (text, key) in [(&whole, &other), (&damaged, &ours)] {
        let report = read(text, key);
        assert!(report.imported.is_none());
        let line = text.lines().position(|line| line.contains("=sealed:"));
        let found = report
            .diagnostics
            .iter()
            .find(|one| one.severity == Severity::Error)
            .unwrap();
        assert_eq!(usize::try_from(found.line).unwrap(), line.unwrap() + 1);
        assert_eq!(found.option.as_deref(), Some("radius_secret_1"));
        assert!(found.remedy.contains("clear value"), "{found:?}");
    }
}
