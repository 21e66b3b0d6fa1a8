use serde_json::{Value, json};

use super::*;

fn redactor(secrets: &[&str], users: &[&str]) -> Redactor {
    let mut names = Names::default();
    users.iter().for_each(|name| names.add(name));
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
    Redactor::new(secrets.iter().map(|one| one.as_bytes()), &names, Some(key)).unwrap()
}

/// What stands for a name.
fn for_(name: &str) -> String {
    pseudonym(name, &hmac::Key::new(hmac::HMAC_SHA256, b"key"))
}

#[test]
fn a_secret_goes_in_each_writing() {
    let secret = "Pl+radius \"secret\"/1 ü";
    let clean = redactor(&[secret], &[]);
    for form in writings(secret.as_bytes()) {
        let form = String::from_utf8_lossy(&form).into_owned();
        let said = clean.text(&format!("a {form} b"));
        assert!(!said.contains(&form), "{form}: {said}");
        assert!(said.contains(SECRET), "{form}: {said}");
    }
    assert!(clean.replaced() >= 8);
}

#[test]
fn the_longer_of_two_secrets_goes_whole_and_short_ones_stay() {
    let clean = redactor(&["secret", "secret-and-more", "abc"], &[]);
    let said = clean.text("x secret-and-more secret abcdef");
    assert_eq!(said, "x [secret] [secret] abcdef");
    assert_eq!(clean.replaced(), 2);
}

#[test]
fn a_name_goes_as_a_word_in_any_case() {
    let clean = redactor(
        &["alice-secret"],
        &["Alice", "bo", "Ümit", "anna-b", "anna"],
    );
    let (alice, umit) = (for_("alice"), for_("ümit"));
    for (text, want) in [
        ("user=alice: x", format!("user={alice}: x")),
        ("CN=ALICE,DC=x", format!("CN={alice},DC=x")),
        ("alice@example.com", format!("{alice}@example.com")),
        ("malice and alices", "malice and alices".to_owned()),
        ("bo bobs", "bo bobs".to_owned()),
        ("alice-secret", "[secret]".to_owned()),
        ("616c696365", alice.clone()),
        ("YWxpY2U=", format!("{alice}=")),
        ("ümit ÜMIT", format!("{umit} {umit}")),
        (
            "anna-bx anna-b",
            format!("{}-bx {}", for_("anna"), for_("anna-b")),
        ),
    ] {
        assert_eq!(clean.text(text), want);
    }
    let untouched = redactor(&[], &[]).text("é \u{0} alice");
    assert_eq!(untouched, "é \u{0} alice");
}

/// What a password spray types for names.
const SPRAYED: [&str; 12] = [
    "true",
    "info",
    "name",
    "config",
    "octets",
    "mode",
    "countersign",
    "lines",
    "radius",
    "1812",
    "user",
    "kernel",
];

#[test]
fn names_of_our_own_words_garble_no_document() {
    let clean = redactor(&["hunter2"], &[&SPRAYED[..], &["alice"]].concat());
    let document = json!({
        "container": true,
        "octets": 1812,
        "kernel": {"name": "countersign", "mode": "100600", "config": null, "alice": 1},
        "lines": ["radius_server_auto", "info: config", "asked by Alice", "kernel x", "has hunter2"],
    });
    let text = serde_json::to_string_pretty(&document).unwrap();
    let shown = clean.item(Kind::Document, text.as_bytes());
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let mut want = document;
    want["lines"][2] = json!(format!("asked by {}", for_("alice")));
    want["lines"][3] = json!(format!("{} x", for_("kernel")));
    want["lines"][4] = json!("has [secret]");
    assert_eq!(shown, want);

    let metrics = "countersign_logins_total{mode=\"auto\",kernel=\"alice\"} 1812\n";
    assert_eq!(clean.item(Kind::Plain, metrics.as_bytes()), metrics);
    let settings = "[radius_server_auto]\n    2  kernel=alice\nradius_ip_1=192.0.2.1\nexempt_username_1=info\n";
    let want = format!(
        "[radius_server_auto]\n    2  kernel={}\nradius_ip_1=192.0.2.1\nexempt_username_1={}\n",
        for_("alice"),
        for_("info")
    );
    assert_eq!(clean.item(Kind::Settings, settings.as_bytes()), want);
}

#[test]
fn in_a_log_a_name_goes_where_it_names_a_user_whatever_it_is() {
    let clean = redactor(&["hunter2"], &[&SPRAYED[..], &["alice"]].concat());
    let (info, bo, alice) = (for_("info"), for_("bo"), for_("alice"));
    for (line, want) in [
        (
            "INFO config: mode=auto octets=1812",
            "INFO config: mode=auto octets=1812".to_owned(),
        ),
        (
            "INFO login user=info mode=auto",
            format!("INFO login user={info} mode=auto"),
        ),
        (
            "user=\"bo\" said alice",
            format!("user=\"{bo}\" said {alice}"),
        ),
        (
            "[info] (('192.0.2.1', 1812), info, 7): login attempt for username 'info'",
            format!("[info] (('192.0.2.1', 1812), {info}, 7): login attempt for username '{info}'"),
        ),
        (
            "{\"level\":\"INFO\",\"fields\":{\"user\":\"info\",\"token\":\"x\",\"mode\":\"alice hunter2\"}}",
            format!(
                "{{\"level\":\"INFO\",\"fields\":{{\"user\":\"{info}\",\"token\":\"[secret]\",\"mode\":\"{alice} \
                 [secret]\"}}}}"
            ),
        ),
        ("{no json of alice", format!("{{no json of {alice}")),
    ] {
        assert_eq!(
            clean.item(Kind::Log, format!("{line}\r\n").as_bytes()),
            format!("{want}\r\n")
        );
    }
}

#[test]
fn one_name_has_one_pseudonym_in_each_file() {
    for name in [
        "CORP\\carolina",
        "CORP\\nora",
        "O'Brien, eve",
        "Ann \"x\" Lee",
        "two  blanks\u{202e}",
        "renée (ü)",
    ] {
        // Nobody told of the name before: each place says that it is one.
        let clean = redactor(&[], &[]);
        let want = for_(name);
        let (escaped, quoted) = (text::name(name), format!("{name:?}"));
        let json = serde_json::to_string(name).unwrap();
        for (kind, shown) in [
            (Kind::Logins, format!("{{\"user\":{json},\"id\":1}}")),
            (
                Kind::Logins,
                format!("{{\"detail\":{}}}", json!(format!("outer name {name}"))),
            ),
            // authevents.log
            (Kind::Log, format!("{{\"msg\":\"x\",\"username\":{json}}}")),
            // JSON logs
            (Kind::Log, format!("{{\"fields\":{{\"user\":{json}}}}}")),
            (
                Kind::Log,
                format!("{{\"eap\":{}}}", json!(format!("outer name {name}"))),
            ),
            // Text logs
            (Kind::Log, format!("INFO x: login user={quoted} outcome=a")),
            (
                Kind::Log,
                format!("INFO eap={:?} x=1", format!("outer name {name}")),
            ),
            // authproxy.log
            (
                Kind::Log,
                format!("[x] (('192.0.2.1', 7), {escaped}, 7): y"),
            ),
            (
                Kind::Log,
                format!("[x] (('192.0.2.1', 7), bob, 7): login attempt for username '{escaped}'"),
            ),
            (
                Kind::Log,
                format!("[x] (('192.0.2.1', 7), bob, 7): outer name {escaped}"),
            ),
        ] {
            let clean = clean.item(kind, shown.as_bytes());
            assert!(clean.contains(&want), "{want} of {shown}: {clean}");
            let rest = clean.replace(&want, "");
            assert!(
                !rest.contains("user-") || rest.contains(&for_("bob")),
                "{clean}"
            );
        }
        // And where a line says it by the way, as the other files made it known.
        let known = redactor(&[], &[name]);
        let line = format!("[x] (('192.0.2.1', 7), bob, 7): rejected - no entry is '{escaped}'");
        let said = known.item(Kind::Log, line.as_bytes());
        assert!(said.ends_with(&format!("is '{want}'")), "{said}");
    }
    let said = "[x] (('192.0.2.1', 7), bob, 7): outer name anonymous@example.com";
    let clean = redactor(&[], &[]).item(Kind::Log, said.as_bytes());
    assert_eq!(clean, said.replace("bob", &for_("bob")));
}

#[test]
fn a_login_has_its_user_replaced_once() {
    let clean = redactor(&[], &["alice"]);
    let line = "{\"event\":{\"user\":\"alice\",\"reply\":\"Hello Alice\"},\"id\":1}\n";
    let want = line
        .replace("alice", &for_("alice"))
        .replace("Alice", &for_("alice"));
    assert_eq!(clean.item(Kind::Logins, line.as_bytes()), want);
}

#[test]
fn what_finds_names_is_bounded_whoever_types_them() {
    let mut names = Names::default();
    for number in 0..names::MOST {
        names.add(&format!("{number:05}{}", "sprayed-name".repeat(20)));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
    let clean = Redactor::new(std::iter::empty(), &names, Some(key)).unwrap();
    let (sought, left) = clean.names();
    assert_eq!(sought + left, names::MOST);
    assert!(sought > 5_000 && left > 5_000, "{sought} {left}");
    let taken = clean.names.as_ref().unwrap().forms.memory_usage();
    assert!(taken < 96 * 1024 * 1024, "{taken}");
    // Where a log says whose name it is, room is not asked for.
    let name = format!("19999{}", "sprayed-name".repeat(20));
    let said = clean.item(Kind::Log, format!("user={name} x").as_bytes());
    assert_eq!(said, format!("user={} x", for_(&name)));
}
