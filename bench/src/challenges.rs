//! Challenges: many questions that nobody has answered yet, what they cost the data plane, and
//! whether all of them can still be answered; and whole rounds at the highest rate.
//!
//! A node keeps nothing of a challenge: the client has it all, in the State. What it does keep is
//! each answer that it sent, for repetitions, until the client's port uses the identifier again (or
//! for 180 s). So the same is measured twice: with few identifiers, which leaves the challenges
//! alone, and with an identifier for each question, beside as many accepts of the same kind.
//!
//! A gateway is warmed with more load than it is measured under: what waits at the highest rate, such
//! as events on their way to the control plane, leaves memory behind that is used again.

use std::{ops::Range, time::Duration};

use crate::{
    closed::{self, Few, Load, Logins, Script},
    double,
    gateway::Gateway,
    logins::{Answer, Client, Login},
    peers::{EXEMPT, password, strict},
    report::{Row, Verdict},
    scenarios::{Bench, USER, repeat, violations},
    statistics::{count, number},
    tally::Tally,
};

/// The rows of the table.
pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    vec![outstanding(bench), kept(bench), rounds(bench)]
}

/// A question that was asked.
struct Outstanding {
    user: String,
    state: Vec<u8>,
}

/// Asks for each user once, and keeps the States.
struct Questions {
    client: Client,
    users: Range<usize>,
    slots: Vec<Option<(String, Login)>>,
    asked: Vec<Outstanding>,
    /// Of the answers, the longest.
    octets: usize,
}

impl Questions {
    fn new(users: Range<usize>, window: usize) -> Self {
        Self {
            client: strict(),
            users,
            slots: (0..window).map(|_| None).collect(),
            asked: Vec::new(),
            octets: 0,
        }
    }
}

impl Script for Questions {
    fn advance(&mut self, slot: u8) -> bool {
        let Some(number) = self.users.next() else {
            return false;
        };
        let user = format!("c-{number}");
        let login = self.client.login(slot, &user, &password(&user));
        self.slots[usize::from(slot)] = Some((user, login));
        true
    }

    fn current(&self, slot: u8) -> &[u8] {
        let login = self.slots[usize::from(slot)].as_ref();
        login.map_or(&[], |(_, login)| &login.datagram)
    }

    fn judge(&mut self, slot: u8, answer: &[u8]) -> Answer {
        let Some((user, login)) = &self.slots[usize::from(slot)] else {
            return Answer::Wrong;
        };
        self.octets = self.octets.max(answer.len());
        match self.client.challenge(login, answer) {
            Some(state) => {
                self.asked.push(Outstanding {
                    user: user.clone(),
                    state: state.to_vec(),
                });
                Answer::Accept
            }
            None => unasked(self.client.judge(login, answer)),
        }
    }
}

/// An accept is no good where a question is due.
fn unasked(answer: Answer) -> Answer {
    match answer {
        Answer::Accept => Answer::Other,
        other => other,
    }
}

/// Answers questions with a passcode, each once.
struct Answers {
    client: Client,
    questions: Vec<Outstanding>,
    slots: Vec<Option<Login>>,
}

impl Answers {
    fn new(questions: Vec<Outstanding>, window: usize) -> Self {
        Self {
            client: strict(),
            questions,
            slots: vec![None; window],
        }
    }
}

impl Script for Answers {
    fn advance(&mut self, slot: u8) -> bool {
        let Some(Outstanding { user, state }) = self.questions.pop() else {
            return false;
        };
        let login = self.client.answer(slot, &user, PASSCODE, &state);
        self.slots[usize::from(slot)] = Some(login);
        true
    }

    fn current(&self, slot: u8) -> &[u8] {
        let login = self.slots[usize::from(slot)].as_ref();
        login.map_or(&[], |login| &login.datagram)
    }

    fn judge(&mut self, slot: u8, answer: &[u8]) -> Answer {
        match &self.slots[usize::from(slot)] {
            Some(login) => self.client.judge(login, answer),
            None => Answer::Wrong,
        }
    }
}

/// A question and its answer in turn, for ever.
struct Rounds {
    client: Client,
    slots: Vec<Turn>,
}

struct Turn {
    login: Login,
    /// The State of the question that was answered last; none: the next is a question.
    state: Option<Vec<u8>>,
    asks: bool,
}

impl Rounds {
    fn new(window: usize) -> Self {
        let mut client = strict();
        let slots = (0..=u8::MAX).take(window).map(|slot| Turn {
            login: client.login(slot, USER, &password(USER)),
            state: None,
            asks: true,
        });
        Self {
            slots: slots.collect(),
            client,
        }
    }
}

impl Script for Rounds {
    fn advance(&mut self, slot: u8) -> bool {
        let turn = &mut self.slots[usize::from(slot)];
        let state = turn.state.take();
        turn.asks = state.is_none();
        turn.login = match state {
            Some(state) => self.client.answer(slot, USER, PASSCODE, &state),
            None => self.client.login(slot, USER, &password(USER)),
        };
        true
    }

    fn current(&self, slot: u8) -> &[u8] {
        &self.slots[usize::from(slot)].login.datagram
    }

    fn judge(&mut self, slot: u8, answer: &[u8]) -> Answer {
        let turn = &mut self.slots[usize::from(slot)];
        let verdict = self.client.judge(&turn.login, answer);
        if !turn.asks {
            return verdict;
        }
        match self.client.challenge(&turn.login, answer) {
            Some(state) => {
                turn.state = Some(state.to_vec());
                Answer::Accept
            }
            None => unasked(verdict),
        }
    }
}

/// Few identifiers: the gateway keeps few answers.
fn outstanding(bench: &Bench) -> Row {
    let people = people(bench);
    let gateway = warmed(bench);
    let load = measured(bench, &gateway);
    let logins = double::read(&bench.http2.counts.logins);
    let before = at_rest(&gateway);
    let asked = ask(&load, 0..people);
    let outstanding = at_rest(&gateway);
    let number_asked = asked.questions.len();
    let answered = answer(&load, asked.questions);
    let after = at_rest(&gateway);
    let passcodes = double::read(&bench.http2.counts.logins) - logins;
    let each = each(before, outstanding, people);
    Row {
        work: format!("{} challenges outstanding", count(number(people))),
        figure: format!(
            "{} asked{}, {each} octets each ({}); then {} of them accepted{answered}, {} octets each \
             ({}){}",
            count(number(number_asked)),
            asked.tally,
            grown(before, outstanding),
            count(number(answered.accepted)),
            self::each(outstanding, after, people),
            grown(outstanding, after),
            violations(&bench.http2)
        ),
        peer: String::new(),
        ratio: None,
        budget: format!("all, < {OCTETS_EACH} octets each while outstanding"),
        verdict: Verdict::of(&[
            asked.tally.is_clean(),
            number_asked == people,
            answered.is_clean(),
            answered.accepted == people,
            passcodes == people,
            each < OCTETS_EACH,
        ]),
    }
}

/// An identifier for each: the gateway keeps every answer for repetitions, as it does in every
/// mode.
fn kept(bench: &Bench) -> Row {
    let people = people(bench);
    let gateway = warmed(bench);
    let load = measured(bench, &gateway);
    let before = at_rest(&gateway);
    let mut asked = Tally::default();
    let mut octets = 0;
    for users in groups(people, load.window) {
        let group = ask(&load, users);
        asked.add(group.tally);
        octets = octets.max(group.octets);
    }
    let questions = each(before, at_rest(&gateway), people);
    drop(gateway);

    let gateway = warmed(bench);
    let load = measured(bench, &gateway);
    let before = at_rest(&gateway);
    let mut accepted = Tally::default();
    for users in groups(people, load.window) {
        let script = Few {
            script: Logins::new(strict(), EXEMPT, &password(EXEMPT), load.window),
            left: users.len(),
        };
        accepted.add(closed::run(&load, vec![script]));
    }
    let accepts = each(before, at_rest(&gateway), people);
    let longer = octets.saturating_sub(ACCEPT_OCTETS);
    Row {
        work: format!(
            "{} challenges, each answer kept for repetitions",
            count(number(people))
        ),
        figure: format!("{questions} octets each, the answer's {octets} among them{asked}"),
        peer: format!(
            "as many accepts: {accepts} octets each, the answer's {ACCEPT_OCTETS} among \
             them{accepted}"
        ),
        ratio: None,
        budget: format!("an accept's and the longer answer, + {OCTETS_EACH} octets"),
        verdict: Verdict::of(&[
            asked.is_clean(),
            accepted.is_clean(),
            questions < accepts + longer + OCTETS_EACH,
        ]),
    }
}

fn rounds(bench: &Bench) -> Row {
    let gateway = warmed(bench);
    let load = bench.load(gateway.doors.challenge, 2, 64);
    let meter = gateway.meter();
    let tally = closed::run(&load, repeat(load.lanes, || Rounds::new(load.window)));
    let (_, cpu) = meter.each(tally.accepted / 2);
    Row {
        work: "challenge and passcode, instant factor".to_owned(),
        figure: format!(
            "{}/s, {cpu}{tally}{}",
            count(tally.rate() / 2.0),
            violations(&bench.http2)
        ),
        peer: String::new(),
        ratio: None,
        budget: "all".to_owned(),
        verdict: Verdict::of(&[
            tally.is_clean(),
            double::read(&bench.http2.counts.violations) == 0,
        ]),
    }
}

/// A gateway that has done as much before, and faster: its connections, threads and queues are
/// there.
fn warmed(bench: &Bench) -> Gateway {
    let gateway = bench.gateway();
    let load = Load {
        duration: Duration::from_secs(2),
        ..bench.load(gateway.doors.challenge, 2, 64)
    };
    closed::run(&load, repeat(load.lanes, || Rounds::new(load.window)));
    let load = Load {
        window: 128,
        ..measured(bench, &gateway)
    };
    let asked = ask(&load, 0..people(bench));
    answer(&load, asked.questions);
    gateway
}

/// What came of questions.
struct Asked {
    tally: Tally,
    questions: Vec<Outstanding>,
    /// Of the gateway's answers, the longest.
    octets: usize,
}

/// Asks for all these users, from one port.
fn ask(load: &Load, users: Range<usize>) -> Asked {
    let mut script = Questions::new(users, load.window);
    let tally = closed::run(load, vec![&mut script]);
    Asked {
        tally,
        questions: script.asked,
        octets: script.octets,
    }
}

/// Answers all of them, from one port.
fn answer(load: &Load, questions: Vec<Outstanding>) -> Tally {
    closed::run(load, vec![Answers::new(questions, load.window)])
}

/// All users, so many at a time.
fn groups(people: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..people).step_by(size);
    starts.map(move |first| first..people.min(first + size))
}

fn people(bench: &Bench) -> usize {
    match bench.quick {
        true => 2_000,
        false => 10_000,
    }
}

/// Until all is done, and so few at a time that nothing piles up.
fn measured(bench: &Bench, gateway: &Gateway) -> Load {
    Load {
        duration: Duration::from_secs(120),
        ..bench.load(gateway.doors.challenge, 1, 16)
    }
}

/// The data plane's memory when its last login is counted.
fn at_rest(gateway: &Gateway) -> u64 {
    gateway.settled(LOGINS);
    gateway.data_plane().anonymous
}

fn each(before: u64, after: u64, people: usize) -> usize {
    let octets = usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX);
    octets / people
}

fn grown(before: u64, after: u64) -> String {
    let mib = |octets: u64| f64::from(u32::try_from(octets >> 10).unwrap_or(u32::MAX)) / 1024.0;
    format!("{:.1} to {:.1} MiB", mib(before), mib(after))
}

const PASSCODE: &str = "123456";
const LOGINS: &str = "countersign_logins_total";
/// Header and Message-Authenticator.
const ACCEPT_OCTETS: usize = 38;
/// What a challenge may cost: less than its State alone has. A page of memory among 10,000 is
/// nothing, and there are some.
const OCTETS_EACH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_one_group() {
        for (people, size, want) in [(10, 4, 3), (8, 4, 2), (3, 4, 1)] {
            assert_eq!(groups(people, size).count(), want);
            let joined: Vec<usize> = groups(people, size).flatten().collect();
            assert_eq!(joined, (0..people).collect::<Vec<_>>());
        }
    }

    #[test]
    fn memory_is_shared_among_those_who_wait() {
        assert_eq!(each(1000, 3000, 10), 200);
        assert_eq!(each(3000, 1000, 10), 0);
        assert_eq!(grown(1 << 20, 3 << 19), "1.0 to 1.5 MiB");
    }
}
