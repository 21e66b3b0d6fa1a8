//! What must hold for any octets that come as a State, and for what a State holds.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a claim that does not hold is reported"
)]

use std::net::Ipv4Addr;

use prometheus::Opts;
use proto::secret::Secret;

use super::*;
use crate::fuzzing::Input;
use crate::radius::MAX_VALUE_OCTETS;

/// Opens octets as a State, reads them as a context, and seals that and opens it again, whole and
/// changed. The input: a number of changes, each a place and what is done to the octet there; then
/// the octets.
///
/// Holds: nothing panics; what opens is, octet for octet, what sealing it gives; a context that was
/// read is written and read as the same; it opens once where it was sealed, and neither changed,
/// nor for others, nor too late.
///
/// # Panics
/// One of these does not hold.
pub fn state(octets: &[u8]) {
    let mut input = Input::new(octets);
    let changes = usize::from(input.octet() % 8);
    let changes: Vec<(u8, u8)> = (0..changes)
        .map(|_| (input.octet(), input.octet()))
        .collect();
    let octets = input.rest();
    hostile(octets);
    if let Some(context) = pending::read(octets) {
        assert_eq!(carried(&context).as_ref(), Some(&context));
        genuine(&context, &changes);
    }
}

/// A context as it is after its way through a State; none when none can hold it.
pub(crate) fn carried(context: &Context) -> Option<Context> {
    let written = pending::write(context)?;
    assert!(
        written.len() <= pending::octets(&context.pending),
        "it grew"
    );
    let read = pending::read(&written);
    assert!(read.is_some(), "what was written cannot be read");
    read
}

/// Whatever opens was sealed with the key.
fn hostile(octets: &[u8]) {
    let (key, states) = (key(), states());
    if let Ok(opened) = key.open(octets) {
        let body = seal::body(&opened.clear);
        let again = body.and_then(|body| key.seal(opened.nonce, opened.until, opened.digest, body));
        assert!(body.is_none() || again.as_deref() == Some(octets));
    } else {
        assert!(states.open(NOW, SCOPE, octets).is_err());
    }
    if states.open(NOW, SCOPE, octets).is_ok() {
        assert_eq!(states.open(NOW, SCOPE, octets), Err(StateFault::Replayed));
    }
}

fn genuine(context: &Context, changes: &[(u8, u8)]) {
    let states = states();
    let sealed = match states.seal(NOW, SCOPE, context) {
        Ok(sealed) => sealed,
        // The only reason of the context's own.
        Err(error) => return assert_eq!(error, SealError::TooLong),
    };
    assert!(sealed.len() <= MAX_VALUE_OCTETS);
    let changed = changed(&sealed, changes);
    if changed != sealed {
        assert!(states.open(NOW, SCOPE, &changed).is_err());
    }
    let bob = Scope {
        user: "bob",
        ..SCOPE
    };
    let unsigned = Scope {
        signed: false,
        ..SCOPE
    };
    for other in [bob, unsigned] {
        assert_eq!(states.open(NOW, other, &sealed), Err(StateFault::Foreign));
    }
    let late = NOW + LIFETIME_SECONDS;
    assert_eq!(states.open(late, SCOPE, &sealed), Err(StateFault::Expired));
    assert_eq!(states.open(NOW, SCOPE, &sealed).as_ref(), Ok(context));
    assert_eq!(states.open(NOW, SCOPE, &sealed), Err(StateFault::Replayed));
}

/// Octets turned over, the end cut off, or something added.
fn changed(sealed: &[u8], changes: &[(u8, u8)]) -> Vec<u8> {
    let mut changed = sealed.to_vec();
    for (place, what) in changes {
        let place = usize::from(*place);
        match changed.get_mut(place) {
            Some(_) if *what == 0 => changed.truncate(place),
            Some(octet) => *octet ^= what,
            None => changed.push(*what),
        }
    }
    changed
}

/// A node with the key that the seeds were sealed with.
fn states() -> States {
    let results = IntCounterVec::new(Opts::new("states", "States"), &["result"]).unwrap();
    let states = States::new(results, IntCounter::new("spills", "Spills").unwrap()).unwrap();
    let current = StateKey(Secret::new(STANDARD.encode(KEY)));
    let keys = StateKeys {
        current,
        others: Vec::new(),
    };
    states.set_keys(&keys).unwrap();
    states
}

fn key() -> Key {
    Key::new(&KEY)
}

/// As the node with [`KEY`] seals it, but with a nonce that is not random: a seed.
#[cfg(test)]
pub(crate) fn seed(context: &Context) -> Vec<u8> {
    let written = clear_seed(context);
    let until = NOW + LIFETIME_SECONDS;
    let digest = seal::digest(SCOPE);
    let nonce = [9; seal::NONCE_OCTETS];
    key()
        .seal(nonce, until, digest, Body::Whole(&written))
        .unwrap()
}

/// What [`seed`] seals: a seed too.
#[cfg(test)]
pub(crate) fn clear_seed(context: &Context) -> Vec<u8> {
    pending::write(context).unwrap().to_vec()
}

const KEY: [u8; seal::KEY_OCTETS] = [7; seal::KEY_OCTETS];
const NOW: u64 = 1_800_000_000;
const SCOPE: Scope<'_> = Scope {
    integration: "radius_server_challenge",
    authenticator: "ad_client",
    client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    user: "alice",
    signed: true,
};
