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

/// How a password was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// By a simple bind.
    Plain,
    /// By NTLM, with this layer of its own.
    Ntlm(Layer),
}

/// Reads the answer to a user's simple bind, or to the last message of NTLM.
pub(super) fn user_bind(outcome: &Outcome, tried: Tried) -> Result<Bound, Fault> {
    if outcome.code == SUCCESS {
        return Ok(Bound::Accepted);
    }
    if let Some(fault) = fault_of_bind(outcome, tried) {
        return Err(fault);
    }
    let said = diagnostic(&outcome.text);
    let reason = match outcome.code {
        INVALID_CREDENTIALS => sub_code(&outcome.text)
            .and_then(account_state)
            .unwrap_or(Reason::WrongPassword),
        NO_SUCH_OBJECT => Reason::UnknownUser,
        // 389 Directory Server says so only in words: a locked account is a constraint violation
        // and a deactivated one unwilling to perform.
        CONSTRAINT_VIOLATION if said.contains("retry limit") => Reason::AccountLocked,
        UNWILLING if said.contains("inactivated") => Reason::AccountDisabled,
        _ => Reason::PrimaryRejected,
    };
    Ok(Bound::Rejected(reason, describe(outcome)))
}

/// Reads the answer to the service account's bind.
pub(super) fn service_bind(outcome: &Outcome, tried: Tried, name: &str) -> Result<(), Fault> {
    if outcome.code == SUCCESS {
        return Ok(());
    }
    if let Some(fault) = fault_of_bind(outcome, tried) {
        return Err(fault);
    }
    let state = sub_code(&outcome.text).and_then(account_state);
    let why = state.map_or_else(|| describe(outcome), |reason| reason.to_string());
    let (way, option, more) = match (tried, state) {
        (Tried::Plain, _) => ("by simple bind", "bind_dn", ""),
        (Tried::Ntlm(_), Some(_)) => ("by NTLM", "ntlm_domain", ""),
        // Others that offer NTLM mostly have no accounts for it.
        (Tried::Ntlm(_), None) => (
            "by NTLM",
            "ntlm_domain",
            "; if it is no Active Directory, write auth_type=plain",
        ),
    };
    Err(Fault::Misconfigured(format!(
        "service account refused {way} as '{name}' ({why}); check service_account_username, \
         {option} and service_account_password{more}"
    )))
}

/// Reads the answer to the first message of NTLM. There is nothing yet that a directory could accept
/// or refuse a login for.
pub(super) fn ntlm_begun(outcome: &Outcome, layer: Layer) -> Result<(), Fault> {
    Err(match outcome.code {
        SASL_BIND_IN_PROGRESS => return Ok(()),
        SUCCESS => Fault::Lost("it let a login in before a password was shown"),
        STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED => needs_other(Tried::Ntlm(layer)),
        code if passing(code) => Fault::Unwilling(describe(outcome)),
        _ => no_ntlm(outcome, layer),
    })
}

/// What stopped NTLM at our end.
pub(super) fn ntlm_fault(error: &NtlmError) -> Fault {
    match error {
        NtlmError::Malformed(_) => Fault::Lost("it answers NTLM with something else"),
        NtlmError::Weak(_) => Fault::Misconfigured(format!(
            "{error}; write auth_type=plain with transport=ldaps, or switch that on there"
        )),
        NtlmError::Forged => {
            Fault::Lost("its sealed answer is not genuine: does something in between change it?")
        }
        NtlmError::Anonymous | NtlmError::TooLong(_) => Fault::Internal(error.to_string()),
    }
}

/// What a bind's answer says of the settings or the host, and not of the account.
fn fault_of_bind(outcome: &Outcome, tried: Tried) -> Option<Fault> {
    let sub_code = match outcome.code {
        INVALID_CREDENTIALS => sub_code(&outcome.text),
        _ => None,
    };
    Some(match (outcome.code, tried) {
        (STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED, _) => needs_other(tried),
        (code, _) if passing(code) => Fault::Unwilling(describe(outcome)),
        (AUTH_METHOD_NOT_SUPPORTED, Tried::Plain) => Fault::Misconfigured(format!(
            "the directory takes no simple bind ({}); write auth_type=ntlm2",
            describe(outcome)
        )),
        (AUTH_METHOD_NOT_SUPPORTED, Tried::Ntlm(layer)) => no_ntlm(outcome, layer),
        (INVALID_CREDENTIALS, _) if sub_code == Some(BAD_BINDINGS) => Fault::Misconfigured(
            "the directory sees another TLS connection than this gateway: something in \
                 between ends TLS; set host to the directory itself"
                .to_owned(),
        ),
        (INVALID_CREDENTIALS, Tried::Ntlm(layer))
            if sub_code.is_some_and(|code| NTLM_BLOCKED.contains(&code)) =>
        {
            no_ntlm(outcome, layer)
        }
        (INVALID_CREDENTIALS, Tried::Ntlm(_)) if sub_code == Some(INVALID_PARAMETER) => {
            Fault::Internal(format!(
                "the directory cannot read our NTLM: {}",
                describe(outcome)
            ))
        }
        (UNWILLING, Tried::Ntlm(_)) => Fault::Misconfigured(format!(
            "the directory is unwilling to take NTLM over this transport ({}); set another \
             transport, or write auth_type=plain with transport=ldaps",
            describe(outcome)
        )),
        (SASL_BIND_IN_PROGRESS, _) => Fault::Lost("it asks for one more step of a login"),
        _ => return None,
    })
}

/// Reads the answer that ends a search. `what` names the option that the base came from.
pub(super) fn search_end(outcome: &Outcome, what: &str, base: &str) -> Result<(), Fault> {
    Err(match outcome.code {
        SUCCESS | SIZE_LIMIT_EXCEEDED => return Ok(()),
        NO_SUCH_OBJECT => Fault::Misconfigured(format!(
            "{what} '{base}' does not exist, or the service account may not read it"
        )),
        INVALID_DN_SYNTAX => Fault::Misconfigured(format!("{what} '{base}' is no DN")),
        REFERRAL => Fault::Misconfigured(format!(
            "{what} '{base}' is held by another directory, which this one refers to"
        )),
        STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED => needs_other(Tried::Plain),
        code if passing(code) => Fault::Unwilling(describe(outcome)),
        _ => Fault::Misconfigured(format!(
            "the search under {what} '{base}' was refused: {}",
            describe(outcome)
        )),
    })
}

/// Reads the answer that ends a search whose refusal means no more than that nothing is found.
pub(super) fn serves(outcome: &Outcome) -> Result<(), Fault> {
    if passing(outcome.code) {
        return Err(Fault::Unwilling(describe(outcome)));
    }
    Ok(())
}

/// Reads the answer to StartTLS, which was no success.
pub(super) fn starttls(outcome: &Outcome) -> Fault {
    if passing(outcome.code) && outcome.code != OTHER {
        return Fault::Unwilling(describe(outcome));
    }
    Fault::Misconfigured(format!(
        "the directory refused StartTLS ({}); set transport to ldaps, or give the directory a \
         certificate",
        describe(outcome)
    ))
}

/// Codes by which a host says that it cannot serve at the moment: another may.
const fn passing(code: u32) -> bool {
    matches!(
        code,
        TIME_LIMIT_EXCEEDED | ADMIN_LIMIT_EXCEEDED | BUSY | UNAVAILABLE | OTHER
    )
}

/// The directory takes a password in another way only.
fn needs_other(tried: Tried) -> Fault {
    let text = match tried {
        Tried::Plain => {
            "the directory takes no password over this transport; set transport to starttls or \
             ldaps"
        }
        Tried::Ntlm(Layer::Seal) => {
            "the directory takes no NTLM without TLS; set transport to ldaps (or starttls)"
        }
        // Said to a right password, and only then.
        Tried::Ntlm(Layer::None) => {
            "the directory takes no NTLM over LDAPS or StartTLS; write auth_type=plain, or \
             transport=clear, where NTLM itself seals what is sent, or let the directory take it \
             (Samba: ldap server require strong auth = allow_sasl_over_tls)"
        }
    };
    Fault::Misconfigured(text.to_owned())
}

fn no_ntlm(outcome: &Outcome, layer: Layer) -> Fault {
    let remedy = match layer {
        Layer::None => "auth_type=plain",
        Layer::Seal => "auth_type=plain with transport=ldaps (or starttls)",
    };
    Fault::Misconfigured(format!(
        "the directory knows no NTLM ({}); write {remedy}",
        describe(outcome)
    ))
}

fn describe(outcome: &Outcome) -> String {
    let (code, said) = (outcome.code, diagnostic(&outcome.text));
    if said.is_empty() {
        format!("result {code}")
    } else {
        format!("result {code}: {said}")
    }
}

/// What Active Directory adds to a refusal: `… AcceptSecurityContext error, data 52e, v…`, or what
/// Samba writes in its place where it adds none: `NT_STATUS_LOGON_FAILURE`.
fn sub_code(text: &str) -> Option<u32> {
    if let Some((_, rest)) = text.split_once(", data ") {
        let code: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        return u32::from_str_radix(&code, 16).ok();
    }
    let (_, rest) = text.split_once("NT_STATUS_")?;
    let end = rest
        .find(|c: char| !c.is_ascii_uppercase() && c != '_')
        .unwrap_or(rest.len());
    let name = rest.get(..end)?;
    let (_, code) = STATUS.iter().find(|(known, _)| *known == name)?;
    Some(*code)
}

/// What a sub-code says of the account (Win32 logon errors, in hexadecimal).
const fn account_state(code: u32) -> Option<Reason> {
    Some(match code {
        0x525 => Reason::UnknownUser,
        0x52e => Reason::WrongPassword,
        0x532 => Reason::PasswordExpired,
        0x533 => Reason::AccountDisabled,
        0x701 => Reason::AccountExpired,
        0x773 => Reason::PasswordMustChange,
        0x775 => Reason::AccountLocked,
        // Not in this way, not at this hour, not from this workstation, not over the network.
        0x52f | 0x530 | 0x531 | 0x569 => Reason::NotPermitted,
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
const AUTH_METHOD_NOT_SUPPORTED: u32 = 7;
const STRONGER_AUTH_REQUIRED: u32 = 8;
const REFERRAL: u32 = 10;
const ADMIN_LIMIT_EXCEEDED: u32 = 11;
const CONFIDENTIALITY_REQUIRED: u32 = 13;
const SASL_BIND_IN_PROGRESS: u32 = 14;
const CONSTRAINT_VIOLATION: u32 = 19;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_DN_SYNTAX: u32 = 34;
const INVALID_CREDENTIALS: u32 = 49;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;
const UNWILLING: u32 = 53;
const OTHER: u32 = 80;

/// NT_STATUS_ names of refusals, and the sub-codes that mean the same (MS-ERREF section 2.3.1).
const STATUS: &[(&str, u32)] = &[
    ("NO_SUCH_USER", 0x525),
    ("WRONG_PASSWORD", 0x52e),
    ("LOGON_FAILURE", 0x52e),
    ("ACCOUNT_RESTRICTION", 0x52f),
    ("INVALID_LOGON_HOURS", 0x530),
    ("INVALID_WORKSTATION", 0x531),
    ("PASSWORD_EXPIRED", 0x532),
    ("ACCOUNT_DISABLED", 0x533),
    ("LOGON_TYPE_NOT_GRANTED", 0x569),
    ("ACCOUNT_EXPIRED", 0x701),
    ("PASSWORD_MUST_CHANGE", 0x773),
    ("ACCOUNT_LOCKED_OUT", 0x775),
    ("NTLM_BLOCKED", 0x791),
    ("INVALID_PARAMETER", INVALID_PARAMETER),
];

const INVALID_PARAMETER: u32 = 0x57;
/// As Windows numbers it, and as Samba does.
const NTLM_BLOCKED: [u32; 2] = [0x791, 0x418];
/// SEC_E_BAD_BINDINGS.
const BAD_BINDINGS: u32 = 0x8009_0346;

#[cfg(test)]
mod tests;
