//! User-Password on the wire (RFC 2865 section 5.2).

use proto::secret::Secret;
use zeroize::Zeroizing;

use crate::radius::{AUTHENTICATOR_OCTETS, Authenticator, SharedSecret};

/// The longest password, padding included (RFC 2865 section 5.2).
pub const MAX_PASSWORD_OCTETS: usize = 128;

/// Hides a password of up to 128 octets: padded with zeros to a multiple of 16, at least 16.
///
/// # Errors
/// The password is longer.
pub fn hide(
    clear: &[u8],
    request_authenticator: &Authenticator,
    secret: &SharedSecret,
) -> Result<Vec<u8>, PasswordTooLong> {
    let octets = clear.len();
    if octets > MAX_PASSWORD_OCTETS {
        return Err(PasswordTooLong { octets });
    }
    let mut hidden = clear.to_vec();
    hidden.resize(octets.max(1).next_multiple_of(AUTHENTICATOR_OCTETS), 0);
    let mut before = *request_authenticator;
    for block in hidden.chunks_exact_mut(AUTHENTICATOR_OCTETS) {
        let pad = secret.digest_after(&[&before]);
        for ((octet, pad), before) in block.iter_mut().zip(pad).zip(&mut before) {
            *octet ^= pad;
            *before = *octet;
        }
    }
    Ok(hidden)
}

/// Shows a hidden password, without the zeros at its end. Under another secret the result is junk.
///
/// # Errors
/// The value has no length that a hidden password can have; the request is answered with a reject.
pub fn unhide(
    value: &[u8],
    request_authenticator: &Authenticator,
    secret: &SharedSecret,
) -> Result<Secret<Vec<u8>>, PasswordError> {
    let mut clear = unhidden(value, request_authenticator, secret)?;
    Ok(Secret::new(std::mem::take(&mut *clear)))
}

/// The same for who makes something else of the octets, in the place where they are.
pub(crate) fn unhidden(
    value: &[u8],
    request_authenticator: &Authenticator,
    secret: &SharedSecret,
) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let octets = value.len();
    if octets == 0 || octets > MAX_PASSWORD_OCTETS || !octets.is_multiple_of(AUTHENTICATOR_OCTETS) {
        return Err(PasswordError { octets });
    }
    // Wiped if it is left early, and never reallocated: no copy stays behind.
    let mut clear = Zeroizing::new(value.to_vec());
    let mut before: &[u8] = request_authenticator;
    for (block, hidden) in clear
        .chunks_exact_mut(AUTHENTICATOR_OCTETS)
        .zip(value.chunks_exact(AUTHENTICATOR_OCTETS))
    {
        let pad = secret.digest_after(&[before]);
        for (octet, pad) in block.iter_mut().zip(pad) {
            *octet ^= pad;
        }
        before = hidden;
    }
    let padding = clear.iter().rev().take_while(|octet| **octet == 0).count();
    clear.truncate(octets - padding);
    Ok(clear)
}

/// A password is longer than User-Password holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("password of {octets} octets is longer than 128")]
pub struct PasswordTooLong {
    /// Its length.
    pub octets: usize,
}

/// A value cannot be a hidden password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("user-password of {octets} octets is not 16 to 128 in steps of 16")]
pub struct PasswordError {
    /// Its length.
    pub octets: usize,
}
