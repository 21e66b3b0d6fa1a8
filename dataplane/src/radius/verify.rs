//! Whether a packet comes from one who knows the secret.

use proto::config::MessageAuthenticator;
use subtle::ConstantTimeEq;

use crate::radius::packet::Marks;
use crate::radius::{
    AUTHENTICATOR_OCTETS, Authenticator, Code, HEADER_OCTETS, Packet, SharedSecret,
};

/// Verifies an Access-Request or Status-Server by its Message-Authenticator (RFC 3579 section 3.2).
///
/// It is verified whenever it is there. Whether it may be absent is the client's policy; never
/// from a Status-Server (RFC 5997 section 3) or beside an EAP-Message (RFC 3579 section 3.1), and
/// under `auto` not beside a Proxy-State, which is what a forged answer is made of (CVE-2024-3596).
///
/// # Errors
/// Says why the request is to be discarded.
pub fn verify_request(
    packet: &Packet<'_>,
    secret: &SharedSecret,
    policy: MessageAuthenticator,
) -> Result<(), VerifyError> {
    match verify_slot(packet, packet.authenticator(), secret)? {
        Slot::Verified => Ok(()),
        Slot::Absent if packet.code() == Code::STATUS_SERVER => {
            Err(VerifyError::MissingInStatusServer)
        }
        Slot::Absent if packet.marks.eap => Err(VerifyError::MissingWithEap),
        Slot::Absent => match policy {
            MessageAuthenticator::Require => Err(VerifyError::Missing),
            MessageAuthenticator::Auto if packet.marks.proxy_state => {
                Err(VerifyError::MissingWithProxyState)
            }
            MessageAuthenticator::Auto | MessageAuthenticator::Off => Ok(()),
        },
    }
}

/// Verifies an answer to a request of ours: its Response Authenticator (RFC 2865 section 3), and
/// its Message-Authenticator whenever that is there.
///
/// Absence is accepted unless the policy is `require`, or there is an EAP-Message, or a Proxy-State:
/// we send none, so none can come back (RFC 2865 section 5.33), and it is where a forged answer keeps
/// the octets that make the digests collide (CVE-2024-3596). The caller has paired the identifier and
/// looks at the code.
///
/// # Errors
/// Says why the answer is to be discarded.
pub fn verify_response(
    response: &Packet<'_>,
    request_authenticator: &Authenticator,
    secret: &SharedSecret,
    policy: MessageAuthenticator,
) -> Result<(), ResponseError> {
    let (head, attributes) = split_header(response.octets());
    let expected = secret.digest_before(&[head, request_authenticator, attributes]);
    if !bool::from(expected.ct_eq(response.authenticator())) {
        return Err(ResponseError::ResponseAuthenticator);
    }
    match verify_slot(response, request_authenticator, secret)? {
        Slot::Verified => Ok(()),
        Slot::Absent if response.marks.eap => Err(VerifyError::MissingWithEap.into()),
        Slot::Absent => match policy {
            MessageAuthenticator::Require => Err(VerifyError::Missing.into()),
            MessageAuthenticator::Auto if response.marks.proxy_state => {
                Err(VerifyError::MissingWithProxyState.into())
            }
            MessageAuthenticator::Auto | MessageAuthenticator::Off => Ok(()),
        },
    }
}

enum Slot {
    Absent,
    Verified,
}

fn verify_slot(
    packet: &Packet<'_>,
    authenticator: &Authenticator,
    secret: &SharedSecret,
) -> Result<Slot, VerifyError> {
    let Marks {
        message_authenticators: count,
        slot,
        slot_octets: octets,
        ..
    } = packet.marks;
    if count == 0 {
        return Ok(Slot::Absent);
    }
    if count > 1 {
        return Err(VerifyError::Repeated { count });
    }
    let whole = packet.octets();
    let (Some(received), true) = (
        whole.get(slot..slot + octets),
        octets == AUTHENTICATOR_OCTETS,
    ) else {
        return Err(VerifyError::WrongLength { octets });
    };
    let expected = message_authenticator(whole, authenticator, slot, secret);
    match bool::from(expected.ct_eq(received)) {
        true => Ok(Slot::Verified),
        false => Err(VerifyError::Wrong),
    }
}

/// HMAC-MD5 over a packet, with the given authenticator in its header and 16 zeros in the slot
/// (RFC 3579 section 3.2).
pub(super) fn message_authenticator(
    packet: &[u8],
    authenticator: &Authenticator,
    slot: usize,
    secret: &SharedSecret,
) -> [u8; AUTHENTICATOR_OCTETS] {
    let (head, _) = split_header(packet);
    let before = packet.get(HEADER_OCTETS..slot).unwrap_or_default();
    let after = packet
        .get(slot + AUTHENTICATOR_OCTETS..)
        .unwrap_or_default();
    secret.mac(&[
        head,
        authenticator,
        before,
        &[0; AUTHENTICATOR_OCTETS],
        after,
    ])
}

/// What stands before the authenticator, and the attributes.
pub(super) fn split_header(packet: &[u8]) -> (&[u8], &[u8]) {
    let head = packet
        .get(..HEADER_OCTETS - AUTHENTICATOR_OCTETS)
        .unwrap_or_default();
    (head, packet.get(HEADER_OCTETS..).unwrap_or_default())
}

/// What is wrong with a Message-Authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The client must send one.
    #[error("no message-authenticator where the client must send one")]
    Missing,
    /// There is none beside a Proxy-State.
    #[error("no message-authenticator beside a proxy-state")]
    MissingWithProxyState,
    /// There is none beside an EAP-Message.
    #[error("no message-authenticator beside an eap-message")]
    MissingWithEap,
    /// There is none in a Status-Server.
    #[error("no message-authenticator in a status-server")]
    MissingInStatusServer,
    /// There is more than one.
    #[error("{count} message-authenticators")]
    Repeated {
        /// How many.
        count: usize,
    },
    /// Its value has not 16 octets.
    #[error("message-authenticator of {octets} octets")]
    WrongLength {
        /// What it has.
        octets: usize,
    },
    /// Its value is wrong: another secret, or a changed packet.
    #[error("message-authenticator does not match")]
    Wrong,
}

impl VerifyError {
    /// The label of the metric.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "message_authenticator_missing",
            Self::MissingWithProxyState => "message_authenticator_missing_proxy_state",
            Self::MissingWithEap => "message_authenticator_missing_eap",
            Self::MissingInStatusServer => "message_authenticator_missing_status_server",
            Self::Repeated { .. } => "message_authenticator_repeated",
            Self::WrongLength { .. } => "message_authenticator_length",
            Self::Wrong => "message_authenticator_wrong",
        }
    }
}

/// Why an answer to a request of ours is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The Response Authenticator is wrong: another secret, a changed packet, or an answer to
    /// another request.
    #[error("response authenticator does not match")]
    ResponseAuthenticator,
    /// The Message-Authenticator is at fault.
    #[error(transparent)]
    MessageAuthenticator(#[from] VerifyError),
}

impl ResponseError {
    /// The label of the metric.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::ResponseAuthenticator => "response_authenticator_wrong",
            Self::MessageAuthenticator(error) => error.reason(),
        }
    }
}
