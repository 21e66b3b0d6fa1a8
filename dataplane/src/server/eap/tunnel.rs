//! The server's end of a tunnel, and what stands for it when there can be none.

use proto::secret::Secret;

use crate::eap::tunnel::{KeyingMaterial, Tunnel, TunnelError, TunnelVersion};
pub(super) use crate::rustls_tunnel::RustlsTunnel;

/// A tunnel that could not be made: its first message ends the conversation.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl Tunnel for Broken {
    fn feed(&mut self, _: &[u8]) -> Result<(), TunnelError> {
        tracing::error!(error = %self.0, "no tunnel can be made");
        Err(TunnelError("no tunnel can be made here".to_owned()))
    }

    fn drain(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn established(&self) -> Option<TunnelVersion> {
        None
    }

    fn read(&mut self) -> Secret<Vec<u8>> {
        Secret::default()
    }

    fn write(&mut self, _: &[u8]) {}

    fn export(&self, _: &[u8], _: Option<&[u8]>) -> Option<KeyingMaterial> {
        None
    }
}
