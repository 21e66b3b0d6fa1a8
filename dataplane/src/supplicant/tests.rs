//! Our supplicant and our server with TLS between them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::*;
use crate::eap::conversation::{self, Conversation, Outcome, Surroundings};
use crate::eap::packet::Response;
use crate::eap::tunnel::{KeyingMaterial, Tunnel};
use crate::radius::salted::{self, Hop, MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY, VENDOR_MICROSOFT};
use crate::radius::{
    AttributeType, Code, Packet, ReplyBuilder, ReplyTo, RequestBuilder, SharedSecret,
};

/// A server with a certificate of an authority.
struct Server {
    config: Arc<ServerConfig>,
    authority: String,
}

impl Server {
    fn new(ca: &str, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut parameters = CertificateParams::default();
        let name = &mut parameters.distinguished_name;
        name.push(DnType::CommonName, ca);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = parameters.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(parameters, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["radius.test".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        Self {
            config: Arc::new(config),
            authority,
        }
    }

    fn trust(&self, server_name: Option<&str>) -> Trust {
        Trust {
            authorities: self.authority.clone(),
            server_name: server_name.map(str::to_owned),
        }
    }

    /// Whoever types `secret` and then `1` is let in.
    fn login(&self, supplicant: &mut Supplicant, first: &[u8], typed: &[&str]) -> (End, Outcome) {
        let tunnel = || -> Box<dyn Tunnel> { Box::new(RustlsTunnel::new(&self.config).unwrap()) };
        let around = Surroundings {
            tunnel: &tunnel,
            fragment_octets: 300,
            nonce: [7; 32],
        };
        let (mut talk, mut packet) = Conversation::begin(&Response::parse(first).unwrap());
        let (mut typed, mut outcome) = (typed.iter(), None);
        loop {
            let mut step = supplicant.receive(&packet);
            if let Step::Asked(prompt) = &step {
                assert!(["Password: ", "Option: "].contains(&prompt.as_str()));
                step = supplicant.answer(&Secret::from(*typed.next().unwrap()));
            }
            let said = match step {
                Step::Send(said) => said,
                Step::Over(end) => return (end, outcome.unwrap()),
                Step::Asked(prompt) => panic!("{prompt}"),
            };
            let response = Response::parse(&said).unwrap();
            let mut step = talk.receive(&response, &around).unwrap();
            if let conversation::Step::Decide(offered) = &step {
                assert_eq!(offered.user.as_deref(), Some("alice"));
                step = match offered.octets.expose().as_slice() {
                    b"secret" => talk.ask("Option: ", &around),
                    typed => talk.conclude(typed == b"1", &around),
                };
            }
            match step {
                conversation::Step::Send(next) => packet = next,
                conversation::Step::End(last, how) => (packet, outcome) = (last, Some(how)),
                conversation::Step::Decide(offered) => panic!("{offered:?}"),
            }
        }
    }
}

fn settings(version: u8, tls: TlsChoice, trust: Option<Trust>) -> Settings {
    Settings {
        user: "alice".to_owned(),
        outer: "anonymous".to_owned(),
        highest_version: version,
        tls,
        trust,
    }
}

#[test]
fn both_ends_have_the_same_keys() {
    let server = Server::new("Example CA", &[&TLS13, &TLS12]);
    for (tls, version_of_tls) in [
        (TlsChoice::Any, "1.3"),
        (TlsChoice::Only12, "1.2"),
        (TlsChoice::Only13, "1.3"),
    ] {
        for version in [0, 1] {
            for (trust, verified) in [
                (None, false),
                (Some(server.trust(None)), true),
                (Some(server.trust(Some("radius.test"))), true),
            ] {
                let settings = settings(version, tls, trust);
                let (mut supplicant, first) = Supplicant::begin(&settings).unwrap();
                assert!(supplicant.certificate().is_none());
                let (end, outcome) = server.login(&mut supplicant, &first, &["secret", "1"]);
                let (End::Success(ours), Outcome::Success(theirs)) = (end, outcome) else {
                    panic!("{settings:?}");
                };
                assert_eq!(
                    verdict(&ours, Some(&theirs), Some(&theirs)),
                    KeysVerdict::Same
                );
                assert_eq!(supplicant.peap_version(), Some(version));
                assert_eq!(supplicant.tls_version(), Some(version_of_tls));
                assert_eq!(supplicant.is_bound(), version == 0);
                let certificate = supplicant.certificate().unwrap();
                assert_eq!(certificate.names, ["radius.test"]);
                assert!(certificate.issuer.contains("Example CA"));
                assert_eq!(certificate.verified, verified);
            }
        }
    }
}

#[test]
fn a_certificate_that_does_not_hold_ends_it_and_both_sides_say_why() {
    let server = Server::new("Example CA", &[&TLS13, &TLS12]);
    let another = Server::new("Another CA", &[&TLS13]);
    let renewed = Server::new("Example CA", &[&TLS13]);
    for tls in [TlsChoice::Only12, TlsChoice::Only13] {
        for (name, trust, says, hears) in [
            (
                "another authority",
                another.trust(None),
                "the certificate is not trusted: the CA did not sign it",
                "does not trust the certificate",
            ),
            (
                "an authority of the same name",
                renewed.trust(None),
                "the certificate is not trusted: the CA did not sign it",
                "DecryptError",
            ),
            (
                "another name",
                server.trust(Some("other.test")),
                "the certificate is for another name",
                "does not trust the certificate",
            ),
        ] {
            let settings = settings(1, tls, Some(trust));
            let (mut supplicant, first) = Supplicant::begin(&settings).unwrap();
            match server.login(&mut supplicant, &first, &[]) {
                (End::Fault(fault), Outcome::Fault(heard)) => {
                    assert!(fault.to_string().starts_with(says), "{name}: {fault}");
                    assert!(heard.to_string().contains(hears), "{name}: {heard}");
                }
                other => panic!("{name}: {other:?}"),
            }
            assert!(!supplicant.certificate().unwrap().verified, "{name}");
        }
    }
}

#[test]
fn no_tls_in_common_is_said() {
    let server = Server::new("Example CA", &[&TLS13]);
    let settings = settings(1, TlsChoice::Only12, None);
    let (mut supplicant, first) = Supplicant::begin(&settings).unwrap();
    match server.login(&mut supplicant, &first, &[]) {
        (End::Fault(fault), Outcome::Fault(_)) => {
            assert!(fault.to_string().starts_with("no TLS in common"), "{fault}");
        }
        other => panic!("{other:?}"),
    }
    assert!(supplicant.certificate().is_none());
}

#[test]
fn what_cannot_begin_is_refused() {
    let with = |user: &str, outer: &str, trust: Option<(&str, &str)>| Settings {
        user: user.to_owned(),
        outer: outer.to_owned(),
        trust: trust.map(|(authorities, name)| Trust {
            authorities: authorities.to_owned(),
            server_name: Some(name.to_owned()),
        }),
        ..settings(1, TlsChoice::Any, None)
    };
    let good = Server::new("Example CA", &[&TLS13]).authority;
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let long = "x".repeat(254);
    for (name, settings, want) in [
        ("no user", with("", "anonymous", None), SettingsError::Name),
        (
            "a long one",
            with(&long, "anonymous", None),
            SettingsError::Name,
        ),
        (
            "no outer name",
            with("alice", "", None),
            SettingsError::Name,
        ),
        (
            "no CA",
            with("alice", "a", Some(("", "b"))),
            SettingsError::Authorities,
        ),
        (
            "no certificate",
            with("alice", "a", Some((cut, "b"))),
            SettingsError::Authorities,
        ),
        (
            "no name",
            with("alice", "a", Some((&good, "not a name"))),
            SettingsError::ServerName,
        ),
    ] {
        let error = Supplicant::begin(&settings).unwrap_err();
        assert_eq!(error.to_string(), want.to_string(), "{name}");
    }
    assert!(Supplicant::begin(&with("alice", "a", Some((&good, "192.0.2.5")))).is_ok());
}

/// Holds keys against an accept that carries these as Recv and Send.
fn verdict(
    ours: &SessionKeys,
    recv: Option<&KeyingMaterial>,
    send: Option<&KeyingMaterial>,
) -> KeysVerdict {
    let (secret, authenticator) = (SharedSecret::new(b"shared"), [3; 16]);
    let hop = Hop {
        authenticator: &authenticator,
        secret: &secret,
    };
    let mut request = RequestBuilder::new(Code::ACCESS_REQUEST, 1, authenticator, &secret);
    request
        .attribute(AttributeType::USER_NAME, b"alice")
        .unwrap();
    let request = request.finish();
    let to = ReplyTo::new(&Packet::parse(&request).unwrap()).unwrap();
    let mut reply = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret);
    for (number, keys, at) in [(MS_MPPE_RECV_KEY, recv, 0), (MS_MPPE_SEND_KEY, send, 32)] {
        if let Some(keys) = keys {
            let half = &keys.expose()[at..at + 32];
            let hidden = salted::encrypt(half, [number, 1], hop).unwrap();
            reply.vendor(VENDOR_MICROSOFT, number, &hidden).unwrap();
        }
    }
    let reply = reply.finish();
    ours.compare(&Packet::parse(&reply).unwrap(), hop)
}

#[test]
fn keys_of_an_accept_are_told_apart() {
    let (ours, others): (KeyingMaterial, KeyingMaterial) =
        (Secret::new([1; 128]), Secret::new([2; 128]));
    let keys = SessionKeys::new(ours.clone());
    for (name, recv, send, want) in [
        ("the same", Some(&ours), Some(&ours), KeysVerdict::Same),
        (
            "others",
            Some(&others),
            Some(&others),
            KeysVerdict::Different,
        ),
        (
            "one other",
            Some(&ours),
            Some(&others),
            KeysVerdict::Different,
        ),
        ("none", None, None, KeysVerdict::Missing),
        ("one", Some(&ours), None, KeysVerdict::Missing),
        (
            "one, and that another",
            Some(&others),
            None,
            KeysVerdict::Missing,
        ),
    ] {
        assert_eq!(verdict(&keys, recv, send), want, "{name}");
    }
}
