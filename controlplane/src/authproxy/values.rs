//! One value: whether it is of its option's kind, and what it is.
//!
//! The checks here report; the readers below them take a value that has been checked and fall
//! back to nothing, because a file with a bad value is refused anyway.

use std::net::IpAddr;

use proto::address::AddressRange;
use proto::id::IntegrationId;
use rustls_pki_types::DnsName;

use super::cursor::is_attribute;
use super::nearest::nearest;
use super::schema::{Kind, MENU_FACTORS};
use super::{cipher_list, dn, filter};

/// What is wrong with a value and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueFault {
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// Checks a value that is not empty. A secret is never quoted.
pub(crate) fn check(kind: Kind, value: &str) -> Result<(), ValueFault> {
    let fault = |message: String| {
        // Values are literal, so what was meant as a comment makes them wrong.
        let comment = value.contains(" ;") || value.contains(" #") || value.contains("\t;");
        let hint = if comment {
            " (a comment needs a line of its own)"
        } else {
            ""
        };
        Err(ValueFault {
            message,
            remedy: format!("write {}{hint}", kind.describe()),
        })
    };
    let shown = shorten(value);
    match kind {
        Kind::Text | Kind::Secret | Kind::Attribute | Kind::Path | Kind::SectionName => Ok(()),
        Kind::Attributes => {
            if list(value).next().is_none() {
                return fault("names no attribute".to_owned());
            }
            Ok(())
        }
        Kind::Boolean if boolean(value).is_some() => Ok(()),
        Kind::Boolean => fault(format!("'{shown}' is neither true nor false")),
        Kind::Integer(low, high) => match value.parse::<i128>() {
            Ok(number) if (i128::from(low)..=i128::from(high)).contains(&number) => Ok(()),
            Ok(_) => fault(format!("'{shown}' is out of range")),
            Err(_) => fault(format!("'{shown}' is no whole number")),
        },
        Kind::Choice(words) if choice(words, value).is_some() => Ok(()),
        Kind::Choice(words) => Err(ValueFault {
            message: format!("'{shown}' is no value of this option"),
            remedy: match nearest(value, words.iter().copied()) {
                Some(near) => format!("did you mean '{near}'? write {}", kind.describe()),
                None => format!("write {}", kind.describe()),
            },
        }),
        Kind::Address if address(value).is_some() => Ok(()),
        Kind::Address => fault(format!("'{shown}' is no IP address")),
        Kind::Addresses => addresses(value).or_else(fault),
        Kind::AddressList => list(value).try_for_each(addresses).or_else(fault),
        Kind::Host if is_host(value) => Ok(()),
        Kind::Host if value.contains(',') => Err(ValueFault {
            message: format!("'{shown}' is more than one host name or address"),
            remedy: "write one; each further one is an option of its own, as in host_2".to_owned(),
        }),
        Kind::Host if ends_in_number(value) => fault(format!("'{shown}' is no IP address")),
        Kind::Host => fault(format!("'{shown}' is no host name or address")),
        Kind::ApiHost if is_builtin(value) || api_host(value).is_some() => Ok(()),
        Kind::ApiHost => fault(format!("'{shown}' is no host name")),
        Kind::IntegrationKey if !value.contains(|c: char| c == ':' || c.is_whitespace()) => Ok(()),
        Kind::IntegrationKey => fault("an integration key has no blanks or ':'".to_owned()),
        Kind::Factors(words) => factors(words, value),
        Kind::CipherList => cipher_list::parse(value).map(|_| ()),
        Kind::Delimiter if !value.chars().any(char::is_alphanumeric) => Ok(()),
        Kind::Delimiter => {
            fault("a delimiter with letters or digits would split factors and passcodes".to_owned())
        }
        // What has a '=' in it goes to the directory as it is: names are for it to read.
        Kind::Dn if value.contains('=') => Ok(()),
        Kind::Dn => dn::check(value)
            .or_else(|place| fault(format!("'{shown}' is no distinguished name: {place}"))),
        Kind::Filter => filter::strict(value)
            .map(|_| ())
            .or_else(|place| fault(format!("the filter cannot be read: {place}"))),
        // `proto` takes no '_' here.
        Kind::LdapAttribute if is_attribute(value) && !value.contains('_') => Ok(()),
        Kind::LdapAttribute => fault(format!("'{shown}' is no attribute name")),
        Kind::Id => match IntegrationId::new(value) {
            Ok(_) => Ok(()),
            Err(_) => fault(format!("'{shown}' is no id")),
        },
    }
}

fn addresses(value: &str) -> Result<(), String> {
    value
        .parse::<AddressRange>()
        .map(|_| ())
        .map_err(|error| shorten(&error.to_string()))
}

fn factors(words: &'static [&'static str], value: &str) -> Result<(), ValueFault> {
    let remedy = format!("write {}", Kind::Factors(words).describe());
    if list(value).next().is_none() {
        return Err(ValueFault {
            message: "names no factor".to_owned(),
            remedy,
        });
    }
    match list(value).find(|word| choice(words, word).is_none()) {
        None => Ok(()),
        // Of another section: a user may type it here, and would have to log in once more.
        Some(word) if choice(MENU_FACTORS, word).is_some() => Err(ValueFault {
            message: format!(
                "'{}' is a factor of [radius_server_challenge] only, where the code that it brings \
                 is asked for",
                shorten(word)
            ),
            remedy: format!("{remedy}, or use [radius_server_challenge]"),
        }),
        Some(word) => Err(ValueFault {
            message: format!("'{}' is no factor", shorten(word)),
            remedy: match nearest(word, words.iter().copied()) {
                Some(near) => format!("did you mean '{near}'? {remedy}"),
                None => remedy,
            },
        }),
    }
}

/// What a message shows of a value: its first characters.
pub(crate) fn shorten(value: &str) -> String {
    const SHOWN: usize = 80;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

/// The entries of a comma-separated list.
pub(crate) fn list(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
}

/// A truth value, in any case.
pub(crate) fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The word of a choice, as it is spelt in the documentation.
pub(crate) fn choice(words: &[&'static str], value: &str) -> Option<&'static str> {
    words
        .iter()
        .copied()
        .find(|word| word.eq_ignore_ascii_case(value))
}

/// An address; an IPv6 one may stand in brackets.
pub(crate) fn address(value: &str) -> Option<IpAddr> {
    let bare = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(value);
    bare.parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

fn is_host(value: &str) -> bool {
    address(value).is_some() || DnsName::try_from(value).is_ok() && !ends_in_number(value)
}

/// Whether it was meant to be an IPv4 address: no top-level domain is a number (RFC 3696
/// section 2).
fn ends_in_number(value: &str) -> bool {
    let last = value.trim_end_matches('.').rsplit('.').next();
    last.is_some_and(|label| !label.is_empty() && label.chars().all(|c| c.is_ascii_digit()))
}

fn is_name(value: &str) -> bool {
    value.len() <= 253
        && value
            .split('.')
            .all(|label| !label.is_empty() || value.ends_with('.'))
        && value.chars().any(|c| c.is_ascii_alphanumeric())
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Whether `api_host` asks for the second factor that comes with the product.
pub(crate) fn is_builtin(value: &str) -> bool {
    value.eq_ignore_ascii_case("builtin")
}

/// Host and port of an `api_host`; the port is 443 where none is written.
pub(crate) fn api_host(value: &str) -> Option<(&str, u16)> {
    let (host, port) = match value.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (value, 443),
    };
    is_name(host).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::super::schema::FACTORS;
    use super::*;

    #[test]
    fn values_are_checked_by_kind() {
        let ports = Kind::Integer(1, 65_535);
        let modes = Kind::Choice(&["safe", "secure"]);
        for (kind, value, good) in [
            (Kind::Boolean, "TRUE", true),
            (Kind::Boolean, "0", true),
            (Kind::Boolean, "perhaps", false),
            (ports, "1812", true),
            (ports, "0", false),
            (ports, "-1", false),
            (ports, "70000", false),
            (ports, "99999999999999999999999999999999999999999999", false),
            (ports, "1812 ; comment", false),
            (modes, "Secure", true),
            (modes, "sure", false),
            (Kind::Address, "::1", true),
            (Kind::Address, "[2001:db8::1]", true),
            (Kind::Address, "vpn", false),
            (Kind::Addresses, "10.0.0.0/24", true),
            (Kind::Addresses, "999.1.1.1", false),
            (Kind::AddressList, "10.0.0.1, 10.0.1.0/24", true),
            (Kind::AddressList, "10.0.0.1,x", false),
            (Kind::Host, "dc1.example.com", true),
            (Kind::Host, "2001:db8::1", true),
            (Kind::Host, "ldaps://dc1", false),
            (Kind::Host, "dc1 dc2", false),
            (Kind::Host, "dc1:389", false),
            (Kind::Host, "dc_1", true),
            (Kind::Host, "dc..example.com", false),
            (Kind::Host, "-dc", false),
            (Kind::LdapAttribute, "acme_name", false),
            (Kind::Host, "dc-1.example.com.", true),
            (Kind::Host, "[2001:db8::1]", true),
            (Kind::Host, "10.0.0.999", false),
            (Kind::Host, "10.0.0", false),
            (Kind::Host, "fe80::1%eth0", false),
            (Kind::Host, "2dc", true),
            (Kind::ApiHost, "api-1.example.com:8443", true),
            (Kind::ApiHost, "Builtin", true),
            (Kind::ApiHost, "https://api-1.example.com", false),
            (Kind::ApiHost, "api:0", false),
            (Kind::ApiHost, "api:x", false),
            (Kind::IntegrationKey, "DIX", true),
            (Kind::IntegrationKey, "DI X", false),
            (Kind::Factors(FACTORS), "push, Phone", true),
            (Kind::Factors(FACTORS), ",", false),
            (Kind::Factors(FACTORS), "telepathy", false),
            (Kind::Factors(FACTORS), "push,sms", false),
            (Kind::Factors(MENU_FACTORS), "SMS,passcode", true),
            (Kind::Factors(MENU_FACTORS), "smss", false),
            (Kind::CipherList, "ECDHE+AESGCM:!RC4", true),
            (Kind::CipherList, "HIHG", false),
            (Kind::Delimiter, "::", true),
            (Kind::Delimiter, "x", false),
            (Kind::Dn, "DC=example,DC=com", true),
            (Kind::Dn, "example.com", false),
            (Kind::Filter, "(&(a=b)(c=d))", true),
            (Kind::Filter, "a=b", true),
            (Kind::Filter, "(a=b", false),
            (Kind::Filter, "(a=b)(c=d)", false),
            (Kind::Filter, "a=b)(", false),
            (Kind::LdapAttribute, "uid", true),
            (Kind::LdapAttribute, "1.2.840.113556.1.4.221", true),
            (Kind::LdapAttribute, "u=d", false),
            (Kind::LdapAttribute, "-uid", false),
            (Kind::LdapAttribute, "1uid", false),
            (Kind::Attributes, " , ", false),
            (Kind::Id, "vpn-Office_2.b", true),
            (Kind::Id, "vpn office", false),
        ] {
            assert_eq!(check(kind, value).is_ok(), good, "{kind:?} {value}");
        }
    }

    #[test]
    fn faults_say_what_to_write() {
        let fault = check(Kind::Choice(&["safe", "secure"]), "secur").unwrap_err();
        assert_eq!(
            fault.remedy,
            "did you mean 'secure'? write one of safe, secure"
        );
        let fault = check(Kind::Integer(1, 9), "5 ; five").unwrap_err();
        assert_eq!(
            fault.remedy,
            "write a whole number from 1 to 9 (a comment needs a line of its own)"
        );
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        assert_eq!(shorten(&"é".repeat(100)), format!("{}…", "é".repeat(80)));
        assert_eq!(shorten("é"), "é");
    }
}
