//! A flood of PEAP handshakes that are begun and never finished: a name, then a ClientHello, then
//! nothing. Sent by one thread from many ports, as fast as it can; it looks at answers as little as an
//! attacker has to, and makes one ClientHello for all.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use dataplane::radius::{AttributeType, Code, HEADER_OCTETS};
use e2e::{
    clock,
    peers::supplicant::packet::{code, flag, flagged, kind, packet},
};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring, pki_types::ServerName};

use crate::{datagrams::Datagrams, peers::lenient};

/// What the flood did and saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flooded {
    pub(crate) elapsed: Duration,
    /// CPU time of the thread that sent it.
    pub(crate) cpu: Duration,
    /// Names sent.
    pub(crate) names: usize,
    /// Names answered with the start of PEAP: conversations that were begun.
    pub(crate) begun: usize,
    /// ClientHellos answered, with a ServerHello and what follows it: the handshakes that cost the
    /// server its key.
    pub(crate) half_open: usize,
    /// Names and ClientHellos answered with a reject.
    pub(crate) rejected: usize,
}

/// Sends from this address until told to stop; tells meanwhile how many are half open.
pub(crate) fn run(
    from: IpAddr,
    to: SocketAddr,
    stop: &AtomicBool,
    half_open: &AtomicUsize,
) -> Flooded {
    let mut client = lenient();
    let name = packet(code::RESPONSE, 0, kind::IDENTITY, NAME.as_bytes());
    let hello = client_hello();
    let any = SocketAddr::new(from, 0);
    let mut links: Vec<Datagrams> = (0..PORTS)
        .map(|_| Datagrams::open(any, to, PATIENCE).unwrap())
        .collect();
    let mut flooded = Flooded::default();
    let mut identifier = 0_u8;
    let (start, cpu) = (clock::now(), thread_cpu());
    while !stop.load(Ordering::Relaxed) {
        for link in &mut links {
            let mut due = Vec::new();
            for answer in link.take().unwrap() {
                match Seen::of(answer) {
                    Seen::Start {
                        identifier,
                        eap,
                        state,
                    } => {
                        flooded.begun += 1;
                        let flags = 0;
                        let eap = flagged(code::RESPONSE, eap, kind::PEAP, flags, &hello);
                        due.push(client.eap(identifier, NAME, &eap, Some(state)));
                    }
                    Seen::Handshake => {
                        flooded.half_open += 1;
                        half_open.store(flooded.half_open, Ordering::Relaxed);
                    }
                    Seen::Reject => flooded.rejected += 1,
                    Seen::Else => {}
                }
            }
            for _ in 0..NAMES_AT_A_TIME {
                due.push(client.eap(identifier, NAME, &name, None));
                flooded.names += 1;
                identifier = identifier.wrapping_add(1);
            }
            let due: Vec<&[u8]> = due.iter().map(Vec::as_slice).collect();
            link.send(&due).unwrap();
        }
    }
    flooded.elapsed = clock::now().saturating_duration_since(start);
    flooded.cpu = thread_cpu().saturating_sub(cpu);
    flooded
}

/// What an answer is, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
enum Seen<'a> {
    /// PEAP starts: the answer's identifier, the one of EAP, and the State.
    Start {
        identifier: u8,
        eap: u8,
        state: &'a [u8],
    },
    /// The server's side of a handshake, or the beginning of it.
    Handshake,
    Reject,
    Else,
}

impl<'a> Seen<'a> {
    /// Reads an answer that may be cut off.
    fn of(answer: &'a [u8]) -> Self {
        let (Some(radius), Some(identifier)) = (answer.first(), answer.get(1)) else {
            return Self::Else;
        };
        let (radius, identifier) = (Code(*radius), *identifier);
        if radius == Code::ACCESS_REJECT {
            return Self::Reject;
        }
        let eap = value(answer, AttributeType::EAP_MESSAGE);
        match eap {
            Some([code::REQUEST, eap, _, _, kind::PEAP, flags, ..])
                if radius == Code::ACCESS_CHALLENGE =>
            {
                match (flags & flag::START, value(answer, AttributeType::STATE)) {
                    (0, _) => Self::Handshake,
                    (_, Some(state)) => Self::Start {
                        identifier,
                        eap: *eap,
                        state,
                    },
                    (_, None) => Self::Else,
                }
            }
            _ => Self::Else,
        }
    }
}

/// The value of the first attribute of a type that is there whole.
fn value(answer: &[u8], wanted: AttributeType) -> Option<&[u8]> {
    let mut rest = answer.get(HEADER_OCTETS..)?;
    while let [kind, length, ..] = *rest {
        let attribute = rest.get(..usize::from(length))?;
        if kind == wanted.0 {
            return attribute.get(2..);
        }
        rest = rest.get(usize::from(length.max(2))..)?;
    }
    None
}

/// What a client says first: by TLS 1.3, or by 1.2 where the server has no more.
fn client_hello() -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello
}

/// CPU time of the calling thread.
fn thread_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let time = |value: TimeVal| {
        let octets = (value.tv_sec(), value.tv_usec());
        let (seconds, micros) = (octets.0.try_into(), octets.1.try_into());
        Duration::from_secs(seconds.unwrap_or_default())
            + Duration::from_micros(micros.unwrap_or_default())
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// A user who is nobody: no login comes to a user here.
const NAME: &str = "flood";
const PORTS: usize = 64;
/// New conversations that each port asks for before the next port has its turn.
const NAMES_AT_A_TIME: usize = 4;
/// Of [`Datagrams`]; nothing waits here.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: Code, attributes: &[(AttributeType, &[u8])]) -> Vec<u8> {
        let mut octets = vec![0; HEADER_OCTETS];
        octets[..2].copy_from_slice(&[code.0, 7]);
        for (kind, value) in attributes {
            octets.push(kind.0);
            octets.push(u8::try_from(value.len() + 2).unwrap());
            octets.extend_from_slice(value);
        }
        octets
    }

    #[test]
    fn answers_are_told_apart() {
        const EAP: AttributeType = AttributeType::EAP_MESSAGE;
        const STATE: (AttributeType, &[u8]) = (AttributeType::STATE, b"state");
        let challenge = Code::ACCESS_CHALLENGE;
        let start = answer(challenge, &[(EAP, &[1, 9, 0, 6, 25, 0x21]), STATE]);
        let Seen::Start {
            identifier,
            eap,
            state,
        } = Seen::of(&start)
        else {
            panic!("no start");
        };
        assert_eq!((identifier, eap, state), (7, 9, &b"state"[..]));
        let mut cut = answer(challenge, &[(EAP, &[1, 9, 5, 0, 25, 0xc1, 0, 0]), STATE]);
        cut.pop();
        for (name, answer, want) in [
            ("handshake", cut, Seen::Handshake),
            ("reject", answer(Code::ACCESS_REJECT, &[]), Seen::Reject),
            (
                "no State",
                answer(challenge, &[(EAP, &[1, 9, 0, 6, 25, 0x21])]),
                Seen::Else,
            ),
            (
                "another method",
                answer(challenge, &[(EAP, &[1, 9, 0, 6, 21, 0x20]), STATE]),
                Seen::Else,
            ),
            ("cut short", vec![11, 7, 0], Seen::Else),
            ("nothing", Vec::new(), Seen::Else),
        ] {
            assert_eq!(Seen::of(&answer), want, "{name}");
        }
    }

    #[test]
    fn the_hello_is_one_record_that_fits_a_packet() {
        let hello = client_hello();
        assert_eq!(hello.first(), Some(&22));
        assert_eq!(
            usize::from(u16::from_be_bytes([hello[3], hello[4]])) + 5,
            hello.len()
        );
        assert!(hello.len() < 1_000);
    }
}
