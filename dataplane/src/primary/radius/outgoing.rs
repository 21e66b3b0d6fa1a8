//! What is asked of an upstream, ready to be written into each host's request. Pure.

use std::net::IpAddr;

use proto::config::PasswordCodec;
use proto::event::Reason;
use zeroize::Zeroizing;

use crate::primary::{Credential, PrimaryRequest, Rejection};
use crate::radius::{
    AttributeType, Authenticator, Code, EncodeError, MAX_VALUE_OCTETS, RequestBuilder,
    SharedSecret, password,
};

/// A login's request, its password in the octets that the upstream reads.
pub(super) struct Outgoing<'a> {
    request: &'a PrimaryRequest,
    proof: Proof<'a>,
}

enum Proof<'a> {
    Password(Zeroizing<Vec<u8>>),
    /// Framed attributes.
    Relayed(&'a [u8]),
}

impl<'a> Outgoing<'a> {
    /// Makes a request ready. The rejection says why no upstream can be asked.
    pub(super) fn new(
        request: &'a PrimaryRequest,
        codec: PasswordCodec,
    ) -> Result<Self, Rejection> {
        let refused = |detail: &str| Rejection::new(Reason::PrimaryRejected, detail);
        let proof = match &request.credential {
            Credential::Relayed(relayed) => Proof::Relayed(relayed.attributes.expose()),
            Credential::Password(clear) => {
                let octets = encoded(clear.expose(), codec).map_err(refused)?;
                if octets.len() > password::MAX_PASSWORD_OCTETS {
                    return Err(refused(
                        "the password is longer than RADIUS carries (128 octets)",
                    ));
                }
                Proof::Password(octets)
            }
        };
        if request.user.is_empty() || request.user.len() > MAX_VALUE_OCTETS {
            return Err(refused(
                "the user name is not 1 to 253 octets, which RADIUS carries",
            ));
        }
        Ok(Self { request, proof })
    }

    /// Writes the Access-Request. Order: Message-Authenticator, then as observed (section 4), with
    /// an upstream's State after the proof.
    ///
    /// # Errors
    /// What the client sent makes it longer than a packet.
    pub(super) fn write(
        &self,
        identifier: u8,
        authenticator: Authenticator,
        nas: IpAddr,
        secret: &SharedSecret,
    ) -> Result<Vec<u8>, EncodeError> {
        let mut builder =
            RequestBuilder::new(Code::ACCESS_REQUEST, identifier, authenticator, secret);
        nas_address(&mut builder, nas)?;
        builder.attribute(AttributeType::USER_NAME, self.request.user.as_bytes())?;
        match &self.proof {
            Proof::Password(password) => builder.user_password(password)?,
            Proof::Relayed(attributes) => builder.raw(attributes)?,
        };
        let answers = self.request.answers.as_ref();
        if let Some(state) = answers.and_then(|asked| asked.state.as_deref()) {
            builder.attribute(AttributeType::STATE, state)?;
        }
        if let Some(station) = self.request.calling_station.as_deref()
            && let (station, _) = station.split_at(station.floor_char_boundary(MAX_VALUE_OCTETS))
            && !station.is_empty()
        {
            builder.attribute(AttributeType::CALLING_STATION_ID, station.as_bytes())?;
        }
        builder.raw(&self.request.pass_through)?;
        Ok(builder.finish())
    }
}

/// Writes a Status-Server (RFC 5997 section 3).
///
/// # Errors
/// None in practice: it is short.
pub(super) fn status_server(
    identifier: u8,
    authenticator: Authenticator,
    nas: IpAddr,
    secret: &SharedSecret,
) -> Result<Vec<u8>, EncodeError> {
    let mut builder = RequestBuilder::new(Code::STATUS_SERVER, identifier, authenticator, secret);
    nas_address(&mut builder, nas)?;
    Ok(builder.finish())
}

fn nas_address(builder: &mut RequestBuilder<'_>, nas: IpAddr) -> Result<(), EncodeError> {
    match nas {
        IpAddr::V4(nas) => builder.attribute(AttributeType::NAS_IP_ADDRESS, &nas.octets())?,
        IpAddr::V6(nas) => builder.attribute(AttributeType::NAS_IPV6_ADDRESS, &nas.octets())?,
    };
    Ok(())
}

fn encoded(clear: &str, codec: PasswordCodec) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    if codec == PasswordCodec::Utf8 {
        return Ok(Zeroizing::new(clear.as_bytes().to_vec()));
    }
    // Never reallocated: no copy stays behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(clear.len()));
    for character in clear.chars() {
        let octet =
            u8::try_from(character).map_err(|_| "the password cannot be written in latin-1")?;
        octets.push(octet);
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use proto::secret::Secret;

    use super::*;
    use crate::primary::{Asked, Method, Relayed};
    use crate::radius::{Packet, verify_request};

    fn written(request: &PrimaryRequest) -> Result<Vec<u8>, EncodeError> {
        let secret = SharedSecret::new(b"upstream");
        let outgoing = Outgoing::new(request, PasswordCodec::Utf8).unwrap();
        outgoing.write(5, [7; 16], IpAddr::from([192, 0, 2, 9]), &secret)
    }

    fn request(credential: Credential) -> PrimaryRequest {
        PrimaryRequest {
            user: "alice".to_owned(),
            credential,
            calling_station: None,
            pass_through: Vec::new(),
            answers: None,
        }
    }

    #[test]
    fn a_relayed_proof_stands_in_place_of_the_password() {
        let framed = [&[60, 4, 1, 2, 3, 19][..], &[5; 17]].concat();
        let request = request(Credential::Relayed(Relayed {
            method: Method::Chap,
            attributes: Secret::new(framed.clone()),
        }));
        let octets = written(&request).unwrap();
        assert!(octets.ends_with(&framed));
        let packet = Packet::parse(&octets).unwrap();
        let order: Vec<_> = packet.attributes().map(|one| one.kind.0).collect();
        assert_eq!(order, [80, 4, 1, 60, 3]);
    }

    #[test]
    fn an_answer_carries_the_state_and_may_be_empty() {
        let mut request = request(Credential::Password(Secret::from("")));
        request.answers = Some(Asked {
            host: 0,
            state: Some(vec![3; 253]),
        });
        request.calling_station = Some("\u{e9}".repeat(127));
        let octets = written(&request).unwrap();
        let packet = Packet::parse(&octets).unwrap();
        let order: Vec<_> = packet.attributes().map(|one| one.kind.0).collect();
        assert_eq!(order, [80, 4, 1, 2, 24, 31]);
        assert_eq!(packet.first(AttributeType::STATE).unwrap(), [3; 253]);
        let password = packet.first(AttributeType::USER_PASSWORD).unwrap();
        assert_eq!(password.len(), 16);
        let station = packet.first(AttributeType::CALLING_STATION_ID).unwrap();
        assert_eq!(
            station,
            "\u{e9}".repeat(126).as_bytes(),
            "cut at a character"
        );
    }

    #[test]
    fn what_fits_no_packet_is_not_written() {
        let mut request = request(Credential::Password(Secret::from("pw")));
        request.pass_through = [&[32, 255][..], &[b'n'; 253]].concat().repeat(16);
        assert_eq!(written(&request), Err(EncodeError::PacketTooLong));
    }

    #[test]
    fn a_status_server_is_signed() {
        let secret = SharedSecret::new(b"upstream");
        let octets = status_server(1, [7; 16], IpAddr::from([0; 16]), &secret).unwrap();
        let packet = Packet::parse(&octets).unwrap();
        verify_request(
            &packet,
            &secret,
            proto::config::MessageAuthenticator::Require,
        )
        .unwrap();
        assert_eq!(packet.code(), Code::STATUS_SERVER);
        let order: Vec<_> = packet.attributes().map(|one| one.kind.0).collect();
        assert_eq!(order, [80, 95]);
    }
}
