//! The keys that nodes seal the State of challenges with: one a day, made from the installation's
//! key and the day, so that none is kept and a control plane that was restarted gives out the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::rpc::{StateKey, StateKeys};

use crate::seal::Key;

/// The keys at a moment, in seconds since 1970.
pub(crate) fn at(key: &Key, now: u64) -> StateKeys {
    let day = now / DAY;
    let (since, left) = (now % DAY, DAY - now % DAY);
    let mut others = Vec::new();
    if since < OVERLAP
        && let Some(before) = day.checked_sub(1)
    {
        others.push(of_day(key, before));
    }
    if left <= OVERLAP {
        others.push(of_day(key, day + 1));
    }
    StateKeys {
        current: of_day(key, day),
        others,
    }
}

fn of_day(key: &Key, day: u64) -> StateKey {
    let derived = key.derive(LABEL, day);
    StateKey(proto::secret::Secret::new(
        STANDARD.encode(derived.expose()),
    ))
}

const LABEL: &[u8] = b"countersign state key 1";
const DAY: u64 = 86_400;
/// How long a key opens after its day, and before it: twice as long as a State is good.
const OVERLAP: u64 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_a_key_and_its_neighbours_overlap() {
        let key = Key::new([7; 32]);
        let noon = 20_000 * DAY + DAY / 2;
        let today = at(&key, noon);
        let (yesterday, tomorrow) = (at(&key, noon - DAY), at(&key, noon + DAY));
        assert!(today.others.is_empty());
        assert_ne!(today.current, yesterday.current);
        assert_ne!(today.current, tomorrow.current);
        let morning = 20_000 * DAY;
        for (moment, others) in [
            (morning, vec![&yesterday.current]),
            (morning + OVERLAP - 1, vec![&yesterday.current]),
            (morning + OVERLAP, vec![]),
            (morning + DAY - OVERLAP - 1, vec![]),
            (morning + DAY - OVERLAP, vec![&tomorrow.current]),
            (morning + DAY - 1, vec![&tomorrow.current]),
        ] {
            let keys = at(&key, moment);
            assert_eq!(keys.current, today.current, "{moment}");
            assert_eq!(keys.others.iter().collect::<Vec<_>>(), others, "{moment}");
        }
        assert_eq!(at(&key, noon), today, "the same whenever it is asked");
        assert_ne!(at(&Key::new([8; 32]), noon).current, today.current);
        assert_eq!(at(&key, 0).others, [], "there is no day before the first");
    }
}
