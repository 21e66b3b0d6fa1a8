//! What kind of world a seed makes: who is there, and how badly they behave.

use super::network::Way;
use super::outside::Rng;

/// The character of one simulation. Rates are per mille.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Nobody misbehaves but the network between devices and nodes: each login has one right end.
    pub(super) calm: bool,
    pub(super) nodes: u8,
    /// Of the upstream.
    pub(super) hosts: u8,
    pub(super) logins: u64,
    /// With how many identifiers a socket of a device makes do, if it can.
    pub(super) identifiers: u8,
    pub(super) devices: Way,
    pub(super) upstream: Way,
    /// Connections to the second factor that fail or hang.
    pub(super) service_connects: u64,
    /// Its answers that are late, broken, missing or lies.
    pub(super) service_faults: u64,
    /// The upstream's answers that are late, missing or lies.
    pub(super) upstream_faults: u64,
    /// Each host of the upstream is away half of such a time.
    pub(super) flaps_ms: Option<u64>,
    /// Requests that are made up, changed, or sent again with the State of another.
    pub(super) attacks: u64,
    /// Processes of nodes end in the midst of it, by a signal or at once.
    pub(super) crashes: bool,
    /// The control plane changes what is served, grants, and goes away at times.
    pub(super) changes: bool,
    pub(super) max_in_flight: usize,
    pub(super) connections: usize,
    /// Answers that are kept, and requests that may be in progress, where that is less than ever.
    pub(super) cache: Option<(usize, usize)>,
}

impl Plan {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let bad = Way {
            lost: rng.pick(&[0, 20, 100, 300]),
            doubled: rng.pick(&[0, 50, 300]),
            late: rng.pick(&[0, 0, 30, 300]),
            spread_ms: rng.pick(&[0, 5, 200, 3_000]),
        };
        let good = Way {
            spread_ms: 2,
            ..Way::default()
        };
        let calm = rng.chance(250);
        if calm {
            return Self {
                calm,
                nodes: 1,
                hosts: 1,
                logins: rng.within(3, 12),
                identifiers: rng.pick(&[2, 24]),
                devices: bad,
                upstream: good,
                service_connects: 0,
                service_faults: 0,
                upstream_faults: 0,
                flaps_ms: None,
                attacks: 0,
                crashes: false,
                changes: false,
                max_in_flight: 1_000,
                connections: 1_000,
                cache: None,
            };
        }
        Self {
            calm,
            nodes: rng.pick(&[1, 2, 2]),
            hosts: rng.pick(&[1, 2, 3]),
            logins: rng.within(3, 16),
            identifiers: rng.pick(&[1, 2, 24]),
            devices: bad,
            upstream: Way {
                lost: rng.pick(&[0, 0, 100, 300]),
                doubled: rng.pick(&[0, 200]),
                late: rng.pick(&[0, 50]),
                spread_ms: rng.pick(&[2, 200, 2_000]),
            },
            service_connects: rng.pick(&[0, 0, 100, 500, 1_000]),
            service_faults: rng.pick(&[0, 50, 300]),
            upstream_faults: rng.pick(&[0, 100, 400]),
            flaps_ms: rng.pick(&[None, None, Some(5_000), Some(40_000)]),
            attacks: rng.pick(&[0, 200, 500]),
            crashes: rng.chance(400),
            changes: rng.chance(600),
            max_in_flight: rng.pick(&[2, 5, 1_000]),
            connections: rng.pick(&[1, 3, 1_000]),
            cache: rng.pick(&[None, None, None, Some((2, 3)), Some((1, 1_000))]),
        }
    }
}

/// What the section does that listens there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) mode: &'static str,
    pub(super) port: u16,
    /// Whether it has a password checked.
    pub(super) checks: bool,
}

/// The sections of every world.
pub(super) const SECTIONS: [Section; 4] = [
    Section {
        id: "radius_server_duo_only",
        mode: "duo_only",
        port: 1812,
        checks: false,
    },
    Section {
        id: "radius_server_auto",
        mode: "auto",
        port: 1813,
        checks: true,
    },
    Section {
        id: "radius_server_challenge",
        mode: "challenge",
        port: 1814,
        checks: true,
    },
    Section {
        id: "radius_server_concat",
        mode: "concat",
        port: 1815,
        checks: true,
    },
];

/// The section at this port.
pub(super) fn section_at(port: u16) -> usize {
    let found = SECTIONS.iter().position(|one| one.port == port);
    found.expect("nobody listens elsewhere")
}
