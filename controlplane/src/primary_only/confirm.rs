//! The second time that a grant is asked for: a token that is good once, for a minute, and for the
//! very request that it was given for. Kept in memory: a restart forgets them.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use super::bounds::PrimaryOnlyError;
use crate::admin::PrimaryOnlyRequest;

/// What waits to be confirmed, oldest first.
#[derive(Default)]
pub(super) struct Tokens(VecDeque<Waiting>);

struct Waiting {
    /// Of the token: comparing these shows nothing of it by the time that takes.
    digest: Vec<u8>,
    /// Without a token.
    request: PrimaryOnlyRequest,
    until_ms: u64,
}

impl Tokens {
    /// A token for this request, which has none.
    pub(super) fn issue(
        &mut self,
        request: PrimaryOnlyRequest,
        now_ms: u64,
    ) -> Result<String, PrimaryOnlyError> {
        let mut random = [0; TOKEN_OCTETS];
        getrandom::fill(&mut random).map_err(|_| PrimaryOnlyError::Random)?;
        let token = URL_SAFE_NO_PAD.encode(random);
        self.forget(now_ms);
        if self.0.len() >= MAX_WAITING {
            self.0.pop_front();
        }
        self.0.push_back(Waiting {
            digest: digest(&SHA256, token.as_bytes()).as_ref().to_vec(),
            request,
            until_ms: now_ms.saturating_add(CONFIRM_SECONDS * 1_000),
        });
        Ok(token)
    }

    /// Uses a token up, whether it fits or not.
    pub(super) fn redeem(
        &mut self,
        token: &str,
        request: &PrimaryOnlyRequest,
        now_ms: u64,
    ) -> Result<(), PrimaryOnlyError> {
        self.forget(now_ms);
        let digest = digest(&SHA256, token.as_bytes());
        let mut all = self.0.iter();
        let at = all.position(|one| one.digest == digest.as_ref());
        match at.and_then(|at| self.0.remove(at)) {
            Some(waiting) if waiting.request == *request => Ok(()),
            Some(_) | None => Err(PrimaryOnlyError::Token),
        }
    }

    /// Whether a token is good for this request; it stays as it is.
    pub(super) fn check(
        &mut self,
        token: &str,
        request: &PrimaryOnlyRequest,
        now_ms: u64,
    ) -> Result<(), PrimaryOnlyError> {
        self.forget(now_ms);
        let digest = digest(&SHA256, token.as_bytes());
        let mut all = self.0.iter();
        match all.find(|one| one.digest == digest.as_ref()) {
            Some(waiting) if waiting.request == *request => Ok(()),
            Some(_) | None => Err(PrimaryOnlyError::Token),
        }
    }

    fn forget(&mut self, now_ms: u64) {
        // A clock that was set back makes none of them good for longer.
        let longest = now_ms.saturating_add(CONFIRM_SECONDS * 1_000);
        self.0
            .retain(|one| one.until_ms > now_ms && one.until_ms <= longest);
    }
}

/// For how long a token is good.
pub(super) const CONFIRM_SECONDS: u64 = 60;
/// The most that wait at a time; the oldest gives way.
pub(super) const MAX_WAITING: usize = 64;
const TOKEN_OCTETS: usize = 24;
