//! Forgeries in both directions, and floods: what no sender without the secret gets, and whom a flood
//! keeps out.
#![cfg(test)]

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use e2e::{
    clock::wait_until,
    config::{MAIN, bare_server, client, server, upstreams},
    countersign::Countersign,
    nas::{Nas, Request, attribute, code, datagram, hmac_md5},
    peers::{FakeDuo, Pki, SECRET},
    ports,
};
use md5::{Digest, Md5};

const LONG: Duration = Duration::from_secs(20);
const HEADER: usize = 20;
/// Of a Message-Authenticator: type, length, value.
const SIGNATURE: usize = 18;

/// The attributes of RFC 2865 that the published attack fills with what makes two digests collide.
fn stuffing() -> Vec<u8> {
    let mut stuffing = Vec::new();
    for _ in 0..3 {
        stuffing.extend([attribute::PROXY_STATE, 255]);
        stuffing.extend([0xa5; 253]);
    }
    stuffing
}

/// The same datagram with its length as it now is.
fn of_length(mut octets: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(octets.len()).unwrap();
    octets[2..4].copy_from_slice(&length.to_be_bytes());
    octets
}

/// What one who stands between makes of a request, with the reason that it is discarded for.
fn forged_requests(request: &Request) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let signed = request.encode();
    let bare = request.encode_without_message_authenticator();
    let stuffed = |octets: &[u8]| of_length([octets, &stuffing()].concat());
    let [header, signature, rest] = [
        &signed[..HEADER],
        &signed[HEADER..HEADER + SIGNATURE],
        &signed[HEADER + SIGNATURE..],
    ];
    let mut other_id = signed.clone();
    other_id[1] = other_id[1].wrapping_add(77);
    let mut other_authenticator = signed.clone();
    other_authenticator[4] ^= 1;
    let mut short = signed.clone();
    short.remove(HEADER + SIGNATURE - 1);
    short[HEADER + 1] -= 1;
    // Type 26, of vendor 9, with the signature as what the vendor says.
    let inside = [&[26, 24, 0, 0, 0, 9][..], signature].concat();
    let missing = "message_authenticator_missing_proxy_state";
    let wrong = "message_authenticator_wrong";
    vec![
        ("unsigned, with Proxy-State", missing, stuffed(&bare)),
        (
            "the signature taken out, Proxy-State put in",
            missing,
            stuffed(&[header, rest].concat()),
        ),
        (
            "the signature behind the packet's end",
            missing,
            [&stuffed(&bare)[..], signature].concat(),
        ),
        (
            "the signature inside a vendor's attribute",
            missing,
            of_length([&stuffed(&bare)[..], &inside].concat()),
        ),
        ("signed, Proxy-State put in", wrong, stuffed(&signed)),
        (
            "the signature moved",
            wrong,
            of_length([header, rest, signature].concat()),
        ),
        ("another identifier", wrong, other_id),
        ("another authenticator", wrong, other_authenticator),
        (
            "the signature twice",
            "message_authenticator_repeated",
            of_length([&signed[..], signature].concat()),
        ),
        (
            "a signature of 15 octets",
            "message_authenticator_length",
            of_length(short),
        ),
    ]
}

/// A signature at the end is as good as one in front, where it is of that packet.
fn signed_last(request: &Request) -> Vec<u8> {
    let bare = request.encode_without_message_authenticator();
    let place = bare.len() + 2;
    let signature = [&[attribute::MESSAGE_AUTHENTICATOR, 18][..], &[0; 16]].concat();
    let mut octets = of_length([&bare[..], &signature].concat());
    let mac = hmac_md5(SECRET, &[&octets]);
    octets[place..].copy_from_slice(&mac);
    octets
}

fn discards(gateway: &Countersign, reason: &str) -> f64 {
    gateway.metric(&format!(
        r#"countersign_radius_discards_total{{reason="{reason}"}}"#
    ))
}

#[test]
fn no_forged_request_gets_an_answer_or_anybodys_attention() {
    let duo = FakeDuo::start(Pki::shared());
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}client=duo_only_client\n",
        server("radius_server_auto", port, &duo),
    ));
    let nas = Nas::new(ports::loopback(port), SECRET);
    let request = nas.access("alice", "any");
    for (name, reason, octets) in forged_requests(&request) {
        let before = discards(&gateway, reason);
        nas.send(&octets);
        wait_until(name, LONG, || discards(&gateway, reason) == before + 1.0);
    }
    assert_eq!(duo.requests().len(), 0, "nobody was asked");
    // The first answer is the neighbour's: no forgery had one.
    let good = signed_last(&request);
    nas.send(&good);
    let answer = request.check(&nas.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert!(answer.message_authenticator_is_first());
    assert_eq!(duo.pushes("alice"), 1);
    // What was answered is repeated to the octet, and starts nothing; changed, it is forged.
    nas.send(&good);
    assert_eq!(nas.receive(LONG).unwrap(), answer.bytes);
    assert_eq!(duo.pushes("alice"), 1);
}

/// An upstream behind one who forges: for each request first all forgeries of an accept, and then the
/// true answer, a reject.
struct Forger {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    sent: Arc<Mutex<usize>>,
    thread: Option<JoinHandle<()>>,
}

impl Forger {
    fn start(forge: fn(u8, &[u8; 16]) -> Vec<Vec<u8>>) -> Self {
        let address = ports::loopback(ports::free_udp());
        let socket = UdpSocket::bind(address).unwrap();
        let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
        let look = Duration::from_millis(20);
        socket.set_read_timeout(Some(look)).unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(Mutex::new(0));
        let (ending, count) = (Arc::clone(&ends), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while !ending.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let (asked, id) = (buffer[0], buffer[1]);
                let authenticator: [u8; 16] = buffer[4..HEADER].try_into().unwrap();
                assert!(length > HEADER);
                if asked != code::ACCESS_REQUEST {
                    continue;
                }
                let accept = genuine(code::ACCESS_ACCEPT, id, &authenticator);
                // A true accept, of somebody else.
                elsewhere.send_to(&accept, from).unwrap();
                for forged in forge(id, &authenticator) {
                    socket.send_to(&forged, from).unwrap();
                }
                let reject = genuine(code::ACCESS_REJECT, id, &authenticator);
                socket.send_to(&reject, from).unwrap();
                *count.lock().unwrap() += 1;
            }
        });
        Self {
            address,
            ends,
            sent,
            thread: Some(thread),
        }
    }
}

impl Drop for Forger {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join);
    }
}

/// With a Response Authenticator that is right: what a forger has who made two digests collide.
fn collided(mut octets: Vec<u8>, authenticator: &[u8; 16]) -> Vec<u8> {
    octets[4..HEADER].copy_from_slice(authenticator);
    let digest = Md5::new().chain_update(&octets).chain_update(SECRET);
    octets[4..HEADER].copy_from_slice(&digest.finalize());
    octets
}

/// An answer, signed at its head.
fn genuine(code: u8, id: u8, authenticator: &[u8; 16]) -> Vec<u8> {
    let slot = [(attribute::MESSAGE_AUTHENTICATOR, vec![0; 16])];
    let mut octets = datagram(code, id, *authenticator, &slot);
    let mac = hmac_md5(SECRET, &[&octets]);
    octets[HEADER + 2..HEADER + SIGNATURE].copy_from_slice(&mac);
    collided(octets, authenticator)
}

fn unsigned(id: u8, authenticator: &[u8; 16], attributes: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let octets = datagram(code::ACCESS_ACCEPT, id, *authenticator, attributes);
    collided(octets, authenticator)
}

/// What is no answer under any policy.
fn forged_answers(id: u8, authenticator: &[u8; 16]) -> Vec<Vec<u8>> {
    let accept = genuine(code::ACCESS_ACCEPT, id, authenticator);
    let signature = &accept[HEADER..];
    let mut turned = genuine(code::ACCESS_REJECT, id, authenticator);
    turned[0] = code::ACCESS_ACCEPT;
    let mut with_wrong = accept.clone();
    with_wrong[HEADER + 2] ^= 1;
    let mut short = accept.clone();
    short.pop();
    short[HEADER + 1] -= 1;
    let text = [attribute::REPLY_MESSAGE, 3, b'x'];
    let in_front = [&accept[..HEADER], &text, signature].concat();
    vec![
        // response_authenticator_wrong: a reject turned round, and the answer to an earlier request.
        turned,
        genuine(code::ACCESS_ACCEPT, id, &[7; 16]),
        // message_authenticator_wrong: changed, and an attribute put in front of it.
        collided(with_wrong, authenticator),
        collided(of_length(in_front), authenticator),
        // _repeated, _length
        collided(of_length([&accept[..], signature].concat()), authenticator),
        collided(of_length(short), authenticator),
        // _missing_proxy_state, which is how the published attack looks at its end.
        unsigned(
            id,
            authenticator,
            &[(attribute::PROXY_STATE, vec![0xa5; 200])],
        ),
        // _missing_eap
        unsigned(
            id,
            authenticator,
            &[(attribute::EAP_MESSAGE, vec![3, 1, 0, 4])],
        ),
        // identifier
        genuine(code::ACCESS_ACCEPT, id.wrapping_add(1), authenticator),
    ]
}

/// What `force_message_authenticator=true` keeps out besides.
fn forged_for_the_strict(id: u8, authenticator: &[u8; 16]) -> Vec<Vec<u8>> {
    let mut all = forged_answers(id, authenticator);
    all.push(unsigned(id, authenticator, &[]));
    all
}

#[test]
fn no_forged_answer_of_an_upstream_lets_anybody_in() {
    let duo = FakeDuo::start(Pki::shared());
    let common = [
        ("response_authenticator_wrong", 2.0),
        ("message_authenticator_wrong", 2.0),
        ("message_authenticator_repeated", 1.0),
        ("message_authenticator_length", 1.0),
        ("message_authenticator_missing_eap", 1.0),
        ("identifier", 1.0),
    ];
    let auto = [("message_authenticator_missing_proxy_state", 1.0)];
    let strict = [("message_authenticator_missing", 2.0)];
    let upstream = [
        (Forger::start(forged_answers), "", &auto),
        (
            Forger::start(forged_for_the_strict),
            "force_message_authenticator=true\n",
            &strict,
        ),
    ];
    let [first, second] = std::array::from_fn(|_| ports::free_udp());
    let mut file = MAIN.to_owned();
    for ((number, port), (forger, option, _)) in
        [("", first), ("2", second)].into_iter().zip(&upstream)
    {
        let name = format!("radius_client{number}");
        file += &upstreams(&name, &[forger.address]);
        file += option;
        file += &server(&format!("radius_server_auto{number}"), port, &duo);
        file += &format!("client={name}\nfailmode=safe\n");
    }
    let gateway = Countersign::run(&file);
    for ((number, port), (forger, _, own)) in
        [("", first), ("2", second)].into_iter().zip(&upstream)
    {
        let nas = Nas::new(ports::loopback(port), SECRET);
        let answer = nas.login("alice", "any");
        let output = gateway.output();
        assert_eq!(answer.code, code::ACCESS_REJECT, "{number}: {output}");
        let times = *forger.sent.lock().unwrap();
        assert_eq!(times, 1, "the true answer was heard at once: {output}");
        for (reason, count) in common.iter().chain(own.iter()) {
            let series = format!(
                "countersign_primary_discards_total{{authenticator=\"radius_client{number}\",\
                 host=\"{}\",reason=\"{reason}\"}}",
                forger.address
            );
            wait_until(&series, LONG, || gateway.metric(&series) == *count);
        }
    }
    assert_eq!(duo.requests().len(), 0, "the password was never right");
}

/// Sends the same datagrams over and over until it is dropped.
struct Flood {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Flood {
    fn from(source: &str, to: SocketAddr, datagrams: Vec<Vec<u8>>) -> Self {
        let source: IpAddr = source.parse().unwrap();
        let socket = UdpSocket::bind((source, 0)).unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let mut sent = 0;
            for octets in datagrams.iter().cycle() {
                if ending.load(Ordering::Relaxed) {
                    break;
                }
                // A full buffer of ours is no end of a flood.
                sent += u64::from(socket.send_to(octets, to).is_ok());
            }
            sent
        });
        Self {
            ends,
            thread: Some(thread),
        }
    }

    fn stop(mut self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

/// Asks until it is answered, as a device does: the kernel may have dropped what it sent.
fn insistent(nas: &Nas, user: &str) -> u8 {
    let request = nas.access(user, "any");
    let octets = request.encode();
    for _ in 0..60 {
        nas.send(&octets);
        if let Some(answer) = nas.receive(Duration::from_secs(1)) {
            return request.check(&answer).unwrap().code;
        }
    }
    panic!("{user} got no answer");
}

#[test]
fn floods_are_shed_and_counted_while_known_clients_are_served() {
    let duo = FakeDuo::start(Pki::shared());
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}client=duo_only_client\n{}message_authenticator_1=require\n{}",
        bare_server("radius_server_auto", port, duo.host()),
        client(1, "127.0.0.1"),
        client(2, "127.0.0.2"),
    ));
    let address = ports::loopback(port);
    // Nobody's address; a client's, without its secret; a client's, with a request that was answered.
    let liar = Nas::from_address("127.0.0.2".parse().unwrap(), address, "another");
    let repeated = Nas::new(address, SECRET);
    let request = repeated.access("mallory", "any");
    assert!(repeated.exchange(&request, LONG).is_some());
    let lies = (0..64).map(|_| liar.access("eve", "any").encode());
    let cases = [
        ("127.0.0.9", "unknown_client", vec![request.encode()]),
        ("127.0.0.2", "message_authenticator_wrong", lies.collect()),
    ];
    for (source, reason, datagrams) in cases {
        let flood = Flood::from(source, address, datagrams);
        let discarded = || discards(&gateway, reason);
        wait_until("the flood is there", LONG, || discarded() > 1_000.0);
        let nas = Nas::new(address, SECRET);
        let users: Vec<String> = (0..10).map(|number| format!("{reason}-{number}")).collect();
        for user in &users {
            assert_eq!(insistent(&nas, user), code::ACCESS_ACCEPT);
            assert_eq!(duo.pushes(user), 1, "{user}");
        }
        let sent = flood.stop();
        assert!(sent > 1_000);
        let said = gateway.output();
        let lines = said.lines().filter(|line| line.contains(reason)).count();
        assert!(lines < 20, "a line a minute, not {lines}");
    }
    for user in ["eve", "mallory"] {
        assert_eq!(duo.pushes(user), usize::from(user == "mallory"), "{user}");
    }
    let status = gateway.status();
    assert_eq!(status["dataplane"]["logins_in_flight"], 0, "{status:#}");
}
