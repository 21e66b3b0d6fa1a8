//! WebAuthn (level 3) as a relying party asks for it: what an authenticator said at a registration or an
//! assertion is read whole and judged. Pure: no HTTP, no SQL, no clock.
//!
//! Who made an authenticator is not asked (attestation `none`): what a statement says of it is not
//! looked at. A person must have been there and have unlocked it, at each of the two.

mod authenticator;
mod cbor;
pub(crate) mod challenge;
mod cose;
mod response;

use ring::digest;

use authenticator::AuthenticatorData;
pub(crate) use cose::ALGORITHMS;
use cose::PublicKey;
pub(crate) use response::{Assertion, Attestation};
use response::{Ceremony, ClientData};

/// What people cannot do at the address that they are to open, in words for who set it up.
pub(crate) fn lacks(public_url: &str) -> Option<&'static str> {
    let Some(party) = RelyingParty::of(public_url) else {
        return Some(
            "people's browsers have no passkeys at this address, which is none by https:// and a name: no phone \
             and no security key can be set up",
        );
    };
    party.is_local().then_some(
        "only this machine opens this address: links to set up a device lead nowhere else",
    )
}

/// Who asks: the origin of the pages, and its host's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelyingParty {
    pub(crate) origin: String,
    pub(crate) id: String,
}

impl RelyingParty {
    /// Of the address that people open; none where it has no name: browsers have no passkeys for
    /// addresses made of numbers.
    pub(crate) fn of(public_url: &str) -> Option<Self> {
        let uri: http::Uri = public_url.parse().ok()?;
        if uri.scheme_str() != Some("https") {
            return None;
        }
        let authority = uri.authority()?;
        let id = authority.host().to_ascii_lowercase();
        let named = id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        // A name's last part is never a number: that is how an address is told from it.
        let last = id.rsplit('.').next().unwrap_or_default();
        if !named || last.is_empty() || last.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let origin = match authority.port_u16() {
            None | Some(443) => format!("https://{id}"),
            Some(port) => format!("https://{id}:{port}"),
        };
        Some(Self { origin, id })
    }

    /// Whether browsers may ask this host by `https://` alone from then on. That holds for all ports of a
    /// name: where the pages have one of their own, something else may be served beside them.
    pub(crate) fn is_by_https_alone(&self, host: &str) -> bool {
        let host = host.strip_suffix(":443").unwrap_or(host);
        let whole = self.origin.strip_prefix("https://") == Some(&self.id);
        whole && !self.is_local() && host.eq_ignore_ascii_case(&self.id)
    }

    fn is_local(&self) -> bool {
        self.id == "localhost" || self.id.ends_with(".localhost")
    }

    fn judge(
        &self,
        data: &AuthenticatorData<'_>,
        client: &ClientData,
        ceremony: Ceremony,
        challenge: impl FnOnce(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if client.ceremony != ceremony.as_str() {
            return Err(Fault::Ceremony);
        }
        challenge(&client.challenge)?;
        if client.cross_origin || client.origin != self.origin {
            return Err(Fault::Origin);
        }
        let own = digest::digest(&digest::SHA256, self.id.as_bytes());
        if data.rp_id_hash != own.as_ref() {
            return Err(Fault::RelyingParty);
        }
        if !data.user_present || !data.user_verified {
            return Err(Fault::NotVerified);
        }
        Ok(())
    }

    /// Judges a registration; `challenge` says whether it answers one of ours.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn registered(
        &self,
        attestation: &Attestation,
        challenge: impl FnOnce(&[u8]) -> Result<(), Fault>,
    ) -> Result<NewPasskey, Fault> {
        let data = authenticator::of_attestation(&attestation.object)?;
        let data = AuthenticatorData::parse(data)?;
        let client = ClientData::parse(&attestation.client_data)?;
        self.judge(&data, &client, Ceremony::Create, challenge)?;
        let attested = data.attested.ok_or(Fault::Malformed("attested data"))?;
        if attested.credential != attestation.credential {
            return Err(Fault::Malformed("credential id"));
        }
        PublicKey::parse(attested.public_key)?.check()?;
        Ok(NewPasskey {
            credential: attested.credential.to_vec(),
            public_key: attested.public_key.to_vec(),
            sign_count: data.sign_count,
            transports: attestation.transports.clone(),
            synced: data.may_be_elsewhere,
        })
    }

    /// Judges an assertion by a passkey; its counter afterwards.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::Counter`] where all else is good.
    pub(crate) fn asserted(
        &self,
        assertion: &Assertion,
        passkey: &Passkey,
        challenge: impl FnOnce(&[u8]) -> Result<(), Fault>,
    ) -> Result<u32, Fault> {
        if assertion.credential != passkey.credential {
            return Err(Fault::Malformed("credential id"));
        }
        let data = AuthenticatorData::parse(&assertion.authenticator_data)?;
        let client = ClientData::parse(&assertion.client_data)?;
        self.judge(&data, &client, Ceremony::Get, challenge)?;
        let hash = digest::digest(&digest::SHA256, &assertion.client_data);
        let message = [&assertion.authenticator_data[..], hash.as_ref()].concat();
        PublicKey::parse(&passkey.public_key)?.verify(&message, &assertion.signature)?;
        // Section 6.1.1: those that count never show a number twice.
        let counts = data.sign_count != 0 || passkey.sign_count != 0;
        if counts && data.sign_count <= passkey.sign_count {
            return Err(Fault::Counter);
        }
        Ok(data.sign_count)
    }
}

/// A passkey as it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPasskey {
    pub(crate) credential: Vec<u8>,
    /// As COSE has it.
    pub(crate) public_key: Vec<u8>,
    pub(crate) sign_count: u32,
    pub(crate) transports: Vec<String>,
    /// Whether it may be kept elsewhere too, as the authenticator says.
    pub(crate) synced: bool,
}

/// A passkey as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passkey {
    pub(crate) credential: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
    pub(crate) sign_count: u32,
    pub(crate) transports: Vec<String>,
}

/// Why an authenticator's answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It cannot be read.
    #[error("the browser's answer has a bad {0}")]
    Malformed(&'static str),
    /// A registration in place of an assertion, or the other way round.
    #[error("the browser's answer is to another question")]
    Ceremony,
    /// The challenge is none of ours for this purpose.
    #[error("the browser's answer is to another question")]
    Challenge,
    /// The challenge is too old.
    #[error("that took too long")]
    Stale,
    /// The challenge was answered before.
    #[error("the browser's answer was used before; try again")]
    Used,
    /// It was made on another site.
    #[error("the browser's answer was made on another site")]
    Origin,
    /// It was made for another site.
    #[error("the browser's answer was made for another site")]
    RelyingParty,
    /// Nobody was there, or nobody unlocked it.
    #[error("the device did not ask who you are: it needs a screen lock or a PIN")]
    NotVerified,
    /// The key is of a kind that is not taken, or none at all.
    #[error("the key is of a kind that is not taken")]
    Key,
    /// The signature is none of the passkey's.
    #[error("the signature is not this passkey's")]
    Signature,
    /// The counter did not go up: there may be a copy.
    #[error("the passkey's counter went back: there may be a copy of it")]
    Counter,
}

/// The longest credential id, in octets (section 4).
pub(crate) const CREDENTIAL_OCTETS: usize = 1_023;

#[cfg(test)]
mod tests;
