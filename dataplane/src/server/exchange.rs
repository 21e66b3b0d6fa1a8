//! One request and the answer it is owed.

use std::sync::Arc;
use std::time::Instant;

use proto::config::Mode;

use super::dedup::Key;
use super::handover::{self, Reply, Which};
use super::receive::{Arrival, Shared};
use super::served::{ServedClient, Site};
use crate::clock;
use crate::radius::ReplyTo;

/// What the receive thread knows of a request that it has not seen before.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(super) shared: Arc<Shared>,
    site: Arc<Site>,
    pub(super) client: Arc<ServedClient>,
    key: Key,
    pub(super) reply_to: ReplyTo,
    pub(super) arrival: Arrival,
    answered: bool,
}

impl Exchange {
    /// A request that the duplicate cache has as running.
    pub(super) const fn new(
        shared: Arc<Shared>,
        site: Arc<Site>,
        client: Arc<ServedClient>,
        key: Key,
        reply_to: ReplyTo,
        arrival: Arrival,
    ) -> Self {
        Self {
            shared,
            site,
            client,
            key,
            reply_to,
            arrival,
            answered: false,
        }
    }

    /// Sends the answer and keeps it for repeats. Gives the moment.
    pub(super) fn answer(&mut self, octets: Vec<u8>) -> Instant {
        let octets: Arc<[u8]> = octets.into();
        let now = clock::now();
        let reply = Reply {
            which: self.which(),
            local: self.site.socket.address(),
            to: self.arrival.source,
            asked: self.arrival.asked,
            octets,
        };
        handover::deliver(&self.shared, &self.site, now, reply);
        self.answered = true;
        now
    }

    fn which(&self) -> Which {
        Which {
            eap: self.client.served.config.mode == Mode::Eap,
            key: self.key,
            authenticator: *self.reply_to.authenticator(),
        }
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.answered
    }
}

impl Drop for Exchange {
    /// A request that is never answered (the node stopped, a task died, another request took its
    /// place) leaves the duplicate cache, so that its repeat is served anew.
    fn drop(&mut self) {
        if !self.answered {
            handover::abandon(&self.shared, &self.which());
        }
    }
}
