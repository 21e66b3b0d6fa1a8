//! A [`Context`] as octets: short, because a State has little room.
//!
//! ```text
//! first 16 | 1 upstream  | host 1 | part state | part typed
//! first 16 | 2 prompt    | menu 8 | wrong 1 | repeats 1 | attribute ..
//! first 16 | 5 numbered  | length 1 | txid .. | length 1 | code .. | menu 8 | wrong 1 | repeats 1 | attribute ..
//! first 16 | 3 enrolment
//! first 16 | 4 refusal
//! part:      0 | 1 length 2 octets ..
//! attribute: kind and flags 1 | vendor 4, if flagged | number 1 | tag 1, if flagged | length 1 | value ..
//! ```

use proto::id::LoginId;
use proto::secret::Secret;
use zeroize::Zeroizing;

use super::Context;
use crate::duo::message::PushNumber;
use crate::flow::{MenuDigest, Pending, Prompted};
use crate::primary::{Asked, UpstreamAttribute, UpstreamValue};

/// Writes one; none when a value is longer than any that came in a packet.
pub(super) fn write(context: &Context) -> Option<Zeroizing<Vec<u8>>> {
    // Never grown, so that no copy of a passcode or a key stays behind.
    let mut written = Zeroizing::new(Vec::with_capacity(octets(&context.pending)));
    written.extend_from_slice(&context.first.to_bytes());
    match &context.pending {
        Pending::Upstream { asked, typed } => {
            written.extend_from_slice(&[UPSTREAM, asked.host]);
            let typed = typed.as_ref().map(|typed| typed.expose().as_bytes());
            for part in [asked.state.as_deref(), typed] {
                let Some(part) = part else {
                    written.push(ABSENT);
                    continue;
                };
                written.push(PRESENT);
                written.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
                written.extend_from_slice(part);
            }
        }
        Pending::Prompt(prompted) => {
            match prompted.number.as_deref() {
                None => written.push(PROMPT),
                Some(PushNumber { txid, code }) => {
                    written.push(NUMBERED);
                    for text in [&txid.0, code] {
                        written.push(u8::try_from(text.len()).ok()?);
                        written.extend_from_slice(text.as_bytes());
                    }
                }
            }
            written.extend_from_slice(&prompted.menu);
            written.extend_from_slice(&[prompted.wrong, prompted.repeats]);
            for attribute in &prompted.attributes {
                write_attribute(&mut written, attribute)?;
            }
        }
        Pending::Enrolment => written.push(ENROLMENT),
        Pending::Refusal => written.push(REFUSAL),
    }
    Some(written)
}

/// At least as many octets as one is written in.
pub(super) fn octets(pending: &Pending) -> usize {
    let body = match pending {
        Pending::Upstream { asked, typed } => {
            asked.state.as_ref().map_or(0, Vec::len)
                + typed.as_ref().map_or(0, |typed| typed.expose().len())
        }
        Pending::Prompt(prompted) => {
            let attributes = prompted.attributes.iter();
            let attributes: usize = attributes
                .map(|attribute| ATTRIBUTE_FRAME + value(&attribute.value).len())
                .sum();
            let number = prompted.number.as_ref();
            attributes + number.map_or(0, |one| 2 + one.txid.0.len() + one.code.len())
        }
        Pending::Enrolment | Pending::Refusal => 0,
    };
    FRAME + body
}

fn write_attribute(written: &mut Vec<u8>, attribute: &UpstreamAttribute) -> Option<()> {
    let UpstreamAttribute {
        vendor,
        number,
        value: kind,
        always,
    } = attribute;
    let (mut flags, tag) = match kind {
        UpstreamValue::Plain(_) => (PLAIN, None),
        UpstreamValue::Hidden(_) => (HIDDEN, None),
        UpstreamValue::Salted { tag, .. } => (SALTED, *tag),
    };
    for (flag, set) in [
        (OF_VENDOR, vendor.is_some()),
        (ALWAYS, *always),
        (TAGGED, tag.is_some()),
    ] {
        flags |= if set { flag } else { 0 };
    }
    written.push(flags);
    if let Some(vendor) = vendor {
        written.extend_from_slice(&vendor.to_be_bytes());
    }
    written.push(*number);
    written.extend(tag);
    let value = value(kind);
    written.push(u8::try_from(value.len()).ok()?);
    written.extend_from_slice(value);
    Some(())
}

fn value(value: &UpstreamValue) -> &[u8] {
    match value {
        UpstreamValue::Plain(value) => value,
        UpstreamValue::Hidden(clear) | UpstreamValue::Salted { clear, .. } => clear.expose(),
    }
}

/// Reads one; none when the octets are of another version, or no whole one.
pub(super) fn read(written: &[u8]) -> Option<Context> {
    let (first, rest) = written.split_first_chunk()?;
    let pending = match rest {
        [UPSTREAM, host, rest @ ..] => read_upstream(*host, rest)?,
        [PROMPT, rest @ ..] => Pending::Prompt(read_prompt(None, rest)?),
        [NUMBERED, rest @ ..] => {
            let (txid, rest) = short_text(rest)?;
            let (code, rest) = short_text(rest)?;
            let number = Box::new(PushNumber::new(txid, code)?);
            Pending::Prompt(read_prompt(Some(number), rest)?)
        }
        [ENROLMENT] => Pending::Enrolment,
        [REFUSAL] => Pending::Refusal,
        _ => return None,
    };
    Some(Context {
        first: LoginId::from_bytes(*first),
        pending,
    })
}

fn read_upstream(host: u8, rest: &[u8]) -> Option<Pending> {
    let (state, rest) = part(rest)?;
    let (typed, rest) = part(rest)?;
    let typed = match typed {
        None => None,
        Some(typed) => Some(Secret::from(std::str::from_utf8(typed).ok()?)),
    };
    rest.is_empty().then(|| Pending::Upstream {
        asked: Asked {
            host,
            state: state.map(<[u8]>::to_vec),
        },
        typed,
    })
}

/// A part that may be absent, and what follows it.
fn part(octets: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    match octets {
        [ABSENT, rest @ ..] => Some((None, rest)),
        [PRESENT, high, low, rest @ ..] => rest
            .split_at_checked(u16::from_be_bytes([*high, *low]).into())
            .map(|(part, rest)| (Some(part), rest)),
        _ => None,
    }
}

/// A text of at most 255 octets, and what follows it.
fn short_text(octets: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = octets.split_first()?;
    let (text, rest) = rest.split_at_checked((*length).into())?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn read_prompt(number: Option<Box<PushNumber>>, rest: &[u8]) -> Option<Prompted> {
    let (menu, rest) = rest.split_first_chunk::<MENU_OCTETS>()?;
    let [wrong, repeats, rest @ ..] = rest else {
        return None;
    };
    let mut attributes = Vec::new();
    let mut rest = rest;
    while !rest.is_empty() {
        let (attribute, left) = read_attribute(rest)?;
        attributes.push(attribute);
        rest = left;
    }
    Some(Prompted {
        menu: *menu,
        wrong: *wrong,
        repeats: *repeats,
        number,
        attributes,
    })
}

/// An attribute, and what follows it.
fn read_attribute(octets: &[u8]) -> Option<(UpstreamAttribute, &[u8])> {
    let (flags, rest) = octets.split_first()?;
    let (vendor, rest) = match flags & OF_VENDOR {
        0 => (None, rest),
        _ => {
            let (vendor, rest) = rest.split_first_chunk()?;
            (Some(u32::from_be_bytes(*vendor)), rest)
        }
    };
    let (number, rest) = rest.split_first()?;
    let (tag, rest) = match flags & TAGGED {
        0 => (None, rest),
        _ => {
            let (tag, rest) = rest.split_first()?;
            (Some(*tag), rest)
        }
    };
    let (length, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked((*length).into())?;
    let value = match (flags & !(OF_VENDOR | ALWAYS | TAGGED), tag) {
        (PLAIN, None) => UpstreamValue::Plain(value.to_vec()),
        (HIDDEN, None) => UpstreamValue::Hidden(Secret::new(value.to_vec())),
        (SALTED, tag) => UpstreamValue::Salted {
            tag,
            clear: Secret::new(value.to_vec()),
        },
        _ => return None,
    };
    let attribute = UpstreamAttribute {
        vendor,
        number: *number,
        value,
        always: flags & ALWAYS != 0,
    };
    Some((attribute, rest))
}

const UPSTREAM: u8 = 1;
const PROMPT: u8 = 2;
const ENROLMENT: u8 = 3;
const REFUSAL: u8 = 4;
const NUMBERED: u8 = 5;
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
const PLAIN: u8 = 0;
const HIDDEN: u8 = 1;
const SALTED: u8 = 2;
const OF_VENDOR: u8 = 0x80;
const ALWAYS: u8 = 0x40;
const TAGGED: u8 = 0x20;
const MENU_OCTETS: usize = size_of::<MenuDigest>();
/// The most octets of what stands before the first attribute, and before both parts.
const FRAME: usize = 16 + 1 + MENU_OCTETS + 2;
/// The most octets before a value.
const ATTRIBUTE_FRAME: usize = 8;
