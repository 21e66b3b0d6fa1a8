//! A flow's actions and events as steps of a login's timeline. Never says a password, a passcode or
//! a secret; texts of others are cut.

use proto::date::utc;
use proto::event::{Ask, Reason, Stage};
use proto::rpc::PrimaryOnlyGrant;

use super::texts::{self, clean, shorten};
use super::{Action, Answer, Event};
use crate::duo::message::{AuthReply, AuthResult, Capabilities, Decision, Device, Preauth};
use crate::primary::{PrimaryFailureKind, Verdict};

/// Which stage of the timeline an action begins; none for the answer, which the driver adds itself
/// once it is sent.
#[must_use]
pub const fn stage(action: &Action) -> Option<Stage> {
    match action {
        Action::Primary { .. } => Some(Stage::Primary),
        Action::Preauth { .. } => Some(Stage::Preauth),
        Action::Auth { .. } | Action::Poll { .. } => Some(Stage::Factor),
        Action::Answer(_) => None,
    }
}

/// What an action asks the second factor; none for what it is not asked.
#[must_use]
pub const fn ask(action: &Action) -> Option<Ask> {
    match action {
        Action::Preauth { .. } => Some(Ask::Preauth),
        Action::Auth { .. } => Some(Ask::Auth),
        Action::Poll { .. } => Some(Ask::AuthStatus),
        Action::Primary { .. } | Action::Answer(_) => None,
    }
}

/// What came of an action, in one word for programs.
#[must_use]
pub const fn result(event: &Event) -> &'static str {
    match event {
        Event::Begin => "begins",
        Event::TimedOut => "timed_out",
        Event::Primary(Ok(verdict)) => verdict.label(),
        Event::Primary(Err(failure)) => failure.kind.as_str(),
        Event::Preauth(Ok(preauth)) => match preauth {
            Preauth::Auth { .. } => "auth",
            Preauth::Allow { .. } => "allow",
            Preauth::Deny { .. } => "deny",
            Preauth::Enroll { .. } => "enroll",
        },
        Event::Auth(Ok(AuthReply::Started(_))) => "started",
        Event::Auth(Ok(AuthReply::Decided(decision))) | Event::Poll(Ok(decision)) => {
            decision_word(decision.result)
        }
        Event::Preauth(Err(failure)) | Event::Auth(Err(failure)) | Event::Poll(Err(failure)) => {
            failure.kind.as_str()
        }
    }
}

/// What came of an action, for a person: at most [`DETAIL_OCTETS`] octets on one line.
#[must_use]
pub fn detail(event: &Event) -> String {
    let text = match event {
        Event::Begin => "begins".to_owned(),
        Event::TimedOut => "no answer in time".to_owned(),
        Event::Primary(Ok(Verdict::Accepted(acceptance))) => said("accepted", &acceptance.detail),
        Event::Primary(Ok(Verdict::Rejected(rejection))) => said(
            &format!("rejected ({})", rejection.reason),
            &rejection.detail,
        ),
        Event::Primary(Ok(Verdict::Asked(question))) => said("asked", &question.detail),
        Event::Primary(Err(failure)) => {
            let came = match failure.kind {
                PrimaryFailureKind::Unavailable => "no answer",
                // It may have answered: that a setting is wrong.
                _ => "not checked",
            };
            said(came, &failure.detail)
        }
        Event::Preauth(Ok(preauth)) => preauth_detail(preauth),
        Event::Auth(Ok(AuthReply::Started(_))) => "started".to_owned(),
        Event::Auth(Ok(AuthReply::Decided(decision))) | Event::Poll(Ok(decision)) => {
            decision_detail(decision)
        }
        Event::Preauth(Err(failure)) | Event::Auth(Err(failure)) | Event::Poll(Err(failure)) => {
            said("failed", &failure.detail)
        }
    };
    one_line(&text)
}

fn preauth_detail(preauth: &Preauth) -> String {
    match preauth {
        Preauth::Auth { devices, .. } if devices.is_empty() => "auth: no devices".to_owned(),
        Preauth::Auth {
            devices, number, ..
        } => {
            let number = match number {
                Some(_) => "; a push needs the number shown",
                None => "",
            };
            let shown: Vec<String> = devices.iter().take(SHOWN_DEVICES).map(device).collect();
            let more = devices.len().saturating_sub(SHOWN_DEVICES);
            match more {
                0 => format!("auth: {}{number}", shown.join("; ")),
                more => format!("auth: {}; and {more} more{number}", shown.join("; ")),
            }
        }
        Preauth::Allow { status_msg } => said("allow", status_msg),
        Preauth::Deny { status_msg } => said("deny", status_msg),
        // The link lets its reader enrol as the user.
        Preauth::Enroll { .. } => "enroll".to_owned(),
    }
}

fn device(device: &Device) -> String {
    let Capabilities {
        auto: _,
        push,
        phone,
        sms,
    } = device.capabilities;
    let can: Vec<&str> = [(push, "push"), (phone, "phone"), (sms, "sms")]
        .into_iter()
        .filter_map(|(able, word)| able.then_some(word))
        .collect();
    let name = shorten(&device.display_name, DEVICE_OCTETS);
    match can.as_slice() {
        [] => format!("{name} (passcodes only)"),
        can => format!("{name} ({})", can.join(", ")),
    }
}

fn decision_detail(decision: &Decision) -> String {
    said(decision_word(decision.result), &decision.status_msg)
}

const fn decision_word(result: AuthResult) -> &'static str {
    match result {
        AuthResult::Allow => "allow",
        AuthResult::Deny => "deny",
        AuthResult::Waiting => "waiting",
    }
}

fn said(word: &str, detail: &str) -> String {
    match detail.trim() {
        "" => word.to_owned(),
        detail => format!("{word}: {detail}"),
    }
}

/// What a question says, for a person: at most [`DETAIL_OCTETS`] octets on one line. The link that
/// enrols is not said: whoever reads it could enrol as the user.
pub(crate) fn asked(answer: &Answer) -> String {
    let question = match answer.reason {
        Reason::NotEnrolled => texts::of(answer.reason),
        _ => answer.reply_message.as_deref().unwrap_or_default(),
    };
    one_line(&said("asked", question))
}

/// Why the second factor was not asked, for a person: at most [`DETAIL_OCTETS`] octets on one line.
pub(crate) fn primary_only(grant: &PrimaryOnlyGrant) -> String {
    one_line(&format!(
        "not asked: PRIMARY ONLY until {}, granted by {}: {}",
        utc(grant.until_ms),
        grant.by,
        grant.reason
    ))
}

/// A text of others as one line of at most [`DETAIL_OCTETS`] octets.
pub(crate) fn one_line(text: &str) -> String {
    let text = clean(text).replace('\n', " ");
    shorten(&text, DETAIL_OCTETS).trim_end().to_owned()
}

/// The most octets of a detail.
pub const DETAIL_OCTETS: usize = 400;
/// How many devices a detail names.
const SHOWN_DEVICES: usize = 4;
/// The most octets of a device's name in a detail.
const DEVICE_OCTETS: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duo::failure::{Failure, FailureKind};
    use crate::duo::message::{AuthStatus, PushNumber, Txid};
    use crate::primary::{Acceptance, PrimaryFailure, Rejection};

    fn decided(result: AuthResult, status_msg: &str) -> Decision {
        Decision {
            result,
            status: AuthStatus::Other,
            status_msg: status_msg.to_owned(),
        }
    }

    #[test]
    fn a_question_is_shown_and_the_link_that_enrols_is_not() {
        let asked = |reason, text: &str| {
            asked(&Answer {
                reply_message: Some(text.to_owned()),
                ..Answer::reject(reason)
            })
        };
        let shown = asked(Reason::Prompted, "Codes sent.\nEnter passcode:");
        assert_eq!(shown, "asked: Codes sent. Enter passcode:");
        let shown = asked(Reason::NotEnrolled, "Enroll: https://enroll.example/token");
        assert_eq!(shown, format!("asked: {}", texts::of(Reason::NotEnrolled)));
        assert_eq!(asked(Reason::PrimaryChallenge, ""), "asked");
        assert_eq!(
            asked(Reason::Prompted, &"x".repeat(900)).len(),
            DETAIL_OCTETS
        );
    }

    #[test]
    fn a_login_that_passes_on_the_primary_says_until_when_and_by_whom() {
        let mut grant = PrimaryOnlyGrant {
            integration: None,
            until_ms: 1_763_822_487_000,
            reason: "the service is down".to_owned(),
            by: "root".to_owned(),
        };
        assert_eq!(
            primary_only(&grant),
            "not asked: PRIMARY ONLY until 2025-11-22T14:41:27Z, granted by root: the service is down"
        );
        grant.reason = "x".repeat(500);
        assert_eq!(primary_only(&grant).len(), DETAIL_OCTETS);
    }

    #[test]
    fn each_event_reads_as_a_short_sentence() {
        let phone = Device {
            id: "DP1".to_owned(),
            display_name: "Marx iPhone 13 (XXX-XXX-4788)".to_owned(),
            capabilities: Capabilities {
                auto: true,
                push: true,
                phone: false,
                sms: true,
            },
            number: None,
            sms_next_code: None,
        };
        let token = Device {
            display_name: "0".to_owned(),
            ..Device::default()
        };
        let status_msg = "Account is active".to_owned();
        let table = [
            (Event::Begin, "begins"),
            (Event::TimedOut, "no answer in time"),
            (
                Event::Primary(Ok(Verdict::Accepted(Acceptance {
                    detail: "bound as uid=alice at ldap1:636".to_owned(),
                    attributes: Vec::new(),
                }))),
                "accepted: bound as uid=alice at ldap1:636",
            ),
            (
                Event::Primary(Ok(Verdict::Rejected(Rejection {
                    message: Some("not shown".to_owned()),
                    ..Rejection::new(Reason::WrongPassword, "by 192.0.2.1:1812")
                }))),
                "rejected (wrong_password): by 192.0.2.1:1812",
            ),
            (
                Event::Primary(Err(PrimaryFailure {
                    kind: PrimaryFailureKind::Unavailable,
                    detail: "ldap1:636 refused the connection".to_owned(),
                })),
                "no answer: ldap1:636 refused the connection",
            ),
            (
                Event::Primary(Err(PrimaryFailure {
                    kind: PrimaryFailureKind::Misconfigured,
                    detail: "ldap1:636: service account refused".to_owned(),
                })),
                "not checked: ldap1:636: service account refused",
            ),
            (
                Event::Preauth(Ok(Preauth::Auth {
                    status_msg: status_msg.clone(),
                    devices: vec![phone.clone(), token],
                    number: None,
                })),
                "auth: Marx iPhone 13 (XXX-XXX-4788) (push, sms); 0 (passcodes only)",
            ),
            (
                Event::Preauth(Ok(Preauth::Auth {
                    status_msg: status_msg.clone(),
                    devices: vec![phone],
                    number: Some(PushNumber {
                        txid: Txid("t".to_owned()),
                        code: "481".to_owned(),
                    }),
                })),
                "auth: Marx iPhone 13 (XXX-XXX-4788) (push, sms); a push needs the number shown",
            ),
            (
                Event::Preauth(Ok(Preauth::Auth {
                    status_msg: status_msg.clone(),
                    devices: Vec::new(),
                    number: None,
                })),
                "auth: no devices",
            ),
            (
                Event::Preauth(Ok(Preauth::Allow {
                    status_msg: status_msg.clone(),
                })),
                "allow: Account is active",
            ),
            (
                Event::Preauth(Ok(Preauth::Deny {
                    status_msg: "locked\r\nout".to_owned(),
                })),
                "deny: locked  out",
            ),
            (
                Event::Preauth(Ok(Preauth::Enroll {
                    status_msg,
                    portal_url: Some("https://api.example.com/portal?code=1".to_owned()),
                })),
                "enroll",
            ),
            (
                Event::Auth(Ok(AuthReply::Started(Txid("0b1c".to_owned())))),
                "started",
            ),
            (
                Event::Auth(Ok(AuthReply::Decided(decided(AuthResult::Deny, "No")))),
                "deny: No",
            ),
            (
                Event::Poll(Ok(decided(AuthResult::Waiting, "Pushed"))),
                "waiting: Pushed",
            ),
            (Event::Poll(Ok(decided(AuthResult::Allow, " "))), "allow"),
            (
                Event::Poll(Err(Failure {
                    kind: FailureKind::Server,
                    detail: "status 502".to_owned(),
                })),
                "failed: status 502",
            ),
        ];
        let words = [
            "begins",
            "timed_out",
            "accepted",
            "rejected",
            "unavailable",
            "misconfigured",
            "auth",
            "auth",
            "auth",
            "allow",
            "deny",
            "enroll",
            "started",
            "deny",
            "waiting",
            "allow",
            "server_error",
        ];
        assert_eq!(table.len(), words.len());
        for ((event, want), word) in table.into_iter().zip(words) {
            assert_eq!(detail(&event), want, "{event:?}");
            assert_eq!(result(&event), word, "{event:?}");
        }
    }

    #[test]
    fn details_are_bounded_whatever_others_say() {
        let long = "ä".repeat(100_000);
        let many = vec![
            Device {
                display_name: long.clone(),
                ..Device::default()
            };
            1_000
        ];
        let events = [
            Event::Poll(Ok(decided(AuthResult::Waiting, &long))),
            Event::Preauth(Ok(Preauth::Auth {
                status_msg: long.clone(),
                devices: many,
                number: None,
            })),
        ];
        for event in events {
            let text = detail(&event);
            assert!(text.len() <= DETAIL_OCTETS, "{}", text.len());
            assert!(text.len() > DETAIL_OCTETS / 2, "{text}");
        }
    }
}
