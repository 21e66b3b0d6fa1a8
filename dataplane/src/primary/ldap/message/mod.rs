//! The messages of LDAP that a login needs (RFC 4511): bind, search and StartTLS, and what answers
//! them. Pure.

use super::ber::{self, Malformed, Reader};
use super::filter::Filter;

/// One search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    pub(super) filter: &'a Filter,
    /// The attributes whose values are wanted; empty when the names of entries are enough.
    pub(super) attributes: &'a [&'a str],
    /// The most entries that are wanted.
    pub(super) limit: u32,
}

/// How far below its base a search looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// At the base alone.
    Base,
    /// At the base and everything below.
    Subtree,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) dn: String,
    /// The list of attributes, as it came.
    attributes: Vec<u8>,
}

impl Found {
    /// How much of it is kept.
    pub(super) const fn octets(&self) -> usize {
        self.dn.len() + self.attributes.len()
    }

    /// The attributes: each its name, without options, and its values. What is malformed ends the
    /// list.
    fn attributes(&self) -> impl Iterator<Item = (&str, Reader<'_>)> {
        let mut list = Reader::new(&self.attributes);
        std::iter::from_fn(move || {
            let mut parts = Reader::new(list.expect(ber::SEQUENCE).ok()?);
            let description = str::from_utf8(parts.expect(ber::OCTETS).ok()?).ok()?;
            let values = Reader::new(parts.expect(ber::SET).ok()?);
            Some((without_options(description), values))
        })
    }

    /// The values of an attribute, whatever options it has.
    pub(super) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let name = without_options(name);
        self.attributes()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .flat_map(|(_, values)| strings(values))
    }

    /// The values of an attribute that was asked for beside these others. It may come under another
    /// of its names.
    pub(super) fn values_beside<'a>(
        &'a self,
        name: &str,
        others: &[&str],
    ) -> impl Iterator<Item = &'a [u8]> {
        let name = without_options(name);
        self.attributes()
            .filter(move |(found, _)| {
                found.eq_ignore_ascii_case(name)
                    || !others.iter().any(|other| found.eq_ignore_ascii_case(other))
            })
            .flat_map(|(_, values)| strings(values))
    }
}

fn without_options(description: &str) -> &str {
    description
        .split_once(';')
        .map_or(description, |(name, _)| name)
}

fn strings<'a>(mut values: Reader<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    std::iter::from_fn(move || values.expect(ber::OCTETS).ok())
}

/// How an operation ended (RFC 4511 section 4.1.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) code: u32,
    /// The directory's words; characters that are none are replaced.
    pub(super) text: String,
}

/// The answer to a bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BindAnswer {
    pub(super) outcome: Outcome,
    /// What the mechanism says back.
    pub(super) credentials: Option<Vec<u8>>,
    /// What the password policy says of the account.
    pub(super) policy: Option<PolicyError>,
}

/// What a password policy says of an account (draft-behera-ldap-password-policy section 6.2); of its
/// errors those that a bind can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PolicyError {
    /// The password has expired.
    Expired,
    /// The account is locked.
    Locked,
    /// The password was set by somebody else, and is to be changed.
    ChangeFirst,
}

/// Something that a directory sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) id: u32,
    pub(super) answer: Answer<'a>,
    controls: Option<&'a [u8]>,
}

/// What kind of answer it is, and its content.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer<'a> {
    /// To a bind.
    Bind(&'a [u8]),
    /// An entry.
    Entry(&'a [u8]),
    /// The end of a search.
    SearchEnd(&'a [u8]),
    /// Where else to search.
    Reference,
    /// To an extended operation, or to nothing.
    Extended(&'a [u8]),
    /// Before the end of an operation (RFC 4511 section 4.13).
    Intermediate,
}

impl<'a> Message<'a> {
    /// Reads one whole message.
    ///
    /// # Errors
    /// [`Malformed`] when it is no message, or none that a client is sent.
    pub(super) fn read(octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut parts = Reader::new(Reader::new(octets).expect(ber::SEQUENCE)?);
        let id = parts.number(ber::INTEGER)?;
        let (tag, content) = parts.next()?.ok_or(Malformed)?;
        let answer = match tag {
            BIND_RESPONSE => Answer::Bind(content),
            ENTRY => Answer::Entry(content),
            SEARCH_DONE => Answer::SearchEnd(content),
            REFERENCE => Answer::Reference,
            EXTENDED_RESPONSE => Answer::Extended(content),
            INTERMEDIATE_RESPONSE => Answer::Intermediate,
            _ => return Err(Malformed),
        };
        let controls = match parts.next()? {
            Some((CONTROLS, content)) => Some(content),
            Some(_) => return Err(Malformed),
            None => None,
        };
        Ok(Self {
            id,
            answer,
            controls,
        })
    }

    /// Whether the directory says that it is about to end the connection (RFC 4511 section 4.4.1).
    /// Message number 0 is used for such notices alone.
    pub(super) const fn is_notice(&self) -> bool {
        self.id == 0
    }

    /// What the password policy says; none when it says nothing that a login is to know.
    fn policy(&self) -> Option<PolicyError> {
        let mut controls = Reader::new(self.controls?);
        while let Ok(control) = controls.expect(ber::SEQUENCE) {
            let mut parts = Reader::new(control);
            if parts.expect(ber::OCTETS).ok()? != PASSWORD_POLICY {
                continue;
            }
            while let Ok(Some((tag, value))) = parts.next() {
                if tag == ber::OCTETS {
                    return policy_error(value);
                }
            }
        }
        None
    }

    /// What brings the next page of a search (RFC 2696 section 3); empty after the last one, and from
    /// a directory that knows no pages.
    pub(super) fn next_page(&self) -> Vec<u8> {
        let mut controls = Reader::new(self.controls.unwrap_or_default());
        while let Ok(control) = controls.expect(ber::SEQUENCE) {
            let mut parts = Reader::new(control);
            if parts.expect(ber::OCTETS) != Ok(PAGED_RESULTS) {
                continue;
            }
            while let Ok(Some((tag, value))) = parts.next() {
                if tag == ber::OCTETS {
                    return cookie(value).unwrap_or_default();
                }
            }
        }
        Vec::new()
    }

    /// Reads the answer to a bind.
    ///
    /// # Errors
    /// [`Malformed`] when it is none.
    pub(super) fn bind(&self) -> Result<BindAnswer, Malformed> {
        let Answer::Bind(content) = self.answer else {
            return Err(Malformed);
        };
        let mut parts = Reader::new(content);
        let outcome = outcome(&mut parts)?;
        let mut credentials = None;
        while let Some((tag, content)) = parts.next()? {
            if tag == SERVER_CREDENTIALS {
                credentials = Some(content.to_vec());
            }
        }
        Ok(BindAnswer {
            outcome,
            credentials,
            policy: self.policy(),
        })
    }
}

/// `SEQUENCE { warning [0] OPTIONAL, error [1] ENUMERATED OPTIONAL }`
fn policy_error(value: &[u8]) -> Option<PolicyError> {
    let mut parts = Reader::new(Reader::new(value).expect(ber::SEQUENCE).ok()?);
    while let Ok(Some((tag, content))) = parts.next() {
        if tag == POLICY_ERROR {
            return match content {
                [0] => Some(PolicyError::Expired),
                [1] => Some(PolicyError::Locked),
                [2] => Some(PolicyError::ChangeFirst),
                _ => None,
            };
        }
    }
    None
}

/// `SEQUENCE { size INTEGER, cookie OCTET STRING }`
fn cookie(value: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Reader::new(Reader::new(value).expect(ber::SEQUENCE).ok()?);
    // An estimate, which may be none: what it says is not needed.
    parts.expect(ber::INTEGER).ok()?;
    parts.expect(ber::OCTETS).ok().map(<[u8]>::to_vec)
}

/// Reads how an operation ended from the content of its last answer.
///
/// # Errors
/// [`Malformed`] when it does not say.
pub(super) fn ended(content: &[u8]) -> Result<Outcome, Malformed> {
    outcome(&mut Reader::new(content))
}

fn outcome(parts: &mut Reader<'_>) -> Result<Outcome, Malformed> {
    let code = parts.number(ber::ENUMERATED)?;
    parts.expect(ber::OCTETS)?;
    let text = String::from_utf8_lossy(parts.expect(ber::OCTETS)?).into_owned();
    Ok(Outcome { code, text })
}

/// Reads an entry from the content of its message.
///
/// # Errors
/// [`Malformed`] when it is none, or its name is no text.
pub(super) fn entry(content: &[u8]) -> Result<Found, Malformed> {
    let mut parts = Reader::new(content);
    let dn = str::from_utf8(parts.expect(ber::OCTETS)?).map_err(|_| Malformed)?;
    Ok(Found {
        dn: dn.to_owned(),
        attributes: parts.expect(ber::SEQUENCE)?.to_vec(),
    })
}

/// Writes a simple bind, which asks what the password policy says of the account.
pub(super) fn simple_bind(out: &mut Vec<u8>, id: u32, name: &str, password: &str) {
    // No copy of the password is left behind by growing.
    out.reserve(name.len() + password.len() + PASSWORD_POLICY.len() + 64);
    request(out, id, |out| {
        ber::nest(out, BIND_REQUEST, |out| {
            ber::write_number(out, ber::INTEGER, VERSION);
            ber::write(out, ber::OCTETS, name.as_bytes());
            ber::write(out, SIMPLE, password.as_bytes());
        });
        // Not critical: what knows none leaves it out.
        ber::nest(out, CONTROLS, |out| {
            ber::nest(out, ber::SEQUENCE, |out| {
                ber::write(out, ber::OCTETS, PASSWORD_POLICY);
            });
        });
    });
}

/// Writes a bind by a mechanism.
pub(super) fn sasl_bind(out: &mut Vec<u8>, id: u32, mechanism: &str, credentials: &[u8]) {
    out.reserve(mechanism.len() + credentials.len() + 64);
    request(out, id, |out| {
        ber::nest(out, BIND_REQUEST, |out| {
            ber::write_number(out, ber::INTEGER, VERSION);
            ber::write(out, ber::OCTETS, b"");
            ber::nest(out, SASL, |out| {
                ber::write(out, ber::OCTETS, mechanism.as_bytes());
                ber::write(out, ber::OCTETS, credentials);
            });
        });
    });
}

/// Writes a search.
pub(super) fn search(out: &mut Vec<u8>, id: u32, search: &Search<'_>) {
    request(out, id, |out| search_request(out, search));
}

/// Writes a search for one page of entries (RFC 2696), the first one where the cookie is empty.
pub(super) fn page(out: &mut Vec<u8>, id: u32, search: &Search<'_>, size: u32, cookie: &[u8]) {
    request(out, id, |out| {
        search_request(out, search);
        ber::nest(out, CONTROLS, |out| {
            ber::nest(out, ber::SEQUENCE, |out| {
                ber::write(out, ber::OCTETS, PAGED_RESULTS);
                // Critical: all entries at once may be more than the directory gives.
                ber::write(out, ber::BOOLEAN, &[0xff]);
                ber::nest(out, ber::OCTETS, |out| {
                    ber::nest(out, ber::SEQUENCE, |out| {
                        ber::write_number(out, ber::INTEGER, size);
                        ber::write(out, ber::OCTETS, cookie);
                    });
                });
            });
        });
    });
}

fn search_request(out: &mut Vec<u8>, search: &Search<'_>) {
    ber::nest(out, SEARCH_REQUEST, |out| {
        ber::write(out, ber::OCTETS, search.base.as_bytes());
        let scope = match search.scope {
            Scope::Base => 0,
            Scope::Subtree => 2,
        };
        ber::write_number(out, ber::ENUMERATED, scope);
        ber::write_number(out, ber::ENUMERATED, NEVER_DEREFERENCE);
        ber::write_number(out, ber::INTEGER, search.limit);
        ber::write_number(out, ber::INTEGER, NO_TIME_LIMIT);
        ber::write(out, ber::BOOLEAN, &[0]);
        out.extend_from_slice(search.filter.octets());
        ber::nest(out, ber::SEQUENCE, |out| {
            if search.attributes.is_empty() {
                ber::write(out, ber::OCTETS, NO_ATTRIBUTES);
            }
            for attribute in search.attributes {
                ber::write(out, ber::OCTETS, attribute.as_bytes());
            }
        });
    });
}

/// Writes the wish to go on under TLS.
pub(super) fn start_tls(out: &mut Vec<u8>, id: u32) {
    request(out, id, |out| {
        ber::nest(out, EXTENDED_REQUEST, |out| {
            ber::write(out, REQUEST_NAME, START_TLS);
        });
    });
}

/// Writes the goodbye.
pub(super) fn unbind(out: &mut Vec<u8>, id: u32) {
    request(out, id, |out| ber::write(out, UNBIND_REQUEST, &[]));
}

fn request(out: &mut Vec<u8>, id: u32, operation: impl FnOnce(&mut Vec<u8>)) {
    ber::nest(out, ber::SEQUENCE, |out| {
        ber::write_number(out, ber::INTEGER, id);
        operation(out);
    });
}

const VERSION: u32 = 3;
const NEVER_DEREFERENCE: u32 = 0;
/// The deadline is kept here.
const NO_TIME_LIMIT: u32 = 0;
/// No attribute is needed (RFC 4511 section 4.5.1.8).
const NO_ATTRIBUTES: &[u8] = b"1.1";
/// RFC 4511 section 4.14.1.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// draft-behera-ldap-password-policy section 6: of the request and of the response.
const PASSWORD_POLICY: &[u8] = b"1.3.6.1.4.1.42.2.27.8.5.1";

/// RFC 2696 section 2: of the request and of the response.
const PAGED_RESULTS: &[u8] = b"1.2.840.113556.1.4.319";

const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const UNBIND_REQUEST: u8 = 0x42;
const SEARCH_REQUEST: u8 = 0x63;
const ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE_RESPONSE: u8 = 0x79;
const CONTROLS: u8 = 0xa0;
const SIMPLE: u8 = 0x80;
const SASL: u8 = 0xa3;
const SERVER_CREDENTIALS: u8 = 0x87;
const REQUEST_NAME: u8 = 0x80;
const POLICY_ERROR: u8 = 0x81;

#[cfg(test)]
pub(super) mod tests;
