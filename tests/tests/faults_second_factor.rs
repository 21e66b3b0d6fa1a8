//! A second factor that answers an octet at a time: its logins end in time as `failmode` says, nobody
//! else's wait, and the next one after it is well again gets in.
#![cfg(test)]

use std::{net::SocketAddr, time::Duration};

use e2e::{
    clock::now,
    config::{MAIN, bare_server, client},
    countersign::Countersign,
    nas::{code, login},
    peers::{FakeDuo, Pki, Relay},
    ports,
};

const AWAY: &str = "The second factor cannot be reached. Please try again later.";
const SECONDS: u64 = 3;

#[test]
fn an_octet_at_a_time_is_no_answer_and_holds_up_nobody_else() {
    let pki = Pki::shared();
    let (slow, well) = (FakeDuo::start(pki), FakeDuo::start(pki));
    let target: SocketAddr = slow
        .host()
        .replace("localhost", "127.0.0.1")
        .parse()
        .unwrap();
    let relay = Relay::start(target);
    let [a, b] = [ports::free_udp(), ports::free_udp()];
    let host = format!("localhost:{}", relay.address().port());
    slow.stand_behind(&host);
    let section = |name: &str, port, host: &str| {
        bare_server(name, port, host)
            + &client(1, "127.0.0.0/8")
            + &format!("failmode=secure\napi_timeout={SECONDS}\n")
    };
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}{}",
        section("radius_server_auto", a, &host),
        section("radius_server_auto2", b, well.host()),
    ));
    // Over a connection that was good before, then over new ones, whose TLS is as slow.
    assert_eq!(
        login(a, "before", "any").code,
        code::ACCESS_ACCEPT,
        "{}",
        gateway.output()
    );
    relay.drip(Some(Duration::from_millis(100)));
    for turn in 0..3 {
        std::thread::scope(|scope| {
            for number in 0..8 {
                let gateway = &gateway;
                scope.spawn(move || {
                    let (user, began) = (format!("slow{turn}x{number}"), now());
                    let answer = login(a, &user, "any");
                    let got = (answer.code, answer.message());
                    assert_eq!(
                        got,
                        (code::ACCESS_REJECT, AWAY.to_owned()),
                        "{}",
                        gateway.output()
                    );
                    // A device gives up sooner or later.
                    assert!(began.elapsed() < Duration::from_secs(SECONDS * 5));
                });
            }
            for number in 0..40 {
                let answer = login(b, &format!("other{turn}x{number}"), "any");
                assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
            }
        });
        if turn == 0 {
            relay.cut();
        }
    }
    relay.drip(None);
    let answer = login(a, "after", "any");
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    let slowest = (0..40).map(|number| {
        let event = gateway.event_of(&format!("other0x{number}"), 1);
        event["elapsed_us"].as_u64().unwrap()
    });
    let slowest = slowest.max().unwrap();
    assert!(slowest < SECONDS * 1_000_000, "{slowest}");
}
