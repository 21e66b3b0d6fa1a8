//! A node's tie to a control plane of another machine: how it joins, what it keeps of that, and the
//! renewal of its certificate. The key is made here and never leaves.

mod asking;
mod at_start;
mod file;
mod renew;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use local::{CallError, Client, Tls};
use proto::id::NodeId;
use proto::join::{JOIN_PREFIX, Join, Joined, SERVER_NAME};
use proto::rpc::SERVICE;
use proto::secret::Secret;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::sync::watch;

pub use at_start::join_when_possible;
pub use file::KeptJoin;
pub(crate) use renew::{Renewal, keep_renewed};

/// Joins the control plane at `https://HOST:PORT` with the text of a join token, under a name or
/// under that of the token, and keeps in the data plane's folder what comes of it. A node that has
/// joined before is then tied to this one.
///
/// # Errors
/// [`JoinError`]; nothing is kept then.
pub async fn join(
    folder: &Path,
    url: &str,
    token: &str,
    name: Option<NodeId>,
) -> Result<KeptJoin, JoinError> {
    let address = address_of(url)?;
    let (pin, token) = parts(token)?;
    let config = tls::pinned(pin)?;
    // The token is good once, and again for this key alone: it is not spent for what cannot be kept.
    let place = folder.to_owned();
    let (key, request) = tokio::task::spawn_blocking(move || {
        file::try_folder(&place)?;
        asking::key_and_request(&place)
    })
    .await
    .map_err(|_| JoinError::Answer)??;
    let asked = Join {
        token: Secret::new(token.to_owned()),
        node: name,
        request,
    };
    let answer: Joined = client(address, Arc::new(config))?
        .post(&format!("{SERVICE}/Join"), &asked, LIMIT)
        .await
        .map_err(|error| failed(url, error))?;
    if tls::pin_of(&answer.authority)? != pin {
        return Err(JoinError::Authority);
    }
    let joined = KeptJoin {
        url: url.trim_end_matches('/').to_owned(),
        node: answer.node,
        certificate: answer.certificate,
        authority: answer.authority,
        key,
    };
    // What could not be used is not kept.
    tls::config(&joined)?;
    let (kept, folder) = (joined.clone(), folder.to_owned());
    tokio::task::spawn_blocking(move || {
        kept.store(&folder)?;
        asking::forget(&folder);
        Ok::<(), JoinError>(())
    })
    .await
    .map_err(|_| JoinError::Answer)??;
    Ok(joined)
}

/// Why a call came to nothing: nobody there, somebody else, or a refusal.
fn failed(url: &str, error: CallError) -> JoinError {
    let url = url.to_owned();
    let CallError::Unreachable { source, .. } = &error else {
        return match error {
            CallError::TimedOut { .. } | CallError::Broken(_) => JoinError::Away { url, error },
            error => JoinError::Call(error),
        };
    };
    let inner = source.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        None => JoinError::Away { url, error },
        Some(rustls::Error::InvalidCertificate(_)) => JoinError::Stranger { url, error },
        Some(_) => JoinError::NoTls { url, error },
    }
}

/// A caller of the control plane that was joined, and what keeps it good.
pub(crate) fn link(joined: KeptJoin, folder: &Path) -> Result<(Client, Renewal), JoinError> {
    let config = watch::Sender::new(Arc::new(tls::config(&joined)?));
    let client = Client::tls(Tls {
        address: address_of(&joined.url)?.to_owned(),
        name: server_name()?,
        config: config.subscribe(),
    });
    let renewal = Renewal::new(joined, folder, client.clone(), config);
    Ok((client, renewal))
}

fn client(address: &str, config: Arc<ClientConfig>) -> Result<Client, JoinError> {
    Ok(Client::tls(Tls {
        address: address.to_owned(),
        name: server_name()?,
        config: watch::Sender::new(config).subscribe(),
    }))
}

fn server_name() -> Result<ServerName<'static>, JoinError> {
    ServerName::try_from(SERVER_NAME).map_err(|_| JoinError::Url)
}

/// `HOST:PORT` of a URL.
fn address_of(url: &str) -> Result<&str, JoinError> {
    let address = url.strip_prefix("https://").ok_or(JoinError::Url)?;
    let address = address.strip_suffix('/').unwrap_or(address);
    let (host, port) = address.rsplit_once(':').ok_or(JoinError::Url)?;
    let plain = |c: char| c.is_ascii_graphic() && !"/?#@\\".contains(c);
    let bare = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    if host.is_empty() || bare || !host.chars().all(plain) || port.parse::<u16>().is_err() {
        return Err(JoinError::Url);
    }
    Ok(address)
}

/// The digest of the authority, and the token.
fn parts(text: &str) -> Result<([u8; 32], &str), JoinError> {
    let rest = text.trim().strip_prefix(JOIN_PREFIX);
    let (pin, token) = rest
        .and_then(|rest| rest.split_once('_'))
        .ok_or(JoinError::Token)?;
    let pin = data_encoding::HEXLOWER
        .decode(pin.as_bytes())
        .map_err(|_| JoinError::Token)?;
    let pin = pin.try_into().map_err(|_| JoinError::Token)?;
    Ok((pin, token))
}

/// Why a node did not join, or cannot speak to the control plane that it joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The URL is none.
    #[error("write https://HOST:PORT, as the control plane's --node-listen has it")]
    Url,
    /// The token is none.
    #[error("the file holds no join token; make one with 'countersign node token'")]
    Token,
    /// The file of the token cannot be read.
    #[error("cannot read the join token in {}", path.display())]
    TokenFile {
        /// The file.
        path: std::path::PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No key could be made.
    #[error("cannot make a key")]
    Key(#[source] rcgen::Error),
    /// The control plane refused, or said what cannot be read.
    #[error("the control plane did not let this node join")]
    Call(#[source] CallError),
    /// The control plane was not reached.
    #[error("cannot reach the control plane at {url}")]
    Away {
        /// Where it should be.
        url: String,
        /// What was in the way.
        #[source]
        error: CallError,
    },
    /// Whoever is there has no certificate of the authority that the token is of.
    #[error(
        "what answers at {url} is not the control plane that made the token, or the clock of one of \
         the two machines is wrong"
    )]
    Stranger {
        /// Where it was looked for.
        url: String,
        /// What TLS says.
        #[source]
        error: CallError,
    },
    /// Whoever is there speaks something else.
    #[error(
        "what answers at {url} is no address for nodes: name the port of the control plane's \
         --node-listen"
    )]
    NoTls {
        /// Where it was looked for.
        url: String,
        /// What TLS says.
        #[source]
        error: CallError,
    },
    /// The authority is not the one that the token is of.
    #[error("the control plane is not the one that made the token")]
    Authority,
    /// The answer cannot be used.
    #[error("the control plane's answer cannot be used")]
    Answer,
    /// TLS cannot be set up with it.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// What is kept cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// What is kept can be read by others.
    #[error("{} can be read by others: run chmod 600 on it", path.display())]
    FileIsOpen {
        /// The file.
        path: std::path::PathBuf,
    },
    /// The node has joined again meanwhile.
    #[error("this node has joined again meanwhile: start its data plane anew")]
    Replaced,
    /// What is kept is no such document.
    #[error("{} is no good; let the node join again", path.display())]
    Unreadable {
        /// The file.
        path: std::path::PathBuf,
    },
}

const LIMIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_and_port_and_nothing_else() {
        for (url, want) in [
            ("https://cp.example.com:8403", Some("cp.example.com:8403")),
            ("https://10.0.0.1:1/", Some("10.0.0.1:1")),
            ("https://[2001:db8::1]:8403", Some("[2001:db8::1]:8403")),
            ("https://2001:db8::1:8403", None),
            ("http://cp.example.com:8403", None),
            ("https://cp.example.com", None),
            ("https://:8403", None),
            ("https://cp.example.com:8403/x", None),
            ("https://user@cp.example.com:8403", None),
            ("https://cp.example.com:99999", None),
        ] {
            assert_eq!(address_of(url).ok(), want, "{url}");
        }
    }

    #[tokio::test]
    async fn no_token_is_spent_for_what_cannot_be_kept() {
        let held = tempfile::tempdir().unwrap();
        let in_the_way = held.path().join("file");
        std::fs::write(&in_the_way, "").unwrap();
        let asked = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        asked.set_nonblocking(true).unwrap();
        let url = format!("https://{}", asked.local_addr().unwrap());
        let token = format!("csj_{}_cst_00_11", "0f".repeat(32));
        let folder = in_the_way.join("dataplane");
        let error = join(&folder, &url, &token, None).await.unwrap_err();
        assert!(matches!(error, JoinError::File { .. }), "{error}");
        assert!(asked.accept().is_err(), "nobody was asked");
    }

    #[test]
    fn a_token_has_a_pin() {
        let pin = "0f".repeat(32);
        let text = format!("csj_{pin}_cst_00_11\n");
        assert_eq!(parts(&text).unwrap(), ([15; 32], "cst_00_11"));
        for bad in [
            "",
            "cst_00_11",
            "csj_00_cst_00_11",
            &text.replace("0f", "0F"),
        ] {
            assert!(matches!(parts(bad), Err(JoinError::Token)), "{bad}");
        }
    }
}
