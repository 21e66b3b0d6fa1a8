//! The words of a list of ciphers: groups, names of suites, and which of ours each means.
//!
//! Groups mean what OpenSSL 3 says they do (ciphers(1)); words of older versions, whose suites
//! nobody has any more, are known so that they are told from slips.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proto::config::{CipherSuite, TlsVersion};

use CipherSuite as C;

/// A suite of TLS 1.2, and what the groups go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Suite {
    suite: CipherSuite,
    /// OpenSSL's name for it.
    name: &'static str,
    /// Whether the certificate has an ECDSA key, else an RSA one.
    ecdsa: bool,
    cipher: Cipher,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Aes256Gcm,
    Aes128Gcm,
    Chacha20,
}

impl Suite {
    const fn new(suite: CipherSuite, name: &'static str, ecdsa: bool, cipher: Cipher) -> Self {
        Self {
            suite,
            name,
            ecdsa,
            cipher,
        }
    }

    const fn rsa(self) -> bool {
        !self.ecdsa
    }

    fn aes(self) -> bool {
        self.cipher != Cipher::Chacha20
    }
}

/// Those of TLS 1.2, in OpenSSL's order of preference.
const SUITES: [Suite; 6] = [
    Suite::new(
        C::EcdheEcdsaAes256GcmSha384,
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        true,
        Cipher::Aes256Gcm,
    ),
    Suite::new(
        C::EcdheRsaAes256GcmSha384,
        "ECDHE-RSA-AES256-GCM-SHA384",
        false,
        Cipher::Aes256Gcm,
    ),
    Suite::new(
        C::EcdheEcdsaChacha20Poly1305Sha256,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        true,
        Cipher::Chacha20,
    ),
    Suite::new(
        C::EcdheRsaChacha20Poly1305Sha256,
        "ECDHE-RSA-CHACHA20-POLY1305",
        false,
        Cipher::Chacha20,
    ),
    Suite::new(
        C::EcdheEcdsaAes128GcmSha256,
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        true,
        Cipher::Aes128Gcm,
    ),
    Suite::new(
        C::EcdheRsaAes128GcmSha256,
        "ECDHE-RSA-AES128-GCM-SHA256",
        false,
        Cipher::Aes128Gcm,
    ),
];

/// Every suite in OpenSSL's order of preference, those of TLS 1.3 first.
pub(super) fn in_order() -> impl Iterator<Item = CipherSuite> {
    let newer = [
        C::Aes256GcmSha384,
        C::Chacha20Poly1305Sha256,
        C::Aes128GcmSha256,
    ];
    newer.into_iter().chain(SUITES.map(|one| one.suite))
}

/// The octets of a suite's key, in bits.
pub(super) fn strength(suite: CipherSuite) -> u32 {
    match suite {
        C::Aes128GcmSha256 | C::EcdheEcdsaAes128GcmSha256 | C::EcdheRsaAes128GcmSha256 => 128,
        _ => 256,
    }
}

/// Whether a certificate with such a key can be used with a suite; those of TLS 1.3 take any.
pub(in crate::authproxy) fn takes(suite: CipherSuite, rsa: bool) -> bool {
    SUITES
        .iter()
        .all(|one| one.suite != suite || one.rsa() == rsa)
}

/// OpenSSL's name of a suite of TLS 1.2, the IANA's of one of 1.3.
pub(in crate::authproxy) fn name(suite: CipherSuite) -> &'static str {
    SUITES
        .iter()
        .find(|one| one.suite == suite)
        .map_or(suite.as_str(), |one| one.name)
}

type Group = (&'static str, fn(Suite) -> bool);

/// The groups that have suites of ours. None of them holds one of TLS 1.3.
const GROUPS: &[Group] = &[
    ("ALL", |_| true),
    ("HIGH", |_| true),
    ("TLSv1.2", |_| true),
    ("ECDHE", |_| true),
    ("EECDH", |_| true),
    ("kECDHE", |_| true),
    ("kEECDH", |_| true),
    ("ECDH", |_| true),
    ("ECDSA", |one| one.ecdsa),
    ("aECDSA", |one| one.ecdsa),
    ("aRSA", Suite::rsa),
    ("AES", Suite::aes),
    ("AESGCM", Suite::aes),
    ("FIPS", Suite::aes),
    ("AES128", |one| one.cipher == Cipher::Aes128Gcm),
    ("AES256", |one| one.cipher == Cipher::Aes256Gcm),
    ("CHACHA20", |one| one.cipher == Cipher::Chacha20),
];

/// Stands for every suite of TLS 1.3. A word of ours: OpenSSL's lists say nothing of these.
const TLS13: &str = "TLSv1.3";

/// Groups without a suite of ours. `SHA256` and `SHA384` are among them because our suites have no
/// MAC of their own (AEAD), and `RSA` because it is the key exchange.
const EMPTY_GROUPS: &str = "\
    MEDIUM LOW DEFAULT COMPLEMENTOFDEFAULT COMPLEMENTOFALL EXP EXPORT EXPORT40 EXPORT56 \
    kRSA RSA DH kDH kDHr kDHd kDHE kEDH DHE EDH ADH AECDH kECDH kECDHr kECDHe aECDH aDH aDSS DSS \
    aNULL eNULL NULL kPSK kRSAPSK kECDHEPSK kDHEPSK aPSK PSK kSRP aSRP SRP \
    kGOST kGOST18 aGOST aGOST01 aGOST12 aGOST94 GOST GOST89 GOST94 GOST89MAC GOST2012MAC GOST12 \
    kKRB5 aKRB5 KRB5 kFZA aFZA eFZA FZA \
    AESCCM AESCCM8 CAMELLIA CAMELLIA128 CAMELLIA256 ARIA ARIAGCM ARIA128 ARIA256 \
    3DES DES RC2 RC4 IDEA SEED CBC MD5 SHA SHA1 SHA256 SHA384 \
    SSLv2 SSLv3 TLSv1 TLSv1.0 \
    SUITEB128 SUITEB128ONLY SUITEB128C2 SUITEB192";

/// OpenSSL's names of suites that are not ours, of any of its versions.
const OTHER_SUITES: &str = "\
    AES128-CCM AES128-CCM8 AES128-GCM-SHA256 AES128-SHA AES128-SHA256 \
    AES256-CCM AES256-CCM8 AES256-GCM-SHA384 AES256-SHA AES256-SHA256 \
    ADH-AES128-GCM-SHA256 ADH-AES128-SHA ADH-AES128-SHA256 \
    ADH-AES256-GCM-SHA384 ADH-AES256-SHA ADH-AES256-SHA256 \
    ADH-CAMELLIA128-SHA ADH-CAMELLIA128-SHA256 ADH-CAMELLIA256-SHA ADH-CAMELLIA256-SHA256 \
    ADH-DES-CBC-SHA ADH-DES-CBC3-SHA ADH-RC4-MD5 ADH-SEED-SHA \
    AECDH-AES128-SHA AECDH-AES256-SHA AECDH-DES-CBC3-SHA AECDH-NULL-SHA AECDH-RC4-SHA \
    ARIA128-GCM-SHA256 ARIA256-GCM-SHA384 \
    CAMELLIA128-SHA CAMELLIA128-SHA256 CAMELLIA256-SHA CAMELLIA256-SHA256 \
    DES-CBC-MD5 DES-CBC-SHA DES-CBC3-MD5 DES-CBC3-SHA \
    DH-DSS-AES128-GCM-SHA256 DH-DSS-AES128-SHA DH-DSS-AES128-SHA256 \
    DH-DSS-AES256-GCM-SHA384 DH-DSS-AES256-SHA DH-DSS-AES256-SHA256 \
    DH-DSS-CAMELLIA128-SHA DH-DSS-CAMELLIA256-SHA DH-DSS-DES-CBC-SHA DH-DSS-DES-CBC3-SHA \
    DH-DSS-SEED-SHA \
    DH-RSA-AES128-GCM-SHA256 DH-RSA-AES128-SHA DH-RSA-AES128-SHA256 \
    DH-RSA-AES256-GCM-SHA384 DH-RSA-AES256-SHA DH-RSA-AES256-SHA256 \
    DH-RSA-CAMELLIA128-SHA DH-RSA-CAMELLIA256-SHA DH-RSA-DES-CBC-SHA DH-RSA-DES-CBC3-SHA \
    DH-RSA-SEED-SHA \
    DHE-DSS-AES128-GCM-SHA256 DHE-DSS-AES128-SHA DHE-DSS-AES128-SHA256 \
    DHE-DSS-AES256-GCM-SHA384 DHE-DSS-AES256-SHA DHE-DSS-AES256-SHA256 \
    DHE-DSS-ARIA128-GCM-SHA256 DHE-DSS-ARIA256-GCM-SHA384 \
    DHE-DSS-CAMELLIA128-SHA DHE-DSS-CAMELLIA128-SHA256 \
    DHE-DSS-CAMELLIA256-SHA DHE-DSS-CAMELLIA256-SHA256 DHE-DSS-RC4-SHA DHE-DSS-SEED-SHA \
    DHE-PSK-AES128-CBC-SHA DHE-PSK-AES128-CBC-SHA256 DHE-PSK-AES128-CCM DHE-PSK-AES128-CCM8 \
    DHE-PSK-AES128-GCM-SHA256 DHE-PSK-AES256-CBC-SHA DHE-PSK-AES256-CBC-SHA384 \
    DHE-PSK-AES256-CCM DHE-PSK-AES256-CCM8 DHE-PSK-AES256-GCM-SHA384 \
    DHE-PSK-ARIA128-GCM-SHA256 DHE-PSK-ARIA256-GCM-SHA384 \
    DHE-PSK-CAMELLIA128-SHA256 DHE-PSK-CAMELLIA256-SHA384 DHE-PSK-CHACHA20-POLY1305 \
    DHE-PSK-NULL-SHA DHE-PSK-NULL-SHA256 DHE-PSK-NULL-SHA384 \
    DHE-RSA-AES128-CCM DHE-RSA-AES128-CCM8 DHE-RSA-AES128-GCM-SHA256 \
    DHE-RSA-AES128-SHA DHE-RSA-AES128-SHA256 \
    DHE-RSA-AES256-CCM DHE-RSA-AES256-CCM8 DHE-RSA-AES256-GCM-SHA384 \
    DHE-RSA-AES256-SHA DHE-RSA-AES256-SHA256 \
    DHE-RSA-ARIA128-GCM-SHA256 DHE-RSA-ARIA256-GCM-SHA384 \
    DHE-RSA-CAMELLIA128-SHA DHE-RSA-CAMELLIA128-SHA256 \
    DHE-RSA-CAMELLIA256-SHA DHE-RSA-CAMELLIA256-SHA256 \
    DHE-RSA-CHACHA20-POLY1305 DHE-RSA-SEED-SHA \
    ECDH-ECDSA-AES128-GCM-SHA256 ECDH-ECDSA-AES128-SHA ECDH-ECDSA-AES128-SHA256 \
    ECDH-ECDSA-AES256-GCM-SHA384 ECDH-ECDSA-AES256-SHA ECDH-ECDSA-AES256-SHA384 \
    ECDH-ECDSA-CAMELLIA128-SHA256 ECDH-ECDSA-CAMELLIA256-SHA384 \
    ECDH-ECDSA-DES-CBC3-SHA ECDH-ECDSA-NULL-SHA ECDH-ECDSA-RC4-SHA \
    ECDH-RSA-AES128-GCM-SHA256 ECDH-RSA-AES128-SHA ECDH-RSA-AES128-SHA256 \
    ECDH-RSA-AES256-GCM-SHA384 ECDH-RSA-AES256-SHA ECDH-RSA-AES256-SHA384 \
    ECDH-RSA-CAMELLIA128-SHA256 ECDH-RSA-CAMELLIA256-SHA384 \
    ECDH-RSA-DES-CBC3-SHA ECDH-RSA-NULL-SHA ECDH-RSA-RC4-SHA \
    ECDHE-ARIA128-GCM-SHA256 ECDHE-ARIA256-GCM-SHA384 \
    ECDHE-ECDSA-AES128-CCM ECDHE-ECDSA-AES128-CCM8 ECDHE-ECDSA-AES128-SHA \
    ECDHE-ECDSA-AES128-SHA256 ECDHE-ECDSA-AES256-CCM ECDHE-ECDSA-AES256-CCM8 \
    ECDHE-ECDSA-AES256-SHA ECDHE-ECDSA-AES256-SHA384 \
    ECDHE-ECDSA-ARIA128-GCM-SHA256 ECDHE-ECDSA-ARIA256-GCM-SHA384 \
    ECDHE-ECDSA-CAMELLIA128-SHA256 ECDHE-ECDSA-CAMELLIA256-SHA384 \
    ECDHE-ECDSA-DES-CBC3-SHA ECDHE-ECDSA-NULL-SHA ECDHE-ECDSA-RC4-SHA \
    ECDHE-PSK-AES128-CBC-SHA ECDHE-PSK-AES128-CBC-SHA256 \
    ECDHE-PSK-AES256-CBC-SHA ECDHE-PSK-AES256-CBC-SHA384 \
    ECDHE-PSK-CAMELLIA128-SHA256 ECDHE-PSK-CAMELLIA256-SHA384 ECDHE-PSK-CHACHA20-POLY1305 \
    ECDHE-PSK-NULL-SHA ECDHE-PSK-NULL-SHA256 ECDHE-PSK-NULL-SHA384 \
    ECDHE-RSA-AES128-SHA ECDHE-RSA-AES128-SHA256 ECDHE-RSA-AES256-SHA ECDHE-RSA-AES256-SHA384 \
    ECDHE-RSA-CAMELLIA128-SHA256 ECDHE-RSA-CAMELLIA256-SHA384 \
    ECDHE-RSA-DES-CBC3-SHA ECDHE-RSA-NULL-SHA ECDHE-RSA-RC4-SHA \
    EDH-DSS-DES-CBC-SHA EDH-DSS-DES-CBC3-SHA EDH-RSA-DES-CBC-SHA EDH-RSA-DES-CBC3-SHA \
    EXP-ADH-DES-CBC-SHA EXP-ADH-RC4-MD5 EXP-DES-CBC-SHA EXP-EDH-DSS-DES-CBC-SHA \
    EXP-EDH-RSA-DES-CBC-SHA EXP-RC2-CBC-MD5 EXP-RC4-MD5 \
    EXP1024-DES-CBC-SHA EXP1024-DHE-DSS-DES-CBC-SHA EXP1024-DHE-DSS-RC4-SHA EXP1024-RC4-SHA \
    GOST2001-GOST89-GOST89 GOST2001-NULL-GOST94 GOST2012-GOST8912-GOST8912 \
    GOST2012-NULL-GOST12 GOST94-GOST89-GOST89 GOST94-NULL-GOST94 \
    IDEA-CBC-MD5 IDEA-CBC-SHA NULL-MD5 NULL-SHA NULL-SHA256 \
    PSK-3DES-EDE-CBC-SHA PSK-AES128-CBC-SHA PSK-AES128-CBC-SHA256 PSK-AES128-CCM \
    PSK-AES128-CCM8 PSK-AES128-GCM-SHA256 PSK-AES256-CBC-SHA PSK-AES256-CBC-SHA384 \
    PSK-AES256-CCM PSK-AES256-CCM8 PSK-AES256-GCM-SHA384 \
    PSK-ARIA128-GCM-SHA256 PSK-ARIA256-GCM-SHA384 \
    PSK-CAMELLIA128-SHA256 PSK-CAMELLIA256-SHA384 PSK-CHACHA20-POLY1305 \
    PSK-NULL-SHA PSK-NULL-SHA256 PSK-NULL-SHA384 PSK-RC4-SHA \
    RC2-CBC-MD5 RC4-MD5 RC4-SHA \
    RSA-PSK-3DES-EDE-CBC-SHA RSA-PSK-AES128-CBC-SHA RSA-PSK-AES128-CBC-SHA256 \
    RSA-PSK-AES128-GCM-SHA256 RSA-PSK-AES256-CBC-SHA RSA-PSK-AES256-CBC-SHA384 \
    RSA-PSK-AES256-GCM-SHA384 RSA-PSK-ARIA128-GCM-SHA256 RSA-PSK-ARIA256-GCM-SHA384 \
    RSA-PSK-CAMELLIA128-SHA256 RSA-PSK-CAMELLIA256-SHA384 RSA-PSK-CHACHA20-POLY1305 \
    RSA-PSK-NULL-SHA RSA-PSK-NULL-SHA256 RSA-PSK-NULL-SHA384 RSA-PSK-RC4-SHA \
    SEED-SHA SRP-3DES-EDE-CBC-SHA SRP-AES-128-CBC-SHA SRP-AES-256-CBC-SHA \
    SRP-DSS-3DES-EDE-CBC-SHA SRP-DSS-AES-128-CBC-SHA SRP-DSS-AES-256-CBC-SHA \
    SRP-RSA-3DES-EDE-CBC-SHA SRP-RSA-AES-128-CBC-SHA SRP-RSA-AES-256-CBC-SHA";

/// The words without a suite of ours: groups, and both kinds of names.
static OTHERS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let registered = (0..=u16::MAX)
        .filter_map(|number| rustls::CipherSuite::from(number).as_str())
        .filter(|name| name.contains("_WITH_") || name.starts_with("TLS13_"))
        // What rustls writes of those that came with TLS 1.3 is not the registry's name.
        .map(|name| match name {
            "TLS13_AES_128_CCM_SHA256" => "TLS_AES_128_CCM_SHA256",
            "TLS13_AES_128_CCM_8_SHA256" => "TLS_AES_128_CCM_8_SHA256",
            name => name,
        });
    EMPTY_GROUPS
        .split_whitespace()
        .chain(OTHER_SUITES.split_whitespace())
        .chain(registered)
        .collect()
});

/// The suites that a word means, any number of them; none for what is no word at all.
pub(super) fn meaning(word: &str) -> Option<Vec<CipherSuite>> {
    if word == TLS13 {
        let newer = |one: &CipherSuite| one.version() == TlsVersion::Tls13;
        return Some(in_order().filter(newer).collect());
    }
    if let Some(suite) = in_order().find(|one| one.as_str() == word || name(*one) == word) {
        return Some(vec![suite]);
    }
    if let Some((_, holds)) = GROUPS.iter().find(|(name, _)| *name == word) {
        let held = SUITES.iter().filter(|one| holds(**one));
        return Some(held.map(|one| one.suite).collect());
    }
    OTHERS.contains(word).then(Vec::new)
}

/// Every word there is, those that mean something here first.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    GROUPS
        .iter()
        .map(|(name, _)| *name)
        .chain([TLS13])
        .chain(in_order().flat_map(|one| [name(one), one.as_str()]))
        .chain(OTHERS.iter().copied())
}
