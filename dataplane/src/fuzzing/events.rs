//! What a primary and a second factor may say, made of octets. Octets that have run out say what
//! ends a login soonest.

use proto::event::Reason;
use proto::secret::Secret;

use super::Input;
use crate::duo::failure::{Failure, FailureKind};
use crate::duo::message::{
    AuthReply, AuthResult, AuthStatus, Capabilities, Decision, Device, Preauth, Txid,
};
use crate::flow::Event;
use crate::primary::{
    Acceptance, Asked, PrimaryFailure, PrimaryFailureKind, Question, Rejection, UpstreamAttribute,
    UpstreamValue, Verdict,
};

pub(super) fn primary(input: &mut Input<'_>) -> Event {
    Event::Primary(match input.octet() % 8 {
        4 => Ok(Verdict::Rejected(Rejection {
            message: said(input),
            ..Rejection::new(input.one_of(REJECTED), input.text())
        })),
        5 => Ok(Verdict::Asked(Question {
            asked: Asked {
                host: input.octet(),
                state: said(input).map(String::into_bytes),
            },
            message: said(input),
            attributes: attributes(input),
            detail: input.text(),
        })),
        6 => Err(PrimaryFailure {
            kind: input.one_of(&[
                PrimaryFailureKind::Unavailable,
                PrimaryFailureKind::Misconfigured,
                PrimaryFailureKind::Internal,
            ]),
            detail: input.text(),
        }),
        7 => return Event::TimedOut,
        _ => Ok(Verdict::Accepted(Acceptance {
            detail: input.text(),
            attributes: attributes(input),
        })),
    })
}

pub(super) fn preauth(input: &mut Input<'_>) -> Event {
    Event::Preauth(match input.octet() % 16 {
        11 => Ok(Preauth::Allow {
            status_msg: input.text(),
        }),
        12 => Ok(Preauth::Deny {
            status_msg: input.text(),
        }),
        13 => Ok(Preauth::Enroll {
            status_msg: input.text(),
            portal_url: said(input),
        }),
        14 => Err(failure(input)),
        15 => return Event::TimedOut,
        _ => Ok(Preauth::Auth {
            status_msg: input.text(),
            devices: devices(input),
            number: None,
        }),
    })
}

pub(super) fn auth(input: &mut Input<'_>) -> Event {
    Event::Auth(match input.octet() % 8 {
        4 | 5 => Ok(AuthReply::Started(Txid(input.text()))),
        6 => Err(failure(input)),
        7 => return Event::TimedOut,
        _ => Ok(AuthReply::Decided(decision(input))),
    })
}

pub(super) fn poll(input: &mut Input<'_>) -> Event {
    Event::Poll(match input.octet() % 8 {
        6 => Err(failure(input)),
        7 => return Event::TimedOut,
        _ => Ok(decision(input)),
    })
}

fn decision(input: &mut Input<'_>) -> Decision {
    Decision {
        result: input.one_of(&[AuthResult::Deny, AuthResult::Allow, AuthResult::Waiting]),
        status: input.one_of(&[
            AuthStatus::Other,
            AuthStatus::Bypass,
            AuthStatus::Deny,
            AuthStatus::Timeout,
            AuthStatus::Fraud,
            AuthStatus::LockedOut,
            AuthStatus::Sent,
        ]),
        status_msg: input.text(),
    }
}

fn failure(input: &mut Input<'_>) -> Failure {
    Failure {
        kind: input.one_of(&[
            FailureKind::Connect,
            FailureKind::TimedOut,
            FailureKind::Closed,
            FailureKind::Server,
            FailureKind::RateLimited,
            FailureKind::Credentials,
            FailureKind::BadRequest,
            FailureKind::Refused,
            FailureKind::Unreadable,
            FailureKind::Internal,
        ]),
        detail: input.text(),
    }
}

/// Up to 47, which may have up to 141 options: more than numbers can tell apart.
fn devices(input: &mut Input<'_>) -> Vec<Device> {
    (0..input.octet() % 48)
        .map(|_| {
            let bits = input.octet();
            Device {
                id: input.text(),
                display_name: input.text(),
                capabilities: Capabilities {
                    auto: bits & 1 != 0,
                    push: bits & 2 != 0,
                    phone: bits & 4 != 0,
                    sms: bits & 8 != 0,
                },
                sms_next_code: (bits & 16 != 0).then(|| input.text()),
                number: (bits & 32 != 0).then(|| input.text()),
            }
        })
        .collect()
}

fn attributes(input: &mut Input<'_>) -> Vec<UpstreamAttribute> {
    (0..input.octet() % 4)
        .map(|_| {
            let bits = input.octet();
            let number = input.octet();
            let value = input.text().into_bytes();
            UpstreamAttribute {
                vendor: (bits & 1 != 0).then_some(311),
                number,
                value: match bits >> 1 & 3 {
                    0 | 1 => UpstreamValue::Plain(value),
                    2 => UpstreamValue::Hidden(Secret::new(value)),
                    _ => UpstreamValue::Salted {
                        tag: (bits & 8 != 0).then_some(number),
                        clear: Secret::new(value),
                    },
                },
                always: bits & 16 != 0,
            }
        })
        .collect()
}

fn said(input: &mut Input<'_>) -> Option<String> {
    let text = input.text();
    (!text.is_empty()).then_some(text)
}

/// What primaries reject for.
const REJECTED: &[Reason] = &[
    Reason::WrongPassword,
    Reason::PrimaryRejected,
    Reason::UnknownUser,
    Reason::NotPermitted,
    Reason::AccountLocked,
    Reason::PasswordMustChange,
];
