//! Connections that are refused: each is counted, a few are logged. Whoever can reach the port can
//! make as many as they like.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use prometheus::IntCounterVec;

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    /// Too many agree on TLS already, or too many of this address.
    Handshakes,
    /// TLS was not agreed on.
    Tls,
    /// It was not in time.
    Late,
    /// Too many join already, or too many of this address.
    Joining,
    /// Too many connections of nodes, or of this node.
    Connections,
    /// The certificate is of no node.
    NoNode,
}

impl Why {
    /// Each.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] = [
        Self::Handshakes,
        Self::Tls,
        Self::Late,
        Self::Joining,
        Self::Connections,
        Self::NoNode,
    ];

    /// Its word in the metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Handshakes => "handshakes",
            Self::Tls => "tls",
            Self::Late => "late",
            Self::Joining => "joining",
            Self::Connections => "connections",
            Self::NoNode => "no_node",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Handshakes => "too many agree on TLS at once",
            Self::Tls => "no TLS with one who called as a node",
            Self::Late => "TLS was not agreed on in time",
            Self::Joining => "too many join at once",
            Self::Connections => "too many connections of nodes, or of this one",
            Self::NoNode => "the certificate is of no node",
        }
    }
}

/// Counts them.
pub(super) struct Refused {
    counter: IntCounterVec,
    said: Mutex<HashMap<Why, Said>>,
}

struct Said {
    at_ms: u64,
    /// How many since then.
    more: u64,
}

impl Refused {
    pub(super) fn new(counter: IntCounterVec) -> Self {
        Self {
            counter,
            said: Mutex::default(),
        }
    }

    /// Counts one, and logs it when none like it was logged for a minute.
    pub(super) fn note(&self, why: Why, from: SocketAddr, error: Option<&str>, now_ms: u64) {
        self.counter.with_label_values(&[why.as_str()]).inc();
        if let Some(more) = self.says(why, now_ms) {
            tracing::warn!(%from, error, more, "a node's connection is refused: {}", why.text());
        }
    }

    /// How many were not logged since the last that was; none when this one is not either.
    fn says(&self, why: Why, now_ms: u64) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(&why) {
            Some(last) if now_ms.abs_diff(last.at_ms) < QUIET_MS => {
                last.more += 1;
                None
            }
            found => {
                let more = found.map_or(0, |last| last.more);
                said.insert(
                    why,
                    Said {
                        at_ms: now_ms,
                        more: 0,
                    },
                );
                Some(more)
            }
        }
    }
}

/// A minute.
const QUIET_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_and_one_a_minute_is_logged() {
        let metrics = crate::metrics::Metrics::new().unwrap();
        let refused = Refused::new(metrics.node_connections_refused.clone());
        let from = SocketAddr::from(([192, 0, 2, 1], 1));
        refused.note(Why::Tls, from, None, 0);
        refused.note(Why::Tls, from, Some("why"), 1);
        let counted = metrics.node_connections_refused.with_label_values(&["tls"]);
        assert_eq!(counted.get(), 2);
        assert_eq!(refused.says(Why::Tls, 59_999), None);
        assert_eq!(refused.says(Why::NoNode, 59_999), Some(0), "another");
        assert_eq!(refused.says(Why::Tls, 60_000), Some(2));
        assert_eq!(refused.says(Why::Tls, 60_001), None);
        // A clock that was set back keeps nobody quiet.
        assert_eq!(refused.says(Why::Tls, 0), Some(1));
    }
}
