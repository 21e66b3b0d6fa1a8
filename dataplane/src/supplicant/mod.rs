//! A supplicant for trying out sections of mode `eap`: PEAP with inner GTC over rustls. What it says is
//! decided by `eap::supplicant`; the packets travel by whoever drives it.

mod certificate;
mod keys;
mod tls;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

pub use certificate::Certificate;
pub use keys::{KeysVerdict, SessionKeys};
use proto::secret::Secret;
pub use tls::{TlsChoice, Trust};

use crate::eap::supplicant as pure;
use crate::eap::tunnel::TunnelVersion;
use crate::rustls_tunnel::RustlsTunnel;

/// Who logs in, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name inside the tunnel: 1 to 253 octets.
    pub user: String,
    /// The name outside, which the device reads: 1 to 253 octets.
    pub outer: String,
    /// The highest version of PEAP that it speaks: 0 or 1; more counts as 1.
    pub highest_version: u8,
    /// The versions of TLS.
    pub tls: TlsChoice,
    /// Whose certificates it trusts; none: everybody's.
    pub trust: Option<Trust>,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this EAP packet; what the server says to it goes to [`Supplicant::receive`].
    Send(Vec<u8>),
    /// The server asks this inside the tunnel: [`Supplicant::answer`] it. Not cleaned of anything.
    Asked(String),
    /// It is over.
    Over(End),
}

/// How a login ended.
#[derive(Debug)]
pub enum End {
    /// Both sides agree that the user is let in.
    Success(SessionKeys),
    /// The server says that the user is not let in.
    Failure,
    /// The supplicant did not go on.
    Fault(ServerFault),
}

/// Why a supplicant did not go on: the certificate is not trusted, or the server does what makes no
/// sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ServerFault(pure::ServerFault);

/// One login.
#[derive(Debug)]
pub struct Supplicant {
    talk: pure::Supplicant,
    shown: Arc<Mutex<Option<Certificate>>>,
}

impl Supplicant {
    /// Begins: gives the first EAP packet.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn begin(settings: &Settings) -> Result<(Self, Vec<u8>), SettingsError> {
        for name in [&settings.user, &settings.outer] {
            if name.is_empty() || name.len() > MAX_NAME_OCTETS {
                return Err(SettingsError::Name);
            }
        }
        let shown = Arc::default();
        let (config, name) = tls::config(settings, Arc::clone(&shown))?;
        let tunnel = RustlsTunnel::client(config, name).map_err(SettingsError::Tls)?;
        let how = pure::Settings {
            user: settings.user.clone(),
            outer: settings.outer.clone(),
            highest_version: settings.highest_version.min(1),
            fragment_octets: FRAGMENT_OCTETS,
        };
        let (talk, first) = pure::Supplicant::begin(how, Box::new(tunnel));
        Ok((Self { talk, shown }, first))
    }

    /// Takes an EAP packet of the server.
    pub fn receive(&mut self, packet: &[u8]) -> Step {
        self.talk.receive(packet).into()
    }

    /// Answers a question.
    pub fn answer(&mut self, typed: &Secret<String>) -> Step {
        self.talk.answer(typed.expose().as_bytes()).into()
    }

    /// The device was told that it is over, and no EAP packet came with it.
    pub fn is_left(&mut self) -> End {
        self.talk.is_left().into()
    }

    /// The version of PEAP, once it is agreed on.
    #[must_use]
    pub const fn peap_version(&self) -> Option<u8> {
        self.talk.version()
    }

    /// The version of TLS, `1.2` or `1.3`, once there is a tunnel.
    #[must_use]
    pub const fn tls_version(&self) -> Option<&'static str> {
        match self.talk.tls() {
            Some(TunnelVersion::Tls12) => Some("1.2"),
            Some(TunnelVersion::Tls13) => Some("1.3"),
            None => None,
        }
    }

    /// Whether both ends proved that the login belongs to the tunnel (crypto-binding, PEAP version 0).
    #[must_use]
    pub const fn is_bound(&self) -> bool {
        self.talk.is_bound()
    }

    /// The server's own certificate, once it was shown; trusted or not.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }
}

impl From<pure::Step> for Step {
    fn from(step: pure::Step) -> Self {
        match step {
            pure::Step::Send(packet) => Self::Send(packet),
            pure::Step::Asked(prompt) => Self::Asked(prompt),
            pure::Step::Over(end) => Self::Over(end.into()),
        }
    }
}

impl From<pure::End> for End {
    fn from(end: pure::End) -> Self {
        match end {
            pure::End::Success(keys) => Self::Success(SessionKeys::new(keys)),
            pure::End::Failure => Self::Failure,
            pure::End::Fault(fault) => Self::Fault(ServerFault(fault)),
        }
    }
}

/// Why a supplicant cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No RADIUS attribute holds it (RFC 2865 section 5.1).
    #[error("a name has 1 to 253 octets")]
    Name,
    /// There is no certificate in the text, or one that cannot be read.
    #[error("there are no CA certificates (PEM) that can be read")]
    Authorities,
    /// It is no name of a server.
    #[error("this is no name that a certificate can have")]
    ServerName,
    /// The library refuses the settings.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

const MAX_NAME_OCTETS: usize = 253;
/// Of a Framed-MTU of 1400, with room for what is around it.
const FRAGMENT_OCTETS: usize = 1_024;
