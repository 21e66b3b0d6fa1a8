//! Renewal: at two thirds of its life the certificate is replaced, with a new key.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use local::Client;
use proto::join::{BACK_SECONDS, Joined, Renew};
use proto::rpc::SERVICE;
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{JoinError, KeptJoin, LIMIT, failed, tls};
use crate::clock;

/// What is renewed, and where the new one goes.
pub(crate) struct Renewal {
    joined: KeptJoin,
    folder: PathBuf,
    client: Client,
    config: watch::Sender<Arc<ClientConfig>>,
}

/// From when until when a certificate is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    begins: u64,
    ends: u64,
}

impl Life {
    fn of(pem: &str) -> Result<Self, JoinError> {
        let der = tls::certificate(pem)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&der).map_err(|_| JoinError::Answer)?;
        let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp());
        let validity = parsed.validity();
        let begins = seconds(validity.not_before).map_err(|_| JoinError::Answer)?;
        Ok(Self {
            // It is good from a little before it was made.
            begins: begins.saturating_add(BACK_SECONDS),
            ends: seconds(validity.not_after).map_err(|_| JoinError::Answer)?,
        })
    }

    /// From when on it is to be renewed.
    const fn renewed_at(self) -> u64 {
        let life = self.ends.saturating_sub(self.begins);
        self.begins.saturating_add(life / 3 * 2 + life % 3 * 2 / 3)
    }

    /// How long to rest after a success, however late this clock says it is: a tenth of the life.
    fn rest(self) -> Duration {
        let life = Duration::from_secs(self.ends.saturating_sub(self.begins));
        (life / 10).clamp(FIRST_PAUSE, LAST_PAUSE)
    }

    /// How long to wait until the next try, after one that failed: a tenth of what is left.
    fn pause(self, now: u64) -> Duration {
        let left = Duration::from_secs(self.ends.saturating_sub(now));
        (left / 10).clamp(FIRST_PAUSE, LAST_PAUSE)
    }
}

impl KeptJoin {
    /// Whether its certificate has ended by this machine's clock: nobody takes it any more.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        let now = clock::unix_now();
        Life::of(&self.certificate).is_ok_and(|life| life.ends <= now)
    }
}

impl Renewal {
    pub(super) fn new(
        joined: KeptJoin,
        folder: &Path,
        client: Client,
        config: watch::Sender<Arc<ClientConfig>>,
    ) -> Self {
        Self {
            joined,
            folder: folder.to_owned(),
            client,
            config,
        }
    }

    async fn run(mut self) -> Result<(), JoinError> {
        loop {
            let life = Life::of(&self.joined.certificate)?;
            let now = clock::unix_now();
            if now < life.renewed_at() {
                let wait = Duration::from_secs(life.renewed_at() - now);
                // In steps, since clocks are set.
                tokio::time::sleep(wait.min(LOOK)).await;
                continue;
            }
            if now > life.ends {
                tracing::error!(
                    "this node's certificate has expired: let it join again with a new token; \
                     it serves on with what it has"
                );
                tokio::time::sleep(LOOK).await;
                continue;
            }
            match self.renew().await {
                Ok(()) => {
                    tracing::info!("this node's certificate was renewed");
                    tokio::time::sleep(Life::of(&self.joined.certificate)?.rest()).await;
                }
                Err(JoinError::Replaced) => return Err(JoinError::Replaced),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "this node's certificate was not renewed; tried again"
                    );
                    tokio::time::sleep(life.pause(now)).await;
                }
            }
        }
    }

    async fn renew(&mut self) -> Result<(), JoinError> {
        let (before, folder) = (self.joined.clone(), self.folder.clone());
        tokio::task::spawn_blocking(move || before.is_kept(&folder))
            .await
            .map_err(|_| JoinError::Answer)??;
        let (key, request) = tls::key_and_request()?;
        let asked = Renew {
            node: self.joined.node.clone(),
            request,
        };
        let answer: Joined = self
            .client
            .post(&format!("{SERVICE}/Renew"), &asked, LIMIT)
            .await
            .map_err(|error| failed(&self.joined.url, error))?;
        // The authority stays the one that was pinned.
        let renewed = KeptJoin {
            certificate: answer.certificate,
            key,
            ..self.joined.clone()
        };
        let config = tls::config(&renewed)?;
        let (before, kept, folder) = (self.joined.clone(), renewed.clone(), self.folder.clone());
        tokio::task::spawn_blocking(move || kept.store_over(&before, &folder))
            .await
            .map_err(|_| JoinError::Answer)??;
        self.config.send_replace(Arc::new(config));
        self.joined = renewed;
        Ok(())
    }
}

/// Renews until the token is cancelled; nothing to do for a node that joined none.
pub(crate) async fn keep_renewed(renewal: Option<Renewal>, stop: CancellationToken) {
    let Some(renewal) = renewal else {
        return;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        ended = renewal.run() => if let Err(error) = ended {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "this node's certificate is not renewed"
            );
            stop.cancelled().await;
        }
    }
}

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(600);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_at_two_thirds_and_tried_more_often_towards_the_end() {
        for (life, due) in [(90, 60), (6, 4), (5, 3), (4, 2), (0, 0)] {
            let life = Life {
                begins: 1_000,
                ends: 1_000 + life,
            };
            assert_eq!(life.renewed_at(), 1_000 + due, "{life:?}");
        }
        let life = Life {
            begins: 0,
            ends: 7_776_000,
        };
        assert_eq!(life.rest(), Duration::from_secs(3_600));
        for (now, want) in [(5_184_000, 3_600), (7_775_000, 100), (7_776_000, 1)] {
            assert_eq!(life.pause(now), Duration::from_secs(want));
        }
    }
}
