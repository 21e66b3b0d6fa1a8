//! How conversations ended that ended a moment ago. A device that did not hear it asks again, perhaps
//! as a new request; it is told the same, and nothing is decided twice.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    words: HashMap<Token, LastWord>,
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
        self.words.insert(token, word);
        self.order.push_back((now + KEPT, token));
    }

    /// The end that this response had, of a conversation with this client.
    pub(super) fn find(
        &self,
        token: &Token,
        client: IpAddr,
        heard: &ResponseDigest,
    ) -> Option<LastWord> {
        let word = self.words.get(token)?;
        (word.client == client && word.heard == *heard).then(|| word.clone())
    }

    /// Lets a few go whose time is over. Each call keeps one at the most, so they cannot pile up.
    pub(super) fn expire(&mut self, now: Instant) {
        for _ in 0..EXPIRED_PER_CALL {
            match self.order.front() {
                Some((expires, token)) if *expires <= now => self.words.remove(token),
                _ => return,
            };
            self.order.pop_front();
        }
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
        for (name, token, client, heard, want) in [
            ("the last", last, here, [1; 32], true),
            ("one that was let go of", token(0), here, [1; 32], false),
            ("another client's", last, elsewhere, [1; 32], false),
            ("another response", last, here, [2; 32], false),
        ] {
            let found = words.find(&token, client, &heard);
            assert_eq!(found.is_some(), want, "{name}");
        }
        words.expire(start + KEPT - Duration::from_millis(1));
        assert_eq!(words.words.len(), MAX_LAST_WORDS);
        // A few at a time.
        for _ in 0..MAX_LAST_WORDS / EXPIRED_PER_CALL {
            words.expire(start + KEPT);
        }
        assert!(words.words.is_empty() && words.order.is_empty());
    }
}
