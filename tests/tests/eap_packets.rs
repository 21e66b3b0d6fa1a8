//! Mode `eap`: its packets. Fragments both ways, starts, padding, and what goes out beside them.
#![cfg(test)]

use std::{fs, time::Duration};

use e2e::{
    clock::wait_until,
    eap::{Gateway, PASSWORD},
    nas::{attribute, code},
    peers::{
        Pki, Supplicant,
        supplicant::{LengthFlag, Method, Mischief, Step, TlsRange, Verdict, packet::kind, typed},
    },
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

const LONG: Duration = Duration::from_secs(10);
const FRAMED_MTU: u8 = 12;
const SESSION_TIMEOUT: u8 = 27;
const METHODS: [(Method, u8); 4] = [
    (Method::Peap, 0),
    (Method::Peap, 1),
    (Method::TtlsPap, 0),
    (Method::TtlsGtc, 0),
];

#[test]
fn fragments_go_both_ways_in_pieces_of_each_size() {
    let gateway = Gateway::with([
        "factors=push\ncerts=rsa.pem\npkey=rsa.key\n",
        "factors=push\n",
    ]);
    for (section, shown) in [(0, &Pki::shared().rsa), (1, &Pki::shared().chain)] {
        let made = CertificateDer::pem_slice_iter(shown.certificate.as_bytes());
        let made: Vec<Vec<u8>> = made.map(|one| one.unwrap().to_vec()).collect();
        for tls in [TlsRange::Only12, TlsRange::Only13] {
            for (method, version) in METHODS {
                for length in [LengthFlag::First, LengthFlag::Each] {
                    let mut peer = Supplicant::new(method, "alice");
                    (peer.tls, peer.highest_version, peer.length_flag) = (tls, version, length);
                    peer.fragment_octets = 60;
                    let mtu = 300_u32.to_be_bytes().to_vec();
                    peer.attributes.push((FRAMED_MTU, mtu));
                    let login = gateway.login_of(&peer, section, &["pw-alice"]);
                    let seen = login.accepted();
                    assert_eq!(seen.chain, made);
                    assert!(seen.fragments_sent > 2, "{method:?} {seen:?}");
                    assert!(seen.fragments_received >= 2, "{method:?} {seen:?}");
                    assert_eq!(seen.largest_request, 300, "{method:?}");
                }
            }
        }
    }
}

#[test]
fn a_framed_mtu_bounds_requests_where_it_makes_sense() {
    // Several kilobytes, all of which are shown.
    let names: Vec<String> = (0..100)
        .map(|n| format!("name-{n}.long.example.com"))
        .collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.insert(0, "localhost");
    let identity = Pki::shared().server_for(&names);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("long.pem"), &identity.certificate).unwrap();
    fs::write(folder.path().join("long.key"), &identity.key).unwrap();
    let path = folder.path().display();
    let gateway = Gateway::with([&format!(
        "factors=push\ncerts={path}/long.pem\npkey={path}/long.key\n"
    )]);
    // Ten octets are the packet's own; 256 to 1,024 are the message's.
    for (name, mtu, want) in [
        ("none", None, 1_034),
        ("usual", Some(1_400_u32.to_be_bytes().to_vec()), 1_034),
        ("less", Some(600_u32.to_be_bytes().to_vec()), 600),
        ("the least", Some(266_u32.to_be_bytes().to_vec()), 266),
        ("nonsense: 0", Some(vec![0; 4]), 266),
        ("nonsense: 64", Some(64_u32.to_be_bytes().to_vec()), 266),
        ("nonsense: the most", Some(vec![255; 4]), 1_034),
        ("nonsense: two octets", Some(vec![1, 0]), 1_034),
    ] {
        let mut peer = Supplicant::new(Method::Peap, "alice");
        peer.tls = TlsRange::Only12;
        if let Some(mtu) = mtu {
            peer.attributes.push((FRAMED_MTU, mtu));
        }
        let login = gateway.login_of(&peer, 0, &["pw-alice"]);
        assert_eq!(login.accepted().largest_request, want, "{name}");
    }
}

#[test]
fn octets_behind_a_response_are_padding() {
    let gateway = Gateway::with(["factors=push\n"]);
    for octets in [1, 40, 400] {
        let mut session = gateway.session(0, "alice");
        session.misbehave(&Mischief::Padded(octets));
        session.rounds(1);
        session.misbehave(&Mischief::Padded(octets));
        session.rounds(1);
        assert_eq!(session.until_asked(), PASSWORD);
        assert_eq!(session.reply("pw-alice".into()), Step::Going);
        session.misbehave(&Mischief::Padded(octets));
        let login = session.run(typed(&[]));
        gateway.assert_clean(&login);
        let _ = login.accepted();
    }
}

#[test]
fn a_start_is_answered_with_the_question_for_a_name() {
    let gateway = Gateway::with(["factors=push\n"]);
    let mut session = gateway.session(0, "alice");
    session.misbehave(&Mischief::Start);
    session.send();
    let answer = session.receive(LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_CHALLENGE);
    assert!(answer.message_authenticator_is_first());
    let eap = answer.first(attribute::EAP_MESSAGE).unwrap().to_vec();
    assert_eq!((eap[0], &eap[2..]), (1, &[0, 5, kind::IDENTITY][..]));
    let named = [&[2, eap[1], 0, 9, kind::IDENTITY], &b"anon"[..]].concat();
    *session.response() = named;
    let login = session.run(typed(&["pw-alice"]));
    gateway.assert_clean(&login);
    let _ = login.accepted();
    assert_eq!(gateway.event("alice", 1).end(), ("accept", "approved"));

    // Nothing is kept of it, so it costs nothing to ask for.
    let mut under_way = gateway.session(0, "alice");
    under_way.rounds(1);
    let mut starts = gateway.session(0, "alice");
    for _ in 0..5 {
        starts.misbehave(&Mischief::Start);
        starts.send();
        assert!(starts.receive(LONG).is_some());
    }
    wait_until("one conversation is under way", LONG, || {
        gateway.running.metric("countersign_eap_sessions") == 1.0
    });

    // Amid a conversation it begins a new one, and the old one stays as it is.
    let mut session = gateway.session(0, "alice");
    session.rounds(3);
    let (response, state) = (session.response().clone(), session.state().clone());
    session.misbehave(&Mischief::Start);
    session.send();
    let answer = session.receive(LONG).unwrap();
    assert_eq!(
        answer.first(attribute::EAP_MESSAGE).unwrap()[4],
        kind::IDENTITY
    );
    (*session.response(), *session.state()) = (response, state);
    let _ = session.run(typed(&["pw-alice"])).accepted();
}

#[test]
fn a_request_that_begins_with_no_name_or_has_no_eap_is_refused() {
    let gateway = Gateway::with([""]);
    // A method without a conversation.
    let mut session = gateway.session(0, "alice");
    session.rounds(1);
    *session.state() = None;
    let login = session.run(typed(&[]));
    gateway.assert_clean(&login);
    let _ = login.rejected();
    let event = gateway.event("anon", 1);
    event.assert(
        ("reject", "unknown_state"),
        "begins with a name, and this one has no State",
    );

    let nas = e2e::nas::Nas::new(gateway.address(0), e2e::peers::SECRET);
    let answer = nas.login("pap", "pw-pap");
    assert_eq!(answer.code, code::ACCESS_REJECT);
    assert_eq!(
        answer.message(),
        "EAP is needed here. Set the device to use PEAP, or EAP-TTLS."
    );
    let event = gateway.event("pap", 1);
    event.assert(
        ("reject", "unsupported_method"),
        "the request has no EAP-Message",
    );
    gateway.assert_secret("pap", 1, &["pw-pap"]);

    // EAP without Message-Authenticator is not to be believed (RFC 3579 section 3.1).
    let request = session_identity(&gateway);
    nas.send(&request.encode_without_message_authenticator());
    assert_eq!(nas.receive(Duration::from_millis(300)), None);
    let answer = nas.exchange(&request, LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_CHALLENGE);
    assert_eq!(gateway.upstream.requests().len(), 0);
}

fn session_identity(gateway: &Gateway<1>) -> e2e::nas::Request {
    let mut session = gateway.session(0, "alice");
    let response = session.response().clone();
    session.request(&response, None)
}

#[test]
fn a_password_by_gtc_outside_the_tunnel_is_refused_and_nobody_is_asked() {
    let gateway = Gateway::with([""]);
    // The low bits of each first octet would be another version of PEAP.
    for (count, password) in (1..).zip(["pw-alice", "swordfish", "guessme", "1", ""]) {
        for rounds in [1, 2, 3] {
            let mut session = gateway.session(0, "alice");
            session.rounds(rounds);
            session.misbehave(&Mischief::PlainGtc(password.to_owned()));
            let login = session.run(typed(&[]));
            gateway.assert_clean(&login);
            let _ = login.rejected();
            let says = match rounds {
                1 => "it answers with a method that was not offered",
                _ => "it leaves the method that was agreed on",
            };
            let events = (count - 1) * 3 + rounds;
            gateway
                .event("anon", events)
                .assert(("reject", "eap_failed"), says);
        }
    }
    assert_eq!(gateway.upstream.requests().len(), 0);
    assert_eq!(
        gateway
            .duo
            .requests()
            .iter()
            .filter(|one| one.user.is_some())
            .count(),
        0
    );
    gateway.assert_secret("anon", 15, &["pw-alice", "swordfish", "guessme"]);
}

#[test]
fn what_a_proxy_left_comes_back_with_each_answer() {
    let gateway = Gateway::with(["factors=push\n"]);
    for (password, last) in [
        ("pw-alice", code::ACCESS_ACCEPT),
        ("nope", code::ACCESS_REJECT),
    ] {
        let mut peer = Supplicant::new(Method::Peap, "alice");
        let left = [b"first".to_vec(), b"second".to_vec()];
        let proxied = left.iter().map(|one| (attribute::PROXY_STATE, one.clone()));
        peer.attributes.extend(proxied);
        let mut session = peer.session(gateway.address(0));
        let mut step = session.step();
        loop {
            let answer = session.last().unwrap();
            assert_eq!(answer.all(attribute::PROXY_STATE), left);
            step = match step {
                Step::Going => session.step(),
                Step::Asked(_) => {
                    session.reply(password.into());
                    session.step()
                }
                Step::Ended(_) => break,
            };
        }
        assert_eq!(session.last().unwrap().code, last);
        let asked = gateway.upstream.requests().pop().unwrap();
        assert_eq!(asked.first(attribute::PROXY_STATE), None);
    }
}

#[test]
fn a_device_is_told_to_be_patient_while_a_person_types_and_then_alone() {
    let gateway = Gateway::with(["allow_concat=false\n"]);
    let mut session = gateway.session(0, "alice");
    let mut asked = Vec::new();
    let mut step = session.step();
    loop {
        let answer = session.last().unwrap();
        let patience = answer.first(SESSION_TIMEOUT);
        let prompted = matches!(step, Step::Asked(_));
        let want = prompted.then(|| 60_u32.to_be_bytes().to_vec());
        assert_eq!(patience, want.as_deref(), "{step:?}");
        step = match step {
            Step::Going => session.step(),
            Step::Asked(prompt) => {
                let typed = match asked.len() {
                    0 => "pw-alice",
                    _ => "1",
                };
                asked.push(prompt);
                session.reply(typed.into());
                session.step()
            }
            Step::Ended(verdict) => break assert_eq!(verdict, Verdict::Accepted),
        };
    }
    assert_eq!(asked.len(), 2, "{asked:?}");
}
