//! The menu that the service writes for clients which show a text and send back what was typed: Duo
//! Unix, and what calls version 1. Pure.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A device as preauth answers it.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) device: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    number: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    capabilities: Vec<String>,
    #[serde(default)]
    sms_nextcode: Option<String>,
}

/// A kind of option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Push,
    Phone,
    Sms,
}

impl Kind {
    /// In the order of the menu.
    const ALL: [Self; 3] = [Self::Push, Self::Phone, Self::Sms];

    /// The factor and the capability of version 2.
    pub(super) const fn factor(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Phone => "phone",
            Self::Sms => "sms",
        }
    }

    /// What an option of the menu is sent back as.
    const fn token(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Phone => "voice",
            Self::Sms => "smsrefresh",
        }
    }

    /// What stands before a number: the token, what a user types, and what Duo Unix names a push
    /// with a number.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Push => &["push", "verified_push"],
            Self::Phone => &["voice", "phone"],
            Self::Sms => &["smsrefresh", "sms"],
        }
    }

    fn of(self, device: &Listed) -> bool {
        let can = device.capabilities.iter();
        can.into_iter().any(|can| can == self.factor())
    }
}

/// The text and what its options stand for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Menu {
    pub(super) text: String,
    /// Option numbers, and `default`, which is what is used where nobody is asked.
    pub(super) factors: Map<String, Value>,
}

/// Writes the menu. `number` is what a push is approved with, where one is wanted.
pub(super) fn write(user: &str, devices: &[Listed], number: Option<&str>) -> Menu {
    let mut lines = vec![format!("Duo two-factor login for {user}"), String::new()];
    let mut factors = Map::new();
    let options = Kind::ALL.into_iter().flat_map(|kind| {
        let able = devices.iter().filter(move |device| kind.of(device));
        able.zip(1..).map(move |(device, nth)| (kind, nth, device))
    });
    for (option, (kind, nth, device)) in (1_usize..=MAX_OPTIONS).zip(options) {
        if option == 1 {
            let invitation = "Enter a passcode or select one of the following options:";
            lines.extend([invitation.to_owned(), String::new()]);
        }
        let name = name(device);
        lines.push(match (kind, device.sms_nextcode.as_deref()) {
            (Kind::Push, _) => format!(" {option}. Duo Push to {name}"),
            (Kind::Phone, _) => format!(" {option}. Phone call to {name}"),
            (Kind::Sms, None | Some("")) => format!(" {option}. SMS passcodes to {name}"),
            (Kind::Sms, Some(next)) => {
                format!(" {option}. SMS passcodes to {name} (next code starts with: {next})")
            }
        });
        let token = json!(format!("{}{nth}", kind.token()));
        if kind != Kind::Sms {
            factors.entry("default").or_insert_with(|| token.clone());
        }
        factors.insert(option.to_string(), token);
    }
    let last = lines.len();
    match factors
        .len()
        .saturating_sub(usize::from(factors.contains_key("default")))
    {
        0 => lines.push("Passcode: ".to_owned()),
        options => lines.extend([String::new(), format!("Passcode or option (1-{options}): ")]),
    }
    if let Some(number) = number {
        let line = format!("If you choose a push, type {number} on your phone.");
        lines.splice(last..last, [String::new(), line]);
    }
    Menu {
        text: lines.join("\n"),
        factors,
    }
}

/// A telephone number as far as it is shown, else the name.
fn name(device: &Listed) -> &str {
    let shown = |text: &'_ Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    match (&device.number, &device.display_name) {
        (number, _) if shown(number) => number.as_deref().unwrap_or_default(),
        (_, Some(name)) => name,
        (_, None) => &device.device,
    }
}

/// What a text that came back names: a kind, and which one of it from 1. None is a passcode.
pub(super) fn named(text: &str) -> Option<(Kind, usize)> {
    let text = text.trim().to_ascii_lowercase();
    Kind::ALL.into_iter().find_map(|kind| {
        kind.names().iter().find_map(|name| {
            let digits = text.strip_prefix(name)?;
            match digits {
                "" => Some((kind, 1)),
                digits if digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                    digits.parse().ok().map(|nth| (kind, nth))
                }
                _ => None,
            }
        })
    })
}

/// The device that is meant by a kind and a number.
pub(super) fn nth(devices: &[Listed], kind: Kind, nth: usize) -> Option<&Listed> {
    let mut able = devices.iter().filter(|device| kind.of(device));
    able.nth(nth.checked_sub(1)?)
}

/// The device that version 1 calls `phone1`, `phone2`, …: tokens do not count.
pub(super) fn phone(devices: &[Listed], nth: usize) -> Option<&Listed> {
    let mut phones = devices.iter().filter(|device| device.kind == "phone");
    phones.nth(nth.checked_sub(1)?)
}

/// As many as numbers of two digits can tell apart.
const MAX_OPTIONS: usize = 99;

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: &str, number: &str, can: &[&str]) -> Listed {
        Listed {
            device: id.to_owned(),
            kind: if can.is_empty() { "token" } else { "phone" }.to_owned(),
            number: Some(number.to_owned()),
            display_name: Some(format!("Phone {id}")),
            capabilities: can.iter().map(|can| (*can).to_owned()).collect(),
            sms_nextcode: None,
        }
    }

    fn devices() -> Vec<Listed> {
        let mut third = listed("C", "XXX-XXX-0102", &["auto", "push", "sms", "phone"]);
        third.sms_nextcode = Some("1".to_owned());
        vec![
            listed("A", "", &["auto", "push"]),
            listed("T", "", &[]),
            listed("B", "XXX-XXX-0101", &["phone"]),
            third,
        ]
    }

    #[test]
    fn the_menu_is_that_of_the_service_it_stands_in_for() {
        let menu = write("alice", &devices(), None);
        assert_eq!(
            menu.text,
            "Duo two-factor login for alice\n\n\
             Enter a passcode or select one of the following options:\n\n \
             1. Duo Push to Phone A\n \
             2. Duo Push to XXX-XXX-0102\n \
             3. Phone call to XXX-XXX-0101\n \
             4. Phone call to XXX-XXX-0102\n \
             5. SMS passcodes to XXX-XXX-0102 (next code starts with: 1)\n\n\
             Passcode or option (1-5): "
        );
        let want = json!({
            "default": "push1", "1": "push1", "2": "push2", "3": "voice1", "4": "voice2",
            "5": "smsrefresh1",
        });
        assert_eq!(Value::from(menu.factors), want);
    }

    #[test]
    fn what_there_is_not_is_not_offered() {
        let tokens = [listed("T", "", &[])];
        let menu = write("bob", &tokens, None);
        assert_eq!(menu.text, "Duo two-factor login for bob\n\nPasscode: ");
        assert!(menu.factors.is_empty());
        // Codes are sent to nobody who did not ask for them.
        let sms = [listed("S", "XXX-XXX-0103", &["sms"])];
        let menu = write("bob", &sms, None);
        assert_eq!(Value::from(menu.factors), json!({"1": "smsrefresh1"}));
        assert!(
            menu.text.ends_with("Passcode or option (1-1): "),
            "{}",
            menu.text
        );
        let many: Vec<_> = (0..60)
            .map(|_| listed("C", "1", &["push", "phone"]))
            .collect();
        let menu = write("bob", &many, None);
        assert!(menu.text.ends_with("Passcode or option (1-99): "));
        assert_eq!(menu.factors.len(), 100);
    }

    #[test]
    fn a_number_is_told_with_the_menu() {
        let phones = [listed("A", "XXX-XXX-0101", &["push"])];
        assert_eq!(
            write("bob", &phones, Some("481")).text,
            "Duo two-factor login for bob\n\n\
             Enter a passcode or select one of the following options:\n\n \
             1. Duo Push to XXX-XXX-0101\n\n\
             If you choose a push, type 481 on your phone.\n\n\
             Passcode or option (1-1): "
        );
    }

    #[test]
    fn what_comes_back_names_a_device_or_is_a_passcode() {
        use Kind::{Phone, Push, Sms};
        for (text, want) in [
            ("push", Some((Push, 1))),
            (" PUSH2 ", Some((Push, 2))),
            ("verified_push1", Some((Push, 1))),
            ("voice2", Some((Phone, 2))),
            ("phone", Some((Phone, 1))),
            ("phone12", Some((Phone, 12))),
            ("smsrefresh1", Some((Sms, 1))),
            ("sms", Some((Sms, 1))),
            ("push0", Some((Push, 0))),
            ("123456", None),
            ("push-1", None),
            ("push123", None),
            ("pushy", None),
            ("", None),
        ] {
            assert_eq!(named(text), want, "{text:?}");
        }
        let devices = devices();
        let found = |kind, number| nth(&devices, kind, number).map(|one| one.device.as_str());
        for (kind, number, want) in [
            (Push, 1, Some("A")),
            (Push, 2, Some("C")),
            (Push, 3, None),
            (Push, 0, None),
            (Phone, 1, Some("B")),
            (Sms, 1, Some("C")),
        ] {
            assert_eq!(found(kind, number), want, "{kind:?} {number}");
        }
        let phone = |number| phone(&devices, number).map(|one| one.device.as_str());
        assert_eq!(
            [phone(1), phone(2), phone(3), phone(4)],
            [Some("A"), Some("B"), Some("C"), None]
        );
        assert_eq!(phone(0), None);
    }
}
