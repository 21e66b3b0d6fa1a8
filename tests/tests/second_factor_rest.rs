//! The built-in second factor as administrators manage it: by the command line and by the REST API, with the
//! real service behind both.
#![cfg(test)]

use std::fs;

use e2e::{
    countersign::{Countersign, Start},
    http,
    peers::SECRET,
    ports,
};
use serde_json::{Value, json};

struct Lab {
    gateway: Countersign,
    folder: tempfile::TempDir,
}

impl Lab {
    fn start() -> Self {
        let config = format!(
            "[duo_only_client]\n\n[radius_server_auto]\napi_host=builtin\nclient=duo_only_client\n\
             failmode=secure\nport={}\nradius_ip_1=127.0.0.0/8\nradius_secret_1={SECRET}\n",
            ports::free_udp()
        );
        let gateway = Start::with(&config)
            .argument("--second-factor-listen")
            .argument(&ports::loopback(ports::free_tcp()).to_string())
            .ready();
        Self {
            gateway,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// `countersign factor`, with its exit code, what it prints, and what it says of faults.
    fn factor(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = self.gateway.command(&[&["factor"][..], words].concat());
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn good(&self, words: &[&str]) -> String {
        let (code, said, faults) = self.factor(words);
        assert_eq!(code, Some(0), "{words:?}: {said}{faults}");
        said
    }

    fn json(&self, words: &[&str]) -> Value {
        let said = self.good(&[words, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{words:?}: {said}"))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The REST API, as the command line reaches it.
    fn rest(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let socket = self.gateway.control_socket();
        let path = format!("/api/v1/second-factor{path}");
        let answer = http::request_local(&socket, method, &path, &body.to_string()).unwrap();
        let shown = match answer.status {
            204 => Value::Null,
            _ => answer.json(),
        };
        (answer.status, shown)
    }

    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, shown) = self.rest(method, path, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {shown}"
        );
        shown
    }
}

const USERS: &str = "username,full_name,email,status,aliases,groups\n\
                     alice,Alice Smith,alice@example.com,,asmith;al,Staff\n\
                     bob,Bob Jones,bob@example.com,,,Staff;VPN users\n\
                     carol,,,disabled,,\n";

#[test]
fn users_come_of_a_file_and_are_found_changed_and_locked() {
    let lab = Lab::start();
    let file = lab.file("users.csv", USERS);
    let tried = lab.good(&["import", &file, "--dry-run"]);
    assert!(
        tried.contains("+ alice") && tried.contains("3 new"),
        "{tried}"
    );
    assert_eq!(lab.json(&["users"]), json!([]), "it was only tried");
    assert!(lab.good(&["import", &file]).contains("3 new, 0 changed"));
    let again = lab.good(&["import", &file]);
    assert!(
        again.contains("0 new, 0 changed, 3 as they were"),
        "{again}"
    );

    let bad = lab.file("bad.csv", "username,status\ndave,\nerin,happy\n");
    let (code, said, faults) = lab.factor(&["import", &bad]);
    assert_eq!(code, Some(1), "{said}{faults}");
    assert!(faults.contains("line 3: erin: "), "{faults}");
    assert!(faults.contains("nothing was taken"), "{faults}");

    let named = |words: &[&str]| -> Vec<String> {
        let users = lab.json(words);
        let users = users.as_array().unwrap().iter();
        users
            .map(|user| user["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(named(&["users"]), ["alice", "bob", "carol"]);
    assert_eq!(named(&["users", "--search", "ASMITH"]), ["alice"]);
    assert_eq!(named(&["users", "--group", "vpn users"]), ["bob"]);
    assert_eq!(named(&["users", "--status", "disabled"]), ["carol"]);
    let groups = lab.done("GET", "/groups", &Value::Null);
    assert_eq!(groups["items"][0]["users"], 2, "{groups}");

    let changed = lab.json(&[
        "change",
        "al",
        "--email",
        "",
        "--add-alias",
        "Alice.Smith",
        "--remove-alias",
        "asmith",
        "--add-group",
        "Exempt",
    ]);
    assert_eq!(changed["name"], "alice", "by an alias: {changed}");
    assert_eq!(changed["email"], "");
    assert_eq!(changed["full_name"], "Alice Smith");
    let aliases = changed["aliases"].to_string();
    assert!(
        aliases.contains("Alice.Smith") && !aliases.contains("asmith"),
        "{aliases}"
    );
    let (code, _, faults) = lab.factor(&["change", "alice", "--remove-group", "none"]);
    assert_eq!(code, Some(1));
    assert!(faults.contains("alice has no 'none'"), "{faults}");
    let (status, refused) = lab.rest("PATCH", "/users/bob", &json!({"aliases": ["alice"]}));
    assert_eq!(status, 409, "somebody else's name: {refused}");

    assert_eq!(lab.json(&["lock", "bob"])["status"], "locked_out");
    assert_eq!(named(&["users", "--status", "locked_out"]), ["bob"]);
    assert_eq!(lab.json(&["unlock", "bob"])["status"], "active");
    let (status, refused) = lab.rest("POST", "/users/carol/lock", &Value::Null);
    assert_eq!(status, 409, "{refused}");
    let let_in = lab.json(&["set-status", "bob", "bypass", "--for", "8h"]);
    assert!(let_in["bypass_until"].as_u64().is_some(), "{let_in}");
    let (code, ..) = lab.factor(&["set-status", "bob", "active", "--for", "8h"]);
    assert_eq!(code, Some(2));

    // What is a word of the service's routes is a name like others.
    lab.good(&["add", "import", "--full-name", "Imelda Port"]);
    assert_eq!(lab.json(&["show", "import"])["full_name"], "Imelda Port");
    let (status, user) = lab.rest("GET", "/users/import", &Value::Null);
    assert_eq!((status, &user["name"]), (200, &json!("import")));
    let renamed = lab.rest("PATCH", "/users/import", &json!({"full_name": "I. Port"}));
    assert_eq!(renamed.1["full_name"], "I. Port", "{renamed:?}");
}

#[test]
fn policies_are_set_field_by_field_and_said_where_they_come_from() {
    let lab = Lab::start();
    lab.good(&["add", "alice", "--group", "Staff"]);
    lab.good(&[
        "policy",
        "set",
        "--remember-hours",
        "8",
        "--number-matching",
        "always",
    ]);
    lab.good(&["policy", "set", "--factors", "push,passcode"]);
    lab.good(&[
        "policy",
        "set",
        "--group",
        "staff",
        "--rank",
        "5",
        "--remember-hours",
        "0",
    ]);
    let all = lab.done("GET", "/policies", &Value::Null);
    let want = json!({"items": [
        {"scope": "default", "name": "", "rank": 0, "policy": {
            "allowed_factors": ["push", "passcode"], "remember_hours": 8,
            "number_matching": "always"}},
        {"scope": "group", "name": "staff", "rank": 5, "policy": {"remember_hours": 0}},
    ]});
    assert_eq!(all, want);
    let of = lab.good(&[
        "policy",
        "of",
        "alice",
        "--application",
        "radius_server_auto",
    ]);
    for (what, value, from) in [
        ("remembered", "never", "group staff"),
        ("number matching", "always", "default"),
    ] {
        let line = of.lines().find(|line| line.starts_with(what));
        let line = line.unwrap_or_else(|| panic!("{what}: {of}"));
        assert!(line.contains(value) && line.contains(from), "{line}");
    }
    let effective = lab.done("GET", "/users/alice/policy", &Value::Null);
    assert_eq!(effective["policy"]["remember_hours"], 0, "{effective}");
    lab.good(&["policy", "set", "--inherit", "number-matching"]);
    lab.good(&["policy", "delete", "--group", "Staff"]);
    let shown = lab.good(&["policy", "show"]);
    assert!(
        !shown.contains("staff") && !shown.contains("number"),
        "{shown}"
    );
    let set = json!({"policy": {"exempt_networks": ["192.0.2.0/24"]}});
    lab.done("PUT", "/policies/applications/radius_server_auto", &set);
    for (path, body, status) in [
        ("/policies/applications/none", &set, 404),
        (
            "/policies/default",
            &json!({"policy": {"exempt_networks": ["x"]}}),
            400,
        ),
    ] {
        let (is, shown) = lab.rest("PUT", path, body);
        assert_eq!(is, status, "{path}: {shown}");
    }
    lab.done("DELETE", "/policies/default", &Value::Null);
    assert_eq!(lab.rest("DELETE", "/policies/default", &Value::Null).0, 404);
    let open = json!({"open_enrollment": true});
    let application = lab.done("PATCH", "/applications/radius_server_auto", &open);
    assert_eq!(application["open_enrollment"], true, "{application}");
}

#[test]
fn tokens_are_taken_in_given_and_taken_back() {
    let lab = Lab::start();
    lab.good(&["add", "alice"]);
    let seeds = "serial,secret,kind\nA-1,3132333435363738393031323334353637383930,hotp\n\
                 A-2,base32:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,totp\n";
    let file = lab.file("seeds.csv", seeds);
    assert!(lab.good(&["tokens", "import", &file]).starts_with("2 new"));
    let (code, said, _) = lab.factor(&["tokens", "import", &file]);
    assert_eq!(code, Some(1), "they are there: {said}");
    assert!(!said.contains("31323334"), "{said}");
    let given = lab.json(&["tokens", "assign", "A-1", "alice"]);
    assert_eq!(given["user"], "alice");
    let tokens = lab.done("GET", "/tokens?limit=1", &Value::Null);
    assert_eq!(tokens["items"][0]["user"], "alice", "{tokens}");
    assert_eq!(tokens["next"], "A-1", "{tokens}");
    let user = lab.json(&["show", "alice"]);
    let device = user["devices"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(user["devices"][0]["serial"], "A-1");
    // RFC 4226 appendix D, counters 7 and 8.
    let path = format!("/users/alice/devices/{device}/resync");
    let wrong = json!({"first": "000000", "second": "111111"});
    assert!(lab.rest("POST", &path, &wrong).0 >= 400);
    lab.done(
        "POST",
        &path,
        &json!({"first": "162583", "second": "399871"}),
    );
    lab.done("POST", "/tokens/A-1/unassign", &Value::Null);
    assert_eq!(lab.json(&["show", "alice"])["devices"], json!([]));
    lab.done("DELETE", "/tokens/A-2", &Value::Null);
    assert_eq!(lab.rest("DELETE", "/tokens/A-2", &Value::Null).0, 404);
}

#[test]
fn many_are_invited_and_invitations_taken_back() {
    let lab = Lab::start();
    for user in ["alice", "bob"] {
        lab.good(&["add", user, "--group", "Staff"]);
    }
    lab.good(&[
        "add-device",
        "bob",
        "totp",
        "--digits",
        "8",
        "--algorithm",
        "SHA256",
    ]);
    let invited = lab.json(&["invite", "--group", "staff", "--for", "2d"]);
    let names: Vec<&Value> = invited["invited"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 1, "bob has a device: {invited}");
    let url = names[0]["url"].as_str().unwrap().to_owned();
    let waiting = lab.done("GET", "/enrollments", &Value::Null);
    assert!(!waiting.to_string().contains(&url), "{waiting}");
    let id = waiting["items"][0]["id"].as_str().unwrap();
    assert_eq!(waiting["items"][0]["user"], "alice");
    lab.good(&["enrollments", "--take-back", id]);
    assert_eq!(lab.json(&["enrollments"]), json!([]));
    let (code, ..) = lab.factor(&["invite", "alice", "nobody"]);
    assert_eq!(code, Some(1), "there is no such user");
    let devices = lab.json(&["show", "bob"]);
    let device = devices["devices"][0]["id"].as_str().unwrap();
    lab.good(&["rename-device", "bob", device, "key ring"]);
    assert!(lab.good(&["show", "bob"]).contains("key ring"));
    for wrong in [
        &["add-device", "bob", "phone", "--digits", "8"][..],
        &["add-device", "bob", "email"],
        &["invite"],
        &["policy", "set"],
        &["change", "bob"],
    ] {
        let (code, _, faults) = lab.factor(wrong);
        assert_eq!(code, Some(2), "{wrong:?}: {faults}");
    }
    let audit = lab.gateway.command(&["audit", "list", "--json"]);
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    for action in [
        "user.create",
        "device.create",
        "device.change",
        "enrollments.create",
        "enrollment.delete",
    ] {
        let action = format!("second-factor.{action}");
        assert!(audit.contains(&action), "{action}: {audit}");
    }
    assert!(audit.contains("command line"), "{audit}");
    assert!(!audit.contains(&url), "{audit}");
    let (code, ..) = lab.factor(&["invite", "--group", "nosuch"]);
    assert_eq!(code, Some(1), "there is no such group");
    assert_eq!(lab.json(&["remembered", "list"]), json!([]));
    assert_eq!(lab.json(&["incidents", "--kind", "fraud"]), json!([]));
}
