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
    /// Too many passcodes in a short time: this one was not looked at.
    TooManyPasscodes,
    /// Nobody answered.
    Timeout,
    /// Too many wrong passcodes.
    LockedOut,
    /// The user was disabled or removed.
    Disabled,
    /// Passcodes were sent; the person tries again with one.
    SmsSent,
    /// Passcodes were made, and nothing sends them; an administrator tells them.
    SmsRecorded,
    /// The policy does not allow that factor.
    FactorRefused,
    /// The policy allows nothing that the user has.
    NothingAllowed,
    /// A push must show a number after so many, and this login cannot.
    TooManyPushes,
    /// A push must show a number, and this login cannot.
    NumberNeeded,
    /// The number that the login showed is too old.
    NumberOver,
    /// A passcode was sent by e-mail; the person tries again with it.
    MailSent,
    /// A passcode could not be sent.
    NotSent,
    /// The person could not be called.
    NotReached,
    /// The person was sent or called too often.
    TooManyMessages,
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
            // Not an error of the API: a caller must not fall back on its fail mode.
            Self::TooManyPasscodes => (
                "deny",
                "deny",
                "Too many passcodes in a short time. Wait a few seconds and try again.",
            ),
            Self::Fraud => ("deny", "fraud", "Login request reported as fraudulent."),
            Self::Timeout => ("deny", "timeout", "Authentication timed out."),
            Self::LockedOut => ("deny", "locked_out", LOCKED_OUT),
            Self::Disabled => ("deny", "deny", DISABLED),
            Self::SmsSent => ("deny", "sent", "New SMS passcodes sent."),
            Self::SmsRecorded => (
                "deny",
                "sent",
                "New passcodes are ready. Your administrator can tell you one.",
            ),
            Self::FactorRefused => (
                "deny",
                "deny",
                "You may not use this here. Choose another way.",
            ),
            Self::NothingAllowed => (
                "deny",
                "deny",
                "Nothing that you have set up may be used here. Ask your administrator.",
            ),
            Self::TooManyPushes => ("deny", "deny", "Too many login requests. Use a passcode."),
            Self::NumberNeeded => (
                "deny",
                "deny",
                "This login cannot show a number; use a passcode.",
            ),
            Self::NumberOver => ("deny", "deny", "That number is too old. Log in again."),
            Self::MailSent => ("deny", "sent", "A passcode was sent by e-mail."),
            Self::NotSent => (
                "deny",
                "deny",
                "The passcode could not be sent. Please use another way to log in.",
            ),
            Self::NotReached => (
                "deny",
                "deny",
                "Your phone could not be called. Please use another way to log in.",
            ),
            Self::TooManyMessages => (
                "deny",
                "deny",
                "Too many messages were sent to you. Please wait ten minutes.",
            ),
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
