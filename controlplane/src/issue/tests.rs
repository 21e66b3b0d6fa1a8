//! What is made holds what it should, and what is no name or no authority is refused.

use std::collections::HashSet;

use rcgen::{CertificateParams, DnType, DnValue, date_time_ymd};
use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::*;

/// 2027-01-15 08:00:00.
const NOW: i64 = 1_800_000_000;

fn names(words: &[&str]) -> Result<ServerNames, NamesFault> {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    ServerNames::parse(&words)
}

fn good() -> ServerNames {
    names(&["radius.example.com", "192.0.2.1", "2001:db8::1"]).unwrap()
}

fn ders(pem: &str) -> Vec<CertificateDer<'static>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes());
    found.map(Result::unwrap).collect()
}

fn parsed<'a>(der: &'a CertificateDer<'_>) -> X509Certificate<'a> {
    x509_parser::parse_x509_certificate(der).unwrap().1
}

#[test]
fn names_are_dns_names_and_addresses() {
    let long = format!("{}.example", "a".repeat(64));
    let longest = format!(
        "{}{}",
        format!("{}.", "a".repeat(63)).repeat(3),
        "a".repeat(61)
    );
    let longer = format!("{longest}a");
    for (word, want) in [
        ("radius.example.com", None),
        ("radius", None),
        ("my_host.example", None),
        ("xn--bcher-kva.example", None),
        (&longest, None),
        ("", Some("it is empty")),
        ("*.example.com", Some("no wildcards")),
        ("https://radius.example.com", Some("the name alone")),
        ("192.0.2.0/24", Some("the name alone")),
        ("bücher.example", Some("xn--")),
        ("radius example", Some("characters other than")),
        ("radius\n.example", Some("characters other than")),
        ("alice@example.com", Some("characters other than")),
        ("radius.example.com:1812", Some("characters other than")),
        (&longer, Some("longer than 253")),
        (&long, Some("longer than 63")),
        ("radius.example.com.", Some("a dot is to stand")),
        ("radius..example", Some("a dot is to stand")),
        ("-radius.example", Some("begin or end with '-'")),
        ("radius-.example", Some("begin or end with '-'")),
        ("192.0.2.256", Some("an address has four")),
        ("192.0.2", Some("an address has four")),
    ] {
        let said = names(&[word]).err().map(|fault| fault.to_string());
        match want {
            None => assert_eq!(said, None, "{word}"),
            Some(want) => {
                let said = said.unwrap_or_default();
                assert!(said.contains(want), "{word}: {said}");
                assert!(!said.chars().any(char::is_control), "{said:?}");
            }
        }
    }
    let many: Vec<String> = (0..21).map(|number| format!("a{number}.example")).collect();
    assert!(ServerNames::parse(&many[..20]).is_ok());
    for (claim, words, want) in [
        ("none", &[][..], "give the DNS name"),
        ("addresses", &["192.0.2.1".to_owned()], "and no address"),
        ("many", &many, "20 names at most"),
    ] {
        let said = ServerNames::parse(words).unwrap_err().to_string();
        assert!(said.contains(want), "{claim}: {said}");
    }
    let twice = names(&["192.0.2.1", "Radius.Example", "radius.example", "192.0.2.1"]).unwrap();
    assert_eq!(twice.texts(), ["192.0.2.1", "radius.example"]);
    assert_eq!(twice.first(), "radius.example");
}

#[test]
fn a_certificate_of_an_authority_has_all_that_supplicants_look_for() {
    let (authority, key) = Authority::make(&good(), NOW, 3_650).unwrap();
    assert!(key.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
    let issued = authority.issue(&good(), NOW, 365).unwrap();
    let chain = ders(&issued.certificates);
    assert_eq!(chain.len(), 2, "the certificate, then its authority");
    assert_eq!(chain[1], ders(authority.pem())[0]);
    let (leaf, root) = (parsed(&chain[0]), parsed(&chain[1]));

    assert!(root.is_ca() && !leaf.is_ca());
    assert_eq!(leaf.issuer().as_raw(), root.subject().as_raw());
    assert_eq!(common_name(&leaf), "radius.example.com");
    assert_eq!(common_name(&root), "radius.example.com CA 2027-01-15");
    let found = leaf.subject_alternative_name().unwrap().unwrap();
    assert_eq!(
        found.value.general_names,
        [
            GeneralName::DNSName("radius.example.com"),
            GeneralName::IPAddress(&[192, 0, 2, 1]),
            GeneralName::IPAddress(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ]
    );
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.flags == 1, "digitalSignature");
    let usage = root.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && !usage.digital_signature());
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.server_auth && !purposes.client_auth && !purposes.any);
    let limits = leaf.basic_constraints().unwrap().unwrap();
    assert!(limits.critical && !limits.value.ca);
    let limits = root.basic_constraints().unwrap().unwrap().value;
    assert_eq!(limits.path_len_constraint, Some(0));

    let mut own = Vec::new();
    let mut signer = None;
    for extension in leaf.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => own = id.0.to_vec(),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                signer = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            _ => {}
        }
    }
    let root_id = root
        .extensions()
        .iter()
        .find_map(|one| match one.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
    assert!(signer.is_some() && signer == root_id);
    assert!(!own.is_empty() && Some(own) != root_id);

    assert_eq!(leaf.validity().not_before.timestamp(), NOW - 600);
    assert_eq!(leaf.validity().not_after.timestamp(), NOW + 365 * 86_400);
    assert_eq!(root.validity().not_after.timestamp(), NOW + 3_650 * 86_400);
    assert_eq!(issued.about.until, "2028-01-15");
    assert_eq!(issued.about.not_after, NOW + 365 * 86_400);
    let digits: Vec<&str> = issued.about.sha256.split(':').collect();
    let octets: Vec<u8> = digits
        .iter()
        .map(|two| u8::from_str_radix(two, 16).unwrap())
        .collect();
    assert_eq!(
        octets,
        ring::digest::digest(&ring::digest::SHA256, &chain[0]).as_ref()
    );

    // The key is the certificate's, and of P-256.
    let key = KeyPair::from_pem(issued.private_key.expose()).unwrap();
    assert!(key.is_compatible(&PKCS_ECDSA_P256_SHA256));
    let info = rcgen::PublicKeyData::subject_public_key_info(&key);
    assert_eq!(info, leaf.public_key().raw);
    assert!(!format!("{issued:?}").contains("PRIVATE"));
    assert_eq!(
        ServerNames::of_certificate(&issued.certificates).unwrap(),
        good()
    );
}

#[test]
fn serial_numbers_are_random_and_of_one_length() {
    let (authority, _) = Authority::make(&good(), NOW, 1).unwrap();
    let serial = |_| {
        let issued = authority.issue(&good(), NOW, 1).unwrap();
        let chain = ders(&issued.certificates);
        let serial = parsed(&chain[0]).raw_serial().to_vec();
        assert!(serial.len() == 16 && serial[0] & 0xc0 == 0x40, "{serial:?}");
        serial
    };
    let serials: HashSet<_> = (0..8).map(serial).collect();
    assert_eq!(serials.len(), 8);
}

#[test]
fn a_self_signed_certificate_is_its_own_authority_and_none_of_others() {
    let issued = self_signed(&good(), NOW, 30).unwrap();
    let chain = ders(&issued.certificates);
    assert_eq!(chain.len(), 1);
    let own = parsed(&chain[0]);
    assert!(!own.is_ca());
    assert_eq!(own.subject().as_raw(), own.issuer().as_raw());
    assert!(is_self_signed(&issued.certificates));
    let (authority, _) = Authority::make(&good(), NOW, 30).unwrap();
    assert!(!is_self_signed(
        &authority.issue(&good(), NOW, 30).unwrap().certificates
    ));
    assert!(!is_self_signed("nothing"));
}

#[test]
fn a_certificate_is_good_for_no_longer_than_its_authority() {
    let (authority, key) = Authority::make(&good(), NOW, 100).unwrap();
    let found = Authority::open(authority.pem(), key.expose(), NOW + 600).unwrap();
    for (authority, now, days, first, last) in [
        (&authority, NOW, 99, NOW - 600, NOW + 99 * 86_400),
        (&found, NOW, 101, NOW - 600, NOW + 100 * 86_400),
        (&found, NOW - 300, 1, NOW - 600, NOW - 300 + 86_400),
    ] {
        let issued = authority.issue(&good(), now, days).unwrap();
        let chain = ders(&issued.certificates);
        let validity = parsed(&chain[0]).validity().clone();
        assert_eq!(validity.not_before.timestamp(), first);
        assert_eq!(validity.not_after.timestamp(), last);
    }
    // A hundred years, past the two digits of a year.
    let (authority, _) = Authority::make(&good(), NOW, 36_500).unwrap();
    assert_eq!(authority.about().until, "2126-12-22");
}

#[test]
fn long_names_leave_the_common_name_out() {
    let long = names(&[&["a".repeat(60), "example".to_owned()].join(".")]).unwrap();
    let (authority, _) = Authority::make(&long, NOW, 10).unwrap();
    assert_eq!(authority.about().common_name, "RADIUS CA 2027-01-15");
    let issued = authority.issue(&long, NOW, 10).unwrap();
    assert_eq!(issued.about.common_name, "RADIUS server");
    assert_eq!(
        ServerNames::of_certificate(&issued.certificates).unwrap(),
        long
    );
}

#[test]
fn an_authority_of_another_maker_is_signed_for_under_its_very_name() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2036, 1, 1));
    let mut name = rcgen::DistinguishedName::new();
    name.push(
        DnType::CountryName,
        DnValue::PrintableString("DE".try_into().unwrap()),
    );
    name.push(DnType::OrganizationName, "Exämple");
    name.push(
        DnType::CommonName,
        DnValue::Ia5String("Example CA".try_into().unwrap()),
    );
    params.distinguished_name = name;
    let pem = params.self_signed(&key).unwrap().pem();
    // As `openssl x509 -text` writes it.
    let file = format!("Certificate:\n    Data: …\n{pem}\n\n");
    let authority = Authority::open(&file, &key.serialize_pem(), NOW).unwrap();
    assert_eq!(authority.about().common_name, "Example CA");
    let issued = authority.issue(&good(), NOW, 10).unwrap();
    let chain = ders(&issued.certificates);
    assert_eq!(
        parsed(&chain[0]).issuer().as_raw(),
        parsed(&chain[1]).subject().as_raw()
    );
    assert!(
        issued.certificates.starts_with("-----BEGIN"),
        "nothing else is passed on"
    );
    assert!(!issued.certificates.contains("Data"));
    assert!(authority.is_issuer_of(&issued.certificates));

    // The same name with another key, as that of an authority that was made anew.
    let again = KeyPair::generate().unwrap();
    let pem = params.self_signed(&again).unwrap().pem();
    let other = Authority::open(&pem, &again.serialize_pem(), NOW).unwrap();
    assert!(!other.is_issuer_of(&issued.certificates));
    assert!(!other.is_issuer_of("nothing"));
}

#[test]
fn an_authority_whose_name_cannot_be_repeated_signs_nothing() {
    let key = include_str!("tests/twofold.key");
    let authority = Authority::open(include_str!("tests/twofold.pem"), key, NOW).unwrap();
    let error = authority.issue(&good(), NOW, 10).unwrap_err().to_string();
    assert!(
        error.contains("'Twofold CA', cannot be repeated here"),
        "{error}"
    );
}

#[test]
fn what_is_no_authority_is_refused() {
    let (authority, key) = Authority::make(&good(), NOW, 100).unwrap();
    let (pem, key) = (authority.pem(), key.expose().as_str());
    let other = KeyPair::generate().unwrap().serialize_pem();
    let own = |change: fn(&mut CertificateParams)| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        change(&mut params);
        params
            .self_signed(&KeyPair::from_pem(key).unwrap())
            .unwrap()
            .pem()
    };
    let leaf = own(|params| params.is_ca = IsCa::ExplicitNoCa);
    let signs_lists = own(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    let twice = [pem, pem].concat();
    let rsa = include_str!("../authproxy/tests/certificates/rsa.pem");
    let [pkcs8, pkcs1, locked] = [
        include_str!("../authproxy/tests/certificates/rsa.pkcs8.key"),
        include_str!("../authproxy/tests/certificates/rsa.pkcs1.key"),
        include_str!("../authproxy/tests/certificates/rsa.locked.key"),
    ];
    let locked_pkcs8 = include_str!("../authproxy/tests/locked.key");
    let sec1 = include_str!("../authproxy/tests/certificates/sec1.key");
    let day = 86_400;
    for (claim, pem, key, now, want) in [
        ("good", pem, key, NOW, None),
        ("good, of RSA", rsa, pkcs8, NOW, None),
        ("in its last second", pem, key, NOW + 100 * day, None),
        ("empty", "", key, NOW, Some((false, "no certificate in it"))),
        (
            "a key",
            key,
            key,
            NOW,
            Some((false, "no certificate in it")),
        ),
        (
            "two",
            &twice,
            key,
            NOW,
            Some((false, "2 certificates in it")),
        ),
        ("a leaf", &leaf, key, NOW, Some((false, "none of a CA"))),
        (
            "for lists",
            &signs_lists,
            key,
            NOW,
            Some((false, "none of a CA")),
        ),
        (
            "expired",
            pem,
            key,
            NOW + 101 * day,
            Some((false, "expired on 2027-04-25")),
        ),
        (
            "not yet",
            pem,
            key,
            NOW - day,
            Some((false, "not valid before 2027-01-15")),
        ),
        (
            "of another",
            pem,
            &other,
            NOW,
            Some((true, "does not belong")),
        ),
        (
            "of another kind",
            pem,
            pkcs8,
            NOW,
            Some((true, "does not belong")),
        ),
        (
            "encrypted",
            pem,
            locked_pkcs8,
            NOW,
            Some((true, "has a passphrase")),
        ),
        (
            "encrypted PKCS#1",
            rsa,
            locked,
            NOW,
            Some((true, "has a passphrase")),
        ),
        (
            "PKCS#1",
            rsa,
            pkcs1,
            NOW,
            Some((true, "openssl pkcs8 -topk8")),
        ),
        ("SEC1", pem, sec1, NOW, Some((true, "openssl pkcs8 -topk8"))),
        (
            "no key",
            pem,
            pem,
            NOW,
            Some((true, "no private key in it")),
        ),
    ] {
        let fault = Authority::open(pem, key, now).err();
        let found = fault.map(|fault| (fault.is_of_key(), fault.to_string()));
        match (found, want) {
            (None, None) => {}
            (Some((of_key, said)), Some((want_key, want))) => {
                assert!(of_key == want_key && said.contains(want), "{claim}: {said}");
            }
            (found, _) => panic!("{claim}: {found:?}"),
        }
    }
}

#[test]
fn the_names_of_a_certificate_are_those_that_could_be_given() {
    let key = KeyPair::generate().unwrap();
    let of = |change: fn(&mut CertificateParams)| {
        let mut params = CertificateParams::new(["radius.example.com".to_owned()]).unwrap();
        change(&mut params);
        let pem = params.self_signed(&key).unwrap().pem();
        ServerNames::of_certificate(&pem).map(|names| names.texts())
    };
    assert_eq!(of(|_| {}).unwrap(), ["radius.example.com"]);
    let mail = of(|params| {
        let mail = rcgen::SanType::Rfc822Name("a@example.com".try_into().unwrap());
        params.subject_alt_names.insert(0, mail);
    });
    assert_eq!(mail.unwrap(), ["radius.example.com"]);
    let none = of(|params| params.subject_alt_names.clear());
    assert!(matches!(none, Err(NamesFault::Missing)));
    let wild = of(|params| {
        let name = "*.example.com".try_into().unwrap();
        params.subject_alt_names = vec![rcgen::SanType::DnsName(name)];
    });
    assert!(matches!(wild, Err(NamesFault::Bad { .. })));
    let nothing = ServerNames::of_certificate("nothing");
    assert!(matches!(nothing, Err(NamesFault::NoCertificate)));
}

#[test]
fn a_signer_that_is_no_issuer_by_name_is_told_apart() {
    let (one, _) = Authority::make(&good(), NOW, 10).unwrap();
    let (other, _) = Authority::make(&names(&["other.example"]).unwrap(), NOW, 10).unwrap();
    let issued = one.issue(&good(), NOW, 10).unwrap();
    assert!(one.is_issuer_of(&issued.certificates));
    assert!(!other.is_issuer_of(&issued.certificates));
    assert!(!one.is_issuer_of(&self_signed(&good(), NOW, 10).unwrap().certificates));
}

#[test]
fn keys_of_other_kinds_are_told_from_those_that_are_made_here() {
    let own = self_signed(&good(), NOW, 10).unwrap().certificates;
    for (claim, pem, want) in [
        ("made here", own.as_str(), false),
        (
            "P-256 of another maker",
            include_str!("../authproxy/tests/server.pem"),
            false,
        ),
        (
            "RSA",
            include_str!("../authproxy/tests/certificates/rsa.pem"),
            true,
        ),
        (
            "P-521",
            include_str!("../authproxy/tests/certificates/p521.pem"),
            true,
        ),
        ("nothing", "nothing", false),
    ] {
        assert_eq!(has_another_key(pem), want, "{claim}");
    }
}
