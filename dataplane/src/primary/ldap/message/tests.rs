//! Messages of ours, read by another implementation, and the other way round; and hostile ones.

use bytes::BytesMut;
use hex_literal::hex;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapDerefAliases, LdapMsg, LdapOp,
    LdapPartialAttribute, LdapResult, LdapResultCode, LdapSearchResultEntry, LdapSearchScope,
    SaslCredentials,
};
use ldap3_proto::{LdapCodec, LdapFilter};
use proptest::prelude::*;
use tokio_util::codec::{Decoder, Encoder};

use super::*;

/// Reads a message with another implementation of the protocol.
pub(in crate::primary::ldap) fn read_by_another(octets: &[u8]) -> LdapMsg {
    let mut octets = BytesMut::from(octets);
    let message = LdapCodec::default().decode(&mut octets).unwrap().unwrap();
    assert!(octets.is_empty());
    message
}

/// Writes a message with another implementation of the protocol.
fn written_by_another(op: LdapOp) -> Vec<u8> {
    let mut octets = BytesMut::new();
    LdapCodec::default()
        .encode(LdapMsg::new(7, op), &mut octets)
        .unwrap();
    octets.to_vec()
}

pub(in crate::primary::ldap) fn search_for(filter: &Filter) -> Vec<u8> {
    let mut out = Vec::new();
    let wanted = Search {
        base: "dc=example,dc=com",
        scope: Scope::Subtree,
        filter,
        attributes: &["uid", "objectSid"],
        limit: 2,
    };
    search(&mut out, 7, &wanted);
    out
}

#[test]
fn requests_are_what_another_reads() {
    let mut out = Vec::new();
    simple_bind(&mut out, 1, "cn=a", "pw");
    let bind = read_by_another(&out);
    assert_eq!(
        bind.op,
        LdapOp::BindRequest(LdapBindRequest {
            version: 3,
            dn: "cn=a".to_owned(),
            cred: LdapBindCred::Simple("pw".to_owned()),
        })
    );
    assert_eq!(
        bind.ctrl,
        [LdapControl::PasswordPolicyRequest { criticality: false }]
    );

    out.clear();
    sasl_bind(&mut out, 70_000, "GSS-SPNEGO", b"\0token");
    let bind = read_by_another(&out);
    assert_eq!(bind.msgid, 70_000);
    assert_eq!(
        bind.op,
        LdapOp::BindRequest(LdapBindRequest {
            version: 3,
            dn: String::new(),
            cred: LdapBindCred::SASL(SaslCredentials {
                mechanism: "GSS-SPNEGO".to_owned(),
                credentials: b"\0token".to_vec(),
            }),
        })
    );

    let LdapOp::SearchRequest(search) =
        read_by_another(&search_for(&Filter::equals("uid", b"a"))).op
    else {
        panic!("it is a search");
    };
    assert_eq!(search.base, "dc=example,dc=com");
    assert_eq!(search.scope, LdapSearchScope::Subtree);
    assert_eq!(search.aliases, LdapDerefAliases::Never);
    assert_eq!((search.sizelimit, search.timelimit), (2, 0));
    assert_eq!(
        search.filter,
        LdapFilter::Equality("uid".to_owned(), "a".to_owned())
    );
    assert_eq!(search.attrs, ["uid", "objectSid"]);

    out.clear();
    start_tls(&mut out, 1);
    let LdapOp::ExtendedRequest(extended) = read_by_another(&out).op else {
        panic!("it is an extended operation");
    };
    assert_eq!(extended.name.as_bytes(), START_TLS);

    out.clear();
    unbind(&mut out, 9);
    assert_eq!(read_by_another(&out).op, LdapOp::UnbindRequest);
}

#[test]
fn answers_of_another_are_read() {
    let result = |code, message: &str| LdapResult {
        code,
        matcheddn: "dc=x".to_owned(),
        message: message.to_owned(),
        referral: Vec::new(),
    };
    let octets = written_by_another(LdapOp::BindResponse(LdapBindResponse {
        res: result(LdapResultCode::SaslBindInProgress, "go on"),
        saslcreds: Some(vec![1, 2, 3]),
    }));
    let message = Message::read(&octets).unwrap();
    assert_eq!(message.id, 7);
    assert_eq!(
        message.bind(),
        Ok(BindAnswer {
            outcome: Outcome {
                code: 14,
                text: "go on".to_owned()
            },
            credentials: Some(vec![1, 2, 3]),
            policy: None,
        })
    );

    let attribute = |name: &str, values: &[&[u8]]| LdapPartialAttribute {
        atype: name.to_owned(),
        vals: values.iter().map(|value| value.to_vec()).collect(),
    };
    let octets = written_by_another(LdapOp::SearchResultEntry(LdapSearchResultEntry {
        dn: "cn=é".to_owned(),
        attributes: vec![
            attribute("userid", &[b"a", b"b"]),
            attribute("ObjectSID", &[&[1, 0xff]]),
            attribute("userid;lang-de", &[b"c"]),
        ],
    }));
    let Answer::Entry(content) = Message::read(&octets).unwrap().answer else {
        panic!("it is an entry");
    };
    let found = entry(content).unwrap();
    assert_eq!(found.dn, "cn=é");
    assert_eq!(
        found.values("objectSid").collect::<Vec<_>>(),
        [&[1, 0xff][..]]
    );
    assert_eq!(
        found.values("userid;x").collect::<Vec<_>>(),
        [b"a", b"b", b"c"]
    );
    assert_eq!(found.values("uid").count(), 0);
    // By another of its names.
    assert_eq!(
        found
            .values_beside("uid", &["objectSid"])
            .collect::<Vec<_>>(),
        [b"a", b"b", b"c"]
    );

    let octets = written_by_another(LdapOp::SearchResultDone(result(
        LdapResultCode::NoSuchObject,
        "no",
    )));
    let Answer::SearchEnd(content) = Message::read(&octets).unwrap().answer else {
        panic!("it is the end");
    };
    assert_eq!(ended(content).unwrap().code, 32);
}

#[test]
fn a_password_policy_says_why() {
    // With a warning before the error.
    let answer = |error: u8| {
        let mut octets = hex!(
            "303c 020101 6107 0a0131 0400 0400 a02e 302c 0419
             312e332e362e312e342e312e34322e322e32372e382e352e31
             040f 300d a008 8006 000000000001 8101 00"
        )
        .to_vec();
        *octets.last_mut().unwrap() = error;
        octets
    };
    for (error, want) in [
        (0, Some(PolicyError::Expired)),
        (1, Some(PolicyError::Locked)),
        (2, Some(PolicyError::ChangeFirst)),
        (7, None),
    ] {
        let octets = answer(error);
        let got = Message::read(&octets).unwrap().bind().unwrap();
        assert_eq!(got.outcome.code, 49);
        assert_eq!(got.policy, want, "{error}");
    }
}

#[test]
fn pages_are_asked_for_and_told_as_another_does() {
    let any = Filter::any();
    let search = Search {
        base: "dc=example,dc=com",
        scope: Scope::Subtree,
        filter: &any,
        attributes: &["uid"],
        limit: 0,
    };
    let mut out = Vec::new();
    page(&mut out, 7, &search, 500, b"next");
    let control = |size, cookie: &[u8]| LdapControl::SimplePagedResults {
        size,
        cookie: cookie.to_vec(),
    };
    assert_eq!(read_by_another(&out).ctrl, [control(500, b"next")]);
    let end = LdapOp::SearchResultDone(LdapResult {
        code: LdapResultCode::Success,
        matcheddn: String::new(),
        message: String::new(),
        referral: Vec::new(),
    });
    for (ctrl, want) in [
        (vec![control(0, b"more")], &b"more"[..]),
        (vec![control(0, b"")], b""),
        (vec![], b""),
    ] {
        let mut octets = BytesMut::new();
        let message = LdapMsg {
            ctrl,
            ..LdapMsg::new(7, end.clone())
        };
        LdapCodec::default().encode(message, &mut octets).unwrap();
        assert_eq!(Message::read(&octets).unwrap().next_page(), want);
    }
}

#[test]
fn what_no_client_is_sent_is_refused() {
    for (name, octets) in [
        ("no sequence", &hex!("3103 020101")[..]),
        ("no operation", &hex!("3003 020101")),
        ("an unknown operation", &hex!("3005 020101 7e00")),
        ("a request", &hex!("3005 020101 4200")),
        ("no number", &hex!("3004 0400 6500")),
        ("a number below zero", &hex!("3005 0201ff 6500")),
        ("two operations", &hex!("3007 020101 6500 6500")),
        (
            "an operation longer than its message",
            &hex!("3005 020101 6501"),
        ),
    ] {
        assert_eq!(Message::read(octets).unwrap_err(), Malformed, "{name}");
    }
    for (name, content) in [
        ("nothing", &[][..]),
        ("a code alone", &hex!("0a0100")),
        ("a code too long", &hex!("0a05000000000104000400")),
        ("a code of another kind", &hex!("02010004000400")),
    ] {
        assert_eq!(ended(content), Err(Malformed), "{name}");
    }
}

proptest! {
    #[test]
    fn reading_any_octets_ends(octets in prop::collection::vec(any::<u8>(), 0..96)) {
        let mut framed = Vec::new();
        request(&mut framed, 1, |out| out.extend_from_slice(&octets));
        for octets in [&octets, &framed] {
            let Ok(message) = Message::read(octets) else { continue };
            prop_assert!(message.bind().is_ok_and(|bound| bound.outcome.text.len() <= 300) || message.bind().is_err());
            if let Answer::Entry(content) = message.answer
                && let Ok(found) = entry(content)
            {
                prop_assert!(found.values("uid").count() <= octets.len());
            }
        }
    }
}
