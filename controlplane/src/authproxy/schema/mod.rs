//! Every section and option of an `authproxy.cfg`: what there is, not what it does.
//!
//! One table, read by the checks, by the hints and by the documentation. Sources are the tables
//! of the replaced product's documentation; options of our own say so.

mod clients;
mod main_section;
mod servers;

use super::nearest::{nearest, sharing_words};

/// A kind of section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the section of that name")]
pub enum SectionKind {
    Main,
    AdClient,
    RadiusClient,
    DuoOnlyClient,
    RadiusServerAuto,
    RadiusServerChallenge,
    RadiusServerEap,
    RadiusServerConcat,
    RadiusServerDuoOnly,
    RadiusServerIframe,
    LdapServerAuto,
    Cloud,
    Sso,
    HttpProxy,
}

impl SectionKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Main,
        Self::AdClient,
        Self::RadiusClient,
        Self::DuoOnlyClient,
        Self::RadiusServerAuto,
        Self::RadiusServerChallenge,
        Self::RadiusServerEap,
        Self::RadiusServerConcat,
        Self::RadiusServerDuoOnly,
        Self::RadiusServerIframe,
        Self::LdapServerAuto,
        Self::Cloud,
        Self::Sso,
        Self::HttpProxy,
    ];

    /// The section's name without a number.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::AdClient => "ad_client",
            Self::RadiusClient => "radius_client",
            Self::DuoOnlyClient => "duo_only_client",
            Self::RadiusServerAuto => "radius_server_auto",
            Self::RadiusServerChallenge => "radius_server_challenge",
            Self::RadiusServerEap => "radius_server_eap",
            Self::RadiusServerConcat => "radius_server_concat",
            Self::RadiusServerDuoOnly => "radius_server_duo_only",
            Self::RadiusServerIframe => "radius_server_iframe",
            Self::LdapServerAuto => "ldap_server_auto",
            Self::Cloud => "cloud",
            Self::Sso => "sso",
            Self::HttpProxy => "http_proxy",
        }
    }

    /// One sentence on what the section is for.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Main => "What holds for the whole file.",
            Self::AdClient => {
                "Passwords are checked by Active Directory or another LDAP directory."
            }
            Self::RadiusClient => "Passwords are checked by an upstream RADIUS server.",
            Self::DuoOnlyClient => "Passwords are not checked: the device has done that already.",
            Self::RadiusServerAuto => "RADIUS: password, then a factor without a prompt.",
            Self::RadiusServerChallenge => "RADIUS: password, then a menu to choose a factor from.",
            Self::RadiusServerEap => "RADIUS with EAP: PEAP or TTLS around the password.",
            Self::RadiusServerConcat => "RADIUS: a factor is always appended to the password.",
            Self::RadiusServerDuoOnly => "RADIUS: the password field is the factor.",
            Self::RadiusServerIframe => {
                "The browser prompt that has reached its end of life; not served."
            }
            Self::LdapServerAuto => "An LDAP proxy; not served.",
            Self::Cloud => "Directory synchronisation with Duo's cloud; not served.",
            Self::Sso => "Duo single sign-on; not served.",
            Self::HttpProxy => "An HTTP proxy for Duo's clients; not served.",
        }
    }

    /// Reads a section's name: a kind, and a number behind it for all but `[main]`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| {
            name.strip_prefix(kind.name()).is_some_and(|number| {
                number.is_empty() || (*kind != Self::Main && ordinal(number).is_some())
            })
        })
    }

    /// Whether it is one of `[ad_client]`, `[radius_client]`, `[duo_only_client]`.
    #[must_use]
    pub const fn is_client(self) -> bool {
        matches!(
            self,
            Self::AdClient | Self::RadiusClient | Self::DuoOnlyClient
        )
    }

    /// The mode a RADIUS section runs; none for other sections and for the browser prompt.
    #[must_use]
    pub const fn mode(self) -> Option<proto::config::Mode> {
        use proto::config::Mode;
        match self {
            Self::RadiusServerAuto => Some(Mode::Auto),
            Self::RadiusServerChallenge => Some(Mode::Challenge),
            Self::RadiusServerEap => Some(Mode::Eap),
            Self::RadiusServerConcat => Some(Mode::Concat),
            Self::RadiusServerDuoOnly => Some(Mode::DuoOnly),
            _ => None,
        }
    }
}

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Any text.
    Text,
    /// Any text, never shown; it may be given sealed, as `NAME_protected`.
    Secret,
    /// `true`, `false`, `1`, `0`, `yes`, `no`, `on` or `off`, in any case.
    Boolean,
    /// A whole number between these, both included.
    Integer(u32, u32),
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// An IPv4 or IPv6 address.
    Address,
    /// An address, CIDR, address and netmask, or range.
    Addresses,
    /// A comma-separated list of the same.
    AddressList,
    /// A host name or address, without scheme or port.
    Host,
    /// A host name with or without a port, or `builtin`.
    ApiHost,
    /// An integration key: text without blanks or `:`.
    IntegrationKey,
    /// A file, relative to the folder of the configuration.
    Path,
    /// A comma-separated list of these words, in any case.
    Factors(&'static [&'static str]),
    /// A list of ciphers in OpenSSL's syntax.
    CipherList,
    /// Text without letters or digits.
    Delimiter,
    /// An LDAP distinguished name.
    Dn,
    /// An LDAP search filter (RFC 4515).
    Filter,
    /// The name of an LDAP attribute.
    LdapAttribute,
    /// The name of a RADIUS attribute.
    Attribute,
    /// A comma-separated list of names of RADIUS attributes.
    Attributes,
    /// The name of a section of this file.
    SectionName,
    /// What the rest of the product calls a section: 1 to 128 letters, digits, `_`, `-` or `.`.
    Id,
}

impl Kind {
    /// What a value looks like, in words.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Secret => "a secret".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Address => "an IPv4 or IPv6 address".to_owned(),
            Self::Addresses => {
                "an address, CIDR (10.0.2.0/24), address and netmask, or range (10.0.0.1-10.0.0.9)"
                    .to_owned()
            }
            Self::AddressList => "addresses, CIDRs or ranges, between commas".to_owned(),
            Self::Host => "a host name or address, without scheme or port".to_owned(),
            Self::ApiHost => "a host name, with :PORT behind it or not, or builtin".to_owned(),
            Self::IntegrationKey => "the integration key, without blanks or ':'".to_owned(),
            Self::Path => "a file".to_owned(),
            Self::Factors(words) => format!("{}, between commas", words.join(", ")),
            Self::CipherList => {
                "words of OpenSSL between colons, such as ECDHE+AESGCM:!AES128".to_owned()
            }
            Self::Delimiter => "punctuation: no letters, no digits".to_owned(),
            Self::Dn => "a distinguished name such as DC=example,DC=com".to_owned(),
            Self::Filter => "an LDAP filter such as (memberOf=CN=VPN,DC=example,DC=com)".to_owned(),
            Self::LdapAttribute => "the name of an LDAP attribute".to_owned(),
            Self::Attribute => "the name of a RADIUS attribute".to_owned(),
            Self::Attributes => "names of RADIUS attributes, between commas".to_owned(),
            Self::SectionName => "the name of a section of this file".to_owned(),
            Self::Id => "1 to 128 letters, digits, '_', '-' or '.'".to_owned(),
        }
    }
}

/// The words of `factors` where they are an order of preference.
pub(crate) const FACTORS: &[&str] = &["auto", "push", "phone", "passcode"];

/// The words of `factors` where they are a menu.
pub(crate) const MENU_FACTORS: &[&str] = &["auto", "push", "phone", "sms", "passcode"];

/// How often an option may be given within a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Numbering {
    /// Once.
    Single,
    /// `name`, `name_2`, `name_3`, …
    FromTwo,
    /// `name_1`, `name_2`, …; `name` alone counts as `name_1`.
    FromOne,
}

/// A value that is refused with words of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The value, in any case.
    pub value: &'static str,
    /// Why.
    pub message: &'static str,
    /// What to write instead.
    pub remedy: &'static str,
}

/// One option.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionSpec {
    /// Its name without a number.
    pub name: &'static str,
    /// The sections it may stand in.
    pub sections: &'static [SectionKind],
    /// What its value must look like.
    pub kind: Kind,
    /// How often it may be given.
    pub numbering: Numbering,
    /// The default, as it would be written; none means unset.
    pub default: Option<&'static str>,
    /// Whether it must be given. What is needed only sometimes is not marked here.
    pub required: bool,
    /// The version of the replaced product that brought it, where that is known.
    pub since: Option<&'static str>,
    /// Whether the replaced product does not have it.
    pub ours: bool,
    /// Whether a value of no characters is a value.
    pub may_be_empty: bool,
    /// Values that the replaced product had and this one has not.
    pub refused: &'static [Refused],
    /// One sentence for the documentation.
    pub help: &'static str,
}

impl OptionSpec {
    const fn new(
        name: &'static str,
        sections: &'static [SectionKind],
        kind: Kind,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            sections,
            kind,
            numbering: Numbering::Single,
            default: None,
            required: false,
            since: None,
            ours: false,
            may_be_empty: false,
            refused: &[],
            help,
        }
    }

    const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    const fn numbered(mut self, numbering: Numbering) -> Self {
        self.numbering = numbering;
        self
    }

    const fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    const fn may_be_empty(mut self) -> Self {
        self.may_be_empty = true;
        self
    }

    const fn refused(mut self, values: &'static [Refused]) -> Self {
        self.refused = values;
        self
    }

    /// The number `key` gives to this option, when it is this option.
    fn number(&self, key: &str) -> Option<u32> {
        let rest = key.strip_prefix(self.name)?;
        if rest.is_empty() {
            return Some(1);
        }
        let number = ordinal(rest.strip_prefix('_')?)?;
        match self.numbering {
            Numbering::Single => None,
            Numbering::FromTwo => (number >= 2).then_some(number),
            Numbering::FromOne => Some(number),
        }
    }
}

/// An option as a file names it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Named {
    /// Which one.
    pub option: &'static OptionSpec,
    /// Its number; 1 when it has none.
    pub number: u32,
    /// Whether it was written in its `_protected` form.
    pub protected: bool,
}

/// Every option, in the order of the documentation. An option whose kind or default differs
/// between sections is in it more than once.
pub fn options() -> impl Iterator<Item = &'static OptionSpec> {
    main_section::OPTIONS
        .iter()
        .chain(clients::OPTIONS)
        .chain(servers::OPTIONS)
}

/// The options of one kind of section.
pub fn options_of(kind: SectionKind) -> impl Iterator<Item = &'static OptionSpec> {
    options().filter(move |option| option.sections.contains(&kind))
}

/// Finds an option by the name a file gives it. Letter case does not count.
#[must_use]
pub fn find(kind: SectionKind, key: &str) -> Option<Named> {
    let key = key.to_ascii_lowercase();
    let clear = key.replacen("_protected", "", 1);
    options_of(kind).find_map(|option| {
        if let Some(number) = option.number(&key) {
            return Some(Named {
                option,
                number,
                protected: false,
            });
        }
        if option.kind != Kind::Secret || clear == key {
            return None;
        }
        option.number(&clear).map(|number| Named {
            option,
            number,
            protected: true,
        })
    })
}

/// The first kind of section that has an option of this name.
#[must_use]
pub fn section_of(key: &str) -> Option<SectionKind> {
    let mut kinds = SectionKind::ALL.iter().copied();
    kinds.find(|kind| find(*kind, key).is_some())
}

/// What somebody who wrote `key` may have meant.
#[must_use]
pub fn suggest(kind: SectionKind, key: &str) -> Option<String> {
    let stem = key.trim_end_matches(|c: char| c.is_ascii_digit());
    let (stem, number) = match stem.strip_suffix('_') {
        Some(shorter) if stem.len() < key.len() => (shorter, key.get(stem.len()..)?),
        _ => (key, ""),
    };
    let names = || options_of(kind).map(|option| option.name);
    let name = nearest(stem, names()).or_else(|| sharing_words(stem, names()))?;
    let option = options_of(kind).find(|option| option.name == name)?;
    Some(match option.numbering {
        Numbering::FromOne if number.is_empty() => format!("{name}_1"),
        Numbering::FromOne | Numbering::FromTwo if ordinal(number).is_some_and(|n| n > 1) => {
            format!("{name}_{number}")
        }
        _ => name.to_owned(),
    })
}

/// What somebody who wrote `[name]` may have meant.
#[must_use]
pub fn suggest_section(name: &str) -> Option<String> {
    let trimmed = name.trim();
    let stem = trimmed.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = trimmed.get(stem.len()..)?;
    let kind = nearest(
        stem.trim_end_matches('_'),
        SectionKind::ALL.iter().map(|kind| kind.name()),
    )?;
    let number = if ordinal(number).is_some() {
        number
    } else {
        ""
    };
    let whole = format!("{kind}{number}");
    Some(if SectionKind::parse(&whole).is_some() {
        whole
    } else {
        kind.to_owned()
    })
}

/// A number from 1 written without leading zeros.
fn ordinal(text: &str) -> Option<u32> {
    if text.starts_with('0') || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests;
