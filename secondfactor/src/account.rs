//! What the service knows of applications, users and devices. Pure: no SQL, no HTTP.

use std::sync::Arc;

use proto::secret::Secret;

use crate::admin::{
    Capabilities, DeviceKind, NewUserPolicy, Script, UserStatus, UsernameNormalization,
};
use crate::sign::SigningKeys;

/// An application, ready to check signatures.
pub(crate) struct Application {
    pub(crate) ikey: Arc<str>,
    /// Never changes, nor do two have the same.
    pub(crate) name: Arc<str>,
    pub(crate) skey: Secret<String>,
    pub(crate) keys: SigningKeys,
    /// The keys before these; none when they never changed.
    pub(crate) previous: Option<PreviousKeys>,
    pub(crate) rules: NameRules,
}

/// Keys that were an application's own until a moment ago.
pub(crate) struct PreviousKeys {
    pub(crate) ikey: Arc<str>,
    pub(crate) keys: SigningKeys,
    /// Milliseconds since 1970, UTC.
    pub(crate) until_ms: u64,
}

impl Application {
    /// What a signature under an integration key may be made with at a time: the present key, and
    /// the one before it for a while.
    pub(crate) fn keys_of(&self, ikey: &str, now_ms: u64) -> impl Iterator<Item = &SigningKeys> {
        let present = (*self.ikey == *ikey).then_some(&self.keys);
        let previous = self
            .previous
            .as_ref()
            .filter(|previous| *previous.ikey == *ikey && now_ms < previous.until_ms)
            .map(|previous| &previous.keys);
        present.into_iter().chain(previous)
    }
}

/// What an application does with names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameRules {
    pub(crate) new_user_policy: NewUserPolicy,
    pub(crate) username_normalization: UsernameNormalization,
    /// Whether names that no administrator made may enroll.
    pub(crate) open_enrollment: bool,
}

impl NameRules {
    /// Those of a new application.
    pub(crate) const NEW: Self = Self {
        new_user_policy: NewUserPolicy::Enroll,
        username_normalization: UsernameNormalization::Simple,
        open_enrollment: false,
    };
}

/// A user with its devices, as last read.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) name: String,
    /// What it is found by.
    pub(crate) lookup: String,
    pub(crate) status: UserStatus,
    pub(crate) script: Option<Script>,
    pub(crate) failures: u32,
    pub(crate) bypass_codes: u32,
    /// Oldest first.
    pub(crate) devices: Vec<Arc<Device>>,
}

impl Account {
    /// Whether it has anything to answer with.
    pub(crate) fn is_enrolled(&self) -> bool {
        !self.devices.is_empty() || self.bypass_codes > 0
    }
}

/// A device without its secret.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) id: Arc<str>,
    pub(crate) kind: DeviceKind,
    pub(crate) name: String,
    pub(crate) number: String,
    pub(crate) capabilities: Capabilities,
    /// The first digit of the next passcode by SMS; none when there is no such passcode.
    pub(crate) sms_next: Option<String>,
}

impl Device {
    /// The number with all but its last four digits hidden; empty when there is none.
    pub(crate) fn masked_number(&self) -> String {
        let digits: Vec<char> = self.number.chars().filter(char::is_ascii_digit).collect();
        if digits.is_empty() {
            return String::new();
        }
        let shown: String = digits.iter().skip(digits.len().saturating_sub(4)).collect();
        format!("XXX-XXX-{shown}")
    }

    /// What a person knows it by: its name, its number, or both.
    pub(crate) fn display_name(&self) -> String {
        let name = if self.name.is_empty() {
            "Phone"
        } else {
            &self.name
        };
        match self.masked_number() {
            number if number.is_empty() => name.to_owned(),
            number => format!("{name} ({number})"),
        }
    }
}

/// What a user is found by: the name in lower case, after what the application asks for, without
/// blanks around it and with single ones inside. A directory takes all of those for one entry.
pub(crate) fn lookup_key(name: &str, normalization: UsernameNormalization) -> String {
    bare_name(name, normalization).to_lowercase()
}

/// The name without the parts that the application has dropped and without needless blanks.
pub(crate) fn bare_name(name: &str, normalization: UsernameNormalization) -> String {
    let bare = match normalization {
        UsernameNormalization::None => name,
        UsernameNormalization::Simple => {
            let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
            name.split_once('@').map_or(name, |(name, _)| name)
        }
    };
    let mut words = bare.split_whitespace();
    let mut single = words.next().unwrap_or_default().to_owned();
    for word in words {
        single.push(' ');
        single.push_str(word);
    }
    single
}

/// Whether a text can be a user's name: 1 to 256 characters that are not all blanks, none of them
/// a control character or one that is not seen. `.` and `..` are none: a browser takes them out of
/// an address.
pub(crate) fn is_user_name(name: &str) -> bool {
    (1..=USER_NAME_CHARACTERS).contains(&name.chars().count())
        && !name.trim().is_empty()
        && !name.chars().any(is_unseen)
        && ![".", ".."].contains(&name)
}

/// Control characters, and those that only steer how others are shown: a directory may drop them.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

const USER_NAME_CHARACTERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_what_they_are_in_an_address() {
        for (name, want) in [("a.b", true), ("...", true), (".", false), ("..", false)] {
            assert_eq!(is_user_name(name), want, "{name}");
        }
    }

    #[test]
    fn names_are_found_whatever_their_case() {
        use UsernameNormalization::{None, Simple};
        for (input, normalization, want) in [
            ("Alice", None, "alice"),
            ("CORP\\Alice", None, "corp\\alice"),
            ("ÄRGER", None, "ärger"),
            ("CORP\\Alice", Simple, "alice"),
            ("Alice@corp.example", Simple, "alice"),
            ("CORP\\Alice@corp.example", Simple, "alice"),
            ("Alice", Simple, "alice"),
            ("@corp.example", Simple, ""),
            ("alice ", Simple, "alice"),
            (" CORP\\ alice @corp.example", Simple, "alice"),
            ("Alice  de\u{a0}Vries ", None, "alice de vries"),
        ] {
            assert_eq!(lookup_key(input, normalization), want, "{input}");
        }
        for (name, want) in [
            ("a", true),
            ("", false),
            ("a\nb", false),
            (" ", false),
            ("al\u{200b}ice", false),
            ("alice\u{ad}", false),
            ("\u{202e}alice", false),
            (&"a".repeat(257), false),
        ] {
            assert_eq!(is_user_name(name), want, "{name:?}");
        }
    }

    #[test]
    fn keys_are_good_until_their_time_and_under_their_own_name() {
        let application = Application {
            ikey: "DINEW".into(),
            name: "vpn".into(),
            skey: "new".into(),
            keys: SigningKeys::new("new"),
            previous: Some(PreviousKeys {
                ikey: "DIOLD".into(),
                keys: SigningKeys::new("old"),
                until_ms: 1_000,
            }),
            rules: NameRules::NEW,
        };
        for (ikey, now_ms, want) in [
            ("DINEW", 0, 1),
            ("DINEW", 2_000, 1),
            ("DIOLD", 999, 1),
            ("DIOLD", 1_000, 0),
            ("DIX", 0, 0),
        ] {
            let found = application.keys_of(ikey, now_ms).count();
            assert_eq!(found, want, "{ikey} {now_ms}");
        }
    }

    #[test]
    fn numbers_are_masked() {
        for (number, name, want) in [
            ("+1 734 555 4788", "", "Phone (XXX-XXX-4788)"),
            ("", "iPad", "iPad"),
            ("12", "x", "x (XXX-XXX-12)"),
        ] {
            let device = Device {
                id: "DP".into(),
                kind: DeviceKind::Phone,
                name: name.to_owned(),
                number: number.to_owned(),
                capabilities: Capabilities::default(),
                sms_next: None,
            };
            assert_eq!(device.display_name(), want);
        }
    }
}
