//! What must hold for whatever a directory sends, or whoever answers on its port.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a claim that does not hold is reported"
)]

use super::answer::{self, Bound, Tried};
use super::ber::{self, Header};
use super::groups::{self, Sid};
use super::listing;
use super::message::{self, Answer, Found, Message, Outcome};
use super::ntlm::Layer;
use super::ntlm::challenge::Challenge;

/// Reads what comes on a connection, message by message, as far as a login or a list ever does.
///
/// Holds: nothing panics; a header that was cut is not taken for another; nobody is let in but by the
/// result success; an entry is no longer than its message, and what is read of it is in it; a
/// directory's words are kept on one line of bounded length; an outcome that is written is read as the
/// same; a security identifier is one that a filter can hold.
///
/// # Panics
/// One of these does not hold.
pub fn ldap_answer(octets: &[u8]) {
    let mut rest = octets;
    while let Ok(Some(header)) = ber::header(rest) {
        framed(rest, header);
        let Some((whole, after)) = rest.split_at_checked(header.octets + header.length) else {
            break;
        };
        rest = after;
        if let Ok(message) = Message::read(whole) {
            read(&message, whole);
        }
    }
    challenge(octets);
    // As what a filter is made of.
    if let Some(sid) = Sid::parse(octets) {
        shown(&sid);
    }
}

fn framed(octets: &[u8], header: Header) {
    assert!((2..=6).contains(&header.octets));
    for cut in 0..header.octets {
        assert_eq!(ber::header(&octets[..cut]), Ok(None), "cut at {cut}");
    }
    assert_eq!(ber::header(&octets[..header.octets]), Ok(Some(header)));
}

fn read(message: &Message<'_>, whole: &[u8]) {
    assert!(i32::try_from(message.id).is_ok());
    assert_eq!(message.is_notice(), message.id == 0);
    assert!(message.next_page().len() < whole.len());
    match message.answer {
        Answer::Bind(_) => {
            if let Ok(bound) = message.bind() {
                outcome(&bound.outcome);
                if let Some(credentials) = bound.credentials {
                    assert!(credentials.len() < whole.len());
                    challenge(&credentials);
                }
            }
        }
        Answer::Entry(content) => {
            if let Ok(found) = message::entry(content) {
                assert!(found.octets() <= content.len());
                entry(&found, content);
            }
        }
        Answer::SearchEnd(content) | Answer::Extended(content) => {
            if let Ok(ended) = message::ended(content) {
                outcome(&ended);
            }
        }
        Answer::Reference | Answer::Intermediate => {}
    }
}

fn outcome(outcome: &Outcome) {
    let success = outcome.code == 0;
    for tried in [
        Tried::Plain,
        Tried::Ntlm(Layer::None),
        Tried::Ntlm(Layer::Seal),
    ] {
        match answer::user_bind(outcome, tried) {
            Ok(Bound::Accepted) => assert!(success, "let in by result {}", outcome.code),
            Ok(Bound::Rejected(_, why)) => {
                assert!(!success);
                told(&why);
            }
            Err(fault) => {
                assert!(!success);
                told(&fault.to_string());
            }
        }
        let service = answer::service_bind(outcome, tried, "cn=svc");
        assert_eq!(service.is_ok(), success);
        if let Err(fault) = service {
            told(&fault.to_string());
        }
    }
    for layer in [Layer::None, Layer::Seal] {
        // Success before a password was shown is none.
        let begun = answer::ntlm_begun(outcome, layer);
        assert_eq!(begun.is_ok(), outcome.code == 14);
    }
    if let Err(fault) = answer::search_end(outcome, "search_dn", "dc=example") {
        told(&fault.to_string());
    }
    told(&answer::starttls(outcome).to_string());
    let said = answer::diagnostic(&outcome.text);
    assert!(said.chars().count() <= 200 && said.trim() == said);
    let mut written = Vec::new();
    ber::write_number(&mut written, ber::ENUMERATED, outcome.code);
    ber::write(&mut written, ber::OCTETS, b"");
    ber::write(&mut written, ber::OCTETS, outcome.text.as_bytes());
    assert_eq!(message::ended(&written).as_ref(), Ok(outcome));
}

fn told(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.chars().count() <= 600, "{text}");
}

fn entry(found: &Found, content: &[u8]) {
    let within =
        |value: &[u8]| value.is_empty() || content.windows(value.len()).any(|piece| piece == value);
    for name in NAMES {
        for value in found.values(name) {
            assert!(within(value));
            if let Some(sid) = Sid::parse(value) {
                shown(&sid);
                assert_eq!(groups::token_groups([value]).len(), 1);
            }
        }
        let beside: Vec<_> = found.values_beside(name, &NAMES).collect();
        assert!(found.values(name).all(|value| beside.contains(&value)));
        for text in listing::texts(found, name) {
            assert!(!text.is_empty() && text.trim() == text && within(text.as_bytes()));
        }
    }
    if let Some(id) = listing::id_of(found) {
        assert!(id.len() <= 600 && id.bytes().all(|octet| octet.is_ascii_graphic()));
    }
    for member in listing::members_of(found) {
        assert_eq!(super::dn::comparable(&member), member);
    }
    let sid = found.values("objectSid").next().unwrap_or_default();
    let group = found.values("primaryGroupID").next().unwrap_or_default();
    if let Some(sid) = groups::primary_group(sid, group) {
        shown(&sid);
    }
}

fn shown(sid: &Sid) {
    let text = sid.to_string();
    let parts = text.strip_prefix("S-1-").unwrap();
    assert!(
        parts
            .bytes()
            .all(|octet| octet.is_ascii_hexdigit() || b"-x".contains(&octet))
    );
    assert!(text.len() <= 200);
}

/// What is offered is enough, or it is none.
fn challenge(octets: &[u8]) {
    for layer in [Layer::None, Layer::Seal] {
        let Ok(challenge) = Challenge::parse(layer, octets) else {
            continue;
        };
        assert!(octets.len() <= 8_192);
        let names = challenge.netbios_domain().len() + challenge.dns_domain().len();
        assert!(names <= 2 * octets.len());
        if layer == Layer::Seal {
            assert!(
                Challenge::parse(Layer::None, octets).is_ok(),
                "less is enough"
            );
        }
        drop(challenge.with_integrity());
    }
}

/// Attributes that are looked for.
const NAMES: [&str; 5] = ["uid", "member", "objectSid", "tokenGroups", "mail"];

/// Answers as directories give them; the challenge is that of MS-NLMP section 4.2.4.3.
#[cfg(test)]
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let message = |number, content: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        ber::nest(&mut out, ber::SEQUENCE, |out| {
            ber::write_number(out, ber::INTEGER, number);
            content(out);
        });
        out
    };
    let result = |out: &mut Vec<u8>, code, text: &str| {
        ber::write_number(out, ber::ENUMERATED, code);
        ber::write(out, ber::OCTETS, b"dc=example,dc=com");
        ber::write(out, ber::OCTETS, text.as_bytes());
    };
    let ended = |tag, code, text: &str| {
        message(2, &|out| ber::nest(out, tag, |out| result(out, code, text)))
    };
    let control = |out: &mut Vec<u8>, kind: &str, value: &[u8]| {
        ber::nest(out, 0xa0, |out| {
            ber::nest(out, ber::SEQUENCE, |out| {
                ber::write(out, ber::OCTETS, kind.as_bytes());
                ber::write(out, ber::OCTETS, value);
            });
        });
    };
    let entry = |attributes: &[(&str, &[&[u8]])]| {
        message(2, &|out| {
            ber::nest(out, 0x64, |out| {
                ber::write(out, ber::OCTETS, b"cn=Alice\\, A.,dc=example,dc=com");
                ber::nest(out, ber::SEQUENCE, |out| {
                    for (name, values) in attributes {
                        ber::nest(out, ber::SEQUENCE, |out| {
                            ber::write(out, ber::OCTETS, name.as_bytes());
                            ber::nest(out, ber::SET, |out| {
                                for value in *values {
                                    ber::write(out, ber::OCTETS, value);
                                }
                            });
                        });
                    }
                });
            });
        })
    };
    let sid = hex_literal::hex!("0105000000000005 15000000 a065cf7e 784b9b5f e77c8770 91040000");
    let uuid = b"597AE2F6-16A6-1027-98F4-D28B5365DC14";
    let ntlm = hex_literal::hex!(
        "4e544c4d53535000 02000000 0c000c0038000000 33828ae2 0123456789abcdef 0000000000000000"
        "2400240044000000 060070170000000f 530065007200760065007200"
        "02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000"
    );
    let refused =
        "80090308: LdapErr: DSID-0C09056D, comment: AcceptSecurityContext error, data 775, v4563";
    vec![
        ("bound", ended(0x61, 0, "")),
        ("refused", ended(0x61, 49, refused)),
        (
            "refused-samba",
            ended(0x61, 49, "NT_STATUS_ACCOUNT_LOCKED_OUT"),
        ),
        (
            "unwilling",
            ended(
                0x61,
                53,
                "Account inactivated. Contact system administrator.",
            ),
        ),
        ("busy", ended(0x61, 51, "one\ntwo\u{1b}[2J")),
        (
            "expired",
            message(1, &|out| {
                ber::nest(out, 0x61, |out| result(out, 49, ""));
                control(out, "1.3.6.1.4.1.42.2.27.8.5.1", &[0x30, 3, 0x81, 1, 0]);
            }),
        ),
        (
            "ntlm",
            message(1, &|out| {
                ber::nest(out, 0x61, |out| {
                    result(out, 14, "");
                    ber::write(out, 0x87, &ntlm);
                });
            }),
        ),
        ("ntlm-bare", ntlm.to_vec()),
        ("sid", sid.to_vec()),
        (
            "found",
            [
                entry(&[
                    ("uid", &[b"alice", b" al "]),
                    ("objectSid", &[&sid]),
                    ("primaryGroupID", &[b"513"]),
                    ("tokenGroups;binary", &[&sid]),
                    ("entryUUID", &[uuid]),
                ]),
                ended(0x65, 0, ""),
            ]
            .concat(),
        ),
        (
            "group",
            entry(&[("member", &[b"CN=Alice\\2c A., DC=example,DC=com", b"\xff"])]),
        ),
        (
            "page",
            message(3, &|out| {
                ber::nest(out, 0x65, |out| result(out, 0, ""));
                control(out, "1.2.840.113556.1.4.319", &[0x30, 6, 2, 1, 0, 4, 1, 7]);
            }),
        ),
        ("no-such-base", ended(0x65, 32, "")),
        (
            "starttls-refused",
            ended(0x78, 2, "unsupported extended operation"),
        ),
        (
            "notice",
            message(0, &|out| ber::nest(out, 0x78, |out| result(out, 52, ""))),
        ),
        ("reference", message(2, &|out| ber::nest(out, 0x73, |_| {}))),
    ]
}
