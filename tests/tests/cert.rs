//! `countersign cert`: the files that it makes serve, are renewed under a running gateway, and are not
//! made of what is wrong.
#![cfg(test)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Output,
    time::Duration,
};

use e2e::{
    clock::wait_until,
    countersign::command,
    eap::Gateway,
    peers::{
        EapMethod, EapTls, EapolTest, Pki, SECRET, Supplicant,
        supplicant::{Method, Trust},
    },
};
use rcgen::{CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);
const NAME: &str = "radius.example.com";

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// Runs it in this folder, and expects that it goes well.
#[track_caller]
fn cert(folder: &Path, arguments: &[&str]) -> String {
    let output = command(&[&["cert"], arguments].concat(), folder);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(output.stderr.is_empty(), "{}", text(&output));
    text(&output)
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn leaf(folder: &Path) -> Vec<u8> {
    let pem = read(folder, "radius.pem");
    CertificateDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .to_vec()
}

/// All files of a folder with their text, of which a secret is shown only where a test fails.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|one| one.unwrap().file_name().into_string().unwrap());
    names
        .map(|name| (name.clone(), read(folder, &name)))
        .collect()
}

fn mode(folder: &Path, name: &str) -> u32 {
    folder.join(name).metadata().unwrap().mode() & 0o777
}

/// Options of a section that shows the certificate of this folder.
fn options(folder: &Path) -> String {
    let folder = folder.display();
    format!("factors=push\ncerts={folder}/radius.pem\npkey={folder}/radius.key\n")
}

/// A login of eapol_test that trusts this file and wants this name.
fn peer(ca: &str, name: &str, tls: EapTls) -> EapolTest {
    let mut peer = EapolTest::new(EapMethod::PeapGtc, "alice", "pw-alice");
    peer.ca = ca.to_owned();
    peer.domain_match = Some(name.to_owned());
    peer.tls = tls;
    peer
}

#[test]
fn what_it_makes_is_good_to_validate_and_to_a_supplicant_that_checks_everything() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let said = cert(&folder, &[NAME, "192.0.2.10"]);
    let made = files(&folder);
    let names: Vec<_> = made.keys().map(String::as_str).collect();
    assert_eq!(names, ["ca.key", "ca.pem", "radius.key", "radius.pem"]);
    assert_eq!(mode(&folder, "ca.key"), 0o600);
    assert_eq!(mode(&folder, "radius.key"), 0o600);
    assert!(made["radius.pem"].ends_with(&made["ca.pem"]));
    assert!(!said.contains("PRIVATE KEY"), "{said}");
    for line in [
        format!("certs={}/radius.pem", folder.display()),
        format!("pkey={}/radius.key", folder.display()),
    ] {
        assert!(said.lines().any(|one| one == line), "{said}");
    }

    let gateway = Gateway::with([&options(&folder)]);
    fs::set_permissions(gateway.running.config(), fs::Permissions::from_mode(0o600)).unwrap();
    let config = gateway.running.config();
    let config = config.to_str().unwrap();
    let verdict = text(&command(&["validate", "--strict", config], &folder));
    assert!(verdict.contains("good: 0 errors, 0 warnings"), "{verdict}");

    let rogue = Pki::shared().rogue_ca.as_str();
    let ca = made["ca.pem"].as_str();
    for (claim, ca, name, tls, success) in [
        ("TLS 1.2", ca, NAME, EapTls::Tls12, true),
        ("TLS 1.3", ca, NAME, EapTls::Tls13, true),
        ("another name", ca, "example.com", EapTls::Tls12, false),
        ("another CA", rogue, NAME, EapTls::Tls12, false),
    ] {
        let outcome = peer(ca, name, tls).run(gateway.address(0), SECRET);
        assert_eq!(outcome.success, success, "{claim}: {}", outcome.output);
    }
}

#[test]
fn what_signs_itself_is_taken_by_a_supplicant_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = cert(folder, &[NAME, "--self-signed"]);
    assert!(said.contains("Supplicants must have"), "{said}");
    assert_eq!(files(folder).len(), 2, "no CA is made");
    let gateway = Gateway::with([&options(folder)]);
    for tls in [EapTls::Tls12, EapTls::Tls13] {
        let peer = peer(&read(folder, "radius.pem"), NAME, tls);
        let outcome = peer.run(gateway.address(0), SECRET);
        assert!(outcome.success, "{tls:?}: {}", outcome.output);
    }
    let before = leaf(folder);
    cert(folder, &["--renew", "--self-signed"]);
    assert_ne!(leaf(folder), before);
}

#[test]
fn a_running_gateway_shows_what_was_renewed_and_the_ca_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cert(folder, &[NAME, "radius2.example.com"]);
    let (ca, first) = (read(folder, "ca.pem"), leaf(folder));
    fs::set_permissions(folder.join("radius.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let gateway = Gateway::with([&options(folder)]);
    let mut bob = Supplicant::new(Method::Peap, "bob");
    bob.trust = Trust::Authority(ca.clone());
    bob.server_name = NAME.to_owned();
    let shown = || {
        let login = gateway.login_of(&bob, 0, &["pw-bob"]);
        login.accepted().chain[0].clone()
    };
    assert_eq!(shown(), first);

    let process = gateway.running.role("dataplane");
    let before = files(folder);
    // One after the other, so that the gateway may well look in between.
    for _ in 0..5 {
        cert(folder, &["--renew", "--days", "90"]);
    }
    let after = files(folder);
    assert_eq!(after.len(), before.len(), "nothing is left behind");
    for (name, same) in [
        ("ca.pem", true),
        ("ca.key", true),
        ("radius.pem", false),
        ("radius.key", false),
    ] {
        assert_eq!(before[name] == after[name], same, "{name}");
    }
    assert_eq!(mode(folder, "radius.key"), 0o640, "as it was");
    wait_until("the certificate is shown", LONG, || shown() == leaf(folder));
    assert_eq!(gateway.running.role("dataplane"), process);
    // Both names are still in it.
    for name in [NAME, "radius2.example.com"] {
        let outcome = peer(&ca, name, EapTls::Tls13).run(gateway.address(0), SECRET);
        assert!(outcome.success, "{name}: {}", outcome.output);
    }
}

#[test]
fn programs_are_told_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let told = |arguments: &[&str]| -> Value {
        serde_json::from_str(&cert(&folder, &[arguments, &["--json"]].concat())).unwrap()
    };
    let made = told(&[NAME, "2001:db8::1", "--days", "900", "--ca-days", "100"]);
    assert_eq!(made["server"]["names"][0], NAME, "{made:#}");
    assert_eq!(made["server"]["names"][1], "2001:db8::1", "{made:#}");
    assert_eq!(made["server"]["common_name"], NAME);
    let path = folder.join("radius.pem");
    assert_eq!(made["server"]["certificate"], path.to_str().unwrap());
    assert_eq!(made["authority"]["made"], true);
    assert_eq!(made["renewed"], false);
    // It ends with its CA.
    assert_eq!(made["server"]["until"], made["authority"]["until"]);
    let notes = made["notes"].as_array().unwrap();
    for (note, words) in notes.iter().zip(["825 days", "the CA ends on"]) {
        assert!(note.as_str().unwrap().contains(words), "{notes:?}");
    }
    assert_eq!(notes.len(), 2);

    let other = folder.join("ca.key");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
    let renewed = told(&["--renew", "radius3.example.com", "--days", "10"]);
    assert_eq!(renewed["renewed"], true);
    assert_eq!(renewed["authority"]["made"], false);
    assert_eq!(renewed["authority"]["sha256"], made["authority"]["sha256"]);
    assert_ne!(renewed["server"]["sha256"], made["server"]["sha256"]);
    let notes = renewed["notes"].to_string();
    for words in [
        "was for radius.example.com too",
        "was for 2001:db8::1 too",
        "others can read the CA's key",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    // What was cut short, or lost, is made good.
    fs::remove_file(folder.join("radius.pem")).unwrap();
    let whole = told(&["--renew", NAME, "--days", "10"]);
    assert_eq!(whole["server"]["names"][0], NAME);
    fs::remove_file(folder.join("radius.pem")).unwrap();
    fs::remove_file(folder.join("radius.key")).unwrap();
    let again = told(&[NAME, "--days", "10"]);
    assert_eq!(
        again["authority"]["made"], false,
        "a CA that is there is used"
    );
    let own = folder.join("own");
    fs::create_dir(&own).unwrap();
    let own = told(&[NAME, "--self-signed", "--dir", own.to_str().unwrap()]);
    assert!(own["authority"].is_null(), "{own:#}");
}

/// A CA of a year that is over.
fn expired() -> (String, String) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Old CA");
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn what_is_wrong_is_named_with_its_remedy_and_nothing_is_made() {
    let made = tempfile::tempdir().unwrap();
    cert(made.path(), &[NAME]);
    let good = files(made.path());
    let whole: Vec<(&str, &str)> = good.iter().map(|(name, text)| (&**name, &**text)).collect();
    let of = |names: &[&str]| -> Vec<(&str, &str)> {
        let wanted = whole.iter().filter(|(name, _)| names.contains(name));
        wanted.copied().collect()
    };
    let with = |name: &'static str, text: &'static str| {
        let mut files = of(&["ca.pem", "ca.key"]);
        files.retain(|(one, _)| *one != name);
        files.push((name, text));
        files
    };
    let (old, old_key) = expired();
    let stranger = KeyPair::generate().unwrap().serialize_pem();
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let of_another = [of(&["ca.pem"]), vec![("ca.key", &*stranger)]].concat();
    let replaced = [
        vec![("radius.pem", &*Pki::shared().server.certificate)],
        of(&["ca.pem", "ca.key", "radius.key"]),
    ]
    .concat();
    let rsa = [
        vec![("radius.pem", &*Pki::shared().rsa.certificate)],
        of(&["ca.pem", "ca.key"]),
    ]
    .concat();
    for (files_there, arguments, code, words) in [
        (vec![], "", 2, "<NAME>"),
        (
            vec![],
            "*.example.com",
            2,
            "'*.example.com' is no DNS name and no address",
        ),
        (vec![], "192.0.2.1", 2, "supplicants check a DNS name"),
        (vec![], "NAME --days 0", 2, "--days"),
        (vec![], "NAME --days 36501", 2, "--days"),
        (vec![], "NAME --self-signed --ca-days 9", 2, "--ca-days"),
        (
            vec![],
            "NAME --dir nowhere",
            1,
            "cannot use the folder nowhere; make it",
        ),
        (
            vec![("file", "")],
            "NAME --dir file",
            1,
            "cannot use the folder file",
        ),
        (
            vec![],
            "NAME --dir /sys",
            1,
            "cannot write into /sys; run it as a user who may",
        ),
        (
            vec![],
            "--renew",
            2,
            "radius.pem to take names from; give them",
        ),
        (
            vec![],
            "NAME --renew",
            2,
            "ca.key are not there, and supplicants trust nothing else",
        ),
        (
            whole.clone(),
            "NAME",
            2,
            "radius.pem is there already; '--renew' replaces",
        ),
        (
            of(&["radius.key"]),
            "NAME",
            2,
            "radius.key is there already; '--renew' replaces",
        ),
        (
            whole.clone(),
            "NAME --self-signed --renew",
            2,
            "renew it without --self-signed",
        ),
        (of(&["ca.pem"]), "NAME", 2, "ca.key is not: bring it back"),
        (of(&["ca.key"]), "NAME", 2, "ca.pem is not: bring it back"),
        (
            of_another,
            "NAME",
            2,
            "ca.key: the key does not belong to the CA's certificate",
        ),
        (
            with("ca.pem", "nothing\n"),
            "NAME",
            2,
            "ca.pem: there is no certificate in it",
        ),
        (
            with("ca.key", locked),
            "NAME",
            2,
            "ca.key: the CA's key has a passphrase; decrypt it",
        ),
        (
            vec![("ca.pem", &old), ("ca.key", &old_key)],
            "NAME",
            2,
            "ca.pem: the CA has expired on 2021-01-01",
        ),
        (
            rsa,
            "NAME --renew",
            2,
            "radius.pem has another key than one of P-256, and supplicants may need it",
        ),
        (
            replaced,
            "NAME --renew",
            2,
            "radius.pem is not signed by the CA in",
        ),
        (
            [of(&["ca.pem", "ca.key"]), vec![("radius.pem", "nothing\n")]].concat(),
            "--renew",
            2,
            "radius.pem: there is no certificate in it; give them",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for (name, text) in files_there {
            fs::write(folder.join(name), text).unwrap();
        }
        let before = files(folder);
        let arguments = arguments.replace("NAME", NAME);
        let words_given: Vec<&str> = arguments.split_whitespace().collect();
        let output = command(&[&["cert"], &words_given[..]].concat(), folder);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        assert!(said.contains(words), "{arguments}: {said}");
        assert!(!said.contains("PRIVATE KEY"), "{arguments}: {said}");
        assert_eq!(files(folder), before, "{arguments}");
    }
}
