//! The vectors of MS-NLMP section 4.2.4, hostile challenges, and a directory's side of it all.

use hex_literal::hex;
use proptest::prelude::*;
use rc4::StreamCipher;

use super::keys::Key;
use super::*;

/// Section 4.2.4.3, CHALLENGE_MESSAGE.
const SPECIFIED_CHALLENGE: [u8; 104] = hex!(
    "4e544c4d53535000 02000000 0c000c0038000000 33828ae2 0123456789abcdef 0000000000000000"
    "2400240044000000 060070170000000f 530065007200760065007200"
    "02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000"
);

/// Section 4.2.4.3, AUTHENTICATE_MESSAGE, but for the version (octets 64 to 71), which is ours.
const SPECIFIED_AUTHENTICATE: [u8; 232] = hex!(
    "4e544c4d53535000 03000000 180018006c000000 5400540084000000 0c000c0048000000"
    "0800080054000000 100010005c000000 10001000d8000000 358288e2 0a0000000000000f"
    "44006f006d00610069006e00 5500730065007200 43004f004d0050005500540045005200"
    "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
    "68cd0ab851e51c96aabc927bebef6a1c"
    "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"
    "02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000 00000000"
    "c5dad2544fc9799094ce1ce90bc9d03e"
);

const SPECIFIED_SERVER_CHALLENGE: [u8; 8] = hex!("0123456789abcdef");

fn specified_entropy() -> Entropy {
    Entropy {
        client_challenge: [0xaa; 8],
        session_key: Zeroizing::new([0x55; 16]),
    }
}

fn credentials<'a>(user: &'a str, password: &'a Secret<String>) -> Credentials<'a> {
    Credentials {
        user,
        domain: Some("Domain"),
        workstation: "COMPUTER",
        password,
    }
}

#[test]
fn keys_and_responses_are_those_specified() {
    let key = ResponseKey::new(&Secret::from("Password"), "User", "Domain");
    assert_eq!(*key.0, hex!("0c868a403bfd7a93a3001ef22ef02e3f"));
    let challenge = Challenge::parse(Layer::Seal, &SPECIFIED_CHALLENGE).unwrap();
    let part = client_part(&challenge, None, &specified_entropy(), 0).unwrap();
    assert_eq!(part, SPECIFIED_AUTHENTICATE[148..216]);
    let proof = key.prove(&SPECIFIED_SERVER_CHALLENGE, &part);
    assert_eq!(
        proof.response[..16],
        hex!("68cd0ab851e51c96aabc927bebef6a1c")
    );
    assert_eq!(
        *proof.session_base_key,
        hex!("8de40ccadbc14a82f15cb0ad0de95ca3")
    );
    assert_eq!(
        key.lm_response(&SPECIFIED_SERVER_CHALLENGE, &[0xaa; 8]),
        hex!("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa")
    );
    assert_eq!(
        keys::rc4_once(&proof.session_base_key, &[0x55; 16]),
        hex!("c5dad2544fc9799094ce1ce90bc9d03e")
    );
}

#[test]
fn the_last_message_is_the_one_specified() {
    let challenge = Challenge::parse(Layer::Seal, &SPECIFIED_CHALLENGE).unwrap();
    assert_eq!(challenge.netbios_domain(), "Domain");
    assert_eq!(challenge.dns_domain(), "");
    let password = Secret::from("Password");
    let who = credentials("User", &password);
    let made = authenticate(&challenge, &who, None, &specified_entropy(), 0).unwrap();
    assert_eq!(made.token, SPECIFIED_AUTHENTICATE);
}

#[test]
fn sealed_text_is_the_one_specified() {
    // Section 4.2.4.4.
    let key = Zeroizing::new([0x55; 16]);
    assert_eq!(
        *keys::seal_key(&key, keys::End::Client),
        hex!("59f600973cc4960a25480a7c196e4c58")
    );
    assert_eq!(
        *keys::sign_key(&key, keys::End::Client),
        hex!("4788dc861b4782f35d43fd98fe1a2d39")
    );
    let sealed = Seal::client(&key).wrap(&keys::utf16("Plaintext"));
    assert_eq!(
        sealed,
        hex!(
            "010000007fb38ec5c55d497600000000"
            "54e50165bf1936dc996020c1811b0f06fb5f"
        )
    );
}

/// A directory that knows one password.
pub(in crate::primary::ldap) struct Directory {
    flags: u32,
    info: Vec<u8>,
}

const TIME: u64 = 133_000_000_000_000_000;

impl Directory {
    pub(in crate::primary::ldap) fn new(layer: Layer) -> Self {
        let mut info = Vec::new();
        put_pair(&mut info, AvId::NETBIOS_DOMAIN, &keys::utf16("LAB")).unwrap();
        put_pair(&mut info, AvId::DNS_DOMAIN, &keys::utf16("lab.example")).unwrap();
        put_pair(&mut info, AvId::FLAGS, &4_u32.to_le_bytes()).unwrap();
        put_pair(&mut info, AvId::CHANNEL_BINDINGS, &[7; 16]).unwrap();
        put_pair(&mut info, AvId::TIMESTAMP, &TIME.to_le_bytes()).unwrap();
        put_pair(&mut info, AvId::END, &[]).unwrap();
        Self {
            flags: offered(layer) | flag::TARGET_INFO,
            info,
        }
    }

    pub(in crate::primary::ldap) fn without_time(&self) -> Self {
        let mut info = Vec::new();
        let challenge = Challenge::parse(Layer::None, &self.challenge()).unwrap();
        for (id, value) in challenge.pairs() {
            if id != AvId::TIMESTAMP {
                put_pair(&mut info, id, value).unwrap();
            }
        }
        put_pair(&mut info, AvId::END, &[]).unwrap();
        Self {
            flags: self.flags,
            info,
        }
    }

    pub(in crate::primary::ldap) fn challenge(&self) -> Vec<u8> {
        let mut message = SIGNATURE.to_vec();
        message.extend_from_slice(&CHALLENGE.to_le_bytes());
        message.extend_from_slice(&[0; 8]);
        message.extend_from_slice(&self.flags.to_le_bytes());
        message.extend_from_slice(&SPECIFIED_SERVER_CHALLENGE);
        message.extend_from_slice(&[0; 8]);
        let length = u16::try_from(self.info.len()).unwrap().to_le_bytes();
        message.extend_from_slice(&[length[0], length[1], length[0], length[1]]);
        message.extend_from_slice(&56_u32.to_le_bytes());
        message.extend_from_slice(&VERSION);
        message.extend_from_slice(&self.info);
        message
    }

    /// Believes a login, and gives the session key and what the client said of itself.
    pub(in crate::primary::ldap) fn believe(
        &self,
        layer: Layer,
        token: &[u8],
        password: &str,
    ) -> Option<(Key, Said)> {
        let field = |at: usize| {
            let length = usize::from(u16::from_le_bytes([token[at], token[at + 1]]));
            let offset = u32::from_le_bytes(token[at + 4..at + 8].try_into().unwrap());
            &token[usize::try_from(offset).unwrap()..][..length]
        };
        let text = |octets: &[u8]| {
            let units = octets
                .as_chunks()
                .0
                .iter()
                .map(|unit| u16::from_le_bytes(*unit));
            char::decode_utf16(units)
                .collect::<Result<String, _>>()
                .unwrap()
        };
        let said = Said {
            domain: text(field(28)),
            user: text(field(36)),
            workstation: text(field(44)),
            lm: field(12).to_vec(),
            part: field(20)[16..].to_vec(),
        };
        let key = ResponseKey::new(&Secret::from(password), &said.user, &said.domain);
        let proof = key.prove(&SPECIFIED_SERVER_CHALLENGE, &said.part);
        if proof.response != field(20) {
            return None;
        }
        let session_key = match layer {
            Layer::None => proof.session_base_key,
            Layer::Seal => {
                let mut sent: [u8; 16] = field(52).try_into().unwrap();
                keys::rc4(&proof.session_base_key).apply_keystream(&mut sent);
                Zeroizing::new(sent)
            }
        };
        let mut without = token.to_vec();
        without[INTEGRITY_AT..HEADER_WITH_INTEGRITY].fill(0);
        let code = keys::hmac_md5(
            &*session_key,
            &[&negotiate(layer), &self.challenge(), &without],
        );
        assert_eq!(
            *code,
            token[INTEGRITY_AT..HEADER_WITH_INTEGRITY],
            "the message integrity code fits"
        );
        Some((session_key, said))
    }
}

/// What a client said of itself.
pub(in crate::primary::ldap) struct Said {
    pub(in crate::primary::ldap) domain: String,
    pub(in crate::primary::ldap) user: String,
    pub(in crate::primary::ldap) workstation: String,
    lm: Vec<u8>,
    part: Vec<u8>,
}

#[test]
fn a_directory_believes_who_knows_the_password() {
    let password = Secret::from("pass\u{df}w\u{f6}rd \u{1f511}");
    for layer in [Layer::None, Layer::Seal] {
        let directory = Directory::new(layer);
        let challenge = Challenge::parse(layer, &directory.challenge()).unwrap();
        assert_eq!(challenge.netbios_domain(), "LAB");
        assert_eq!(challenge.dns_domain(), "lab.example");
        let bindings = ChannelBindings::of_certificate(&certificate());
        let who = Credentials {
            domain: None,
            ..credentials("alice", &password)
        };
        let made = authenticate(&challenge, &who, bindings.as_ref(), &specified_entropy(), 1);
        let Authenticated { token, seal } = made.unwrap();
        assert!(directory.believe(layer, &token, "another").is_none());
        let (key, said) = directory
            .believe(layer, &token, password.expose())
            .expect("the password is right");
        assert_eq!(
            (&*said.domain, &*said.user, &*said.workstation),
            ("LAB", "alice", "COMPUTER")
        );
        assert_eq!(said.lm, [0; 24], "no LMv2 beside a time");
        assert_eq!(said.part[8..16], TIME.to_le_bytes(), "the directory's time");
        let digest = bindings.unwrap();
        let mut ours = Vec::new();
        put_pair(&mut ours, AvId::FLAGS, &6_u32.to_le_bytes()).unwrap();
        put_pair(&mut ours, AvId::CHANNEL_BINDINGS, digest.digest()).unwrap();
        put_pair(&mut ours, AvId::END, &[]).unwrap();
        ours.extend_from_slice(&[0; 4]);
        assert!(said.part.ends_with(&ours), "{:02x?}", said.part);
        assert!(
            !said.part.windows(16).any(|octets| octets == [7; 16]),
            "bindings that the directory wrote are not repeated"
        );
        match (layer, seal) {
            (Layer::None, None) => {}
            (Layer::Seal, Some(mut client)) => {
                let mut server = Seal::server(&key);
                for text in [&b"one"[..], b"", b"three"] {
                    assert_eq!(server.unwrap(&client.wrap(text)).unwrap(), text);
                    assert_eq!(client.unwrap(&server.wrap(text)).unwrap(), text);
                }
            }
            (layer, seal) => panic!("{layer:?} with {seal:?}"),
        }
    }
}

#[test]
fn a_domain_is_taken_from_the_directory_only_where_none_is_named() {
    let password = Secret::from("x");
    let directory = Directory::new(Layer::None);
    let challenge = Challenge::parse(Layer::None, &directory.challenge()).unwrap();
    for (user, domain, want) in [
        ("alice", None, "LAB"),
        ("alice", Some("OTHER"), "OTHER"),
        ("alice", Some(""), ""),
        ("alice@corp.example", None, ""),
        ("alice@corp.example", Some("OTHER"), "OTHER"),
    ] {
        let who = Credentials {
            user,
            domain,
            workstation: "",
            password: &password,
        };
        let made = authenticate(&challenge, &who, None, &specified_entropy(), 0).unwrap();
        let (_, said) = directory.believe(Layer::None, &made.token, "x").unwrap();
        assert_eq!(said.domain, want, "{user} {domain:?}");
    }
}

#[test]
fn nobody_is_never_logged_in() {
    let challenge = Challenge::parse(Layer::Seal, &SPECIFIED_CHALLENGE).unwrap();
    let long = "x".repeat(40_000);
    for (user, password, want) in [
        ("", "x", NtlmError::Anonymous),
        ("alice", "", NtlmError::Anonymous),
        (&long, "x", NtlmError::TooLong("user name")),
    ] {
        let password = Secret::from(password);
        let who = credentials(user, &password);
        let refused = authenticate(&challenge, &who, None, &specified_entropy(), 0);
        assert_eq!(refused.unwrap_err(), want);
    }
}

#[test]
fn a_challenge_that_weakens_the_login_is_refused() {
    for (name, layer, missing, want) in [
        ("unicode", Layer::None, flag::UNICODE, "names in Unicode"),
        (
            "session security",
            Layer::None,
            flag::EXTENDED_SESSION_SECURITY,
            "extended session security",
        ),
        (
            "target info",
            Layer::None,
            flag::TARGET_INFO,
            "NTLM version 2",
        ),
        ("sign", Layer::Seal, flag::SIGN, "signing"),
        ("seal", Layer::Seal, flag::SEAL, "sealing"),
        ("128", Layer::Seal, flag::KEY_128, "keys of 128 bits"),
        ("exchange", Layer::Seal, flag::KEY_EXCHANGE, "key exchange"),
    ] {
        let mut directory = Directory::new(layer);
        directory.flags &= !missing;
        let refused = Challenge::parse(layer, &directory.challenge());
        assert_eq!(refused.unwrap_err(), NtlmError::Weak(want), "{name}");
    }
    let mut directory = Directory::new(Layer::None);
    directory.info.clear();
    let refused = Challenge::parse(Layer::None, &directory.challenge());
    assert_eq!(refused.unwrap_err(), NtlmError::Weak("NTLM version 2"));
}

#[test]
fn what_is_no_challenge_is_refused() {
    let good = Directory::new(Layer::Seal).challenge();
    for end in 0..good.len() {
        let refused = Challenge::parse(Layer::Seal, &good[..end]);
        assert!(
            matches!(refused, Err(NtlmError::Malformed(_))),
            "cut at {end}: {refused:?}"
        );
    }
    let with_info = |pairs: &[(AvId, &[u8])]| {
        let mut directory = Directory::new(Layer::Seal);
        directory.info.clear();
        for (id, value) in pairs {
            put_pair(&mut directory.info, *id, value).unwrap();
        }
        directory.challenge()
    };
    let endless: Vec<_> = (100..200).map(|id| (AvId(id), &b""[..])).collect();
    for (name, message) in [
        ("AUTHENTICATE", SPECIFIED_AUTHENTICATE.to_vec()),
        ("SPNEGO", hex!("a11e301ca0030a0101").to_vec()),
        ("too long", [&good[..], &[0; 9000]].concat()),
        ("without an end", with_info(&[(AvId::FLAGS, &[0; 4])])),
        (
            "short time",
            with_info(&[(AvId::TIMESTAMP, &[0; 7]), (AvId::END, &[])]),
        ),
        (
            "two times",
            with_info(&[
                (AvId::TIMESTAMP, &[0; 8]),
                (AvId::TIMESTAMP, &[1; 8]),
                (AvId::END, &[]),
            ]),
        ),
        (
            "half a character",
            with_info(&[(AvId::DNS_DOMAIN, &[0x00, 0xd8]), (AvId::END, &[])]),
        ),
        ("endless", with_info(&endless)),
    ] {
        let refused = Challenge::parse(Layer::Seal, &message);
        assert!(
            matches!(refused, Err(NtlmError::Malformed(_))),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn a_message_that_is_not_the_next_one_ends_the_layer() {
    let key = Zeroizing::new([0x33; 16]);
    let pair = || (Seal::client(&key), Seal::server(&key));
    let unchanged = |octets: &[u8]| octets.to_vec();
    for (name, skipped, change) in [
        ("one is left out", 1, &unchanged as &dyn Fn(&[u8]) -> _),
        ("cut", 0, &|octets: &[u8]| octets[..10].to_vec()),
        ("empty", 0, &|_: &[u8]| Vec::new()),
        ("in clear", 0, &|_: &[u8]| b"0123456789abcdeftext".to_vec()),
        ("longer", 0, &|octets: &[u8]| [octets, b"x"].concat()),
    ] {
        let (mut client, mut server) = pair();
        for _ in 0..skipped {
            client.wrap(b"first");
        }
        let sealed = client.wrap(b"text");
        assert_eq!(
            server.unwrap(&change(&sealed)),
            Err(NtlmError::Forged),
            "{name}"
        );
        assert_eq!(
            server.unwrap(&client.wrap(b"next")),
            Err(NtlmError::Forged),
            "{name}: nothing is believed after it"
        );
    }
    let (mut client, mut server) = pair();
    let sealed = client.wrap(b"text");
    assert!(server.unwrap(&sealed).is_ok());
    assert_eq!(server.unwrap(&sealed), Err(NtlmError::Forged), "repeated");
    let (mut client, _) = pair();
    let reflected = client.wrap(b"text");
    assert_eq!(
        client.unwrap(&reflected),
        Err(NtlmError::Forged),
        "sent back"
    );
}

#[test]
fn what_a_bind_is_made_of_shows_no_secret() {
    let challenge = Challenge::parse(Layer::Seal, &SPECIFIED_CHALLENGE).unwrap();
    let password = Secret::from("Hunter2");
    let who = credentials("User", &password);
    let made = authenticate(&challenge, &who, None, &specified_entropy(), 0).unwrap();
    let shown = format!("{who:?} {:?}", made.seal);
    assert!(!shown.contains("Hunter2"), "{shown}");
    assert!(shown.ends_with("Some(Seal { .. })"), "{shown}");
}

#[test]
fn time_is_counted_from_1601() {
    assert_eq!(filetime(Duration::ZERO), 116_444_736_000_000_000);
    assert_eq!(
        filetime(Duration::from_millis(1)),
        116_444_736_000_000_000 + 10_000
    );
    assert_eq!(filetime(Duration::MAX), u64::MAX);
}

#[test]
fn the_first_message_asks_for_no_layer_over_tls() {
    let flags = |layer| {
        let message = negotiate(layer);
        assert_eq!(message.len(), NEGOTIATE_OCTETS);
        u32::from_le_bytes(message[12..16].try_into().unwrap())
    };
    let protection = flag::SIGN | flag::SEAL | flag::KEY_EXCHANGE;
    assert_eq!(flags(Layer::None) & protection, 0);
    assert_eq!(flags(Layer::Seal) & protection, protection);
}

fn certificate() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(vec!["dc1.lab.example".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap()
        .der()
        .to_vec()
}

proptest! {
    #[test]
    fn no_octets_make_a_challenge_panic(
        kept in 0_usize..60,
        octets in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let good = Directory::new(Layer::Seal).challenge();
        let message = [&good[..kept], &octets].concat();
        for layer in [Layer::None, Layer::Seal] {
            drop(Challenge::parse(layer, &message));
        }
    }

    #[test]
    fn a_challenge_with_changed_octets_is_refused_or_answered(
        changes in proptest::collection::vec((0_usize..200, any::<u8>()), 1..8),
    ) {
        let mut octets = Directory::new(Layer::Seal).challenge();
        for (at, octet) in changes {
            if let Some(place) = octets.get_mut(at) {
                *place = octet;
            }
        }
        if let Ok(challenge) = Challenge::parse(Layer::Seal, &octets) {
            let password = Secret::from("x");
            let who = Credentials { domain: None, ..credentials("alice", &password) };
            prop_assert!(authenticate(&challenge, &who, None, &specified_entropy(), 0).is_ok());
        }
    }

    #[test]
    fn a_flipped_bit_of_a_sealed_message_is_seen(
        text in proptest::collection::vec(any::<u8>(), 0..64),
        bit in any::<proptest::sample::Index>(),
    ) {
        let key = Zeroizing::new([0x33; 16]);
        let mut sealed = Seal::client(&key).wrap(&text);
        prop_assert_eq!(&Seal::server(&key).unwrap(&sealed).unwrap(), &text);
        let bit = bit.index(sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(Seal::server(&key).unwrap(&sealed), Err(NtlmError::Forged));
    }
}
