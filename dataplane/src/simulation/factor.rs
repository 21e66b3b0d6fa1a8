//! The second factor's service of a simulation, over HTTP/1.1: what it decides about a person stands,
//! but it may be slow, break off, answer with anything, or ask to be left alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::ledger::Preauth;
use super::world::{Life, World};

/// Serves one connection.
pub(super) async fn serve(world: Arc<World>, life: Life, mut stream: DuplexStream) {
    let mut inbox = Vec::new();
    while let Some(call) = read(&mut stream, &mut inbox).await {
        if !world.lives(life) {
            return;
        }
        if !answer(&world, life, &mut stream, &call).await {
            return;
        }
        if world.draw(|rng| rng.chance(world.plan.service_faults / 4)) {
            // A connection that is closed as soon as nobody looks.
            world.pause(0, 2_000).await;
            world.service_failed(life, "an idle connection is closed");
            return;
        }
    }
}

struct Call {
    path: String,
    parameters: BTreeMap<String, String>,
}

impl Call {
    fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

/// The next request; none when the connection is closed.
async fn read(stream: &mut DuplexStream, inbox: &mut Vec<u8>) -> Option<Call> {
    let whole = |inbox: &[u8]| {
        let end = inbox.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(inbox[..end].to_vec()).unwrap();
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| {
                Some(
                    line.strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .unwrap(),
                )
            })
            .unwrap_or(0);
        (inbox.len() >= end + length).then_some((head, end, length))
    };
    let (head, end, length) = loop {
        if let Some(found) = whole(inbox) {
            break found;
        }
        if stream.read_buf(inbox).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let body: Vec<u8> = inbox.drain(..end + length).skip(end).collect();
    let target = head.split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let written = if body.is_empty() {
        query.as_bytes()
    } else {
        &body
    };
    Some(Call {
        path: path.to_owned(),
        parameters: form_urlencoded::parse(written).into_owned().collect(),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Hangs,
    ClosesBefore,
    ClosesAfter,
    Truncates,
    Fails,
    FailsAfter,
    Busy,
    Refuses,
    Raves,
    Late,
}

use Fault::{
    Busy, ClosesAfter, ClosesBefore, Fails, FailsAfter, Hangs, Late, Raves, Refuses, Truncates,
};

/// Answers, or not. False when the connection is over.
async fn answer(world: &Arc<World>, life: Life, stream: &mut DuplexStream, call: &Call) -> bool {
    let fault = world.draw(|rng| {
        let all = [
            Hangs,
            ClosesBefore,
            ClosesAfter,
            Truncates,
            Fails,
            FailsAfter,
            Busy,
            Refuses,
            Raves,
            Late,
        ];
        rng.chance(world.plan.service_faults)
            .then(|| rng.pick(&all))
    });
    let number = match call.path.as_str() {
        "/auth/v2/auth_status" => read_number(call.get("txid").trim_start_matches('t')),
        _ => world.ledger().of_station(call.get("ipaddr")),
    };
    let Some(number) = number else {
        let path = &call.path;
        world
            .ledger()
            .violate(format!("{path} without the user's address"));
        return false;
    };
    world.note(|| format!("{life:?} asks {} for {number}: {fault:?}", call.path));
    world.ledger().asked(life, number, &call.path);
    let preauth = call.path == "/auth/v2/preauth";
    let acts = call.path == "/auth/v2/auth";
    // The fail mode is for a service that is away before it can have done anything, as far as a
    // client can know, and for one that says that it failed.
    let away = match fault {
        Some(Hangs | ClosesBefore | ClosesAfter | Truncates | Late) => preauth,
        Some(Fails | FailsAfter) => preauth || acts,
        Some(Busy | Refuses | Raves) | None => false,
    };
    if away {
        world.ledger().excuse(life, number);
    }
    match fault {
        Some(ClosesBefore) => return false,
        Some(Busy) => return write(stream, "429 Too Many Requests", "{}").await,
        Some(Refuses) => {
            let body = r#"{"stat":"FAIL","code":40102,"message":"Invalid integration key"}"#;
            return write(stream, "401 Unauthorized", body).await;
        }
        Some(Fails) => return write(stream, "503 Service Unavailable", "").await,
        _ => {}
    }
    // From here on something was done for somebody.
    if acts {
        world.ledger().acts(life, number);
    }
    match fault {
        Some(Hangs) => {
            // Until nobody waits for it.
            let mut rest = [0; 64];
            while stream.read(&mut rest).await.unwrap_or(0) > 0 {}
            return false;
        }
        Some(ClosesAfter) => return false,
        Some(FailsAfter) => return write(stream, "500 Internal Server Error", "oops").await,
        Some(Raves) => {
            let body = world.draw(|rng| rng.pick(&RAVINGS));
            return write(stream, "200 OK", body).await;
        }
        Some(Late) => world.pause(500, 25_000).await,
        _ => world.pause(0, 300).await,
    }
    let body = decide(world, number, call).await;
    if fault == Some(Truncates) {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let cut = &body[..body.len() - 1];
        drop(stream.write_all(format!("{head}{cut}").as_bytes()).await);
        return false;
    }
    if body.contains(r#""allow""#) {
        let mut ledger = world.ledger();
        let person = ledger.requests[number].person;
        ledger.people[person].factor_said = true;
        drop(ledger);
        world.note(|| format!("the second factor says yes to u{person}"));
    }
    write(stream, "200 OK", &body).await
}

/// The body of a right answer.
async fn decide(world: &Arc<World>, number: usize, call: &Call) -> String {
    let person = {
        let ledger = world.ledger();
        ledger.people[ledger.requests[number].person]
    };
    let yes_or_no = |yes: bool| {
        let word = if yes { "allow" } else { "deny" };
        format!(r#"{{"result":"{word}","status":"{word}","status_msg":"."}}"#)
    };
    let response = match (call.path.as_str(), call.get("factor")) {
        ("/auth/v2/preauth", _) => match person.preauth {
            Preauth::Auth => AUTH.to_owned(),
            Preauth::Allow => r#"{"result":"allow","status_msg":"."}"#.to_owned(),
            Preauth::Deny => r#"{"result":"deny","status_msg":"."}"#.to_owned(),
            Preauth::Enroll => r#"{"result":"enroll","status_msg":"."}"#.to_owned(),
        },
        ("/auth/v2/auth", "passcode") => yes_or_no(person.passcode),
        ("/auth/v2/auth", "sms") => {
            r#"{"result":"deny","status":"sent","status_msg":"."}"#.to_owned()
        }
        ("/auth/v2/auth", _) => format!(r#"{{"txid":"t{number}"}}"#),
        ("/auth/v2/auth_status", _) => {
            // Held for a while, or not.
            world.pause(0, 20_000).await;
            let decided = world.ledger().polled(number) || world.draw(|rng| rng.chance(500));
            match person.approves.filter(|_| decided) {
                Some(yes) => yes_or_no(yes),
                None => r#"{"result":"waiting","status":"pushed","status_msg":"."}"#.to_owned(),
            }
        }
        (path, _) => panic!("nobody asks {path}"),
    };
    format!(r#"{{"stat":"OK","response":{response}}}"#)
}

async fn write(stream: &mut DuplexStream, status: &str, body: &str) -> bool {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.is_ok()
}

fn read_number(text: &str) -> Option<usize> {
    text.parse().ok()
}

/// One phone that can do all.
const AUTH: &str = r#"{"result":"auth","status_msg":".","devices":[{"device":"D","type":"phone",
    "number":"XXX","name":"","display_name":"phone","capabilities":["auto","push","phone","sms",
    "mobile_otp"]}]}"#;

/// What is no yes, however much it looks like one.
const RAVINGS: [&str; 9] = [
    "",
    "allow",
    r#"{"stat":"OK"}"#,
    r#"{"stat":"FAIL","response":{"result":"allow","status":"allow","status_msg":""}}"#,
    r#"{"stat":"ok","response":{"result":"allow","status":"allow","status_msg":""}}"#,
    r#"{"stat":"OK","response":{"result":"ALLOW","status":"allow","status_msg":""}}"#,
    r#"{"stat":"OK","response":{"result":"allowed","status":"allow","status_msg":""}}"#,
    r#"{"stat":"OK","response":{"status":"allow","status_msg":"allow"}}"#,
    r#"{"stat":"OK","response":[{"result":"allow"}]}"#,
];
