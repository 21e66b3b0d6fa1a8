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
