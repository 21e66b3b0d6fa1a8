//! Certificates for the peers, made once for each test process and kept in memory.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::OnceLock,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, date_time_ymd,
};

/// A key of RSA, which cannot be made here. It is for these tests alone and keeps nothing safe.
const RSA_2048: &str = include_str!("../../fixtures/pki/rsa-2048.key");

/// A certificate and its key, both PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate, and those between it and the authority.
    pub certificate: String,
    /// Its private key, PKCS #8.
    pub key: String,
}

/// A certificate authority, what it issued, and what must not be trusted. All keys are P-256, but that
/// of `rsa`.
#[derive(Debug)]
pub struct Pki {
    /// The certificate of the authority that the tests trust.
    pub ca: String,
    /// For `localhost`, `127.0.0.1` and `::1`.
    pub server: Identity,
    /// For the user `u01`, as a TLS client.
    pub client: Identity,
    /// The certificate of an authority that nobody trusts.
    pub rogue_ca: String,
    /// Like `server`, issued by the rogue authority.
    pub rogue: Identity,
    /// Like `server`, valid during 2020 only.
    pub expired: Identity,
    /// Issued by the good authority, for the name `elsewhere.invalid`.
    pub other_name: Identity,
    /// Like `server`, with a key of RSA, 2048 bits.
    pub rsa: Identity,
    /// Like `server`, issued by an authority between it and the good one, whose certificate follows.
    pub chain: Identity,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    /// The certificates of this test process.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Pki> = OnceLock::new();
        SHARED.get_or_init(Self::make)
    }

    /// A server's certificate of the good authority for these names and addresses.
    #[must_use]
    pub fn server_for(&self, names: &[&str]) -> Identity {
        issue(
            &leaf(names[0], names, ExtendedKeyUsagePurpose::ServerAuth),
            &self.issuer,
        )
    }

    /// Like `server`, good until this second since 1970.
    #[must_use]
    pub fn server_until(&self, unix_seconds: u64) -> Identity {
        let here = ["localhost", "127.0.0.1", "::1"];
        let mut params = leaf("localhost", &here, ExtendedKeyUsagePurpose::ServerAuth);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_seconds);
        issue(&params, &self.issuer)
    }

    /// Writes all of it into a folder: `ca.pem`, `rogue-ca.pem`, and `NAME.pem` with `NAME.key` for
    /// `server`, `client`, `rogue`, `expired`, `other-name`, `rsa` and `chain`.
    pub fn write(&self, folder: &Path) {
        fs::write(folder.join("ca.pem"), &self.ca).unwrap();
        fs::write(folder.join("rogue-ca.pem"), &self.rogue_ca).unwrap();
        for (name, identity) in [
            ("server", &self.server),
            ("client", &self.client),
            ("rogue", &self.rogue),
            ("expired", &self.expired),
            ("other-name", &self.other_name),
            ("rsa", &self.rsa),
            ("chain", &self.chain),
        ] {
            fs::write(folder.join(format!("{name}.pem")), &identity.certificate).unwrap();
            let key = folder.join(format!("{name}.key"));
            fs::write(&key, &identity.key).unwrap();
            // Others could read it otherwise, which is a warning.
            fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        }
    }

    fn make() -> Self {
        let (ca, issuer) = authority("Test CA");
        let (rogue_ca, rogue_issuer) = authority("Rogue CA");
        let here = ["localhost", "127.0.0.1", "::1"];
        let for_server = || leaf("localhost", &here, ExtendedKeyUsagePurpose::ServerAuth);
        let mut expired = for_server();
        expired.not_before = date_time_ymd(2020, 1, 1);
        expired.not_after = date_time_ymd(2021, 1, 1);
        let elsewhere = ["elsewhere.invalid"];
        let rsa = KeyPair::from_pem_and_sign_algo(RSA_2048, &PKCS_RSA_SHA256).unwrap();
        let (between, middle) = intermediate("Test Intermediate CA", &issuer);
        let mut chain = issue(&for_server(), &middle);
        chain.certificate += &between;
        Self {
            server: issue(&for_server(), &issuer),
            client: issue(
                &leaf(
                    "u01",
                    &["u01.example.com"],
                    ExtendedKeyUsagePurpose::ClientAuth,
                ),
                &issuer,
            ),
            rogue: issue(&for_server(), &rogue_issuer),
            expired: issue(&expired, &issuer),
            other_name: issue(
                &leaf(
                    elsewhere[0],
                    &elsewhere,
                    ExtendedKeyUsagePurpose::ServerAuth,
                ),
                &issuer,
            ),
            rsa: issue_for(&for_server(), &rsa, &issuer),
            chain,
            ca,
            rogue_ca,
            issuer,
        }
    }
}

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
    let certificate = params.self_signed(&key).unwrap().pem();
    (certificate, Issuer::new(params, key))
}

/// An authority whose certificate another one issued.
fn intermediate(name: &str, above: &Issuer<'_, KeyPair>) -> (String, Issuer<'static, KeyPair>) {
    let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
    let certificate = params.signed_by(&key, above).unwrap().pem();
    (certificate, Issuer::new(params, key))
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf(name: &str, alternatives: &[&str], purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let names: Vec<String> = alternatives.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![purpose];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

fn issue(params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Identity {
    issue_for(params, &KeyPair::generate().unwrap(), issuer)
}

fn issue_for(params: &CertificateParams, key: &KeyPair, issuer: &Issuer<'_, KeyPair>) -> Identity {
    let certificate = params.signed_by(key, issuer).unwrap().pem();
    Identity {
        certificate,
        key: key.serialize_pem(),
    }
}
