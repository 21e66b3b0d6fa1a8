use super::*;

#[path = "dedup_naive_tests.rs"]
mod naive;

const A: Authenticator = [0xa; 16];
const B: Authenticator = [0xb; 16];
const C: Authenticator = [0xc; 16];

fn key(identifier: u8) -> Key {
    Key::new(SocketAddr::from(([192, 0, 2, 1], 40_000)), 1812, identifier)
}

fn reply(octet: u8) -> Arc<[u8]> {
    Arc::from([octet; 20])
}

#[expect(
    clippy::disallowed_methods,
    reason = "the beginning of a test's own time"
)]
fn start() -> Instant {
    Instant::now()
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// What happens to a cache, one thing a second: a wait of 178 s lies in the middle of 180 s.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(u8, Authenticator),
    Finish(u8, Authenticator, u8),
    Abandon(u8, Authenticator),
    Wait(u64),
    IsNew(u8, Authenticator),
    IsRunning(u8, Authenticator),
    IsAnswered(u8, Authenticator, u8),
}

use Step::{Abandon, Begin, Finish, IsAnswered, IsNew, IsRunning, Wait};

#[test]
fn a_retransmission_is_never_a_second_login() {
    let cases: &[(&str, &[Step])] = &[
        ("unknown", &[IsNew(1, A)]),
        ("running", &[Begin(1, A), IsRunning(1, A)]),
        (
            "answered",
            &[Begin(1, A), Finish(1, A, 7), IsAnswered(1, A, 7)],
        ),
        (
            "abandoned is served anew",
            &[Begin(1, A), Abandon(1, A), IsNew(1, A)],
        ),
        (
            "an answer is not abandoned",
            &[
                Begin(1, A),
                Finish(1, A, 7),
                Abandon(1, A),
                IsAnswered(1, A, 7),
            ],
        ),
        (
            "another identifier is another request",
            &[Begin(1, A), IsNew(2, A)],
        ),
        (
            "another authenticator is another request",
            &[Begin(1, A), IsNew(1, B)],
        ),
        (
            "a new authenticator replaces an answer at once",
            &[
                Begin(1, A),
                Finish(1, A, 7),
                Begin(1, B),
                IsNew(1, A),
                IsRunning(1, B),
            ],
        ),
        (
            "a new authenticator leaves a running login alone",
            &[Begin(1, A), Begin(1, B), IsRunning(1, A), IsRunning(1, B)],
        ),
        (
            "the older answer is not given for the newer request",
            &[
                Begin(1, A),
                Begin(1, B),
                Finish(1, A, 7),
                IsRunning(1, B),
                IsAnswered(1, A, 7),
            ],
        ),
        (
            "the older answer does not replace the newer one",
            &[
                Begin(1, A),
                Begin(1, B),
                Finish(1, B, 8),
                Finish(1, A, 7),
                IsAnswered(1, B, 8),
                IsAnswered(1, A, 7),
            ],
        ),
        (
            "the older login is known when the newer is gone",
            &[
                Begin(1, A),
                Begin(1, B),
                Abandon(1, B),
                IsRunning(1, A),
                IsNew(1, B),
            ],
        ),
        (
            "three at once",
            &[
                Begin(1, A),
                Begin(1, B),
                Begin(1, C),
                Finish(1, B, 8),
                IsRunning(1, A),
                IsAnswered(1, B, 8),
                IsRunning(1, C),
                Abandon(1, A),
                IsNew(1, A),
            ],
        ),
        (
            "begun twice is one login",
            &[
                Begin(1, A),
                Begin(1, A),
                Finish(1, A, 7),
                IsAnswered(1, A, 7),
            ],
        ),
        (
            "an answer to nothing is not kept",
            &[Finish(1, A, 7), IsNew(1, A)],
        ),
        (
            "the first answer stays",
            &[
                Begin(1, A),
                Finish(1, A, 7),
                Finish(1, A, 8),
                IsAnswered(1, A, 7),
            ],
        ),
        (
            "an answer is kept for 179 s",
            &[Begin(1, A), Finish(1, A, 7), Wait(177), IsAnswered(1, A, 7)],
        ),
        (
            "and no longer",
            &[Begin(1, A), Finish(1, A, 7), Wait(178), IsNew(1, A)],
        ),
        (
            "each duplicate renews it",
            &[
                Begin(1, A),
                Finish(1, A, 7),
                Wait(170),
                IsAnswered(1, A, 7),
                Wait(170),
                IsAnswered(1, A, 7),
                Wait(178),
                IsNew(1, A),
            ],
        ),
        (
            "a running login does not expire",
            &[Begin(1, A), Wait(3600), IsRunning(1, A)],
        ),
        (
            "an answer that expired can be begun again",
            &[
                Begin(1, A),
                Finish(1, A, 7),
                Wait(500),
                Begin(1, A),
                IsRunning(1, A),
            ],
        ),
    ];
    for (name, steps) in cases {
        let mut cache = DuplicateCache::default();
        let mut now = start();
        for step in *steps {
            now += seconds(1);
            match *step {
                Begin(id, who) => cache.begin(now, key(id), &who).unwrap(),
                Finish(id, who, octet) => cache.finish(now, &key(id), &who, reply(octet)),
                Abandon(id, who) => cache.abandon(&key(id), &who),
                Wait(time) => now += seconds(time),
                IsNew(id, who) => {
                    assert_eq!(cache.lookup(now, &key(id), &who), Lookup::New, "{name}");
                }
                IsRunning(id, who) => {
                    assert_eq!(
                        cache.lookup(now, &key(id), &who),
                        Lookup::InProgress,
                        "{name}"
                    );
                }
                IsAnswered(id, who, octet) => {
                    let want = Lookup::Replay(reply(octet));
                    assert_eq!(cache.lookup(now, &key(id), &who), want, "{name}");
                }
            }
        }
    }
}

#[test]
fn every_part_of_a_key_tells_requests_apart() {
    let v4 = |address: [u8; 4], port| SocketAddr::from((address, port));
    let base = Key::new(v4([192, 0, 2, 1], 40_000), 1812, 1);
    for (name, other) in [
        ("address", Key::new(v4([192, 0, 2, 2], 40_000), 1812, 1)),
        ("port", Key::new(v4([192, 0, 2, 1], 40_001), 1812, 1)),
        (
            "port that was asked",
            Key::new(v4([192, 0, 2, 1], 40_000), 1645, 1),
        ),
        ("identifier", Key::new(v4([192, 0, 2, 1], 40_000), 1812, 2)),
    ] {
        assert_ne!(base, other, "{name}");
    }
}

#[test]
fn the_flow_label_is_no_part_of_a_key() {
    let address = std::net::Ipv6Addr::LOCALHOST;
    let one = std::net::SocketAddrV6::new(address, 40_000, 0, 0);
    let two = std::net::SocketAddrV6::new(address, 40_000, 9, 0);
    assert_eq!(Key::new(one.into(), 1812, 1), Key::new(two.into(), 1812, 1));
}

#[test]
fn the_oldest_answers_go_when_a_limit_is_reached() {
    for (name, limits) in [
        (
            "answers",
            Limits {
                answers: 3,
                ..Limits::default()
            },
        ),
        (
            "octets",
            Limits {
                octets: 79,
                ..Limits::default()
            },
        ),
    ] {
        let mut cache = DuplicateCache::new(limits);
        let now = start();
        for id in 1..=3 {
            cache.begin(now, key(id), &A).unwrap();
            cache.finish(now, &key(id), &A, reply(id));
        }
        // Asked for again, the first is the youngest.
        assert_eq!(
            cache.lookup(now, &key(1), &A),
            Lookup::Replay(reply(1)),
            "{name}"
        );
        cache.begin(now, key(4), &A).unwrap();
        cache.finish(now, &key(4), &A, reply(4));
        assert_eq!(cache.lookup(now, &key(2), &A), Lookup::New, "{name}");
        for id in [1, 3, 4] {
            assert_eq!(
                cache.lookup(now, &key(id), &A),
                Lookup::Replay(reply(id)),
                "{name} {id}"
            );
        }
        let want = Occupancy {
            answers: 3,
            octets: 60,
            running: 0,
            evicted: 1,
        };
        assert_eq!(cache.occupancy(), want, "{name}");
    }
}

#[test]
fn logins_beyond_the_limit_are_refused_and_those_known_are_not() {
    let mut cache = DuplicateCache::new(Limits {
        running: 2,
        ..Limits::default()
    });
    let now = start();
    cache.begin(now, key(1), &A).unwrap();
    cache.begin(now, key(2), &A).unwrap();
    assert_eq!(
        cache.begin(now, key(3), &A),
        Err(TooManyRunning { running: 2 })
    );
    assert_eq!(cache.begin(now, key(1), &A), Ok(()));
    // A refused login leaves the one that runs under its key alone.
    assert_eq!(
        cache.begin(now, key(1), &B),
        Err(TooManyRunning { running: 2 })
    );
    assert_eq!(cache.lookup(now, &key(1), &A), Lookup::InProgress);
    cache.finish(now, &key(2), &A, reply(2));
    assert_eq!(cache.begin(now, key(3), &A), Ok(()));
}

#[test]
fn what_expired_is_let_go_a_few_at_a_time_until_nothing_is_left() {
    let mut cache = DuplicateCache::default();
    let now = start();
    let total = 3 * EXPIRED_PER_CALL + 1;
    for number in 0..total {
        let id = u8::try_from(number).unwrap();
        cache.begin(now, key(id), &A).unwrap();
        cache.finish(now, &key(id), &A, reply(id));
    }
    let later = now + KEPT;
    let mut let_go = Vec::new();
    loop {
        match cache.expire(later) {
            0 => break,
            some => let_go.push(some),
        }
    }
    assert_eq!(
        let_go,
        [EXPIRED_PER_CALL, EXPIRED_PER_CALL, EXPIRED_PER_CALL, 1]
    );
    assert_eq!(cache.occupancy(), Occupancy::default());
    assert!(cache.current.is_empty() && cache.superseded.is_empty());
}

#[test]
fn entries_are_used_again() {
    let mut cache = DuplicateCache::default();
    let mut now = start();
    for round in 0..1000_u16 {
        let id = round.to_be_bytes()[1];
        cache.begin(now, key(id), &A).unwrap();
        cache.finish(now, &key(id), &A, reply(id));
        now += seconds(60);
    }
    assert!(cache.entries.len() <= 4, "{}", cache.entries.len());
}

#[test]
fn debug_shows_no_octet_of_an_answer() {
    let found = [Lookup::New, Lookup::InProgress, Lookup::Replay(reply(0xab))];
    assert_eq!(
        format!("{found:?}"),
        "[new, in progress, replay of 20 octets]"
    );
    let mut cache = DuplicateCache::default();
    let now = start();
    cache.begin(now, key(1), &A).unwrap();
    cache.finish(now, &key(1), &A, reply(0xab));
    let shown = format!("{cache:?}");
    assert!(
        shown.contains("answered") && !shown.contains("171, 171"),
        "{shown}"
    );
}

#[test]
fn another_cache_goes_on_with_all_of_one() {
    let now = start();
    let mut old = DuplicateCache::default();
    // Running; answered; answered and then superseded by one that runs; superseded while running by one
    // that was answered; too old.
    old.begin(now, key(5), &A).unwrap();
    old.finish(now, &key(5), &A, reply(5));
    let now = now + seconds(100);
    old.begin(now, key(1), &A).unwrap();
    old.begin(now, key(2), &A).unwrap();
    old.finish(now, &key(2), &A, reply(2));
    old.begin(now, key(3), &A).unwrap();
    old.begin(now, key(3), &B).unwrap();
    old.finish(now, &key(3), &A, reply(3));
    old.begin(now, key(4), &A).unwrap();
    old.begin(now, key(4), &B).unwrap();
    old.finish(now, &key(4), &B, reply(4));
    let now = now + seconds(90);
    let mut new = DuplicateCache::default();
    for kept in old.kept(now) {
        new.take_in(now, kept.clone()).unwrap();
        // Said twice, it changes nothing.
        new.take_in(now, kept).unwrap();
    }
    let wanted = Occupancy {
        answers: 3,
        octets: 60,
        running: 3,
        evicted: 0,
    };
    assert_eq!(new.occupancy(), wanted);
    for (identifier, authenticator, want) in [
        (1, A, Lookup::InProgress),
        (1, B, Lookup::New),
        (2, A, Lookup::Replay(reply(2))),
        (3, A, Lookup::Replay(reply(3))),
        (3, B, Lookup::InProgress),
        (4, A, Lookup::InProgress),
        (4, B, Lookup::Replay(reply(4))),
        (5, A, Lookup::New),
    ] {
        let found = new.lookup(now, &key(identifier), &authenticator);
        assert_eq!(found, want, "{identifier}");
    }
    // What runs ends here, under its own request.
    new.finish(now, &key(4), &A, reply(9));
    assert_eq!(new.lookup(now, &key(4), &A), Lookup::Replay(reply(9)));
    assert_eq!(new.lookup(now, &key(4), &B), Lookup::Replay(reply(4)));
    new.abandon(&key(1), &A);
    assert_eq!(new.lookup(now, &key(1), &A), Lookup::New);
    // Ages went with the answers.
    let mut later = now;
    for _ in 0..4 {
        later += KEPT;
        new.expire(later);
    }
    assert_eq!(new.occupancy().answers, 0);
}

#[test]
fn no_more_are_taken_in_than_can_be_known() {
    let now = start();
    let mut old = DuplicateCache::default();
    for identifier in 0..3 {
        old.begin(now, key(identifier), &A).unwrap();
    }
    let limits = Limits {
        running: 2,
        ..Limits::default()
    };
    let mut new = DuplicateCache::new(limits);
    let taken = old.kept(now).into_iter().map(|one| new.take_in(now, one));
    let refused = taken.filter(Result::is_err).count();
    assert_eq!((refused, new.occupancy().running), (1, 2));
}
