//! Failed sign-ins, counted for each address, each name and each browser that is known: after a few, each one more makes the
//! next wait longer. Pure: the time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use super::admin::ADMINS;

/// Who failed how often. Each kind has a table of its own: whoever has addresses without number makes
/// none of the others forgotten.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    addresses: Table<ADDRESSES>,
    browsers: Table<ADDRESSES>,
    /// Names of administrators. There are no more of them than places, so that nothing but time and
    /// a good sign-in makes one forgotten.
    names: Table<ADMINS>,
    /// Names that are nobody's, which wait as well: else it would show which are.
    strange: Table<ADDRESSES>,
}

/// Failures of one kind, of `MOST` at most.
#[derive(Debug, Default)]
struct Table<const MOST: usize> {
    failed: HashMap<Whose, Failed>,
}

/// Whose failures are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// Those that came from an address, or one that its holder has too.
    Address(IpAddr),
    /// Those for a name, wherever from. No longer than [`Whose::name`] makes it.
    Name(String),
    /// Those with a browser that somebody signed in with before.
    Browser(String),
}

impl Whose {
    pub(crate) fn address(from: IpAddr) -> Self {
        Self::Address(neighbourhood(from))
    }

    pub(crate) fn name(name: &str) -> Self {
        Self::Name(name.chars().take(NAME_CHARACTERS).collect())
    }

    /// By what its mark tells it from others.
    pub(crate) fn browser(browser: &str) -> Self {
        Self::Browser(browser.chars().take(NAME_CHARACTERS).collect())
    }
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    times: u32,
    last_ms: u64,
    until_ms: u64,
}

impl Throttle {
    /// How many seconds they have to wait yet; none when they have not.
    pub(crate) fn wait(&self, whose: &Whose, now_ms: u64) -> Option<u64> {
        match whose {
            Whose::Address(_) => self.addresses.wait(whose, now_ms),
            Whose::Browser(_) => self.browsers.wait(whose, now_ms),
            Whose::Name(_) => {
                let known = self.names.wait(whose, now_ms);
                known.max(self.strange.wait(whose, now_ms))
            }
        }
    }

    /// Notes that a sign-in failed. Whether they have to wait from now on, and had not before.
    /// `known` is whether a name is an administrator's.
    pub(crate) fn failed(&mut self, whose: Whose, known: bool, now_ms: u64) -> bool {
        match whose {
            Whose::Address(_) => self.addresses.failed(whose, now_ms),
            Whose::Browser(_) => self.browsers.failed(whose, now_ms),
            Whose::Name(_) if known => self.names.failed(whose, now_ms),
            Whose::Name(_) => self.strange.failed(whose, now_ms),
        }
    }

    /// Notes that a sign-in was good.
    pub(crate) fn succeeded(&mut self, whose: &Whose) {
        self.addresses.failed.remove(whose);
        self.browsers.failed.remove(whose);
        self.names.failed.remove(whose);
        self.strange.failed.remove(whose);
    }
}

impl<const MOST: usize> Table<MOST> {
    fn wait(&self, whose: &Whose, now_ms: u64) -> Option<u64> {
        let failed = self.failed.get(whose)?;
        let left = failed.until_ms.saturating_sub(now_ms);
        (left > 0).then(|| left.div_ceil(1_000))
    }

    fn failed(&mut self, whose: Whose, now_ms: u64) -> bool {
        if !self.failed.contains_key(&whose) && self.failed.len() >= MOST {
            self.make_room(now_ms);
        }
        let failed = self.failed.entry(whose).or_insert(Failed {
            times: 0,
            last_ms: now_ms,
            until_ms: 0,
        });
        if now_ms.saturating_sub(failed.last_ms) >= FORGOTTEN_MS {
            failed.times = 0;
        }
        failed.times = failed.times.saturating_add(1);
        failed.last_ms = now_ms;
        if let Some(beyond) = failed.times.checked_sub(FREE) {
            let wait = FIRST_MS.saturating_mul(1_u64.checked_shl(beyond).unwrap_or(u64::MAX));
            failed.until_ms = now_ms.saturating_add(wait.min(LONGEST_MS));
        }
        failed.times == FREE
    }

    /// Forgets those that are long ago, or else the one whose failure is the longest ago.
    fn make_room(&mut self, now_ms: u64) {
        self.failed
            .retain(|_, failed| now_ms.saturating_sub(failed.last_ms) < FORGOTTEN_MS);
        if self.failed.len() < MOST {
            return;
        }
        let oldest = self.failed.iter().min_by_key(|(_, failed)| failed.last_ms);
        if let Some(oldest) = oldest.map(|(whose, _)| whose.clone()) {
            self.failed.remove(&oldest);
        }
    }
}

/// Whoever has one IPv6 address has the /64 around it.
pub(crate) fn neighbourhood(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(from) => IpAddr::V4(from),
        IpAddr::V6(from) => IpAddr::V6(Ipv6Addr::from_bits(from.to_bits() & !u128::from(u64::MAX))),
    }
}

/// As many as a name may have.
const NAME_CHARACTERS: usize = 64;
/// The most that are remembered of addresses, of browsers, and of names that are nobody's.
const ADDRESSES: usize = 4_096;
/// Failures in a row after which an address begins to wait.
const FREE: u32 = 5;
const FIRST_MS: u64 = 1_000;
const LONGEST_MS: u64 = 5 * 60_000;
/// What is as long ago no longer counts.
const FORGOTTEN_MS: u64 = 15 * 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Whose {
        Whose::address(text.parse().unwrap())
    }

    #[test]
    fn each_failure_beyond_the_free_ones_doubles_the_wait_up_to_a_bound() {
        let (mut throttle, from) = (Throttle::default(), address("192.0.2.1"));
        let waits: Vec<Option<u64>> = (0..20)
            .map(|_| {
                throttle.failed(from.clone(), false, 1_000);
                throttle.wait(&from, 1_000)
            })
            .collect();
        assert_eq!(waits[..4], [None; 4]);
        assert_eq!(waits[4..8], [Some(1), Some(2), Some(4), Some(8)]);
        assert_eq!(waits[13..], [Some(300); 7]);
        assert_eq!(throttle.wait(&address("192.0.2.2"), 1_000), None);
        assert_eq!(throttle.wait(&from, 300_999), Some(1));
        assert_eq!(throttle.wait(&from, 301_000), None);
        throttle.failed(from.clone(), false, 301_000);
        assert_eq!(throttle.wait(&from, 301_000), Some(300), "not forgotten");
        throttle.failed(from.clone(), false, 301_000 + FORGOTTEN_MS);
        assert_eq!(
            throttle.wait(&from, 301_000 + FORGOTTEN_MS),
            None,
            "forgotten"
        );
        for _ in 0..FREE {
            throttle.failed(from.clone(), false, 5_000_000);
        }
        throttle.succeeded(&from);
        assert_eq!(throttle.wait(&from, 5_000_000), None);
    }

    #[test]
    fn an_address_stands_for_those_that_its_holder_has_too() {
        for (failed, asked, want) in [
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            let mut throttle = Throttle::default();
            for _ in 0..FREE {
                throttle.failed(address(failed), false, 0);
            }
            let waits = throttle.wait(&address(asked), 0).is_some();
            assert_eq!(waits, want, "{failed} {asked}");
        }
    }

    #[test]
    fn the_table_is_bounded_and_loses_what_is_the_longest_ago() {
        let mut throttle = Throttle::default();
        let bound = u32::try_from(ADDRESSES).unwrap();
        let nth = |number: u32| Whose::address(IpAddr::V4(number.into()));
        for number in 0..=bound {
            for _ in 0..FREE {
                throttle.failed(nth(number), false, u64::from(number));
            }
        }
        assert_eq!(throttle.addresses.failed.len(), ADDRESSES);
        let now = u64::from(bound);
        assert_eq!(throttle.wait(&nth(0), 0), None);
        assert!(throttle.wait(&nth(bound), now).is_some());
        throttle.failed(nth(bound + 1), false, now + FORGOTTEN_MS);
        assert_eq!(throttle.addresses.failed.len(), 1);
    }

    /// A bad token costs nothing to send, and a /48 has 65,536 addresses.
    #[test]
    fn no_number_of_strangers_makes_the_wait_of_a_name_or_a_browser_forgotten() {
        let mut throttle = Throttle::default();
        let (alice, browser) = (Whose::name("alice"), Whose::browser("hers"));
        for _ in 0..20 {
            throttle.failed(alice.clone(), true, 0);
            throttle.failed(browser.clone(), true, 0);
        }
        for number in 0..=u32::try_from(ADDRESSES).unwrap() {
            let now = 1_000 + u64::from(number);
            let from = IpAddr::V6(Ipv6Addr::from_bits(u128::from(number) << 64));
            throttle.failed(Whose::address(from), false, now);
            throttle.failed(Whose::name(&number.to_string()), false, now);
        }
        assert_eq!(throttle.wait(&alice, 0), Some(300));
        assert_eq!(throttle.wait(&browser, 0), Some(300));
        // As many as there can be, alice with them.
        for number in 1..ADMINS {
            throttle.failed(Whose::name(&number.to_string()), true, 5_000);
        }
        assert_eq!(throttle.wait(&alice, 0), Some(300));
        throttle.succeeded(&alice);
        assert_eq!(throttle.wait(&alice, 0), None);
    }
}
