//! A network that loses one datagram of twenty, doubles some and puts others in another order: every login
//! ends, with one push and one answer.
#![cfg(test)]

use std::{thread, time::Duration};

use e2e::{
    config::{MAIN, challenges, pair, upstreams},
    countersign::Countersign,
    gateway::Site,
    nas::code,
    peers::{
        FakeDuo, FreeRadius, Kind, Lossy, Pki, Weather,
        fakeduo::{Outcome, User},
    },
    ports,
    storm::{Device, Ended, Storm},
};

const SEED: u64 = 0x5eed_0001;
/// One of twenty is lost, each way.
const BAD: Weather = Weather {
    lost: 5,
    doubled: 5,
    overtaken: 10,
};

/// Every login let in, and none told two things.
fn all_in(ended: &[Ended], gateway: &Countersign) {
    for one in ended {
        assert_eq!(
            (one.code(), one.contradicted),
            (code::ACCESS_ACCEPT, false),
            "{} after {} tries: {}\n{}",
            one.user,
            one.sent,
            one.message(),
            gateway.output()
        );
    }
}

#[test]
fn a_bad_network_to_the_devices_costs_no_login_and_no_second_push() {
    const LOGINS: usize = 320;
    let site = Site::new();
    site.duo
        .everybody(User::who(Outcome::Allow).after(Duration::from_millis(100)));
    let gateway = Countersign::run(&site.config(""));
    let relay = Lossy::start(site.radius(), BAD, SEED);
    let storm = Storm {
        server: relay.address(),
        devices: 16,
        logins: LOGINS,
        tries: 0,
    };
    let who = |number| (format!("user{number}"), "any".to_owned());
    let ended = storm.rage(who, |progress| progress.until(LOGINS));
    all_in(&ended, &gateway);
    let weather = relay.counts();
    assert!(weather.iter().all(|count| *count > 0), "{weather:?}");
    let repeated = ended.iter().filter(|one| one.sent > 1).count();
    assert!(repeated > 0, "nothing was lost: {weather:?}");
    for one in &ended {
        assert_eq!(site.duo.pushes(&one.user), 1, "{}", one.user);
    }
    assert_eq!(site.duo.violations(), Vec::<String>::new());
}

#[test]
fn a_bad_network_costs_no_answer_to_a_question() {
    const DEVICES: usize = 8;
    const EACH: usize = 12;
    let duo = FakeDuo::start(Pki::shared());
    let (config, [port]) = challenges(&duo, [""]);
    let gateway = Countersign::run(&config);
    let relay = Lossy::start(ports::loopback(port), BAD, SEED + 1);
    thread::scope(|scope| {
        for device in 0..DEVICES {
            let (server, gateway) = (relay.address(), &gateway);
            scope.spawn(move || {
                let mut device_of = Device::new(server);
                for number in 0..EACH {
                    let user = format!("user{device}x{number}");
                    let request = device_of.nas.access(&user, "any");
                    let asked = device_of.ask(&request).0.expect("a question");
                    assert_eq!(asked.code, code::ACCESS_CHALLENGE, "{user}");
                    let typed = FakeDuo::PASSCODE;
                    let request = device_of.nas.access_with_state(&user, typed, &asked);
                    // A State is good once, and a repeat of its request is no second use.
                    let answer = device_of.ask(&request).0.expect("an answer");
                    let message = answer.message();
                    assert_eq!(
                        answer.code,
                        code::ACCESS_ACCEPT,
                        "{user}: {message}\n{}",
                        gateway.output()
                    );
                }
                assert!(!device_of.contradicted(), "two answers to one request");
            });
        }
    });
    let weather = relay.counts();
    assert!(weather.iter().all(|count| *count > 0), "{weather:?}");
}

#[test]
fn a_bad_network_to_an_upstream_costs_no_login() {
    const LOGINS: usize = 200;
    let (duo, radius, port) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
        ports::free_udp(),
    );
    let relay = Lossy::start(radius.address, BAD, SEED + 2);
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        pair(1, port, &duo, "radius_client", |name| {
            upstreams(name, &[relay.address()]) + "retries=9\nretry_wait=1\n"
        }),
    ));
    let storm = Storm {
        server: ports::loopback(port),
        devices: 16,
        logins: LOGINS,
        tries: 0,
    };
    let who = |number| {
        (
            format!("u{:02}", number + 1),
            format!("pw-u{:02}", number + 1),
        )
    };
    let ended = storm.rage(who, |progress| progress.until(LOGINS));
    all_in(&ended, &gateway);
    let weather = relay.counts();
    assert!(weather.iter().all(|count| *count > 0), "{weather:?}");
}
