//! Mode `eap`: real supplicants, and one that can be asked twice.
#![cfg(test)]

use e2e::{
    config::{MAIN, eap_server, radius_client},
    countersign::Countersign,
    peers::{
        EapMethod, EapTls, EapolTest, FakeDuo, FreeRadius, Kind, Pki, SECRET, Supplicant,
        supplicant::{Method, TlsRange, typed},
    },
    ports,
};

struct Gateway {
    duo: FakeDuo,
    port: u16,
    running: Countersign,
    _radius: FreeRadius,
}

impl Gateway {
    fn with(options: &str) -> Self {
        let (duo, radius, port) = (
            FakeDuo::start(Pki::shared()),
            FreeRadius::start(Kind::Plain),
            ports::free_udp(),
        );
        let running = Countersign::run(&format!(
            "{MAIN}{}{}{options}",
            radius_client("radius_client", &radius),
            eap_server(port, &duo, "radius_client", "chain"),
        ));
        Self {
            duo,
            port,
            running,
            _radius: radius,
        }
    }
}

#[test]
fn our_peer_logs_in_by_each_method() {
    let gateway = Gateway::with("factors=auto\n");
    for tls in [TlsRange::Only12, TlsRange::Only13] {
        for method in [Method::Peap, Method::TtlsPap, Method::TtlsGtc] {
            let mut peer = Supplicant::new(method, "alice");
            peer.tls = tls;
            let login = peer.login(ports::loopback(gateway.port), typed(&["pw-alice"]));
            println!("{:#}", gateway.running.event_of("alice", 1));
            assert_eq!(
                login
                    .accepted()
                    .prompts
                    .first()
                    .map_or("Password: ", |one| one),
                "Password: "
            );
        }
    }
}

#[test]
fn a_second_prompt_lists_the_factors() {
    let gateway = Gateway::with("");
    let peer = Supplicant::new(Method::Peap, "alice");
    let login = peer.login(ports::loopback(gateway.port), typed(&["pw-alice", "1"]));
    let seen = login.accepted();
    assert_eq!(seen.prompts[0], "Password: ");
    assert!(
        seen.prompts[1].starts_with("Choose a secondary factor from ('push1'"),
        "{seen:?}"
    );
    assert_eq!(gateway.duo.pushes("alice"), 1);
}

#[test]
fn eapol_test_logs_in() {
    let gateway = Gateway::with("factors=auto\n");
    for (method, version) in [
        (EapMethod::PeapGtc, Some(0)),
        (EapMethod::PeapGtc, Some(1)),
        (EapMethod::TtlsPap, None),
        (EapMethod::TtlsGtc, None),
    ] {
        for tls in [EapTls::Tls12, EapTls::Tls13] {
            let mut test = EapolTest::new(method, "alice", "pw-alice");
            test.tls = tls;
            test.peap_version = version;
            let outcome = test.run(ports::loopback(gateway.port), SECRET);
            assert!(
                outcome.success,
                "{method:?} {tls:?} {version:?} {outcome:?}"
            );
        }
    }
}
