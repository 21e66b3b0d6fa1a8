//! Logins that ask, in modes `challenge` and `auto`: texts of anybody, services that say anything.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use proto::config::{
    FactorChoice, FailMode, Integration, Mode, Prompt, PromptFormat, Snapshot, raw,
};
use proto::event::Reason;
use proto::id::LoginId;
use proto::secret::Secret;

use super::{Input, events};
use crate::clock;
use crate::duo::failure::{Call, Failure, FailureKind, Reaction, reaction};
use crate::duo::message::{
    AuthFactor, AuthReply, AuthResult, Decision, Device, DeviceChoice, Preauth,
};
use crate::flow::explain::{self, DETAIL_OCTETS};
use crate::flow::request::Request;
use crate::flow::{Action, Answer, AnswerCode, Event, Flow, Pending, PrimaryUse};
use crate::primary::{Credential, Method, Relayed, UpstreamAttribute, UpstreamValue, Verdict};
use crate::radius::{
    AttributeType, Code, MAX_VALUE_OCTETS, Packet, ReplyBuilder, ReplyTo, RequestBuilder,
    SharedSecret,
};
use crate::state::{Context, fuzzing::carried};

/// A login from its first request to its end. The input: settings, then what each says in turn.
///
/// Holds: nothing panics, and every login ends; nobody gets in whom the primary did not accept or
/// the second factor did not let in (or is away, where that is forgiven); what is asked is what was
/// chosen, of the list that was shown; a question fits its answer, in whole characters, and has no
/// markup but ours; the number of questions is bounded; a State brings back what it was given.
///
/// # Panics
/// One of these does not hold.
pub fn answer(octets: &[u8]) {
    let _end = end_of(octets);
}

/// A login's last answer and the reason; none when its settings contradict each other.
pub(super) fn end_of(octets: &[u8]) -> Option<(AnswerCode, Reason)> {
    let mut input = Input::new(octets);
    let mut login = Login::new(&mut input)?;
    // Each round needs octets to go on, once the questions have run out.
    let rounds = octets.len() + usize::from(login.prompts_left());
    let mut pending = None;
    for _ in 0..=rounds {
        pending = login.round(&mut input, pending, octets.len());
        if pending.is_none() {
            return Some(login.last);
        }
    }
    panic!("a login without an end");
}

struct Login {
    integration: Arc<Integration>,
    primary: PrimaryUse,
    to: ReplyTo,
    user: String,
    now: Instant,
    /// The primary accepted, now or before an earlier question.
    accepted: bool,
    prompts: u16,
    /// The last answer.
    last: (AnswerCode, Reason),
    /// The options of the last question.
    shown: Vec<AuthFactor>,
}

/// What was said since a request.
#[derive(Default)]
struct Round {
    typed: String,
    devices: Vec<Device>,
    auths: usize,
    primaries: usize,
    denied: bool,
    let_in: bool,
}

impl Login {
    fn new(input: &mut Input<'_>) -> Option<Self> {
        let integration = integration(input)?;
        let to = asker(input.octet());
        let primary = match input.octet() % 4 {
            0 => PrimaryUse::AnyPassword,
            bits => PrimaryUse::Ask {
                budget: Duration::from_secs(8),
                relays: bits == 1,
            },
        };
        Some(Self {
            integration,
            primary,
            to,
            // As a request brings it.
            user: input.text().replace(char::is_control, ""),
            now: clock::now(),
            accepted: primary == PrimaryUse::AnyPassword,
            prompts: 0,
            last: (AnswerCode::Reject, Reason::Internal),
            shown: Vec::new(),
        })
    }

    fn settings(&self) -> &Prompt {
        &self.integration.prompt
    }

    fn asks_for_factors(&self) -> bool {
        self.integration.mode == Mode::Challenge
    }

    /// The first, ten for answers that were none, and those for wrong passcodes.
    fn prompts_left(&self) -> u16 {
        (11 + u16::from(self.settings().passcode_retries)).saturating_sub(self.prompts)
    }

    /// From one request to its answer.
    fn round(
        &mut self,
        input: &mut Input<'_>,
        pending: Option<Pending>,
        steps: usize,
    ) -> Option<Pending> {
        let mut round = Round {
            typed: input.text(),
            ..Round::default()
        };
        let credential = match input.octet() {
            255 => Credential::Relayed(Relayed {
                method: Method::Chap,
                attributes: Secret::new(Vec::new()),
            }),
            _ => Credential::Password(Secret::from(round.typed.as_str())),
        };
        let request = Request {
            user: self.user.clone(),
            credential,
            calling_station: None,
        };
        let integration = Arc::clone(&self.integration);
        let flow = match pending {
            None => Flow::new(integration, request, self.primary),
            Some(pending) => Flow::resume(integration, request, self.primary, pending),
        };
        let mut flow = flow.unwrap().with_reply_room(self.to.challenge_room());
        let mut event = Event::Begin;
        for _ in 0..steps + 16 {
            let action = flow.step(self.now, event);
            self.now += Duration::from_millis(50 * u64::from(input.octet()));
            event = match &action {
                Action::Answer(answer) => return self.answered(answer, &round),
                Action::Primary { credential, .. } => {
                    round.primaries += 1;
                    assert!(round.primaries <= 2);
                    self.whole(credential, &round);
                    events::primary(input)
                }
                Action::Preauth { .. } => events::preauth(input),
                Action::Auth { request, .. } => {
                    round.auths += 1;
                    assert_eq!(round.auths, 1, "a second push may be out");
                    self.chosen(&request.factor, &round);
                    events::auth(input)
                }
                Action::Poll { .. } => events::poll(input),
            };
            self.note(&action, &event, &mut round);
            let detail = explain::detail(&event);
            assert!(detail.len() <= DETAIL_OCTETS && !detail.contains('\n'));
        }
        panic!("a request without an answer");
    }

    /// Mode `challenge` never splits a password.
    fn whole(&self, credential: &Credential, round: &Round) {
        if let (true, Credential::Password(password)) = (self.asks_for_factors(), credential) {
            assert_eq!(password.expose(), &round.typed);
        }
    }

    /// Keeps what is needed to judge the answer.
    fn note(&mut self, action: &Action, event: &Event, round: &mut Round) {
        let failed = match (action, event) {
            (Action::Primary { .. }, Event::Primary(Ok(Verdict::Accepted(_)))) => {
                self.accepted = true;
                return;
            }
            (_, Event::Preauth(Ok(Preauth::Auth { devices, .. }))) => {
                round.devices.clone_from(devices);
                return;
            }
            (_, Event::Preauth(Ok(Preauth::Allow { .. }))) => {
                round.let_in = true;
                return;
            }
            (
                _,
                Event::Auth(Ok(AuthReply::Decided(Decision { result, .. })))
                | Event::Poll(Ok(Decision { result, .. })),
            ) => {
                round.let_in |= *result == AuthResult::Allow;
                round.denied |= *result == AuthResult::Deny;
                return;
            }
            (Action::Preauth { .. }, Event::TimedOut) => (Call::Preauth, FailureKind::TimedOut),
            (Action::Auth { .. }, Event::TimedOut) => (Call::Auth, FailureKind::TimedOut),
            (_, Event::Preauth(Err(Failure { kind, .. }))) => (Call::Preauth, *kind),
            (_, Event::Auth(Err(Failure { kind, .. }))) => (Call::Auth, *kind),
            _ => return,
        };
        let (call, kind) = failed;
        round.let_in |= self.integration.fail_mode == FailMode::Safe
            && reaction(call, kind) == Reaction::FailMode
            && !round.denied;
    }

    /// What is sent off must be what the user chose, and allowed.
    fn chosen(&self, factor: &AuthFactor, round: &Round) {
        let options = self.options(&round.devices);
        let has = |choice| {
            let factors = &self.integration.factors;
            factors.contains(&choice) || factors.contains(&FactorChoice::Auto)
        };
        match factor {
            AuthFactor::Passcode(code) if self.asks_for_factors() => {
                assert!(has(FactorChoice::Passcode));
                // Blanks between digits are forgiven.
                let typed = round.typed.trim();
                assert!(code.expose() == typed || *code.expose() == typed.replace(' ', ""));
            }
            AuthFactor::Passcode(_) => {}
            AuthFactor::Auto => assert!(!self.asks_for_factors()),
            listed => assert!(options.contains(listed), "{listed:?} is not offered"),
        }
        let number = Some(round.typed.trim()).filter(|typed| {
            self.asks_for_factors()
                && (1..=2).contains(&typed.len())
                && typed.bytes().all(|octet| octet.is_ascii_digit())
        });
        if let Some(number) = number {
            assert_eq!(self.shown, options, "the number was of another list");
            let place = number.parse::<usize>().unwrap().checked_sub(1);
            if let Some(option) = place.and_then(|place| options.get(place)) {
                assert_eq!(factor, option);
            }
        }
    }

    /// What the devices can do of what the integration takes, in the order of its numbers.
    fn options(&self, devices: &[Device]) -> Vec<AuthFactor> {
        type Kind = (
            FactorChoice,
            fn(&Device) -> bool,
            fn(DeviceChoice) -> AuthFactor,
        );
        let kinds: [Kind; 3] = [
            (
                FactorChoice::Push,
                |device| device.capabilities.push,
                AuthFactor::Push,
            ),
            (
                FactorChoice::Phone,
                |device| device.capabilities.phone,
                AuthFactor::Phone,
            ),
            (
                FactorChoice::Sms,
                |device| device.capabilities.sms,
                AuthFactor::Sms,
            ),
        ];
        let factors = &self.integration.factors;
        let mut options = Vec::new();
        for (choice, can, factor) in kinds {
            let asked = factors.contains(&choice) || factors.contains(&FactorChoice::Auto);
            if asked || !self.asks_for_factors() {
                let able = devices.iter().filter(|device| can(device));
                options.extend(able.map(|device| factor(DeviceChoice::Id(device.id.clone()))));
            }
        }
        // As many as numbers of two digits can tell apart.
        options.truncate(99);
        options
    }

    fn answered(&mut self, answer: &Answer, round: &Round) -> Option<Pending> {
        assert_eq!(
            answer.pending.is_some(),
            answer.code == AnswerCode::Challenge
        );
        if answer.code == AnswerCode::Accept {
            assert!(self.accepted, "nobody accepted the password");
            assert!(round.let_in, "the second factor did not let in");
        }
        self.last = (answer.code, answer.reason);
        match &answer.pending {
            // The upstream's own words, and its own bounds.
            Some(Pending::Upstream { .. }) => {}
            Some(Pending::Prompt(prompted)) => {
                let hidden =
                    |one: &UpstreamAttribute| matches!(one.value, UpstreamValue::Hidden(_));
                assert!(!prompted.attributes.iter().any(hidden), "a key would show");
                assert!(self.prompts_left() > 0, "asked again without an end");
                self.prompts += 1;
                self.shown = self.options(&round.devices);
                let text = self.fits(answer, self.asks_for_factors());
                assert!(text.trim_end().ends_with(':'), "no question: {text:?}");
                self.is_clean(text, self.asks_for_factors());
            }
            None | Some(Pending::Enrolment) if answer.reason == Reason::NotEnrolled => {
                let text = self.fits(answer, true);
                self.is_clean(text, true);
            }
            // Only where a reject says nothing to people.
            Some(Pending::Refusal) => panic!("a refusal is no question in these modes"),
            None | Some(Pending::Enrolment) => drop(self.fits(answer, false)),
        }
        let pending = answer.pending.clone()?;
        let context = Context {
            first: LoginId::from_bytes([1; 16]),
            pending,
        };
        let brought = carried(&context)?;
        assert_eq!(brought, context);
        Some(brought.pending)
    }

    /// The text, which the packet has room for beside a State: in one Reply-Message, or where that
    /// is set in several, each of whole characters.
    fn fits<'a>(&self, answer: &'a Answer, may_be_split: bool) -> &'a str {
        let text = answer.reply_message.as_deref().unwrap_or_default();
        let secret = SharedSecret::new(b"xyzzy5461");
        let mut reply = ReplyBuilder::new(Code::ACCESS_CHALLENGE, &self.to, &secret);
        reply
            .attribute(AttributeType::STATE, &[1; MAX_VALUE_OCTETS])
            .and_then(|reply| reply.reply_messages_split(text))
            .unwrap();
        let octets = reply.finish();
        let packet = Packet::parse(&octets).unwrap();
        let parts: Vec<&str> = packet
            .all(AttributeType::REPLY_MESSAGE)
            .map(|part| std::str::from_utf8(part).unwrap())
            .collect();
        assert_eq!(parts.concat(), text);
        assert!(parts.len() <= 1 || (may_be_split && self.settings().split));
        text
    }

    /// No control characters; in html no markup but ours, and no part of an entity.
    fn is_clean(&self, text: &str, formatted: bool) {
        let lines = self.settings().format == PromptFormat::Console && formatted;
        assert!(!text.contains(|one: char| one.is_control() && !(lines && one == '\n')));
        if self.settings().format == PromptFormat::Html && formatted {
            let text = text.replace("<br>", "");
            assert!(!text.contains(['<', '>', '"']), "markup: {text:?}");
            // The names of options are ours as well: `'push1'`.
            let mut quoted = text.split('\'').skip(1).step_by(2);
            assert!(quoted.all(is_option), "a quotation mark: {text:?}");
            for rest in text.split('&').skip(1) {
                let entities = ["amp;", "lt;", "gt;", "quot;", "#39;"];
                assert!(entities.iter().any(|entity| rest.starts_with(entity)));
            }
        }
    }
}

fn is_option(name: &str) -> bool {
    let number = ["push", "phone", "sms"]
        .iter()
        .find_map(|kind| name.strip_prefix(kind));
    number.is_some_and(|number| number.parse::<u8>().is_ok())
}

/// An integration; none when the settings contradict each other.
fn integration(input: &mut Input<'_>) -> Option<Arc<Integration>> {
    static SNAPSHOT: LazyLock<raw::Snapshot> = LazyLock::new(|| {
        let text = r#"{"revision": 1,
            "authenticators": [{"id": "upstream", "kind": {"radius": {
                "hosts": [{"name": "192.0.2.9", "port": 1812}], "secret": "upstream"}}}],
            "integrations": [{
                "id": "radius_server_challenge", "mode": "challenge", "authenticator": "upstream",
                "application": {"ikey": "DIEXAMPLE", "skey": "key", "host": "api.example.com"},
                "clients": [{"address": "192.0.2.1", "secret": "xyzzy5461"}]}]}"#;
        serde_json::from_str(text).unwrap()
    });
    let mut snapshot = SNAPSHOT.clone();
    let one = &mut snapshot.integrations[0];
    let bits = input.octet();
    one.mode = match bits & 1 {
        0 => Mode::Challenge,
        _ => Mode::Auto,
    };
    one.fail_mode = match bits & 2 {
        0 => FailMode::Secure,
        _ => FailMode::Safe,
    };
    one.append.allow = bits & 16 != 0;
    one.prompt = Prompt {
        split: bits & 4 != 0,
        enroll_challenge: bits & 8 == 0,
        format: input.one_of(PromptFormat::ALL),
        passcode_retries: input.octet() % 4,
    };
    let factors = input.octet();
    one.factors = FactorChoice::ALL
        .iter()
        .enumerate()
        .filter(|(place, _)| factors >> place & 1 != 0)
        .map(|(_, choice)| *choice)
        .collect();
    if factors == 0 {
        one.factors = vec![FactorChoice::Auto];
    }
    let snapshot = Snapshot::try_from(snapshot).ok()?;
    snapshot.integrations.first().cloned()
}

/// Who sent the request, with so many Proxy-State attributes that an answer must carry too.
fn asker(proxy_states: u8) -> ReplyTo {
    let secret = SharedSecret::new(b"xyzzy5461");
    let mut request = RequestBuilder::new(Code::ACCESS_REQUEST, 7, [7; 16], &secret);
    for _ in 0..proxy_states % 15 {
        let value = [9; MAX_VALUE_OCTETS];
        request
            .attribute(AttributeType::PROXY_STATE, &value)
            .unwrap();
    }
    let octets = request.finish();
    let packet = Packet::parse(&octets).unwrap();
    ReplyTo::new(&packet).unwrap_or_else(|_| asker(0))
}
