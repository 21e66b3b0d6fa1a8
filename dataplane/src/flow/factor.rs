//! What the user typed, split and read, and which factor it stands for. Pure text and lists;
//! nothing here asks anybody.

use proto::config::{Append, FactorChoice};
use proto::event::Factor;
use proto::secret::Secret;

use crate::duo::message::{AuthFactor, Device, DeviceChoice};

/// The kinds of factor a menu lists, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A push.
    Push,
    /// A phone call.
    Phone,
    /// A new batch of passcodes.
    Sms,
}

impl Kind {
    /// Every kind, in the order of a menu: pushes, then calls, then SMS.
    pub(crate) const ALL: [Self; 3] = [Self::Push, Self::Phone, Self::Sms];

    /// What users type for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Phone => "phone",
            Self::Sms => "sms",
        }
    }

    /// Whether a device can do it.
    const fn of(self, device: &Device) -> bool {
        match self {
            Self::Push => device.capabilities.push,
            Self::Phone => device.capabilities.phone,
            Self::Sms => device.capabilities.sms,
        }
    }

    fn on(self, device: &Device) -> AuthFactor {
        let device = DeviceChoice::Id(device.id.clone());
        match self {
            Self::Push => AuthFactor::Push(device),
            Self::Phone => AuthFactor::Phone(device),
            Self::Sms => AuthFactor::Sms(device),
        }
    }
}

/// What a user typed for a factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// `push`, `phone2`: the name of a kind and perhaps which one of it, from 1.
    Named(Kind, Option<usize>),
    /// Anything else: an option's number if the menu has it, else a passcode. Not blank.
    Text(Secret<String>),
}

impl Typed {
    /// Reads what was typed. Blanks around it and the case of names are forgiven; the text of a
    /// passcode is kept. None when nothing but blanks was typed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let named = Kind::ALL.into_iter().find_map(|kind| {
            let (name, rest) = text.split_at_checked(kind.as_str().len())?;
            if !name.eq_ignore_ascii_case(kind.as_str()) {
                return None;
            }
            match rest.trim_start() {
                "" => Some(Self::Named(kind, None)),
                digits => number(digits).map(|n| Self::Named(kind, Some(n))),
            }
        });
        Some(named.unwrap_or_else(|| Self::Text(Secret::from(text))))
    }

    /// What [`Typed::parse`] makes the same of.
    pub(crate) fn text(&self) -> Secret<String> {
        match self {
            Self::Named(kind, None) => Secret::from(kind.as_str()),
            Self::Named(kind, Some(nth)) => Secret::new(format!("{}{nth}", kind.as_str())),
            Self::Text(text) => text.clone(),
        }
    }

    /// Turns it into a factor on one of the devices. Option numbers have one or two digits; a
    /// number that the menu does not have is a passcode like any other text.
    ///
    /// # Errors
    /// [`NoSuchFactor`] when a named factor is none the devices can do.
    pub(crate) fn choose(&self, devices: &[Device]) -> Result<AuthFactor, NoSuchFactor> {
        match self {
            Self::Named(kind, nth) => nth
                .unwrap_or(1)
                .checked_sub(1)
                .and_then(|skipped| devices.iter().filter(|d| kind.of(d)).nth(skipped))
                .map(|device| kind.on(device))
                .ok_or(NoSuchFactor {
                    kind: *kind,
                    number: *nth,
                }),
            Self::Text(text) => {
                let option = Some(text.expose())
                    .filter(|text| text.len() <= OPTION_DIGITS)
                    .and_then(|text| number(text)?.checked_sub(1))
                    .and_then(|skipped| menu(devices).nth(skipped));
                Ok(match option {
                    Some(entry) => entry.kind.on(entry.device),
                    None => AuthFactor::Passcode(text.clone()),
                })
            }
        }
    }
}

/// A named factor that none of the user's devices can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoSuchFactor {
    pub(crate) kind: Kind,
    pub(crate) number: Option<usize>,
}

/// One option of a menu.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MenuEntry<'a> {
    pub(crate) kind: Kind,
    /// Its number among those of its kind, from 1.
    pub(crate) number: usize,
    pub(crate) device: &'a Device,
}

/// What the devices can do, in the order of prompts and option numbers: pushes, calls, SMS, each in
/// device order.
pub(crate) fn menu(devices: &[Device]) -> impl Iterator<Item = MenuEntry<'_>> {
    Kind::ALL.into_iter().flat_map(move |kind| {
        let able = devices.iter().filter(move |device| kind.of(device));
        (1..).zip(able).map(move |(number, device)| MenuEntry {
            kind,
            number,
            device,
        })
    })
}

/// The first of `factors` that a device can do without a prompt; none when there is none.
pub(crate) fn automatic(factors: &[FactorChoice], devices: &[Device]) -> Option<AuthFactor> {
    factors.iter().find_map(|choice| {
        let first = |kind: Kind| devices.iter().find(|d| kind.of(d)).map(|d| kind.on(d));
        match choice {
            FactorChoice::Auto => devices
                .iter()
                .any(|d| d.capabilities.auto || d.capabilities.push || d.capabilities.phone)
                .then_some(AuthFactor::Auto),
            FactorChoice::Push => first(Kind::Push),
            FactorChoice::Phone => first(Kind::Phone),
            // It would have to be asked for; without a prompt the next one is tried.
            FactorChoice::Sms | FactorChoice::Passcode => None,
        }
    })
}

/// The factor's name in events.
pub(crate) const fn label(factor: &AuthFactor) -> Factor {
    match factor {
        AuthFactor::Auto => Factor::Auto,
        AuthFactor::Push(_) => Factor::Push,
        AuthFactor::Phone(_) => Factor::Phone,
        AuthFactor::Sms(_) => Factor::Sms,
        AuthFactor::Passcode(_) => Factor::Passcode,
    }
}

/// Splits a password field into what stands before and after the delimiter (authproxy-config
/// section 3.2). Either part may be empty. None when nothing is appended.
pub(crate) fn split<'a>(text: &'a str, append: &Append) -> Option<(&'a str, &'a str)> {
    match append {
        Append::Delimited { delimiter } => text.rsplit_once(delimiter.as_str()),
        Append::FixedLength {
            password_length,
            delimiter,
        } => {
            let length = usize::try_from(password_length.get()).ok()?;
            let (at, _) = text.char_indices().nth(length)?;
            let (password, rest) = text.split_at_checked(at)?;
            Some((
                password,
                rest.strip_prefix(delimiter.as_str()).unwrap_or(rest),
            ))
        }
        _ => None,
    }
}

/// A number written in digits only.
fn number(text: &str) -> Option<usize> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// The most digits of an option's number; longer ones are passcodes.
const OPTION_DIGITS: usize = 2;
