//! What an upstream's answer means. Pure; every octet of it is hostile.

use proto::event::Reason;

use crate::primary::{
    Acceptance, Asked, Credential, Method, Question, Rejection, UpstreamAttribute, UpstreamValue,
    Verdict, reply_attributes,
};
use crate::radius::salted::{Hop, MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY, VENDOR_MICROSOFT};
use crate::radius::{AttributeType, Code, Packet};

/// Reads a verified answer. `place` is that of the host among the authenticator's.
pub(super) fn read(
    answer: &Packet<'_>,
    hop: Hop<'_>,
    credential: &Credential,
    place: usize,
    label: &str,
) -> Verdict {
    let ms_chap = matches!(credential, Credential::Relayed(one) if one.method == Method::MsChap);
    match answer.code() {
        Code::ACCESS_ACCEPT => Verdict::Accepted(Acceptance {
            detail: format!("by {label}"),
            attributes: reply_attributes::read(answer, hop, |vendor, number| {
                ms_chap && is_of_ms_chap_accept(vendor, number)
            }),
        }),
        Code::ACCESS_CHALLENGE => question(answer, hop, place, label),
        _ => rejection(answer, hop, ms_chap, label),
    }
}

fn question(answer: &Packet<'_>, hop: Hop<'_>, place: usize, label: &str) -> Verdict {
    let Ok(host) = u8::try_from(place) else {
        return Verdict::Rejected(Rejection::new(
            Reason::PrimaryChallenge,
            format!("{label} asked a question, and is no host among the first 256"),
        ));
    };
    let mut attributes = reply_attributes::read(answer, hop, |vendor, number| {
        vendor.is_none() && OF_A_QUESTION.contains(&number)
    });
    // Those of vendors are permitted too, no others (RFC 2865 section 4.4).
    let vendor_specific = AttributeType::VENDOR_SPECIFIC.0;
    attributes.retain(|one| one.always || one.vendor.is_some() || one.number == vendor_specific);
    for one in &mut attributes {
        if one.is_text()
            && let UpstreamValue::Plain(text) = &mut one.value
        {
            *text = visible(text);
        }
    }
    Verdict::Asked(Question {
        asked: Asked {
            host,
            state: answer
                .first(AttributeType::STATE)
                .filter(|state| !state.is_empty())
                .map(<[u8]>::to_vec),
        },
        message: messages(&attributes),
        attributes,
        detail: format!("{label} asked a question of its own"),
    })
}

fn rejection(answer: &Packet<'_>, hop: Hop<'_>, ms_chap: bool, label: &str) -> Verdict {
    let mut attributes = Vec::new();
    if ms_chap {
        let is_error = |vendor, number| (vendor, number) == (Some(VENDOR_MICROSOFT), MS_CHAP_ERROR);
        attributes = reply_attributes::read(answer, hop, is_error);
        attributes.retain(|one| one.always);
    }
    let said = attributes.iter().find_map(ms_chap_error);
    let reason = said.and_then(reason_of).unwrap_or(Reason::PrimaryRejected);
    let detail = match said {
        Some(code) => format!("by {label}: MS-CHAP error {code}"),
        None => format!("by {label}"),
    };
    Verdict::Rejected(Rejection {
        message: answer
            .first(AttributeType::REPLY_MESSAGE)
            .filter(|text| !text.is_empty())
            .map(|text| String::from_utf8_lossy(text).into_owned()),
        attributes,
        ..Rejection::new(reason, detail)
    })
}

/// All Reply-Messages, a line each.
fn messages(attributes: &[UpstreamAttribute]) -> Option<String> {
    let mut text = String::new();
    for one in attributes.iter().filter(|one| one.is_text()) {
        let UpstreamValue::Plain(line) = &one.value else {
            continue;
        };
        if line.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&String::from_utf8_lossy(line));
    }
    text.truncate(text.floor_char_boundary(MESSAGE_OCTETS));
    (!text.is_empty()).then_some(text)
}

/// A text with a blank for each control character but a line end: a terminal may show it. One that
/// is no UTF-8 keeps its other octets.
fn visible(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => {
            let blanked = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
            text.chars().map(blanked).collect::<String>().into_bytes()
        }
        Err(_) => {
            let blanked = |octet: &u8| match octet {
                b'\n' => b'\n',
                octet if octet.is_ascii_control() => b' ',
                octet => *octet,
            };
            text.iter().map(blanked).collect()
        }
    }
}

/// The code in an MS-CHAP-Error: an identifier, then `E=691 R=0 …` (RFC 2548 section 2.1.5). Some
/// servers leave out the identifier, some what follows the code.
fn ms_chap_error(attribute: &UpstreamAttribute) -> Option<u32> {
    let UpstreamValue::Plain(value) = &attribute.value else {
        return None;
    };
    let at = value.windows(2).position(|two| two == b"E=")?;
    let code: String = value
        .iter()
        .skip(at + 2)
        .take_while(|octet| octet.is_ascii_digit())
        .map(|octet| char::from(*octet))
        .collect();
    code.parse().ok()
}

/// RFC 2759 section 6.
const fn reason_of(code: u32) -> Option<Reason> {
    Some(match code {
        // Not at this hour; no permission to dial in.
        646 | 649 => Reason::NotPermitted,
        647 => Reason::AccountDisabled,
        648 => Reason::PasswordExpired,
        691 => Reason::WrongPassword,
        709 => Reason::PrimaryRejected,
        _ => return None,
    })
}

/// What the method needs to come back with an accept: MS-CHAP2-Success, MS-CHAP-MPPE-Keys, the
/// two MS-MPPE keys with their policy and types, and MS-CHAP-Domain (RFC 2548 sections 2.1, 2.3
/// and 2.4).
fn is_of_ms_chap_accept(vendor: Option<u32>, number: u8) -> bool {
    vendor == Some(VENDOR_MICROSOFT)
        && matches!(
            number,
            7 | 8 | 10 | 12 | MS_MPPE_SEND_KEY | MS_MPPE_RECV_KEY | 26
        )
}

/// RFC 2548 section 2.1.5.
const MS_CHAP_ERROR: u8 = 2;

/// What a challenge means anything by (RFC 2865 section 4.4): Reply-Message, Session-Timeout,
/// Idle-Timeout and Prompt (RFC 2869 section 5.10).
const OF_A_QUESTION: [u8; 4] = [AttributeType::REPLY_MESSAGE.0, 27, 28, 76];

/// The most octets of a question's text.
const MESSAGE_OCTETS: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::secret::Secret;

    use super::*;
    use crate::primary::Relayed;
    use crate::radius::{ReplyBuilder, ReplyTo, RequestBuilder, SharedSecret};

    fn verdict(
        code: Code,
        method: Option<Method>,
        attributes: &[(Option<u32>, u8, &[u8])],
    ) -> Verdict {
        let secret = SharedSecret::new(b"upstream");
        let request = RequestBuilder::new(Code::ACCESS_REQUEST, 1, [1; 16], &secret).finish();
        let to = ReplyTo::new(&Packet::parse(&request).unwrap()).unwrap();
        let mut reply = ReplyBuilder::new(code, &to, &secret);
        for (vendor, number, value) in attributes {
            match vendor {
                None => reply.attribute(AttributeType(*number), value).unwrap(),
                Some(vendor) => reply.vendor(*vendor, *number, value).unwrap(),
            };
        }
        let octets = reply.finish();
        let hop = Hop {
            authenticator: &[1; 16],
            secret: &secret,
        };
        let credential = match method {
            None => Credential::Password(Secret::from("pw")),
            Some(method) => Credential::Relayed(Relayed {
                method,
                attributes: Secret::new(Vec::new()),
            }),
        };
        read(
            &Packet::parse(&octets).unwrap(),
            hop,
            &credential,
            3,
            "a:1812",
        )
    }

    fn shown(attributes: &[UpstreamAttribute]) -> Vec<(Option<u32>, u8, bool)> {
        attributes
            .iter()
            .map(|one| (one.vendor, one.number, one.always))
            .collect()
    }

    #[test]
    fn a_question_keeps_its_state_and_says_all_its_lines() {
        let Verdict::Asked(question) = verdict(
            Code::ACCESS_CHALLENGE,
            None,
            &[
                (None, 18, b"PIN has expired."),
                (None, 24, b"state"),
                (None, 18, b""),
                (None, 18, b"New P\xefN?"),
                (None, 76, &[0, 0, 0, 1]),
                (None, 27, &[0, 0, 0, 60]),
                (None, 28, &[0, 0, 0, 9]),
                (None, 25, b"class"),
                (Some(9), 1, b"pair"),
                (Some(311), 2, b"E=691"),
            ],
        ) else {
            panic!("it is a question");
        };
        let state = Some(b"state".to_vec());
        assert_eq!(question.asked, Asked { host: 3, state });
        assert_eq!(
            question.message.as_deref(),
            Some("PIN has expired.\nNew P\u{fffd}N?")
        );
        assert_eq!(
            shown(&question.attributes),
            [
                (None, 18, true),
                (None, 18, true),
                (None, 18, true),
                (None, 76, true),
                (None, 27, true),
                (None, 28, true),
                (Some(9), 1, false),
            ]
        );
    }

    #[test]
    fn a_questions_text_moves_no_cursor() {
        for (text, want) in [
            (&b"One\nTwo"[..], &b"One\nTwo"[..]),
            (b"\x1b[2JPIN?\r\0", b" [2JPIN?  "),
            (b"\xc2\x9b2JC\xc3\xb6de?", b" 2JC\xc3\xb6de?"),
            (b"C\xf6de?\x07\n", b"C\xf6de? \n"),
        ] {
            let attributes = [(None, 18, text)];
            let verdict = verdict(Code::ACCESS_CHALLENGE, None, &attributes);
            let Verdict::Asked(question) = verdict else {
                panic!("it is a question");
            };
            let value = UpstreamValue::Plain(want.to_vec());
            assert_eq!(question.attributes[0].value, value);
            assert_eq!(
                question.message.as_deref(),
                Some(&*String::from_utf8_lossy(want))
            );
        }
    }

    #[test]
    fn a_questions_text_is_bounded_and_state_and_text_may_be_absent() {
        let line = "\u{e9}".repeat(126);
        let many: Vec<_> = (0..12).map(|_| (None, 18, line.as_bytes())).collect();
        let empty = vec![(None, 24, &b""[..]), (None, 18, b"")];
        for (attributes, octets) in [(many, Some(1024)), (vec![], None), (empty, None)] {
            let verdict = verdict(Code::ACCESS_CHALLENGE, None, &attributes);
            let Verdict::Asked(question) = verdict else {
                panic!("it is a question");
            };
            assert_eq!(question.asked.state, None);
            assert_eq!(question.message.map(|text| text.len()), octets);
        }
    }

    #[test]
    fn the_code_of_an_ms_chap_error_is_the_reason() {
        for (value, want, said) in [
            (&b"\x07E=646 R=0"[..], Reason::NotPermitted, Some(646)),
            (b"\x07E=647 R=0", Reason::AccountDisabled, Some(647)),
            (
                b"\x07E=648 R=0 V=3 M=Expired",
                Reason::PasswordExpired,
                Some(648),
            ),
            (b"\x07E=649", Reason::NotPermitted, Some(649)),
            (b"E=691 R=1", Reason::WrongPassword, Some(691)),
            (b"\x07E=709 R=0", Reason::PrimaryRejected, Some(709)),
            (b"\x07E=1 R=0", Reason::PrimaryRejected, Some(1)),
            (b"\x07E=99999999999", Reason::PrimaryRejected, None),
            (b"\x07E=", Reason::PrimaryRejected, None),
            (b"\xff\x00", Reason::PrimaryRejected, None),
            (b"", Reason::PrimaryRejected, None),
        ] {
            let attributes = [
                (Some(311), 2, value),
                (None, 18, b"No."),
                (None, 25, b"class"),
            ];
            let Verdict::Rejected(rejection) =
                verdict(Code::ACCESS_REJECT, Some(Method::MsChap), &attributes)
            else {
                panic!("it is a reject");
            };
            assert_eq!(rejection.reason, want, "{value:?}");
            assert_eq!(rejection.message.as_deref(), Some("No."));
            assert_eq!(shown(&rejection.attributes), [(Some(311), 2, true)]);
            let detail = said.map_or_else(
                || "by a:1812".to_owned(),
                |code| format!("by a:1812: MS-CHAP error {code}"),
            );
            assert_eq!(rejection.detail, detail);

            // Nothing of it in a login by another method.
            let other = verdict(Code::ACCESS_REJECT, Some(Method::Chap), &attributes);
            let Verdict::Rejected(rejection) = other else {
                panic!("it is a reject");
            };
            assert_eq!(rejection.reason, Reason::PrimaryRejected);
            assert!(rejection.attributes.is_empty());
        }
    }

    #[test]
    fn an_accept_of_ms_chap_brings_its_proof_and_keys_back() {
        let secret = SharedSecret::new(b"upstream");
        let hop = Hop {
            authenticator: &[1; 16],
            secret: &secret,
        };
        let key = crate::radius::salted::encrypt(&[4; 16], [0x80, 1], hop).unwrap();
        let hidden = crate::radius::password::hide(&[6; 24], &[1; 16], &secret).unwrap();
        let attributes = [
            (Some(311), 26, &b"\x07S=01"[..]),
            (Some(311), 12, &hidden),
            (Some(311), 16, &key),
            (Some(311), 17, &key),
            (Some(311), 7, &[0, 0, 0, 1]),
            (Some(311), 8, &[0, 0, 0, 6]),
            (Some(311), 10, b"\x07DOM"),
            (Some(311), 25, b"response"),
            (None, 25, b"class"),
        ];
        for (method, want) in [
            (
                Some(Method::MsChap),
                vec![
                    (26, true),
                    (12, true),
                    (16, true),
                    (17, true),
                    (7, true),
                    (8, true),
                    (10, true),
                    (25, false),
                ],
            ),
            (
                Some(Method::Chap),
                vec![
                    (16, false),
                    (17, false),
                    (7, false),
                    (8, false),
                    (10, false),
                    (25, false),
                ],
            ),
            (
                None,
                vec![
                    (16, false),
                    (17, false),
                    (7, false),
                    (8, false),
                    (10, false),
                    (25, false),
                ],
            ),
        ] {
            let Verdict::Accepted(acceptance) = verdict(Code::ACCESS_ACCEPT, method, &attributes)
            else {
                panic!("it is an accept");
            };
            let got: Vec<_> = acceptance
                .attributes
                .iter()
                .map(|one| (one.number, one.always))
                .collect();
            assert_eq!(got, want, "{method:?}");
            let clear = acceptance
                .attributes
                .iter()
                .find_map(|one| match &one.value {
                    UpstreamValue::Salted { clear, .. } => Some(clear.expose().clone()),
                    _ => None,
                });
            assert_eq!(clear, Some(vec![4; 16]));
        }
    }

    proptest! {
        #[test]
        fn no_ms_chap_error_is_too_strange(value in prop::collection::vec(any::<u8>(), 0..247)) {
            let verdict = verdict(
                Code::ACCESS_REJECT,
                Some(Method::MsChap),
                &[(Some(311), 2, &value)],
            );
            prop_assert!(matches!(verdict, Verdict::Rejected(_)));
        }
    }
}
