//! The cache does what one does that was written without any thought of speed.

use proptest::prelude::*;

use super::*;

/// The same rules, without any thought of speed.
#[derive(Default)]
struct Naive {
    entries: Vec<NaiveEntry>,
    evicted: u64,
}

struct NaiveEntry {
    key: Key,
    authenticator: Authenticator,
    current: bool,
    answer: Option<(Arc<[u8]>, Instant)>,
    order: u64,
}

impl Naive {
    fn expire(&mut self, now: Instant) {
        self.entries.retain(|entry| {
            entry
                .answer
                .as_ref()
                .is_none_or(|(_, asked_at)| now < *asked_at + KEPT)
        });
    }

    fn next_order(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| entry.order)
            .max()
            .unwrap_or(0)
            + 1
    }

    fn entry(&mut self, key: &Key, authenticator: &Authenticator) -> Option<&mut NaiveEntry> {
        self.entries
            .iter_mut()
            .find(|entry| entry.key == *key && entry.authenticator == *authenticator)
    }

    fn lookup(&mut self, now: Instant, key: &Key, authenticator: &Authenticator) -> Lookup {
        self.expire(now);
        let order = self.next_order();
        match self.entry(key, authenticator) {
            None => Lookup::New,
            Some(NaiveEntry { answer: None, .. }) => Lookup::InProgress,
            Some(NaiveEntry {
                answer: Some((reply, asked_at)),
                order: place,
                ..
            }) => {
                *asked_at = now;
                *place = order;
                Lookup::Replay(Arc::clone(reply))
            }
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        key: Key,
        authenticator: &Authenticator,
        limits: Limits,
    ) -> bool {
        self.expire(now);
        if self
            .entry(&key, authenticator)
            .is_some_and(|entry| entry.answer.is_none())
        {
            return true;
        }
        self.entries
            .retain(|entry| entry.key != key || entry.authenticator != *authenticator);
        if self
            .entries
            .iter()
            .filter(|entry| entry.answer.is_none())
            .count()
            >= limits.running
        {
            return false;
        }
        self.entries
            .retain(|entry| entry.key != key || entry.answer.is_none() || !entry.current);
        for entry in &mut self.entries {
            entry.current &= entry.key != key;
        }
        let authenticator = *authenticator;
        self.entries.push(NaiveEntry {
            key,
            authenticator,
            current: true,
            answer: None,
            order: 0,
        });
        true
    }

    fn finish(
        &mut self,
        now: Instant,
        key: &Key,
        authenticator: &Authenticator,
        reply: Arc<[u8]>,
        limits: Limits,
    ) {
        self.expire(now);
        let order = self.next_order();
        if let Some(entry) = self.entry(key, authenticator)
            && entry.answer.is_none()
        {
            entry.answer = Some((reply, now));
            entry.order = order;
        }
        while self.answers() > limits.answers || self.octets() > limits.octets {
            let answered = |entry: &&NaiveEntry| entry.answer.is_some();
            let oldest = self
                .entries
                .iter()
                .filter(answered)
                .map(|entry| entry.order)
                .min();
            self.entries
                .retain(|entry| entry.answer.is_none() || Some(entry.order) != oldest);
            self.evicted += 1;
        }
    }

    fn abandon(&mut self, key: &Key, authenticator: &Authenticator) {
        self.entries.retain(|entry| {
            entry.answer.is_some() || entry.key != *key || entry.authenticator != *authenticator
        });
    }

    fn answers(&self) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.answer.is_some())
            .count()
    }

    fn octets(&self) -> usize {
        self.entries
            .iter()
            .filter_map(|entry| entry.answer.as_ref())
            .map(|(r, _)| r.len())
            .sum()
    }
}

#[derive(Clone, Debug)]
enum Call {
    Lookup(u8, u8),
    Begin(u8, u8),
    Finish(u8, u8, usize),
    Abandon(u8, u8),
    Wait(u64),
}

fn call() -> impl Strategy<Value = Call> {
    let who = || (0..3_u8, 0..4_u8);
    prop_oneof![
        4 => who().prop_map(|(id, who)| Call::Lookup(id, who)),
        4 => who().prop_map(|(id, who)| Call::Begin(id, who)),
        4 => (who(), 0..40_usize).prop_map(|((id, who), size)| Call::Finish(id, who, size)),
        1 => who().prop_map(|(id, who)| Call::Abandon(id, who)),
        1 => (0..200_u64).prop_map(Call::Wait),
    ]
}

proptest! {
    #[test]
    fn the_cache_does_what_the_naive_one_does(
        calls in proptest::collection::vec(call(), 1..200),
    ) {
        let limits = Limits { answers: 5, octets: 120, running: 4 };
        let mut cache = DuplicateCache::new(limits);
        let mut naive = Naive::default();
        let mut now = start();
        for call in calls {
            match call {
                Call::Lookup(id, who) => prop_assert_eq!(
                    cache.lookup(now, &key(id), &[who; 16]),
                    naive.lookup(now, &key(id), &[who; 16])
                ),
                Call::Begin(id, who) => prop_assert_eq!(
                    cache.begin(now, key(id), &[who; 16]).is_ok(),
                    naive.begin(now, key(id), &[who; 16], limits)
                ),
                Call::Finish(id, who, octets) => {
                    let reply: Arc<[u8]> = vec![who; octets].into();
                    cache.finish(now, &key(id), &[who; 16], Arc::clone(&reply));
                    naive.finish(now, &key(id), &[who; 16], reply, limits);
                }
                Call::Abandon(id, who) => {
                    cache.abandon(&key(id), &[who; 16]);
                    naive.abandon(&key(id), &[who; 16]);
                }
                Call::Wait(time) => now += seconds(time),
            }
            cache.expire(now);
            naive.expire(now);
            let want = Occupancy {
                answers: naive.answers(),
                octets: naive.octets(),
                running: naive.entries.len() - naive.answers(),
                evicted: naive.evicted,
            };
            prop_assert_eq!(cache.occupancy(), want);
        }
    }
}
