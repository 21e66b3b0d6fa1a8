//! How a node ends: told to stop, or after another process took over.

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
    /// Gives how many were left when that took too long, or when `shutdown` came and the grace period
    /// was over.
    pub(crate) async fn end_after(
        &self,
        given: Given,
        held: Held,
        shutdown: &CancellationToken,
        grace: Duration,
    ) -> u64 {
        let shared = &self.shared;
        shared.draining.store(true, Ordering::Relaxed);
        shared.logins.close();
        shared.telling.close();
        let mut telling = std::pin::pin!(given.run(shared));
        let longest = async {
            tokio::select! {
                () = tokio::time::sleep(LONGEST_END) => {}
                () = async {
                    shutdown.cancelled().await;
                    tokio::time::sleep(grace).await;
                } => {}
            }
        };
        let ending = async {
            tokio::select! {
                () = self.idle() => {}
                () = longest => {}
            }
        };
        let alone = tokio::select! {
            () = &mut telling => true,
            () = ending => false,
        };
        let left = shared.in_flight.load(Ordering::Relaxed);
        shared.abandoned.cancel();
        shared.logins.wait().await;
        eap::stop(shared);
        held.stop_reading();
        if !alone {
            Given::over(shared);
            drop(tokio::time::timeout(LAST_WORDS, telling).await);
        }
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

/// How often conversations of EAP are looked at while the node drains.
const EXPIRY_CHECK: Duration = Duration::from_secs(1);
/// How often it is looked whether the last login has ended.
const IDLE_CHECK: Duration = Duration::from_millis(200);
/// What the last answers may take to the process that sends them.
const LAST_WORDS: Duration = Duration::from_secs(5);
