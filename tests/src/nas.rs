//! A RADIUS client that builds each datagram itself and shows each octet of the answer.
//!
//! Independent of the code under test on purpose: a fault in its codec must not hide itself here.
//! For what a real client makes of the answers see [`crate::peers::Radclient`].

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use crate::{hidden, peers::SECRET, ports};

/// Packet codes, RFC 2865 section 3 and RFC 5997 section 2.
pub mod code {
    /// A login.
    pub const ACCESS_REQUEST: u8 = 1;
    /// Let in.
    pub const ACCESS_ACCEPT: u8 = 2;
    /// Refused.
    pub const ACCESS_REJECT: u8 = 3;
    /// A record of use, which the gateway does not take.
    pub const ACCOUNTING_REQUEST: u8 = 4;
    /// A question back.
    pub const ACCESS_CHALLENGE: u8 = 11;
    /// Is anybody there?
    pub const STATUS_SERVER: u8 = 12;
}

/// Attribute types, RFC 2865 section 5 and RFC 3579 section 3.
pub mod attribute {
    /// User-Name.
    pub const USER_NAME: u8 = 1;
    /// User-Password, hidden.
    pub const USER_PASSWORD: u8 = 2;
    /// CHAP-Password.
    pub const CHAP_PASSWORD: u8 = 3;
    /// NAS-IP-Address.
    pub const NAS_IP_ADDRESS: u8 = 4;
    /// Filter-Id.
    pub const FILTER_ID: u8 = 11;
    /// Reply-Message.
    pub const REPLY_MESSAGE: u8 = 18;
    /// State.
    pub const STATE: u8 = 24;
    /// Class.
    pub const CLASS: u8 = 25;
    /// Vendor-Specific.
    pub const VENDOR_SPECIFIC: u8 = 26;
    /// Calling-Station-Id.
    pub const CALLING_STATION_ID: u8 = 31;
    /// Proxy-State.
    pub const PROXY_STATE: u8 = 33;
    /// CHAP-Challenge.
    pub const CHAP_CHALLENGE: u8 = 60;
    /// Tunnel-Password, hidden behind tag and salt.
    pub const TUNNEL_PASSWORD: u8 = 69;
    /// EAP-Message.
    pub const EAP_MESSAGE: u8 = 79;
    /// Message-Authenticator.
    pub const MESSAGE_AUTHENTICATOR: u8 = 80;
}

/// Attributes of Microsoft's, RFC 2548.
pub mod microsoft {
    /// Microsoft's number.
    pub const VENDOR: u32 = 311;
    /// MS-CHAP-Response.
    pub const CHAP_RESPONSE: u8 = 1;
    /// MS-CHAP-Error: an ident, then `E=691 R=1 …`.
    pub const CHAP_ERROR: u8 = 2;
    /// MS-CHAP-NT-Enc-PW: a piece of a new password.
    pub const CHAP_NT_ENC_PW: u8 = 6;
    /// MS-CHAP-Challenge.
    pub const CHAP_CHALLENGE: u8 = 11;
    /// MS-CHAP-MPPE-Keys, hidden as User-Password is.
    pub const CHAP_MPPE_KEYS: u8 = 12;
    /// MS-MPPE-Send-Key, hidden behind a salt.
    pub const MPPE_SEND_KEY: u8 = 16;
    /// MS-MPPE-Recv-Key, hidden behind a salt.
    pub const MPPE_RECV_KEY: u8 = 17;
    /// MS-CHAP2-Response.
    pub const CHAP2_RESPONSE: u8 = 25;
    /// MS-CHAP2-Success.
    pub const CHAP2_SUCCESS: u8 = 26;
    /// MS-CHAP2-CPW: the change of a password.
    pub const CHAP2_CPW: u8 = 27;
}

/// The octets of a header.
pub(crate) const HEADER: usize = 20;

/// A client: one socket, so one source address and port, and its shared secret.
#[derive(Debug)]
pub struct Nas {
    socket: UdpSocket,
    secret: String,
    next_id: AtomicU8,
}

/// How long [`login`] waits.
const LOGIN: Duration = Duration::from_secs(20);

/// One login with name and password, from a client and socket of its own on 127.0.0.1, with the
/// secret of all peers.
///
/// # Panics
/// When no good answer comes.
#[must_use]
pub fn login(port: u16, user: &str, password: &str) -> Answer {
    Nas::new(ports::loopback(port), SECRET).login(user, password)
}

impl Nas {
    /// A client on 127.0.0.1, on a port of its own.
    #[must_use]
    pub fn new(server: SocketAddr, secret: &str) -> Self {
        Self::from_address(Ipv4Addr::LOCALHOST.into(), server, secret)
    }

    /// A client at this local address; all of 127.0.0.0/8 is there on Linux.
    #[must_use]
    pub fn from_address(local: IpAddr, server: SocketAddr, secret: &str) -> Self {
        let socket = UdpSocket::bind((local, 0)).unwrap();
        socket.connect(server).unwrap();
        Self {
            socket,
            secret: secret.to_owned(),
            next_id: AtomicU8::new(0),
        }
    }

    /// The address the server sees.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// An empty request with the next id and a random authenticator.
    #[must_use]
    pub fn request(&self, code: u8) -> Request {
        let mut authenticator = [0; 16];
        getrandom::fill(&mut authenticator).unwrap();
        Request {
            code,
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            authenticator,
            attributes: Vec::new(),
            secret: self.secret.clone(),
        }
    }

    /// An Access-Request with a name alone, for CHAP and its kin.
    #[must_use]
    pub fn named(&self, user: &str) -> Request {
        self.request(code::ACCESS_REQUEST)
            .text(attribute::USER_NAME, user)
    }

    /// An Access-Request with name and password.
    #[must_use]
    pub fn access(&self, user: &str, password: &str) -> Request {
        self.named(user).password(password)
    }

    /// The answer to a challenge: the same user, what was typed, and the State that came.
    #[must_use]
    pub fn access_with_state(&self, user: &str, typed: &str, challenge: &Answer) -> Request {
        let state = challenge
            .first(attribute::STATE)
            .expect("a challenge has a State");
        self.access(user, typed).with(attribute::STATE, state)
    }

    /// Sends one datagram, whatever is in it.
    pub fn send(&self, datagram: &[u8]) {
        self.socket.send(datagram).unwrap();
    }

    /// The next datagram from the server, or `None` when none comes in time, or the port is dead.
    #[must_use]
    pub fn receive(&self, timeout: Duration) -> Option<Vec<u8>> {
        self.socket.set_read_timeout(Some(timeout)).unwrap();
        let mut buffer = vec![0; 65_536];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Some(buffer[..length].to_vec()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::ConnectionRefused
                ) =>
            {
                None
            }
            Err(error) => panic!("cannot receive: {error}"),
        }
    }

    /// Sends the request once and waits for its answer, which must be genuine.
    ///
    /// # Panics
    /// When what comes is no good answer to this request.
    #[must_use]
    pub fn exchange(&self, request: &Request, timeout: Duration) -> Option<Answer> {
        self.send(&request.encode());
        let bytes = self.receive(timeout)?;
        Some(
            request
                .check(&bytes)
                .unwrap_or_else(|fault| panic!("bad answer: {fault}: {bytes:02x?}")),
        )
    }

    /// A login with name and password; its answer.
    ///
    /// # Panics
    /// When no good answer comes.
    #[must_use]
    pub fn login(&self, user: &str, password: &str) -> Answer {
        self.asked(user, &self.access(user, password))
    }

    /// The answer to a challenge with what the user typed; what comes of it.
    ///
    /// # Panics
    /// When no good answer comes.
    #[must_use]
    pub fn reply(&self, user: &str, typed: &str, challenge: &Answer) -> Answer {
        self.asked(user, &self.access_with_state(user, typed, challenge))
    }

    fn asked(&self, user: &str, request: &Request) -> Answer {
        self.exchange(request, LOGIN)
            .unwrap_or_else(|| panic!("no answer to {user} in {LOGIN:?}"))
    }

    /// Asks Status-Server (RFC 5997); true when an answer comes.
    #[must_use]
    pub fn status(&self, timeout: Duration) -> bool {
        self.exchange(&self.request(code::STATUS_SERVER), timeout)
            .is_some()
    }
}

/// A request that is being put together; encoding it again gives the same octets.
#[derive(Debug, Clone)]
pub struct Request {
    /// The code.
    pub code: u8,
    /// The identifier.
    pub id: u8,
    /// The request authenticator.
    pub authenticator: [u8; 16],
    /// Types and values, in order, without Message-Authenticator.
    pub attributes: Vec<(u8, Vec<u8>)>,
    secret: String,
}

impl Request {
    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, kind: u8, value: &[u8]) -> Self {
        self.attributes.push((kind, value.to_vec()));
        self
    }

    /// Adds an attribute that holds text.
    #[must_use]
    pub fn text(self, kind: u8, value: &str) -> Self {
        self.with(kind, value.as_bytes())
    }

    /// Adds an attribute of a vendor's (RFC 2865 section 5.26).
    #[must_use]
    pub fn vendor(self, vendor: u32, kind: u8, value: &[u8]) -> Self {
        self.with(
            attribute::VENDOR_SPECIFIC,
            &vendor_value(vendor, kind, value),
        )
    }

    /// The clear value of an answer's attribute that was hidden for this request, behind a salt.
    #[must_use]
    pub fn reveal_salted(&self, hidden: &[u8]) -> Option<Vec<u8>> {
        hidden::reveal_salted(&self.secret, &self.authenticator, hidden)
    }

    /// The same for one that was hidden as User-Password is; with its padding.
    #[must_use]
    pub fn reveal(&self, hidden: &[u8]) -> Vec<u8> {
        hidden::reveal(&self.secret, &self.authenticator, hidden)
    }

    /// Adds User-Password, hidden as RFC 2865 section 5.2 has it. Set the authenticator before.
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        self.password_octets(password.as_bytes())
    }

    /// The same for a password that is no UTF-8.
    #[must_use]
    pub fn password_octets(self, password: &[u8]) -> Self {
        let hidden = hidden::hide(&self.secret, &self.authenticator, password);
        self.with(attribute::USER_PASSWORD, &hidden)
    }

    /// The datagram with a Message-Authenticator in the first place.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut attributes = vec![(attribute::MESSAGE_AUTHENTICATOR, vec![0; 16])];
        attributes.extend_from_slice(&self.attributes);
        let mut bytes = datagram(self.code, self.id, self.authenticator, &attributes);
        let mac = hmac_md5(&self.secret, &[&bytes]);
        bytes[HEADER + 2..HEADER + 18].copy_from_slice(&mac);
        bytes
    }

    /// The datagram without a Message-Authenticator, as old clients send it.
    #[must_use]
    pub fn encode_without_message_authenticator(&self) -> Vec<u8> {
        datagram(self.code, self.id, self.authenticator, &self.attributes)
    }

    /// Reads an answer and checks that it is genuine: its id, its Response Authenticator (RFC 2865
    /// section 3) and, where it has one, its Message-Authenticator (RFC 3579 section 3.2).
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self, bytes: &[u8]) -> Result<Answer, String> {
        if bytes.len() < HEADER
            || usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) != bytes.len()
        {
            return Err("length".to_owned());
        }
        if bytes[1] != self.id {
            return Err(format!("id {} instead of {}", bytes[1], self.id));
        }
        let expected = Md5::new()
            .chain_update(&bytes[..4])
            .chain_update(self.authenticator)
            .chain_update(&bytes[HEADER..])
            .chain_update(&self.secret)
            .finalize();
        if expected.as_slice() != &bytes[4..HEADER] {
            return Err("response authenticator".to_owned());
        }
        let mut attributes = Vec::new();
        let mut at = HEADER;
        while at < bytes.len() {
            let length = usize::from(*bytes.get(at + 1).ok_or("attribute without length")?);
            let value = bytes
                .get(at + 2..at + length)
                .ok_or("attribute past the end")?;
            if bytes[at] == attribute::MESSAGE_AUTHENTICATOR {
                let mut zeroed = bytes.to_vec();
                zeroed[4..HEADER].copy_from_slice(&self.authenticator);
                zeroed[at + 2..at + length].fill(0);
                if hmac_md5(&self.secret, &[&zeroed]) != value {
                    return Err("message authenticator".to_owned());
                }
            }
            attributes.push((bytes[at], value.to_vec()));
            at += length;
        }
        Ok(Answer {
            code: bytes[0],
            attributes,
            bytes: bytes.to_vec(),
        })
    }
}

/// A genuine answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The code.
    pub code: u8,
    /// Types and values, in order, Message-Authenticator included.
    pub attributes: Vec<(u8, Vec<u8>)>,
    /// The whole datagram.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The first attribute of a type.
    #[must_use]
    pub fn first(&self, kind: u8) -> Option<&[u8]> {
        self.all(kind).first().copied()
    }

    /// All attributes of a type, in order.
    #[must_use]
    pub fn all(&self, kind: u8) -> Vec<&[u8]> {
        let of_kind = self.attributes.iter().filter(|(found, _)| *found == kind);
        of_kind.map(|(_, value)| value.as_slice()).collect()
    }

    /// The first attribute of Microsoft's of a type.
    #[must_use]
    pub fn microsoft(&self, kind: u8) -> Option<&[u8]> {
        vendor_attribute(&self.attributes, microsoft::VENDOR, kind)
    }

    /// All Reply-Message attributes, joined.
    #[must_use]
    pub fn message(&self) -> String {
        String::from_utf8(self.all(attribute::REPLY_MESSAGE).concat()).unwrap()
    }

    /// Whether Message-Authenticator stands in the first place (it was checked already).
    #[must_use]
    pub fn message_authenticator_is_first(&self) -> bool {
        self.attributes
            .first()
            .is_some_and(|(kind, _)| *kind == attribute::MESSAGE_AUTHENTICATOR)
    }
}

/// The value of Vendor-Specific that holds one attribute of a vendor's.
#[must_use]
pub fn vendor_value(vendor: u32, kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len() + 2).unwrap();
    [&vendor.to_be_bytes()[..], &[kind, length], value].concat()
}

/// The first attribute of a vendor's; a Vendor-Specific may hold several.
pub(crate) fn vendor_attribute(
    attributes: &[(u8, Vec<u8>)],
    vendor: u32,
    kind: u8,
) -> Option<&[u8]> {
    let of_vendor = attributes
        .iter()
        .filter(|(found, _)| *found == attribute::VENDOR_SPECIFIC)
        .filter_map(|(_, value)| value.strip_prefix(&vendor.to_be_bytes()));
    for mut rest in of_vendor {
        while let [found, length, ..] = *rest {
            let (one, more) = rest.split_at_checked(usize::from(length.max(2)))?;
            if found == kind {
                return one.get(2..);
            }
            rest = more;
        }
    }
    None
}

/// A datagram of these parts, as they are.
#[must_use]
pub fn datagram(
    code: u8,
    id: u8,
    authenticator: [u8; 16],
    attributes: &[(u8, Vec<u8>)],
) -> Vec<u8> {
    let mut bytes = vec![code, id, 0, 0];
    bytes.extend_from_slice(&authenticator);
    for (kind, value) in attributes {
        bytes.extend_from_slice(&[*kind, u8::try_from(value.len() + 2).unwrap()]);
        bytes.extend_from_slice(value);
    }
    let length = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// HMAC-MD5 over the parts.
#[must_use]
pub fn hmac_md5(secret: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(secret.as_bytes()).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// RFC 2865 section 7.1, request and answer.
    const RFC2865_7_1_REQUEST: &[u8] = &hex!(
        "01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f"
        "02 12 0d be 70 8d 93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03"
    );
    const RFC2865_7_1_ANSWER: &[u8] = &hex!(
        "02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2"
        "06 06 00 00 00 01 0f 06 00 00 00 00 0e 06 c0 a8 01 03"
    );
    /// RFC 5997 section 6.1, a Status-Server with Message-Authenticator.
    const RFC5997_6_1_REQUEST: &[u8] = &hex!(
        "0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23"
        "50 12 5a 66 5e 2e 1e 84 11 f3 e2 43 82 20 97 c8 4f a3"
    );

    fn request(code: u8, id: u8, authenticator: [u8; 16]) -> Request {
        Request {
            code,
            id,
            authenticator,
            attributes: Vec::new(),
            secret: "xyzzy5461".to_owned(),
        }
    }

    fn nemo() -> Request {
        request(
            code::ACCESS_REQUEST,
            0,
            hex!("0f403f9473978057bd83d5cb98f4227a"),
        )
        .text(attribute::USER_NAME, "nemo")
        .password("arctangent")
        .with(4, &[192, 168, 1, 16])
        .with(5, &[0, 0, 0, 3])
    }

    #[test]
    fn hides_the_password_as_the_rfc_does() {
        assert_eq!(
            nemo().encode_without_message_authenticator(),
            RFC2865_7_1_REQUEST
        );
    }

    #[test]
    fn signs_as_the_rfc_does() {
        let status = request(
            code::STATUS_SERVER,
            0xda,
            hex!("8a54f4686fb394c52866e302185d0623"),
        );
        assert_eq!(status.encode(), RFC5997_6_1_REQUEST);
    }

    #[test]
    fn only_a_genuine_answer_passes() {
        let answer = nemo().check(RFC2865_7_1_ANSWER).unwrap();
        assert_eq!(answer.code, code::ACCESS_ACCEPT);
        assert_eq!(answer.first(14), Some(&[192, 168, 1, 3][..]));
        for octet in 0..RFC2865_7_1_ANSWER.len() {
            let mut forged = RFC2865_7_1_ANSWER.to_vec();
            forged[octet] ^= 1;
            assert!(nemo().check(&forged).is_err(), "octet {octet}");
        }
    }

    #[test]
    fn a_wrong_message_authenticator_does_not_pass() {
        let asked = request(code::STATUS_SERVER, 1, [7; 16]);
        let mut bytes = datagram(
            2,
            1,
            [7; 16],
            &[(attribute::MESSAGE_AUTHENTICATOR, vec![0; 16])],
        );
        let mac = hmac_md5("xyzzy5461", &[&bytes]);
        for (name, mac, good) in [("right", mac, true), ("zeros", [0; 16], false)] {
            bytes[HEADER + 2..].copy_from_slice(&mac);
            bytes[4..HEADER].copy_from_slice(&[7; 16]);
            let response = Md5::new()
                .chain_update(&bytes)
                .chain_update("xyzzy5461")
                .finalize();
            bytes[4..HEADER].copy_from_slice(&response);
            assert_eq!(asked.check(&bytes).is_ok(), good, "{name}");
        }
    }
}
