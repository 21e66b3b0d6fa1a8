//! Sockets from one revision to the next, while logins wait on them.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    clock::wait_until,
    config::server,
    countersign::Countersign,
    nas::{Nas, code},
    peers::{
        FakeDuo, Pki, SECRET,
        fakeduo::{Outcome, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

fn file(duo: &FakeDuo, interface: &str, port: u16) -> String {
    format!(
        "[main]\nhttp_ca_certs_file=ca.pem\n{interface}[duo_only_client]\n{}",
        server("radius_server_auto", port, duo)
    )
}

/// A login whose push waits, so that its socket is needed until somebody decides.
struct Waiting {
    nas: Nas,
    request: e2e::nas::Request,
}

impl Waiting {
    fn start(duo: &FakeDuo, port: u16) -> Self {
        let nas = Nas::new(ports::loopback(port), SECRET);
        let request = nas.access("alice", "any");
        nas.send(&request.encode());
        wait_until("the push is out", LONG, || duo.pushes("alice") == 1);
        Self { nas, request }
    }

    fn is_accepted(&self, gateway: &Countersign) {
        let answer = self.nas.receive(LONG).expect("an answer");
        let answer = self.request.check(&answer).unwrap();
        assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    }
}

fn served(port: u16) -> bool {
    Nas::new(ports::loopback(port), SECRET).status(SHORT)
}

#[test]
fn a_port_that_comes_back_is_served_although_a_login_still_waits_there() {
    let duo = FakeDuo::start(Pki::shared());
    duo.everybody(User::who(Outcome::Wait));
    let (first, second) = (ports::free_udp(), ports::free_udp());
    let here = "interface=127.0.0.1\n";
    let gateway = Countersign::run(&file(&duo, here, first));
    let waiting = Waiting::start(&duo, first);
    gateway.rewrite_config(&file(&duo, here, second));
    wait_until("the other port is served", LONG, || served(second));
    wait_until("the first port is closed", LONG, || !served(first));
    gateway.rewrite_config(&file(&duo, here, first));
    wait_until("the first port is served again", LONG, || served(first));
    duo.decide("alice", Outcome::Allow);
    waiting.is_accepted(&gateway);
}

#[test]
fn a_new_listener_on_all_addresses_does_not_make_the_old_address_deaf() {
    let duo = FakeDuo::start(Pki::shared());
    duo.everybody(User::who(Outcome::Wait));
    let port = ports::free_udp();
    let gateway = Countersign::run(&file(&duo, "interface=127.0.0.1\n", port));
    let waiting = Waiting::start(&duo, port);
    gateway.rewrite_config(&file(&duo, "", port));
    let elsewhere = || Nas::new(([127, 0, 0, 9], port).into(), SECRET).status(SHORT);
    assert!(
        e2e::clock::poll(Duration::from_secs(4), elsewhere),
        "{}",
        gateway.output()
    );
    assert!(served(port), "{}", gateway.output());
    duo.decide("alice", Outcome::Allow);
    waiting.is_accepted(&gateway);
    // The old socket is let go; its address is served by the new one.
    wait_until("the old address is served", LONG, || served(port));
}

#[test]
fn a_refused_revision_is_served_once_its_port_is_free() {
    let duo = FakeDuo::start(Pki::shared());
    let (first, second) = (ports::free_udp(), ports::free_udp());
    let here = "interface=127.0.0.1\n";
    let gateway = Countersign::run(&file(&duo, here, first));
    let other = std::net::UdpSocket::bind(ports::loopback(second)).unwrap();
    gateway.rewrite_config(&file(&duo, here, second));
    wait_until("the refusal is said", LONG, || {
        gateway.output().contains("address in use")
    });
    assert!(served(first), "the revision before serves on");
    drop(other);
    wait_until("the free port is served", LONG, || served(second));
    wait_until("the first port is closed", LONG, || !served(first));
}
