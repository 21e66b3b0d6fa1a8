//! Certificates with one fault each, as the verifier sees them.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, date_time_ymd,
};
use rustls::client::danger::ServerCertVerifier;
use rustls::{Error, RootCertStore};

use super::*;
use crate::primary::ldap::tls::{self, NameCheck, Trust};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca(name: &str) -> Ca {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn der(ca: &Ca) -> &CertificateDer<'static> {
    AsRef::<rcgen::Certificate>::as_ref(ca).der()
}

/// For `dc1.example`, from 2020 to 2030.
fn directory() -> CertificateParams {
    let mut params = CertificateParams::new(vec!["dc1.example".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "dc1");
    params.not_before = date_time_ymd(2020, 1, 2);
    params.not_after = date_time_ymd(2030, 3, 4);
    params
}

fn signed(params: &CertificateParams, ca: &Issuer<'_, KeyPair>) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, ca).unwrap().der().clone()
}

/// What is said of a certificate in the middle of 2026; none when nothing is wrong.
fn fault(
    trusted: &CertificateDer<'_>,
    shown: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    host: &str,
    check: NameCheck,
) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let verifier = Trust::of(roots, check).unwrap().verifier(host).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_782_000_000));
    let verdict = verifier.verify_server_cert(
        shown,
        between,
        &"another.example".try_into().unwrap(),
        &[],
        now,
    );
    match verdict {
        Ok(_) => None,
        Err(Error::InvalidCertificate(error)) => Some(tls::explain(&error)),
        Err(other) => panic!("no fault of a certificate: {other}"),
    }
}

#[test]
fn a_fault_is_told_with_what_the_certificate_says() {
    let root = ca("Lab CA");
    let issue = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = directory();
        change(&mut params);
        signed(&params, &root)
    };
    for (name, shown, host, want) in [
        ("good", issue(&|_| ()), "dc1.example", None),
        (
            "expired",
            issue(&|p| p.not_after = date_time_ymd(2026, 1, 31)),
            "dc1.example",
            Some("the directory's certificate (CN=dc1) has expired, on 2026-01-31; renew it"),
        ),
        (
            "not yet valid",
            issue(&|p| p.not_before = date_time_ymd(2027, 2, 1)),
            "dc1.example",
            Some(
                "the directory's certificate (CN=dc1) is not valid before 2027-02-01; check the \
                 clocks of both machines",
            ),
        ),
        (
            "other name",
            issue(&|p| {
                let address = rcgen::SanType::IpAddress([192, 0, 2, 7].into());
                p.subject_alt_names.push(address);
            }),
            "ldap.example",
            Some(
                "the directory's certificate (CN=dc1) is not for 'ldap.example' but for other \
                 names (dc1.example, 192.0.2.7); use one of them as host, or set \
                 ssl_verify_hostname=false",
            ),
        ),
        (
            "other address",
            issue(&|p| p.distinguished_name = rcgen::DistinguishedName::new()),
            "2001:db8::1",
            Some(
                "the directory's certificate (dc1.example) is not for '2001:db8::1' but for other \
                 names (dc1.example); use one of them as host, or set ssl_verify_hostname=false",
            ),
        ),
        (
            "no name",
            issue(&|p| p.subject_alt_names.clear()),
            "dc1.example",
            Some(
                "the directory's certificate (CN=dc1) names no host (it has no subjectAltName); \
                 issue one that names 'dc1.example'",
            ),
        ),
        (
            "for clients",
            issue(&|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            "dc1.example",
            Some(
                "the directory's certificate (CN=dc1) is not meant for servers; issue one with \
                 that key usage",
            ),
        ),
        (
            "the CA's own",
            der(&root).clone(),
            "dc1.example",
            Some(
                "the directory's certificate (CN=Lab CA) is that of a CA; issue the directory one \
                 of its own",
            ),
        ),
        (
            "no certificate",
            CertificateDer::from(b"0\x03\x02\x01\x00".to_vec()),
            "dc1.example",
            Some("the directory's certificate cannot be read"),
        ),
    ] {
        let said = fault(der(&root), &shown, &[], host, NameCheck::Verify);
        assert_eq!(said.as_deref(), want, "{name}");
    }
}

#[test]
fn whom_to_trust_is_named() {
    let (root, other) = (ca("Lab CA"), ca("Other CA"));
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Issuing CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuing = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &other).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = directory().self_signed(&key).unwrap();
    let check = |trusted: &Ca, shown: &CertificateDer<'_>, between: &[CertificateDer<'_>]| {
        let said = fault(
            der(trusted),
            shown,
            between,
            "dc1.example",
            NameCheck::Verify,
        );
        said.unwrap_or_default()
    };
    let of_other = signed(&directory(), &other);
    assert_eq!(
        check(&root, &of_other, &[]),
        "the directory's certificate (CN=dc1) was signed by a CA that is not trusted, \
         'CN=Other CA'; put that CA's certificate into ssl_ca_certs_file"
    );
    let of_issuing = signed(&directory(), &issuing);
    let shown = check(&root, &of_issuing, &[der(&issuing).clone()]);
    assert!(shown.contains("not trusted, 'CN=Other CA'"), "{shown}");
    let shown = check(&root, &of_issuing, &[]);
    assert!(shown.contains("not trusted, 'CN=Issuing CA'"), "{shown}");
    let shown = check(&other, &of_issuing, &[der(&issuing).clone()]);
    assert_eq!(shown, "");

    let shown = check(&root, own.der(), &[]);
    assert!(shown.contains("(CN=dc1) is signed by itself"), "{shown}");
    // What the text advises helps.
    let trusted = fault(own.der(), own.der(), &[], "dc1.example", NameCheck::Verify);
    assert_eq!(trusted, None);

    let renewed = ca("Other CA");
    let shown = check(&renewed, &of_other, &[]);
    assert!(
        shown.contains("the name of one that is, 'CN=Other CA', but another key"),
        "{shown}"
    );
}

#[test]
fn a_ca_that_expired_is_not_mistaken_for_the_directory() {
    let root = ca("Lab CA");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Old CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(2025, 5, 6);
    let old = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let shown = signed(&directory(), &old);
    let said = fault(
        der(&root),
        &shown,
        &[der(&old).clone()],
        "dc1.example",
        NameCheck::Verify,
    );
    assert_eq!(
        said.as_deref(),
        Some(
            "a CA's certificate in the chain of the directory's certificate (CN=dc1) has expired, on \
             2025-05-06; renew that one"
        )
    );
}

#[test]
fn only_the_name_is_left_unchecked() {
    let (root, other) = (ca("Lab CA"), ca("Other CA"));
    for (name, ca, change, want) in [
        ("another name", &root, None, None),
        (
            "expired",
            &root,
            Some(date_time_ymd(2021, 1, 1)),
            Some("has expired, on 2021-01-01"),
        ),
        ("another CA", &other, None, Some("'CN=Other CA'")),
    ] {
        let mut params = directory();
        params.not_after = change.unwrap_or(params.not_after);
        let shown = signed(&params, ca);
        let said = fault(der(&root), &shown, &[], "ldap.example", NameCheck::Skip);
        match want {
            None => assert_eq!(said, None, "{name}"),
            Some(want) => assert!(said.as_ref().is_some_and(|s| s.contains(want)), "{said:?}"),
        }
    }
}

#[test]
fn what_a_certificate_says_is_cut_and_on_one_line() {
    let root = ca("Lab CA");
    let mut params = directory();
    let hostile = format!("evil\r\n\u{1b}[31m{}", "x".repeat(5000));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, hostile);
    params.subject_alt_names = (0..200)
        .map(|n| {
            let name = format!("host-with-a-long-name-{n}.directories.lab.example");
            rcgen::SanType::DnsName(name.try_into().unwrap())
        })
        .collect();
    let shown = signed(&params, &root);
    let said = fault(der(&root), &shown, &[], "dc1.example", NameCheck::Verify).unwrap();
    assert!(said.chars().count() < 600, "{said}");
    assert!(!said.contains(char::is_control), "{said:?}");
    assert!(said.contains("(CN=evil[31mxxx"), "{said}");
    assert!(said.ends_with("ssl_verify_hostname=false"), "{said}");
}
