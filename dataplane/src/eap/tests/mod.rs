//! Scripts of packets, with a tunnel that hides nothing.

pub(super) mod binding;
mod conversation;
mod peap;
mod properties;
mod supplicant;
mod ttls;

use proto::secret::Secret;

use super::clear::{material, tunnel};
use super::conversation::{Conversation, Outcome, Step, Stray, Surroundings};
use super::fault::EapFault;
use super::packet::{EapType, Response};
use super::tunnel::{KEYING_OCTETS, KeyingMaterial, Tunnel, TunnelError, TunnelVersion};

/// A supplicant and the server's end of its conversation.
struct Peer {
    talk: Conversation,
    tls: TunnelVersion,
    flight: Vec<u8>,
    fragment_octets: usize,
    /// Of the request that was sent last.
    identifier: u8,
    kind: EapType,
}

const NONCE: [u8; 32] = [0xa5; 32];
/// Of the name with which everything begins.
const FIRST: u8 = 7;

impl Peer {
    /// Said its name, and was offered PEAP.
    fn new(tls: TunnelVersion) -> Self {
        let name = Response {
            identifier: FIRST,
            kind: EapType::IDENTITY,
            data: b"anonymous",
        };
        let (talk, offer) = Conversation::begin(&name);
        assert_eq!(
            offer,
            [1, FIRST + 1, 0, 6, 25, 0x21],
            "PEAP, version 1 at most"
        );
        Self {
            talk,
            tls,
            flight: b"FLIGHT".to_vec(),
            fragment_octets: 1_000,
            identifier: FIRST + 1,
            kind: EapType::PEAP,
        }
    }

    /// Wants TTLS, and was offered that.
    fn ttls(tls: TunnelVersion) -> Self {
        let mut peer = Self::new(tls);
        peer.kind = EapType::NAK;
        assert_eq!(peer.sends(&[21]), [21, 0x20], "TTLS has one version");
        peer.kind = EapType::TTLS;
        peer
    }

    /// Has a tunnel of PEAP, and was asked who it is.
    fn within(tls: TunnelVersion, version: u8) -> Self {
        let mut peer = Self::new(tls);
        assert_eq!(peer.says(version, b"hello"), b"FLIGHT");
        let asked = match tls {
            TunnelVersion::Tls12 => {
                assert_eq!(peer.says(version, b"keys"), b"LAST");
                peer.says(version, b"")
            }
            TunnelVersion::Tls13 => peer.says(version, b"finished"),
        };
        match version {
            0 => assert_eq!(asked, [1]),
            _ => assert_eq!(asked, [1, peer.identifier, 0, 5, 1]),
        }
        peer
    }

    /// The same, and it gave name and password.
    fn deciding(tls: TunnelVersion, version: u8) -> Self {
        let mut peer = Self::within(tls, version);
        let name = peer.inner(version, 1, b"alice");
        let asked = peer.says(version, &name);
        assert!(asked.ends_with(b"\x06Password: "), "{asked:?}");
        let password = peer.inner(version, 6, b"secret");
        assert_eq!(
            peer.offers(&flagged(version, &password)),
            (Some("alice".to_owned()), b"secret".to_vec())
        );
        peer
    }

    /// What a method says within the tunnel: without its header in version 0.
    fn inner(&self, version: u8, kind: u8, data: &[u8]) -> Vec<u8> {
        let mut said = match version {
            0 => Vec::new(),
            _ => {
                let length = u16::try_from(data.len() + 5).unwrap().to_be_bytes();
                vec![2, self.identifier, length[0], length[1]]
            }
        };
        said.push(kind);
        said.extend_from_slice(data);
        said
    }

    fn receives(&mut self, identifier: u8, data: &[u8]) -> Result<Step, Stray> {
        let response = Response {
            identifier,
            kind: self.kind,
            data,
        };
        let tunnel = tunnel(self.tls, &self.flight);
        self.talk
            .receive(&response, &around(&tunnel, self.fragment_octets))
    }

    fn step(&mut self, data: &[u8]) -> Step {
        self.receives(self.identifier, data).unwrap()
    }

    /// Sends octets behind the type; gives what is asked, from the type on.
    fn sends(&mut self, data: &[u8]) -> Vec<u8> {
        let step = self.step(data);
        self.asked(step)
    }

    fn asked(&mut self, step: Step) -> Vec<u8> {
        let Step::Send(packet) = step else {
            panic!("nothing is asked but {step:?}");
        };
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        self.identifier = self.identifier.wrapping_add(1);
        assert_eq!(packet[..4], [1, self.identifier, length[0], length[1]]);
        packet[4..].to_vec()
    }

    /// Sends a message of one packet; gives one of one packet, of the same version.
    fn says(&mut self, version: u8, message: &[u8]) -> Vec<u8> {
        let got = self.sends(&flagged(version, message));
        assert_eq!(got[1], version, "flags and version of {got:?}");
        got[2..].to_vec()
    }

    fn offers(&mut self, data: &[u8]) -> (Option<String>, Vec<u8>) {
        match self.step(data) {
            Step::Decide(offered) => (offered.user, offered.octets.expose().clone()),
            step => panic!("nothing is offered but {step:?}"),
        }
    }

    fn is_asked(&mut self, prompt: &str) -> Vec<u8> {
        let tunnel = tunnel(self.tls, &self.flight);
        let step = self
            .talk
            .ask(prompt, &around(&tunnel, self.fragment_octets));
        self.asked(step)
    }

    fn concludes(&mut self, success: bool) -> Step {
        let tunnel = tunnel(self.tls, &self.flight);
        self.talk
            .conclude(success, &around(&tunnel, self.fragment_octets))
    }

    /// Told how it ends, from behind the flags on.
    fn is_told(&mut self, success: bool) -> Vec<u8> {
        let step = self.concludes(success);
        self.asked(step)[2..].to_vec()
    }

    /// Why the conversation fails; the peer is told so from outside.
    fn fails(&mut self, data: &[u8]) -> EapFault {
        match self.step(data) {
            Step::End(packet, Outcome::Fault(fault)) => {
                assert_eq!(packet, [4, self.identifier, 0, 4]);
                fault
            }
            step => panic!("no fault but {step:?}"),
        }
    }

    fn keys(&self, step: Step) -> [u8; KEYING_OCTETS] {
        match step {
            Step::End(packet, Outcome::Success(keys)) => {
                assert_eq!(packet, [3, self.identifier, 0, 4]);
                *keys.expose()
            }
            step => panic!("no success but {step:?}"),
        }
    }

    fn is_refused(&self, step: Step) {
        match step {
            Step::End(packet, Outcome::Failure) => {
                assert_eq!(packet, [4, self.identifier, 0, 4]);
            }
            step => panic!("no failure but {step:?}"),
        }
    }
}

fn around(tunnel: &dyn Fn() -> Box<dyn Tunnel>, fragment_octets: usize) -> Surroundings<'_> {
    Surroundings {
        tunnel,
        fragment_octets,
        nonce: NONCE,
    }
}

fn flagged(flags: u8, message: &[u8]) -> Vec<u8> {
    [&[flags], message].concat()
}

const BOTH: [TunnelVersion; 2] = [TunnelVersion::Tls12, TunnelVersion::Tls13];
