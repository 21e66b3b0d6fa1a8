//! Room for logins that wait for somebody, and how much of it one client may have.
//!
//! While there is plenty, a client takes what it needs. Of the last tenth only those get some who have
//! little: one client that floods, or whose logins all hang, keeps nobody else out. A client is what
//! the configuration has as one, so that many addresses of a range are not many clients.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use proto::address::AddressRange;
use proto::id::IntegrationId;
use rustc_hash::FxHashMap;

use crate::radius::DiscardReason;

/// How many logins of a client wait. Outlives revisions.
#[derive(Debug, Default)]
pub(crate) struct Waiting(AtomicUsize);

impl Waiting {
    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, until what this gives is dropped.
    pub(crate) fn one(self: Arc<Self>) -> Waits {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waits(self)
    }
}

/// A login of a client that waits.
#[derive(Debug)]
pub(crate) struct Waits(Arc<Waiting>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// There is no room for one more login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many wait as may.
    Whole,
    /// Few places are left, and the client has many.
    Share,
}

impl From<Full> for DiscardReason {
    fn from(full: Full) -> Self {
        match full {
            Full::Whole => Self::Overloaded,
            Full::Share => Self::ClientOverloaded,
        }
    }
}

/// Who has how much of the room. At most as many entries as clients are configured, or have logins
/// that wait.
#[derive(Debug)]
pub(crate) struct Room {
    most: usize,
    /// Whether there is one client, for whom nothing has to be kept.
    alone: AtomicBool,
    clients: Mutex<FxHashMap<(IntegrationId, AddressRange), Weak<Waiting>>>,
}

impl Room {
    /// For so many logins.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            alone: AtomicBool::new(true),
            clients: Mutex::default(),
        }
    }

    /// Begins a new revision: what clients it does not have any more is let go.
    pub(crate) fn clients(&self, clients: usize) {
        self.alone.store(clients < 2, Ordering::Relaxed);
        let mut known = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, one| one.strong_count() > 0);
    }

    /// The count of a client, which goes on from the revision before.
    pub(crate) fn of(&self, integration: &IntegrationId, range: AddressRange) -> Arc<Waiting> {
        let mut known = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (integration.clone(), range);
        if let Some(one) = known.get(&key).and_then(Weak::upgrade) {
            return one;
        }
        let one = Arc::<Waiting>::default();
        known.insert(key, Arc::downgrade(&one));
        one
    }

    /// Whether a client may have one more where so many logins wait.
    pub(crate) fn check(&self, all: usize, client: &Waiting) -> Result<(), Full> {
        let alone = self.alone.load(Ordering::Relaxed);
        judge(self.most, all, (!alone).then(|| client.count()))
    }
}

/// `of_client` is none for a client that is the only one.
fn judge(most: usize, all: usize, of_client: Option<usize>) -> Result<(), Full> {
    if all >= most {
        return Err(Full::Whole);
    }
    let is_plenty = all < most - most / KEPT;
    let has_little = of_client.is_none_or(|count| count < (most / LITTLE).max(1));
    match is_plenty || has_little {
        true => Ok(()),
        false => Err(Full::Share),
    }
}

/// The last one of so many parts is for clients that have little.
const KEPT: usize = 10;

/// Less than one of so many parts is little.
const LITTLE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tenth_is_for_clients_that_have_little() {
        for (name, all, of_client, want) in [
            ("an empty room", 0, Some(0), Ok(())),
            ("plenty, all of one", 17_999, Some(17_999), Ok(())),
            (
                "the last tenth, and many",
                18_000,
                Some(18_000),
                Err(Full::Share),
            ),
            (
                "the last tenth, and 200",
                18_000,
                Some(200),
                Err(Full::Share),
            ),
            ("the last tenth, and 199", 18_000, Some(199), Ok(())),
            ("the last place", 19_999, Some(0), Ok(())),
            ("no place", 20_000, Some(0), Err(Full::Whole)),
            ("the only client, the last place", 19_999, None, Ok(())),
            ("the only client, no place", 20_000, None, Err(Full::Whole)),
        ] {
            assert_eq!(judge(20_000, all, of_client), want, "{name}");
        }
        // However small the room is, who has nothing gets the last of it.
        for most in 1..200 {
            assert_eq!(judge(most, most - 1, Some(0)), Ok(()), "{most}");
        }
    }

    #[test]
    fn a_clients_count_outlives_a_revision_and_goes_with_its_last_login() {
        let room = Room::new(20);
        let [vpn, wifi] = ["vpn", "wifi"].map(|id| IntegrationId::new(id).unwrap());
        let range: AddressRange = "192.0.2.0/24".parse().unwrap();
        room.clients(2);
        let (flooding, other) = (room.of(&vpn, range), room.of(&wifi, range));
        let waits: Vec<_> = (0..18).map(|_| Arc::clone(&flooding).one()).collect();
        // The next revision.
        room.clients(2);
        let again = room.of(&vpn, range);
        drop(flooding);
        assert_eq!((again.count(), other.count()), (18, 0));
        assert_eq!(room.check(18, &again), Err(Full::Share));
        assert_eq!(room.check(18, &other), Ok(()));
        drop(waits);
        assert_eq!(
            room.check(18, &again),
            Ok(()),
            "what has ended is not counted"
        );
        drop((again, other));
        room.clients(1);
        assert!(room.clients.lock().unwrap().is_empty());
    }
}
