//! Our supplicant: with our own server at the other end, and with servers that are none.

use proptest::prelude::*;

use super::*;
use crate::eap::binding::Binding;
use crate::eap::framing::{BadFraming, MAX_MESSAGE_OCTETS};
use crate::eap::packet::{self, MalformedEap};
use crate::eap::supplicant::{self as client, End, MOST_ROUNDS, ServerFault, Supplicant};

use TunnelVersion::{Tls12, Tls13};

/// The client's end of [`Clear`].
#[derive(Debug)]
struct ClearClient {
    version: TunnelVersion,
    established: bool,
    out: Vec<u8>,
    clear: Vec<u8>,
}

impl Tunnel for ClearClient {
    fn feed(&mut self, message: &[u8]) -> Result<(), TunnelError> {
        match message {
            b"bad" => {
                self.out = b"dead".to_vec();
                return Err(TunnelError("not trusted".to_owned()));
            }
            b"ALERT" => return Err(TunnelError("an alert".to_owned())),
            _ if self.established => self.clear.extend_from_slice(message),
            b"LAST" => self.established = true,
            _ if self.version == Tls13 => {
                self.out = b"finished".to_vec();
                self.established = true;
            }
            _ => self.out = b"keys".to_vec(),
        }
        Ok(())
    }

    fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn established(&self) -> Option<TunnelVersion> {
        self.established.then_some(self.version)
    }

    fn read(&mut self) -> Secret<Vec<u8>> {
        Secret::new(std::mem::take(&mut self.clear))
    }

    fn write(&mut self, clear: &[u8]) {
        self.out.extend_from_slice(clear);
    }

    fn export(&self, label: &[u8], context: Option<&[u8]>) -> Option<KeyingMaterial> {
        self.established
            .then(|| Secret::new(material(label, context)))
    }
}

fn begin(version: u8, tls: TunnelVersion, fragment_octets: usize) -> (Supplicant, Vec<u8>) {
    let settings = client::Settings {
        user: "alice".to_owned(),
        outer: "anonymous".to_owned(),
        highest_version: version,
        fragment_octets,
    };
    let tunnel = ClearClient {
        version: tls,
        established: false,
        out: b"hello".to_vec(),
        clear: Vec::new(),
    };
    Supplicant::begin(settings, Box::new(tunnel))
}

/// What is decided on what was typed.
enum Decision<'a> {
    Ask(&'a str),
    Conclude(bool),
}

/// Both ends to the end. What the server asks is answered in turn; the prompts that were seen.
fn both(
    supplicant: &mut Supplicant,
    first: &[u8],
    flight: &[u8],
    (tls, fragment_octets): (TunnelVersion, usize),
    decisions: &[Decision<'_>],
    answers: &[&str],
) -> (End, Outcome, Vec<String>) {
    let (mut talk, mut packet) = Conversation::begin(&Response::parse(first).unwrap());
    let (mut decisions, mut answers) = (decisions.iter(), answers.iter());
    let (mut prompts, mut outcome) = (Vec::new(), None);
    loop {
        let mut step = supplicant.receive(&packet);
        if let client::Step::Asked(prompt) = step {
            prompts.push(prompt);
            step = supplicant.answer(answers.next().unwrap().as_bytes());
        }
        let said = match step {
            client::Step::Send(said) => said,
            client::Step::Over(end) => return (end, outcome.unwrap(), prompts),
            client::Step::Asked(prompt) => panic!("{prompt}"),
        };
        let tunnel = tunnel(tls, flight);
        let around = around(&tunnel, fragment_octets);
        let response = Response::parse(&said).unwrap();
        let mut step = talk.receive(&response, &around).unwrap();
        if let Step::Decide(offered) = &step {
            assert_eq!(offered.user.as_deref(), Some("alice"));
            step = match decisions.next().unwrap() {
                Decision::Ask(prompt) => talk.ask(prompt, &around),
                Decision::Conclude(success) => talk.conclude(*success, &around),
            };
        }
        match step {
            Step::Send(next) => packet = next,
            Step::End(last, how) => (packet, outcome) = (last, Some(how)),
            Step::Decide(offered) => panic!("{offered:?}"),
        }
    }
}

#[test]
fn both_ends_agree_on_keys_whatever_the_version_and_the_fragments() {
    let flight = vec![b'F'; 300];
    for tls in BOTH {
        for version in [0, 1, 9] {
            for (ours, theirs) in [(1_024, 1_024), (10, 100), (5, 7_000), (1_024, 30)] {
                let name = format!("{tls:?} {version} {ours} {theirs}");
                let (mut supplicant, first) = begin(version, tls, ours);
                assert_eq!(first, b"\x02\0\0\x0e\x01anonymous");
                let long = "x".repeat(40);
                let (end, outcome, prompts) = both(
                    &mut supplicant,
                    &first,
                    &flight,
                    (tls, theirs),
                    &[
                        Decision::Ask("Passcode or option (1-3): "),
                        Decision::Conclude(true),
                    ],
                    &["secret", if ours < 100 { "1" } else { &long }],
                );
                assert_eq!(
                    prompts,
                    ["Password: ", "Passcode or option (1-3): "],
                    "{name}"
                );
                let (End::Success(ours), Outcome::Success(theirs)) = (end, outcome) else {
                    panic!("{name}");
                };
                assert_eq!(ours, theirs, "{name}");
                assert_eq!(supplicant.version(), Some(version.min(1)), "{name}");
                assert_eq!(supplicant.tls(), Some(tls), "{name}");
                // Version 0 has a proof, and version 1 none.
                assert_eq!(supplicant.is_bound(), version == 0, "{name}");
            }
        }
    }
}

#[test]
fn a_failure_is_heard_inside_and_outside() {
    for tls in BOTH {
        for version in [0, 1] {
            let (mut supplicant, first) = begin(version, tls, 1_000);
            let (end, outcome, prompts) = both(
                &mut supplicant,
                &first,
                b"FLIGHT",
                (tls, 1_000),
                &[Decision::Conclude(false)],
                &["wrong"],
            );
            assert!(matches!(end, End::Failure), "{end:?}");
            assert!(matches!(outcome, Outcome::Failure), "{outcome:?}");
            assert_eq!(prompts, ["Password: "]);
            assert!(!supplicant.is_bound());
        }
    }
}

#[test]
fn what_is_wrong_with_the_certificate_is_said_to_the_server_first() {
    let (mut supplicant, first) = begin(1, Tls13, 1_000);
    let (end, outcome, _) = both(&mut supplicant, &first, b"bad", (Tls13, 1_000), &[], &[]);
    let fault = ServerFault::Tls(TunnelError("not trusted".to_owned()));
    assert!(matches!(end, End::Fault(why) if why == fault));
    assert!(matches!(outcome, Outcome::Fault(_)), "{outcome:?}");
    // An alert of the server's is acknowledged; then it may end without a word.
    let (mut supplicant, _) = begin(1, Tls13, 1_000);
    assert_eq!(said(supplicant.receive(&start(1))), b"\x01hello");
    assert_eq!(said(supplicant.receive(&message(2, 1, b"ALERT"))), b"\x01");
    assert!(matches!(
        supplicant.is_left(),
        End::Fault(ServerFault::Tls(_))
    ));
    let (mut supplicant, _) = begin(1, Tls13, 1_000);
    assert!(matches!(supplicant.is_left(), End::Failure));
}

fn start(version: u8) -> Vec<u8> {
    packet::request(1, EapType::PEAP, &[0x20 | version])
}

fn message(identifier: u8, version: u8, octets: &[u8]) -> Vec<u8> {
    packet::request(identifier, EapType::PEAP, &flagged(version, octets))
}

/// What stands behind the type of a response.
fn said(step: client::Step) -> Vec<u8> {
    let client::Step::Send(packet) = step else {
        panic!("{step:?}");
    };
    Response::parse(&packet).unwrap().data.to_vec()
}

/// Has a tunnel; the next identifier is 3.
fn within(version: u8) -> Supplicant {
    let (mut supplicant, _) = begin(version, Tls13, 1_000);
    assert_eq!(
        said(supplicant.receive(&start(1))),
        flagged(version, b"hello")
    );
    assert_eq!(
        said(supplicant.receive(&message(2, version, b"FLIGHT"))),
        flagged(version, b"finished")
    );
    supplicant
}

#[test]
fn before_the_tunnel_it_says_who_it_is_and_what_it_wants() {
    let (mut supplicant, _) = begin(1, Tls13, 1_000);
    for (name, asked, want) in [
        (
            "identity",
            &b"\x01\x05\0\x05\x01"[..],
            &b"\x02\x05\0\x0e\x01anonymous"[..],
        ),
        (
            "notification",
            b"\x01\x06\0\x07\x02hi",
            b"\x02\x06\0\x05\x02",
        ),
        ("TLS", b"\x01\x07\0\x06\x0d\x20", b"\x02\x07\0\x06\x03\x19"),
        (
            "PEAP version 7",
            b"\x01\x08\0\x06\x19\x27",
            b"\x02\x08\0\x0b\x19\x01hello",
        ),
        (
            "notification later",
            b"\x01\x09\0\x05\x02",
            b"\x02\x09\0\x05\x02",
        ),
    ] {
        match supplicant.receive(asked) {
            client::Step::Send(packet) => assert_eq!(packet, want, "{name}"),
            step => panic!("{name}: {step:?}"),
        }
    }
}

#[test]
fn inside_each_question_has_its_answer() {
    for (name, version, asked, want) in [
        ("identity", 0, &b"\x01"[..], &b"\x01alice"[..]),
        (
            "identity with its header",
            0,
            b"\x01\x09\0\x05\x01",
            b"\x01alice",
        ),
        (
            "identity",
            1,
            b"\x01\x09\0\x05\x01",
            b"\x02\x09\0\x0a\x01alice",
        ),
        ("notification", 0, b"\x02hello", b"\x02"),
        ("MSCHAPv2", 0, b"\x1aabc", b"\x03\x06"),
        (
            "MSCHAPv2",
            1,
            b"\x01\x09\0\x06\x1aa",
            b"\x02\x09\0\x06\x03\x06",
        ),
        (
            "the end of version 0",
            1,
            b"\x01\x09\0\x06\x21a",
            b"\x02\x09\0\x06\x03\x06",
        ),
    ] {
        let got = said(within(version).receive(&message(3, version, asked)));
        assert_eq!(got, flagged(version, want), "{name} {version}");
    }
}

const RESULT: &[u8] = b"\x01\x03\0\x0b\x21\x80\x03\0\x02\0\x01";
const NO_RESULT: &[u8] = b"\x01\x03\0\x09\x21\x80\x07\0\0";

#[test]
fn a_success_outside_counts_after_one_inside_only() {
    let success = packet::end(3, true);
    for (name, version, told, says) in [
        (
            "version 0",
            0,
            RESULT,
            Some(&b"\x02\x03\0\x0b\x21\x80\x03\0\x02\0\x01"[..]),
        ),
        ("version 1", 1, b"\x03\x03\0\x04", Some(b"")),
    ] {
        let mut supplicant = within(version);
        let got = said(supplicant.receive(&message(3, version, told)));
        assert_eq!(got, flagged(version, says.unwrap()), "{name}");
        assert!(
            matches!(
                supplicant.receive(&success),
                client::Step::Over(End::Success(_))
            ),
            "{name}"
        );
    }
    for (name, version, told) in [
        ("no result in it", 0, NO_RESULT),
        ("a failure", 0, b"\x01\x03\0\x0b\x21\x80\x03\0\x02\0\x02"),
        ("a failure", 1, b"\x04\x03\0\x04"),
        ("no end at all", 0, b"\x01"),
        ("no end at all", 1, b"\x01\x09\0\x05\x01"),
    ] {
        let mut supplicant = within(version);
        drop(said(supplicant.receive(&message(3, version, told))));
        match supplicant.receive(&success) {
            client::Step::Over(End::Fault(ServerFault::Outer(why))) => {
                assert!(why.contains("did not say so inside"), "{name}: {why}");
            }
            step => panic!("{name}: {step:?}"),
        }
    }
    // And with the identifier of what was answered.
    let mut supplicant = within(0);
    drop(said(supplicant.receive(&message(3, 0, RESULT))));
    let other = supplicant.receive(&packet::end(4, true));
    assert!(
        matches!(other, client::Step::Over(End::Fault(_))),
        "{other:?}"
    );
}

#[test]
fn a_binding_of_another_tunnel_is_refused_inside() {
    let (_, genuine) = Binding::offer(&Secret::new([1; KEYING_OCTETS]), NONCE);
    let mut tlvs = RESULT[5..].to_vec();
    tlvs.extend_from_slice(&genuine);
    let asked = packet::request(3, EapType::EXTENSIONS, &tlvs);
    let mut supplicant = within(0);
    let got = said(supplicant.receive(&message(3, 0, &asked)));
    assert_eq!(got, b"\x00\x02\x03\0\x0b\x21\x80\x03\0\x02\0\x02");
    assert!(!supplicant.is_bound());
    let end = supplicant.receive(&packet::end(3, true));
    assert!(
        matches!(end, client::Step::Over(End::Fault(ServerFault::Binding))),
        "{end:?}"
    );
}

#[test]
fn a_server_that_does_not_keep_to_the_rules_is_left() {
    let outer = ServerFault::Outer;
    for (name, packets, want) in [
        (
            "no packet",
            vec![b"\x01".to_vec()],
            MalformedEap::Short.into(),
        ),
        (
            "a response",
            vec![b"\x02\x01\0\x05\x01".to_vec()],
            MalformedEap::NotOfServer(2).into(),
        ),
        (
            "no start",
            vec![message(1, 1, b"")],
            outer("it does not begin with a start"),
        ),
        (
            "no flags",
            vec![b"\x01\x01\0\x05\x19".to_vec()],
            outer("it does not begin with a start"),
        ),
        (
            "success at once",
            vec![packet::end(0, true)],
            outer("it says outside that the user is let in, and did not say so inside the tunnel"),
        ),
        (
            "two starts",
            vec![start(1), start(1)],
            outer("it starts once more"),
        ),
        (
            "another version",
            vec![start(1), message(2, 0, b"")],
            ServerFault::Version(0),
        ),
        (
            "no flags later",
            vec![start(1), b"\x01\x01\0\x05\x19".to_vec()],
            BadFraming::NoFlags.into(),
        ),
        (
            "another method",
            vec![start(1), b"\x01\x02\0\x06\x15\x20".to_vec()],
            outer("it leaves the method that was agreed on"),
        ),
    ] {
        let (mut supplicant, _) = begin(1, Tls12, 1_000);
        let mut last = None;
        for packet in &packets {
            last = Some(supplicant.receive(packet));
        }
        match last {
            Some(client::Step::Over(End::Fault(fault))) => assert_eq!(fault, want, "{name}"),
            step => panic!("{name}: {step:?}"),
        }
        let after = supplicant.receive(&start(1));
        assert!(
            matches!(after, client::Step::Over(End::Fault(_))),
            "{name}: {after:?}"
        );
    }
    for (name, version, said, want) in [
        (
            "half a header",
            1,
            &b"\x01\x03\0\x09\x06"[..],
            "what it says is no EAP request",
        ),
        (
            "a response",
            1,
            b"\x02\x03\0\x05\x01",
            "what it says is no EAP request",
        ),
        (
            "an end without its header",
            0,
            b"\x21\x80\x03\0\x02\0\x01",
            "what it says is no EAP request",
        ),
        (
            "half a TLV",
            0,
            b"\x01\x03\0\x08\x21\x80\x03\0",
            "the result it tells is malformed",
        ),
    ] {
        match within(version).receive(&message(3, version, said)) {
            client::Step::Over(End::Fault(fault)) => {
                assert_eq!(fault, ServerFault::Inner(want), "{name}");
            }
            step => panic!("{name}: {step:?}"),
        }
    }
}

#[test]
fn a_server_that_goes_on_for_ever_is_left() {
    let (mut supplicant, _) = begin(1, Tls13, 1_000);
    let mut steps = 0;
    let fault = loop {
        steps += 1;
        match supplicant.receive(b"\x01\x05\0\x05\x01") {
            client::Step::Send(_) => {}
            client::Step::Over(End::Fault(fault)) => break fault,
            step => panic!("{step:?}"),
        }
    };
    assert_eq!(
        (fault, steps),
        (ServerFault::Rounds(MOST_ROUNDS), MOST_ROUNDS + 1)
    );
}

#[test]
fn an_answer_is_bounded_and_answers_something() {
    let mut supplicant = within(0);
    let step = supplicant.receive(&message(3, 0, b"\x06Password: "));
    assert!(matches!(step, client::Step::Asked(prompt) if prompt == "Password: "));
    match supplicant.answer(&[b'x'; 2_000]) {
        client::Step::Over(End::Fault(fault)) => assert_eq!(fault, ServerFault::Typed(1_024)),
        step => panic!("{step:?}"),
    }
    let step = within(0).answer(b"unasked");
    assert!(
        matches!(step, client::Step::Over(End::Fault(_))),
        "{step:?}"
    );
}

/// Octets that look like something: what is near the rules goes farther than noise.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let noise = || prop::collection::vec(any::<u8>(), 0..80);
    let flags = prop::sample::select(vec![0_u8, 0, 0, 1, 1, 0x40, 0x41, 0x80, 0xc0, 0x20, 0x21]);
    let inner = prop_oneof![
        noise(),
        Just(Vec::new()),
        Just(b"\x01".to_vec()),
        Just(b"\x06Password: ".to_vec()),
        Just(b"\x03\x03\0\x04".to_vec()),
        Just(RESULT.to_vec()),
        noise().prop_map(|tlvs| packet::request(3, EapType::EXTENSIONS, &tlvs)),
        noise().prop_map(|text| packet::request(3, EapType::GTC, &text)),
    ];
    prop_oneof![
        1 => noise(),
        6 => (flags, inner).prop_map(|(flags, inner)| flagged(flags, &inner)),
    ]
}

#[derive(Clone, Debug)]
enum Sent {
    Noise(Vec<u8>),
    Request(u8, Vec<u8>),
    End(bool),
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Sent::Noise),
        1 => any::<bool>().prop_map(Sent::End),
        14 => (prop::sample::select(vec![25_u8, 25, 25, 25, 25, 25, 1, 2, 13]), octets())
            .prop_map(|(kind, data)| Sent::Request(kind, data)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn no_server_is_too_strange_and_keys_come_of_a_tunnel_only(
        far in any::<bool>(),
        version in 0_u8..2,
        fragment_octets in 0_usize..100,
        script in prop::collection::vec(sent(), 1..80),
    ) {
        let mut supplicant = match far {
            true => within(version),
            false => begin(version, Tls12, fragment_octets).0,
        };
        let mut received = 0;
        for (identifier, sent) in (3..).zip(script) {
            let packet = match sent {
                Sent::Noise(octets) => octets,
                Sent::Request(kind, data) => packet::request(identifier, EapType(kind), &data),
                Sent::End(success) => packet::end(identifier - 1, success),
            };
            received += packet.len();
            let mut step = supplicant.receive(&packet);
            if let client::Step::Asked(_) = step {
                step = supplicant.answer(b"secret");
            }
            prop_assert!(supplicant.octets() <= 2 * MAX_MESSAGE_OCTETS.min(received) + 1_024);
            match step {
                client::Step::Send(packet) => prop_assert!(packet.len() <= 10 + fragment_octets.max(1_000)),
                client::Step::Over(End::Success(_)) => {
                    prop_assert!(supplicant.tls().is_some());
                    break;
                }
                client::Step::Over(_) => break,
                client::Step::Asked(_) => prop_assert!(false, "asked twice"),
            }
        }
    }
}
