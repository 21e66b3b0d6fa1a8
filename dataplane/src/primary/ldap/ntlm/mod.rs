//! NTLM version 2 as a client: the NTLMSSP messages of a bind, and the layer that signs and seals
//! what follows it (MS-NLMP). Pure: time, randomness and octets are arguments.
//!
//! It speaks no older NTLM and no LDAP: the mechanism's name and the length before each sealed
//! message belong to the connection.

pub(crate) mod bindings;
pub(crate) mod challenge;
mod keys;
pub(crate) mod seal;

use std::time::Duration;

use proto::secret::Secret;
use zeroize::Zeroizing;

use self::bindings::ChannelBindings;
use self::challenge::{AvId, Challenge};
use self::keys::ResponseKey;
use self::seal::Seal;

/// What protects the connection after the bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Nothing of NTLM's, because TLS does. Directories refuse both at once (MS-ADTS section
    /// 5.1.1.1).
    None,
    /// Every message is signed and sealed with a key of 128 bits.
    Seal,
}

/// Whose password is shown to the directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credentials<'a> {
    /// Not empty: an empty one asks to be let in as nobody. `sAMAccountName`, or `user@domain`.
    pub(crate) user: &'a str,
    /// None: the directory's own domain, or no domain at all when the user is `user@domain`.
    pub(crate) domain: Option<&'a str>,
    /// What this machine calls itself. May be empty.
    pub(crate) workstation: &'a str,
    /// Not empty.
    pub(crate) password: &'a Secret<String>,
}

/// Random octets for one bind. Never used twice.
#[derive(Default)]
pub(crate) struct Entropy {
    /// Goes out in clear.
    pub(crate) client_challenge: [u8; 8],
    /// The secret of the sealed layer.
    pub(crate) session_key: Zeroizing<[u8; 16]>,
}

/// The last message of a bind, and what seals the messages after it.
#[derive(Debug)]
pub(crate) struct Authenticated {
    /// The AUTHENTICATE message.
    pub(crate) token: Vec<u8>,
    /// None for [`Layer::None`].
    ///
    /// The result of a bind travels in clear, so anybody on the way can write one. That the
    /// directory knows the password shows only when a sealed message of its unwraps.
    pub(crate) seal: Option<Seal>,
}

/// Why a bind or a sealed message went no further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NtlmError {
    /// What came is no CHALLENGE message.
    #[error("the answer is no NTLM challenge: {0}")]
    Malformed(&'static str),
    /// The directory does not offer what a password is never shown without.
    #[error("the directory offers no {0}")]
    Weak(&'static str),
    /// No user or no password is given: that would be nobody's login, which may succeed.
    #[error("a login without name or password is never sent")]
    Anonymous,
    /// A name does not fit its field.
    #[error("the {0} is too long for NTLM")]
    TooLong(&'static str),
    /// A sealed message was changed, lost, repeated, or sealed by somebody else. Nothing on this
    /// connection can be believed any more.
    #[error("a sealed message is not genuine")]
    Forged,
}

/// The first message: NEGOTIATE (MS-NLMP section 2.2.1.1).
pub(crate) fn negotiate(layer: Layer) -> Vec<u8> {
    let mut message = Vec::with_capacity(NEGOTIATE_OCTETS);
    message.extend_from_slice(SIGNATURE);
    message.extend_from_slice(&NEGOTIATE.to_le_bytes());
    message.extend_from_slice(&offered(layer).to_le_bytes());
    // Domain and workstation: not supplied here.
    message.extend_from_slice(&[0; 16]);
    message.extend_from_slice(&VERSION);
    message
}

/// The last message: AUTHENTICATE (MS-NLMP sections 2.2.1.3 and 3.1.5.1.2).
///
/// `now` is a [`filetime`], for directories that do not tell their own time. `bindings` are of the
/// TLS connection below.
///
/// # Errors
/// [`NtlmError::Anonymous`], and [`NtlmError::TooLong`] for a name over 32,767 characters.
pub(crate) fn authenticate(
    challenge: &Challenge,
    who: &Credentials<'_>,
    bindings: Option<&ChannelBindings>,
    entropy: &Entropy,
    now: u64,
) -> Result<Authenticated, NtlmError> {
    if who.user.is_empty() || who.password.expose().is_empty() {
        return Err(NtlmError::Anonymous);
    }
    let domain = match who.domain {
        Some(domain) => domain,
        None if who.user.contains('@') => "",
        None => challenge.netbios_domain(),
    };
    let stamped = challenge.timestamp();
    let key = ResponseKey::new(who.password, who.user, domain);
    let proof = key.prove(
        &challenge.server_challenge,
        &client_part(challenge, bindings, entropy, stamped.unwrap_or(now))?,
    );
    // Section 3.1.5.1.2: a directory that tells the time wants no LMv2 response.
    let lm = match stamped {
        Some(_) => [0; LM_OCTETS],
        None => key.lm_response(&challenge.server_challenge, &entropy.client_challenge),
    };
    let sealed = challenge.layer == Layer::Seal;
    let (session_key, sent_key) = if sealed {
        let sent = keys::rc4_once(&proof.session_base_key, &entropy.session_key);
        (entropy.session_key.clone(), sent.to_vec())
    } else {
        (proof.session_base_key, Vec::new())
    };
    let (domain, user) = (keys::utf16(domain), keys::utf16(who.user));
    let workstation = keys::utf16(who.workstation);
    let mut message = Authenticate {
        fields: [
            ("domain", &domain),
            ("user name", &user),
            ("workstation", &workstation),
            ("LM response", &lm),
            ("target information", &proof.response),
            ("session key", &sent_key),
        ],
        flags: (offered(challenge.layer) | flag::TARGET_INFO)
            & (challenge.flags | flag::REQUEST_TARGET),
        integrity: stamped.is_some(),
    }
    .encode()?;
    if stamped.is_some() {
        let code = keys::hmac_md5(
            &*session_key,
            &[&negotiate(challenge.layer), &challenge.message, &message],
        );
        if let Some(place) = message.get_mut(INTEGRITY_AT..HEADER_WITH_INTEGRITY) {
            place.copy_from_slice(&*code);
        }
    }
    Ok(Authenticated {
        token: message,
        seal: sealed.then(|| Seal::client(&session_key)),
    })
}

/// A time of day as NTLM writes it: since 1970 in, hundreds of nanoseconds since 1601 out.
pub(crate) fn filetime(since_1970: Duration) -> u64 {
    let hundreds = since_1970.as_nanos() / 100;
    u64::try_from(hundreds)
        .unwrap_or(u64::MAX)
        .saturating_add(HUNDREDS_1601_TO_1970)
}

/// What the client adds to the challenge before it proves that it knows the password:
/// NTLMv2_CLIENT_CHALLENGE (MS-NLMP section 2.2.2.7), `temp` in section 3.3.2.
fn client_part(
    challenge: &Challenge,
    bindings: Option<&ChannelBindings>,
    entropy: &Entropy,
    time: u64,
) -> Result<Vec<u8>, NtlmError> {
    let mut part = vec![1, 1, 0, 0, 0, 0, 0, 0];
    part.extend_from_slice(&time.to_le_bytes());
    part.extend_from_slice(&entropy.client_challenge);
    part.extend_from_slice(&[0; 4]);
    for (id, value) in challenge.pairs() {
        // Ours to say.
        if !matches!(id, AvId::FLAGS | AvId::CHANNEL_BINDINGS | AvId::TARGET_NAME) {
            put_pair(&mut part, id, value)?;
        }
    }
    if challenge.timestamp().is_some() {
        let flags = challenge.av_flags() | AV_FLAG_INTEGRITY;
        put_pair(&mut part, AvId::FLAGS, &flags.to_le_bytes())?;
    }
    if let Some(bindings) = bindings {
        put_pair(&mut part, AvId::CHANNEL_BINDINGS, bindings.digest())?;
    }
    put_pair(&mut part, AvId::END, &[])?;
    part.extend_from_slice(&[0; 4]);
    Ok(part)
}

fn put_pair(to: &mut Vec<u8>, id: AvId, value: &[u8]) -> Result<(), NtlmError> {
    let length =
        u16::try_from(value.len()).map_err(|_| NtlmError::TooLong("target information"))?;
    to.extend_from_slice(&id.0.to_le_bytes());
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(value);
    Ok(())
}

/// An AUTHENTICATE message to write.
struct Authenticate<'a> {
    /// What each is for an error, and its octets, in the order in which they are laid down.
    fields: [(&'static str, &'a [u8]); 6],
    flags: u32,
    /// Whether room is left for the message integrity code.
    integrity: bool,
}

impl Authenticate<'_> {
    fn encode(&self) -> Result<Vec<u8>, NtlmError> {
        let header = if self.integrity {
            HEADER_WITH_INTEGRITY
        } else {
            INTEGRITY_AT
        };
        let mut pointers = [[0_u8; 8]; 6];
        let mut at = header;
        for (pointer, (what, octets)) in pointers.iter_mut().zip(&self.fields) {
            let length = u16::try_from(octets.len()).map_err(|_| NtlmError::TooLong(what))?;
            let offset = u32::try_from(at).map_err(|_| NtlmError::TooLong(what))?;
            let [l, h] = length.to_le_bytes();
            let [a, b, c, d] = offset.to_le_bytes();
            *pointer = [l, h, l, h, a, b, c, d];
            at += octets.len();
        }
        let [domain, user, workstation, lm, nt, key] = pointers;
        let mut message = Vec::with_capacity(at);
        message.extend_from_slice(SIGNATURE);
        message.extend_from_slice(&AUTHENTICATE.to_le_bytes());
        for pointer in [lm, nt, domain, user, workstation, key] {
            message.extend_from_slice(&pointer);
        }
        message.extend_from_slice(&self.flags.to_le_bytes());
        message.extend_from_slice(&VERSION);
        message.resize(header, 0);
        for (_, octets) in &self.fields {
            message.extend_from_slice(octets);
        }
        Ok(message)
    }
}

/// The flags that a client asks for.
const fn offered(layer: Layer) -> u32 {
    let always = flag::UNICODE
        | flag::REQUEST_TARGET
        | flag::NTLM
        | flag::ALWAYS_SIGN
        | flag::EXTENDED_SESSION_SECURITY
        | flag::VERSION
        | flag::KEY_128
        | flag::KEY_56;
    match layer {
        Layer::None => always,
        Layer::Seal => always | flag::SIGN | flag::SEAL | flag::KEY_EXCHANGE,
    }
}

/// NegotiateFlags (MS-NLMP section 2.2.2.5).
mod flag {
    pub(super) const UNICODE: u32 = 0x0000_0001;
    pub(super) const REQUEST_TARGET: u32 = 0x0000_0004;
    pub(super) const SIGN: u32 = 0x0000_0010;
    pub(super) const SEAL: u32 = 0x0000_0020;
    pub(super) const NTLM: u32 = 0x0000_0200;
    pub(super) const ALWAYS_SIGN: u32 = 0x0000_8000;
    pub(super) const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
    pub(super) const TARGET_INFO: u32 = 0x0080_0000;
    pub(super) const VERSION: u32 = 0x0200_0000;
    pub(super) const KEY_128: u32 = 0x2000_0000;
    pub(super) const KEY_EXCHANGE: u32 = 0x4000_0000;
    pub(super) const KEY_56: u32 = 0x8000_0000;
}

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
const NEGOTIATE: u32 = 1;
const CHALLENGE: u32 = 2;
const AUTHENTICATE: u32 = 3;

/// Read by nobody but people who debug (MS-NLMP section 2.2.2.10): 10.0, and NTLMSSP revision 15.
const VERSION: [u8; 8] = [10, 0, 0, 0, 0, 0, 0, 15];

const NEGOTIATE_OCTETS: usize = 40;
const LM_OCTETS: usize = 24;

/// Where the message integrity code is in AUTHENTICATE, when there is one.
const INTEGRITY_AT: usize = 72;
const HEADER_WITH_INTEGRITY: usize = 88;

/// In MsvAvFlags: a message integrity code is in AUTHENTICATE (MS-NLMP section 2.2.2.1).
const AV_FLAG_INTEGRITY: u32 = 2;

const HUNDREDS_1601_TO_1970: u64 = 116_444_736_000_000_000;

#[cfg(test)]
mod tests;
