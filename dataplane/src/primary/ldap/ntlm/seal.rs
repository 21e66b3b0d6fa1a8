//! Signing and sealing of what follows a bind: NTLMSSP with extended session security, key exchange
//! and 128 bits (MS-NLMP section 3.4).

use std::fmt;

use rc4::{Rc4, StreamCipher};
use subtle::ConstantTimeEq;

use super::NtlmError;
use super::keys::{self, End, Key};

/// Both directions of one connection. Every message goes through it, in order.
pub(crate) struct Seal {
    sending: Stream,
    /// None after a message that was not genuine.
    receiving: Option<Stream>,
}

struct Stream {
    sign_key: Key,
    cipher: Rc4,
    sequence: u32,
}

impl Seal {
    /// The client's end.
    pub(super) fn client(session_key: &Key) -> Self {
        Self {
            sending: Stream::new(session_key, End::Client),
            receiving: Some(Stream::new(session_key, End::Server)),
        }
    }

    /// The directory's end.
    #[cfg(test)]
    pub(super) fn server(session_key: &Key) -> Self {
        Self {
            sending: Stream::new(session_key, End::Server),
            receiving: Some(Stream::new(session_key, End::Client)),
        }
    }

    /// Seals the next message to send: 16 octets of signature, then the text.
    pub(crate) fn wrap(&mut self, clear: &[u8]) -> Vec<u8> {
        let mut text = clear.to_vec();
        self.sending.cipher.apply_keystream(&mut text);
        let signature = self.sending.signature(clear);
        [&signature[..], &text].concat()
    }

    /// Opens the next message received.
    ///
    /// # Errors
    /// [`NtlmError::Forged`], and ever after: the two ends no longer agree.
    pub(crate) fn unwrap(&mut self, sealed: &[u8]) -> Result<Vec<u8>, NtlmError> {
        let mut stream = self.receiving.take().ok_or(NtlmError::Forged)?;
        let (signature, text) = sealed
            .split_first_chunk::<SIGNATURE_OCTETS>()
            .ok_or(NtlmError::Forged)?;
        let mut clear = text.to_vec();
        stream.cipher.apply_keystream(&mut clear);
        let want = stream.signature(&clear);
        if !bool::from(want.ct_eq(signature)) {
            return Err(NtlmError::Forged);
        }
        self.receiving = Some(stream);
        Ok(clear)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

impl Stream {
    fn new(session_key: &Key, end: End) -> Self {
        Self {
            sign_key: keys::sign_key(session_key, end),
            cipher: keys::rc4(&keys::seal_key(session_key, end)),
            sequence: 0,
        }
    }

    /// NTLMSSP_MESSAGE_SIGNATURE of the next message, whose text has been through the cipher.
    fn signature(&mut self, clear: &[u8]) -> [u8; SIGNATURE_OCTETS] {
        let sequence = self.sequence.to_le_bytes();
        self.sequence = self.sequence.wrapping_add(1);
        let code = keys::hmac_md5(&*self.sign_key, &[&sequence, clear]);
        let [a, b, c, d, e, f, g, h, ..] = *code;
        let mut sum = [a, b, c, d, e, f, g, h];
        self.cipher.apply_keystream(&mut sum);
        let mut signature = [0; SIGNATURE_OCTETS];
        let parts = VERSION.iter().chain(&sum).chain(&sequence);
        for (to, from) in signature.iter_mut().zip(parts) {
            *to = *from;
        }
        signature
    }
}

const SIGNATURE_OCTETS: usize = 16;
const VERSION: [u8; 4] = [1, 0, 0, 0];
