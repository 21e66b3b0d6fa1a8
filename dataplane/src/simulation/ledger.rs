//! What really happened, kept apart from what the data plane believes, and what must hold of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use proto::config::MessageAuthenticator;
use proto::event::Outcome;

use super::network::Datagram;
use super::plan::{SECTIONS, section_at};
use super::world::{Life, World};
use crate::radius::{Authenticator, Code, Packet, SharedSecret, verify_response};

/// Somebody who logs in, once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    /// What is typed for the password is right.
    pub(super) right: bool,
    pub(super) preauth: Preauth,
    /// Says yes to pushes and calls; none never says anything.
    pub(super) approves: Option<bool>,
    /// Types passcodes that are right.
    pub(super) passcode: bool,
    /// An upstream said yes.
    pub(super) primary_said: bool,
    /// The second factor said yes.
    pub(super) factor_said: bool,
}

/// What the second factor says before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preauth {
    Auth,
    Allow,
    Deny,
    Enroll,
}

/// A request that a device, or somebody else, sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) source: SocketAddr,
    pub(super) identifier: u8,
    pub(super) authenticator: Authenticator,
    pub(super) section: usize,
    pub(super) person: usize,
    pub(super) state: Option<Vec<u8>>,
    /// Who sends it may not be answered at all.
    pub(super) forged: bool,
    /// Its State was not made for it: it may only be rejected.
    pub(super) foreign: bool,
}

/// A request as one process saw it.
#[derive(Debug, Default)]
struct Seen {
    at_ms: u64,
    /// The fail mode was `safe` when it came.
    safe: bool,
    /// The second factor was away for it, in a way that the fail mode is for.
    excused: bool,
    /// It made the second factor do something so many times.
    acts: u32,
    answer: Option<Vec<u8>>,
    /// It was answered when its identifier was used again, and then its answer is not kept: a copy
    /// that is later than that is a request of its own.
    over: bool,
}

/// What an answer is kept by: where a request came from, to which section, and its identifier.
type Key = (Life, SocketAddr, usize, u8);

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The caches are too small to know each request again.
    forgets: bool,
    pub(super) people: Vec<Person>,
    pub(super) requests: Vec<Request>,
    seen: BTreeMap<(Life, usize), Seen>,
    /// Which came last.
    current: BTreeMap<Key, usize>,
    /// How many answers there were before those of `seen`.
    over: BTreeMap<Life, usize>,
    /// Which request went on with a State.
    used: BTreeMap<(Life, Vec<u8>), usize>,
    safe: BTreeMap<(Life, usize), bool>,
    /// Which sections, from when, until when.
    grants: Vec<(Life, Option<usize>, u64, u64)>,
    service_failed: Vec<(Life, u64)>,
    told: BTreeMap<Life, usize>,
    polls: BTreeMap<usize, u32>,
    violations: Vec<String>,
    pub(super) counts: Counts,
}

/// How much of what was seen, so that a simulation of nothing is noticed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) accepts: u64,
    pub(super) rejects: u64,
    pub(super) challenges: u64,
    /// Accepts by the fail mode, and by a grant.
    pub(super) safe: u64,
    pub(super) granted: u64,
    /// Answers that were sent again.
    pub(super) replays: u64,
    /// What the second factor did for people.
    pub(super) acts: u64,
    /// Requests that nobody may answer, and those that may only be rejected.
    pub(super) forged: u64,
    pub(super) foreign: u64,
    /// Second uses of a State.
    pub(super) reused: u64,
    pub(super) crashes: u64,
    pub(super) stops: u64,
    /// Logins with one right end that had it.
    pub(super) foreseen: u64,
}

impl Counts {
    /// By name.
    pub(super) const fn all(&self) -> [(&'static str, u64); 14] {
        [
            ("requests", self.requests),
            ("accepts", self.accepts),
            ("rejects", self.rejects),
            ("challenges", self.challenges),
            ("safe", self.safe),
            ("granted", self.granted),
            ("replays", self.replays),
            ("acts", self.acts),
            ("forged", self.forged),
            ("foreign", self.foreign),
            ("reused", self.reused),
            ("crashes", self.crashes),
            ("stops", self.stops),
            ("foreseen", self.foreseen),
        ]
    }

    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.accepts += other.accepts;
        self.rejects += other.rejects;
        self.challenges += other.challenges;
        self.safe += other.safe;
        self.granted += other.granted;
        self.replays += other.replays;
        self.acts += other.acts;
        self.forged += other.forged;
        self.foreign += other.foreign;
        self.reused += other.reused;
        self.crashes += other.crashes;
        self.stops += other.stops;
        self.foreseen += other.foreseen;
    }
}

/// What the devices share with the nodes.
pub(super) const SECRET: &[u8] = b"device";

/// A connection that hung before was opened for whoever waits now.
const HUNG_MS: u64 = 40_000;

impl Ledger {
    pub(super) fn new(forgets: bool) -> Self {
        Self {
            forgets,
            ..Self::default()
        }
    }

    pub(super) fn violate(&mut self, what: String) {
        self.violations.push(what);
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// The number of a request by what it says of the user's address, which is its own.
    pub(super) fn of_station(&self, station: &str) -> Option<usize> {
        let address: std::net::Ipv4Addr = station.parse().ok()?;
        let number = usize::try_from(u32::from(address) & 0x00ff_ffff).ok()?;
        (number < self.requests.len()).then_some(number)
    }

    fn seen(&mut self, life: Life, request: usize) -> &mut Seen {
        self.seen.entry((life, request)).or_default()
    }

    /// One State, one request: whoever comes second gets nothing for it.
    fn uses(&mut self, life: Life, number: usize, what: &str) {
        let request = &self.requests[number];
        if request.foreign || request.forged {
            self.violate(format!("{what} for {number}, which is {request:?}"));
            return;
        }
        if let Some(state) = request.state.clone() {
            let first = *self.used.entry((life, state)).or_insert(number);
            if first != number {
                self.violate(format!("{what} for {number}: {first} used its State"));
            }
        }
    }

    /// The second factor is asked, or asked to do something, for a request.
    pub(super) fn asked(&mut self, life: Life, number: usize, what: &str) {
        self.uses(life, number, what);
        let Request {
            section, person, ..
        } = self.requests[number];
        if !self.seen.contains_key(&(life, number)) {
            self.violate(format!("{what} for {number}, which never came"));
        }
        if SECTIONS[section].checks && !self.people[person].primary_said {
            self.violate(format!("{what} for {number} before its password was right"));
        }
    }

    pub(super) fn acts(&mut self, life: Life, number: usize) {
        self.counts.acts += 1;
        let seen = self.seen(life, number);
        seen.acts += 1;
        let acts = seen.acts;
        if acts > 1 && !self.forgets {
            self.violate(format!("{acts} pushes, calls or passcodes for {number}"));
        }
    }

    pub(super) fn excuse(&mut self, life: Life, number: usize) {
        self.seen(life, number).excused = true;
    }

    /// A transaction is asked for once more. True when that was often enough for an answer.
    pub(super) fn polled(&mut self, number: usize) -> bool {
        let polls = self.polls.entry(number).or_default();
        *polls += 1;
        *polls >= 3
    }

    pub(super) fn tells(&mut self, life: Life, outcome: Outcome) {
        if outcome != Outcome::Unanswered {
            *self.told.entry(life).or_default() += 1;
        }
    }

    /// The fail modes that a process has from now on.
    pub(super) fn serves(&mut self, life: Life, safe: &[bool]) {
        for (section, safe) in safe.iter().enumerate() {
            self.safe.insert((life, section), *safe);
        }
    }

    /// The one grant that a process has from now on, if any.
    pub(super) fn grants(&mut self, life: Life, now: u64, grant: Option<(Option<usize>, u64)>) {
        for (of, _, _, until) in &mut self.grants {
            if *of == life {
                *until = (*until).min(now);
            }
        }
        if let Some((section, until)) = grant {
            self.grants.push((life, section, now, until));
        }
    }

    /// An answer that was not sent before.
    fn judge(&mut self, life: Life, number: usize, code: Code, now: u64) {
        let request = self.requests[number].clone();
        let person = self.people[request.person];
        match code {
            Code::ACCESS_REJECT => {
                self.counts.rejects += 1;
                if request.foreign {
                    self.counts.foreign += 1;
                }
                if let Some(state) = request.state
                    && self
                        .used
                        .get(&(life, state))
                        .is_some_and(|one| *one != number)
                {
                    self.counts.reused += 1;
                }
                return;
            }
            Code::ACCESS_CHALLENGE => self.counts.challenges += 1,
            Code::ACCESS_ACCEPT => self.counts.accepts += 1,
            other => self.violate(format!("{other:?} for {number}")),
        }
        self.uses(life, number, "an answer other than a reject");
        if code != Code::ACCESS_ACCEPT {
            return;
        }
        let checks = SECTIONS[request.section].checks;
        if checks && !person.primary_said {
            self.violate(format!("{number} got in, and no upstream said yes"));
        }
        if person.factor_said {
            return;
        }
        let seen = &self.seen[&(life, number)];
        let away = self
            .service_failed
            .iter()
            .any(|(of, at)| *of == life && *at + HUNG_MS >= seen.at_ms && *at <= now);
        let granted = checks
            && self.grants.iter().any(|(of, section, from, until)| {
                let here = section.is_none_or(|one| one == request.section);
                *of == life && here && *from <= now && *until >= seen.at_ms
            });
        if seen.safe && (seen.excused || away) {
            self.counts.safe += 1;
        } else if granted {
            self.counts.granted += 1;
        } else {
            let seen = format!("{seen:?}");
            self.violate(format!(
                "{number} got in, and the second factor neither said yes nor was away under a fail \
                 mode that lets in: {seen}, {person:?}"
            ));
        }
    }

    /// What must hold of a process that nobody wants anything of any more.
    pub(super) fn ended(&mut self, life: Life, discarded: bool) {
        let of_it = || self.seen.iter().filter(|((of, _), _)| *of == life);
        let silent: Vec<usize> = of_it()
            .filter(|((_, number), seen)| seen.answer.is_none() && !self.requests[*number].forged)
            .map(|((_, number), _)| *number)
            .collect();
        let answered = of_it().filter(|(_, seen)| seen.answer.is_some()).count();
        let answered = answered + self.over.get(&life).copied().unwrap_or_default();
        let told = self.told.get(&life).copied().unwrap_or_default();
        if !discarded && !silent.is_empty() {
            self.violate(format!("{life:?} never answered {silent:?}"));
        }
        if answered != told && !self.forgets && !discarded {
            self.violate(format!("{life:?} answered {answered} and told of {told}"));
        }
    }
}

impl World {
    /// A process reads a datagram.
    pub(super) fn arrives(&self, life: Life, at: SocketAddr, datagram: &Datagram) {
        let now = self.now_ms();
        let mut ledger = self.ledger();
        let Some(number) = ledger.requests.iter().position(|one| {
            one.source == datagram.from
                && SECTIONS[one.section].port == at.port()
                && datagram.octets.get(1) == Some(&one.identifier)
                && datagram.octets.get(4..20) == Some(&one.authenticator)
        }) else {
            return;
        };
        let safe = ledger.safe.get(&(life, section_at(at.port())));
        let safe = safe.copied().unwrap_or_default();
        let request = ledger.requests[number].clone();
        ledger.counts.forged += u64::from(request.forged);
        let seen = ledger.seen.get(&(life, number));
        if seen.is_some_and(|seen| !seen.over) {
            return;
        }
        if seen.is_some() {
            *ledger.over.entry(life).or_default() += 1;
        }
        let seen = Seen {
            at_ms: now,
            safe,
            ..Seen::default()
        };
        ledger.seen.insert((life, number), seen);
        let key = (life, request.source, request.section, request.identifier);
        if !request.forged
            && let Some(before) = ledger.current.insert(key, number)
        {
            let before = ledger.seen(life, before);
            before.over = before.answer.is_some();
        }
    }

    /// A process sends an answer.
    pub(super) fn answered(&self, life: Life, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        let now = self.now_ms();
        let mut guard = self.ledger();
        let ledger = &mut *guard;
        let packet = Packet::parse(octets).expect("what is sent is a packet");
        let secret = SharedSecret::new(SECRET);
        let found = ledger
            .requests
            .iter()
            .enumerate()
            .position(|(number, one)| {
                one.source == to
                    && one.identifier == packet.identifier()
                    && SECTIONS[one.section].port == from.port()
                    && ledger.seen.contains_key(&(life, number))
                    && verify_response(
                        &packet,
                        &one.authenticator,
                        &secret,
                        MessageAuthenticator::Require,
                    )
                    .is_ok()
            });
        let Some(number) = found else {
            ledger.violate(format!("an answer to {to} that is of no request"));
            return;
        };
        let code = packet.code();
        self.note(|| format!("{life:?} answers {number} with {code:?}"));
        let forged = ledger.requests[number].forged;
        let forgets = ledger.forgets;
        let seen = ledger.seen(life, number);
        match &seen.answer {
            _ if forged => ledger.violate(format!("an answer to {number}, which is forged")),
            Some(before) if before == octets => ledger.counts.replays += 1,
            Some(_) if forgets => {}
            Some(_) => ledger.violate(format!("another answer to {number}")),
            None => {
                seen.answer = Some(octets.to_vec());
                ledger.judge(life, number, code, now);
            }
        }
    }

    /// No connection to the second factor can be had, or one is lost.
    pub(super) fn service_failed(&self, life: Life, why: &str) {
        self.note(|| format!("{life:?}: the service fails: {why}"));
        let now = self.now_ms();
        self.ledger().service_failed.push((life, now));
    }
}
