//! Values that are encrypted for one hop with a salt: Tunnel-Password (RFC 2868 section 3.5) and
//! MS-MPPE keys (RFC 2548 sections 2.4.2 and 2.4.3).
//!
//! What a primary sends is encrypted for us; before it goes on to a client it is encrypted again,
//! with that client's secret and the authenticator of its request.

use proto::secret::Secret;
use zeroize::Zeroizing;

use crate::radius::{
    AUTHENTICATOR_OCTETS, Attribute, AttributeType, Authenticator, SharedSecret, VendorAttribute,
};

/// Microsoft's number (RFC 2548 section 2).
pub const VENDOR_MICROSOFT: u32 = 311;

/// MS-MPPE-Send-Key (RFC 2548 section 2.4.2).
pub const MS_MPPE_SEND_KEY: u8 = 16;

/// MS-MPPE-Recv-Key (RFC 2548 section 2.4.3).
pub const MS_MPPE_RECV_KEY: u8 = 17;

/// The longest text: its length octet and padding fill 15 blocks, which is what fits.
pub const MAX_TEXT_OCTETS: usize = 239;

/// One end of a RADIUS exchange: what a value is encrypted with.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The Request Authenticator, also for values in an answer.
    pub authenticator: &'a Authenticator,
    /// The secret shared with the peer.
    pub secret: &'a SharedSecret,
}

/// Decrypts a salt and what follows it.
///
/// # Errors
/// The length cannot be, or what comes out is no text: another secret, or another authenticator.
pub fn decrypt(value: &[u8], hop: Hop<'_>) -> Result<Secret<Vec<u8>>, SaltedError> {
    let octets = value.len();
    let Some((salt, hidden)) = value.split_first_chunk::<SALT_OCTETS>() else {
        return Err(SaltedError::Length { octets });
    };
    if hidden.is_empty()
        || hidden.len() > MAX_TEXT_OCTETS + 1
        || !hidden.len().is_multiple_of(AUTHENTICATOR_OCTETS)
    {
        return Err(SaltedError::Length { octets });
    }
    let mut clear = Zeroizing::new(hidden.to_vec());
    let mut pad = hop.secret.digest_after(&[hop.authenticator, salt]);
    for (block, hidden) in clear
        .chunks_exact_mut(AUTHENTICATOR_OCTETS)
        .zip(hidden.chunks_exact(AUTHENTICATOR_OCTETS))
    {
        for (octet, pad) in block.iter_mut().zip(pad) {
            *octet ^= pad;
        }
        pad = hop.secret.digest_after(&[hidden]);
    }
    let text = clear
        .split_first()
        .and_then(|(length, rest)| rest.get(..usize::from(*length)))
        .ok_or(SaltedError::Undecryptable)?;
    Ok(Secret::new(text.to_vec()))
}

/// Encrypts a text of up to 239 octets; gives the salt and what follows it.
///
/// Each encrypted attribute of a packet needs a salt of its own. Its highest bit is set here, as
/// both standards demand.
///
/// # Errors
/// The text is longer.
pub fn encrypt(text: &[u8], salt: [u8; SALT_OCTETS], hop: Hop<'_>) -> Result<Vec<u8>, SaltedError> {
    let octets = text.len();
    let (Ok(length), true) = (u8::try_from(octets), octets <= MAX_TEXT_OCTETS) else {
        return Err(SaltedError::TextTooLong { octets });
    };
    let [first, second] = salt;
    let salt = [first | 0x80, second];
    let hidden_octets = (octets + 1).next_multiple_of(AUTHENTICATOR_OCTETS);
    let mut value = Vec::with_capacity(SALT_OCTETS + hidden_octets);
    value.extend_from_slice(&salt);
    value.push(length);
    value.extend_from_slice(text);
    value.resize(SALT_OCTETS + hidden_octets, 0);
    let mut pad = hop.secret.digest_after(&[hop.authenticator, &salt]);
    let hidden = value.get_mut(SALT_OCTETS..).unwrap_or_default();
    for block in hidden.chunks_exact_mut(AUTHENTICATOR_OCTETS) {
        for (octet, pad) in block.iter_mut().zip(pad) {
            *octet ^= pad;
        }
        pad = hop.secret.digest_after(&[block]);
    }
    Ok(value)
}

/// Whether an attribute's value is encrypted in this way.
#[must_use]
pub fn is_salted(attribute: Attribute<'_>) -> bool {
    attribute.kind == AttributeType::TUNNEL_PASSWORD
}

/// Whether a vendor attribute's value is encrypted in this way.
#[must_use]
pub fn is_salted_vendor(attribute: VendorAttribute<'_>) -> bool {
    attribute.vendor == VENDOR_MICROSOFT
        && matches!(attribute.number, MS_MPPE_SEND_KEY | MS_MPPE_RECV_KEY)
}

/// Encrypts the value of an MS-MPPE key again, for another hop.
///
/// # Errors
/// Those of [`decrypt`].
pub fn recrypt(
    value: &[u8],
    from: Hop<'_>,
    to: Hop<'_>,
    salt: [u8; SALT_OCTETS],
) -> Result<Vec<u8>, SaltedError> {
    encrypt(decrypt(value, from)?.expose(), salt, to)
}

/// Encrypts the value of a Tunnel-Password again, for another hop; its tag stays.
///
/// # Errors
/// Those of [`decrypt`].
pub fn recrypt_tunnel_password(
    value: &[u8],
    from: Hop<'_>,
    to: Hop<'_>,
    salt: [u8; SALT_OCTETS],
) -> Result<Vec<u8>, SaltedError> {
    let Some((tag, salted)) = value.split_first() else {
        return Err(SaltedError::Length { octets: 0 });
    };
    let mut value = recrypt(salted, from, to, salt)?;
    value.insert(0, *tag);
    Ok(value)
}

/// Octets of a salt.
pub const SALT_OCTETS: usize = 2;

/// Why a value cannot be decrypted or encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaltedError {
    /// No salt and 1 to 15 blocks of 16 octets.
    #[error("encrypted value of {octets} octets is not a salt and blocks of 16")]
    Length {
        /// What it has.
        octets: usize,
    },
    /// The length inside is over what there is.
    #[error("encrypted value does not decrypt with this secret")]
    Undecryptable,
    /// Over 239 octets.
    #[error("text of {octets} octets is longer than an encrypted value holds")]
    TextTooLong {
        /// What it has.
        octets: usize,
    },
}
