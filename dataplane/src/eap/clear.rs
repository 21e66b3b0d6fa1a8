//! A tunnel that hides nothing, for tests and fuzzers: what is said in it can be read in the octets of
//! a packet.

use proto::secret::Secret;

use super::tunnel::{KEYING_OCTETS, KeyingMaterial, Tunnel, TunnelError, TunnelVersion};

/// Makes tunnels whose handshake says this.
pub(super) fn tunnel(
    version: TunnelVersion,
    flight: &[u8],
) -> impl Fn() -> Box<dyn Tunnel> + use<> {
    let flight = flight.to_vec();
    move || {
        Box::new(Clear {
            version,
            flight: flight.clone(),
            messages: 0,
            established: false,
            out: Vec::new(),
            clear: Vec::new(),
        })
    }
}

/// What a handshake says, and then what it is told, in clear.
#[derive(Debug)]
struct Clear {
    version: TunnelVersion,
    flight: Vec<u8>,
    messages: u32,
    established: bool,
    out: Vec<u8>,
    clear: Vec<u8>,
}

impl Tunnel for Clear {
    fn feed(&mut self, message: &[u8]) -> Result<(), TunnelError> {
        match message {
            b"bad" => {
                self.out = b"ALERT".to_vec();
                return Err(TunnelError("a bad record".to_owned()));
            }
            b"dead" => return Err(TunnelError("an alert".to_owned())),
            b"stuck" if !self.established => return Ok(()),
            _ => {}
        }
        if self.established {
            self.clear.extend_from_slice(message);
            return Ok(());
        }
        self.messages += 1;
        match (self.messages, self.version) {
            (1, _) => self.out.clone_from(&self.flight),
            (_, TunnelVersion::Tls12) => {
                self.out = b"LAST".to_vec();
                self.established = true;
            }
            (_, TunnelVersion::Tls13) => {
                let behind = message.strip_prefix(b"finished").unwrap_or_default();
                self.clear.extend_from_slice(behind);
                self.established = true;
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn established(&self) -> Option<TunnelVersion> {
        self.established.then_some(self.version)
    }

    fn read(&mut self) -> Secret<Vec<u8>> {
        Secret::new(std::mem::take(&mut self.clear))
    }

    fn write(&mut self, clear: &[u8]) {
        self.out.extend_from_slice(clear);
    }

    fn export(&self, label: &[u8], context: Option<&[u8]>) -> Option<KeyingMaterial> {
        self.established
            .then(|| Secret::new(material(label, context)))
    }
}

/// Keys that tell label and context apart: a run of numbers.
pub(super) fn material(label: &[u8], context: Option<&[u8]>) -> [u8; KEYING_OCTETS] {
    let with_context = context.map_or(0, |context| {
        7 + 3 * context.iter().map(|o| u32::from(*o)).sum::<u32>()
    });
    let first = label.iter().map(|octet| u32::from(*octet)).sum::<u32>() + with_context;
    let [.., mut next] = first.to_be_bytes();
    std::array::from_fn(|_| {
        let octet = next;
        next = next.wrapping_add(1);
        octet
    })
}
