//! The harness itself: each peer starts, answers, misbehaves when told to, and stops.
#![cfg(test)]

use std::{
    borrow::Borrow,
    io::{ErrorKind, Read},
    net::{TcpStream, UdpSocket},
    path::Path,
    process::Command,
    time::Duration,
};

use e2e::{
    clock::{self, wait_until},
    countersign::Start,
    nas::{Nas, attribute, code},
    peers::{
        BlackHoleTcp, BlackHoleUdp, DuoAccount, DuoError, EapMethod, EapolTest, FakeDuo,
        FreeRadius, Kind, Pki, Radclient, Reply, SECRET, Slapd, duo_client,
        fakeduo::{Endpoint, Fault, Offer, Outcome, Place, Preauth, User},
        require,
    },
    ports,
    process::Process,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(10);

fn bind(slapd: &Slapd, url: &str, dn: &str, password: &str) -> i32 {
    slapd
        .tool("ldapwhoami", &["-x", "-H", url, "-D", dn, "-w", password])
        .0
}

fn search(slapd: &Slapd, filter: &str) -> String {
    let url = slapd.url();
    let (service, password) = (Slapd::SERVICE_DN, Slapd::SERVICE_PASSWORD);
    let arguments = [
        "-LLL",
        "-x",
        "-ZZ",
        "-H",
        &url,
        "-D",
        service,
        "-w",
        password,
        "-b",
        Slapd::BASE,
        filter,
        "uid",
    ];
    slapd.tool("ldapsearch", &arguments).1
}

#[test]
fn slapd_knows_its_people_on_every_transport() {
    let slapd = Slapd::start(Pki::shared());
    let alice = Slapd::dn("alice");
    for (name, url, dn, password, want) in [
        ("plain", slapd.url(), alice.as_str(), "pw-alice", 0),
        ("ldaps", slapd.tls_url(), &alice, "pw-alice", 0),
        (
            "service",
            slapd.url(),
            Slapd::SERVICE_DN,
            Slapd::SERVICE_PASSWORD,
            0,
        ),
        ("wrong password", slapd.tls_url(), &alice, "nope", 49),
        ("locked", slapd.url(), &Slapd::dn("locked"), "pw-locked", 49),
        (
            "comma",
            slapd.url(),
            &Slapd::dn("comma"),
            "pw,with,commas",
            0,
        ),
        (
            "odd name",
            slapd.url(),
            &Slapd::dn("O'Hara(x)*y"),
            "pw-OHaraxy",
            0,
        ),
    ] {
        assert_eq!(bind(&slapd, &url, dn, password), want, "{name}");
    }
    let in_group = |user: &str| {
        search(
            &slapd,
            &format!("(&(uid={user})(memberOf={}))", Slapd::GROUP),
        )
    };
    assert!(in_group("alice").contains("uid: alice"));
    assert_eq!(in_group("u03").trim(), "");
    assert!(search(&slapd, r"(uid=O'Hara\28x\29\2ay)").contains("uid: O'Hara(x)*y"));
}

#[test]
fn slapd_dies_and_comes_back_on_the_same_ports() {
    let mut slapd = Slapd::start(Pki::shared());
    slapd.kill();
    let refused = TcpStream::connect(ports::loopback(slapd.port)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    slapd.restart();
    assert_eq!(
        bind(&slapd, &slapd.tls_url(), &Slapd::dn("bob"), "pw-bob"),
        0
    );
}

#[test]
fn freeradius_answers_radclient_and_our_client_alike() {
    let radius = FreeRadius::start(Kind::Plain);
    let accepted = Radclient::login(radius.address, SECRET, "alice", "pw-alice").send();
    assert!(accepted.is("Access-Accept"), "{accepted:?}");
    assert_eq!(accepted.all("Reply-Message"), ["Welcome alice"]);
    assert_eq!(
        accepted.all("Cisco-AVPair"),
        ["ip:addr-pool=vpn", "shell:priv-lvl=15"]
    );
    assert!(
        Radclient::login(radius.address, SECRET, "alice", "no\"pe")
            .send()
            .is("Access-Reject")
    );
    for (name, user, secret) in [
        ("no answer", "silent", SECRET),
        ("other secret", "alice", "other"),
    ] {
        let login = Radclient::login(radius.address, secret, user, &format!("pw-{user}"));
        assert_eq!(login.patience(1, SECOND).send(), Reply::None, "{name}");
    }

    let nas = Nas::new(radius.address, SECRET);
    let answer = nas
        .exchange(&nas.access("alice", "pw-alice"), LONG)
        .unwrap();
    assert_eq!(
        (answer.code, answer.message().as_str()),
        (code::ACCESS_ACCEPT, "Welcome alice")
    );
    assert_eq!(answer.first(attribute::CLASS), Some(&b"class-alice"[..]));
    let long = "0123456789abcdef0123456789abcdef0123456789abcdef";
    for (user, password, want) in [
        ("longpw", long, code::ACCESS_ACCEPT),
        ("unicode", "pässwörd-€", code::ACCESS_ACCEPT),
        ("refused", "x", code::ACCESS_REJECT),
    ] {
        let answer = nas.exchange(&nas.access(user, password), LONG).unwrap();
        assert_eq!(answer.code, want, "{user}");
    }
    let question = nas.exchange(&nas.access("chal", "pw-chal"), LONG).unwrap();
    assert_eq!(
        (question.code, question.message().as_str()),
        (code::ACCESS_CHALLENGE, "Enter the code")
    );
    let answer = nas
        .exchange(&nas.access_with_state("chal", "123456", &question), LONG)
        .unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
}

#[test]
fn a_retransmission_is_octet_for_octet_the_same() {
    let radius = FreeRadius::start(Kind::Plain);
    let nas = Nas::from_address([127, 0, 0, 9].into(), radius.address, SECRET);
    assert_eq!(nas.address().ip().to_string(), "127.0.0.9");
    let request = nas.access("alice", "pw-alice");
    assert_eq!(request.encode(), request.encode());
    let first = nas.exchange(&request, LONG).unwrap();
    // FreeRADIUS answers a duplicate from its own memory, so both octets and sender must match. It
    // drops one that comes while it puts the answered request away.
    let mut second = None;
    wait_until("the same answer", LONG, || {
        second = nas.exchange(&request, Duration::from_millis(500));
        second.is_some()
    });
    assert_eq!(second.unwrap().bytes, first.bytes);
}

#[test]
fn a_real_eap_peer_logs_in_and_judges_the_server() {
    let radius = FreeRadius::start(Kind::Plain);
    for (method, user) in [
        (EapMethod::PeapGtc, "alice"),
        (EapMethod::PeapMschapv2, "alice"),
        (EapMethod::TtlsPap, "alice"),
        (EapMethod::Tls, "u01"),
    ] {
        let login = EapolTest::new(method, user, "pw-alice");
        let outcome = login.run(radius.address, SECRET);
        assert!(outcome.success, "{method:?}: {}", outcome.output);
        let mut small = login.clone();
        small.fragment_octets = 100;
        assert!(
            small.run(radius.address, SECRET).success,
            "{method:?} in pieces of 100 octets"
        );
        let mut distrustful = login;
        distrustful.ca.clone_from(&Pki::shared().rogue_ca);
        assert!(
            !distrustful.run(radius.address, SECRET).success,
            "{method:?}: another authority"
        );
    }
    let odd = EapolTest::new(EapMethod::PeapGtc, "unicode", "pässwörd-€");
    assert!(
        odd.run(radius.address, SECRET).success,
        "a password beyond ASCII"
    );
    let wrong = EapolTest::new(EapMethod::PeapGtc, "alice", "no\"pe").run(radius.address, SECRET);
    assert!(
        !wrong.success && wrong.output.contains("EAP-Failure"),
        "{}",
        wrong.output
    );
}

#[test]
fn freeradius_asks_the_directory() {
    let slapd = Slapd::start(Pki::shared());
    let mut radius = FreeRadius::start(Kind::Ldap(&slapd));
    for (password, want) in [("pw-alice", "Access-Accept"), ("nope", "Access-Reject")] {
        let reply = Radclient::login(radius.address, SECRET, "alice", password).send();
        assert!(reply.is(want), "{password}: {reply:?}");
    }
    radius.kill();
    let login = Radclient::login(radius.address, SECRET, "alice", "pw-alice").patience(1, SECOND);
    assert_eq!(login.send(), Reply::None);
    radius.restart();
    assert!(login.patience(1, LONG).send().is("Access-Accept"));
}

#[test]
fn freeradius_asks_the_second_factor() {
    let duo = FakeDuo::start(Pki::shared());
    duo.user("bob", User::who(Outcome::Deny));
    let radius = FreeRadius::start(Kind::Duo(&duo));
    for (user, want) in [("alice", "Access-Accept"), ("bob", "Access-Reject")] {
        let reply = Radclient::login(radius.address, SECRET, user, &format!("pw-{user}")).send();
        assert!(reply.is(want), "{user}: {reply:?}");
    }
    assert_eq!(duo.count(Endpoint::Baseline), 2);
}

fn call(duo: &FakeDuo, method: &str, args: impl Borrow<Value>) -> Result<Value, DuoError> {
    duo_client(&duo.account(), method, args.borrow())
}

fn status_of(result: Result<Value, DuoError>) -> Option<u64> {
    result.unwrap_err().status
}

#[test]
fn the_official_client_logs_in_at_the_double() {
    let duo = FakeDuo::start(Pki::shared());
    duo.user("wanda", User::who(Outcome::Wait));
    duo.user(
        "otto",
        User::default().preauth(Preauth::Deny("Account locked".to_owned())),
    );
    assert!(call(&duo, "ping", json!({})).unwrap()["time"].is_u64());
    assert!(call(&duo, "check", json!({})).unwrap()["time"].is_u64());
    let preauth = call(&duo, "preauth", json!({ "username": "Zoë (admin)~" })).unwrap();
    assert_eq!(preauth["result"], "auth");
    let device = preauth["devices"][0]["device"].as_str().unwrap();
    assert_eq!(
        call(&duo, "preauth", json!({ "username": "otto" })).unwrap()["status_msg"],
        "Account locked"
    );

    let auth = |user: &str, factor: &str, more: Value| {
        let mut args = json!({ "username": user, "factor": factor, "async": "0" });
        args.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        call(&duo, "auth", args).unwrap()
    };
    assert_eq!(
        auth("alice", "push", json!({ "device": device }))["result"],
        "allow"
    );
    assert_eq!(
        auth(
            "alice",
            "passcode",
            json!({ "passcode": FakeDuo::PASSCODE })
        )["result"],
        "allow"
    );
    assert_eq!(
        auth("alice", "passcode", json!({ "passcode": "000000" }))["result"],
        "deny"
    );
    assert_eq!(
        auth("alice", "sms", json!({ "device": "auto" }))["status"],
        "sent"
    );

    let begun = auth("wanda", "push", json!({ "device": "auto", "async": "1" }));
    let poll = || call(&duo, "auth_status", json!({ "txid": begun["txid"] })).unwrap();
    assert_eq!(poll()["status"], "pushed");
    duo.decide("wanda", Outcome::Fraud);
    assert_eq!(poll()["status"], "fraud");
    assert_eq!(poll()["status"], "fraud", "the last answer stays");

    assert_eq!((duo.pushes("alice"), duo.pushes("wanda")), (1, 1));
    assert_eq!(duo.violations(), Vec::<String>::new());
    assert_eq!(
        duo.requests().last().unwrap().user.as_deref(),
        Some("wanda")
    );
}

#[test]
fn the_double_refuses_and_remembers_a_wrong_signature() {
    let duo = FakeDuo::start(Pki::shared());
    let wrong = |account: DuoAccount| {
        duo_client(&account, "check", &json!({}))
            .unwrap_err()
            .status
    };
    assert_eq!(
        wrong(DuoAccount {
            skey: "other".to_owned(),
            ..duo.account()
        }),
        Some(401)
    );
    assert_eq!(
        wrong(DuoAccount {
            ikey: "DIOTHER".to_owned(),
            ..duo.account()
        }),
        Some(401)
    );
    assert_eq!(
        wrong(DuoAccount {
            sig_version: 5,
            ..duo.account()
        }),
        Some(401)
    );
    assert_eq!(duo.violations().len(), 3);
}

#[test]
fn the_double_fails_as_told_and_then_heals() {
    let duo = FakeDuo::start(Pki::shared());
    let preauth = |user: &str| call(&duo, "preauth", json!({ "username": user }));
    for (name, fault, status) in [
        ("500", Fault::Status(500), Some(500)),
        ("401", Fault::Status(401), Some(401)),
        ("403", Fault::Status(403), Some(403)),
        ("garbage", Fault::Garbage, Some(200)),
        ("close", Fault::Close, None),
        ("lost", Fault::LostAnswer, None),
    ] {
        duo.fail(Place::at(Endpoint::Preauth).of("alice").times(1), fault);
        assert!(preauth("bob").is_ok(), "{name}: not for bob");
        assert_eq!(status_of(preauth("alice")), status, "{name}");
        assert!(preauth("alice").is_ok(), "{name}: once");
    }
    duo.fail(Place::anywhere(), Fault::Oversized);
    assert!(preauth("alice").unwrap()["filler"].as_str().unwrap().len() > 1 << 20);
    duo.heal();
    duo.fail(
        Place::at(Endpoint::Ping),
        Fault::Body(r#"{"stat":"OK","response":{"time":1}}"#.to_owned()),
    );
    assert_eq!(call(&duo, "ping", json!({})).unwrap()["time"], 1);
    duo.fail(Place::at(Endpoint::Check).times(1), Fault::RetryAfter(1));
    assert!(
        call(&duo, "check", json!({})).is_ok(),
        "the client rides out one 429"
    );
    assert_eq!(duo.count(Endpoint::Check), 2);
    duo.fail(
        Place::at(Endpoint::Preauth),
        Fault::Slow(Duration::from_millis(300)),
    );
    let begun = clock::now();
    assert!(preauth("alice").is_ok());
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn the_double_refuses_connections_until_it_resumes() {
    let duo = FakeDuo::start(Pki::shared());
    duo.refuse();
    let refused = call(&duo, "ping", json!({})).unwrap_err();
    assert!(refused.text.contains("refused"), "{refused:?}");
    duo.resume();
    assert!(call(&duo, "ping", json!({})).is_ok());
}

#[test]
fn the_double_cuts_a_request_that_hangs() {
    let duo = FakeDuo::start(Pki::shared());
    duo.fail(Place::anywhere(), Fault::Hang);
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| call(&duo, "ping", json!({})));
        wait_until("the request is there", LONG, || {
            duo.count(Endpoint::Ping) == 1
        });
        duo.cut();
        assert_eq!(status_of(hanging.join().unwrap()), None);
    });
}

#[test]
fn the_double_shows_bad_certificates() {
    let pki = Pki::shared();
    for (name, identity, words) in [
        ("expired", &pki.expired, "expired"),
        ("rogue", &pki.rogue, "unable to get"),
        ("other name", &pki.other_name, "mismatch"),
    ] {
        let duo = FakeDuo::start_with(pki, identity, Offer::Http1);
        let error = call(&duo, "ping", json!({})).unwrap_err();
        assert!(
            error.text.contains("certificate") && error.text.contains(words),
            "{name}: {error:?}"
        );
        assert_eq!(duo.requests().len(), 0, "{name}");
    }
}

#[test]
fn dead_hosts_refuse_and_black_holes_swallow() {
    let dead = TcpStream::connect(ports::dead()).unwrap_err();
    assert_eq!(dead.kind(), ErrorKind::ConnectionRefused);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.connect(ports::dead()).unwrap();
    udp.set_read_timeout(Some(LONG)).unwrap();
    udp.send(b"x").unwrap();
    assert_eq!(
        udp.recv(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );

    let hole = BlackHoleTcp::start();
    let mut stream = TcpStream::connect(hole.address()).unwrap();
    wait_until("accepted", LONG, || hole.accepted() == 1);
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    assert_eq!(
        stream.read(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );

    let hole = BlackHoleUdp::start();
    let nas = Nas::new(hole.address(), SECRET);
    nas.send(b"anything");
    assert_eq!(nas.receive(Duration::from_millis(50)), None);
    wait_until("received", LONG, || hole.received() == 1);
}

#[test]
fn reserved_ports_differ_and_can_be_bound() {
    let (one, other) = (ports::free_tcp_and_udp(), ports::free_tcp_and_udp());
    assert_ne!(one, other);
    assert!(UdpSocket::bind(ports::loopback(one)).is_ok());
}

#[test]
fn a_process_is_stopped_with_all_of_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new(require("sh", "dash"));
    command.args(["-c", "echo begun; sleep 600 & echo child $!; wait"]);
    let mut process = Process::start("shell", &command, &log);
    let output = || std::fs::read_to_string(&log).unwrap_or_default();
    process.until("it says its child", LONG, || {
        output().contains("child ") && output().ends_with('\n')
    });
    let child = output().trim().rsplit(' ').next().unwrap().to_owned();
    let proc = Path::new("/proc").join(&child).join("cmdline");
    // It is the shell's copy for a moment.
    let cmdline = || std::fs::read_to_string(&proc).unwrap_or_default();
    process.until("the child sleeps", LONG, || cmdline().contains("sleep"));
    assert_eq!(process.ended(), None);
    drop(process);
    // Gone, or a zombie without a command line until init takes it.
    wait_until("the child is gone", LONG, || {
        std::fs::read(&proc).unwrap_or_default().is_empty()
    });
}

#[test]
fn a_signal_reaches_the_program_and_its_status_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(require("sh", "dash"));
    command.args([
        "-c",
        "trap 'exit 7' TERM; echo armed; while :; do sleep 0.01; done",
    ]);
    let mut process = Process::start("shell", &command, &folder.path().join("log"));
    let log = folder.path().join("log");
    process.until("it is armed", LONG, || {
        std::fs::read_to_string(&log).unwrap().contains("armed")
    });
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(LONG).code(), Some(7));
}

#[test]
fn a_peer_that_is_missing_fails_with_its_package() {
    let failure =
        std::panic::catch_unwind(|| require("no-such-program", "its-package")).unwrap_err();
    let text = failure.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("no-such-program") && text.contains("its-package"),
        "{text}"
    );
}

#[test]
fn a_program_that_ends_before_it_is_ready_fails_with_what_it_printed() {
    let failure =
        std::panic::catch_unwind(|| Start::with("not a section\n").ready().admin).unwrap_err();
    let text = failure.downcast_ref::<String>().unwrap();
    assert!(text.contains("ended") && text.contains("/readyz"), "{text}");
}
