//! A login's request, as far as a flow sees it, and how it is read out of a packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proto::config::{AttributeType as DataType, Integration, PasswordCodec};
use proto::event::{AuthEvent, Reason};
use proto::secret::Secret;
use zeroize::Zeroizing;

use super::{Answer, texts};
use crate::primary::{Credential, request_attributes};
use crate::radius::{AttributeType, Packet, SharedSecret, password};

/// Who wants to log in, with what, from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The user's name, exactly as typed.
    pub user: String,
    /// What proves it: the password field, decoded (a password, a factor, both, or the answer to a
    /// question), or the proof of a method that hides the password.
    pub credential: Credential,
    /// Where the user is (Calling-Station-Id, or the value of `client_ip_attr` in its place).
    pub calling_station: Option<String>,
}

impl Request {
    /// Reads an Access-Request of an integration in any mode but `eap`.
    ///
    /// # Errors
    /// The reject to answer with: there is no user name or password, one of them cannot be read, or
    /// the method is EAP.
    pub fn read(
        packet: &Packet<'_>,
        secret: &SharedSecret,
        integration: &Integration,
    ) -> Result<Self, Answer> {
        let bad = |text| Answer::reject_with(Reason::BadRequest, text);
        let user = match packet.first(AttributeType::USER_NAME) {
            None | Some([]) => return Err(bad(texts::NO_USER_NAME)),
            Some(octets) => {
                std::str::from_utf8(octets).map_err(|_| bad(texts::UNREADABLE_USER_NAME))?
            }
        };
        // No name has one, and what reads it next may end or split the name there.
        if user.contains(char::is_control) {
            return Err(bad(texts::CONTROL_IN_USER_NAME));
        }
        if packet.has_eap() {
            return Err(Answer::reject_with(Reason::UnsupportedMethod, texts::EAP));
        }
        let relayed =
            request_attributes::relayed(packet).map_err(|_| bad(texts::MALFORMED_PROOF))?;
        let credential = match relayed {
            Some(relayed) => Credential::Relayed(relayed),
            None => Credential::Password(typed(packet, secret, integration.password_codec)?),
        };
        Ok(Self {
            user: user.to_owned(),
            credential,
            calling_station: calling_station(packet, integration),
        })
    }

    /// What was typed within a tunnel, by whom.
    ///
    /// # Errors
    /// The reject to answer with: nobody said who it is, or the text cannot be read.
    pub(crate) fn typed(
        user: String,
        octets: &Secret<Vec<u8>>,
        calling_station: Option<String>,
        integration: &Integration,
    ) -> Result<Self, Answer> {
        let bad = |text| Answer::reject_with(Reason::BadRequest, text);
        // Many a directory takes an empty name with any password for a guest's.
        if user.is_empty() {
            return Err(bad(texts::NO_USER_NAME));
        }
        let text = decode(octets.expose(), integration.password_codec)
            .ok_or_else(|| bad(texts::UNDECODABLE_PASSWORD))?;
        Ok(Self {
            user,
            credential: Credential::Password(text),
            calling_station,
        })
    }

    /// What an administrator tries, who types it where no device is.
    ///
    /// # Errors
    /// The reject to answer with: the name is none.
    pub(crate) fn tested(
        user: String,
        typed: Secret<String>,
        calling_station: Option<String>,
    ) -> Result<Self, Answer> {
        let bad = |text| Answer::reject_with(Reason::BadRequest, text);
        if user.is_empty() {
            return Err(bad(texts::NO_USER_NAME));
        }
        if user.contains(char::is_control) {
            return Err(bad(texts::CONTROL_IN_USER_NAME));
        }
        Ok(Self {
            user,
            credential: Credential::Password(typed),
            calling_station,
        })
    }

    /// The user's address for the second factor; none when the client names none, such as a
    /// telephone number or a hardware address.
    pub(super) fn ip_address(&self) -> Option<String> {
        let text = self.calling_station.as_deref()?.trim();
        text.parse::<IpAddr>()
            .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
            .map(|address| address.to_string())
            .ok()
    }
}

/// The user's name for an event, also when the request was refused: octets that are no UTF-8
/// replaced, cut at 64 characters. None when there is no name.
#[must_use]
pub fn shown_user(packet: &Packet<'_>) -> Option<String> {
    packet
        .first(AttributeType::USER_NAME)
        .filter(|octets| !octets.is_empty())
        .map(|octets| AuthEvent::shown_user(&String::from_utf8_lossy(octets)))
}

/// Where the user is, as the client says: the attribute that `client_ip_attr` names, else
/// Calling-Station-Id. None when it is absent, empty or not of its type.
#[must_use]
pub fn calling_station(packet: &Packet<'_>, integration: &Integration) -> Option<String> {
    let (value, data_type) = match &integration.client_ip_attribute {
        Some(named) => (packet.lookup(named)?, named.data_type),
        None => (
            packet.first(AttributeType::CALLING_STATION_ID)?,
            DataType::Text,
        ),
    };
    match data_type {
        DataType::Ipv4 => {
            let octets = <[u8; 4]>::try_from(value).ok()?;
            Some(Ipv4Addr::from(octets).to_string())
        }
        DataType::Ipv6 => {
            let octets = <[u8; 16]>::try_from(value).ok()?;
            Some(Ipv6Addr::from(octets).to_string())
        }
        DataType::Text | DataType::Octets => std::str::from_utf8(value)
            .ok()
            .filter(|text| !text.trim().is_empty() && !text.contains(char::is_control))
            .map(str::to_owned),
        DataType::Integer | DataType::Date => None,
    }
}

/// The password field, decoded.
fn typed(
    packet: &Packet<'_>,
    secret: &SharedSecret,
    codec: PasswordCodec,
) -> Result<Secret<String>, Answer> {
    let bad = |text| Answer::reject_with(Reason::BadRequest, text);
    let octets = match packet.first(AttributeType::USER_PASSWORD) {
        // RFC 2865 section 5.44 note 1: a State may stand in the place of a password.
        None if packet.first(AttributeType::STATE).is_some() => {
            return Ok(Secret::new(String::new()));
        }
        None => return Err(bad(texts::NO_PASSWORD)),
        // No password, and as the answer to a question nothing.
        Some([]) => return Ok(Secret::new(String::new())),
        Some(hidden) => password::unhidden(hidden, packet.authenticator(), secret)
            .map_err(|_| bad(texts::MALFORMED_PASSWORD))?,
    };
    let text = match codec {
        PasswordCodec::Utf8 => in_place(octets),
        PasswordCodec::Latin1 => decode(&octets, codec),
    };
    text.ok_or_else(|| bad(texts::UNDECODABLE_PASSWORD))
}

/// The octets as the text that they are, without another copy of them; none when they are no UTF-8.
fn in_place(mut octets: Zeroizing<Vec<u8>>) -> Option<Secret<String>> {
    match String::from_utf8(std::mem::take(&mut *octets)) {
        Ok(text) => Some(Secret::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            None
        }
    }
}

/// A text as a codec spells it; none when it does not.
fn decode(octets: &[u8], codec: PasswordCodec) -> Option<Secret<String>> {
    match codec {
        PasswordCodec::Utf8 => std::str::from_utf8(octets).ok().map(Secret::from),
        PasswordCodec::Latin1 => Some(Secret::new(latin1(octets))),
    }
}

/// Written into room enough, so that no part of a password is left behind by growing.
fn latin1(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().saturating_mul(2));
    text.extend(octets.iter().copied().map(char::from));
    text
}
