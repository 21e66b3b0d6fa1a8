//! The names of a server that supplicants check: DNS names, one at least, and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::SanType;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;

use super::{COMMON_NAME_CHARACTERS, IssueError};

/// The names of a server, each once, in the order given; the DNS names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerNames(Vec<Name>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Dns(String),
    Address(IpAddr),
}

/// Why words are no names of a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamesFault {
    /// None was given.
    #[error(
        "give the DNS name that supplicants are to check, such as radius.example.com; it need not \
         resolve"
    )]
    Missing,
    /// Addresses alone.
    #[error(
        "supplicants check a DNS name and no address: give one as well, such as \
         radius.example.com; it need not resolve"
    )]
    AddressesOnly,
    /// One is neither a DNS name nor an address.
    #[error("'{word}' is no DNS name and no address: {why}")]
    Bad {
        /// What was given, shortened.
        word: String,
        /// What is wrong with it, and what to write.
        why: &'static str,
    },
    /// There are more than a certificate is good for.
    #[error("a certificate here has {MOST_NAMES} names at most")]
    TooMany,
    /// There is no certificate to take names from.
    #[error("there is no certificate in it")]
    NoCertificate,
}

impl ServerNames {
    /// Reads words: DNS names, and addresses of both versions.
    ///
    /// # Errors
    /// [`NamesFault`], for the first word that is neither, and without a DNS name.
    pub fn parse(words: &[String]) -> Result<Self, NamesFault> {
        let names = words.iter().map(|word| name(word));
        Self::of(names.collect::<Result<_, _>>()?)
    }

    /// Those in the subjectAltName of the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`NamesFault`], when there are none that could be given here.
    pub fn of_certificate(pem: &str) -> Result<Self, NamesFault> {
        let none = || NamesFault::NoCertificate;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| none())?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| none())?;
        let found = parsed.subject_alternative_name().map_err(|_| none())?;
        let found = found.map_or(&[][..], |found| &found.value.general_names);
        let names = found.iter().filter_map(|one| match one {
            GeneralName::DNSName(text) => Some(name(text)),
            GeneralName::IPAddress(octets) => address(octets).map(|one| Ok(Name::Address(one))),
            _ => None,
        });
        Self::of(names.collect::<Result<_, _>>()?)
    }

    fn of(given: Vec<Name>) -> Result<Self, NamesFault> {
        let mut names: Vec<Name> = Vec::new();
        for one in given {
            if !names.contains(&one) {
                names.push(one);
            }
        }
        if names.is_empty() {
            return Err(NamesFault::Missing);
        }
        if names.len() > MOST_NAMES {
            return Err(NamesFault::TooMany);
        }
        let dns = |one: &Name| matches!(one, Name::Dns(_));
        names
            .iter()
            .any(dns)
            .then_some(Self(names))
            .ok_or(NamesFault::AddressesOnly)
    }

    /// The first DNS name: the one to tell supplicants.
    #[must_use]
    pub fn first(&self) -> &str {
        let mut names = self.0.iter().filter_map(|one| match one {
            Name::Dns(name) => Some(name.as_str()),
            Name::Address(_) => None,
        });
        names.next().unwrap_or_default()
    }

    /// All of them as text.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let text = |one: &Name| match one {
            Name::Dns(name) => name.clone(),
            Name::Address(address) => address.to_string(),
        };
        self.0.iter().map(text).collect()
    }

    /// The first DNS name where it fits a common name, which nobody needs beside subjectAltName.
    pub(super) fn common_name(&self) -> String {
        let name = self.first();
        if name.len() <= COMMON_NAME_CHARACTERS {
            name.to_owned()
        } else {
            "RADIUS server".to_owned()
        }
    }

    pub(super) fn alternatives(&self) -> Result<Vec<SanType>, IssueError> {
        let alternative = |one: &Name| {
            Ok(match one {
                Name::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
                Name::Address(address) => SanType::IpAddress(*address),
            })
        };
        self.0.iter().map(alternative).collect()
    }
}

fn name(word: &str) -> Result<Name, NamesFault> {
    if let Ok(address) = word.parse() {
        return Ok(Name::Address(address));
    }
    fault(word).map_or_else(
        || Ok(Name::Dns(word.to_ascii_lowercase())),
        |why| {
            let word = word.chars().take(SHOWN_CHARACTERS);
            let word = word.flat_map(char::escape_debug).collect();
            Err(NamesFault::Bad { word, why })
        },
    )
}

/// What keeps a word from being a DNS name (RFC 1123 section 2.1). Underscores are let in: names of
/// Windows have them.
fn fault(word: &str) -> Option<&'static str> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if word.is_empty() {
        Some("it is empty")
    } else if word.contains('*') {
        Some("supplicants check no wildcards; give each name by itself")
    } else if word.contains("://") || word.contains('/') {
        Some("give the name alone, without what stands before or behind it")
    } else if !word.is_ascii() {
        Some("write it as DNS has it, with xn--")
    } else if !word.chars().all(good) {
        Some("it has characters other than letters, digits, '-' and '.'")
    } else if word.len() > LONGEST_NAME {
        Some("it is longer than 253 characters")
    } else if word.split('.').any(str::is_empty) {
        Some("a dot is to stand between two parts")
    } else if word.split('.').any(|part| part.len() > LONGEST_LABEL) {
        Some("one of its parts is longer than 63 characters")
    } else if word
        .split('.')
        .any(|part| part.starts_with('-') || part.ends_with('-'))
    {
        Some("no part of it may begin or end with '-'")
    } else if word
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()))
    {
        Some("the last part of a name is no number, and an address has four")
    } else {
        None
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(|four| Ipv4Addr::from(four).into());
    let sixteen = <[u8; 16]>::try_from(octets).map(|all| Ipv6Addr::from(all).into());
    four.or(sixteen).ok()
}

/// The most names of one certificate: it goes through RADIUS, a kilobyte at a time.
const MOST_NAMES: usize = 20;
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;
/// How much of a bad word is shown.
const SHOWN_CHARACTERS: usize = 80;
