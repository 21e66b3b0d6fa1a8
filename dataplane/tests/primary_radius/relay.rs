//! Proofs that are relayed as they came, and an upstream's questions.

use dataplane::primary::{
    Asked, Credential, Method, PrimaryRequest, Relayed, UpstreamValue, Verdict, reply_attributes,
};
use dataplane::radius::salted::{self, Hop};
use dataplane::radius::{
    AttributeType, Code, MAX_PACKET_OCTETS, Packet, ReplyBuilder, ReplyTo, SharedSecret, password,
};
use md5::{Digest, Md5};
use proto::event::Reason;
use proto::secret::Secret;
use serde_json::json;

use super::double::{Double, check, request, subject};

fn relayed(method: Method, attributes: Vec<u8>) -> PrimaryRequest {
    PrimaryRequest {
        credential: Credential::Relayed(Relayed {
            method,
            attributes: Secret::new(attributes),
        }),
        ..request("")
    }
}

/// A framed attribute of Microsoft's.
fn microsoft(number: u8, value: &[u8]) -> Vec<u8> {
    let octets = u8::try_from(value.len()).unwrap();
    let head = [26, octets + 8, 0, 0, 1, 55, number, octets + 2];
    [&head[..], value].concat()
}

#[tokio::test]
async fn a_chap_proof_can_be_checked_upstream() {
    let upstream = Double::new().await;
    let subject = subject(json!([upstream.host()]), json!({}));
    // RFC 2865 section 5.3: the identifier, then MD5 over it, the password and the challenge.
    let challenge = [9; 16];
    let digest = Md5::new()
        .chain_update([7])
        .chain_update(b"secret")
        .chain_update(challenge)
        .finalize();
    let framed = [&[3, 19, 7][..], &digest, &[60, 18], &challenge].concat();
    let request = relayed(Method::Chap, framed);
    let script = async {
        let (octets, from) = upstream.receive().await;
        let answer = upstream.reply(&octets, Code::ACCESS_ACCEPT, &[]);
        upstream.send(&answer, from).await;
        octets
    };
    let (octets, verdict) = tokio::join!(script, check(&subject.primary, &request));
    assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");
    let packet = Packet::parse(&octets).unwrap();
    let order: Vec<_> = packet.attributes().map(|one| one.kind.0).collect();
    assert_eq!(order, [80, 4, 1, 3, 60, 31, 32]);
    assert_eq!(
        packet.first(AttributeType::CHAP_PASSWORD).unwrap()[1..],
        digest[..]
    );
    let sent = packet.first(AttributeType::CHAP_CHALLENGE).unwrap();
    assert_eq!(sent, challenge);
}

#[tokio::test]
async fn the_keys_of_ms_chap_reach_the_client_as_the_upstream_made_them() {
    let upstream = Double::new().await;
    let subject = subject(json!([upstream.host()]), json!({}));
    let framed = [microsoft(11, &[1; 16]), microsoft(25, &[2; 50])].concat();
    let request = relayed(Method::MsChap, framed.clone());
    let (send_key, recv_key) = ([4; 16], [5; 16]);
    let script = async {
        let (octets, from) = upstream.receive().await;
        assert!(octets.windows(framed.len()).any(|part| part == framed));
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!(packet.first(AttributeType::USER_PASSWORD), None);
        let hop = Hop {
            authenticator: packet.authenticator(),
            secret: &upstream.secret,
        };
        let to = ReplyTo::new(&packet).unwrap();
        let mut builder = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &upstream.secret);
        builder.vendor(311, 26, b"\x07S=0123").unwrap();
        for (number, key, salt) in [(16, send_key, [0x80, 1]), (17, recv_key, [0x80, 2])] {
            let value = salted::encrypt(&key, salt, hop).unwrap();
            builder.vendor(311, number, &value).unwrap();
        }
        let keys = password::hide(&[6; 24], hop.authenticator, hop.secret).unwrap();
        builder.vendor(311, 12, &keys).unwrap();
        builder.attribute(AttributeType(25), b"class").unwrap();
        upstream.send(&builder.finish(), from).await;
    };
    let ((), verdict) = tokio::join!(script, check(&subject.primary, &request));
    let Ok(Verdict::Accepted(acceptance)) = verdict else {
        panic!("{verdict:?}");
    };

    // Across the client's hop, where no rule names anything.
    let client = SharedSecret::new(b"client");
    let hop = Hop {
        authenticator: &[8; 16],
        secret: &client,
    };
    let framed = reply_attributes::encode(&acceptance.attributes, &[], hop, [0, 0]);
    let asked =
        dataplane::radius::RequestBuilder::new(Code::ACCESS_REQUEST, 1, [8; 16], &client).finish();
    let to = ReplyTo::new(&Packet::parse(&asked).unwrap()).unwrap();
    let mut builder = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &client);
    builder.raw(&framed).unwrap();
    let octets = builder.finish();
    let packet = Packet::parse(&octets).unwrap();
    assert_eq!(packet.first_vendor(311, 26).unwrap(), b"\x07S=0123");
    for (number, key) in [(16, send_key), (17, recv_key)] {
        let value = packet.first_vendor(311, number).unwrap();
        assert_eq!(salted::decrypt(value, hop).unwrap().expose(), &key);
    }
    let keys = packet.first_vendor(311, 12).unwrap();
    let keys = password::unhide(keys, hop.authenticator, hop.secret).unwrap();
    assert_eq!(keys.expose(), &[6; 24]);
    assert_eq!(packet.first(AttributeType(25)), None);
}

#[tokio::test]
async fn an_expired_password_is_said_and_its_change_relayed() {
    let upstream = Double::new().await;
    let subject = subject(json!([upstream.host()]), json!({}));
    let response = [microsoft(11, &[1; 16]), microsoft(25, &[2; 50])].concat();
    // MS-CHAP-NT-Enc-PW is 516 octets, in three pieces (RFC 2548 section 2.1.9).
    let piece = |sequence: u8, octets: usize| {
        microsoft(6, &[&[6, 7, 0, sequence][..], &vec![3; octets]].concat())
    };
    let change = [
        microsoft(11, &[1; 16]),
        piece(1, 243),
        piece(2, 243),
        piece(3, 30),
        microsoft(27, &[4; 68]),
    ]
    .concat();
    let error = b"\x07E=648 R=0 C=00 V=3 M=Password Expired";
    let said = microsoft(2, error);
    for (framed, code, attributes) in [
        (response, Code::ACCESS_REJECT, &[(26, &said[2..])][..]),
        (change, Code::ACCESS_ACCEPT, &[]),
    ] {
        let request = relayed(Method::MsChap, framed.clone());
        let script = async {
            let (octets, from) = upstream.receive().await;
            assert!(octets.windows(framed.len()).any(|part| part == framed));
            let answer = upstream.reply(&octets, code, attributes);
            upstream.send(&answer, from).await;
        };
        match tokio::join!(script, check(&subject.primary, &request)).1 {
            Ok(Verdict::Rejected(rejection)) => {
                assert_eq!(code, Code::ACCESS_REJECT);
                assert_eq!(rejection.reason, Reason::PasswordExpired);
                let [one] = rejection.attributes.as_slice() else {
                    panic!("{:?}", rejection.attributes);
                };
                assert_eq!((one.vendor, one.number, one.always), (Some(311), 2, true));
                assert_eq!(one.value, UpstreamValue::Plain(error.to_vec()));
            }
            Ok(Verdict::Accepted(_)) => assert_eq!(code, Code::ACCESS_ACCEPT),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_answer_to_a_question_goes_to_the_host_that_asked() {
    let (first, second) = (Double::new().await, Double::new().await);
    let subject = subject(json!([first.host(), second.host()]), json!({"retries": 1}));
    let begin = request("pw");
    // The first host is silent, so that the second one asks.
    let (_, verdict) = tokio::join!(
        second.answer(
            Code::ACCESS_CHALLENGE,
            &[(18, b"One."), (24, b"state"), (18, b"Two?"), (76, &[0; 4])]
        ),
        check(&subject.primary, &begin)
    );
    let Ok(Verdict::Asked(question)) = verdict else {
        panic!("{verdict:?}");
    };
    let state = Some(b"state".to_vec());
    assert_eq!(question.asked, Asked { host: 1, state });
    assert_eq!(question.message.as_deref(), Some("One.\nTwo?"));
    let always: Vec<_> = question
        .attributes
        .iter()
        .map(|one| (one.number, one.always))
        .collect();
    assert_eq!(always, [(18, true), (18, true), (76, true)]);

    let mut octets = [0; MAX_PACKET_OCTETS];
    while first.socket.try_recv_from(&mut octets).is_ok() {}
    for answer in ["123456", ""] {
        let request = PrimaryRequest {
            answers: Some(question.asked.clone()),
            ..request(answer)
        };
        let script = async {
            let (lost, _) = second.receive().await;
            let (octets, from) = second.receive().await;
            assert_eq!(octets, lost, "repeated to the same host");
            let reply = second.reply(&octets, Code::ACCESS_ACCEPT, &[]);
            second.send(&reply, from).await;
            octets
        };
        let (octets, verdict) = tokio::join!(script, check(&subject.primary, &request));
        assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!(packet.first(AttributeType::STATE).unwrap(), b"state");
        let hidden = packet.first(AttributeType::USER_PASSWORD).unwrap();
        let clear = password::unhide(hidden, packet.authenticator(), &second.secret).unwrap();
        assert_eq!(clear.expose(), answer.as_bytes());
    }
    while let Ok((count, _)) = first.socket.try_recv_from(&mut octets) {
        let code = Packet::parse(&octets[..count]).unwrap().code();
        assert_eq!(code, Code::STATUS_SERVER, "no login goes to the other host");
    }

    // A host that is not there any more.
    let request = PrimaryRequest {
        answers: Some(Asked {
            host: 2,
            state: None,
        }),
        ..request("123456")
    };
    let verdict = check(&subject.primary, &request).await;
    let Ok(Verdict::Rejected(rejection)) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(rejection.reason, Reason::UnknownState);
}

#[tokio::test]
async fn what_fits_no_request_is_refused_and_nobody_asked() {
    let upstream = Double::new().await;
    let subject = subject(json!([upstream.host()]), json!({}));
    let request = PrimaryRequest {
        pass_through: [&[32, 255][..], &[b'n'; 253]].concat().repeat(16),
        ..request("pw")
    };
    let verdict = check(&subject.primary, &request).await;
    let Ok(Verdict::Rejected(rejection)) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(rejection.reason, Reason::BadRequest);
    assert!(rejection.detail.contains("4096"), "{}", rejection.detail);
    let mut octets = [0; MAX_PACKET_OCTETS];
    assert!(upstream.socket.try_recv_from(&mut octets).is_err());
}
