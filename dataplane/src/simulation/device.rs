//! The devices of a simulation, and those that send in their name: they repeat themselves, turn to
//! another node, use identifiers again, and answer what they are asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::config::MessageAuthenticator;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::ledger::{Person, Preauth, Request, SECRET};
use super::network::Way;
use super::node::address;
use super::plan::SECTIONS;
use super::upstream::PASSWORD;
use super::world::World;
use crate::radius::{
    AttributeType, Authenticator, Code, Packet, RequestBuilder, SharedSecret, verify_response,
};

/// Who waits for the answer to the request with this authenticator.
type Waiter = (Authenticator, UnboundedSender<Vec<u8>>);

/// A socket of a device, which several logins use.
#[derive(Debug)]
struct Socket {
    source: SocketAddr,
    /// By identifier.
    waiting: Mutex<BTreeMap<u8, Waiter>>,
    last: Mutex<u8>,
}

/// All devices.
#[derive(Debug)]
pub(super) struct Devices(Vec<Arc<Socket>>);

impl Devices {
    pub(super) fn new(world: &Arc<World>) -> Self {
        let sources = [
            ("10.2.0.1", 4_000),
            ("10.2.0.1", 4_001),
            ("10.2.0.2", 4_000),
        ];
        let sockets = sources.map(|(address, port)| {
            let source = SocketAddr::new(address.parse().unwrap(), port);
            let socket = Arc::new(Socket {
                source,
                waiting: Mutex::default(),
                last: Mutex::default(),
            });
            let inbox = world.open(source);
            world.tasks.spawn(Arc::clone(&socket).reads(inbox));
            socket
        });
        Self(sockets.into())
    }
}

impl Socket {
    async fn reads(self: Arc<Self>, mut inbox: UnboundedReceiver<super::network::Datagram>) {
        let secret = SharedSecret::new(SECRET);
        while let Some(datagram) = inbox.recv().await {
            let packet = Packet::parse(&datagram.octets).expect("a node sends packets");
            let waiting = self.waiting.lock().unwrap();
            if let Some((authenticator, sender)) = waiting.get(&packet.identifier())
                && verify_response(
                    &packet,
                    authenticator,
                    &secret,
                    MessageAuthenticator::Require,
                )
                .is_ok()
            {
                // Who has an answer waits for no other.
                drop(sender.send(datagram.octets));
            }
        }
    }

    /// An identifier that nobody waits with: soon one that was used before, and that a node may still
    /// be busy with.
    fn identifier(&self, few: u8) -> u8 {
        let waiting = self.waiting.lock().unwrap();
        let mut last = self.last.lock().unwrap();
        *last = (1..=few)
            .map(|step| (*last + step) % few)
            .chain(few..=u8::MAX)
            .find(|one| !waiting.contains_key(one))
            .expect("few wait at a time");
        *last
    }
}

/// The number of a person by its name.
pub(super) fn person(name: &[u8]) -> Option<usize> {
    std::str::from_utf8(name)
        .ok()?
        .strip_prefix('u')?
        .parse()
        .ok()
}

/// How the next request is not as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wrong {
    /// Its Message-Authenticator, or where it comes from.
    signature: bool,
    stranger: bool,
    /// Its State is not its own.
    foreign: bool,
}

struct Asker {
    world: Arc<World>,
    socket: Arc<Socket>,
    section: usize,
    person: usize,
}

/// Lets somebody try to log in, and somebody else try with what is seen of it.
pub(super) async fn login(world: Arc<World>, devices: Arc<Devices>) {
    let (socket, section, someone, typed, attacked) = world.draw(|rng| {
        let attacks = world.plan.attacks;
        let someone = Person {
            right: rng.chance(800),
            preauth: rng.pick(&[
                Preauth::Auth,
                Preauth::Auth,
                Preauth::Auth,
                Preauth::Auth,
                Preauth::Allow,
                Preauth::Deny,
                Preauth::Enroll,
            ]),
            approves: rng.pick(&[Some(true), Some(true), Some(true), Some(false), None]),
            passcode: rng.chance(700),
            primary_said: false,
            factor_said: false,
        };
        let socket = usize::try_from(rng.within(0, 2)).unwrap();
        let section = usize::try_from(rng.within(0, 3)).unwrap();
        let typed = rng.pick(&["push", "phone", "123456", "sms", "auto"]);
        (
            Arc::clone(&devices.0[socket]),
            section,
            someone,
            typed,
            rng.chance(attacks),
        )
    });
    let number = {
        let mut ledger = world.ledger();
        ledger.people.push(someone);
        ledger.people.len() - 1
    };
    let asker = Asker {
        world,
        socket,
        section,
        person: number,
    };
    asker.run(someone, typed, attacked).await;
}

impl Asker {
    async fn run(&self, someone: Person, typed: &'static str, attacked: bool) {
        let password = if someone.right { PASSWORD } else { "wrong" };
        let appended = typed != "auto";
        let first = match (SECTIONS[self.section].mode, appended) {
            ("duo_only", false) => "push".to_owned(),
            ("duo_only", true) => typed.to_owned(),
            ("challenge", _) | ("auto", false) => password.to_owned(),
            ("concat", false) => format!("{password},push"),
            _ => format!("{password},{typed}"),
        };
        if attacked {
            self.forge(&first).await;
        }
        let mut answer = self.ask(&first, None, Wrong::default()).await;
        let mut rounds = 0;
        while let Some((Code::ACCESS_CHALLENGE, state)) = answer {
            rounds += 1;
            if rounds > 4 {
                return;
            }
            self.world.pause(100, 20_000).await;
            let typed = match (appended, rounds) {
                (false, _) | (true, 3..) => "push",
                (true, _) => typed,
            };
            if attacked {
                self.steal(&state).await;
            }
            answer = self.ask(typed, Some(&state), Wrong::default()).await;
            if attacked {
                // Good once, whatever came of it.
                let again = self.ask("push", Some(&state), Wrong::default());
                drop(again.await);
            }
        }
        if self.world.plan.calm {
            self.judge(someone, typed, answer.map(|(code, _)| code));
        }
    }

    /// Where everybody does what it should, each login has one right end.
    fn judge(&self, someone: Person, typed: &str, code: Option<Code>) {
        let Some(code) = code else { return };
        let checks = SECTIONS[self.section].checks;
        let by_passcode = typed == "123456";
        let approves = someone.approves == Some(true);
        let admitted = match someone.preauth {
            _ if checks && !someone.right => false,
            Preauth::Allow => true,
            Preauth::Deny | Preauth::Enroll => false,
            Preauth::Auth if by_passcode && someone.passcode => true,
            Preauth::Auth if !by_passcode && typed != "sms" && approves => true,
            Preauth::Auth if !someone.passcode && !approves => false,
            // It hangs on how often there is another question.
            Preauth::Auth => return,
        };
        let mut ledger = self.world.ledger();
        ledger.counts.foreseen += 1;
        if admitted != (code == Code::ACCESS_ACCEPT) {
            let person = self.person;
            let mode = SECTIONS[self.section].mode;
            ledger.violate(format!(
                "u{person} typed {typed} in mode {mode} and got {code:?}: {someone:?}"
            ));
        }
    }

    /// Requests that nobody may answer.
    async fn forge(&self, typed: &str) {
        let signature = Wrong {
            signature: true,
            ..Wrong::default()
        };
        let stranger = Wrong {
            stranger: true,
            ..Wrong::default()
        };
        for wrong in [signature, stranger] {
            drop(self.ask(typed, None, wrong).await);
        }
    }

    /// The State with a bit changed, at another section, and for somebody else.
    async fn steal(&self, state: &[u8]) {
        let foreign = Wrong {
            foreign: true,
            ..Wrong::default()
        };
        let mut changed = state.to_vec();
        let at = self.world.draw(|rng| rng.next());
        let at = usize::try_from(at % u64::try_from(state.len()).unwrap()).unwrap();
        changed[at] ^= 1;
        drop(self.ask("push", Some(&changed), foreign).await);
        let elsewhere = Self {
            world: Arc::clone(&self.world),
            socket: Arc::clone(&self.socket),
            section: (self.section + 1) % SECTIONS.len(),
            person: self.person,
        };
        drop(elsewhere.ask("push", Some(state), foreign).await);
        let other = {
            let mut ledger = self.world.ledger();
            let own = ledger.people[self.person];
            ledger.people.push(own);
            ledger.people.len() - 1
        };
        let other = Self {
            world: Arc::clone(&self.world),
            socket: Arc::clone(&self.socket),
            section: self.section,
            person: other,
        };
        drop(other.ask("push", Some(state), foreign).await);
    }

    /// Sends one request, again and again, here and there. Gives what came back, with its State.
    async fn ask(
        &self,
        typed: &str,
        state: Option<&[u8]>,
        wrong: Wrong,
    ) -> Option<(Code, Vec<u8>)> {
        let world = &self.world;
        let identifier = self.socket.identifier(world.plan.identifiers);
        let mut authenticator = Authenticator::default();
        world.draw(|rng| rng.fill(&mut authenticator));
        let source = if wrong.stranger {
            SocketAddr::new([10, 3, 0, 1].into(), self.socket.source.port())
        } else {
            self.socket.source
        };
        let number = {
            let mut ledger = world.ledger();
            ledger.counts.requests += 1;
            ledger.requests.push(Request {
                source,
                identifier,
                authenticator,
                section: self.section,
                person: self.person,
                state: state.map(<[u8]>::to_vec),
                forged: wrong.signature || wrong.stranger,
                foreign: wrong.foreign,
            });
            ledger.requests.len() - 1
        };
        let mut octets = self.write(number, identifier, authenticator, typed, state);
        if wrong.signature {
            // Within the Message-Authenticator, which comes first.
            octets[30] ^= 1;
        }
        world.note(|| {
            let section = SECTIONS[self.section].mode;
            let (person, again) = (self.person, state.is_some());
            format!("{number}: u{person} types {typed} in {section}, State {again}, {wrong:?}")
        });
        let (sender, mut answers) = unbounded_channel();
        let waiting = &self.socket.waiting;
        let entry = (authenticator, sender);
        waiting.lock().unwrap().insert(identifier, entry);
        let (tries, wait_ms, first) = world.draw(|rng| {
            let patience = if world.plan.calm { 60 } else { 4 };
            let first = u8::try_from(rng.within(0, u64::from(world.plan.nodes) - 1)).unwrap();
            (
                rng.within(patience / 4, patience),
                rng.within(500, 20_000),
                first,
            )
        });
        let tries = if wrong == Wrong::default() { tries } else { 1 };
        let mut answer = None;
        for nth in 0..tries {
            let node = (u64::from(first) + nth / 3) % u64::from(world.plan.nodes);
            let node = u8::try_from(node).unwrap();
            let to = SocketAddr::new(address(node), SECTIONS[self.section].port);
            let way = Way {
                ..world.plan.devices
            };
            world.send(source, to, &octets, way);
            let patience = Duration::from_millis(wait_ms);
            if let Ok(received) = timeout(patience, answers.recv()).await {
                answer = received;
                break;
            }
        }
        waiting.lock().unwrap().remove(&identifier);
        let answer = answer?;
        let packet = Packet::parse(&answer).expect("it was read before");
        let state = packet.first(AttributeType::STATE).unwrap_or_default();
        Some((packet.code(), state.to_vec()))
    }

    fn write(
        &self,
        number: usize,
        identifier: u8,
        authenticator: Authenticator,
        typed: &str,
        state: Option<&[u8]>,
    ) -> Vec<u8> {
        let secret = SharedSecret::new(SECRET);
        let code = Code::ACCESS_REQUEST;
        let mut builder = RequestBuilder::new(code, identifier, authenticator, &secret);
        let [_, a, b, c] = u32::try_from(number).unwrap().to_be_bytes();
        let station = format!("100.{a}.{b}.{c}");
        let name = format!("u{}", self.person);
        for (kind, value) in [
            (AttributeType::USER_NAME, Some(name.as_bytes())),
            (AttributeType::CALLING_STATION_ID, Some(station.as_bytes())),
            (AttributeType::STATE, state),
        ] {
            if let Some(value) = value {
                builder.attribute(kind, value).unwrap();
            }
        }
        builder.user_password(typed.as_bytes()).unwrap();
        builder.finish()
    }
}
