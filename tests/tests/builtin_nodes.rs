//! The built-in second factor behind two data planes: what one of them saw counts at the other.
#![cfg(test)]

use std::{path::PathBuf, process::Command, time::Duration};

use e2e::{
    clock::{poll, wait_until},
    config::client,
    countersign::{self, Start},
    http,
    nas::{Answer, Nas, Request, attribute, code},
    nodes::Nodes,
    peers::require,
    ports,
};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(20);
const HOME: &str = "198.51.100.7";

/// Two nodes with a section that asks for nothing and one that asks with a menu.
struct Pair {
    nodes: Nodes,
    /// Clients of both: of the first section, then of the second.
    a: [Nas; 2],
    b: [Nas; 2],
}

impl Pair {
    fn start() -> Self {
        let own = [ports::free_udp(), ports::free_udp()];
        let section = |name, port, options| {
            format!(
                "[{name}]\nport={port}\nclient=duo_only_client\napi_host=builtin\nfailmode=secure\n\
                 {options}{}",
                client(1, "127.0.0.0/8")
            )
        };
        let config = format!(
            "[main]\ninterface=127.0.0.1\n[duo_only_client]\n{}{}",
            section("radius_server_auto", own[0], ""),
            section("radius_server_challenge", own[1], "prompt_format=short\n")
        );
        let listen = ports::loopback(ports::free_tcp()).to_string();
        let start = Start::with(&config).argument("--second-factor-listen");
        let nodes = Nodes::start_as(start.argument(&listen));
        Self {
            a: own.map(|port| nodes.nas_a(port)),
            b: own.map(|port| nodes.nas_b(port)),
            nodes,
        }
    }

    fn factor(&self, arguments: &[&str]) -> Value {
        let data = self.nodes.a.data_dir();
        let all = [&["factor"], arguments, &["--json", "--data-dir"]].concat();
        let all = [&all[..], &[data.to_str().unwrap()]].concat();
        let output = countersign::command(&all, &data);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Asks the second factor's admin socket.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let socket: PathBuf = self.nodes.a.data_dir().join("run/secondfactor.sock");
        let answer = http::request_local(&socket, method, path, &body.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()
    }

    fn policy(&self, policy: &Value) {
        self.ask("POST", "/policies/default", &json!({ "policy": policy }));
    }

    fn user(&self, name: &str, answer: &str) {
        self.factor(&["add", name]);
        self.factor(&["add-device", name, "phone", "--number", "+15550100"]);
        self.factor(&["script", name, answer]);
    }

    #[track_caller]
    fn is(&self, answer: &Answer, code: u8, text: &str) {
        let message = answer.message();
        assert!(
            answer.code == code && message.contains(text),
            "{} {message}\nA: {}\nB: {}",
            answer.code,
            self.nodes.a.output(),
            self.nodes.b.output()
        );
    }
}

/// A login from somewhere.
fn from(nas: &Nas, user: &str, station: &str) -> Answer {
    let request = nas.access(user, "any");
    let request = request.text(attribute::CALLING_STATION_ID, station);
    nas.exchange(&request, LONG).expect("an answer")
}

/// The code of this moment, as Debian's generator makes it.
fn oathtool(secret: &str) -> String {
    let mut tool = Command::new(require("oathtool", "oathtool"));
    let output = tool.args(["--totp", "--base32", secret]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_passcode_that_comes_to_two_nodes_at_once_lets_in_once() {
    let pair = Pair::start();
    for round in 0..8 {
        let user = format!("tina{round}");
        pair.factor(&["add", &user]);
        let made = pair.factor(&["add-device", &user, "totp"]);
        let code = oathtool(made["secret"].as_str().unwrap());
        let typed = format!("any,{code}");
        let requests: [(&Nas, Request); 2] =
            [&pair.a[0], &pair.b[0]].map(|nas| (nas, nas.access(&user, &typed)));
        for (nas, request) in &requests {
            nas.send(&request.encode());
        }
        let answers = requests.map(|(nas, request)| {
            let octets = nas.receive(LONG).expect("an answer");
            request.check(&octets).unwrap()
        });
        let let_in = |one: &&Answer| one.code == code::ACCESS_ACCEPT;
        assert_eq!(answers.iter().filter(let_in).count(), 1, "{answers:?}");
        let other = answers.iter().find(|one| !let_in(one)).unwrap();
        pair.is(
            other,
            code::ACCESS_REJECT,
            "This passcode has already been used.",
        );
    }
}

#[test]
fn an_approval_at_one_node_is_remembered_at_the_other() {
    let pair = Pair::start();
    pair.user("rita", "approve");
    // Without what many denied pushes come to.
    let hours = |hours| json!({ "remember_hours": hours, "number_matching": "off" });
    pair.policy(&hours(8));
    let remembered = || pair.ask("GET", "/remembered?user=rita", &json!({}))["remembered"].clone();
    pair.is(
        &from(&pair.a[0], "rita", HOME),
        code::ACCESS_ACCEPT,
        "Success.",
    );
    wait_until("it is remembered", LONG, || {
        remembered()[0]["client"] == "127.0.0.1"
    });
    assert_eq!(remembered()[0]["station"], HOME);
    pair.factor(&["script", "rita", "deny"]);
    for nas in [&pair.b[0], &pair.a[0]] {
        pair.is(
            &from(nas, "rita", HOME),
            code::ACCESS_ACCEPT,
            "Remembered approval.",
        );
        // From elsewhere, and from a device that does not say where from, it is asked for.
        pair.is(
            &from(nas, "rita", "198.51.100.8"),
            code::ACCESS_REJECT,
            "denied",
        );
        pair.is(&nas.login("rita", "any"), code::ACCESS_REJECT, "denied");
    }
    pair.policy(&hours(0));
    pair.is(
        &from(&pair.b[0], "rita", HOME),
        code::ACCESS_REJECT,
        "denied",
    );
    pair.policy(&hours(8));
    pair.ask("POST", "/users/rita/remembered/delete", &json!({}));
    pair.is(
        &from(&pair.b[0], "rita", HOME),
        code::ACCESS_REJECT,
        "denied",
    );
}

#[test]
fn the_number_that_one_node_showed_goes_along_with_the_push_of_the_other() {
    let pair = Pair::start();
    pair.user("nora", "ignore");
    pair.policy(&json!({ "number_matching": "always" }));
    // Nothing is asked there, so nothing can be shown.
    let answer = pair.a[0].login("nora", "any,push");
    pair.is(&answer, code::ACCESS_REJECT, "passcode");

    let question = pair.a[1].login("nora", "any");
    pair.is(
        &question,
        code::ACCESS_CHALLENGE,
        "If you choose a push, type ",
    );
    let message = question.message();
    let number = message.split("type ").nth(1).unwrap();
    let number = number.split_once(" on your phone.").unwrap().0;
    assert!(
        number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit()),
        "{message}"
    );

    let request = pair.b[1].access_with_state("nora", "push", &question);
    pair.b[1].send(&request.encode());
    let mut push = Value::Null;
    let waits = poll(LONG, || {
        push = pair.ask("GET", "/pushes", &json!({}))[0].clone();
        push["user"] == "nora"
    });
    assert!(waits, "{push}\nB: {}", pair.nodes.b.output());
    assert_eq!(push["number_matching"], true, "{push}");
    pair.factor(&["approve", "nora"]);
    let answer = request.check(&pair.b[1].receive(LONG).unwrap()).unwrap();
    pair.is(&answer, code::ACCESS_ACCEPT, "Success.");
}
