//! How a transaction is followed: deadlines, failed polls, and their pauses.

use super::*;
use crate::flow::AnswerCode::Reject;

#[test]
fn a_failing_poll_is_repeated_with_growing_pauses_for_ten_seconds() {
    let mut login = Login::auto(ASK, "pw").until_poll();
    let lost = || Event::Poll(Err(failure(FailureKind::Connect)));
    // when the failure comes, when the next poll may go out
    for (at, next) in [
        (0, 100),
        (100, 300),
        (300, 700),
        (700, 1_500),
        (1_500, 3_100),
        (3_100, 5_100),
        (5_100, 7_100),
        (7_100, 9_100),
        (9_100, 11_100),
    ] {
        let got = login.at(at).polls(lost());
        assert_eq!(got, (Some(next), next + 35_000), "at {at}");
    }
    let answer = login.at(11_100).answer(lost());
    assert_eq!(
        (answer.code, answer.reason),
        (Reject, Reason::SecondFactorUnavailable)
    );
}

#[test]
fn a_good_answer_forgets_the_failures_before_it() {
    let mut login = Login::auto(ASK, "pw").until_poll();
    let lost = || Event::Poll(Err(failure(FailureKind::Server)));
    assert_eq!(login.at(0).polls(lost()), (Some(100), 35_100));
    assert_eq!(login.at(9_000).polls(lost()), (Some(9_200), 44_200));
    assert_eq!(login.at(9_900).polls(waiting()), (None, 44_900));
    assert_eq!(login.at(20_000).polls(lost()), (Some(20_100), 55_100));
}

#[test]
fn polls_fail_by_kind() {
    use FailureKind as K;
    let table = [
        (K::Connect, None),
        (K::TimedOut, None),
        (K::Closed, None),
        (K::Server, None),
        (K::BadRequest, None),
        (K::Unreadable, None),
        (K::RateLimited, Some(Reason::SecondFactorError)),
        (K::Credentials, Some(Reason::SecondFactorError)),
        (K::Refused, Some(Reason::SecondFactorError)),
        (K::Internal, Some(Reason::Internal)),
    ];
    for (kind, ends) in table {
        for fail_mode in [FailMode::Safe, FailMode::Secure] {
            let integration = integration(Mode::Auto, |i| i.fail_mode = fail_mode);
            let mut login = Login::new(integration, ASK, "pw").until_poll();
            let event = || Event::Poll(Err(failure(kind)));
            let Some(reason) = ends else {
                assert_eq!(login.polls(event()).0, Some(100), "{kind:?}");
                // Each is answered as soon as it is sent: nothing says that the service held it.
                let mut next = 100;
                while next < 10_000 {
                    next = login.at(next).polls(event()).0.unwrap();
                }
                let answer = login.at(next).answer(event());
                let got = (answer.code, answer.reason);
                assert_eq!(got, (Reject, Reason::SecondFactorUnavailable), "{kind:?}");
                continue;
            };
            let answer = login.answer(event());
            assert_eq!((answer.code, answer.reason), (Reject, reason), "{kind:?}");
            assert_eq!(answer.factor, Some(Factor::Auto), "{kind:?}");
        }
    }
}

#[test]
fn a_hold_that_runs_out_is_no_failure() {
    let mut login = Login::auto(ASK, "pw").until_poll();
    let ran_out = || Event::Poll(Err(failure(FailureKind::BadRequest)));
    for at in [30_000, 60_000, 90_000] {
        let got = login.at(at).polls(ran_out());
        assert_eq!(got, (None, (at + 35_000).min(120_000)), "at {at}");
    }
}

#[test]
fn a_poll_without_an_answer_is_a_failed_one() {
    let mut login = Login::auto(ASK, "pw").until_poll();
    let got = login.at(35_000).polls(Event::TimedOut);
    assert_eq!(got, (Some(35_100), 70_100));
    let answer = login.at(70_100).answer(Event::TimedOut);
    assert_eq!(answer.reason, Reason::SecondFactorUnavailable);
}

#[test]
fn a_service_that_holds_no_poll_is_asked_once_a_second() {
    let mut login = Login::auto(ASK, "pw").until_poll();
    for _ in 0..4 {
        assert_eq!(login.polls(waiting()).0, None);
    }
    assert_eq!(login.polls(waiting()).0, Some(1_000));
    assert_eq!(login.at(1_000).polls(waiting()).0, Some(2_000));
    // It held this one.
    assert_eq!(login.at(3_000).polls(waiting()).0, None);
}

#[test]
fn nobody_is_waited_for_after_two_minutes() {
    let events = [
        waiting(),
        Event::TimedOut,
        Event::Poll(Err(failure(FailureKind::Connect))),
        Event::Poll(Err(failure(FailureKind::Credentials))),
    ];
    for event in events {
        let mut login = Login::auto(ASK, "pw").until_poll();
        assert_eq!(login.at(110_000).polls(waiting()), (None, 120_000));
        let answer = login.at(120_000).answer(event.clone());
        assert_eq!((answer.code, answer.reason), (Reject, Reason::TimedOut));
        assert_eq!(
            answer.reply_message.as_deref(),
            Some("Nobody answered in time. Please log in again."),
            "{event:?}"
        );
    }
    let mut login = Login::auto(ASK, "pw").until_poll();
    let lost = Event::Poll(Err(failure(FailureKind::Connect)));
    assert_eq!(login.at(119_950).polls(lost), (Some(120_000), 120_000));
}

#[test]
fn a_decision_at_the_last_moment_counts() {
    let mut login = Login::auto(ASK, "pw").until_poll();
    let allowed = decision(AuthResult::Allow, AuthStatus::Other, "Success");
    let answer = login.at(120_001).answer(Event::Poll(Ok(allowed)));
    assert_eq!(answer.reason, Reason::Approved);
}

#[test]
fn every_action_has_its_deadline() {
    // api_timeout, typed; then deadlines in milliseconds of preauth, auth and first poll, when
    // each is asked a second after the one before
    let table = [
        (0, "pw", 11_000, 12_000, 38_000),
        (0, "pw,push", 11_000, 12_000, 38_000),
        (0, "pw,123456", 11_000, 12_000, 12_000),
        (0, "pw,sms", 11_000, 12_000, 12_000),
        (3, "pw", 4_000, 5_000, 5_000),
        (3, "pw,123456", 4_000, 5_000, 5_000),
        (60, "pw", 61_000, 62_000, 38_000),
        (u32::MAX, "pw", 86_401_000, 86_402_000, 38_000),
    ];
    for (api_timeout, typed, preauth, auth, poll) in table {
        let integration = integration(Mode::Auto, |i| i.api_timeout_seconds = api_timeout);
        let mut login = Login::new(integration, ASK, typed);
        let mut deadlines = Vec::new();
        for (at, event) in [
            (0, Event::Begin),
            (1_000, accepted()),
            (2_000, can_use(devices())),
            (3_000, started()),
        ] {
            let deadline = match login.at(at).step(event) {
                Action::Primary { deadline, .. }
                | Action::Preauth { deadline, .. }
                | Action::Auth { deadline, .. }
                | Action::Poll { deadline, .. } => deadline,
                Action::Answer(answer) => panic!("{answer:?}"),
            };
            deadlines.push(login.offset(deadline));
        }
        let want = [8_000, preauth, auth, poll];
        assert_eq!(deadlines, want, "{api_timeout} {typed}");
    }
}

#[test]
fn a_budget_that_no_clock_can_hold_is_a_day() {
    let primary = PrimaryUse::Ask {
        budget: Duration::MAX,
        relays: false,
    };
    let mut login = Login::auto(primary, "pw");
    let Action::Primary { deadline, .. } = login.step(Event::Begin) else {
        panic!("primary not asked");
    };
    assert_eq!(login.offset(deadline), 86_400_000);
}
