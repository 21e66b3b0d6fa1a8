//! The authority that signs the server's certificate: made here, or found in its two files.

use proto::secret::Secret;
use rcgen::{
    BasicConstraints, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use super::{
    About, COMMON_NAME_CHARACTERS, IssueError, Issued, ServerNames, Span, day, last_second, params,
    server,
};

/// An authority, ready to sign.
#[derive(Debug)]
pub struct Authority {
    pub(super) der: CertificateDer<'static>,
    pem: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) span: Span,
    about: About,
}

/// Why two files are no authority.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityFault {
    /// The certificate's file has none, or one that cannot be parsed.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// There are several, and which one signs is not said.
    #[error("there are {0} certificates in it; leave the one of the CA's key alone")]
    SeveralCertificates(usize),
    /// The certificate is none of an authority.
    #[error("the certificate is none of a CA (basicConstraints=CA:true, keyUsage=keyCertSign)")]
    NoAuthority,
    /// It is not good yet.
    #[error("the CA is not valid before {0}; set the clock")]
    NotYet(String),
    /// It is no longer good.
    #[error(
        "the CA has expired on {0}; make another in another folder, and give it to the supplicants \
         before the server shows its certificate"
    )]
    Expired(String),
    /// The key's file is encrypted.
    #[error("the CA's key has a passphrase; decrypt it with 'openssl pkey' for the while")]
    KeyLocked,
    /// The key has a format or is of a kind that is not signed with here.
    #[error(
        "the CA's key cannot be used here; if it is one of P-256, P-384, Ed25519 or RSA with 2048 \
         to 4096 bits, write it anew with 'openssl pkcs8 -topk8 -nodes'"
    )]
    KeyUnusable,
    /// There is no key in the key's file.
    #[error("there is no private key in it")]
    NoKey,
    /// The key is of another certificate.
    #[error("the key does not belong to the CA's certificate; bring the right one")]
    KeyOfAnother,
}

impl AuthorityFault {
    /// Whether the fault is in the key's file, and not in that of the certificate.
    #[must_use]
    pub const fn is_of_key(&self) -> bool {
        matches!(
            self,
            Self::KeyLocked | Self::KeyUnusable | Self::NoKey | Self::KeyOfAnother
        )
    }
}

impl Authority {
    /// Makes one, called after the server's first name and the day, and gives its key as PEM text
    /// besides. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn make(
        names: &ServerNames,
        now: i64,
        days: u32,
    ) -> Result<(Self, Secret<String>), IssueError> {
        let span = Span::from_now(now, days);
        let mut called = format!("{} CA {}", names.first(), day(now));
        if called.len() > COMMON_NAME_CHARACTERS {
            called = format!("RADIUS CA {}", day(now));
        }
        let mut params = params(&called, span)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let private_key = Secret::new(key.serialize_pem());
        let made = params.self_signed(&key)?;
        let authority = Self {
            about: About::of(made.der()),
            pem: made.pem(),
            der: made.der().clone(),
            issuer: Issuer::new(params, key),
            span,
        };
        Ok((authority, private_key))
    }

    /// Takes one from the text of its two files.
    ///
    /// # Errors
    /// [`AuthorityFault`].
    pub fn open(certificate: &str, key: &str, now: i64) -> Result<Self, AuthorityFault> {
        let found: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
        let der = match <[_; 1]>::try_from(found.unwrap_or_default()) {
            Ok([der]) => der,
            Err(none) if none.is_empty() => return Err(AuthorityFault::NoCertificate),
            Err(several) => return Err(AuthorityFault::SeveralCertificates(several.len())),
        };
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&der).map_err(|_| AuthorityFault::NoCertificate)?;
        may_sign(&parsed)?;
        let span = Span {
            first: parsed.validity().not_before.timestamp(),
            last: last_second(&parsed),
        };
        if now < span.first {
            return Err(AuthorityFault::NotYet(day(span.first)));
        }
        if now > span.last {
            return Err(AuthorityFault::Expired(day(span.last)));
        }
        let key = private_key(key)?;
        if key.subject_public_key_info() != parsed.public_key().raw {
            return Err(AuthorityFault::KeyOfAnother);
        }
        let issuer =
            Issuer::from_ca_cert_der(&der, key).map_err(|_| AuthorityFault::NoCertificate)?;
        Ok(Self {
            about: About::of(&der),
            pem: certificate.to_owned(),
            issuer,
            span,
            der,
        })
    }

    /// Signs a certificate for a server, with a key of its own. It is good for so many days, and no
    /// longer than the authority. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(&self, names: &ServerNames, now: i64, days: u32) -> Result<Issued, IssueError> {
        let mut span = Span::from_now(now, days);
        span.first = span.first.max(self.span.first);
        span.last = span.last.min(self.span.last);
        let (params, key) = server(names, span)?;
        let made = params.signed_by(&key, &self.issuer)?;
        if !self.has_signed(made.der()) {
            return Err(IssueError::AuthorityName(self.about.common_name.clone()));
        }
        Ok(Issued {
            about: About::of(made.der()),
            certificates: [made.pem(), self.own_pem()].concat(),
            private_key: Secret::new(key.serialize_pem()),
        })
    }

    /// Whether the first certificate of a PEM text says that this authority signed it.
    #[must_use]
    pub fn is_issuer_of(&self, pem: &str) -> bool {
        CertificateDer::from_pem_slice(pem.as_bytes()).is_ok_and(|der| self.has_signed(&der))
    }

    /// The certificate's file, for the supplicants.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What there is to tell of it.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// The certificate alone, without what else may stand in its file.
    fn own_pem(&self) -> String {
        let begin = self.pem.find("-----BEGIN CERTIFICATE").unwrap_or_default();
        let own = self.pem.get(begin..).unwrap_or_default().trim_end();
        let end = own.find(END).map_or(own.len(), |end| end + END.len());
        format!("{}\n", own.get(..end).unwrap_or(own))
    }

    /// By the name of the issuer and the identifier of its key, where both have one.
    fn has_signed(&self, der: &CertificateDer<'_>) -> bool {
        let parse = x509_parser::parse_x509_certificate;
        let (Ok((_, own)), Ok((_, leaf))) = (parse(&self.der), parse(der)) else {
            return false;
        };
        let keys = (identifier_of_issuer(&leaf), identifier(&own));
        own.subject().as_raw() == leaf.issuer().as_raw()
            && match keys {
                (Some(said), Some(own)) => said == own,
                _ => true,
            }
    }
}

fn may_sign(certificate: &X509Certificate<'_>) -> Result<(), AuthorityFault> {
    let usage = certificate.key_usage().ok().flatten();
    let signs = usage.is_none_or(|usage| usage.value.key_cert_sign());
    if certificate.is_ca() && signs {
        Ok(())
    } else {
        Err(AuthorityFault::NoAuthority)
    }
}

fn private_key(text: &str) -> Result<KeyPair, AuthorityFault> {
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("4,ENCRYPTED") {
        return Err(AuthorityFault::KeyLocked);
    }
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs8(key)) => {
            KeyPair::try_from(&key).map_err(|_| AuthorityFault::KeyUnusable)
        }
        Ok(_) => Err(AuthorityFault::KeyUnusable),
        Err(_) => Err(AuthorityFault::NoKey),
    }
}

fn identifier<'a>(certificate: &X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate
        .iter_extensions()
        .find_map(|one| match one.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        })
}

fn identifier_of_issuer<'a>(certificate: &X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate
        .iter_extensions()
        .find_map(|one| match one.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                id.key_identifier.as_ref().map(|id| id.0)
            }
            _ => None,
        })
}

const END: &str = "-----END CERTIFICATE-----";
