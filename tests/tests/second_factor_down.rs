//! The second factor fails in each way it can, at each of its calls, under both fail modes.
#![cfg(test)]

use std::{thread, time::Duration};

use e2e::{
    clock::wait_until,
    config::{MAIN, bare_server, client, server},
    countersign::Countersign,
    nas::{Nas, code},
    peers::{
        BlackHoleTcp, FakeDuo, Pki, SECRET,
        fakeduo::{Endpoint, Fault, Offer, Outcome, Place, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(30);
const LET_IN: &str = "The second factor cannot be reached. You are let in on your password.";
const AWAY: &str = "The second factor cannot be reached. Please try again later.";
const REFUSED: &str = "The second factor refused the request. Please tell your administrator.";
const NONSENSE: &str =
    "The second factor gave an answer that makes no sense. Please tell your administrator.";
const LATE: &str = "Nobody answered in time. Please log in again.";

/// How a failure ends a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As `failmode` says.
    FailMode,
    /// With a reject under both, with this text.
    Reject(&'static str),
}

/// Logs in and gives the answer's code and text.
fn login(port: u16, user: &str) -> (u8, String) {
    let nas = Nas::new(ports::loopback(port), SECRET);
    let answer = nas.exchange(&nas.access(user, "any"), LONG);
    let answer = answer.unwrap_or_else(|| panic!("{user} got no answer"));
    (answer.code, answer.message())
}

/// Two server sections, `failmode=safe` on the first port and `secure` on the second.
fn sections(first: u32, ports: [u16; 2], section: impl Fn(&str, u16) -> String) -> String {
    let mut text = String::new();
    for ((number, port), mode) in (first..).zip(ports).zip(["safe", "secure"]) {
        text += &section(&format!("radius_server_auto{number}"), port);
        text += &format!("failmode={mode}\napi_timeout=2\n");
    }
    text
}

fn check(gateway: &Countersign, name: &str, ports: [u16; 2], user: &str, want: End) {
    let wants = match want {
        End::FailMode => [(code::ACCESS_ACCEPT, LET_IN), (code::ACCESS_REJECT, AWAY)],
        End::Reject(text) => [(code::ACCESS_REJECT, text); 2],
    };
    for ((port, mode), (code, text)) in ports.into_iter().zip(["safe", "secure"]).zip(wants) {
        let got = login(port, user);
        let shown = (got.0, got.1.as_str());
        assert_eq!(shown, (code, text), "{name}, {mode}\n{}", gateway.output());
    }
}

#[test]
fn each_failure_at_each_call_follows_the_fail_mode_or_rejects() {
    use {End::FailMode, End::Reject, Endpoint as At};
    let duo = FakeDuo::start(Pki::shared());
    duo.everybody(User::who(Outcome::Wait));
    let ports = [ports::free_udp(), ports::free_udp()];
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}",
        sections(2, ports, |name, port| server(name, port, &duo))
    ));
    let unknown = r#"{"stat":"OK","response":{"result":"perhaps","status_msg":"x"}}"#;
    let body = |text: &str| Fault::Body(text.to_owned());
    // Where, how, and what becomes of it. Each line has a user of its own, and all run at once.
    let table = [
        (At::Preauth, Fault::Status(500), FailMode),
        (At::Preauth, Fault::Status(503), FailMode),
        (At::Preauth, Fault::Hang, FailMode),
        (At::Preauth, Fault::Close, FailMode),
        (At::Preauth, Fault::LostAnswer, FailMode),
        (At::Preauth, Fault::Status(400), Reject(REFUSED)),
        (At::Preauth, Fault::Status(401), Reject(REFUSED)),
        (At::Preauth, Fault::Status(403), Reject(REFUSED)),
        (At::Preauth, Fault::RetryAfter(60), Reject(REFUSED)),
        (At::Preauth, Fault::Garbage, Reject(NONSENSE)),
        (At::Preauth, Fault::Oversized, Reject(NONSENSE)),
        (At::Preauth, body(unknown), Reject(NONSENSE)),
        (At::Preauth, body(r#"{"stat":"OK"}"#), Reject(NONSENSE)),
        (At::Auth, Fault::Status(500), FailMode),
        (At::Auth, Fault::Hang, Reject(AWAY)),
        (At::Auth, Fault::Close, Reject(AWAY)),
        (At::Auth, Fault::LostAnswer, Reject(AWAY)),
        (At::Auth, Fault::Status(401), Reject(REFUSED)),
        (At::Auth, Fault::Garbage, Reject(NONSENSE)),
        (At::Auth, body(unknown), Reject(NONSENSE)),
        (At::AuthStatus, Fault::Status(401), Reject(REFUSED)),
        // A push may be answered any moment, so it is asked for until the time is up.
        (At::AuthStatus, Fault::Status(500), Reject(LATE)),
        (At::AuthStatus, Fault::Hang, Reject(LATE)),
        (At::AuthStatus, Fault::Garbage, Reject(LATE)),
    ];
    // What cuts a connection takes the other logins on it along, so those run by themselves.
    let cuts = |fault: &Fault| matches!(fault, Fault::Close | Fault::LostAnswer);
    let user = |number: usize| format!("user{number}");
    for (number, (endpoint, fault, _)) in table.iter().enumerate() {
        duo.fail(Place::at(*endpoint).of(&user(number)), fault.clone());
    }
    let try_it = |number: usize| {
        let (endpoint, fault, want) = &table[number];
        let name = format!("{fault:?} at {endpoint:?}");
        check(&gateway, &name, ports, &user(number), *want);
        let pushes = duo.pushes(&user(number));
        let want = if *endpoint == At::Preauth { 0 } else { 2 };
        assert_eq!(pushes, want, "{name}: no push is asked for twice");
    };
    thread::scope(|scope| {
        for (number, (_, fault, _)) in table.iter().enumerate() {
            if !cuts(fault) {
                scope.spawn(move || try_it(number));
            }
        }
    });
    for (number, (_, fault, _)) in table.iter().enumerate() {
        if cuts(fault) {
            try_it(number);
        }
    }
    assert_eq!(duo.violations(), Vec::<String>::new());
}

#[test]
fn a_host_that_is_not_there_or_not_itself_counts_as_unreachable() {
    let pki = Pki::shared();
    let doubles = [
        ("expired", &pki.expired),
        ("another authority", &pki.rogue),
        ("another name", &pki.other_name),
    ]
    .map(|(name, identity)| (name, FakeDuo::start_with(pki, identity, Offer::Both)));
    let hole = BlackHoleTcp::start();
    let mut hosts: Vec<(&str, String)> = doubles
        .iter()
        .map(|(name, duo)| (*name, duo.host().to_owned()))
        .collect();
    hosts.push(("refused", ports::dead().to_string()));
    hosts.push(("hanging in TLS", hole.address().to_string()));
    hosts.push(("no such name", "api.no-such-name.invalid".to_owned()));
    let mut config = format!("{MAIN}[duo_only_client]\n");
    let mut cases = Vec::new();
    for (number, (name, host)) in (1..).zip(&hosts) {
        let ports = [ports::free_udp(), ports::free_udp()];
        config += &sections(number * 2, ports, |section, port| {
            bare_server(section, port, host) + &client(1, "127.0.0.0/8")
        });
        cases.push((name, ports));
    }
    let gateway = Countersign::run(&config);
    let gateway = &gateway;
    thread::scope(|scope| {
        for (name, ports) in cases {
            scope.spawn(move || check(gateway, name, ports, "alice", End::FailMode));
        }
    });
    for (name, duo) in &doubles {
        assert_eq!(
            duo.requests().len(),
            0,
            "{name}: nothing is said to a stranger"
        );
    }
    assert!(hole.accepted() >= 1);
}

#[test]
fn the_next_login_after_a_recovery_succeeds() {
    let duo = FakeDuo::start(Pki::shared());
    let ports = [ports::free_udp(), ports::free_udp()];
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}",
        sections(2, ports, |name, port| server(name, port, &duo))
    ));
    let gateway = &gateway;
    let good = |when: &str| {
        for port in ports {
            let got = login(port, "alice");
            let want = (code::ACCESS_ACCEPT, "Success. Logging you in...".to_owned());
            assert_eq!(got, want, "{when}\n{}", gateway.output());
        }
    };
    good("at first");
    duo.refuse();
    for _ in 0..3 {
        check(gateway, "refused", ports, "alice", End::FailMode);
    }
    duo.resume();
    good("after it was away");
    duo.cut();
    good("after its connections were cut");
    duo.fail(Place::anywhere(), Fault::Status(500));
    check(gateway, "500", ports, "alice", End::FailMode);
    duo.heal();
    good("after it failed");
    assert!(
        gateway.metric(
            r#"countersign_fail_mode_total{integration="radius_server_auto2",mode="safe"}"#
        ) >= 4.0
    );
}

#[test]
fn a_push_outlives_polls_that_fail() {
    let duo = FakeDuo::start(Pki::shared());
    duo.user("alice", User::who(Outcome::Wait));
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}",
        server("radius_server_auto", port, &duo)
    ));
    for fault in [
        Fault::Status(500),
        Fault::Close,
        Fault::Garbage,
        Fault::LostAnswer,
    ] {
        duo.fail(Place::at(Endpoint::AuthStatus).times(1), fault);
    }
    let nas = Nas::new(ports::loopback(port), SECRET);
    let request = nas.access("alice", "any");
    nas.send(&request.encode());
    wait_until("a good poll", LONG, || duo.count(Endpoint::AuthStatus) >= 5);
    duo.decide("alice", Outcome::Allow);
    let bytes = nas.receive(LONG).unwrap();
    let answer = request.check(&bytes).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert_eq!(duo.pushes("alice"), 1);
}

#[test]
fn a_service_that_speaks_http_1_alone_is_enough() {
    let duo = FakeDuo::start_with(Pki::shared(), &Pki::shared().server, Offer::Http1);
    duo.user("alice", User::default().after(Duration::from_millis(200)));
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}",
        server("radius_server_auto", port, &duo)
    ));
    for _ in 0..3 {
        let got = login(port, "alice");
        assert_eq!(got.0, code::ACCESS_ACCEPT, "{got:?}\n{}", gateway.output());
    }
    let requests = duo.requests();
    assert!(requests.iter().all(|one| !one.http2), "{requests:?}");
    let last = requests.iter().map(|one| one.connection).max();
    assert_eq!(last, Some(0), "connections are kept: {requests:?}");
    assert_eq!(duo.violations(), Vec::<String>::new());
}
