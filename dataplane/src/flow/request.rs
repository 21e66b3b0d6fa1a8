//! A login's request, as far as a flow sees it, and how it is read out of a packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proto::config::{AttributeType as DataType, Integration, PasswordCodec};
use proto::event::{AuthEvent, Reason};
use proto::secret::Secret;

use super::{Answer, texts};
use crate::radius::{AttributeType, Packet, SharedSecret, password};

/// Who wants to log in, with what, from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The user's name, exactly as typed.
    pub user: String,
    /// The password field, decoded: a password, a factor, or both. Not empty when it was read from
    /// a packet.
    pub password: Secret<String>,
    /// Where the user is (Calling-Station-Id, or the value of `client_ip_attr` in its place).
    pub calling_station: Option<String>,
}

impl Request {
    /// Reads an Access-Request of an integration in mode `auto`, `concat` or `duo_only`.
    ///
    /// # Errors
    /// The reject to answer with: there is no user name or password, one of them cannot be read,
    /// the method is not PAP, or the State is none of ours (these modes give none out).
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
        if let Some(text) = unserved_method(packet) {
            return Err(Answer::reject_with(Reason::UnsupportedMethod, text));
        }
        if packet.first(AttributeType::STATE).is_some() {
            return Err(Answer::reject(Reason::UnknownState));
        }
        let octets = match packet.first(AttributeType::USER_PASSWORD) {
            None => return Err(bad(texts::NO_PASSWORD)),
            Some([]) => return Err(Answer::reject(Reason::EmptyPassword)),
            Some(hidden) => password::unhide(hidden, packet.authenticator(), secret)
                .map_err(|_| bad(texts::MALFORMED_PASSWORD))?,
        };
        let password = decode(octets.expose(), integration.password_codec)
            .ok_or_else(|| bad(texts::UNDECODABLE_PASSWORD))?;
        if password.expose().is_empty() {
            return Err(Answer::reject(Reason::EmptyPassword));
        }
        Ok(Self {
            user: user.to_owned(),
            password,
            calling_station: calling_station(packet, integration),
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

/// What to say about a request that is not PAP; none when it is.
fn unserved_method(packet: &Packet<'_>) -> Option<&'static str> {
    let mschap = |number| packet.first_vendor(MICROSOFT, number).is_some();
    if packet.has_eap() {
        Some(texts::EAP)
    } else if packet.first(AttributeType::CHAP_PASSWORD).is_some() {
        Some(texts::CHAP)
    } else if mschap(MS_CHAP_RESPONSE) || mschap(MS_CHAP2_RESPONSE) {
        Some(texts::MSCHAP)
    } else {
        None
    }
}

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

/// The vendor of RFC 2548.
const MICROSOFT: u32 = 311;
/// RFC 2548 section 2.1.3.
const MS_CHAP_RESPONSE: u8 = 1;
/// RFC 2548 section 2.3.2.
const MS_CHAP2_RESPONSE: u8 = 25;
