//! Files that are imported: how they are sent, what is said of each line, what a merge does, and the
//! door of a text editor.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use controlplane::AuthproxyFile;
use serde_json::{Value, json};

use crate::api::{Answer, Plane};
use crate::config_file::FILE;
use crate::support::Site;

/// A form as `curl -F` writes it.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
        let head =
            format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend(head.as_bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    let header = "content-type: multipart/form-data; boundary=edge\r\n".to_owned();
    (header, body)
}

async fn send(plane: &Plane, path: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Answer {
    let (header, body) = form(parts);
    plane.send("POST", path, &header, &body).await
}

/// The row of a line.
fn row(found: &Value, line: u32) -> &Value {
    let lines = found["report"]["lines"].as_array().unwrap();
    let row = lines.iter().find(|one| one["line"] == line);
    row.unwrap_or_else(|| panic!("no line {line} in {found:#}"))
}

const CERTIFICATE: &str = include_str!("../../src/authproxy/tests/server.pem");

fn naming() -> String {
    FILE.replace(
        "[radius_client]",
        "[main]\nhttp_ca_certs_file=certs/ca.pem\ndebug=true\n[radius_client]",
    )
}

#[tokio::test]
async fn a_form_brings_the_file_with_those_that_it_names() {
    let plane = Plane::start().await;
    let text = naming();
    let file: (&str, Option<&str>, &[u8]) = ("file", Some("old.cfg"), text.as_bytes());
    let ca = CERTIFICATE.as_bytes();
    let named: (&str, Option<&str>, &[u8]) = ("files", Some("certs/ca.pem"), ca);
    let other: (&str, Option<&str>, &[u8]) = ("files", Some("other.pem"), ca);
    let tried = send(&plane, "/config/import?dry_run=true", &[other, named, file]).await;
    assert_eq!(tried.status, 200, "{tried:?}");
    let found = &tried.body["found"];
    assert_eq!(found["unused_files"], json!(["other.pem"]));
    let certificates = &row(found, 3)["became"][0];
    assert_eq!(certificates["path"], "settings.http_ca_certs");
    let value = certificates["value"].as_str().unwrap();
    assert!(value.starts_with("1 in PEM"), "{value}");
    // By its last name too, which is what a browser sends.
    let bare: (&str, Option<&str>, &[u8]) = ("files", Some("ca.pem"), ca);
    let done = send(&plane, "/config/import", &[file, bare]).await;
    assert_eq!(done.body["revision"]["number"], 1, "{done:?}");
    let missing = send(&plane, "/config/validate", &[file]).await.body;
    let said = missing["diagnostics"][0]["message"].as_str().unwrap();
    assert!(said.contains("add it to files"), "{said}");
    assert_eq!(missing["diagnostics"][0]["file"], "old.cfg");
    assert_eq!(row(&missing, 3)["result"], "refused");
    plane.running.stop().await;
}

#[tokio::test]
async fn forms_are_bounded_and_what_is_none_is_refused() {
    let plane = Plane::start().await;
    let file: (&str, Option<&str>, &[u8]) = ("file", None, FILE.as_bytes());
    let names: Vec<String> = (0..=64).map(|number| format!("{number}.pem")).collect();
    let many: Vec<_> = names
        .iter()
        .map(|name| ("files", Some(name.as_str()), &b"x"[..]))
        .chain([file])
        .collect();
    let large = vec![b'x'; 9 * 1024 * 1024];
    for (what, parts, want) in [
        ("a file alone", vec![file], 200),
        ("65 files", many.clone(), 413),
        ("64 files", many[1..].to_vec(), 200),
        ("too large", vec![file, ("files", Some("a"), &large)], 413),
        (
            "twice the same",
            vec![file, ("files", Some("a"), b"1"), ("files", Some("a"), b"2")],
            400,
        ),
        ("two main files", vec![file, file], 400),
        ("no main file", vec![("files", Some("a"), b"1")], 400),
        (
            "a part of another name",
            vec![file, ("secret", None, b"PLANTED")],
            400,
        ),
        (
            "a file without a name",
            vec![file, ("files", None, b"PLANTED")],
            400,
        ),
        ("no UTF-8", vec![("file", None, b"\xff")], 400),
    ] {
        let answer = send(&plane, "/config/validate", &parts).await;
        assert_eq!(answer.status, want, "{what}: {answer:?}");
    }
    let (header, body) = form(&[file]);
    let short = &body[..body.len() / 2];
    for (header, body, want) in [
        (header.as_str(), short, 400),
        ("content-type: multipart/form-data\r\n", &body, 400),
        ("content-type: application/xml\r\n", &body, 415),
        (
            "content-type: text/plain; charset=utf-8\r\n",
            FILE.as_bytes(),
            200,
        ),
    ] {
        let answer = plane.send("POST", "/config/validate", header, body).await;
        assert_eq!(answer.status, want, "{header}: {answer:?}");
    }
    // What is no such document is not quoted.
    for bad in [
        json!({"text": 1, "files": {"PLANTED": "x"}}),
        json!({"text": FILE, "PLANTED": "x"}),
        json!({"text": FILE, "files": "PLANTED"}),
    ] {
        assert_eq!(plane.post("/config/import", &bad).await.status, 400);
    }
    plane.running.stop().await;
}

#[tokio::test]
async fn each_line_is_told_with_what_it_takes_the_place_of() {
    let plane = Plane::start().await;
    let first = plane
        .post("/config/import", &json!({"text": FILE}))
        .await
        .body;
    let found = &first["found"];
    assert_eq!(found["report"]["silent"], 2, "a comment and a blank line");
    let secret = row(found, 12);
    assert_eq!(secret["section"], "radius_server_auto");
    assert_eq!(secret["option"], "radius_secret_1");
    let became = &secret["became"][0];
    assert_eq!(
        became["path"],
        "integrations[radius_server_auto].clients[0].secret"
    );
    assert_eq!(
        (&became["value"]["set"], &became["change"]),
        (&json!(true), &json!("added"))
    );
    assert_eq!(row(found, 6)["defaults"]["failmode"], "safe");

    let changed = FILE.replace("192.0.2.1\n", "192.0.2.77\n").replace(
        "[radius_server_auto]",
        "[radius_server_auto]\nprt=1\nport=1812\nfailmode=safe",
    );
    let again = plane
        .post("/config/import?dry_run=true", &json!({"text": changed}))
        .await
        .body;
    let found = &again["found"];
    assert_eq!(row(found, 7)["result"], "ignored", "prt");
    assert!(
        row(found, 7)["notes"][0]
            .as_str()
            .unwrap()
            .contains("no such option")
    );
    assert_eq!(row(found, 8)["is_default"], true);
    assert_eq!(row(found, 14)["became"][0]["change"], "replaced");
    assert_eq!(row(found, 15)["became"][0]["change"], "same");
    plane.running.stop().await;
}

#[tokio::test]
async fn a_merge_adds_and_leaves_what_there_is_as_it_is() {
    let plane = Plane::start().await;
    let first = FILE.replace(
        "[radius_client]",
        "[main]\nhttp_proxy_host=old\n[radius_client]",
    );
    let first = format!("{first}radius_ip_2=192.0.2.2\nradius_secret_2=PLANTED-two\n");
    plane.post("/config/import", &json!({"text": first})).await;
    let before = plane.get("/integrations/radius_server_auto").await.body;

    // The same section with a client less: a fault, and nothing is removed.
    let same = plane
        .post("/config/import?merge=true", &json!({"text": FILE}))
        .await;
    assert_eq!(same.status, 422, "{same:?}");
    let paths: Vec<_> = same.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["path"])
        .collect();
    assert_eq!(
        paths,
        [
            "authenticators[radius_client]",
            "integrations[radius_server_auto]"
        ]
    );

    // An id counts, and not the section's name.
    let own = FILE.replace("[radius_client]", "[radius_client9]\nid=radius_client");
    let own = own.replace("client=radius_client", "client=radius_client9");
    let own = own.replace("[radius_server_auto]", "[radius_server_auto9]\nport=1999");
    let own = plane
        .post("/config/import?merge=true", &json!({"text": own}))
        .await;
    assert_eq!(
        own.body["errors"][0]["path"], "authenticators[radius_client]",
        "{own:?}"
    );

    // A client's address on a port that is taken: it is checked with what there is.
    let more = FILE
        .replace("_client]", "_client2]")
        .replace("_auto]", "_auto2]");
    let more = more.replace("client=radius_client", "client=radius_client2");
    let taken = plane
        .post("/config/import?merge=true", &json!({"text": more}))
        .await;
    assert_eq!(taken.status, 422, "{taken:?}");

    let more = more.replace("radius_ip_1", "port=1813\nradius_ip_1");
    let more = format!("[main]\nhttp_proxy_host=new\ninterface=127.0.0.9\n{more}");
    let done = plane
        .post("/config/import?merge=true", &json!({"text": more}))
        .await
        .body;
    assert_eq!(done["revision"]["number"], 2, "{done:#}");
    let found = &done["found"];
    assert_eq!(row(found, 2)["result"], "kept");
    assert_eq!(
        row(found, 3)["became"][0]["path"],
        "integrations[radius_server_auto2].listen"
    );
    assert_eq!(
        plane.get("/settings").await.body["http_proxy"]["host"],
        "old"
    );
    assert_eq!(
        plane.get("/integrations/radius_server_auto").await.body,
        before
    );
    assert_eq!(plane.get("/integrations").await.body["total"], 2);

    // Without merge what the file does not have goes, clients and settings too.
    let done = plane
        .post("/config/import", &json!({"text": FILE}))
        .await
        .body;
    assert_eq!(done["revision"]["number"], 3);
    assert_eq!(plane.get("/settings").await.body.get("http_proxy"), None);
    let now = plane.get("/integrations/radius_server_auto").await.body;
    assert_eq!(now["clients"].as_array().unwrap().len(), 1);
    assert_eq!(plane.get("/integrations").await.body["total"], 1);
    plane.running.stop().await;
}

#[tokio::test]
async fn what_was_shown_is_what_is_done_or_nothing() {
    let plane = Plane::start().await;
    let file = json!({"text": FILE});
    let tried = plane.post("/config/import?dry_run=true", &file).await.body;
    let based = tried["based_on"].as_str().unwrap().to_owned();
    plane.post("/config/import", &file).await;
    let other = json!({"text": FILE.replace("192.0.2.1\n", "192.0.2.3\n")});
    let header = format!("if-match: {based}\r\n");
    let late = plane
        .call("POST", "/config/import", &header, Some(&other))
        .await;
    assert_eq!(late.status, 412, "{late:?}");
    let path = format!("/config/import?based_on={}", based.trim_matches('"'));
    assert_eq!(plane.post(&path, &other).await.status, 412);
    let now = plane.get("/config").await;
    let header = format!("if-match: {}\r\n", now.header("etag").unwrap());
    let done = plane
        .call("POST", "/config/import", &header, Some(&other))
        .await;
    assert_eq!(done.body["revision"]["number"], 2, "{done:?}");
    plane.running.stop().await;
}

/// A control plane whose truth is a link to a file in another folder.
async fn of_a_file() -> (Plane, PathBuf) {
    let mut site = Site::new();
    let folder = site.folder.path().join("elsewhere");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("real.cfg");
    fs::write(&file, FILE).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    symlink("elsewhere/real.cfg", site.file()).unwrap();
    site.settings.source = Some(Arc::new(AuthproxyFile::new(site.file(), None)));
    let running = site.start().await;
    let socket = site.settings.socket.clone();
    let plane = Plane {
        site,
        running,
        socket,
    };
    (plane, file)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn the_editors_door_keeps_links_owner_and_mode_and_leaves_nothing_behind() {
    let (plane, file) = of_a_file().await;
    // Only root may give a file away.
    let root = nix::unistd::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&file, Some(12_345), Some(54_321)).unwrap();
    }
    let before = fs::metadata(&file).unwrap();
    let text = FILE.replace("radius_ip_1", "; kept\nport=1645\nradius_ip_1");
    let put = plane
        .call("PUT", "/config", "", Some(&json!({"text": text})))
        .await;
    assert_eq!(put.body["reload"]["result"], "applied", "{put:?}");
    assert!(
        fs::symlink_metadata(plane.site.file())
            .unwrap()
            .is_symlink()
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let after = fs::metadata(&file).unwrap();
    let about = |one: &fs::Metadata| (one.uid(), one.gid(), one.mode());
    assert_eq!(about(&after), about(&before));
    assert_ne!(
        after.ino(),
        before.ino(),
        "put in its place, not written over"
    );
    assert_eq!(names(file.parent().unwrap()), ["real.cfg"]);
    assert_eq!(row(&put.body["found"], 12)["option"], "port");
    plane.running.stop().await;
}

#[tokio::test]
async fn the_editors_door_refuses_what_was_changed_meanwhile_and_what_is_bad() {
    let (plane, file) = of_a_file().await;
    let shown = plane.get("/config").await;
    let tag = shown.header("etag").unwrap().to_owned();
    let based = format!("if-match: {tag}\r\n");
    let put = |port: u16, headers: String| {
        let plane = &plane;
        let text = FILE.replace("radius_ip_1", &format!("port={port}\nradius_ip_1"));
        async move {
            plane
                .call("PUT", "/config", &headers, Some(&json!({"text": text})))
                .await
        }
    };
    let first = put(1700, based.clone()).await;
    assert_eq!(first.status, 200, "{first:?}");
    let written = fs::read_to_string(&file).unwrap();
    let late = put(1701, based.clone()).await;
    assert_eq!(late.status, 412, "{late:?}");
    assert_eq!(
        put(1701, "if-none-match: *\r\n".to_owned()).await.status,
        412
    );
    assert_eq!(put(0, String::new()).await.status, 422);
    let tried = plane
        .call(
            "PUT",
            "/config?dry_run=true",
            &based,
            Some(&json!({"text": FILE})),
        )
        .await;
    assert_eq!(tried.status, 412, "{tried:?}");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        written,
        "nothing was changed"
    );
    // The answer's tag is that of what was written.
    let next = format!("if-match: {}\r\n", first.header("etag").unwrap());
    assert_eq!(put(1702, next).await.status, 200);

    // At once: one of them was made for what is there, and the others come too late.
    let now = plane
        .get("/config")
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let now = format!("if-match: {now}\r\n");
    let (a, b, c) = tokio::join!(
        put(1710, now.clone()),
        put(1711, now.clone()),
        put(1712, now)
    );
    let mut statuses = [a.status, b.status, c.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412]);

    plane.running.stop().await;
}

#[tokio::test]
async fn the_audit_has_who_wrote_the_file_and_who_read_it() {
    let (plane, file) = of_a_file().await;
    let text = FILE.replace("PLANTED-radius", "PLANTED-other");
    plane
        .call("PUT", "/config", "", Some(&json!({"text": text})))
        .await;
    let audit = plane.get("/audit").await.body;
    let items = audit["items"].as_array().unwrap();
    let written = &items[0];
    assert_eq!(written["actor"], "command line");
    assert_eq!(written["action"], "configuration.file");
    assert_eq!(written["target"], json!(plane.site.file()));
    assert_eq!(
        written["detail"][0]["path"],
        "integrations[radius_server_auto].clients[192.0.2.1].secret"
    );
    assert_eq!(written["detail"][0]["before"]["set"], true, "masked");
    let read = &items[1];
    let actor = format!("file {}", plane.site.file().display());
    assert_eq!(
        (&read["actor"], &read["action"]),
        (&json!(actor), &json!("configuration"))
    );

    // Somebody else's editor: the file itself is who did it.
    fs::write(&file, FILE).unwrap();
    plane
        .running
        .client
        .post::<_, Value>("/reload", &(), crate::support::LIMIT)
        .await
        .unwrap();
    let audit = plane.get("/audit").await.body;
    assert_eq!(audit["items"][0]["actor"], json!(actor));
    assert_eq!(audit["items"][0]["target"], "revision 3");
    assert_eq!(audit["items"].as_array().unwrap().len(), 4, "{audit:#}");

    // Sealed secrets going out are noted, others not.
    plane.get("/config").await;
    assert_eq!(plane.get("/config?secrets=sealed").await.status, 200);
    let audit = plane.get("/audit").await.body;
    assert_eq!(audit["items"][0]["action"], "configuration.export");
    assert_eq!(audit["items"].as_array().unwrap().len(), 5);
    assert_eq!(plane.get("/audit/verify").await.body["whole"], true);
    plane.running.stop().await;
}

#[tokio::test]
async fn a_guess_at_a_secret_is_not_told_by_its_fingerprint() {
    let plane = Plane::with_one().await;
    let print = |answer: &Answer| {
        let text = answer.body["found"].to_string() + &answer.body["report"].to_string();
        let at = text.find("fingerprint").unwrap();
        text[at..at + 40].to_owned()
    };
    let body = json!({"text": FILE});
    let first = plane.post("/config/validate", &body).await;
    let second = plane.post("/config/validate", &body).await;
    assert_ne!(print(&first), print(&second), "{first:?}");
    plane.running.stop().await;
}

#[tokio::test]
async fn an_editor_gets_the_file_as_it_was_typed_and_its_secrets_come_back_unseen() {
    let (plane, file) = of_a_file().await;
    let typed = format!("; a note\n{}", FILE.replace("port=", "port = "));
    fs::write(&file, &typed).unwrap();
    let shown = plane.get("/config?as_typed=true").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let text = shown.body["text"].as_str().unwrap();
    assert!(text.starts_with("; a note\n"), "{text}");
    assert!(!text.contains("PLANTED"), "{text}");
    let audit = plane.get("/audit").await.body;
    assert_eq!(audit["items"][0]["action"], "configuration.export");

    let text = text.replace("radius_ip_1", "; kept\nport=1645\nradius_ip_1");
    let body = json!({"text": text});
    let found = plane.post("/config/validate?in_place=true", &body).await;
    assert_eq!(found.body["good"], true, "{found:?}");
    let based = format!("if-match: {}\r\n", shown.header("etag").unwrap());
    let path = "/config?dry_run=true";
    let tried = plane.call("PUT", path, &based, Some(&body)).await;
    let changed = tried.body["differences"].as_array().unwrap();
    assert_eq!(changed.len(), 1, "{tried:?}");
    assert_eq!(changed[0]["path"], "integrations[radius_server_auto].port");
    let done = plane.call("PUT", "/config", &based, Some(&body)).await;
    assert_eq!(done.body["differences"], tried.body["differences"]);
    let want = typed.replace("radius_ip_1", "; kept\nport=1645\nradius_ip_1");
    assert_eq!(fs::read_to_string(&file).unwrap(), want);
    plane.running.stop().await;

    let plane = Plane::with_one().await;
    assert_eq!(plane.get("/config?as_typed=true").await.status, 409);
    let body = json!({"text": FILE});
    let in_place = plane.post("/config/validate?in_place=true", &body).await;
    assert_eq!(in_place.status, 409, "{in_place:?}");
    plane.running.stop().await;
}
