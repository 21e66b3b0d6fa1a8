//! Asks a dead host whether it is alive again, by Status-Server (RFC 5997).
//!
//! Whatever it answers with, verified, revives it; so does its answer to a login. Some servers
//! ignore Status-Server: those are tried by a login now and then, which is not done here.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;

use super::host::Inner;
use super::outgoing::status_server;
use super::silence::Silence;
use super::socket::{Ticket, Waiter};
use crate::primary::check::now;
use crate::radius::AUTHENTICATOR_OCTETS;

/// Probes until the host is alive. Each probe is a request of its own, and is waited for until the
/// next one.
pub(super) async fn probe(host: &Arc<Inner>) {
    let peer = &host.peer;
    let mut wait = peer.pace.first;
    while peer.health.is_to_be_probed() {
        let until = now() + wait;
        // Held until then: nobody else has the identifier while an answer may come.
        let then = now();
        let asked = ask(host, until).await;
        let from = asked.as_ref().map(Ticket::local);
        if timeout_at(until.into(), peer.revived.notified())
            .await
            .is_ok()
        {
            wait = peer.pace.first;
            continue;
        }
        drop(asked);
        host.renew();
        wait = (wait * 2).min(peer.pace.longest);
        if peer.health.is_to_be_said() {
            let reason = match from {
                Some(from) => Silence::Unanswered(from, peer.health.seen_since(then)),
                None => Silence::Unreachable("there is no way to its address".to_owned()),
            };
            tracing::warn!(
                authenticator = %peer.authenticator,
                host = %peer.label,
                %reason,
                "upstream host is down"
            );
        }
    }
}

/// Sends a probe. None when there is no way to the host.
async fn ask(host: &Arc<Inner>, until: Instant) -> Option<Ticket> {
    let peer = &host.peer;
    let mut authenticator = [0; AUTHENTICATOR_OCTETS];
    crate::random::fill(&mut authenticator).ok()?;
    let waiter = Waiter {
        authenticator,
        answers: None,
    };
    let ticket = host.ticket(&waiter, until).await.ok()??;
    let nas = peer.nas.unwrap_or_else(|| ticket.local());
    let octets = status_server(ticket.identifier, authenticator, nas, &peer.secret).ok()?;
    if let Err(error) = ticket.send(&octets).await {
        tracing::debug!(host = %peer.label, error = %error, "probe not sent");
    }
    Some(ticket)
}
