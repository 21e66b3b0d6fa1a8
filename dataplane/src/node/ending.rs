//! How a node ends: told to stop, or after another process took over.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Node;
use super::succession::Held;
use crate::server::eap;
use crate::server::handover::{Given, LONGEST_END};

impl Node {
    /// Takes no new logins, waits for those in flight, then closes the sockets. Gives how many
    /// were left when the grace period ended.
    pub(crate) async fn drain(&self, grace: Duration) -> u64 {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.logins.close();
        self.shared.telling.close();
        let done = async {
            loop {
                self.shared.logins.wait().await;
                self.shared.telling.wait().await;
                // A conversation that goes on may have begun a login meanwhile.
                if self.shared.logins.is_empty() {
                    return;
                }
            }
        };
        // Who does not confirm its end is not waited for.
        let tidying = async {
            let mut tick = tokio::time::interval(EXPIRY_CHECK);
            loop {
                tick.tick().await;
                eap::expire(&self.shared);
            }
        };
        tokio::select! {
            _ = tokio::time::timeout(grace, done) => {}
            () = tidying => {}
        }
        let left = self.shared.in_flight.load(Ordering::Relaxed);
        self.shared.abandoned.cancel();
        self.shared.logins.wait().await;
        self.applying.lock().await.sites.stop();
        eap::stop(&self.shared);
        u64::try_from(left).unwrap_or(u64::MAX)
    }

    /// Ends the logins that are under way after another process has taken over, and closes the sockets.
    /// Where that process is gone before, and no other serves at `admin`, this one serves again.
    pub(crate) async fn end_after(
        &self,
        mut given: Given,
        held: Held,
        shutdown: &CancellationToken,
        grace: Duration,
        admin: &Path,
    ) -> After {
        let shared = &self.shared;
        let drained = shared.draining.swap(true, Ordering::Relaxed);
        shared.logins.close();
        shared.telling.close();
        // Who took over may be the only one that is told.
        let stops = shutdown.child_token();
        let longest = async {
            tokio::select! {
                () = tokio::time::sleep(LONGEST_END) => {}
                () = async {
                    stops.cancelled().await;
                    tokio::time::sleep(grace).await;
                } => {}
            }
        };
        let mut ending = std::pin::pin!(async {
            tokio::select! {
                () = self.idle() => {}
                () = longest => {}
            }
        });
        let mut telling = Box::pin(given.run(shared, &stops));
        let alone = tokio::select! {
            () = &mut telling => true,
            () = &mut ending => false,
        };
        if !alone {
            let left = self.abandon(&held).await;
            Given::over(shared);
            drop(tokio::time::timeout(LAST_WORDS, telling).await);
            return After::Ended(left);
        }
        drop(telling);
        if !stops.is_cancelled() && !is_served(admin).await {
            tracing::error!("the program that took over is gone: this one serves again");
            shared.draining.store(drained, Ordering::Relaxed);
            shared.logins.reopen();
            shared.telling.reopen();
            given.taken_back(shared);
            return After::TakenBack;
        }
        given.bereft(shared);
        ending.await;
        After::Ended(self.abandon(&held).await)
    }

    /// Ends what is under way, and closes the sockets. Gives how many logins that were.
    async fn abandon(&self, held: &Held) -> u64 {
        let shared = &self.shared;
        let left = shared.in_flight.load(Ordering::Relaxed);
        shared.abandoned.cancel();
        shared.logins.wait().await;
        eap::stop(shared);
        held.stop_reading();
        u64::try_from(left).unwrap_or(u64::MAX)
    }

    /// Waits until nobody waits here for anything.
    async fn idle(&self) {
        let mut tick = tokio::time::interval(IDLE_CHECK);
        loop {
            tick.tick().await;
            eap::expire(&self.shared);
            if self.shared.is_idle() {
                return;
            }
        }
    }
}

/// What became of a process that was taken over from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    /// It has ended its logins; so many were left when that took too long, or when it was told to stop
    /// and the grace period was over.
    Ended(u64),
    /// It serves again.
    TakenBack,
}

/// Whether a process of this node serves there. One that is about to be gone may be connected to, but
/// says nothing any more; one that says nothing, and stays, is taken for one that serves: two must not
/// read the same sockets.
async fn is_served(admin: &Path) -> bool {
    let client = local::Client::new(admin);
    let found = async {
        let mut tick = tokio::time::interval(SERVED_CHECK);
        loop {
            tick.tick().await;
            match client.get_octets("/status", LAST_WORDS).await {
                Ok(_) => return true,
                Err(local::CallError::Unreachable { source, .. })
                    if matches!(
                        source.kind(),
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused
                    ) =>
                {
                    return false;
                }
                Err(_) => {}
            }
        }
    };
    tokio::time::timeout(LAST_WORDS, found)
        .await
        .unwrap_or(true)
}

/// How often conversations of EAP are looked at while the node drains.
const EXPIRY_CHECK: Duration = Duration::from_secs(1);
/// How often it is looked whether the last login has ended.
const IDLE_CHECK: Duration = Duration::from_millis(200);
/// How often a process that says nothing is asked again.
const SERVED_CHECK: Duration = Duration::from_millis(20);
/// What the last answers may take to the process that sends them.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(5);
