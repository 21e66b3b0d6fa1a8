//! What the service knows of applications, users and devices. Pure: no SQL, no HTTP.

use std::sync::Arc;

use proto::secret::Secret;

use crate::admin::{
    Capabilities, DeviceKind, NewUserPolicy, Script, UserStatus, UsernameNormalization,
};
use crate::sign::SigningKeys;

/// An application, ready to check signatures.
#[derive(Clone)]
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
#[derive(Clone)]
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
    /// With the status bypass: when it is over, in milliseconds since 1970; none lasts.
    pub(crate) bypass_until_ms: Option<u64>,
    pub(crate) full_name: String,
    pub(crate) email: String,
    /// Other names that are this user.
    pub(crate) aliases: Vec<String>,
    /// As they were written, one of each.
    pub(crate) groups: Vec<String>,
    /// The directory it comes from.
    pub(crate) source: Option<String>,
    /// Pushes in a row that were denied or left without an answer, and the last of them.
    pub(crate) unanswered: u32,
    pub(crate) unanswered_at_ms: Option<u64>,
    pub(crate) last_login_ms: Option<u64>,
    pub(crate) script: Option<Script>,
    pub(crate) failures: u32,
    pub(crate) bypass_codes: u32,
    /// Oldest first.
    pub(crate) devices: Vec<Arc<Device>>,
}

impl Account {
    /// A new one that has nothing yet.
    pub(crate) fn new(id: String, name: &str) -> Self {
        Self {
            id,
            lookup: lookup_key(name, UsernameNormalization::None),
            name: bare_name(name, UsernameNormalization::None),
            status: UserStatus::Active,
            bypass_until_ms: None,
            full_name: String::new(),
            email: String::new(),
            aliases: Vec::new(),
            groups: Vec::new(),
            source: None,
            unanswered: 0,
            unanswered_at_ms: None,
            last_login_ms: None,
            script: None,
            failures: 0,
            bypass_codes: 0,
            devices: Vec::new(),
        }
    }

    /// What it may do at a time: a bypass that is over is none.
    pub(crate) fn status_at(&self, now_ms: u64) -> UserStatus {
        match (self.status, self.bypass_until_ms) {
            (UserStatus::Bypass, Some(until_ms)) if until_ms <= now_ms => UserStatus::Active,
            (status, _) => status,
        }
    }

    /// Whether any of its devices was set up.
    pub(crate) fn has_set_up(&self, reach: Reach) -> bool {
        self.devices.iter().any(|device| device.is_set_up(reach))
    }

    /// Whether it has anything to answer with.
    pub(crate) fn is_enrolled(&self, reach: Reach) -> bool {
        self.bypass_codes > 0 || self.has_set_up(reach)
    }
}

/// Which messages go out, and who answers pushes, as people are reached now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) email: bool,
    pub(crate) sms: bool,
    pub(crate) voice: bool,
    /// Whether who has the address of a phone approves by that alone.
    pub(crate) by_link: bool,
    /// When that is asked.
    pub(crate) now_ms: u64,
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
    /// What is printed on a hardware token.
    pub(crate) serial: Option<String>,
    /// Whether a passkey binds it.
    pub(crate) bound: bool,
    /// Until when its owner can come to answer pushes: as long as its own address binds it. None where that
    /// does not end: a passkey binds it, or a script answers.
    pub(crate) answered_until_ms: Option<u64>,
    /// Whether that passkey may be kept elsewhere too.
    pub(crate) synced: bool,
    /// Whether notices reach it.
    pub(crate) notified: bool,
    /// TOTP: how many steps its clock is ahead, as learnt.
    pub(crate) drift: i64,
    pub(crate) last_used_ms: Option<u64>,
}

impl Device {
    /// A new one that can do nothing yet.
    pub(crate) fn new(id: impl Into<Arc<str>>, kind: DeviceKind, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kind,
            name: name.into(),
            number: String::new(),
            capabilities: Capabilities::default(),
            sms_next: None,
            serial: None,
            bound: false,
            answered_until_ms: Some(0),
            synced: false,
            notified: false,
            drift: 0,
            last_used_ms: None,
        }
    }

    /// Whether somebody can answer its pushes, if it gets any.
    pub(crate) fn answers_pushes(&self, reach: Reach) -> bool {
        reach.by_link
            || self
                .answered_until_ms
                .is_none_or(|until_ms| reach.now_ms < until_ms)
    }

    /// Whether its owner has to bind it before a push is answered: another one answers at once.
    pub(crate) fn waits_for_passkey(&self, reach: Reach) -> bool {
        !reach.by_link && self.answered_until_ms.is_some()
    }

    /// Whether its owner has it and can answer with it, or has done so. Only a number or an address that
    /// somebody else wrote down, and where nothing goes, is not. The same as
    /// [`crate::store::Store::members_to_invite`] asks.
    pub(crate) fn is_set_up(&self, reach: Reach) -> bool {
        let can = self.capabilities;
        let goes = match self.kind {
            DeviceKind::Totp | DeviceKind::Hotp | DeviceKind::SecurityKey => return true,
            DeviceKind::Email => reach.email,
            DeviceKind::Phone => {
                let number = self.number.bytes().any(|octet| octet.is_ascii_digit());
                (can.push && self.answers_pushes(reach))
                    || (number && ((can.sms && reach.sms) || (can.phone && reach.voice)))
            }
        };
        goes || self.last_used_ms.is_some() || self.sms_next.is_some()
    }

    /// The number with all but its last four digits hidden, of an address all but its first letter
    /// and its domain; empty when there is none.
    pub(crate) fn masked_number(&self) -> String {
        if self.kind == DeviceKind::Email {
            let parts = self.number.split_once('@');
            return parts.map_or_else(String::new, |(name, domain)| {
                let first: String = name.chars().take(1).collect();
                format!("{first}***@{domain}")
            });
        }
        let digits: Vec<char> = self.number.chars().filter(char::is_ascii_digit).collect();
        if digits.is_empty() {
            return String::new();
        }
        let shown: String = digits.iter().skip(digits.len().saturating_sub(4)).collect();
        format!("XXX-XXX-{shown}")
    }

    /// What an administrator is told of it.
    pub(crate) fn told(&self) -> String {
        format!("{} {} '{}'", self.kind.as_str(), self.id, self.name)
    }

    /// What a person knows it by: its name, its number, or both.
    pub(crate) fn display_name(&self) -> String {
        let name = if self.name.is_empty() && self.kind == DeviceKind::Email {
            "E-mail"
        } else if self.name.is_empty() {
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

/// Whether a text can be an e-mail address that nothing else hides in: one `@`, at most 254 octets, no
/// blanks, control characters, brackets or commas.
pub(crate) fn is_email_address(text: &str) -> bool {
    let good = |c: char| !c.is_whitespace() && !is_unseen(c) && !"<>(),;:\\\"[]@".contains(c);
    text.len() <= 254
        && text.split_once('@').is_some_and(|(name, domain)| {
            (1..=64).contains(&name.len())
                && name.chars().all(good)
                && domain.len() >= 3
                && domain.chars().all(good)
                && domain.split('.').all(|label| !label.is_empty())
        })
}

/// Control characters, and those that only steer how others are shown: a directory may drop them.
pub(crate) fn is_unseen(character: char) -> bool {
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
    fn an_address_hides_nothing() {
        for (text, want) in [
            ("a@b.example", true),
            ("first.last+tag@corp.example", true),
            ("", false),
            ("a", false),
            ("@b.example", false),
            ("a@", false),
            ("a@b@c.example", false),
            ("a b@c.example", false),
            ("a@b.example\nBcc: c@d.example", false),
            ("a@b.example,c@d.example", false),
            ("<a@b.example>", false),
            ("a@b..example", false),
        ] {
            assert_eq!(is_email_address(text), want, "{text}");
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
                number: number.to_owned(),
                ..Device::new("DP", DeviceKind::Phone, name)
            };
            assert_eq!(device.display_name(), want);
        }
        let device = Device {
            number: "alice1@corp.example".to_owned(),
            ..Device::new("DE", DeviceKind::Email, "")
        };
        assert_eq!(device.display_name(), "E-mail (a***@corp.example)");
    }
}
