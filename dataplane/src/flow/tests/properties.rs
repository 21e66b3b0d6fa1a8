//! What holds whatever happens.

use proptest::prelude::*;

use super::*;
use crate::duo::failure::FailureKind as K;
use crate::primary::{PrimaryFailure, PrimaryFailureKind as P};

fn kinds() -> impl Strategy<Value = K> {
    prop::sample::select(vec![
        K::Connect,
        K::TimedOut,
        K::Closed,
        K::Server,
        K::RateLimited,
        K::Credentials,
        K::BadRequest,
        K::Refused,
        K::Unreadable,
        K::Internal,
    ])
}

fn decisions() -> impl Strategy<Value = Decision> {
    let results = prop::sample::select(vec![
        AuthResult::Allow,
        AuthResult::Deny,
        AuthResult::Waiting,
        AuthResult::Waiting,
    ]);
    let statuses = prop::sample::select(vec![
        AuthStatus::Other,
        AuthStatus::Bypass,
        AuthStatus::Deny,
        AuthStatus::Timeout,
        AuthStatus::Fraud,
        AuthStatus::LockedOut,
        AuthStatus::Sent,
    ]);
    (results, statuses, any::<String>()).prop_map(|(result, status, status_msg)| Decision {
        result,
        status,
        status_msg,
    })
}

fn preauths() -> impl Strategy<Value = Preauth> {
    (0..6, any::<String>(), any::<Option<String>>()).prop_map(|(which, status_msg, portal_url)| {
        match which {
            0 => Preauth::Allow { status_msg },
            1 => Preauth::Deny { status_msg },
            2 => Preauth::Enroll {
                status_msg,
                portal_url,
            },
            3 => Preauth::Auth {
                status_msg,
                devices: Vec::new(),
                number: None,
            },
            _ => Preauth::Auth {
                status_msg,
                devices: devices(),
                number: None,
            },
        }
    })
}

pub(super) fn primaries() -> impl Strategy<Value = Event> {
    let reasons = prop::sample::select(Reason::ALL);
    let failures = prop::sample::select(vec![P::Unavailable, P::Misconfigured, P::Internal]);
    prop_oneof![
        Just(accepted()),
        (reasons, any::<Option<String>>()).prop_map(|(reason, message)| {
            Event::Primary(Ok(Verdict::Rejected(Rejection {
                message,
                ..Rejection::new(reason, "")
            })))
        }),
        failures.prop_map(|kind| Event::Primary(Err(PrimaryFailure {
            kind,
            detail: String::new(),
        }))),
    ]
}

pub(super) fn preauth_events() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => preauths().prop_map(|preauth| Event::Preauth(Ok(preauth))),
        1 => kinds().prop_map(|kind| Event::Preauth(Err(failure(kind)))),
    ]
}

pub(super) fn auth_events() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(started()),
        1 => decisions().prop_map(|d| Event::Auth(Ok(AuthReply::Decided(d)))),
        1 => kinds().prop_map(|kind| Event::Auth(Err(failure(kind)))),
    ]
}

pub(super) fn poll_events() -> impl Strategy<Value = Event> {
    prop_oneof![
        decisions().prop_map(|decision| Event::Poll(Ok(decision))),
        kinds().prop_map(|kind| Event::Poll(Err(failure(kind)))),
    ]
}

pub(super) fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Begin),
        Just(Event::TimedOut),
        primaries(),
        preauth_events(),
        auth_events(),
        poll_events(),
    ]
}

/// One event for each kind of action, so that a script fits whatever the flow asks.
#[derive(Clone, Debug)]
struct Turn {
    primary: Event,
    preauth: Event,
    auth: Event,
    poll: Event,
    times_out: bool,
    milliseconds: u64,
}

fn turns() -> impl Strategy<Value = Turn> {
    (
        primaries(),
        preauth_events(),
        auth_events(),
        poll_events(),
        prop::bool::weighted(0.1),
        0..3_000_u64,
    )
        .prop_map(
            |(primary, preauth, auth, poll, times_out, milliseconds)| Turn {
                primary,
                preauth,
                auth,
                poll,
                times_out,
                milliseconds,
            },
        )
}

fn modes() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![
        Mode::Auto,
        Mode::Challenge,
        Mode::Concat,
        Mode::DuoOnly,
        Mode::Eap,
    ])
}

pub(super) fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c,]{0,8}(,(push|sms|phone)?[0-9]{0,7})?",
        "(push|sms|phone)?[0-9]{0,7}",
        any::<String>(),
        Just("pw,push".to_owned()),
    ]
}

proptest! {
    #[test]
    fn nothing_that_happens_makes_two_auth_requests_or_an_endless_login(
        mode in modes(),
        text in texts(),
        script in prop::collection::vec(turns(), 1..16),
    ) {
        let mut login = Login::new(integration(mode, |_| {}), ASK, &text);
        let mut action = login.step(Event::Begin);
        let (mut auths, mut primaries, mut steps) = (0, 0, 0);
        let mut milliseconds = 0;
        for turn in script.iter().cycle() {
            milliseconds += turn.milliseconds + 1;
            let deadline = match &action {
                Action::Answer(_) => break,
                Action::Primary { credential, deadline, .. } => {
                    let typed = matches!(
                        credential,
                        Credential::Password(password) if !password.expose().is_empty()
                    );
                    prop_assert!(typed);
                    primaries += 1;
                    *deadline
                }
                Action::Auth { deadline, .. } => {
                    auths += 1;
                    *deadline
                }
                Action::Preauth { deadline, .. } => *deadline,
                Action::Poll { not_before, deadline, .. } => {
                    let begins = not_before.unwrap_or(login.now);
                    prop_assert!(begins <= *deadline);
                    milliseconds = milliseconds.max(login.offset(begins));
                    *deadline
                }
            };
            prop_assert!(deadline > login.now);
            login.at(milliseconds);
            let late = turn.times_out || login.now >= deadline;
            if late {
                milliseconds = login.offset(deadline) + 1;
                login.at(milliseconds);
            }
            let event = match &action {
                _ if late => Event::TimedOut,
                Action::Primary { .. } => turn.primary.clone(),
                Action::Preauth { .. } => turn.preauth.clone(),
                Action::Auth { .. } => turn.auth.clone(),
                Action::Poll { .. } | Action::Answer(_) => turn.poll.clone(),
            };
            action = login.step(event);
            steps += 1;
            prop_assert!(steps < 400, "still {action:?}");
        }
        let Action::Answer(answer) = action else {
            return Err(TestCaseError::fail("no answer"));
        };
        prop_assert!(auths <= 1);
        prop_assert!(primaries <= 2);
        let length = answer.reply_message.map_or(0, |text| text.len());
        prop_assert!(length <= 253, "{length} octets");
    }

    #[test]
    fn events_out_of_place_end_the_login_and_never_ask_twice(
        mode in modes(),
        script in prop::collection::vec(any_event(), 1..40),
    ) {
        let mut login = Login::new(integration(mode, |_| {}), ASK, "pw,push");
        let (mut auths, mut answered) = (0, false);
        for event in script {
            let action = login.step(event);
            if answered {
                prop_assert_eq!(&action, &Action::Answer(Answer::reject(Reason::Internal)));
            }
            answered |= matches!(action, Action::Answer(_));
            auths += u32::from(matches!(action, Action::Auth { .. }));
        }
        prop_assert!(auths <= 1);
    }
}
