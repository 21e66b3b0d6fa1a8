//! How conversations ended that ended a moment ago. A device that did not hear it asks again, perhaps
//! as a new request; it is told the same, and nothing is decided twice.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::id::IntegrationId;

use super::sessions::Token;
use super::talk::ResponseDigest;
use crate::flow::Answer;
use crate::server::served::Served;

/// How one conversation ended.
#[derive(Clone, Debug)]
pub(super) struct LastWord {
    /// Who was told; whoever else brings the State is somebody else.
    pub(super) client: IpAddr,
    /// The response that was answered with it.
    pub(super) heard: ResponseDigest,
    pub(super) served: Arc<Served>,
    pub(super) answer: Answer,
    pub(super) packet: Vec<u8>,
}

/// The ends of the last few, by their tokens.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    words: HashMap<Token, (Instant, LastWord)>,
    /// In the order in which they are let go of.
    order: VecDeque<(Instant, Token)>,
    evicted: u64,
}

impl LastWords {
    /// Keeps one for [`KEPT`], and lets the oldest go where there are [`MAX_LAST_WORDS`].
    pub(super) fn keep(&mut self, now: Instant, token: Token, word: LastWord) {
        self.expire(now);
        if self.words.len() >= MAX_LAST_WORDS
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.words.remove(&oldest);
            self.evicted += 1;
        }
        self.words.insert(token, (now + KEPT, word));
        self.order.push_back((now + KEPT, token));
    }

    /// The end that this response had, of a conversation of this client with this integration: it has
    /// the keys of the session, which are nobody else's.
    pub(super) fn find(
        &self,
        now: Instant,
        token: &Token,
        client: IpAddr,
        integration: &IntegrationId,
        heard: &ResponseDigest,
    ) -> Option<LastWord> {
        let (until, word) = self.words.get(token)?;
        let is_it = now < *until
            && word.client == client
            && word.served.config.id == *integration
            && word.heard == *heard;
        is_it.then(|| word.clone())
    }

    /// Whether there is one of this conversation.
    pub(super) fn has(&self, token: &Token) -> bool {
        self.words.contains_key(token)
    }

    /// Lets a few go whose time is over; gives how many.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        for count in 0..EXPIRED_PER_CALL {
            match self.order.front() {
                Some((expires, token)) if *expires <= now => self.words.remove(token),
                _ => return count,
            };
            self.order.pop_front();
        }
        EXPIRED_PER_CALL
    }

    /// How many were let go of before their time since the start.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }
}

/// How long one is kept: what a device takes for a few repeats. Long enough for the ones that were
/// sent before they heard it.
const KEPT: Duration = Duration::from_secs(10);
/// The most kept.
const MAX_LAST_WORDS: usize = 4_096;
const EXPIRED_PER_CALL: usize = 16;

#[cfg(test)]
mod tests {
    use proto::event::Reason;

    use super::super::harness::Node;
    use super::*;
    use crate::clock;

    #[tokio::test]
    async fn the_newest_are_kept_for_a_while_each_for_whom_it_was_said_to() {
        let node = Node::new().await;
        let (here, elsewhere) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let word = LastWord {
            client: here,
            heard: [1; 32],
            served: Arc::clone(&node.client.served),
            answer: Answer::reject(Reason::Denied),
            packet: vec![4, 9, 0, 4],
        };
        let token = |n: usize| u128::try_from(n).unwrap().to_be_bytes();
        let mut words = LastWords::default();
        let start = clock::now();
        for n in 0..=MAX_LAST_WORDS {
            words.keep(start, token(n), word.clone());
        }
        assert_eq!((words.words.len(), words.evicted()), (MAX_LAST_WORDS, 1));
        let last = token(MAX_LAST_WORDS);
        let ours = &node.client.served.config.id;
        let other = IntegrationId::new("radius_server_eap2").unwrap();
        let later = start + KEPT;
        for (name, now, token, client, integration, heard, want) in [
            ("the last", start, last, here, ours, [1; 32], true),
            ("one let go of", start, token(0), here, ours, [1; 32], false),
            ("too late", later, last, here, ours, [1; 32], false),
            (
                "another client's",
                start,
                last,
                elsewhere,
                ours,
                [1; 32],
                false,
            ),
            (
                "another section's",
                start,
                last,
                here,
                &other,
                [1; 32],
                false,
            ),
            ("another response", start, last, here, ours, [2; 32], false),
        ] {
            let found = words.find(now, &token, client, integration, &heard);
            assert_eq!(found.is_some(), want, "{name}");
        }
        words.expire(start + KEPT - Duration::from_millis(1));
        assert_eq!(words.words.len(), MAX_LAST_WORDS);
        // A few at a time.
        while words.expire(start + KEPT) == EXPIRED_PER_CALL {}
        assert!(words.words.is_empty() && words.order.is_empty());
    }
}
