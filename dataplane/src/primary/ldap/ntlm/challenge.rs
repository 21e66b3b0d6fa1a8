//! The directory's message: CHALLENGE (MS-NLMP section 2.2.1.2). Whoever answers on the port wrote
//! it.

use super::{CHALLENGE, Layer, NtlmError, SIGNATURE, flag};

/// A CHALLENGE that offers all that is asked for.
#[derive(Debug)]
pub(crate) struct Challenge {
    /// The octets as they came.
    pub(super) message: Vec<u8>,
    pub(super) layer: Layer,
    pub(super) flags: u32,
    pub(super) server_challenge: [u8; 8],
    pairs: Vec<(AvId, Vec<u8>)>,
    netbios_domain: String,
    dns_domain: String,
}

/// The id of an AV_PAIR (MS-NLMP section 2.2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AvId(pub(super) u16);

impl AvId {
    pub(super) const END: Self = Self(0);
    pub(super) const NETBIOS_DOMAIN: Self = Self(2);
    pub(super) const DNS_DOMAIN: Self = Self(4);
    pub(super) const FLAGS: Self = Self(6);
    pub(super) const TIMESTAMP: Self = Self(7);
    pub(super) const TARGET_NAME: Self = Self(9);
    pub(super) const CHANNEL_BINDINGS: Self = Self(10);
}

impl Challenge {
    /// Reads one, in answer to [`negotiate`](super::negotiate) with the same layer.
    ///
    /// # Errors
    /// [`NtlmError::Malformed`] when it is none, [`NtlmError::Weak`] when it would have NTLM
    /// version 1 spoken, a layer left out or a key shortened.
    pub(crate) fn parse(layer: Layer, message: &[u8]) -> Result<Self, NtlmError> {
        if message.len() > MAX_OCTETS {
            return Err(NtlmError::Malformed("it is too long"));
        }
        let mut rest = message;
        if take(&mut rest)? != SIGNATURE || u32::from_le_bytes(*take(&mut rest)?) != CHALLENGE {
            return Err(NtlmError::Malformed("it begins with something else"));
        }
        let _target_name: &[u8; 8] = take(&mut rest)?;
        let flags = u32::from_le_bytes(*take(&mut rest)?);
        let server_challenge = *take(&mut rest)?;
        let _reserved: &[u8; 8] = take(&mut rest)?;
        strong_enough(layer, flags)?;
        let pairs = read_pairs(pointed_at(message, *take(&mut rest)?)?)?;
        let text = |id| text_of(value_of(&pairs, id).unwrap_or_default());
        Ok(Self {
            message: message.to_vec(),
            layer,
            flags,
            server_challenge,
            netbios_domain: text(AvId::NETBIOS_DOMAIN)?,
            dns_domain: text(AvId::DNS_DOMAIN)?,
            pairs,
        })
    }

    /// Refuses one that has a layer of ours made, and tells no time: without that, nothing shows
    /// that the challenge is the directory's (MS-NLMP section 3.1.5.1.2). Whoever is in between
    /// could name another domain in it, and with it another person of the same name. All that is
    /// newer than Windows Server 2003 tells it.
    ///
    /// # Errors
    /// [`NtlmError::Weak`].
    pub(crate) fn with_integrity(self) -> Result<Self, NtlmError> {
        match (self.layer, self.timestamp()) {
            (Layer::Seal, None) => Err(NtlmError::Weak("message integrity (its time)")),
            _ => Ok(self),
        }
    }

    /// The NetBIOS name of the directory's domain: `EXAMPLE`. Empty when it tells none.
    pub(crate) fn netbios_domain(&self) -> &str {
        &self.netbios_domain
    }

    /// The DNS name of the directory's domain: `example.com`. Empty when it tells none.
    pub(crate) fn dns_domain(&self) -> &str {
        &self.dns_domain
    }

    /// What the directory says of itself, in its order, without the pair that ends the list.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (AvId, &[u8])> {
        self.pairs.iter().map(|(id, value)| (*id, value.as_slice()))
    }

    /// The directory's time, in hundreds of nanoseconds since 1601.
    pub(super) fn timestamp(&self) -> Option<u64> {
        let value = value_of(&self.pairs, AvId::TIMESTAMP)?;
        Some(u64::from_le_bytes(value.try_into().ok()?))
    }

    /// MsvAvFlags; none set when there are none.
    pub(super) fn av_flags(&self) -> u32 {
        value_of(&self.pairs, AvId::FLAGS)
            .and_then(|value| value.try_into().ok())
            .map_or(0, u32::from_le_bytes)
    }
}

fn strong_enough(layer: Layer, flags: u32) -> Result<(), NtlmError> {
    let sealed: &[(u32, &str)] = match layer {
        Layer::None => &[],
        Layer::Seal => SEALED,
    };
    let missing = ALWAYS
        .iter()
        .chain(sealed)
        .find(|(bit, _)| flags & bit == 0);
    match missing {
        Some((_, what)) => Err(NtlmError::Weak(what)),
        None => Ok(()),
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], NtlmError> {
    let (first, after) = rest.split_first_chunk().ok_or(CUT)?;
    *rest = after;
    Ok(first)
}

/// What a field's length and offset point at.
fn pointed_at(message: &[u8], field: [u8; 8]) -> Result<&[u8], NtlmError> {
    let [l, h, _, _, a, b, c, d] = field;
    let length = usize::from(u16::from_le_bytes([l, h]));
    let offset = usize::try_from(u32::from_le_bytes([a, b, c, d])).map_err(|_| CUT)?;
    message
        .get(offset..)
        .and_then(|rest| rest.get(..length))
        .ok_or(CUT)
}

fn read_pairs(mut info: &[u8]) -> Result<Vec<(AvId, Vec<u8>)>, NtlmError> {
    // An NTLMv2 response is made of it, and what knows only older ones leaves it empty.
    if info.is_empty() {
        return Err(NtlmError::Weak(VERSION_2));
    }
    let mut pairs = Vec::new();
    loop {
        let id = AvId(u16::from_le_bytes(*take(&mut info)?));
        let length = usize::from(u16::from_le_bytes(*take(&mut info)?));
        if id == AvId::END {
            return Ok(pairs);
        }
        let (value, rest) = info.split_at_checked(length).ok_or(CUT)?;
        info = rest;
        if value_of(&pairs, id).is_some() || pairs.len() == MAX_PAIRS {
            return Err(NtlmError::Malformed("it says too much of the directory"));
        }
        let wrong = match id {
            AvId::TIMESTAMP => length != 8,
            AvId::FLAGS => length != 4,
            _ => false,
        };
        if wrong {
            return Err(NtlmError::Malformed("a number has another length"));
        }
        pairs.push((id, value.to_vec()));
    }
}

fn value_of(pairs: &[(AvId, Vec<u8>)], id: AvId) -> Option<&[u8]> {
    let (_, value) = pairs.iter().find(|(found, _)| *found == id)?;
    Some(value)
}

fn text_of(value: &[u8]) -> Result<String, NtlmError> {
    let (units, []) = value.as_chunks() else {
        return Err(NO_TEXT);
    };
    char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
        .collect::<Result<_, _>>()
        .map_err(|_| NO_TEXT)
}

/// What a challenge must offer, by its flag.
const ALWAYS: &[(u32, &str)] = &[
    (flag::UNICODE, "names in Unicode"),
    (flag::EXTENDED_SESSION_SECURITY, "extended session security"),
    (flag::TARGET_INFO, VERSION_2),
];
const SEALED: &[(u32, &str)] = &[
    (flag::SIGN, "signing"),
    (flag::SEAL, "sealing"),
    (flag::KEY_128, "keys of 128 bits"),
    (flag::KEY_EXCHANGE, "key exchange"),
];
const VERSION_2: &str = "NTLM version 2";

const CUT: NtlmError = NtlmError::Malformed("it ends too early");
const NO_TEXT: NtlmError = NtlmError::Malformed("a name is no UTF-16");

/// Real ones have a few hundred octets.
const MAX_OCTETS: usize = 8192;
/// Ten are known.
const MAX_PAIRS: usize = 32;
