use proto::event::Factor;
use proto::id::NodeId;
use tokio::net::UdpSocket;

use super::super::harness::*;
use super::super::{expire, fragment_octets, sessions, stop};
use super::*;
use crate::eap::fault::EapFault;
use crate::eap::packet::{self, EapType};
use crate::primary::{UpstreamAttribute, UpstreamValue};
use crate::radius::{AttributeType, Code, ReplyBuilder, SharedSecret};

#[tokio::test]
async fn a_conversation_goes_on_by_its_state_and_ends_once() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let with = |eap| {
        [
            NAME,
            (AttributeType::EAP_MESSAGE, eap),
            (AttributeType::STATE, &state[..]),
        ]
    };
    let want = (Code::ACCESS_CHALLENGE, TTLS_START.to_vec(), state.clone());
    assert_eq!(node.asked(&with(NAK)).await, want);
    // Again, as a request of its own: the same answer, and nothing goes on.
    assert_eq!(node.asked(&with(NAK)).await, want);
    assert_eq!(node.told(), []);
    let (code, eap, _) = node.asked(&with(LAST_NAK)).await;
    assert_eq!(
        (code, &eap[..]),
        (Code::ACCESS_REJECT, &b"\x04\x09\x00\x04"[..])
    );
    assert_eq!(
        node.told(),
        [(EventOutcome::Reject, Reason::UnsupportedMethod)]
    );
    assert_eq!(node.shared.sessions().len(), 0);
    // It was not heard, and is asked for again: the same, and nothing new to tell.
    let (code, eap, _) = node.asked(&with(LAST_NAK)).await;
    assert_eq!(
        (code, &eap[..]),
        (Code::ACCESS_REJECT, &b"\x04\x09\x00\x04"[..])
    );
    assert_eq!(node.told(), []);
    // Anything else comes too late.
    let (code, ..) = node.asked(&with(NAK)).await;
    assert_eq!(code, Code::ACCESS_REJECT);
    assert_eq!(node.told(), [(EventOutcome::Reject, Reason::UnknownState)]);
}

#[tokio::test]
async fn an_accept_that_was_not_heard_comes_again_for_the_new_request() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    let accepted = Answer {
        code: AnswerCode::Accept,
        ..Answer::reject(Reason::Approved)
    };
    {
        let mut talk = session.talk();
        talk.heard = digest(NAK);
        talk.verdict = Some(node.verdict(accepted));
    }
    let (exchange, _, _) = node.request(&[]);
    let keys = Outcome::Success(Secret::new([7; 128]));
    session.end(session.talk(), exchange, vec![3, 8, 0, 4], keys);
    let mut answers = vec![node.packet().await];
    let again = [
        (AttributeType::EAP_MESSAGE, NAK),
        (AttributeType::STATE, &state[..]),
    ];
    for _ in 0..2 {
        node.receives(&again);
        answers.push(node.packet().await);
    }
    for octets in &answers {
        let packet = Packet::parse(octets).unwrap();
        assert_eq!(packet.code(), Code::ACCESS_ACCEPT);
        assert_eq!(packet.eap_message().unwrap()[..], [3, 8, 0, 4]);
        // Two keys, each for the request that it answers.
        assert_eq!(packet.all(AttributeType::VENDOR_SPECIFIC).count(), 2);
    }
    assert_ne!(answers[1][20..], answers[2][20..]);
    assert_eq!(node.told(), [(EventOutcome::Accept, Reason::Approved)]);
    // Nobody else hears it.
    node.device = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    assert_eq!(node.asked(&again).await.0, Code::ACCESS_REJECT);
}

#[tokio::test]
async fn an_accept_that_does_not_fit_is_a_failure_each_time() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    let long = UpstreamAttribute {
        vendor: None,
        number: AttributeType::CLASS.0,
        value: UpstreamValue::Plain(vec![b'c'; 253]),
        always: true,
    };
    let accepted = Answer {
        code: AnswerCode::Accept,
        attributes: vec![long; 17],
        ..Answer::reject(Reason::Approved)
    };
    {
        let mut talk = session.talk();
        talk.heard = digest(NAK);
        talk.verdict = Some(node.verdict(accepted));
    }
    let (exchange, _, _) = node.request(&[]);
    let keys = Outcome::Success(Secret::new([7; 128]));
    session.end(session.talk(), exchange, vec![3, 8, 0, 4], keys);
    let want = (Code::ACCESS_REJECT, vec![4, 8, 0, 4], Vec::new());
    assert_eq!(node.answer().await, want);
    let again = [
        (AttributeType::EAP_MESSAGE, NAK),
        (AttributeType::STATE, &state[..]),
    ];
    assert_eq!(node.asked(&again).await, want);
    assert_eq!(node.told(), [(EventOutcome::Reject, Reason::Internal)]);
}

#[tokio::test]
async fn what_was_decided_is_told_though_there_is_no_room_to_go_on() {
    let denied = Answer {
        factor: Some(Factor::Push),
        ..Answer::reject(Reason::Denied)
    };
    let accepted = Answer {
        code: AnswerCode::Accept,
        ..denied.clone()
    };
    for (verdict, reason) in [(denied, Reason::Denied), (accepted, Reason::Overloaded)] {
        let mut node = Node::new().await;
        let state = node.begins().await;
        let session = node.session(&state);
        session.talk().verdict = Some(node.verdict(verdict));
        let (exchange, _, _) = node.request(&[]);
        let answer = Answer::reject(Reason::Overloaded);
        session.over(session.talk(), exchange, answer, None);
        assert_eq!(node.answer().await.0, Code::ACCESS_REJECT);
        let event = node.events.try_recv().unwrap();
        assert_eq!((event.reason, event.factor), (reason, Some(Factor::Push)));
    }
}

#[tokio::test]
async fn whoever_sends_little_by_little_has_no_more_time() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    let secs = Duration::from_secs;
    // Began so long ago, with or without its tunnel: what is left.
    for (ago, tunnel, left) in [
        (0, false, 30),
        (40, false, 20),
        (59, false, 1),
        (0, true, 120),
        (100, true, 80),
    ] {
        {
            let mut talk = session.talk();
            talk.began = clock::now() - secs(ago);
            talk.agreed = tunnel;
        }
        let before = clock::now();
        let expires = session.standing().expires;
        let range = before + secs(left) - secs(1)..=clock::now() + secs(left);
        assert!(range.contains(&expires), "{ago} s ago, {tunnel}");
    }
    // Who is being told has time for that, however long it took.
    session.talk().began = clock::now() - secs(5_000);
    session.talk().verdict = Some(node.verdict(Answer::reject(Reason::Denied)));
    assert!(session.standing().expires > clock::now() + secs(20));
}

#[tokio::test]
async fn what_makes_no_sense_amid_a_conversation_is_as_if_it_had_not_come() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let with = |eap| {
        [
            (AttributeType::EAP_MESSAGE, eap),
            (AttributeType::STATE, &state[..]),
        ]
    };
    let (exchange, octets, key) = node.request(&with(b"\x02\x08\x00\x63\x03"));
    let request = node.requests;
    super::super::receive(exchange, &Packet::parse(&octets).unwrap());
    assert!(!node.is_running(&key, request));
    assert_eq!(node.told(), []);
    assert_eq!(node.asked(&with(NAK)).await.1, TTLS_START);
}

#[tokio::test]
async fn nothing_is_decided_for_a_conversation_that_was_let_go_of() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    node.shared.sessions().end(&session.token);
    let offered = Offered {
        user: Some("alice".to_owned()),
        octets: Secret::new(b"secret".to_vec()),
    };
    let (exchange, _, key) = node.request(&[]);
    let request = node.requests;
    session.decide(session.talk(), exchange, offered);
    assert!(node.shared.logins.is_empty());
    assert!(node.shared.logins.is_empty());
    assert!(!node.is_running(&key, request));
    session.abandoned(&node.shared);
    assert_eq!(node.told(), [(EventOutcome::Unanswered, Reason::TimedOut)]);
}

#[tokio::test]
async fn a_verdict_that_is_not_confirmed_is_told_whatever_ends_it() {
    let accepted = Answer {
        code: AnswerCode::Accept,
        factor: Some(Factor::Push),
        ..Answer::reject(Reason::Approved)
    };
    let denied = Answer {
        factor: Some(Factor::Push),
        ..Answer::reject(Reason::Denied)
    };
    type End = fn(&Session, &Shared);
    let ends: [(&str, End, Reason); 3] = [
        ("nobody goes on", Session::abandoned, Reason::TimedOut),
        ("the node stops", Session::stopped, Reason::Stopping),
        ("a task dies", Session::undecided, Reason::Internal),
    ];
    for (name, end, reason) in ends {
        for (verdict, want) in [
            (&accepted, (EventOutcome::Unanswered, reason)),
            (&denied, (EventOutcome::Reject, Reason::Denied)),
        ] {
            let mut node = Node::new().await;
            let state = node.begins().await;
            let session = node.session(&state);
            session.talk().verdict = Some(node.verdict(verdict.clone()));
            end(&session, &node.shared);
            let event = node.events.try_recv().unwrap();
            assert_eq!((event.outcome, event.reason), want, "{name}");
            assert_eq!(event.factor, Some(Factor::Push), "{name}");
        }
    }
}

#[tokio::test]
async fn a_node_that_stops_waits_for_who_is_being_told_and_tells_of_the_rest() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    node.shared.telling.close();
    session.talk().verdict = Some(node.verdict(Answer::reject(Reason::Denied)));
    assert!(!node.shared.telling.is_empty());
    let (exchange, _, _) = node.request(&[]);
    session.end(session.talk(), exchange, vec![4, 8, 0, 4], Outcome::Failure);
    node.shared.telling.wait().await;
    assert_eq!(node.told(), [(EventOutcome::Reject, Reason::Denied)]);
    node.answer().await;
    for tunnel in [true, false, true] {
        let state = node.begins().await;
        node.session(&state).talk().agreed = tunnel;
    }
    node.shared.abandoned.cancel();
    stop(&node.shared);
    // Handshakes, of which there may be very many, are counted.
    assert_eq!(
        node.told(),
        [(EventOutcome::Unanswered, Reason::Stopping); 2]
    );
    let labels = ["radius_server_test", "stopping"];
    let counted = node.shared.metrics.login_reasons.with_label_values(&labels);
    assert_eq!(counted.get(), 3);
    node.receives(&[NAME, (AttributeType::EAP_MESSAGE, IDENTITY)]);
    assert_eq!(node.shared.sessions().len(), 0, "none begins after");
}

#[tokio::test]
async fn handshakes_that_nobody_goes_on_with_are_all_counted_and_few_are_told() {
    let mut node = Node::new().await;
    for _ in 0..5 {
        let state = node.begins().await;
        let session = node.session(&state);
        session.abandoned(&node.shared);
        node.shared.sessions().end(&session.token);
    }
    let told = node.told().len();
    assert!((1..5).contains(&told), "{told}");
    let labels = ["radius_server_test", "timed_out"];
    let counted = node.shared.metrics.login_reasons.with_label_values(&labels);
    assert_eq!(counted.get(), 5);
}

#[tokio::test]
async fn a_device_gives_a_person_longer_than_a_supplicant() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    for (patience, want) in [(None, None), (Some(60), Some([0, 0, 0, 60]))] {
        let (exchange, _, _) = node.request(&[]);
        let said = Said {
            packet: vec![1, 9, 0, 6, 25, 0],
            patience: patience.map(Duration::from_secs),
        };
        session.challenge(exchange, &said);
        let octets = node.packet().await;
        let packet = Packet::parse(&octets).unwrap();
        let got = packet.first(AttributeType::SESSION_TIMEOUT);
        assert_eq!(got, want.as_ref().map(|want| &want[..]));
    }
}

#[tokio::test]
async fn what_found_a_conversation_just_before_its_end_goes_on_with_nothing() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    session.abandoned(&node.shared);
    assert_eq!(node.told(), [(EventOutcome::Unanswered, Reason::TimedOut)]);
    // It is told once, whoever else comes to its end.
    session.abandoned(&node.shared);
    session.undecided(&node.shared);
    let (exchange, octets, key) = node.request(&[NAME, (AttributeType::EAP_MESSAGE, NAK)]);
    let request = node.requests;
    let talk = session.talk();
    session.over(talk, exchange, Answer::reject(Reason::Internal), None);
    assert_eq!(node.told(), []);
    assert!(!node.is_running(&key, request), "its repeat is served anew");
    let (exchange, _, _) = node.request(&[]);
    let packet = Packet::parse(&octets).unwrap();
    session.receive(exchange, &packet, &Response::parse(NAK).unwrap(), NAK);
    assert_eq!(node.answer().await.0, Code::ACCESS_REJECT);
    assert_eq!(node.told(), [(EventOutcome::Reject, Reason::UnknownState)]);
}

#[tokio::test]
async fn a_login_that_nobody_decides_is_told_and_lets_its_request_go() {
    for (draining, reason) in [(true, Reason::Stopping), (false, Reason::Internal)] {
        let mut node = Node::new().await;
        let state = node.begins().await;
        let session = node.session(&state);
        let (exchange, _, key) = node.request(&[]);
        let request = node.requests;
        session.talk().waiting = Some(exchange);
        node.shared.draining.store(draining, Ordering::Relaxed);
        assert!(node.is_running(&key, request));
        drop(Undecided {
            session,
            shared: Arc::clone(&node.shared),
            decided: false,
        });
        assert_eq!(node.told(), [(EventOutcome::Unanswered, reason)]);
        assert!(!node.is_running(&key, request));
        assert_eq!(node.shared.sessions().len(), 0);
    }
}

#[tokio::test]
async fn while_a_login_waits_its_repeat_takes_its_place_and_nothing_else_does() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    let (exchange, _, first) = node.request(&[]);
    let of_first = node.requests;
    session.talk().waits(NAK, exchange);
    let with = |eap| {
        [
            (AttributeType::EAP_MESSAGE, eap),
            (AttributeType::STATE, &state[..]),
        ]
    };
    node.receives(&with(LAST_NAK));
    assert!(
        node.is_running(&first, of_first),
        "another response is passed over"
    );
    let (exchange, octets, second) = node.request(&with(NAK));
    let of_second = node.requests;
    super::super::receive(exchange, &Packet::parse(&octets).unwrap());
    assert!(!node.is_running(&first, of_first));
    assert!(node.is_running(&second, of_second));
    assert_eq!(node.told(), []);
    // When it has waited too long, the request goes too.
    session.abandoned(&node.shared);
    assert!(!node.is_running(&second, of_second));
}

#[tokio::test]
async fn a_state_is_good_for_its_client_and_its_node() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let elsewhere = EapState::new(&NodeId::new("there").unwrap(), [1; 16]).octets();
    let unknown = EapState::new(&NodeId::new("here").unwrap(), [1; 16]).octets();
    for state in [&elsewhere[..], &unknown, b"", b"no state", &state[..17]] {
        let eap = (AttributeType::EAP_MESSAGE, NAK);
        let (code, eap, _) = node
            .asked(&[NAME, eap, (AttributeType::STATE, state)])
            .await;
        assert_eq!(
            (code, &eap[..]),
            (Code::ACCESS_REJECT, &b"\x04\x08\x00\x04"[..])
        );
        assert_eq!(node.told(), [(EventOutcome::Reject, Reason::UnknownState)]);
    }
    let home = std::mem::replace(
        &mut node.device,
        UdpSocket::bind("127.0.0.2:0").await.unwrap(),
    );
    let with = [
        (AttributeType::EAP_MESSAGE, NAK),
        (AttributeType::STATE, &state[..]),
    ];
    assert_eq!(node.asked(&with).await.0, Code::ACCESS_REJECT);
    assert_eq!(node.told(), [(EventOutcome::Reject, Reason::UnknownState)]);
    // It goes on where it was all the same.
    node.device = home;
    assert_eq!(node.asked(&with).await.1, TTLS_START);
}

#[tokio::test]
async fn what_begins_no_conversation_is_refused_and_keeps_nothing() {
    let mut node = Node::new().await;
    let eap = |octets: &'static [u8]| (AttributeType::EAP_MESSAGE, octets);
    // Nobody is known yet: asked who it is, and nothing is kept.
    let (code, asked, state) = node.asked(&[eap(b"")]).await;
    let identifier = node.requests;
    assert_eq!(
        (code, asked),
        (Code::ACCESS_CHALLENGE, vec![1, identifier, 0, 5, 1])
    );
    assert!(state.is_empty());
    assert_eq!(node.told(), []);
    let table = [
        ("no EAP", vec![NAME], Reason::UnsupportedMethod),
        (
            "half a packet",
            vec![NAME, eap(b"\x02\x07\x00")],
            Reason::BadRequest,
        ),
        (
            "a request",
            vec![NAME, eap(b"\x01\x07\x00\x05\x01")],
            Reason::BadRequest,
        ),
        ("no name first", vec![NAME, eap(NAK)], Reason::UnknownState),
        (
            "a name that is none",
            vec![(AttributeType::USER_NAME, b"al\nice"), eap(IDENTITY)],
            Reason::BadRequest,
        ),
        (
            "one in EAP alone",
            vec![eap(b"\x02\x07\x00\x06\x01\xff")],
            Reason::BadRequest,
        ),
    ];
    for (name, attributes, reason) in table {
        assert_eq!(
            node.asked(&attributes).await.0,
            Code::ACCESS_REJECT,
            "{name}"
        );
        assert_eq!(node.told(), [(EventOutcome::Reject, reason)], "{name}");
    }
    assert_eq!(node.shared.sessions().len(), 0);
}

#[tokio::test]
async fn only_what_nobody_goes_on_with_expires() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    expire(&node.shared);
    assert_eq!((node.told(), node.shared.sessions().len()), (vec![], 1));
    let mut standing = session.standing();
    assert!(standing.handshake);
    assert!(standing.octets >= sessions::SESSION_OCTETS);
    standing.expires = clock::now();
    node.shared.sessions().note(&session.token, standing);
    expire(&node.shared);
    assert_eq!(node.told(), [(EventOutcome::Unanswered, Reason::TimedOut)]);
    assert_eq!(node.shared.sessions().len(), 0);
}

#[tokio::test]
async fn fragments_are_as_long_as_the_device_says_within_reason() {
    let mut node = Node::new().await;
    let table: [(&[u8], usize); 8] = [
        (b"\0\0\x05\x78", 1_024),
        (b"\0\0\x04\x0a", 1_024),
        (b"\0\0\x02\x0a", 512),
        (b"\0\0\0\x40", 256),
        (b"\0\0\0\0", 256),
        (b"\xff\xff\xff\xff", 1_024),
        (b"\0\x05", 1_024),
        (b"", 1_024),
    ];
    for (mtu, want) in table {
        let (exchange, octets, _) = node.request(&[(AttributeType::FRAMED_MTU, mtu)]);
        let room = exchange.reply_to.challenge_room();
        let got = fragment_octets(&Packet::parse(&octets).unwrap(), room);
        assert_eq!(got, want, "{mtu:?}");
    }
    let (exchange, octets, _) = node.request(&[]);
    let room = exchange.reply_to.challenge_room();
    assert_eq!(
        fragment_octets(&Packet::parse(&octets).unwrap(), room),
        1_024
    );
}

#[tokio::test]
async fn a_fragment_fits_beside_any_proxy_state() {
    let mut node = Node::new().await;
    let value = [b'p'; 253];
    let state = [b's'; 253];
    for proxies in 0..=13 {
        let proxy_states = vec![(AttributeType::PROXY_STATE, &value[..]); proxies];
        let (exchange, octets, _) = node.request(&proxy_states);
        let reply_to = &exchange.reply_to;
        let room = reply_to.challenge_room();
        let octets = fragment_octets(&Packet::parse(&octets).unwrap(), room);
        assert!((243..=1_024).contains(&octets), "{proxies}: {octets}");
        let data = vec![0; octets + 5];
        let eap = packet::request(1, EapType::PEAP, &data);
        let secret = SharedSecret::new(b"shared");
        let mut reply = ReplyBuilder::new(Code::ACCESS_CHALLENGE, reply_to, &secret);
        reply.attribute(AttributeType::STATE, &state).unwrap();
        assert!(reply.eap_message(&eap).is_ok(), "{proxies}: {octets}");
        let patience = [0; 4];
        let timed = reply.attribute(AttributeType::SESSION_TIMEOUT, &patience);
        assert!(timed.is_ok(), "{proxies}: {octets}");
    }
}

#[tokio::test]
async fn a_factor_that_was_used_is_told_though_the_supplicant_spoils_the_end() {
    let mut node = Node::new().await;
    let accepted = Answer {
        code: AnswerCode::Accept,
        factor: Some(Factor::Push),
        ..Answer::reject(Reason::Approved)
    };
    let denied = Answer {
        factor: Some(Factor::Push),
        ..Answer::reject(Reason::Denied)
    };
    for (verdict, reason) in [(accepted, Reason::EapFailed), (denied, Reason::Denied)] {
        let state = node.begins().await;
        let session = node.session(&state);
        session.talk().verdict = Some(node.verdict(verdict));
        let (exchange, _, _) = node.request(&[]);
        let fault = EapFault::Result("it says that it failed");
        let failure = vec![4, 9, 0, 4];
        session.end(
            session.talk(),
            exchange,
            failure.clone(),
            Outcome::Fault(fault),
        );
        let (code, eap, _) = node.answer().await;
        assert_eq!((code, eap), (Code::ACCESS_REJECT, failure));
        let event = node.events.try_recv().unwrap();
        assert_eq!((event.reason, event.factor), (reason, Some(Factor::Push)));
    }
}
