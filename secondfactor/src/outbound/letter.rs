//! What people read: the words of every message, and how long they are good. Pure.

use std::time::Duration;

/// What is told to a person.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    /// To set up a device at an address.
    Invitation {
        url: &'a str,
        /// Milliseconds since 1970, UTC.
        until_ms: u64,
    },
    /// That something changed about the person's devices, as a sentence.
    Changed(&'a str),
    /// A code that confirms a number or an address.
    Confirm(&'a str),
    /// A passcode.
    Passcode(&'a str),
    /// That it works.
    Test,
}

impl Message<'_> {
    /// How long it is good for, from a time in milliseconds since 1970; none for what stays true.
    pub(crate) fn life(self, now_ms: u64) -> Option<Duration> {
        match self {
            Self::Invitation { until_ms, .. } => {
                Some(Duration::from_millis(until_ms.saturating_sub(now_ms)))
            }
            Self::Confirm(_) | Self::Passcode(_) => {
                Some(Duration::from_secs(PASSCODE_MINUTES * 60))
            }
            Self::Changed(_) | Self::Test => None,
        }
    }

    /// The subject and the text of an e-mail to a user.
    pub(crate) fn letter(self, user: &str, now_ms: u64) -> (String, String) {
        let subject = match self {
            Self::Invitation { .. } => "Set up your second factor",
            Self::Changed(_) => "Your second factor was changed",
            Self::Confirm(_) => "Confirm this address",
            Self::Passcode(_) => "Your passcode",
            Self::Test => "A test",
        };
        let text = match self {
            Self::Invitation { url, until_ms } => format!(
                "Hello {user},\n\n\
                 from now on your logins need a second factor. Open this address on your phone or your \
                 computer and follow the steps:\n\n{url}\n\n\
                 The address is yours alone, works once, and is good for {}.\n",
                span(until_ms.saturating_sub(now_ms))
            ),
            Self::Changed(what) => format!(
                "Hello {user},\n\n{what}\n\n\
                 If it was not you, tell your administrator at once.\n"
            ),
            Self::Confirm(code) => format!(
                "Hello {user},\n\nthis address is to get passcodes for your logins. The code that confirms \
                 it is\n\n    {code}\n\n\
                 It works for {PASSCODE_MINUTES} minutes. Type it on the page that asked for it, and tell \
                 nobody. If you did not ask for it, somebody else did under this name: tell your \
                 administrator.\n"
            ),
            Self::Passcode(code) => format!(
                "Hello {user},\n\nyour passcode is\n\n    {code}\n\n\
                 It works once, for {PASSCODE_MINUTES} minutes. Nobody will ask you for it: type it \
                 where you log in. If you do not log in now, somebody else knows your password: tell \
                 your administrator.\n"
            ),
            Self::Test => {
                format!("Hello,\n\nthis is a test: e-mail from Countersign reaches {user}.\n")
            }
        };
        (format!("{subject} (Countersign)"), text)
    }

    /// The text of an SMS, of one part where it can be.
    pub(crate) fn short(self) -> String {
        match self {
            Self::Confirm(code) => format!(
                "{code} confirms this number for passcodes, for {PASSCODE_MINUTES} minutes. Type it on \
                 the page that asked for it; tell nobody."
            ),
            Self::Passcode(code) => format!(
                "{code} is your passcode, good for {PASSCODE_MINUTES} minutes. Type it where you log \
                 in; tell nobody."
            ),
            Self::Invitation { url, .. } => format!("Set up your second factor: {url}"),
            Self::Changed(what) => format!("{what} If it was not you, tell your administrator."),
            Self::Test => "This is a test: SMS from Countersign reach you.".to_owned(),
        }
    }
}

/// What a call says of a login to an application.
pub(crate) fn spoken(application: &str) -> String {
    let application: String = application.chars().take(SPOKEN_CHARACTERS).collect();
    format!(
        "Somebody logs in to {application} with your name and password. If it is you, press the \
         pound key. If it is not, press 9 to report it."
    )
}

/// What a test call says.
pub(crate) const SPOKEN_TEST: &str = "This is a test: calls from Countersign reach you.";

/// A number as gateways want it: digits, and `+` before them if it was there.
pub(crate) fn dialled(number: &str) -> String {
    let plus = number.trim_start().starts_with('+');
    let digits = number.chars().filter(char::is_ascii_digit);
    plus.then_some('+').into_iter().chain(digits).collect()
}

fn span(ms: u64) -> String {
    let minutes = ms.div_ceil(60_000);
    match minutes {
        0..=1 => "a minute".to_owned(),
        2..=119 => format!("{minutes} minutes"),
        120..=2_879 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

/// How long a passcode that was sent is good.
pub(crate) const PASSCODE_MINUTES: u64 = 10;
const SPOKEN_CHARACTERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_links_are_good_for_as_long_as_they_say() {
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        let invitation = |until_ms| Message::Invitation { url: "x", until_ms };
        for (name, message, want) in [
            ("passcode", Message::Passcode("1"), minutes(10)),
            ("code", Message::Confirm("1"), minutes(10)),
            ("invitation", invitation(61_000), minutes(1)),
            ("invitation that is over", invitation(1), minutes(0)),
            ("change", Message::Changed("x"), None),
            ("test", Message::Test, None),
        ] {
            assert_eq!(message.life(1_000), want, "{name}");
        }
    }

    #[test]
    fn a_passcode_fits_one_sms_and_stands_in_no_subject() {
        for message in [Message::Passcode("1234567"), Message::Confirm("1234567")] {
            let short = message.short();
            assert!(short.is_ascii() && short.len() <= 160, "{short}");
            assert!(short.starts_with("1234567 "), "{short}");
            let (subject, text) = message.letter("alice", 0);
            assert!(!subject.contains("1234567"), "{subject}");
            assert!(text.contains("\n    1234567\n"), "{text}");
        }
    }

    #[test]
    fn an_invitation_says_how_long_it_is_good() {
        for (ms, want) in [
            (0, "a minute"),
            (300_000, "5 minutes"),
            (7_200_000, "2 hours"),
            (86_400_000, "24 hours"),
            (604_800_000, "7 days"),
        ] {
            let message = Message::Invitation {
                url: "https://gate/e/X",
                until_ms: 1_000 + ms,
            };
            let (_, text) = message.letter("alice", 1_000);
            assert!(text.contains(&format!("is good for {want}.")), "{text}");
            assert!(text.contains("\nhttps://gate/e/X\n"), "{text}");
        }
    }

    #[test]
    fn numbers_are_dialled_without_decoration() {
        for (number, want) in [
            ("+1 (734) 555-4788", "+17345554788"),
            ("0734.555.4788", "07345554788"),
            (" +49 30 1", "+49301"),
            ("", ""),
            ("1+2", "12"),
        ] {
            assert_eq!(dialled(number), want, "{number}");
        }
    }
}
