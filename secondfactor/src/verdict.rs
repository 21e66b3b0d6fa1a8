//! How an authentication stands or ended, and the words of the Auth API for it. Pure.

use serde::{Deserialize, Serialize};

/// How an authentication ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Approved, or a good passcode.
    Allow,
    /// The user needs no second factor.
    Bypass,
    /// The person said no.
    Deny,
    /// The passcode is none of the user's.
    WrongPasscode,
    /// The passcode was good once.
    UsedPasscode,
    /// The person reported a fraud.
    Fraud,
    /// Nobody answered.
    Timeout,
    /// Too many wrong passcodes.
    LockedOut,
    /// The user was disabled or removed.
    Disabled,
    /// Passcodes were sent; the person tries again with one.
    SmsSent,
}

impl Verdict {
    /// `result`, `status` and `status_msg`.
    pub(crate) const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Allow => ("allow", "allow", "Success. Logging you in..."),
            Self::Bypass => ("allow", "bypass", "No second factor is asked of you."),
            Self::Deny => ("deny", "deny", "Login request denied."),
            Self::WrongPasscode => ("deny", "deny", "Invalid passcode, please try again."),
            Self::UsedPasscode => (
                "deny",
                "fraud",
                "This passcode has already been used. Please generate a new passcode and try again.",
            ),
            Self::Fraud => ("deny", "fraud", "Login request reported as fraudulent."),
            Self::Timeout => ("deny", "timeout", "Authentication timed out."),
            Self::LockedOut => ("deny", "locked_out", LOCKED_OUT),
            Self::Disabled => ("deny", "deny", DISABLED),
            Self::SmsSent => ("deny", "sent", "New SMS passcodes sent."),
        }
    }
}

/// How a person was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Asked {
    /// On the approval page.
    Push,
    /// By a call.
    Phone,
}

impl Asked {
    /// `status` while it waits.
    pub(crate) const fn status(self) -> &'static str {
        match self {
            Self::Push => "pushed",
            Self::Phone => "calling",
        }
    }

    /// `status_msg` while it waits.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Push => "Pushed a login request to your device...",
            Self::Phone => "Dialing your phone...",
        }
    }
}

pub(crate) const LOCKED_OUT: &str =
    "Your account is locked after too many failed attempts. Please contact your administrator.";
pub(crate) const DISABLED: &str = "Your account is disabled. Please contact your administrator.";
