//! Nobody gets in past the second factor, however many questions an upstream asks before.

use proptest::prelude::*;

use super::properties::{any_event, auth_events, poll_events, preauth_events, primaries, texts};
use super::*;
use crate::flow::{AnswerCode, Pending};
use crate::primary::{Asked, Method, Question, Relayed, UpstreamAttribute};

/// What one request of a login brings, and what comes of each action that it leads to.
#[derive(Clone, Debug)]
struct Round {
    credential: Credential,
    primary: PrimaryUse,
    script: Vec<Turn>,
}

#[derive(Clone, Debug)]
struct Turn {
    primary: Event,
    preauth: Event,
    auth: Event,
    poll: Event,
    /// In place of what fits.
    strange: Option<Event>,
}

/// What happened in one round, as far as it lets anybody in.
#[derive(Debug, Default)]
struct Seen {
    password: bool,
    asked: bool,
    failed: bool,
    allowed: bool,
    denied: bool,
    auths: u32,
}

impl Seen {
    fn note(&mut self, action: &Action, event: &Event) {
        let times_out = matches!(event, Event::TimedOut);
        self.auths += u32::from(matches!(action, Action::Auth { .. }));
        match (action, event) {
            (Action::Primary { .. }, Event::Primary(verdict)) => {
                self.password = matches!(verdict, Ok(Verdict::Accepted(_)));
            }
            (Action::Preauth { .. }, event) => {
                self.asked = true;
                self.allowed = matches!(event, Event::Preauth(Ok(Preauth::Allow { .. })));
                self.failed = times_out || matches!(event, Event::Preauth(Err(_)));
            }
            (Action::Auth { .. }, Event::Auth(Ok(AuthReply::Decided(decision))))
            | (Action::Poll { .. }, Event::Poll(Ok(decision))) => {
                self.asked = true;
                self.allowed = decision.result == AuthResult::Allow;
                self.denied = decision.result == AuthResult::Deny;
            }
            (Action::Auth { .. } | Action::Poll { .. }, event) => {
                self.asked = true;
                self.failed =
                    times_out || matches!(event, Event::Auth(Err(_)) | Event::Poll(Err(_)));
            }
            _ => {}
        }
    }
}

fn credentials() -> impl Strategy<Value = Credential> {
    let methods = prop::sample::select(vec![Method::Chap, Method::MsChap]);
    prop_oneof![
        4 => texts().prop_map(|text| Credential::Password(Secret::new(text))),
        1 => methods.prop_map(|method| Credential::Relayed(Relayed {
            method,
            attributes: Secret::new(vec![1]),
        })),
    ]
}

fn questions() -> impl Strategy<Value = Event> {
    (
        any::<u8>(),
        any::<Option<Vec<u8>>>(),
        any::<Option<String>>(),
    )
        .prop_map(|(host, state, message)| {
            Event::Primary(Ok(Verdict::Asked(Question {
                asked: Asked { host, state },
                message,
                attributes: Vec::<UpstreamAttribute>::new(),
                detail: String::new(),
            })))
        })
}

fn turns() -> impl Strategy<Value = Turn> {
    let primary = prop_oneof![2 => Just(accepted()), 2 => questions(), 1 => primaries()];
    let strange = prop::option::weighted(0.05, any_event());
    (
        primary,
        preauth_events(),
        auth_events(),
        poll_events(),
        strange,
    )
        .prop_map(|(primary, preauth, auth, poll, strange)| Turn {
            primary,
            preauth,
            auth,
            poll,
            strange,
        })
}

fn rounds() -> impl Strategy<Value = Round> {
    let relaying = PrimaryUse::Ask {
        budget: BUDGET,
        relays: true,
    };
    // The authenticator may be another one when the answer comes.
    let primaries = prop_oneof![
        8 => Just(relaying),
        1 => Just(ASK),
        1 => Just(PrimaryUse::AnyPassword),
    ];
    let script = prop::collection::vec(turns(), 1..8);
    (credentials(), primaries, script).prop_map(|(credential, primary, script)| Round {
        credential,
        primary,
        script,
    })
}

/// One request to its answer; none when the script ends before.
fn run(flow: &mut Flow, script: &[Turn], seen: &mut Seen) -> Option<(Action, Answer)> {
    let now = epoch();
    let first = flow.step(now, Event::Begin);
    let mut action = first.clone();
    for turn in script {
        let event = match &action {
            Action::Answer(_) => break,
            _ if turn.strange.is_some() => turn.strange.clone()?,
            Action::Primary { .. } => turn.primary.clone(),
            Action::Preauth { .. } => turn.preauth.clone(),
            Action::Auth { .. } => turn.auth.clone(),
            Action::Poll { .. } => turn.poll.clone(),
        };
        seen.note(&action, &event);
        action = flow.step(now, event);
    }
    match action {
        Action::Answer(answer) => Some((first, answer)),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn every_accept_has_a_password_and_a_second_factor_of_its_own_request(
        mode in prop::sample::select(vec![
            Mode::Auto,
            Mode::Challenge,
            Mode::Concat,
            Mode::DuoOnly,
            Mode::Eap,
        ]),
        fail_mode in prop::sample::select(vec![FailMode::Safe, FailMode::Secure]),
        exempt in prop::bool::weighted(0.2),
        factors in prop::sample::select(vec![None, Some(FactorChoice::Auto), Some(FactorChoice::Passcode)]),
        never_appended in any::<bool>(),
        can_ask in prop::bool::weighted(0.8),
        retries in 0_u8..3,
        rounds in prop::collection::vec(rounds(), 1..8),
    ) {
        let one = integration(mode, |one| {
            // Only mode eap tells what was not set.
            if factors.is_some() || mode == Mode::Eap {
                one.factors = factors.into_iter().collect();
            }
            if never_appended && mode == Mode::Eap {
                one.append.allow = false;
            }
            one.prompt.passcode_retries = retries;
            one.fail_mode = fail_mode;
            one.exempt_users = vec![if exempt { "alice" } else { "Alice" }.to_owned()];
        });
        let mut pending: Option<Pending> = None;
        for mut round in rounds {
            if mode == Mode::Eap && round.primary == PrimaryUse::AnyPassword {
                round.primary = ASK;
            }
            let request = Request { credential: round.credential, ..request("") };
            let asked = pending.as_ref().and_then(|pending| match pending {
                Pending::Upstream { asked, .. } => Some(asked.clone()),
                Pending::Prompt(_) | Pending::Enrolment | Pending::Refusal => None,
            });
            let prompted = matches!(pending, Some(Pending::Prompt(_)));
            let told = matches!(pending, Some(Pending::Enrolment | Pending::Refusal));
            let mut flow = match pending.take() {
                None => Flow::new(Arc::clone(&one), request, round.primary),
                Some(pending) => Flow::resume(Arc::clone(&one), request, round.primary, pending),
            }
            .unwrap();
            if !can_ask {
                flow = flow.without_questions();
            }
            let mut seen = Seen::default();
            let Some((first, answer)) = run(&mut flow, &round.script, &mut seen) else {
                break;
            };
            if asked.is_some() {
                let goes_back = matches!(
                    &first,
                    Action::Primary { answers, .. } if *answers == asked
                );
                let refused = matches!(&first, Action::Answer(Answer { code, .. }) if *code == AnswerCode::Reject);
                prop_assert!(goes_back || refused, "{first:?}");
            }
            if answer.code == AnswerCode::Accept {
                let nobody_to_ask = mode == Mode::DuoOnly
                    || round.primary == PrimaryUse::AnyPassword && asked.is_none();
                // A prompt comes after the password.
                prop_assert!(seen.password || nobody_to_ask || prompted, "{answer:?} {seen:?}");
                prop_assert!(!told);
                let second = match answer.reason {
                    Reason::ExemptUser => exempt && mode != Mode::DuoOnly,
                    Reason::FailModeSafe => {
                        fail_mode == FailMode::Safe && seen.asked && seen.failed && !seen.denied
                    }
                    _ => seen.asked && seen.allowed,
                };
                prop_assert!(second, "{answer:?} {seen:?}");
            }
            prop_assert!(seen.auths <= 1, "two pushes");
            let octets = answer.reply_message.as_ref().map_or(0, String::len);
            // A question of EAP has more room than a Reply-Message.
            let eap_asks = mode == Mode::Eap && answer.code == AnswerCode::Challenge;
            prop_assert!(octets <= if eap_asks { 900 } else { 253 }, "{octets} octets");
            prop_assert!(can_ask || answer.code != AnswerCode::Challenge, "{answer:?}");
            prop_assert_eq!(answer.pending.is_some(), answer.code == AnswerCode::Challenge);
            if matches!(answer.pending, Some(Pending::Prompt(_))) {
                let any_password = round.primary == PrimaryUse::AnyPassword && asked.is_none();
                prop_assert!(seen.password || any_password || prompted, "{answer:?} {seen:?}");
            }
            pending = answer.pending;
        }
    }
}
