//! What is typed in the password field (observed part 5), and the factor it becomes.

use super::*;
use crate::flow::AnswerCode::Reject;

#[test]
fn an_appended_factor_is_taken_off_the_password() {
    // typed, what the primary is asked, what the second factor is asked
    let table = [
        ("pw", "pw", AuthFactor::Auto),
        ("pw,push", "pw", AuthFactor::Push(id("A"))),
        ("pw,push2", "pw", AuthFactor::Push(id("C"))),
        ("pw,PUSH", "pw", AuthFactor::Push(id("A"))),
        ("pw, Push 2 ", "pw", AuthFactor::Push(id("C"))),
        ("pw,phone", "pw", AuthFactor::Phone(id("B"))),
        ("pw,phone2", "pw", AuthFactor::Phone(id("C"))),
        ("pw,sms", "pw", AuthFactor::Sms(id("A"))),
        ("pw,sms2", "pw", AuthFactor::Sms(id("C"))),
        ("pw,123456", "pw", passcode("123456")),
        ("pw, 000000 ", "pw", passcode("000000")),
        ("pw,x", "pw", passcode("x")),
        ("pw,pushy", "pw", passcode("pushy")),
        ("pw,1", "pw", AuthFactor::Push(id("A"))),
        ("pw,03", "pw", AuthFactor::Phone(id("B"))),
        ("pw,6", "pw", AuthFactor::Sms(id("C"))),
        ("pw,7", "pw", passcode("7")),
        ("pw,0", "pw", passcode("0")),
        ("pw,001", "pw", passcode("001")),
        ("pw,", "pw", AuthFactor::Auto),
        ("pw, ", "pw", AuthFactor::Auto),
        ("a,b,push", "a,b", AuthFactor::Push(id("A"))),
        (",123456", ",123456", AuthFactor::Auto),
        (",", ",", AuthFactor::Auto),
        ("push", "push", AuthFactor::Auto),
    ];
    for (typed, password, factor) in table {
        let mut login = Login::auto(ASK, typed);
        assert_eq!(login.asks_primary(Event::Begin), password, "{typed}");
        login.asks_preauth(accepted());
        assert_eq!(login.asks_auth(can_use(devices())), factor, "{typed}");

        let mut login = Login::auto(PrimaryUse::AnyPassword, typed);
        login.asks_preauth(Event::Begin);
        assert_eq!(login.asks_auth(can_use(devices())), factor, "{typed} alone");
    }
}

#[test]
fn the_whole_string_is_tried_when_its_first_part_is_refused() {
    for reason in [Reason::WrongPassword, Reason::PrimaryRejected] {
        let mut login = Login::auto(ASK, "a,b");
        assert_eq!(login.asks_primary(Event::Begin), "a", "{reason}");
        assert_eq!(login.asks_primary(rejected(reason)), "a,b", "{reason}");
        login.asks_preauth(accepted());
        let factor = login.asks_auth(can_use(devices()));
        assert_eq!(factor, AuthFactor::Auto, "{reason}");
    }
    let mut login = Login::auto(ASK, "a,b");
    login.asks_primary(Event::Begin);
    login.asks_primary(rejected(Reason::WrongPassword));
    let answer = login.answer(rejected(Reason::WrongPassword));
    assert_eq!(
        (answer.code, answer.reason),
        (Reject, Reason::WrongPassword)
    );
}
