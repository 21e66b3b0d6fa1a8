//! The address that a node was told to listen on, in place of what the configuration says. Pure.
//!
//! It makes one address of several: sections that shared a port on addresses of their own share a
//! socket then, and a client of two of them would be of the one or the other by chance.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use proto::address::AddressRange;
use proto::config::{Faults, Integration};

use super::sites::Place;

/// `--interface`, or none: each integration's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interface(Option<IpAddr>);

/// A client of an integration.
#[derive(Clone, Copy)]
struct Client<'a> {
    integration: (usize, &'a Integration),
    index: usize,
    address: AddressRange,
}

impl Interface {
    /// An IPv4 address may be written as an IPv6 one that stands for it.
    pub(crate) fn new(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| address.to_canonical()))
    }

    /// Where an integration listens.
    pub(crate) fn place(self, integration: &Integration) -> Place {
        (self.0.or(integration.listen), integration.port)
    }

    /// Finds clients that integrations have in common which only their addresses keep apart; at
    /// most one for each integration.
    pub(crate) fn check(self, integrations: &[Arc<Integration>], faults: &mut Faults) {
        let Some(address) = self.0 else { return };
        for (first, later) in shared(integrations).into_values() {
            let (one, other) = (first.integration.1, later.integration.1);
            faults.add(
                format!(
                    "integrations[{}].clients[{}].address",
                    later.integration.0, later.index
                ),
                format!(
                    "[{}] --interface {address} puts it on one address with [{}], where {} and {} \
                     would be clients of both; give one of them another port than {}",
                    other.id, one.id, first.address, later.address, other.port
                ),
            );
        }
    }
}

/// By the index of the later integration: a client of an earlier one, and one of its own.
fn shared(integrations: &[Arc<Integration>]) -> BTreeMap<usize, (Client<'_>, Client<'_>)> {
    let mut clients: Vec<Client<'_>> = integrations
        .iter()
        .enumerate()
        .flat_map(|integration| {
            let clients = integration.1.clients.iter().enumerate();
            clients.map(move |(index, client)| Client {
                integration: (integration.0, integration.1.as_ref()),
                index,
                address: client.address,
            })
        })
        .collect();
    clients.sort_by_key(|one| (one.port(), one.address.first(), one.integration.0));
    let mut found = BTreeMap::new();
    for on_port in clients.chunk_by(|a, b| a.port() == b.port()) {
        // None begins before those that came before it: they overlap if one of them reaches it.
        let mut farthest: BTreeMap<Option<IpAddr>, Client<'_>> = BTreeMap::new();
        for one in on_port {
            let elsewhere = farthest.iter().filter(|(at, _)| **at != one.listen());
            for (_, other) in elsewhere.filter(|(_, other)| other.address.overlaps(&one.address)) {
                let (first, later) = if other.integration.0 < one.integration.0 {
                    (*other, *one)
                } else {
                    (*one, *other)
                };
                found.entry(later.integration.0).or_insert((first, later));
            }
            let known = farthest.entry(one.listen()).or_insert(*one);
            if known.address.last() < one.address.last() {
                *known = *one;
            }
        }
    }
    found
}

impl Client<'_> {
    const fn port(&self) -> u16 {
        self.integration.1.port
    }

    const fn listen(&self) -> Option<IpAddr> {
        self.integration.1.listen
    }
}

/// What stands before an address that was not found in the configuration.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "--interface " } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::config::{Snapshot, raw};

    use super::*;

    /// One integration for each listen address and its clients, all on one port.
    fn integrations(wanted: &[(Option<&str>, &[&str])]) -> Result<Snapshot, Faults> {
        let integrations: Vec<_> = wanted
            .iter()
            .enumerate()
            .map(|(index, (listen, clients))| {
                let clients: Vec<_> = clients
                    .iter()
                    .map(|address| serde_json::json!({"address": address, "secret": "s"}))
                    .collect();
                serde_json::json!({
                    "id": format!("radius_server_duo_only{index}"),
                    "mode": "duo_only",
                    "listen": listen,
                    "port": 1812,
                    "application": {"ikey": "DI", "skey": "k", "host": "api.example.com"},
                    "clients": clients,
                    "fail_mode": "safe",
                })
            })
            .collect();
        let raw = serde_json::json!({"revision": 1, "integrations": integrations});
        Snapshot::try_from(serde_json::from_value::<raw::Snapshot>(raw).unwrap())
    }

    fn faults(interface: Option<&str>, wanted: &[(Option<&str>, &[&str])]) -> String {
        let snapshot = integrations(wanted).unwrap();
        let interface = Interface::new(interface.map(|one| one.parse().unwrap()));
        let mut faults = Faults::default();
        interface.check(&snapshot.integrations, &mut faults);
        faults.to_string()
    }

    const A: Option<&str> = Some("192.0.2.1");
    const B: Option<&str> = Some("192.0.2.2");

    #[test]
    fn it_stands_for_every_address_of_the_configuration() {
        let snapshot = integrations(&[(A, &["10.0.0.1"]), (None, &["10.0.0.2"])]).unwrap();
        let places = |interface: Interface| -> Vec<_> {
            let all = snapshot.integrations.iter();
            all.map(|one| interface.place(one)).collect()
        };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let own = [(Some(address("192.0.2.1")), 1812), (None, 1812)];
        assert_eq!(places(Interface::new(None)), own);
        let other = Some(address("127.0.0.2"));
        for written in ["127.0.0.2", "::ffff:127.0.0.2"] {
            let interface = Interface::new(Some(address(written)));
            assert_eq!(
                places(interface),
                [(other, 1812), (other, 1812)],
                "{written}"
            );
        }
    }

    #[test]
    fn clients_that_only_addresses_keep_apart_are_refused() {
        let two = |a, b| {
            format!(
                "integrations[1].clients[0].address: [radius_server_duo_only1] --interface 127.0.0.2 \
                 puts it on one address with [radius_server_duo_only0], where {a} and {b} would be \
                 clients of both; give one of them another port than 1812"
            )
        };
        for (name, wanted, want) in [
            (
                "the same clients",
                &[(A, &["10.0.0.0/24"][..]), (B, &["10.0.0.0/24"])][..],
                two("10.0.0.0/24", "10.0.0.0/24"),
            ),
            (
                "a narrower client, which would be taken away from the other",
                &[(A, &["10.0.0.0/24"]), (B, &["10.0.0.7"])],
                two("10.0.0.0/24", "10.0.0.7"),
            ),
            (
                "a wider one",
                &[(A, &["10.0.0.7"]), (None, &["10.0.0.0/24"])],
                two("10.0.0.7", "10.0.0.0/24"),
            ),
            (
                "one fault for many clients",
                &[(A, &["10.0.0.0/24"]), (B, &["10.0.0.7", "10.0.0.8"])],
                two("10.0.0.0/24", "10.0.0.7"),
            ),
            (
                "what the configuration itself has on one address",
                &[(A, &["10.0.0.0/24"]), (A, &["10.0.0.7"])],
                String::new(),
            ),
            (
                "other clients",
                &[
                    (A, &["10.0.0.0/24", "2001:db8::/32"]),
                    (B, &["10.0.1.0/24"]),
                ],
                String::new(),
            ),
        ] {
            assert_eq!(faults(Some("127.0.0.2"), wanted), want, "{name}");
            assert_eq!(faults(None, wanted), "", "{name}, each on its own");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_search(
            ends in prop::collection::vec((0_u8..3, 0_u8..32, 0_u8..32), 0..6),
        ) {
            let range = |a: u8, b: u8| format!("10.0.0.{}-10.0.0.{}", a.min(b), a.max(b));
            let clients: Vec<_> = ends.iter().map(|(_, a, b)| range(*a, *b)).collect();
            let listen: Vec<_> = ends.iter().map(|(at, ..)| format!("192.0.2.{at}")).collect();
            let clients: Vec<[&str; 1]> = clients.iter().map(|one| [one.as_str()]).collect();
            let wanted: Vec<(Option<&str>, &[&str])> = listen
                .iter()
                .zip(&clients)
                .map(|(listen, clients)| (Some(listen.as_str()), clients.as_slice()))
                .collect();
            // Clients that the configuration refuses already are nothing to look at here.
            let Ok(snapshot) = integrations(&wanted) else { return Ok(()) };
            let all = &snapshot.integrations;
            let clash = |a: &Integration, b: &Integration| {
                a.listen != b.listen
                    && a.clients.iter().any(|one| {
                        b.clients.iter().any(|other| one.address.overlaps(&other.address))
                    })
            };
            let want = (0..all.len()).any(|b| (0..b).any(|a| clash(&all[a], &all[b])));
            let found = shared(all);
            prop_assert_eq!(!found.is_empty(), want);
            for (first, later) in found.into_values() {
                let (a, b) = (first.integration, later.integration);
                prop_assert!(a.0 < b.0 && a.1.listen != b.1.listen);
                prop_assert!(first.address.overlaps(&later.address));
            }
        }
    }
}
