//! What goes on inside a tunnel, as far as both methods share it.

use proto::secret::Secret;

use super::fault::EapFault;
use super::packet::{EapType, Response};

/// What a method does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inner {
    /// Says this through the tunnel and waits for the answer.
    Say(Secret<Vec<u8>>),
    /// Waits for what the peer says of itself.
    Listen,
    /// The peer typed something: a password, or the answer to a prompt.
    Offered(Offered),
    /// Both sides have said how it ends.
    Over { success: bool },
    /// It cannot go on; the peer is told.
    Fails(EapFault),
}

/// What a peer typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offered {
    /// Who it is inside the tunnel; none when it did not say.
    pub(crate) user: Option<String>,
    /// As it came: how its octets spell characters is a setting.
    pub(crate) octets: Secret<Vec<u8>>,
}

/// A name, as EAP has it (RFC 3748 section 5.1): UTF-8. None when it is empty.
pub(super) fn identity(data: &[u8]) -> Result<Option<String>, EapFault> {
    let name = std::str::from_utf8(data).map_err(|_| EapFault::Identity)?;
    // A few add a NUL.
    let name = name.trim_end_matches('\0');
    // Where it goes next, no name is longer (RFC 2865 section 5.1).
    if name.contains(char::is_control) || name.len() > MAX_NAME_OCTETS {
        return Err(EapFault::Identity);
    }
    Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
}

/// What answers a question that is asked with GTC.
pub(super) fn typed(response: &Response<'_>, user: Option<&String>) -> Inner {
    match response.kind {
        EapType::GTC => Inner::Offered(Offered {
            user: user.cloned(),
            octets: Secret::new(response.data.to_vec()),
        }),
        EapType::NAK => Inner::Fails(EapFault::wants(response.data, true)),
        _ => Inner::Fails(EapFault::Inner(
            "the answer to the question is of another type",
        )),
    }
}

/// What is asked first.
pub(super) const PASSWORD_PROMPT: &str = "Password: ";
/// The longest name that a User-Name holds.
const MAX_NAME_OCTETS: usize = 253;
