//! `certs` and `pkey` of `[radius_server_eap]`: each kind of key, and chains of every fault.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType, date_time_ymd,
};

use super::eap::eap;
use super::severity::{expect, said};
use super::*;
use crate::issue::{self, Authority, ServerNames};

/// The findings on a section with these files.
#[track_caller]
fn judged(certs: &str, pkey: &str) -> Report {
    let files = InMemory::default()
        .with("conf/server.pem", certs)
        .with("conf/server.key", pkey);
    run_with(&eap(""), &files)
}

/// Says nothing, or what begins like this.
#[track_caller]
fn expect_judged(claim: &str, certs: &str, pkey: &str, want: &str) {
    let report = judged(certs, pkey);
    if want.is_empty() {
        assert_eq!(said(&report), Vec::<String>::new(), "{claim}");
    } else {
        let (severity, rest) = want.split_once(' ').unwrap();
        let want = format!("{severity} [radius_server_eap] {rest}");
        expect(&report, claim, &want);
    }
}

const EC: &str = include_str!("server.pem");
const EC_KEY: &str = include_str!("server.key");
const RSA: &str = include_str!("certificates/rsa.pem");
const RSA_KEY: &str = include_str!("certificates/rsa.pkcs8.key");

#[test]
fn keys_of_every_format_are_read() {
    let locked = "error: pkey: the private key has a passphrase; decrypt it with 'openssl pkey -in \
                  server.key -out NEWFILE' and name the new file";
    let unusable = "error: pkey: there is no usable private key in it; ";
    let anew =
        "write it anew with 'openssl pkey -in server.key -out NEWFILE', or name the PEM file";
    let ssh = EC_KEY.replace("PRIVATE", "OPENSSH PRIVATE");
    let dsa = EC_KEY.replace("PRIVATE", "DSA PRIVATE");
    let both = [EC, EC_KEY].concat();
    for (claim, certs, pkey, want) in [
        ("PKCS#8 of ECDSA", EC, EC_KEY, ""),
        (
            "SEC1, behind its parameters",
            EC,
            include_str!("certificates/sec1.key"),
            "",
        ),
        ("PKCS#8 of RSA", RSA, RSA_KEY, ""),
        (
            "PKCS#1",
            RSA,
            include_str!("certificates/rsa.pkcs1.key"),
            "",
        ),
        ("one file for both", &both, &both, ""),
        (
            "PKCS#8 with a passphrase",
            EC,
            include_str!("locked.key"),
            locked,
        ),
        (
            "PKCS#1 with a passphrase",
            RSA,
            include_str!("certificates/rsa.locked.key"),
            locked,
        ),
        (
            "PKCS#8 without the public half",
            EC,
            include_str!("certificates/halved.key"),
            &format!("{unusable}{anew}"),
        ),
        (
            "OpenSSH's format",
            EC,
            &ssh,
            &format!("{unusable}write it anew with 'ssh-keygen -p -m PEM -f server.key', or name"),
        ),
        ("a key for DSA", EC, &dsa, &format!("{unusable}{anew}")),
        (
            "no key",
            EC,
            EC,
            &format!("{unusable}name the PEM file of the key"),
        ),
        (
            "the key of another",
            EC,
            include_str!("other.key"),
            "error: pkey: the private key does not belong to the certificate; name the PEM file",
        ),
        (
            "the key of another, of another kind",
            EC,
            RSA_KEY,
            "error: pkey: the private key does not belong to the certificate",
        ),
        (
            "a key for a certificate",
            EC_KEY,
            EC_KEY,
            "error: certs: 'server.pem' holds no usable certificates: there is no certificate in \
             it; name a PEM file with -----BEGIN CERTIFICATE----- in it",
        ),
    ] {
        expect_judged(claim, certs, pkey, want);
    }
}

#[test]
fn files_of_other_formats_are_told_how_to_become_pem() {
    let made = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    for (name, octets, want) in [
        (
            "conf/server.pem",
            made.cert.der().to_vec(),
            "certs: 'server.pem' holds no usable certificates: there is no certificate in it; make \
             a PEM file of it with 'openssl x509 -inform der -in server.pem', or of a PKCS#12 file \
             with 'openssl pkcs12 -nokeys -in server.pem'",
        ),
        (
            "conf/server.key",
            made.signing_key.serialize_der(),
            "pkey: the private key is not PEM; make a PEM file of it with 'openssl pkey -inform der \
             -in server.key', or of a PKCS#12 file with 'openssl pkcs12 -nodes -nocerts -in \
             server.key'",
        ),
    ] {
        let mut files = files();
        files.0.get_mut(Path::new(name)).unwrap().octets = octets;
        let want = format!("error: [radius_server_eap] {want}");
        expect(&run_with(&eap(""), &files), name, &want);
    }
}

#[test]
fn a_private_key_that_others_can_read_is_a_warning() {
    let mut files = files();
    files.0.get_mut(Path::new("conf/server.key")).unwrap().mode = Some(0o644);
    expect(
        &run_with(&eap(""), &files),
        "others can read it",
        "warning: [radius_server_eap] pkey: others can read the private key; run 'chmod o-r \
         server.key'",
    );
}

#[test]
fn keys_that_tls_cannot_use_are_errors() {
    for (certs, what) in [
        (
            include_str!("certificates/rsa1024.pem"),
            "an RSA key of 1024 bits",
        ),
        (
            include_str!("certificates/p521.pem"),
            "a key of the curve P-521",
        ),
        (include_str!("certificates/dsa.pem"), "a DSA key"),
        (
            include_str!("certificates/pss.pem"),
            "a key for RSASSA-PSS only",
        ),
    ] {
        let want = format!(
            "error: certs: the certificate has {what}, which TLS here cannot use; get one with a \
             key of P-256 or P-384, or RSA with 2048 to 4096 bits"
        );
        expect_judged(what, certs, EC_KEY, &want);
    }
    let report = judged(include_str!("certificates/version1.pem"), EC_KEY);
    let want = "error: [radius_server_eap] certs: TLS here cannot use the certificate: it is of \
                X.509 version 1, without extensions; make it anew, with its names and \
                extendedKeyUsage=serverAuth as extensions";
    let found = said(&report);
    assert!(found.iter().any(|one| one == want), "{found:#?}");
    assert!(report.imported.is_none());
    // Its key may be wrong as well.
    let report = judged(
        include_str!("certificates/p521.pem"),
        include_str!("locked.key"),
    );
    assert_eq!(said(&report).len(), 2, "{:#?}", said(&report));
}

#[test]
fn an_ed25519_key_is_served_with_a_warning_and_counts_as_ecdsa() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let own = params(|_| {}).self_signed(&key).unwrap();
    let want = "warning: certs: the certificate has an Ed25519 key, which Windows and many others \
                cannot use; get one with a key of P-256";
    expect_judged("Ed25519", &own.pem(), &key.serialize_pem(), want);
    let files = InMemory::default()
        .with("conf/server.pem", &own.pem())
        .with("conf/server.key", &key.serialize_pem());
    for (list, good) in [("aRSA", false), ("ECDSA", true)] {
        let report = run_with(&eap(&format!("cipher_list={list}")), &files);
        assert_eq!(report.imported.is_some(), good, "{list}");
    }
}

/// A certificate that is good on the day of [`NOW_MS`], and changed.
fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(["radius.example.com".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2028, 1, 1));
    change(&mut params);
    params
}

#[test]
fn what_supplicants_refuse_is_a_warning() {
    let key = KeyPair::from_pem(EC_KEY).unwrap();
    type Change = fn(&mut CertificateParams);
    let nameless = "warning: certs: the certificate has no DNS name in subjectAltName, where Windows, \
                    Apple's and Android look for the server's; get one that has it there \
                    (subjectAltName=DNS:radius.example.com)";
    let cases: [(&str, Change, &str); 12] = [
        ("good", |_| {}, ""),
        (
            "expired",
            |p| p.not_after = date_time_ymd(2026, 12, 31),
            "warning: certs: the certificate has expired on 2026-12-31; name a new one",
        ),
        (
            "not yet valid",
            |p| p.not_before = date_time_ymd(2027, 2, 1),
            "warning: certs: the certificate is not valid before 2027-02-01; name one that is, or \
             set the clock",
        ),
        (
            "29 days",
            |p| p.not_after = date_time_ymd(2027, 1, 30),
            "warning: certs: the certificate expires on 2027-01-30; get a new one",
        ),
        ("31 days", |p| p.not_after = date_time_ymd(2027, 2, 1), ""),
        (
            "no purpose",
            |p| p.extended_key_usages.clear(),
            "warning: certs: the certificate lacks the extended key usage serverAuth: Windows \
             refuses it; get one that is made for servers (extendedKeyUsage=serverAuth)",
        ),
        (
            "another purpose",
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            "warning: certs: the certificate lacks the extended key usage serverAuth",
        ),
        (
            "any purpose",
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any],
            "",
        ),
        (
            "two purposes",
            |p| {
                p.extended_key_usages
                    .push(ExtendedKeyUsagePurpose::ClientAuth)
            },
            "",
        ),
        (
            "no name but the common name",
            |p| {
                p.subject_alt_names.clear();
                p.distinguished_name
                    .push(DnType::CommonName, "radius.example.com");
            },
            nameless,
        ),
        (
            "an address for a name",
            |p| p.subject_alt_names = vec![SanType::IpAddress([192, 0, 2, 1].into())],
            nameless,
        ),
        (
            "a name behind an address",
            |p| {
                p.subject_alt_names
                    .insert(0, SanType::IpAddress([192, 0, 2, 1].into()));
            },
            "",
        ),
    ];
    for (claim, change, want) in cases {
        let own = params(change).self_signed(&key).unwrap();
        expect_judged(claim, &own.pem(), EC_KEY, want);
    }
    expect_judged(
        "SHA-1",
        include_str!("certificates/sha1.pem"),
        EC_KEY,
        "warning: certs: a certificate is signed with MD5 or SHA-1, which most supplicants refuse; \
         get one that is signed with SHA-256",
    );
}

#[test]
fn a_chain_is_in_order_and_without_a_gap() {
    let named = |name: &str, change: fn(&mut CertificateParams)| {
        let mut authority = params(change);
        authority.extended_key_usages.clear();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, name);
        authority
    };
    let keys: [KeyPair; 2] = std::array::from_fn(|_| KeyPair::generate().unwrap());
    let own_key = KeyPair::from_pem(EC_KEY).unwrap();
    let chain = |change: fn(&mut CertificateParams)| {
        let top = named("Example Root", |_| {});
        let between = named("Example Intermediate", change);
        let root = top.self_signed(&keys[0]).unwrap().pem();
        let signer = Issuer::from_params(&top, &keys[0]);
        let middle = between.signed_by(&keys[1], &signer).unwrap().pem();
        let signer = Issuer::from_params(&between, &keys[1]);
        let mut leaf = params(|_| {});
        leaf.distinguished_name
            .push(DnType::CommonName, "radius.example.com");
        [
            leaf.signed_by(&own_key, &signer).unwrap().pem(),
            middle,
            root,
        ]
    };
    let [leaf, middle, root] = chain(|_| {});
    let order = "put the server's own certificate first, and behind each the one that signs it";
    for (claim, files, want) in [
        ("whole", vec![&leaf, &middle, &root], String::new()),
        ("without the root", vec![&leaf, &middle], String::new()),
        (
            "alone",
            vec![&leaf],
            "warning: certs: the certificate stands alone: 'CN=Example Intermediate', which signed \
             it, is not in the file; put the certificates that sign it behind it; a root may be \
             left out, but nothing else"
                .to_owned(),
        ),
        (
            "a gap",
            vec![&leaf, &root],
            format!("warning: certs: certificate 2 of the chain has not signed certificate 1; {order}"),
        ),
        (
            "from the top",
            vec![&leaf, &root, &middle],
            format!("warning: certs: certificate 2 of the chain has not signed certificate 1; {order}"),
        ),
        (
            "something behind a root",
            vec![&leaf, &middle, &root, &middle],
            format!("warning: certs: certificate 4 of the chain has not signed certificate 3; {order}"),
        ),
    ] {
        let text: String = files.into_iter().map(String::as_str).collect();
        expect_judged(claim, &text, EC_KEY, &want);
    }
    let report = judged(&[middle, leaf].concat(), EC_KEY);
    let found = said(&report);
    let want = "error: [radius_server_eap] certs: the private key belongs to certificate 2 of it; \
                put that one first, and behind it those that sign it";
    assert!(found.iter().any(|one| one == want), "{found:#?}");
    assert!(report.imported.is_none());

    let [leaf, middle, _] = chain(|p| p.not_after = date_time_ymd(2026, 6, 1));
    expect_judged(
        "an old signer",
        &[leaf, middle].concat(),
        EC_KEY,
        "warning: certs: certificate 2 of the chain has expired on 2026-06-01; name a new one",
    );
}

#[test]
fn what_is_made_here_is_good() {
    let now = i64::try_from(NOW_MS / 1_000).unwrap();
    let names = ["radius.example.com".to_owned(), "192.0.2.1".to_owned()];
    let names = ServerNames::parse(&names).unwrap();
    let (authority, _) = Authority::make(&names, now, 3_650).unwrap();
    for (claim, issued) in [
        ("of an authority", authority.issue(&names, now, 365)),
        ("self-signed", issue::self_signed(&names, now, 365)),
    ] {
        let issued = issued.unwrap();
        expect_judged(claim, &issued.certificates, issued.private_key.expose(), "");
    }
}
