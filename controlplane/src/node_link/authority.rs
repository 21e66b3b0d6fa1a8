//! The authority of the nodes' certificates, sealed in the store, and the server's side of TLS.

use std::sync::{Arc, Mutex, PoisonError};

use proto::join::{JOIN_PROTOCOL, SERVER_NAME};
use proto::secret::{Secret, on_the_wire};
use rustls::crypto::ring::default_provider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::issue::{Authority, AuthorityFault, IssueError, ServerNames};
use crate::store::{Store, StoreError};

/// The authority, and what is served with it.
pub(crate) struct NodeAuthority {
    authority: Authority,
    served: Mutex<Option<Served>>,
}

/// The server's side, with a certificate of its own.
#[derive(Clone)]
pub(crate) struct Served {
    /// From when on it is made anew, in seconds since 1970.
    renew_at: i64,
    /// For nodes: no connection without a certificate.
    pub(crate) nodes: Arc<ServerConfig>,
    /// For those who join.
    pub(crate) joining: Arc<ServerConfig>,
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    certificate: String,
    #[serde(with = "on_the_wire")]
    key: Secret<String>,
}

impl NodeAuthority {
    /// The one of the store; made when there is none yet. `now` is in seconds since 1970.
    pub(crate) async fn open(store: &Store, now: i64) -> Result<Self, NodeAuthorityError> {
        let kept = match store.fetch_document(DOCUMENT).await? {
            Some(kept) => kept,
            None => {
                let (authority, key) = Authority::make(&names()?, now, AUTHORITY_DAYS)?;
                let certificate = authority.pem().to_owned();
                let made = zeroize::Zeroizing::new(
                    serde_json::to_vec(&Kept { certificate, key })
                        .map_err(|_| NodeAuthorityError::Unreadable)?,
                );
                store.put_first_document(DOCUMENT, &made).await?
            }
        };
        let kept: Kept =
            serde_json::from_slice(&kept).map_err(|_| NodeAuthorityError::Unreadable)?;
        Ok(Self {
            authority: Authority::open(&kept.certificate, kept.key.expose(), now)?,
            served: Mutex::new(None),
        })
    }

    pub(crate) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// SHA-256 of its certificate, in hexadecimal digits.
    pub(crate) fn pin(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.authority.der());
        data_encoding::HEXLOWER.encode(digest.as_ref())
    }

    /// What connections are served with now.
    pub(crate) fn served(&self, now: i64) -> Result<Served, NodeAuthorityError> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(good) = served.as_ref().filter(|one| now < one.renew_at) {
            return Ok(good.clone());
        }
        let made = self.serve(now)?;
        *served = Some(made.clone());
        Ok(made)
    }

    fn serve(&self, now: i64) -> Result<Served, NodeAuthorityError> {
        let issued = self.authority.issue(&names()?, now, SERVER_DAYS)?;
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(issued.certificates.as_bytes()).collect();
        let chain = chain.map_err(|_| NodeAuthorityError::Unreadable)?;
        let key = || {
            PrivateKeyDer::from_pem_slice(issued.private_key.expose().as_bytes())
                .map_err(|_| NodeAuthorityError::Unreadable)
        };
        let provider = Arc::new(default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone())?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(NodeAuthorityError::Verifier)?;
        let start = || {
            ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&[&rustls::version::TLS13])
        };
        let mut nodes = start()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key()?)?;
        // Who comes back shows its certificate again.
        nodes.session_storage = Arc::new(NoServerSessionStorage {});
        nodes.send_tls13_tickets = 0;
        let mut joining = start()?
            .with_no_client_auth()
            .with_single_cert(chain, key()?)?;
        joining.alpn_protocols = vec![JOIN_PROTOCOL.to_vec()];
        joining.session_storage = Arc::new(NoServerSessionStorage {});
        joining.send_tls13_tickets = 0;
        Ok(Served {
            renew_at: now.saturating_add(RENEW_SECONDS),
            nodes: Arc::new(nodes),
            joining: Arc::new(joining),
        })
    }
}

fn names() -> Result<ServerNames, NodeAuthorityError> {
    ServerNames::parse(&[SERVER_NAME.to_owned()]).map_err(|_| NodeAuthorityError::Unreadable)
}

/// Why there is no authority for nodes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeAuthorityError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// It cannot be made, or it cannot sign.
    #[error("cannot make a certificate for nodes")]
    Issue(#[from] IssueError),
    /// The one that is kept is no good.
    #[error("the authority of the nodes is no good")]
    Kept(#[from] AuthorityFault),
    /// What is kept is no such document.
    #[error("the authority of the nodes cannot be read")]
    Unreadable,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The same.
    #[error("TLS cannot be set up")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

const DOCUMENT: &str = "node_authority";
/// Twenty years: each node has it.
const AUTHORITY_DAYS: u32 = 7_300;
const SERVER_DAYS: u32 = 30;
const RENEW_SECONDS: i64 = 10 * 86_400;
