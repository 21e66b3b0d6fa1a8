//! The claims, for the seeds and near them; and where the seeds come from.

#[path = "../../../fuzz/harness.rs"]
mod harness;

use std::fs;
use std::path::Path;

harness::targets![dn, rpc];

#[test]
fn seeds_are_names_and_the_messages_of_today() {
    harness::seeds_are(names().chain(messages()));
}

fn names() -> impl Iterator<Item = (&'static str, String, Vec<u8>)> {
    [
        (
            "spellings",
            "cn=VPN,dc=example,dc=com\nCN=vpn, DC=Example ,DC=COM\ncn=M\\c3\\bcller\ncn=m\u{fc}ller",
        ),
        (
            "escapes",
            "cn=a\\2cb,dc=x\ncn=a\\,b,dc=x\ncn=a\\ ,dc=x\ncn=a\\\\,dc=x\ncn=\\#0401\ncn=\\ff",
        ),
        (
            "common",
            "uid=a\\,b,ou=people,dc=Example,dc=com\ncn=vpn,ou=groups,dc=example, dc=com",
        ),
        ("nothing-common", "uid=a,dc=x\ncn=g,dc=y\n\n=,=\ncn=a+sn=b"),
    ]
    .into_iter()
    .map(|(name, text)| ("dn", name.to_owned(), text.as_bytes().to_vec()))
}

/// Those that the tests of the wire compare: each document, or each of a list of them.
fn messages() -> impl Iterator<Item = (&'static str, String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    fs::read_dir(folder).unwrap().flat_map(|entry| {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (_, document) = text.split_once("\n---\n").unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let name = name.strip_prefix("wire__").unwrap().to_owned();
        let documents = match serde_json::from_str(document).unwrap() {
            serde_json::Value::Array(all) => all,
            one => vec![one],
        };
        (0..)
            .zip(documents)
            .map(move |(place, document): (u32, _)| {
                (
                    "rpc",
                    format!("{name}-{place}"),
                    document.to_string().into_bytes(),
                )
            })
    })
}
