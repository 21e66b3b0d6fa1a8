//! The built-in second factor: `api_host=builtin` behind RADIUS, its command line, and its API as
//! the official client of the replaced product's service sees it.
#![cfg(test)]

use std::{process::Output, time::Duration};

use e2e::{
    clock::{poll, unix_seconds},
    config::client,
    countersign::{self, Countersign, Start},
    http,
    nas::{Answer, Nas, Request, code},
    peers::{DuoAccount, Radclient, SECRET, duo_client},
    ports,
};
use ring::hmac;
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(20);
const IN: &str = "Success. Logging you in...";
const WRONG_CODE: &str = "Invalid passcode, please try again.";
const LOCKED: &str = "Your account is locked after too many failed attempts.";

/// A gateway whose one section asks the built-in service, and a client of it.
struct Site {
    gateway: Countersign,
    nas: Nas,
    port: u16,
}

impl Site {
    fn start() -> Self {
        let port = ports::free_udp();
        let config = format!(
            "[main]\ninterface=127.0.0.1\n[duo_only_client]\n[radius_server_auto]\nport={port}\n\
             api_host=builtin\nfailmode=secure\n{}",
            client(1, "127.0.0.0/8")
        );
        let listen = ports::loopback(ports::free_tcp()).to_string();
        let start = Start::with(&config).argument("--second-factor-listen");
        Self {
            gateway: start.argument(&listen).ready(),
            nas: Nas::new(ports::loopback(port), SECRET),
            port,
        }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let data = self.gateway.data_dir();
        let mut all = arguments.to_vec();
        all.extend(["--json", "--data-dir", data.to_str().unwrap()]);
        countersign::command(&all, &data)
    }

    /// `countersign factor …`, which must succeed; gives what it prints.
    fn factor(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[&["factor"], arguments].concat());
        assert!(
            output.status.success(),
            "factor {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Makes a user with a phone.
    fn user(&self, name: &str) {
        self.factor(&["add", name]);
        self.factor(&["add-device", name, "phone", "--number", "+15550100"]);
    }

    fn bypass_codes(&self, user: &str, count: &str) -> Vec<String> {
        let made = self.factor(&["bypass-codes", user, "--count", count]);
        let codes = made["codes"].as_array().unwrap().iter();
        codes
            .map(|code| code.as_str().unwrap().to_owned())
            .collect()
    }

    /// Logs in and checks code and text.
    fn expect(&self, user: &str, password: &str, code: u8, text: &str) {
        let answer = self.nas.exchange(&self.nas.access(user, password), LONG);
        let answer = answer.unwrap_or_else(|| panic!("{user}: none\n{}", self.gateway.output()));
        let message = answer.message();
        assert_eq!(
            answer.code,
            code,
            "{user}: {message}\n{}",
            self.gateway.output()
        );
        assert!(message.contains(text), "{user}: {message}");
    }

    /// Starts a login and waits until its push does.
    fn begin_push(&self, user: &str) -> Request {
        let request = self.nas.access(user, "any");
        self.nas.send(&request.encode());
        self.wait_for_push(user);
        request
    }

    fn wait_for_push(&self, user: &str) -> String {
        let mut txid = None;
        let there = poll(LONG, || {
            let pushes = self.factor(&["pushes"]);
            let mut all = pushes.as_array().unwrap().iter();
            let push = all.find(|push| push["user"] == user);
            txid = push.map(|push| push["txid"].as_str().unwrap().to_owned());
            txid.is_some()
        });
        assert!(there, "no push waits for {user}\n{}", self.gateway.output());
        txid.unwrap()
    }

    fn receive(&self, request: &Request) -> Answer {
        let bytes = self.nas.receive(LONG).expect("an answer");
        request.check(&bytes).unwrap()
    }
}

/// The code of this moment: RFC 6238 with SHA-1, 6 digits and 30 s.
fn totp(secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &base32(secret));
    let mac = hmac::sign(&key, &(unix_seconds() / 30).to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[19] & 15);
    let number = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// RFC 4648 section 6, without padding.
fn base32(text: &str) -> Vec<u8> {
    let (mut octets, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').chars() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let value = u32::try_from(alphabet.find(letter).unwrap()).unwrap();
        bits = (bits << 5) | value;
        held += 5;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from((bits >> held) & 0xff).unwrap());
        }
    }
    octets
}

#[test]
fn the_rfcs_vector_gives_the_rfcs_code() {
    // RFC 4226 appendix D, counter 0.
    assert_eq!(
        base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        b"12345678901234567890"
    );
}

#[test]
fn passcodes_are_good_once_and_guessing_locks_out() {
    let site = Site::start();
    site.user("tina");
    let made = site.factor(&["add-device", "tina", "totp"]);
    let secret = made["secret"].as_str().unwrap();
    assert!(made["otpauth_uri"].as_str().unwrap().contains(secret));
    let code = totp(secret);
    site.expect("tina", &format!("any,{code}"), code::ACCESS_ACCEPT, IN);
    let used = "This passcode has already been used.";
    site.expect("tina", &format!("any,{code}"), code::ACCESS_REJECT, used);

    site.user("bea");
    let codes = site.bypass_codes("bea", "2");
    assert_eq!(codes.len(), 2);
    let reply = Radclient::login(
        ports::loopback(site.port),
        SECRET,
        "bea",
        &format!("any,{}", codes[0]),
    );
    let reply = reply.patience(1, LONG).send();
    assert!(
        reply.is("Access-Accept"),
        "{reply:?}\n{}",
        site.gateway.output()
    );
    site.expect(
        "bea",
        &format!("any,{}", codes[0]),
        code::ACCESS_REJECT,
        WRONG_CODE,
    );
    site.expect("bea", &format!("any,{}", codes[1]), code::ACCESS_ACCEPT, IN);

    site.user("lou");
    let codes = site.bypass_codes("lou", "2");
    for guess in 1..10 {
        let typed = format!("any,{guess:09}");
        site.expect("lou", &typed, code::ACCESS_REJECT, WRONG_CODE);
    }
    site.expect("lou", "any,000000010", code::ACCESS_REJECT, LOCKED);
    site.expect(
        "lou",
        &format!("any,{}", codes[0]),
        code::ACCESS_REJECT,
        LOCKED,
    );
    assert_eq!(site.factor(&["show", "lou"])["status"], "locked_out");
    assert_eq!(site.factor(&["unlock", "lou"])["status"], "active");
    site.expect("lou", &format!("any,{}", codes[0]), code::ACCESS_ACCEPT, IN);
    let reason = |count| site.gateway.event_of("lou", count)["reason"].clone();
    assert!(
        poll(LONG, || reason(12) == "approved"),
        "{}",
        site.gateway.output()
    );
}

#[test]
fn pushes_are_decided_at_the_command_line() {
    let site = Site::start();
    site.user("paul");
    for (verb, code, text, reason) in [
        ("approve", code::ACCESS_ACCEPT, IN, "approved"),
        (
            "deny",
            code::ACCESS_REJECT,
            "Login request denied.",
            "denied",
        ),
        (
            "fraud",
            code::ACCESS_REJECT,
            "reported as fraudulent",
            "fraud",
        ),
    ] {
        let request = site.begin_push("paul");
        site.factor(&[verb, "paul"]);
        let answer = site.receive(&request);
        let message = answer.message();
        assert_eq!(
            answer.code,
            code,
            "{verb}: {message}\n{}",
            site.gateway.output()
        );
        assert!(message.contains(text), "{verb}: {message}");
        let of_reason = || site.gateway.event_of("paul", 1)["reason"] == reason;
        assert!(poll(LONG, of_reason), "{verb}");
    }
    let nobody = site.command(&["factor", "approve", "paul"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no push waits for 'paul'"));

    for (answer, code, text) in [
        ("approve", code::ACCESS_ACCEPT, IN),
        ("deny", code::ACCESS_REJECT, "denied"),
    ] {
        site.factor(&["script", "paul", answer]);
        site.expect("paul", "any", code, text);
    }
    site.factor(&["script", "paul", "none"]);
    for (status, code, text) in [
        (
            "bypass",
            code::ACCESS_ACCEPT,
            "No second factor is asked of you.",
        ),
        ("disabled", code::ACCESS_REJECT, "Your account is disabled."),
        ("locked_out", code::ACCESS_REJECT, LOCKED),
    ] {
        site.factor(&["set-status", "paul", status]);
        site.expect("paul", "any", code, text);
    }
    site.factor(&["delete", "paul"]);
    // Whom no administrator made is no guest; whom one made without a device is to enrol.
    site.expect("paul", "any", code::ACCESS_REJECT, "not enrolled");
    site.factor(&["add", "paul"]);
    site.expect("paul", "any", code::ACCESS_REJECT, "https://");
    let event = site.gateway.event_of("paul", 10);
    assert_eq!(event["reason"], "not_enrolled", "{event:#}");
}

#[test]
fn a_login_is_explained_stage_by_stage() {
    let site = Site::start();
    site.user("Ada Ünï");
    site.factor(&["script", "Ada Ünï", "approve"]);
    let password = site.gateway.data_dir().join("typed");
    std::fs::write(&password, "anything at all\n").unwrap();
    let output = site.command(&[
        "login",
        "Ada Ünï",
        "--password-file",
        password.to_str().unwrap(),
    ]);
    assert!(
        output.status.success(),
        "{output:?}\n{}",
        site.gateway.output()
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["code"], &told["reply_messages"]),
        (&json!("Access-Accept"), &json!([IN]))
    );
    let stored = site.gateway.event_of("Ada Ünï", 1);
    assert_eq!(told["login"], stored, "one record, told and stored");
    for (name, want) in [
        ("outcome", "accept"),
        ("reason", "approved"),
        ("factor", "auto"),
        ("integration", "radius_server_auto"),
        ("authenticator", "duo_only_client"),
    ] {
        assert_eq!(stored[name], want, "{name}: {stored:#}");
    }
    let timeline = stored["timeline"].as_array().unwrap();
    let mut stages: Vec<&str> = timeline
        .iter()
        .map(|step| step["stage"].as_str().unwrap())
        .collect();
    stages.dedup();
    assert_eq!(stages, ["packet", "client", "preauth", "factor", "answer"]);
    let began: Vec<u64> = timeline
        .iter()
        .map(|step| step["at_us"].as_u64().unwrap())
        .collect();
    assert!(began.is_sorted(), "{began:?}");
    assert!(*began.last().unwrap() <= stored["elapsed_us"].as_u64().unwrap());

    site.factor(&["script", "Ada Ünï", "deny"]);
    let output = site.command(&[
        "login",
        "Ada Ünï",
        "--password-file",
        password.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("anything at all"));
    assert!(!site.gateway.output().contains("anything at all"));
}

#[test]
fn the_official_client_is_served_in_both_forms_of_its_signature() {
    let site = Site::start();
    site.user("olga");
    let codes = site.bypass_codes("olga", "4");
    site.factor(&["add", "sid"]);
    let socket = site.gateway.data_dir().join("run/secondfactor.sock");
    let body = r#"{"name":"the official client"}"#;
    let made = http::request_local(&socket, "POST", "/applications", body).unwrap();
    assert_eq!(made.status, 200, "{}", made.body);
    let phone = r#"{"kind":"phone","number":"+15550101","capabilities":{"push":true,"phone":false,"sms":true}}"#;
    let texted = http::request_local(&socket, "POST", "/users/sid/devices", phone).unwrap();
    assert_eq!(texted.status, 200, "{}", texted.body);
    let made = made.json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    for (sig_version, codes) in [(2, &codes[..2]), (5, &codes[2..])] {
        let account = DuoAccount {
            ikey: text("ikey"),
            skey: text("skey"),
            // It matches names alone, no addresses.
            host: "localhost".to_owned(),
            port: made["port"].as_u64().unwrap().try_into().unwrap(),
            ca: text("ca_pem"),
            sig_version,
        };
        let call = |method: &str, args: Value| {
            duo_client(&account, method, &args).unwrap_or_else(|error| {
                panic!(
                    "{sig_version} {method}: {error:?}\n{}",
                    site.gateway.output()
                )
            })
        };
        assert!(call("ping", json!({}))["time"].is_u64());
        assert!(call("check", json!({}))["time"].is_u64());
        let preauth = call("preauth", json!({ "username": "olga" }));
        assert_eq!(preauth["result"], "auth", "{preauth}");
        let device = preauth["devices"][0]["device"].as_str().unwrap();
        let unknown = call("preauth", json!({ "username": "nobody (at all)~ü" }));
        assert_eq!(unknown["result"], "deny", "{unknown}");

        let sent = call(
            "auth",
            json!({ "username": "sid", "factor": "sms", "device": "auto" }),
        );
        assert_eq!(
            (&sent["result"], &sent["status"]),
            (&json!("deny"), &json!("sent"))
        );

        let name = format!("new to {sig_version}");
        let begun = call("enroll", json!({ "username": name, "valid_secs": "600" }));
        assert_eq!(begun["username"], name.as_str(), "{begun}");
        let state = |code: &Value| {
            let args = json!({ "user_id": begun["user_id"], "activation_code": code });
            call("enroll_status", args)
        };
        assert_eq!(state(&begun["activation_code"]), "waiting");
        assert_eq!(state(&json!("duo://none-at-all")), "invalid");

        let passcode = |code: &str| {
            let args = json!({ "username": "olga", "factor": "passcode", "passcode": code });
            call("auth", args)
        };
        assert_eq!(passcode(&codes[0])["result"], "allow");
        let again = passcode(&codes[0]);
        assert_eq!(
            (&again["result"], &again["status"]),
            (&json!("deny"), &json!("deny"))
        );

        for (verb, status) in [("approve", "allow"), ("deny", "deny"), ("fraud", "fraud")] {
            let begun = call(
                "auth",
                json!({ "username": "olga", "factor": "push", "device": device, "async": "1",
                    "ipaddr": "198.51.100.7", "pushinfo": "from=login%20portal" }),
            );
            let txid = begun["txid"].as_str().unwrap();
            let state = || call("auth_status", json!({ "txid": txid }));
            assert_eq!(state()["result"], "waiting", "{verb}");
            assert_eq!(site.wait_for_push("olga"), txid);
            site.factor(&[verb, txid]);
            assert_eq!(state()["status"], status, "{verb}");
        }

        let wrong_key = DuoAccount {
            skey: "0".repeat(40),
            ..account.clone()
        };
        let refused = duo_client(&wrong_key, "check", &json!({})).unwrap_err();
        assert_eq!(refused.status, Some(401), "{refused:?}");
        let none = duo_client(&account, "auth_status", &json!({ "txid": "no-such" })).unwrap_err();
        assert_eq!(none.status, Some(400), "{none:?}");
    }
}
