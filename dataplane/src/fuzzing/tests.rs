//! The targets over the seeds, which are made here, and over random octets.

#[path = "../../../fuzz/harness.rs"]
mod harness;

use hex_literal::hex;
use proptest::prelude::*;
use proto::event::Reason;
use proto::id::LoginId;
use proto::secret::Secret;

use crate::duo::message::PushNumber;
use crate::eap;
use crate::flow::{AnswerCode, Pending, Prompted};
use crate::primary::{Asked, UpstreamAttribute, UpstreamValue};
use crate::radius::salted::{self, Hop};
use crate::radius::{AttributeType, Code, EncodeError, RequestBuilder, SharedSecret};
use crate::state::Context;
use crate::state::fuzzing::{clear_seed, seed};

harness::targets![
    answer,
    duo_answer,
    eap_packet,
    inner,
    ldap_answer,
    packet,
    peap,
    state,
    typed
];

#[test]
fn seeds_are_what_the_standards_and_today_s_code_make() {
    let mut made: Vec<(&'static str, String, Vec<u8>)> = Vec::new();
    for (name, octets) in PACKETS {
        made.push(("packet", (*name).to_owned(), octets.to_vec()));
    }
    made.push(("packet", "everything".to_owned(), everything()));
    for (name, context) in contexts() {
        let clear = clear_seed(&context);
        // No change; then one octet of what is sealed; then the end cut off.
        for (kind, octets) in [
            ("context", after(&[0], &clear)),
            ("changed", after(&[1, 40, 1], &clear)),
            ("cut", after(&[1, 40, 0], &clear)),
            ("sealed", after(&[0], &seed(&context))),
        ] {
            made.push(("state", format!("{kind}-{name}"), octets));
        }
    }
    for (name, _, octets) in logins() {
        made.push(("answer", name.to_owned(), octets));
    }
    for (target, name, octets) in eap::fuzzing::seeds() {
        made.push((target, name.to_owned(), octets));
    }
    for (name, octets) in crate::primary::fuzzing::seeds() {
        made.push(("ldap_answer", name.to_owned(), octets));
    }
    for (target, name, text) in TEXTS {
        made.push((target, (*name).to_owned(), text.as_bytes().to_vec()));
    }
    harness::seeds_are(made);
}

#[test]
fn the_logins_among_the_seeds_go_where_they_are_meant_to() {
    for (name, want, octets) in logins() {
        assert_eq!(super::answer::end_of(&octets), Some(want), "{name}");
    }
}

fn after(before: &[u8], octets: &[u8]) -> Vec<u8> {
    [before, octets].concat()
}

/// All that the codec looks into: vendors' attributes, a split EAP packet, Proxy-State, an encrypted
/// value.
fn everything() -> Vec<u8> {
    let secret = SharedSecret::new(b"xyzzy5461");
    let authenticator = [0x5a; 16];
    let hop = Hop {
        authenticator: &authenticator,
        secret: &secret,
    };
    let key = salted::encrypt(b"a key", [0x81, 2], hop).unwrap();
    let mut request = RequestBuilder::new(Code::ACCESS_REQUEST, 7, authenticator, &secret);
    let all = |request: &mut RequestBuilder<'_>| -> Result<(), EncodeError> {
        request
            .attribute(AttributeType::USER_NAME, b"nemo")?
            .user_password(b"arctangent")?
            .attribute(AttributeType::CALLING_STATION_ID, b"198.51.100.7")?
            .attribute(AttributeType::EAP_MESSAGE, &[2, 1, 0, 9])?
            .attribute(AttributeType::EAP_MESSAGE, b"\x01nemo")?
            .attribute(AttributeType::TUNNEL_PASSWORD, &[&[0], &key[..]].concat())?
            .attribute(AttributeType::STATE, b"a State")?
            .attribute(AttributeType::PROXY_STATE, b"hop")?
            .attribute(AttributeType::PROXY_STATE, &[])?
            .vendor(salted::VENDOR_MICROSOFT, salted::MS_MPPE_SEND_KEY, &key)?
            .vendor(salted::VENDOR_MICROSOFT, 11, &[3; 16])?
            .vendor(9, 1, b"auth:option")?;
        Ok(())
    };
    all(&mut request).unwrap();
    request.finish()
}

/// One of each kind, short enough for a State.
fn contexts() -> Vec<(&'static str, Context)> {
    let upstream = |state: Option<&[u8]>, typed: Option<&str>| Pending::Upstream {
        asked: Asked {
            host: 1,
            state: state.map(<[u8]>::to_vec),
        },
        typed: typed.map(Secret::from),
    };
    let attribute = |vendor, number, value, always| UpstreamAttribute {
        vendor,
        number,
        value,
        always,
    };
    let clear = || Secret::new(b"a key".to_vec());
    let salted = UpstreamValue::Salted {
        tag: Some(1),
        clear: clear(),
    };
    let attributes = vec![
        attribute(None, 25, UpstreamValue::Plain(b"staff".to_vec()), false),
        attribute(None, 69, salted, false),
        attribute(Some(311), 12, UpstreamValue::Hidden(clear()), true),
    ];
    let prompt = |txid: Option<&str>, attributes| {
        Pending::Prompt(Prompted {
            menu: [3; 8],
            wrong: 1,
            repeats: 2,
            number: txid.and_then(|txid| PushNumber::new(txid, "481").map(Box::new)),
            attributes,
        })
    };
    [
        ("upstream", upstream(Some(&[7; 40]), Some("push2"))),
        ("upstream-bare", upstream(None, None)),
        ("prompt", prompt(None, Vec::new())),
        ("prompt-attributes", prompt(None, attributes.clone())),
        (
            "prompt-number",
            prompt(Some("45f7c92b-f45f-4862-8545-e0f58e78075a"), attributes),
        ),
        ("enrolment", Pending::Enrolment),
    ]
    .map(|(name, pending)| {
        let first = LoginId::from_bytes([5; 16]);
        (name, Context { first, pending })
    })
    .into()
}

/// Writes an input of `answer`, in the order in which it is read there.
#[derive(Default)]
struct Script(Vec<u8>);

impl Script {
    /// `bits`: mode `auto` 1, failmode safe 2, prompts split 4, no enrolment challenge 8, passwords
    /// split 16. `format`: console, html, short. `primary`: none 0, upstream 1, directory 2.
    fn new(bits: u8, format: u8, primary: u8, user: &str) -> Self {
        let retries = 1;
        Self(vec![bits, format, retries, 0, 0, primary]).text(user)
    }

    fn octets(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    fn text(self, text: &str) -> Self {
        let length = u8::try_from(text.len()).unwrap();
        self.octets(&[length]).octets(text.as_bytes())
    }

    /// A request begins; each action after it takes no time.
    fn typed(self, typed: &str) -> Self {
        self.text(typed).octets(&[0, 0])
    }

    /// The primary accepts, with a Class.
    fn accepted(self) -> Self {
        self.octets(&[0])
            .text("")
            .octets(&[1, 0, 25])
            .text("staff")
            .octets(&[0])
    }

    /// The upstream asks.
    fn asked(self) -> Self {
        let asked = self.octets(&[5, 0]).text("its State").text("Code?");
        let asked = asked.octets(&[1, 16, 18]).text("Code?");
        asked.text("").octets(&[0])
    }

    /// Preauth names so many devices that can do everything.
    fn devices(self, name: &str, count: u8) -> Self {
        let mut script = self.octets(&[0]).text("").octets(&[count]);
        for device in 0..count {
            script = script.octets(&[31, 1, b'A' + device]).text(name).text("1");
        }
        script.octets(&[0])
    }

    /// Preauth does not answer.
    fn away(self) -> Self {
        self.octets(&[15, 0])
    }

    fn enrol(self, text: &str, link: &str) -> Self {
        self.octets(&[13]).text(text).text(link).octets(&[0])
    }

    /// The auth request starts a transaction.
    fn started(self) -> Self {
        self.octets(&[4]).text("txid").octets(&[0])
    }

    /// It is decided: `result` is deny, allow or waiting; `status` 0 has no meaning of its own, 6 is
    /// that codes were sent.
    fn decided(self, result: u8, status: u8, text: &str) -> Self {
        self.octets(&[0, result, status]).text(text).octets(&[0])
    }

    fn end(self) -> Vec<u8> {
        self.0
    }
}

/// With what the last answer is and why.
fn logins() -> Vec<(&'static str, (AnswerCode, Reason), Vec<u8>)> {
    let phone = "XXX-XXX-0100";
    let hostile = "<img src=x onerror='alert(1)'>&\"\u{7}\u{e4}";
    vec![
        (
            "push-by-number",
            (AnswerCode::Accept, Reason::Approved),
            Script::new(0, 0, 0, "alice")
                .typed("pw")
                .devices(phone, 1)
                .typed("1")
                .devices(phone, 1)
                .started()
                .decided(1, 0, "Success.")
                .end(),
        ),
        (
            "upstream-asks-then-passcode",
            (AnswerCode::Accept, Reason::Approved),
            Script::new(0, 2, 1, "alice")
                .typed("pw")
                .asked()
                .typed("code")
                .accepted()
                .devices(phone, 2)
                .typed("123456")
                .decided(0, 2, "Wrong.")
                .devices(phone, 2)
                .typed("654321")
                .decided(1, 0, "Success.")
                .end(),
        ),
        (
            "wrong-passcode-then-away",
            (AnswerCode::Reject, Reason::Denied),
            Script::new(2, 0, 0, "alice")
                .typed("pw")
                .devices(phone, 1)
                .typed("123456")
                .decided(0, 2, "Wrong.")
                .away()
                .end(),
        ),
        (
            "sms-then-changed-menu",
            (AnswerCode::Accept, Reason::Approved),
            Script::new(4, 0, 2, "alice")
                .typed("pw")
                .accepted()
                .devices(phone, 3)
                .typed("sms2")
                .devices(phone, 3)
                .decided(0, 6, "New SMS passcodes sent.")
                .devices(phone, 3)
                .typed("3")
                .devices(phone, 4)
                .typed("")
                .devices(phone, 4)
                .typed("123456")
                .decided(1, 0, "Success.")
                .end(),
        ),
        (
            "html-hostile",
            (AnswerCode::Accept, Reason::Approved),
            Script::new(0, 1, 0, "<b>alice")
                .typed("pw")
                .devices(hostile, 1)
                .typed("phone9")
                .devices(hostile, 1)
                .typed("sms")
                .devices(hostile, 1)
                .decided(0, 6, hostile)
                .devices(hostile, 1)
                .typed("123456")
                .decided(1, 0, hostile)
                .end(),
        ),
        (
            "html-enrolment",
            (AnswerCode::Reject, Reason::NotEnrolled),
            Script::new(0, 1, 0, "alice")
                .typed("pw")
                .enrol(hostile, "https://api.example.com/portal?a=1&b=2")
                .typed("done")
                .end(),
        ),
        (
            "many-options",
            (AnswerCode::Reject, Reason::Denied),
            Script::new(4, 0, 0, "alice")
                .typed("pw")
                .devices("Telephone", 40)
                .typed("99")
                .devices("Telephone", 40)
                .decided(0, 0, "")
                .end(),
        ),
        (
            "auto-passcode-asked",
            (AnswerCode::Accept, Reason::Approved),
            {
                let mut script = Script::new(1 + 16, 0, 2, "alice").typed("pw").accepted();
                // `factors=passcode`.
                script.0[3] = 16;
                script
                    .devices(phone, 1)
                    .typed("push")
                    .devices(phone, 1)
                    .started()
                    .decided(1, 0, "Success.")
                    .end()
            },
        ),
    ]
}

proptest! {
    #[test]
    fn what_must_hold_holds_for_any_octets(
        octets in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        for (_, run) in TARGETS {
            run(&octets);
        }
    }
}

/// Answers as the documentation of the Auth API has them, and what users type.
const TEXTS: &[(&str, &str, &str)] = &[
    (
        "duo_answer",
        "preauth-auth",
        r#"200
Tue, 21 Aug 2012 17:29:18 GMT
{"stat":"OK","response":{"result":"auth","status_msg":"Account is active","devices":[
{"device":"DPFZRS9FB0D46QFTM891","type":"phone","number":"XXX-XXX-0100","name":"","capabilities":["auto","push","sms","phone","mobile_otp"],"display_name":"iOS (XXX-XXX-0100)","sms_nextcode":"1"},
{"device":"DHEKH0JJIYC1LX3AZWO4","type":"token","name":"0"}],"txid":"45f7c92b-f45f-4862-8545-e0f58e78075a","verification_code":"481"}}"#,
    ),
    (
        "duo_answer",
        "preauth-allow",
        "200\n\n{\"stat\":\"OK\",\"response\":{\"result\":\"allow\",\"status_msg\":\"Account is active\"}}",
    ),
    (
        "duo_answer",
        "preauth-enroll",
        r#"200

{"stat":"OK","response":{"result":"enroll","status_msg":"Enroll an authentication device to proceed","enroll_portal_url":"https://api.example.com/portal?a=1"}}"#,
    ),
    (
        "duo_answer",
        "auth-started",
        r#"200

{"stat":"OK","response":{"txid":"45f7c92b-f45f-4862-8545-e0f58e78075a"}}"#,
    ),
    (
        "duo_answer",
        "auth-denied",
        r#"200

{"stat":"OK","response":{"result":"deny","status":"locked_out","status_msg":"Login request denied."}}"#,
    ),
    (
        "duo_answer",
        "status-waiting",
        r#"200

{"stat":"OK","response":{"result":"waiting","status":"pushed","status_msg":"Pushed a login request to your phone..."}}"#,
    ),
    (
        "duo_answer",
        "status-sent",
        r#"200

{"stat":"OK","response":{"result":"allow","status":"sent","status_msg":"New SMS passcodes sent.","trusted_device_token":"x"}}"#,
    ),
    (
        "duo_answer",
        "time",
        r#"200
Fri, 31 Dec 9999 23:59:60 GMT
{"stat":"OK","response":{"time":1357020061}}"#,
    ),
    (
        "duo_answer",
        "bad-signature",
        r#"401

{"code":40103,"message":"Invalid signature in request credentials","stat":"FAIL"}"#,
    ),
    (
        "duo_answer",
        "bad-parameter",
        r#"400

{"code":40002,"message":"Invalid request parameters","message_detail":"username","stat":"FAIL"}"#,
    ),
    (
        "duo_answer",
        "fails-under-200",
        r#"200

{"code":"40104","message":"Missing request timestamp","stat":"FAIL"}"#,
    ),
    (
        "duo_answer",
        "no-json",
        "503\n\n<html>Service Unavailable</html>",
    ),
    ("duo_answer", "rate-limited", "429\n\n"),
    ("typed", "appended-push", ",\n8\nhunter2!,push2"),
    ("typed", "appended-passcode", "||\n4\npw||pw||123 456"),
    ("typed", "fixed-length", ",\n3\np\u{e9}w,123456"),
    ("typed", "option", "\n\n 12 "),
    ("typed", "named", ",\n1\n Phone 2"),
    ("typed", "passcode-in-groups", ",\n1\n123 456 7"),
    ("typed", "no-name", "a\n1\nphoney smsx push-1 \u{a0}"),
];

/// The examples of RFC 2865 section 7 and RFC 5997 section 6.
const PACKETS: &[(&str, &[u8])] = &[
    (
        "rfc2865-7.1-request",
        &hex!(
            "01000038 0f403f9473978057bd83d5cb98f4227a"
            "01066e656d6f 02120dbe708d93d413ce3196e43f782a0aee 0406c0a80110 050600000003"
        ),
    ),
    (
        "rfc2865-7.1-accept",
        &hex!(
            "02000026 86fe220e7624ba2a1005f6bf9b55e0b2"
            "060600000001 0f0600000000 0e06c0a80103"
        ),
    ),
    (
        "rfc2865-7.2-chap",
        &hex!(
            "01010047 2aee86f08d0d55969ca5978e0d3367a2"
            "0108666c6f707379 031316e97557c316185895f293ff634407727504 0406c0a80110 050600000014"
            "060600000002 070600000001"
        ),
    ),
    (
        "rfc2865-7.3-challenge",
        &hex!(
            "0b02004e 36f3c8764ae8c71157403c0c71ff9c45"
            "12304368616c6c656e67652033323736393433302e2020456e74657220726573706f6e7365206174"
            "2070726f6d70742e 180a3332373639343330"
        ),
    ),
    (
        "rfc2865-7.3-answer",
        &hex!(
            "01030043 b122556d428a13d0d6253807c457ecf0"
            "01076d6f707379 0212692c1f205fc081b919b95195f561a581 0406c0a80110 050600000007"
            "180a3332373639343330"
        ),
    ),
    (
        "rfc5997-6.1-status",
        &hex!("0cda0026 8a54f4686fb394c52866e302185d0623 50125a665e2e1e8411f3e243822097c84fa3"),
    ),
];
