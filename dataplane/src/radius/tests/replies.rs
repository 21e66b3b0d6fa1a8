//! Answers.

use md5::Digest;
use proto::config::MessageAuthenticator;

use crate::radius::tests::{REQUEST_AUTHENTICATOR, SECRET, packet, secret};
use crate::radius::{
    AttributeType, Code, DecodeError, EncodeError, Packet, ProxyStateTooLong, ReplyBuilder,
    ReplyTo, ResponseError, VerifyError, verify_response,
};

fn reply_to(attributes: &[(u8, &[u8])]) -> ReplyTo {
    ReplyTo::new(&Packet::parse(&packet(1, attributes)).unwrap()).unwrap()
}

fn attributes(octets: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let packet = Packet::parse(octets).unwrap();
    packet
        .attributes()
        .map(|attribute| (attribute.kind.0, attribute.value.to_vec()))
        .collect()
}

#[test]
fn an_answer_begins_with_a_message_authenticator_and_ends_with_proxy_state_in_order() {
    let secret = secret();
    let to = reply_to(&[
        (33, b"1"),
        (1, b"nemo"),
        (33, b"22"),
        (24, b"s"),
        (33, b""),
        (33, b"1"),
    ]);
    let mut reply = ReplyBuilder::new(Code::ACCESS_CHALLENGE, &to, &secret);
    reply
        .attribute(AttributeType::STATE, b"state")
        .and_then(|reply| reply.reply_message("hello"))
        .and_then(|reply| reply.vendor(311, 17, b"key"))
        .and_then(|reply| reply.raw(&[25, 3, 1, 25, 3, 2]))
        .unwrap();
    let octets = reply.finish();
    let answer = Packet::parse(&octets).unwrap();
    assert_eq!(
        (answer.code(), answer.identifier()),
        (Code::ACCESS_CHALLENGE, 7)
    );
    let policy = MessageAuthenticator::Require;
    assert_eq!(
        verify_response(&answer, &REQUEST_AUTHENTICATOR, &secret, policy),
        Ok(())
    );
    let found = attributes(&octets);
    let (first, rest) = found.split_first().unwrap();
    assert_eq!((first.0, first.1.len()), (80, 16));
    let want: Vec<(u8, Vec<u8>)> = vec![
        (24, b"state".to_vec()),
        (18, b"hello".to_vec()),
        (26, [&[0, 0, 1, 0x37, 17, 5][..], b"key"].concat()),
        (25, vec![1]),
        (25, vec![2]),
        (33, b"1".to_vec()),
        (33, b"22".to_vec()),
        (33, vec![]),
        (33, b"1".to_vec()),
    ];
    assert_eq!(rest, want);
}

/// What a forger of CVE-2024-3596 has: a Response Authenticator that is right, and no secret.
#[test]
fn an_unsigned_answer_is_taken_only_where_it_has_nothing_that_a_forgery_needs() {
    use MessageAuthenticator::{Auto, Require};
    let missing = |error: VerifyError| Err(ResponseError::MessageAuthenticator(error));
    for (name, kind, policy, want) in [
        ("a text, auto", 18, Auto, Ok(())),
        ("a text, require", 18, Require, missing(VerifyError::Missing)),
        ("a proxy-state, auto", 33, Auto, missing(VerifyError::MissingWithProxyState)),
        ("a proxy-state, require", 33, Require, missing(VerifyError::Missing)),
        ("an eap-message, auto", 79, Auto, missing(VerifyError::MissingWithEap)),
    ] {
        let mut octets = vec![2, 7, 0, 23];
        octets.extend(REQUEST_AUTHENTICATOR);
        octets.extend([kind, 3, b'x']);
        let digest = md5::Md5::new()
            .chain_update(&octets).chain_update(SECRET);
        octets[4..20].copy_from_slice(&digest.finalize());
        let answer = Packet::parse(&octets).unwrap();
        let got = verify_response(&answer, &REQUEST_AUTHENTICATOR, &secret(), policy);
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn an_answer_to_nothing_but_a_header_is_38_octets() {
    let secret = secret();
    let to = reply_to(&[]);
    let octets = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret).finish();
    assert_eq!(octets.len(), 38);
    let answer = Packet::parse(&octets).unwrap();
    let policy = MessageAuthenticator::Require;
    assert_eq!(
        verify_response(&answer, to.authenticator(), &secret, policy),
        Ok(())
    );
}

#[test]
fn one_reply_message_is_cut_at_253_octets_at_a_character() {
    let secret = secret();
    let to = reply_to(&[]);
    let ascii = "x".repeat(300);
    // 126 characters of two octets, and half of one more, are 253.
    let umlauts = "ü".repeat(200);
    let emoji = format!("{}🔒", "x".repeat(250));
    for (name, text, want) in [
        ("nothing", "", None),
        ("short", "Success.", Some("Success.")),
        ("exactly", &ascii[..253], Some(&ascii[..253])),
        ("long", &ascii, Some(&ascii[..253])),
        ("at a character of two", &umlauts, Some(&umlauts[..252])),
        ("at a character of four", &emoji, Some(&emoji[..250])),
    ] {
        let mut reply = ReplyBuilder::new(Code::ACCESS_REJECT, &to, &secret);
        reply.reply_message(text).unwrap();
        let octets = reply.finish();
        let answer = Packet::parse(&octets).unwrap();
        let found: Vec<_> = answer.all(AttributeType::REPLY_MESSAGE).collect();
        assert_eq!(
            found,
            want.map(str::as_bytes).into_iter().collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[test]
fn a_split_text_loses_nothing_and_breaks_no_character() {
    let secret = secret();
    let to = reply_to(&[]);
    for (name, text, want) in [
        ("nothing", String::new(), vec![]),
        ("short", "x".to_owned(), vec![1]),
        ("exactly", "x".repeat(253), vec![253]),
        ("one more", "x".repeat(254), vec![253, 1]),
        ("characters of two", "ü".repeat(200), vec![252, 148]),
        ("characters of three", "€".repeat(170), vec![252, 252, 6]),
    ] {
        let mut reply = ReplyBuilder::new(Code::ACCESS_CHALLENGE, &to, &secret);
        reply.reply_messages_split(&text).unwrap();
        let octets = reply.finish();
        let answer = Packet::parse(&octets).unwrap();
        let parts: Vec<&str> = answer
            .all(AttributeType::REPLY_MESSAGE)
            .map(|part| std::str::from_utf8(part).unwrap())
            .collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            want,
            "{name}"
        );
        assert_eq!(parts.concat(), text, "{name}");
    }
}

#[test]
fn an_eap_packet_goes_over_as_many_attributes_as_it_needs() {
    let secret = secret();
    let to = reply_to(&[]);
    let eap: Vec<u8> = (0..=u8::MAX).cycle().take(1000).collect();
    let mut reply = ReplyBuilder::new(Code::ACCESS_CHALLENGE, &to, &secret);
    reply.eap_message(&eap).unwrap();
    let octets = reply.finish();
    let answer = Packet::parse(&octets).unwrap();
    assert_eq!(answer.eap_message().as_deref(), Some(&eap[..]));
    let lengths: Vec<_> = answer
        .all(AttributeType::EAP_MESSAGE)
        .map(<[u8]>::len)
        .collect();
    assert_eq!(lengths, [253, 253, 253, 241]);
}

#[test]
fn an_answer_is_never_over_4096_octets_and_keeps_room_for_proxy_state() {
    let secret = secret();
    for (name, proxy_states) in [("none", 0_usize), ("one", 1), ("as many as may be", 13)] {
        let to = reply_to(&vec![(33, &[9; 253][..]); proxy_states]);
        let mut reply = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret);
        let mut added = 0;
        while reply.attribute(AttributeType::CLASS, &[1; 253]).is_ok() {
            added += 1;
        }
        assert!(added >= 2, "{name}: a state and a text fit");
        let left = 4096 - 38 - 255 * (added + proxy_states);
        let full = EncodeError::PacketTooLong;
        assert_eq!(
            reply
                .attribute(AttributeType::CLASS, &vec![1; left - 1])
                .unwrap_err(),
            full
        );
        assert_eq!(
            reply.raw(&[1; 255]).unwrap_err(),
            EncodeError::Framing(DecodeError::AttributeLength {
                offset: 0,
                length: 1
            },)
        );
        reply
            .attribute(AttributeType::CLASS, &vec![1; left - 2])
            .unwrap();
        assert_eq!(
            reply.attribute(AttributeType::CLASS, b"").unwrap_err(),
            full,
            "{name}"
        );
        assert_eq!(reply.raw(&[25, 2]).unwrap_err(), full, "{name}");
        assert_eq!(reply.vendor(9, 1, b"").unwrap_err(), full, "{name}");
        assert_eq!(reply.reply_message("x").unwrap_err(), full, "{name}");
        assert_eq!(reply.reply_messages_split("x").unwrap_err(), full, "{name}");
        assert_eq!(reply.eap_message(b"x").unwrap_err(), full, "{name}");
        let octets = reply.finish();
        assert_eq!(octets.len(), 4096, "{name}");
        let answer = Packet::parse(&octets).unwrap();
        assert_eq!(
            answer.all(AttributeType::PROXY_STATE).count(),
            proxy_states,
            "{name}"
        );
        let policy = MessageAuthenticator::Require;
        assert_eq!(
            verify_response(&answer, to.authenticator(), &secret, policy),
            Ok(())
        );
    }
}

#[test]
fn a_proxy_state_that_leaves_no_room_is_refused() {
    let octets = packet(1, &[(33, &[9; 253][..]); 14]);
    let error = ReplyTo::new(&Packet::parse(&octets).unwrap()).unwrap_err();
    assert_eq!(error, ProxyStateTooLong { octets: 14 * 255 });
}

#[test]
fn what_cannot_be_added_leaves_the_answer_as_it_was() {
    let secret = secret();
    let to = reply_to(&[(33, b"hop")]);
    let plain = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret).finish();
    let mut reply = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret);
    let vendor_specific = AttributeType::VENDOR_SPECIFIC;
    let too_long = |kind, octets| EncodeError::ValueTooLong { kind, octets };
    let class = AttributeType::CLASS;
    assert_eq!(
        reply.attribute(class, &[0; 254]).unwrap_err(),
        too_long(class, 254)
    );
    assert_eq!(
        reply.vendor(9, 1, &[0; 248]).unwrap_err(),
        too_long(vendor_specific, 254)
    );
    assert_eq!(
        reply.vendor(9, 1, &[0; 254]).unwrap_err(),
        too_long(vendor_specific, 254)
    );
    for kind in [
        AttributeType::MESSAGE_AUTHENTICATOR,
        AttributeType::PROXY_STATE,
    ] {
        let want = EncodeError::Reserved { kind };
        assert_eq!(reply.attribute(kind, &[0; 16]).unwrap_err(), want);
        assert_eq!(reply.raw(&[25, 3, 0, kind.0, 3, 0]).unwrap_err(), want);
    }
    for (framed, want) in [
        (&[25][..], DecodeError::AttributeCut { offset: 0 }),
        (
            &[25, 3, 0, 25, 0],
            DecodeError::AttributeLength {
                offset: 3,
                length: 0,
            },
        ),
        (
            &[25, 9, 0],
            DecodeError::AttributePastEnd {
                offset: 0,
                length: 9,
                left: 3,
            },
        ),
    ] {
        assert_eq!(reply.raw(framed).unwrap_err(), EncodeError::Framing(want));
    }
    assert_eq!(reply.finish(), plain);
}

#[test]
fn answers_to_our_requests_are_believed_by_policy() {
    use MessageAuthenticator::{Auto, Off, Require};
    let with_mac = |code, eap: &[u8]| {
        let (secret, to) = (secret(), reply_to(&[]));
        let mut reply = ReplyBuilder::new(code, &to, &secret);
        reply.eap_message(eap).unwrap();
        reply.finish()
    };
    // As a server without Message-Authenticator signs.
    let without_mac = |attributes: &[(u8, &[u8])]| {
        let mut octets = packet(2, attributes);
        let response = secret().digest_before(&[&octets]);
        octets[4..20].copy_from_slice(&response);
        octets
    };
    let missing = Err(VerifyError::Missing.into());
    let wrong = Err(VerifyError::Wrong.into());
    let eap = Err(VerifyError::MissingWithEap.into());
    let length = Err(VerifyError::WrongLength { octets: 3 }.into());
    let repeated = Err(VerifyError::Repeated { count: 2 }.into());
    let zeros: (u8, &[u8]) = (80, &[0; 16]);
    for (name, octets, policy, want) in [
        ("with", with_mac(Code::ACCESS_ACCEPT, b""), Require, Ok(())),
        (
            "with, and eap",
            with_mac(Code::ACCESS_CHALLENGE, b"eap"),
            Auto,
            Ok(()),
        ),
        ("without", without_mac(&[]), Auto, Ok(())),
        ("without, off", without_mac(&[]), Off, Ok(())),
        ("without, required", without_mac(&[]), Require, missing),
        ("without, and eap", without_mac(&[(79, b"eap")]), Off, eap),
        ("wrong", without_mac(&[zeros]), Off, wrong),
        (
            "of another length",
            without_mac(&[(80, b"mac")]),
            Auto,
            length,
        ),
        ("two", without_mac(&[zeros, zeros]), Auto, repeated),
        (
            "unsigned",
            packet(2, &[]),
            Auto,
            Err(ResponseError::ResponseAuthenticator),
        ),
    ] {
        let response = Packet::parse(&octets).unwrap();
        let verdict = verify_response(&response, &REQUEST_AUTHENTICATOR, &secret(), policy);
        assert_eq!(verdict, want, "{name}");
    }
}

#[test]
fn what_is_kept_of_a_request_shows_no_value() {
    let to = reply_to(&[(33, b"hop"), (1, b"nemo")]);
    let secret = secret();
    let reply = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret);
    assert_eq!(
        format!("{to:?}; {reply:?}"),
        "Access-Request, id 7; answer to Access-Request, id 7"
    );
}
