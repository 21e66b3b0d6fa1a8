//! What users read: every sentence of ours, and how the service's sentences are fitted into a
//! Reply-Message (RFC 2865 section 5.18).

use proto::config::Append;
use proto::event::Reason;

use super::factor::{Kind, MenuEntry};

/// The most octets of a Reply-Message.
pub(crate) const REPLY_OCTETS: usize = 253;

pub(crate) const EXEMPT: &str = "You are exempt from the second factor.";
pub(crate) const FAIL_MODE_SAFE: &str =
    "The second factor cannot be reached. You are let in on your password.";
pub(crate) const PRIMARY_ONLY: &str =
    "The second factor is not asked for now. You are let in on your password.";
pub(crate) const NO_USER_NAME: &str = "The request has no user name.";
pub(crate) const UNREADABLE_USER_NAME: &str = "The user name is not valid UTF-8.";
pub(crate) const CONTROL_IN_USER_NAME: &str =
    "The user name has a character that cannot be seen. Please type it again.";
pub(crate) const NO_PASSWORD: &str = "The request has no password.";
pub(crate) const MALFORMED_PASSWORD: &str =
    "The password in the request is malformed. Its length is no multiple of 16, or over 128.";
pub(crate) const UNDECODABLE_PASSWORD: &str =
    "The password cannot be read. The shared secret or pw_codec may be wrong.";
pub(crate) const CHAP: &str =
    "CHAP cannot be used here. Set the device to send the password with PAP.";
pub(crate) const MSCHAP: &str =
    "MS-CHAP cannot be used here. Set the device to send the password with PAP.";
pub(crate) const MALFORMED_PROOF: &str =
    "The CHAP or MS-CHAP attributes of the request are malformed.";
pub(crate) const NOTHING_APPENDED: &str = "A password that is hidden by CHAP or MS-CHAP can have \
     nothing appended. Set the device to send the password with PAP.";
pub(crate) const EAP: &str =
    "EAP cannot be used here. Set the device to send the password with PAP.";
pub(crate) const NO_EAP: &str = "EAP is needed here. Set the device to use PEAP, or EAP-TTLS.";
pub(crate) const UNKNOWN_STATE: &str =
    "This answer belongs to no login that is under way. Please log in again.";
pub(crate) const CHAP_ANSWER: &str =
    "The answer cannot be read. Set the device to send answers with PAP, not with CHAP.";
pub(crate) const MSCHAP_ANSWER: &str =
    "The answer cannot be read. Set the device to send answers with PAP, not with MS-CHAP.";
pub(crate) const LATE_ANSWER: &str = "Your answer came too late. Please log in again.";
pub(crate) const SECOND_ANSWER: &str = "This question was answered before. Please log in again.";
pub(crate) const CANNOT_ASK: &str = "There is a question to be answered, which cannot be shown here. Please tell your administrator.";
/// What an event has in the place of the link to enrol.
pub(crate) const NO_LINK: &str = "(the text and the link of an enrolment, which are not kept)";
pub(crate) const ENROL_FIRST: &str = "Finish the enrolment first, then log in again.";
pub(crate) const NOTHING_TYPED: &str = "Nothing was typed.";
pub(crate) const MENU_CHANGED: &str = "The menu has changed. Please choose again.";
pub(crate) const NUMBER_WANTED: &str = "A push needs a number now. Please choose again.";
pub(crate) const NO_PASSCODES: &str = "Passcodes cannot be used here.";
pub(crate) const PASSCODES_SENT: &str = "New passcodes were sent.";
pub(crate) const WRONG_PASSCODE: &str = "Wrong passcode. Please try again.";
pub(crate) const NO_MENU: &str = "a passcode";

/// What is said for a reason when nobody else has said anything.
pub(crate) const fn of(reason: Reason) -> &'static str {
    match reason {
        Reason::EmptyPassword => "The password is empty.",
        Reason::WrongPassword | Reason::PrimaryRejected => "Wrong user name or password.",
        // No different from a wrong password: names are not to be found out by trying.
        Reason::UnknownUser | Reason::AmbiguousUser | Reason::NotPermitted => {
            "Wrong user name or password."
        }
        Reason::AccountLocked => "Your account is locked.",
        Reason::AccountDisabled => "Your account is disabled.",
        Reason::AccountExpired => "Your account has expired.",
        Reason::PasswordExpired => "Your password has expired. Change it, then log in again.",
        Reason::PasswordMustChange => "You have to change your password before you can log in.",
        Reason::PrimaryChallenge => "Please answer the question.",
        Reason::PrimaryUnavailable => {
            "Your password cannot be checked now. Please try again later."
        }
        Reason::PrimaryMisconfigured => {
            "Your password cannot be checked: a setting is wrong. Please tell your administrator."
        }
        Reason::SecondFactorRefused => "The second factor does not let you in.",
        Reason::NotEnrolled => "You have to enrol for the second factor first.",
        Reason::NoUsableFactor => "You have no second factor that can be used here.",
        Reason::Denied => "The login was denied.",
        Reason::Fraud => "The login was denied and reported as fraud.",
        Reason::TimedOut => "Nobody answered in time. Please log in again.",
        Reason::LockedOut => "You are locked out. Please tell your administrator.",
        Reason::PasscodesSent => "New passcodes were sent. Please log in again with one of them.",
        Reason::SecondFactorUnavailable => {
            "The second factor cannot be reached. Please try again later."
        }
        Reason::SecondFactorError => {
            "The second factor refused the request. Please tell your administrator."
        }
        Reason::SecondFactorUnreadable => {
            "The second factor gave an answer that makes no sense. Please tell your administrator."
        }
        Reason::FactorMissing => "A second factor is missing after the password.",
        Reason::BadRequest => "The request is malformed.",
        Reason::UnsupportedMethod => "This way of authentication cannot be used here.",
        Reason::EapFailed => "The secure connection of the login failed. Please log in again.",
        Reason::UnknownState => UNKNOWN_STATE,
        Reason::Overloaded => "Too many logins at once. Please try again later.",
        Reason::Stopping => "The server is stopping. Please try again.",
        Reason::Approved | Reason::Bypassed => "You are logged in.",
        Reason::ExemptUser => EXEMPT,
        Reason::FailModeSafe => FAIL_MODE_SAFE,
        Reason::PrimaryOnly => PRIMARY_ONLY,
        Reason::Prompted => "Please choose a second factor.",
        Reason::TooManyAnswers => "Too many answers could not be used. Please log in again.",
        Reason::Internal => "An internal error stopped the login. Please try again later.",
    }
}

/// How to append a factor; none where nothing may be appended.
fn how_to_append(append: &Append, what: &str) -> Option<String> {
    match append {
        Append::Delimited { delimiter } | Append::FixedLength { delimiter, .. } => Some(format!(
            "Log in with your password, then '{delimiter}', then {what}."
        )),
        _ => None,
    }
}

/// A factor had to be appended.
pub(crate) fn factor_missing(append: &Append) -> String {
    with_hint(
        of(Reason::FactorMissing),
        how_to_append(append, "push, phone, sms or a passcode"),
    )
}

/// Nothing in `factors` can be done with the user's devices.
pub(crate) fn nothing_automatic(append: &Append) -> String {
    with_hint(
        "None of your devices can be used here.",
        how_to_append(append, NO_MENU),
    )
}

/// The user typed a factor that the devices do not have.
pub(crate) fn no_such_factor(kind: Kind, number: Option<usize>, menu: &[MenuEntry<'_>]) -> String {
    let mut have: Vec<String> = menu
        .iter()
        .take(NAMED_FACTORS)
        .map(|entry| format!("{}{}", entry.kind.as_str(), entry.number))
        .collect();
    have.push(NO_MENU.to_owned());
    let missing = you_have_no(kind, number);
    cut(&format!("{missing} You can use: {}.", have.join(", ")))
}

/// The same where a list follows.
pub(crate) fn you_have_no(kind: Kind, number: Option<usize>) -> String {
    format!("You have no '{}'.", as_typed(kind, number))
}

/// The user has such a factor, and it is not wanted here.
pub(crate) fn not_here(kind: Kind, number: Option<usize>) -> String {
    format!("'{}' cannot be used here.", as_typed(kind, number))
}

fn as_typed(kind: Kind, number: Option<usize>) -> String {
    let number = number.map(|n| n.to_string()).unwrap_or_default();
    format!("{}{number}", kind.as_str())
}

/// How a push is approved that wants a number: 47 octets and the number.
pub(crate) fn number_on_phone(number: &str) -> String {
    format!("If you choose a push, type {number} on your phone.")
}

/// A number that the list does not have, where it can be nothing else.
pub(crate) fn no_option(number: usize) -> String {
    format!("There is no option {number}.")
}

fn with_hint(text: &str, hint: Option<String>) -> String {
    match hint {
        Some(hint) => cut(&format!("{text} {hint}")),
        None => cut(text),
    }
}

/// What somebody else said, made fit; none when it is blank.
pub(crate) fn quoted(text: &str) -> Option<String> {
    Some(cut(text)).filter(|text| !text.is_empty())
}

/// Makes a text fit one Reply-Message: no control characters but line ends, no blanks around it, at
/// most [`REPLY_OCTETS`], cut at a character.
pub(crate) fn cut(text: &str) -> String {
    shorten(&clean(text), REPLY_OCTETS).trim_end().to_owned()
}

/// Without blanks around it, and with a blank for each control character but a line end.
pub(crate) fn clean(text: &str) -> String {
    let blanked = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    let text: String = text.chars().map(blanked).collect();
    text.trim().to_owned()
}

/// The longest beginning of at most so many octets that ends at a character.
pub(crate) fn shorten(text: &str, octets: usize) -> &str {
    let end = text.floor_char_boundary(octets.min(text.len()));
    text.get(..end).unwrap_or_default()
}

/// How many factors a sentence names at most.
const NAMED_FACTORS: usize = 12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn we_have_a_text_for_every_reason_and_it_fits() {
        for reason in Reason::ALL {
            let text = of(*reason);
            assert_eq!(cut(text), text, "{reason}");
            assert!(text.ends_with('.'), "{reason}");
        }
    }

    #[test]
    fn what_others_say_is_made_fit() {
        let table = [
            (
                " Login request denied. ",
                Some("Login request denied.".to_owned()),
            ),
            ("one\r\ntwo\0\u{7f}", Some("one \ntwo".to_owned())),
            ("", None),
            (" \r\n", None),
            ("\0", None),
            ("\0Denied", Some("Denied".to_owned())),
        ];
        for (said, want) in table {
            assert_eq!(quoted(said), want, "{said:?}");
        }
        assert_eq!(cut(&"ä".repeat(200)), "ä".repeat(126));
    }

    proptest! {
        #[test]
        fn every_text_fits_one_reply_message(text in any::<String>()) {
            prop_assert!(cut(&text).len() <= REPLY_OCTETS);
        }
    }
}
