//! A thousand requests in one moment: each is answered, though none is sent twice.
#![cfg(test)]

use std::{collections::HashSet, thread, time::Duration};

use e2e::{
    clock::wait_until, countersign::Countersign, gateway::Site, nas::code, peers::fakeduo::Endpoint,
};

const LONG: Duration = Duration::from_secs(30);
const CLIENTS: usize = 10;
const EACH: usize = 100;

#[test]
fn a_thousand_requests_in_one_moment_lose_none() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let clients: Vec<_> = (0..CLIENTS).map(|_| site.nas()).collect();
    let requests: Vec<Vec<_>> = clients
        .iter()
        .map(|nas| (0..EACH).map(|_| nas.access("exempt", "any")).collect())
        .collect();
    // Put together before, so that they come as one burst.
    let datagrams: Vec<Vec<Vec<u8>>> = requests
        .iter()
        .map(|of| of.iter().map(e2e::nas::Request::encode).collect())
        .collect();
    for (nas, of) in clients.iter().zip(&datagrams) {
        for datagram in of {
            nas.send(datagram);
        }
    }
    thread::scope(|scope| {
        for (nas, of) in clients.iter().zip(&requests) {
            scope.spawn(move || {
                let mut answered = HashSet::new();
                while answered.len() < EACH {
                    let datagram = nas
                        .receive(LONG)
                        .unwrap_or_else(|| panic!("only {} of {EACH}", answered.len()));
                    let answer = of[usize::from(datagram[1])].check(&datagram).unwrap();
                    assert_eq!(answer.code, code::ACCESS_ACCEPT);
                    assert!(answered.insert(answer.bytes[1]), "answered twice");
                }
            });
        }
    });
    assert_eq!(
        site.duo.count(Endpoint::Preauth),
        0,
        "nobody needed a second factor"
    );
    wait_until("every login is stored", LONG, || {
        gateway.status()["controlplane"]["events"]["stored"] == CLIENTS * EACH
    });
    assert_eq!(gateway.status()["dataplane"]["events_dropped"], 0);
}
