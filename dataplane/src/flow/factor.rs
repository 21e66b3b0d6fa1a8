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
    /// Reads what was typed. Blanks around it and the case of names are forgiven, and blanks within
    /// a passcode of digits, which is often shown in groups; else the text of a passcode is kept.
    /// None when nothing but blanks was typed.
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
        Some(named.unwrap_or_else(|| Self::Text(ungrouped(text))))
    }

    /// The first push, when it is the number that was shown for pushes and no option's.
    pub(crate) fn or_push(self, number: &str) -> Self {
        match &self {
            Self::Text(text)
                if self.option_number().is_none() && text.expose().eq_ignore_ascii_case(number) =>
            {
                Self::Named(Kind::Push, None)
            }
            _ => self,
        }
    }

    /// What [`Typed::parse`] makes the same of.
    pub(crate) fn text(&self) -> Secret<String> {
        match self {
            Self::Named(kind, None) => Secret::from(kind.as_str()),
            Self::Named(kind, Some(nth)) => Secret::new(format!("{}{nth}", kind.as_str())),
            Self::Text(text) => text.clone(),
        }
    }

    /// Whether it may stand for something in a list, so that the list must be known.
    pub(crate) fn may_be_listed(&self) -> bool {
        match self {
            Self::Named(..) => true,
            Self::Text(_) => self.counts(),
        }
    }

    /// Whether it counts in the list that the user saw: an option's number, or `push2`.
    pub(crate) fn counts(&self) -> bool {
        match self {
            Self::Named(_, nth) => nth.is_some(),
            Self::Text(_) => self.option_number().is_some(),
        }
    }

    /// The number of an option, if it can be one.
    pub(crate) fn option_number(&self) -> Option<usize> {
        match self {
            Self::Named(..) => None,
            Self::Text(text) => option_number(text.expose()),
        }
    }

    /// Turns it into a factor of the offer. A number that the menu does not have is a passcode like
    /// any other text.
    ///
    /// # Errors
    /// [`Unusable`] when the offer has no such factor, or no passcodes.
    pub(crate) fn choose(&self, offer: &Offer<'_>) -> Result<AuthFactor, Unusable> {
        match self {
            Self::Named(kind, nth) => offer
                .entries
                .iter()
                .find(|entry| entry.kind == *kind && entry.number == nth.unwrap_or(1))
                .map(MenuEntry::factor)
                .ok_or(Unusable::NoSuchFactor {
                    kind: *kind,
                    number: *nth,
                }),
            Self::Text(text) => {
                let option = self
                    .option_number()
                    .filter(|_| offer.numbered)
                    .and_then(|number| offer.entries.get(number.checked_sub(1)?));
                match option {
                    Some(entry) => Ok(entry.factor()),
                    None if offer.passcodes => Ok(AuthFactor::Passcode(text.clone())),
                    None => Err(Unusable::Passcode),
                }
            }
        }
    }
}

/// Why what was typed is nothing that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// A named factor that none of the user's devices can do, or that the integration does not
    /// offer.
    NoSuchFactor { kind: Kind, number: Option<usize> },
    /// A passcode, and the integration takes none.
    Passcode,
}

/// One option of a menu.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MenuEntry<'a> {
    pub(crate) kind: Kind,
    /// Its number among those of its kind, from 1.
    pub(crate) number: usize,
    pub(crate) device: &'a Device,
}

impl MenuEntry<'_> {
    fn factor(&self) -> AuthFactor {
        self.kind.on(self.device)
    }
}

/// What a user may choose from.
#[derive(Clone, Debug)]
pub(crate) struct Offer<'a> {
    /// In the order of prompts and option numbers: pushes, calls, SMS, each in device order.
    pub(crate) entries: Vec<MenuEntry<'a>>,
    /// Whether an option's number means something.
    numbered: bool,
    /// Whether a passcode may be typed.
    pub(crate) passcodes: bool,
}

impl<'a> Offer<'a> {
    /// All that the devices can do, and passcodes.
    pub(crate) fn all(devices: &'a [Device]) -> Self {
        Self::of(devices, |_| true, true)
    }

    /// The same where the user was asked for a passcode and saw no list: numbers mean nothing.
    pub(crate) fn unlisted(devices: &'a [Device]) -> Self {
        Self {
            numbered: false,
            ..Self::all(devices)
        }
    }

    /// What `factors` lets through of it (challenge mode).
    pub(crate) fn filtered(devices: &'a [Device], factors: &[FactorChoice]) -> Self {
        let has = |wanted| factors.contains(&wanted) || factors.contains(&FactorChoice::Auto);
        Self::of(
            devices,
            |kind| {
                has(match kind {
                    Kind::Push => FactorChoice::Push,
                    Kind::Phone => FactorChoice::Phone,
                    Kind::Sms => FactorChoice::Sms,
                })
            },
            has(FactorChoice::Passcode),
        )
    }

    fn of(devices: &'a [Device], lists: impl Fn(Kind) -> bool, passcodes: bool) -> Self {
        let able = |kind: Kind| devices.iter().filter(move |device| kind.of(device));
        let entries = Kind::ALL
            .into_iter()
            .filter(|kind| lists(*kind))
            .flat_map(|kind| {
                (1..)
                    .zip(able(kind))
                    .map(move |(number, device)| MenuEntry {
                        kind,
                        number,
                        device,
                    })
            });
        Self {
            entries: entries.take(MAX_OPTIONS).collect(),
            numbered: true,
            passcodes,
        }
    }

    /// The options that the user sees, in the order of their numbers.
    pub(crate) fn listed(&self) -> &[MenuEntry<'a>] {
        match self.numbered {
            true => &self.entries,
            false => &[],
        }
    }

    /// Tells lists apart: those whose numbers and names mean the same have the same.
    pub(crate) fn digest(&self) -> MenuDigest {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for MenuEntry { kind, device, .. } in self.listed() {
            context.update(kind.as_str().as_bytes());
            context.update(&device.id.len().to_be_bytes());
            context.update(device.id.as_bytes());
        }
        let digest = context.finish();
        digest.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

/// What stands for a list. Sealed with the rest of a State, so that nobody can look for another
/// list that has the same.
pub type MenuDigest = [u8; 8];

/// What is done for a user who typed no factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Automatic {
    /// This factor is used.
    Use(AuthFactor),
    /// A passcode is asked for.
    Ask,
    /// Nothing in `factors` can be done with the devices.
    Nothing,
}

/// The first of `factors` that the devices can do; `auto` where there is none. A passcode can be typed
/// always, where anything can be asked: there may be a token, a code from the administrator, or one
/// that was sent before.
pub(crate) fn automatic(factors: &[FactorChoice], devices: &[Device], asks: bool) -> Automatic {
    let factors = match factors {
        [] => &[FactorChoice::Auto],
        factors => factors,
    };
    let first = |kind: Kind| devices.iter().find(|d| kind.of(d)).map(|d| kind.on(d));
    let found = factors.iter().find_map(|choice| {
        match choice {
            FactorChoice::Auto => devices
                .iter()
                .any(|d| d.capabilities.auto || d.capabilities.push || d.capabilities.phone)
                .then_some(AuthFactor::Auto),
            FactorChoice::Push => first(Kind::Push),
            FactorChoice::Phone => first(Kind::Phone),
            // For lists only; a configuration has it nowhere else.
            FactorChoice::Sms => None,
            FactorChoice::Passcode if asks => return Some(Automatic::Ask),
            FactorChoice::Passcode => None,
        }
        .map(Automatic::Use)
    });
    found.unwrap_or(Automatic::Nothing)
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

/// A passcode of digits without the blanks between them; any other text as it is.
fn ungrouped(text: &str) -> Secret<String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let grouped = digits > OPTION_DIGITS && text.bytes().all(|b| b.is_ascii_digit() || b == b' ');
    if !grouped {
        return Secret::from(text);
    }
    // Of its length from the beginning, so that no part of it is left behind by growing.
    let mut passcode = String::with_capacity(digits);
    passcode.extend(text.chars().filter(|c| *c != ' '));
    Secret::new(passcode)
}

/// A number written in digits only.
fn number(text: &str) -> Option<usize> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// The number of an option, if it can be one: longer ones are passcodes.
fn option_number(text: &str) -> Option<usize> {
    Some(text)
        .filter(|text| text.len() <= OPTION_DIGITS)
        .and_then(number)
}

/// The most digits of an option's number.
const OPTION_DIGITS: usize = 2;
/// The most options of a list: as many as its numbers can tell apart.
const MAX_OPTIONS: usize = 99;
