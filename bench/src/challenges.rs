//! Challenges: many questions that nobody has answered yet, what they cost the data plane, and
//! whether all of them can still be answered; and whole rounds at the highest rate.
//!
//! A node keeps nothing of a challenge: the client has it all, in the State. What it does keep is
//! each answer that it sent, for repetitions, until the client's port uses the identifier again (or
//! for 180 s). So the same is measured twice: with few identifiers, which leaves the challenges
//! alone, and with an identifier for each question, beside as many accepts of the same kind.
//!
//! Memory is measured with few logins at a time, so that nothing piles up beside the challenges (events
//! on their way to the control plane do, at the highest rate), and with an allocator that gives back
//! at once what is free.

use std::{ops::Range, time::Duration};

use e2e::clock;

use crate::{
    closed::{self, Few, Load, Logins, Script},
    double,
    gateway::Gateway,
    logins::{Answer, Client, Login},
    peers::{EXEMPT, password, strict},
    report::{Row, Verdict},
    scenarios::{Bench, USER, repeat, violations, warm},
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
    let mut asked = Tally::default();
    let mut questions = Vec::new();
    let memory = grown(&gateway, people, |users| {
        let batch = ask(&load, users);
        asked.add(batch.tally);
        questions.extend(batch.questions);
    });
    let outstanding = questions.len();
    let answered = answer(&load, questions);
    let after = at_rest(&gateway);
    let passcodes = double::read(&bench.http2.counts.logins) - logins;
    let each = each(&memory, people);
    Row {
        work: format!("{} challenges outstanding", count(number(people * BATCHES))),
        figure: format!(
            "{}{asked}: {each} octets each; then {} of them accepted{answered}, {} MiB{}",
            steps(&memory, people),
            count(number(answered.accepted)),
            mib(after),
            violations(&bench.http2)
        ),
        peer: String::new(),
        ratio: None,
        budget: format!("all, < {OCTETS_EACH} octets each"),
        verdict: Verdict::of(&[
            asked.is_clean(),
            outstanding == people * BATCHES,
            answered.is_clean(),
            answered.accepted == outstanding,
            passcodes == outstanding,
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
    let mut asked = Tally::default();
    let mut octets = 0;
    let challenges = grown(&gateway, people, |users| {
        for users in groups(users, load.window) {
            let group = ask(&load, users);
            asked.add(group.tally);
            octets = octets.max(group.octets);
        }
    });
    drop(gateway);

    let gateway = warmed(bench);
    let load = measured(bench, &gateway);
    let mut accepted = Tally::default();
    let accepts = grown(&gateway, people, |users| {
        for users in groups(users, load.window) {
            let script = Few {
                script: Logins::new(strict(), EXEMPT, &password(EXEMPT), load.window),
                left: users.len(),
            };
            accepted.add(closed::run(&load, vec![script]));
        }
    });
    let (challenge, accept) = (each(&challenges, people), each(&accepts, people));
    let longer = octets.saturating_sub(ACCEPT_OCTETS);
    Row {
        work: format!(
            "{} challenges, each answer kept for repetitions",
            count(number(people * BATCHES))
        ),
        figure: format!(
            "{}{asked}: {challenge} octets each, the answer's {octets} among them",
            steps(&challenges, people)
        ),
        peer: format!(
            "as many accepts: {}{accepted}: {accept} octets each, the answer's {ACCEPT_OCTETS} \
             among them",
            steps(&accepts, people)
        ),
        ratio: None,
        budget: format!("an accept's and the longer answer, + {OCTETS_EACH} octets"),
        verdict: Verdict::of(&[
            asked.is_clean(),
            accepted.is_clean(),
            challenge < accept + longer + OCTETS_EACH,
        ]),
    }
}

fn rounds(bench: &Bench) -> Row {
    let gateway = bench.gateway();
    let load = bench.load(gateway.doors.challenge, 2, 64);
    closed::run(&warm(load), repeat(load.lanes, || Rounds::new(load.window)));
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

/// A gateway that has done a good many rounds: its connections, threads and queues are there.
fn warmed(bench: &Bench) -> Gateway {
    let gateway = bench.thrifty_gateway();
    let load = Load {
        duration: Duration::from_secs(3),
        ..measured(bench, &gateway)
    };
    closed::run(&load, vec![Rounds::new(load.window)]);
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
fn groups(users: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = users.clone().step_by(size);
    starts.map(move |first| first..users.end.min(first + size))
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

/// The data plane's memory when its last login is counted and reported.
fn at_rest(gateway: &Gateway) -> u64 {
    let mut last = u64::MAX;
    clock::wait_until("memory rests", Duration::from_secs(20), || {
        gateway.settled(LOGINS);
        let now = gateway.data_plane().anonymous;
        std::mem::replace(&mut last, now).abs_diff(now) < RESTING_OCTETS
    });
    last
}

/// The data plane's memory before, and after each batch.
fn grown(gateway: &Gateway, people: usize, mut run: impl FnMut(Range<usize>)) -> Vec<u64> {
    let mut memory = vec![at_rest(gateway)];
    for users in groups(0..people * BATCHES, people) {
        run(users);
        memory.push(at_rest(gateway));
    }
    memory
}

/// What one costs: the slope of the line that is nearest to all figures (least squares), since each
/// of them is a megabyte or two off.
fn each(memory: &[u64], people: usize) -> usize {
    let octets: Vec<f64> = memory.iter().map(|octets| kib(*octets) * 1024.0).collect();
    let middle = number(octets.len().saturating_sub(1)) / 2.0;
    let (mut rise, mut run) = (0.0, 0.0);
    for (batch, octets) in octets.iter().enumerate() {
        let from_middle = number(batch) - middle;
        rise += from_middle * octets;
        run += from_middle * from_middle;
    }
    let each = rise / run / number(people);
    (0..1_000_000)
        .find(|whole| number(whole + 1) > each)
        .unwrap_or_default()
}

fn steps(memory: &[u64], people: usize) -> String {
    let steps: Vec<String> = memory.iter().map(|octets| mib(*octets)).collect();
    format!(
        "{} MiB with 0, {}, ...",
        steps.join(", "),
        count(number(people))
    )
}

fn mib(octets: u64) -> String {
    format!("{:.1}", kib(octets) / 1024.0)
}

fn kib(octets: u64) -> f64 {
    f64::from(u32::try_from(octets >> 10).unwrap_or(u32::MAX))
}

/// So often the people of a batch are asked.
const BATCHES: usize = 5;
const PASSCODE: &str = "123456";
/// Two pages of memory.
const RESTING_OCTETS: u64 = 8192;
const LOGINS: &str = "countersign_logins_total";
/// Header and Message-Authenticator.
const ACCEPT_OCTETS: usize = 38;
/// What a challenge may cost: less than its State alone has.
const OCTETS_EACH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_one_group() {
        for (people, size, want) in [(10, 4, 3), (8, 4, 2), (3, 4, 1)] {
            let users = 5..5 + people;
            assert_eq!(groups(users.clone(), size).count(), want);
            assert!(groups(users.clone(), size).flatten().eq(users));
        }
    }

    #[test]
    fn what_one_costs_is_the_slope_of_all_figures() {
        let memory = |kib: [u64; 6]| kib.map(|kib| kib << 10);
        for (figures, want) in [
            (memory([500, 510, 520, 530, 540, 550]), 1024),
            // One that is off moves it less than it would as the last of two.
            (memory([500, 510, 520, 530, 540, 560]), 1170),
            (memory([550, 540, 530, 520, 510, 500]), 0),
        ] {
            assert_eq!(each(&figures, 10), want, "{figures:?}");
        }
        assert_eq!(
            steps(&[1 << 20, 3 << 19], 2000),
            "1.0, 1.5 MiB with 0, 2,000, ..."
        );
    }
}
