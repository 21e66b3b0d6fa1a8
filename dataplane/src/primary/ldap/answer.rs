//! What a directory's result codes mean (RFC 4511 appendix A). Pure.

use proto::event::Reason;

use super::Fault;
use super::message::Outcome;
use super::ntlm::{Layer, NtlmError};

/// What came of a user's bind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// The password is right.
    Accepted,
    /// The directory refused, for this reason and in these words.
    Rejected(Reason, String),
}

/// How a bind was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    Plain,
    Ntlm(Layer),
}

/// The answer to NEGOTIATE.
pub(super) fn ntlm_begun(outcome: &Outcome, _layer: Layer) -> Result<(), Fault> {
    match outcome.code {
        14 => Ok(()),
        code => Err(Fault::Misconfigured(describe(
            code,
            &diagnostic(&outcome.text),
        ))),
    }
}

pub(super) fn ntlm(error: &NtlmError) -> Fault {
    match error {
        NtlmError::Forged => Fault::Lost("a sealed message is not genuine"),
        other => Fault::Misconfigured(other.to_string()),
    }
}

/// Reads the answer to a user's bind.
pub(super) fn user_bind(outcome: &Outcome, _tried: Tried) -> Result<Bound, Fault> {
    let (code, text) = (outcome.code, outcome.text.as_str());
    let said = diagnostic(text);
    let reason = match code {
        SUCCESS => return Ok(Bound::Accepted),
        INVALID_CREDENTIALS => match active_directory_code(text) {
            Some(code) => account_state(code).unwrap_or(Reason::WrongPassword),
            None => Reason::WrongPassword,
        },
        NO_SUCH_OBJECT => Reason::UnknownUser,
        STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED => return Err(needs_tls()),
        code if passing(code) => return Err(Fault::Unwilling(describe(code, &said))),
        // 389 Directory Server says so only in words: a locked account is a constraint violation
        // and a deactivated one unwilling to perform.
        CONSTRAINT_VIOLATION if said.contains("retry limit") => Reason::AccountLocked,
        UNWILLING if said.contains("inactivated") => Reason::AccountDisabled,
        _ => Reason::PrimaryRejected,
    };
    Ok(Bound::Rejected(reason, describe(code, &said)))
}

/// Reads the answer to the service account's bind.
pub(super) fn service_bind(outcome: &Outcome, _tried: Tried, name: &str) -> Result<(), Fault> {
    let (code, text) = (outcome.code, outcome.text.as_str());
    let said = diagnostic(text);
    Err(match code {
        SUCCESS => return Ok(()),
        STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED => needs_tls(),
        code if passing(code) => Fault::Unwilling(describe(code, &said)),
        code => {
            let why = active_directory_code(text)
                .and_then(account_state)
                .map_or_else(|| describe(code, &said), |reason| reason.to_string());
            Fault::Misconfigured(format!(
                "service account refused as '{name}' ({why}); check service_account_username, \
                 bind_dn and service_account_password"
            ))
        }
    })
}

/// Reads the answer that ends a search. `what` names the option that the base came from.
pub(super) fn search_end(outcome: &Outcome, what: &str, base: &str) -> Result<(), Fault> {
    let (code, text) = (outcome.code, outcome.text.as_str());
    let said = diagnostic(text);
    Err(match code {
        SUCCESS | SIZE_LIMIT_EXCEEDED => return Ok(()),
        NO_SUCH_OBJECT => Fault::Misconfigured(format!(
            "{what} '{base}' does not exist, or the service account may not read it"
        )),
        INVALID_DN_SYNTAX => Fault::Misconfigured(format!("{what} '{base}' is no DN")),
        REFERRAL => Fault::Misconfigured(format!(
            "{what} '{base}' is held by another directory, which this one refers to"
        )),
        STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED => needs_tls(),
        code if passing(code) => Fault::Unwilling(describe(code, &said)),
        code => Fault::Misconfigured(format!(
            "the search under {what} '{base}' was refused: {}",
            describe(code, &said)
        )),
    })
}

/// Reads the answer to StartTLS, which was no success.
pub(super) fn starttls(outcome: &Outcome) -> Fault {
    let (code, text) = (outcome.code, outcome.text.as_str());
    let said = diagnostic(text);
    if passing(code) && code != OTHER {
        return Fault::Unwilling(describe(code, &said));
    }
    Fault::Misconfigured(format!(
        "the directory refused StartTLS ({}); set transport to ldaps, or give the directory a \
         certificate",
        describe(code, &said)
    ))
}

/// Codes by which a host says that it cannot serve at the moment: another may.
const fn passing(code: u32) -> bool {
    matches!(
        code,
        TIME_LIMIT_EXCEEDED | ADMIN_LIMIT_EXCEEDED | BUSY | UNAVAILABLE | OTHER
    )
}

fn needs_tls() -> Fault {
    Fault::Misconfigured(
        "the directory takes no password over this transport; set transport to starttls or ldaps"
            .to_owned(),
    )
}

fn describe(code: u32, said: &str) -> String {
    if said.is_empty() {
        format!("result {code}")
    } else {
        format!("result {code}: {said}")
    }
}

/// The sub-code in Active Directory's diagnostic: `… AcceptSecurityContext error, data 52e, v…`.
fn active_directory_code(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once(", data ")?;
    let code: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    u32::from_str_radix(&code, 16).ok()
}

/// What Active Directory's sub-code says of the account (Win32 logon errors, in hexadecimal).
const fn account_state(code: u32) -> Option<Reason> {
    Some(match code {
        0x525 => Reason::UnknownUser,
        0x52e => Reason::WrongPassword,
        0x532 => Reason::PasswordExpired,
        0x773 => Reason::PasswordMustChange,
        0x533 => Reason::AccountDisabled,
        0x701 => Reason::AccountExpired,
        0x775 => Reason::AccountLocked,
        // Not at this hour, not from this workstation.
        0x530 | 0x531 => Reason::NotPermitted,
        _ => return None,
    })
}

/// A directory's words, for a timeline: one line, no control characters, cut.
pub(super) fn diagnostic(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(DIAGNOSTIC_CHARACTERS)
        .collect::<String>()
        .trim()
        .to_owned()
}

const DIAGNOSTIC_CHARACTERS: usize = 200;

const SUCCESS: u32 = 0;
const TIME_LIMIT_EXCEEDED: u32 = 3;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const STRONGER_AUTH_REQUIRED: u32 = 8;
const REFERRAL: u32 = 10;
const ADMIN_LIMIT_EXCEEDED: u32 = 11;
const CONFIDENTIALITY_REQUIRED: u32 = 13;
const CONSTRAINT_VIOLATION: u32 = 19;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_DN_SYNTAX: u32 = 34;
const INVALID_CREDENTIALS: u32 = 49;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;
const UNWILLING: u32 = 53;
const OTHER: u32 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_bind_says_why() {
        let ad = |data: &str| {
            format!(
                "80090308: LdapErr: DSID-0C090446, comment: AcceptSecurityContext error, data {data}, v2580\0"
            )
        };
        for (name, rc, text, want) in [
            ("plain", 49, String::new(), Reason::WrongPassword),
            ("wrong", 49, ad("52e"), Reason::WrongPassword),
            ("unknown", 49, ad("525"), Reason::UnknownUser),
            ("disabled", 49, ad("533"), Reason::AccountDisabled),
            ("expired", 49, ad("701"), Reason::AccountExpired),
            ("password expired", 49, ad("532"), Reason::PasswordExpired),
            ("must change", 49, ad("773"), Reason::PasswordMustChange),
            ("locked", 49, ad("775"), Reason::AccountLocked),
            ("another code", 49, ad("999"), Reason::WrongPassword),
            (
                "not hexadecimal",
                49,
                ", data xyz".to_owned(),
                Reason::WrongPassword,
            ),
            ("gone", 32, String::new(), Reason::UnknownUser),
            (
                "unwilling",
                53,
                "no, thanks".to_owned(),
                Reason::PrimaryRejected,
            ),
            (
                "deactivated",
                53,
                "Account inactivated. Contact system administrator.".to_owned(),
                Reason::AccountDisabled,
            ),
            (
                "too many tries",
                19,
                "Exceed password retry limit.".to_owned(),
                Reason::AccountLocked,
            ),
            ("no access", 50, String::new(), Reason::PrimaryRejected),
        ] {
            let Ok(Bound::Rejected(reason, _)) = user_bind(
                &Outcome {
                    code: rc,
                    text: text.clone(),
                },
                Tried::Plain,
            ) else {
                panic!("{name} is a rejection");
            };
            assert_eq!(reason, want, "{name}");
        }
        assert_eq!(
            user_bind(
                &Outcome {
                    code: 0,
                    text: String::new()
                },
                Tried::Plain
            )
            .unwrap(),
            Bound::Accepted
        );
    }

    #[test]
    fn a_host_that_cannot_serve_is_no_rejection() {
        for code in [3, 11, 51, 52, 80] {
            assert!(
                matches!(
                    user_bind(
                        &Outcome {
                            code,
                            text: String::new()
                        },
                        Tried::Plain
                    ),
                    Err(Fault::Unwilling(_))
                ),
                "{code}"
            );
        }
        for code in [8, 13] {
            let fault = user_bind(
                &Outcome {
                    code,
                    text: String::new(),
                },
                Tried::Plain,
            )
            .unwrap_err();
            assert!(fault.to_string().contains("starttls or ldaps"), "{code}");
        }
    }

    #[test]
    fn what_a_directory_says_is_one_short_line() {
        let long = format!("a\r\nb\0{}", "x".repeat(1000));
        let shown = diagnostic(&long);
        assert!(shown.starts_with("abxx") && shown.chars().count() == DIAGNOSTIC_CHARACTERS);
    }
}
