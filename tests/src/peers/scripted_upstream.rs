//! An upstream RADIUS server whose every answer a test writes: for what FreeRADIUS does not do.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use md5::{Digest, Md5};

use super::SECRET;
use crate::{
    hidden,
    nas::{self, HEADER, attribute, code, datagram, hmac_md5, vendor_attribute},
    ports,
};

/// How often the thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// An Access-Request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its identifier.
    pub id: u8,
    /// Its authenticator.
    pub authenticator: [u8; 16],
    /// Types and values, in order.
    pub attributes: Vec<(u8, Vec<u8>)>,
}

impl Received {
    /// The first attribute of a type.
    #[must_use]
    pub fn first(&self, kind: u8) -> Option<&[u8]> {
        let mut of_kind = self.attributes.iter().filter(|(found, _)| *found == kind);
        of_kind.next().map(|(_, value)| value.as_slice())
    }

    /// The first attribute of Microsoft's of a type.
    #[must_use]
    pub fn microsoft(&self, kind: u8) -> Option<&[u8]> {
        vendor_attribute(&self.attributes, nas::microsoft::VENDOR, kind)
    }

    /// User-Name.
    #[must_use]
    pub fn user(&self) -> String {
        let name = self.first(attribute::USER_NAME).unwrap_or_default();
        String::from_utf8(name.to_vec()).unwrap()
    }

    /// User-Password in clear; empty when there is none.
    #[must_use]
    pub fn password(&self) -> String {
        let hidden = self.first(attribute::USER_PASSWORD).unwrap_or_default();
        let clear = hidden::reveal(SECRET, &self.authenticator, hidden);
        String::from_utf8(clear)
            .unwrap()
            .trim_end_matches('\0')
            .to_owned()
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Said {
    code: u8,
    attributes: Vec<Attribute>,
    is_signed: bool,
}

#[derive(Debug, Clone)]
enum Attribute {
    Plain(u8, Vec<u8>),
    Vendor(u32, u8, Vec<u8>),
    /// Type, tag, clear value: hidden behind a salt.
    Tagged(u8, u8, Vec<u8>),
    /// Vendor, type, clear value: hidden behind a salt.
    VendorSalted(u32, u8, Vec<u8>),
}

impl Said {
    /// Access-Accept.
    #[must_use]
    pub fn accept() -> Self {
        Self::new(code::ACCESS_ACCEPT)
    }

    /// Access-Reject with this Reply-Message.
    #[must_use]
    pub fn reject(text: &str) -> Self {
        Self::new(code::ACCESS_REJECT).with(attribute::REPLY_MESSAGE, text.as_bytes())
    }

    /// Access-Challenge with this Reply-Message and State.
    #[must_use]
    pub fn challenge(text: &str, state: &[u8]) -> Self {
        Self::new(code::ACCESS_CHALLENGE)
            .with(attribute::REPLY_MESSAGE, text.as_bytes())
            .with(attribute::STATE, state)
    }

    fn new(code: u8) -> Self {
        Self {
            code,
            attributes: Vec::new(),
            is_signed: true,
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, kind: u8, value: &[u8]) -> Self {
        self.attributes.push(Attribute::Plain(kind, value.to_vec()));
        self
    }

    /// Adds an attribute of a vendor's.
    #[must_use]
    pub fn vendor(mut self, vendor: u32, kind: u8, value: &[u8]) -> Self {
        let attribute = Attribute::Vendor(vendor, kind, value.to_vec());
        self.attributes.push(attribute);
        self
    }

    /// Adds an attribute with a tag, hidden behind a salt: Tunnel-Password.
    #[must_use]
    pub fn tagged(mut self, kind: u8, tag: u8, clear: &[u8]) -> Self {
        let attribute = Attribute::Tagged(kind, tag, clear.to_vec());
        self.attributes.push(attribute);
        self
    }

    /// Adds an attribute of a vendor's, hidden behind a salt: MS-MPPE-Send-Key.
    #[must_use]
    pub fn vendor_salted(mut self, vendor: u32, kind: u8, clear: &[u8]) -> Self {
        let attribute = Attribute::VendorSalted(vendor, kind, clear.to_vec());
        self.attributes.push(attribute);
        self
    }

    /// Leaves Message-Authenticator out.
    #[must_use]
    pub fn unsigned(self) -> Self {
        Self {
            is_signed: false,
            ..self
        }
    }

    fn encode(&self, id: u8, authenticator: &[u8; 16]) -> Vec<u8> {
        let mut salt = [0x80, 0];
        let mut salted = |clear: &[u8]| {
            salt[1] += 1;
            hidden::hide_salted(SECRET, authenticator, salt, clear)
        };
        let mut attributes = Vec::new();
        if self.is_signed {
            attributes.push((attribute::MESSAGE_AUTHENTICATOR, vec![0; 16]));
        }
        attributes.extend(self.attributes.iter().map(|one| match one {
            Attribute::Plain(kind, value) => (*kind, value.clone()),
            Attribute::Vendor(vendor, kind, value) => (
                attribute::VENDOR_SPECIFIC,
                nas::vendor_value(*vendor, *kind, value),
            ),
            Attribute::Tagged(kind, tag, clear) => (*kind, [&[*tag][..], &salted(clear)].concat()),
            Attribute::VendorSalted(vendor, kind, clear) => (
                attribute::VENDOR_SPECIFIC,
                nas::vendor_value(*vendor, *kind, &salted(clear)),
            ),
        }));
        let mut bytes = datagram(self.code, id, *authenticator, &attributes);
        if self.is_signed {
            let mac = hmac_md5(SECRET, &[&bytes]);
            bytes[HEADER + 2..HEADER + 18].copy_from_slice(&mac);
        }
        let response = Md5::new()
            .chain_update(&bytes)
            .chain_update(SECRET)
            .finalize();
        bytes[4..HEADER].copy_from_slice(&response);
        bytes
    }
}

/// The running server, with the secret [`SECRET`]; ends when dropped.
#[derive(Debug)]
pub struct ScriptedUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Mutex<Vec<Received>>,
    probes: AtomicUsize,
    is_silent: AtomicBool,
    knows_no_status: AtomicBool,
    ends: AtomicBool,
}

impl ScriptedUpstream {
    /// Starts a server that answers each Access-Request as `answer` says (none: not at all), and
    /// Status-Server with an accept. A repeated request is asked about again.
    #[must_use]
    pub fn start(answer: impl FnMut(&Received) -> Option<Said> + Send + 'static) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), answer)
    }

    /// The same at this local address.
    #[must_use]
    pub fn start_at(
        address: IpAddr,
        answer: impl FnMut(&Received) -> Option<Said> + Send + 'static,
    ) -> Self {
        let address = SocketAddr::from((address, ports::free_udp()));
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(LOOK)).unwrap();
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        let thread = thread::spawn(move || serve(&socket, &inner, answer));
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// One that does not know Status-Server and ignores it, as Microsoft's does.
    #[must_use]
    pub fn without_status(answer: impl FnMut(&Received) -> Option<Said> + Send + 'static) -> Self {
        let server = Self::start(answer);
        server.shared.knows_no_status.store(true, Ordering::SeqCst);
        server
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on swallows everything, or, with `false`, answers again.
    pub fn silence(&self, is_silent: bool) {
        self.shared.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Every Access-Request so far, those that were swallowed too.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many Access-Requests for a user came.
    #[must_use]
    pub fn count(&self, user: &str) -> usize {
        let requests = self.requests();
        requests.iter().filter(|one| one.user() == user).count()
    }

    /// How many Status-Server came.
    #[must_use]
    pub fn probes(&self) -> usize {
        self.shared.probes.load(Ordering::SeqCst)
    }
}

impl Drop for ScriptedUpstream {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join);
    }
}

fn serve(socket: &UdpSocket, shared: &Shared, mut answer: impl FnMut(&Received) -> Option<Said>) {
    let mut buffer = [0; 4096];
    while !shared.ends.load(Ordering::SeqCst) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let bytes = &buffer[..length];
        let received = Received {
            id: bytes[1],
            authenticator: bytes[4..HEADER].try_into().unwrap(),
            attributes: attributes(&bytes[HEADER..]),
        };
        let said = if bytes[0] == code::STATUS_SERVER {
            shared.probes.fetch_add(1, Ordering::SeqCst);
            let knows = !shared.knows_no_status.load(Ordering::SeqCst);
            knows.then(Said::accept)
        } else {
            shared.requests.lock().unwrap().push(received.clone());
            answer(&received)
        };
        if let Some(said) = said.filter(|_| !shared.is_silent.load(Ordering::SeqCst)) {
            let bytes = said.encode(received.id, &received.authenticator);
            // The asker may be gone.
            drop(socket.send_to(&bytes, from));
        }
    }
}

/// What stands behind a header. The gateway's datagrams are whole, or its own tests fail.
fn attributes(mut rest: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [kind, length, ..] = *rest {
        let (one, more) = rest.split_at(usize::from(length).max(2));
        found.push((kind, one[2..].to_vec()));
        rest = more;
    }
    found
}
