//! Two hosts of a primary, of which one is stopped, silent, started again: no login is lost that the
//! other could serve, and none waits for a host that is known to be away.
#![cfg(test)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use e2e::{
    clock::{self, wait_until},
    config::{MAIN, ad_client, pair, upstreams},
    countersign::Countersign,
    nas::{code::ACCESS_ACCEPT, code::ACCESS_REJECT, login},
    peers::{BlackHoleTcp, FakeDuo, FreeRadius, Kind, Pki, Relay, Said, ScriptedUpstream, Slapd},
    ports,
};

const LONG: Duration = Duration::from_secs(60);
const LOGINS: usize = 400;
const AT_ONCE: usize = 16;
/// Have the password `pw-NAME` in every peer.
const USERS: [&str; 10] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy",
];
const FIRST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What is done to a peer, and after how many answers.
type Thing<P> = (usize, fn(&mut P));

/// Logs in [`LOGINS`] times, [`AT_ONCE`] at once, and does each thing to the peer once so many were
/// answered. Gives what was wrong.
fn storm<P>(port: u16, peer: &mut P, things: &[Thing<P>]) -> Vec<String> {
    let (begun, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = begun.fetch_add(1, Ordering::SeqCst);
                    if number >= LOGINS {
                        break;
                    }
                    let user = USERS[number % USERS.len()];
                    let answer = login(port, user, &format!("pw-{user}"));
                    if answer.code != ACCESS_ACCEPT {
                        let text = format!("{number} {user}: {}", answer.message());
                        wrong.lock().unwrap().push(text);
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for (count, thing) in things {
            wait_until(&format!("{count} answers"), LONG, || {
                answered.load(Ordering::SeqCst) >= *count
            });
            thing(peer);
        }
    });
    assert_eq!(answered.into_inner(), LOGINS);
    wrong.into_inner().unwrap()
}

/// What a host was asked for an authenticator with this result.
fn asked(gateway: &Countersign, authenticator: &str, host: SocketAddr, result: &str) -> f64 {
    gateway.metric(&format!(
        r#"countersign_primary_requests_total{{authenticator="{authenticator}",host="{host}",result="{result}"}}"#
    ))
}

/// `[ad_client]` with simple binds and these hosts.
fn directories(name: &str, hosts: &[Ipv4Addr], port: u16, timeout_seconds: u32) -> String {
    let mut text = ad_client(name);
    for (number, host) in ["", "_2"].iter().zip(hosts) {
        text += &format!("host{number}={host}\n");
    }
    text + &format!("port={port}\ntransport=clear\ntimeout={timeout_seconds}\n")
}

#[test]
fn no_login_is_lost_while_a_directory_stops_and_starts() {
    let (duo, port) = (FakeDuo::start(Pki::shared()), ports::free_udp());
    let mut first = Slapd::start(Pki::shared());
    let second = Slapd::start_at(Pki::shared(), SECOND, first.port);
    let here = SocketAddr::from((first.address, first.port));
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        pair(1, port, &duo, "ad_client", |name| {
            directories(name, &[first.address, second.address], first.port, 2)
        }),
    ));
    let wrong = storm(
        port,
        &mut first,
        &[
            (60, Slapd::kill),
            (140, Slapd::restart),
            // Connections are taken, also those it had, and nothing is answered on them.
            (220, |slapd| slapd.pause()),
            (300, |slapd| slapd.resume()),
        ],
    );
    assert_eq!(wrong, Vec::<String>::new(), "{}", gateway.output());
    let there = SocketAddr::from((second.address, second.port));
    assert!(asked(&gateway, "ad_client", there, "accepted") > 0.0);
    // The first one is back, which its probe finds out.
    let before = asked(&gateway, "ad_client", here, "accepted");
    wait_until("the first host is asked again", LONG, || {
        assert_eq!(login(port, "alice", "pw-alice").code, ACCESS_ACCEPT);
        asked(&gateway, "ad_client", here, "accepted") > before
    });
}

#[test]
fn a_directory_that_is_away_is_not_waited_for_twice() {
    let (duo, port) = (FakeDuo::start(Pki::shared()), ports::free_udp());
    let hole = BlackHoleTcp::start();
    let away = hole.address();
    let second = Slapd::start_at(Pki::shared(), SECOND, away.port());
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        pair(1, port, &duo, "ad_client", |name| {
            directories(name, &[FIRST, second.address], away.port(), 2)
        }),
    ));
    let begun = clock::now();
    assert_eq!(
        login(port, "alice", "pw-alice").code,
        ACCESS_ACCEPT,
        "{}",
        gateway.output()
    );
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "it was waited for once"
    );
    let timed_out = asked(&gateway, "ad_client", away, "timed_out");
    assert_eq!(timed_out, 1.0, "{}", gateway.output());
    let connections = hole.accepted();
    let begun = clock::now();
    for count in 0..50 {
        let user = USERS[count % USERS.len()];
        let answer = login(port, user, &format!("pw-{user}"));
        assert_eq!(answer.code, ACCESS_ACCEPT, "{count}\n{}", gateway.output());
    }
    assert_eq!(asked(&gateway, "ad_client", away, "timed_out"), timed_out);
    // Its probes connect now and then; logins do not.
    let probes = hole.accepted() - connections;
    let allowed = usize::try_from(begun.elapsed().as_secs()).unwrap() + 2;
    assert!(
        probes <= allowed,
        "{probes} connections in {:?}",
        begun.elapsed()
    );

    // A password that a host refused is refused: the other one is not asked.
    let there = SocketAddr::from((second.address, second.port));
    let rejected = asked(&gateway, "ad_client", there, "rejected");
    assert_eq!(login(port, "alice", "nope").code, ACCESS_REJECT);
    assert_eq!(
        asked(&gateway, "ad_client", there, "rejected"),
        rejected + 1.0
    );
    assert_eq!(asked(&gateway, "ad_client", away, "timed_out"), timed_out);

    drop(hole);
    let _first = Slapd::start_at(Pki::shared(), FIRST, away.port());
    wait_until("the first host is asked again", LONG, || {
        assert_eq!(login(port, "bob", "pw-bob").code, ACCESS_ACCEPT);
        asked(&gateway, "ad_client", away, "accepted") >= 1.0
    });
}

#[test]
fn no_login_is_lost_while_an_upstream_stops_and_starts() {
    let (duo, port) = (FakeDuo::start(Pki::shared()), ports::free_udp());
    let [mut first, second] = std::array::from_fn(|_| FreeRadius::start(Kind::Plain));
    let (here, there) = (first.address, second.address);
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        pair(1, port, &duo, "radius_client", |name| {
            upstreams(name, &[here, there]) + "retries=3\nretry_wait=1\n"
        }),
    ));
    let wrong = storm(
        port,
        &mut first,
        &[
            (60, FreeRadius::kill),
            (140, FreeRadius::restart),
            (220, |radius| radius.pause()),
            (300, |radius| radius.resume()),
        ],
    );
    assert_eq!(wrong, Vec::<String>::new(), "{}", gateway.output());
    assert!(asked(&gateway, "radius_client", there, "accepted") > 0.0);
    let before = asked(&gateway, "radius_client", here, "accepted");
    wait_until("the first host is asked again", LONG, || {
        assert_eq!(login(port, "alice", "pw-alice").code, ACCESS_ACCEPT);
        asked(&gateway, "radius_client", here, "accepted") > before
    });
}

#[test]
fn a_silent_upstream_is_left_out_until_it_shows_that_it_is_back() {
    let (duo, second) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
    );
    // One that answers probes, and one that ignores them, as Microsoft's server does.
    for (name, first) in [
        (
            "answers probes",
            ScriptedUpstream::start(|_| Some(Said::accept())),
        ),
        (
            "ignores probes",
            ScriptedUpstream::without_status(|_| Some(Said::accept())),
        ),
    ] {
        let port = ports::free_udp();
        let gateway = Countersign::run(&format!(
            "{MAIN}{}",
            pair(1, port, &duo, "radius_client", |name| {
                upstreams(name, &[first.address(), second.address]) + "retries=3\nretry_wait=1\n"
            }),
        ));
        assert_eq!(
            login(port, "alice", "pw-alice").code,
            ACCESS_ACCEPT,
            "{name}"
        );
        assert_eq!(first.count("alice"), 1, "{name}");
        first.silence(true);
        assert_eq!(login(port, "bob", "pw-bob").code, ACCESS_ACCEPT, "{name}");
        let tries = first.count("bob");
        assert!(tries >= 1, "{name}: the first host in order was asked");
        let begun = clock::now();
        for count in 0..50 {
            let user = ["carol", "dave"][count % 2];
            let answer = login(port, user, &format!("pw-{user}"));
            assert_eq!(
                answer.code,
                ACCESS_ACCEPT,
                "{name}: {count}\n{}",
                gateway.output()
            );
        }
        // A host that answers no probes has to be tried with a login now and then.
        let tried = first.count("carol") + first.count("dave");
        let allowed = usize::try_from(begun.elapsed().as_secs()).unwrap() / 5 + 1;
        assert!(
            tried <= allowed,
            "{name}: {tried} of 50 in {:?}",
            begun.elapsed()
        );

        first.silence(false);
        wait_until(&format!("{name}: it is asked again"), LONG, || {
            assert_eq!(login(port, "erin", "pw-erin").code, ACCESS_ACCEPT, "{name}");
            first.count("erin") >= 3
        });
        assert!(first.probes() > 0, "{name}: it was probed");
    }
}

#[test]
fn a_slow_directory_holds_up_nobody_elses_logins() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    let relay = Relay::start((slapd.address, slapd.port).into());
    let [slow, quick] = std::array::from_fn(|_| ports::free_udp());
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}",
        pair(1, slow, &duo, "ad_client", |name| {
            directories(name, &[FIRST], relay.address().port(), 15)
        }),
        pair(2, quick, &duo, "ad_client", |name| {
            directories(name, &[slapd.address], slapd.port, 15)
        }),
    ));
    relay.freeze();
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for count in 0..40 {
            let answered = &answered;
            scope.spawn(move || {
                let user = USERS[count % USERS.len()];
                let answer = login(slow, user, &format!("pw-{user}"));
                answered.fetch_add(1, Ordering::SeqCst);
                assert_eq!(answer.code, ACCESS_ACCEPT, "{count} {user}");
            });
        }
        wait_until("the slow directory is asked", LONG, || relay.received() > 0);
        for user in USERS {
            let answer = login(quick, user, &format!("pw-{user}"));
            assert_eq!(answer.code, ACCESS_ACCEPT, "{user}\n{}", gateway.output());
        }
        assert_eq!(answered.load(Ordering::SeqCst), 0, "the others still wait");
        relay.thaw();
    });
    assert_eq!(answered.into_inner(), 40);
}
