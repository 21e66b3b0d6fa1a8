//! Joining when a data plane starts, where nobody is there to run `countersign node join`: in a
//! container. It waits until there is a token and a control plane that takes it.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use proto::id::NodeId;
use zeroize::Zeroizing;

use super::{JoinError, KeptJoin, address_of, join};

/// Joins the control plane at `https://HOST:PORT` with the token of a file, as soon as that can be: a
/// file that is not there yet, a control plane that is away, and a token that is not taken are waited
/// for, and the file is read again each time.
///
/// # Errors
/// [`JoinError`] of what waiting does not mend: the URL is none, or the folder cannot be used.
pub async fn join_when_possible(
    folder: &Path,
    url: &str,
    token_file: &Path,
    name: Option<&NodeId>,
) -> Result<KeptJoin, JoinError> {
    address_of(url)?;
    let mut pause = FIRST_PAUSE;
    loop {
        match try_once(folder, url, token_file, name).await {
            Err(error) if may_pass(&error) => {
                tracing::warn!(
                    url,
                    token_file = %token_file.display(),
                    retry_in_s = pause.as_secs(),
                    error = &error as &dyn std::error::Error,
                    "this node has not joined yet: it serves nothing until it has"
                );
            }
            ended => return ended,
        }
        tokio::time::sleep(pause).await;
        pause = next(pause);
    }
}

async fn try_once(
    folder: &Path,
    url: &str,
    token_file: &Path,
    name: Option<&NodeId>,
) -> Result<KeptJoin, JoinError> {
    let path = token_file.to_owned();
    let token = tokio::task::spawn_blocking(move || read(&path))
        .await
        .map_err(|_| JoinError::Answer)??;
    join(folder, url, &token, name.cloned()).await
}

fn read(path: &Path) -> Result<Zeroizing<String>, JoinError> {
    let mut text = Zeroizing::new(String::with_capacity(TOKEN_OCTETS));
    let octets = u64::try_from(TOKEN_OCTETS).unwrap_or(u64::MAX);
    let opened = std::fs::File::open(path);
    opened
        .and_then(|file| file.take(octets).read_to_string(&mut text))
        .map_err(|source| JoinError::TokenFile {
            path: path.to_owned(),
            source,
        })?;
    Ok(text)
}

/// Whether it may be otherwise at the next try, with nobody at this machine.
const fn may_pass(error: &JoinError) -> bool {
    match error {
        JoinError::TokenFile { .. }
        | JoinError::Token
        | JoinError::Call(_)
        | JoinError::Away { .. }
        | JoinError::Stranger { .. }
        | JoinError::NoTls { .. }
        | JoinError::Authority
        | JoinError::Answer => true,
        JoinError::Url
        | JoinError::Key(_)
        | JoinError::Tls(_)
        | JoinError::File { .. }
        | JoinError::FileIsOpen { .. }
        | JoinError::Replaced
        | JoinError::Unreadable { .. } => false,
    }
}

fn next(pause: Duration) -> Duration {
    pause.saturating_mul(2).min(LAST_PAUSE)
}

/// A token has about 170.
const TOKEN_OCTETS: usize = 4_096;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_others_can_mend_is_waited_for_and_the_rest_is_an_end() {
        let refused = local::CallError::Refused {
            status: 401,
            body: String::new(),
        };
        let nothing = || io::Error::from(io::ErrorKind::NotFound);
        let path = || "/x".into();
        for (what, error, want) in [
            (
                "no file",
                JoinError::TokenFile {
                    path: path(),
                    source: nothing(),
                },
                true,
            ),
            ("half a file", JoinError::Token, true),
            ("a used token", JoinError::Call(refused), true),
            ("another control plane", JoinError::Authority, true),
            ("no URL", JoinError::Url, false),
            (
                "a folder that cannot be used",
                JoinError::File {
                    path: path(),
                    source: nothing(),
                },
                false,
            ),
        ] {
            assert_eq!(may_pass(&error), want, "{what}");
        }
    }

    #[test]
    fn pauses_grow_to_half_a_minute() {
        let pauses = std::iter::successors(Some(FIRST_PAUSE), |pause| Some(next(*pause)));
        let seconds: Vec<u64> = pauses.take(7).map(|pause| pause.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[tokio::test]
    async fn a_url_that_is_none_is_not_waited_with() {
        let held = tempfile::tempdir().unwrap();
        let file = held.path().join("token");
        let tried = join_when_possible(held.path(), "http://cp:8403", &file, None).await;
        assert!(matches!(tried, Err(JoinError::Url)));
    }
}
