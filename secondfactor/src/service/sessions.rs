//! Sessions: a browser that a person has signed in with shows a cookie, of which a keyed hash is kept.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;

use super::Service;
use crate::account::{Account, Device};
use crate::admin::UserStatus;
use crate::clock;
use crate::rate::Allowance;
use crate::store::{SessionBounds, SessionRow, StoreError};

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// See what waits on its device, refuse it, and approve it by the passkey.
    Approve,
    /// Change the user's devices.
    Manage,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Manage => "manage",
        }
    }

    /// Each has a cookie of its own: signing in for one does not sign out of the other.
    const fn cookie(self) -> &'static str {
        match self {
            Self::Approve => "__Host-countersign",
            Self::Manage => "__Host-countersign-me",
        }
    }

    /// How long it lasts unused, and at most, in milliseconds.
    const fn lives(self) -> (u64, u64) {
        match self {
            Self::Approve => (180 * DAY_MS, 180 * DAY_MS),
            Self::Manage => (15 * MINUTE_MS, 60 * MINUTE_MS),
        }
    }
}

/// Who has signed in.
pub(crate) struct Session {
    pub(crate) account: Account,
    /// The device that it was signed in with; none is a passcode.
    pub(crate) device: Option<Arc<Device>>,
    pub(crate) purpose: Purpose,
    pub(crate) hash: Vec<u8>,
    created_at_ms: u64,
    expires_at_ms: u64,
}

impl Session {
    pub(crate) const fn created_at_ms(&self) -> u64 {
        self.created_at_ms
    }

    /// Whether somebody signed in in the last minutes, and not only left a page open.
    pub(crate) fn is_fresh(&self) -> bool {
        clock::unix_ms().saturating_sub(self.created_at_ms) < FRESH_MS
    }
}

impl Service {
    /// Begins a session; the cookie for its browser.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn begin_session(
        &self,
        account: &Account,
        device: Option<&Device>,
        purpose: Purpose,
    ) -> Result<HeaderValue, StoreError> {
        let since_ms = clock::unix_ms();
        self.go_on(account, device, (purpose, since_ms)).await
    }

    /// Begins a session that is no newer than the sign-in which it goes back to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn go_on(
        &self,
        account: &Account,
        device: Option<&Device>,
        (purpose, since_ms): (Purpose, u64),
    ) -> Result<HeaderValue, StoreError> {
        let token = BASE32_NOPAD.encode(&clock::random::<20>()?);
        let (idle, most) = purpose.lives();
        let end_ms = clock::unix_ms().saturating_add(idle);
        let row = SessionRow {
            token_hash: &self.session_hash(purpose, &token),
            user_id: &account.id,
            device_id: device.map(|device| &*device.id),
            purpose: purpose.as_str(),
            created_at_ms: since_ms,
            expires_at_ms: end_ms.min(since_ms.saturating_add(most)),
        };
        let mut tx = self.store.write().await?;
        self.store.insert_session(&mut tx, &row, BOUNDS).await?;
        tx.commit().await?;
        Ok(cookie(purpose, &token, most / 1_000))
    }

    /// The session of a request; none when there is none, it is over, or its user is disabled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn session(
        &self,
        headers: &HeaderMap,
        purpose: Purpose,
    ) -> Result<Option<Session>, StoreError> {
        let Some(token) = token_of(headers, purpose) else {
            return Ok(None);
        };
        let hash = self.session_hash(purpose, token);
        let now_ms = clock::unix_ms();
        let found = self.store.session(&hash, purpose.as_str(), now_ms).await?;
        let able = found.filter(|found| found.account.status != UserStatus::Disabled);
        Ok(able.map(|found| Session {
            account: found.account,
            device: found.device,
            purpose,
            hash,
            created_at_ms: found.created_at_ms,
            expires_at_ms: found.expires_at_ms,
        }))
    }

    /// Notes that a session was used, so that it lasts on. A write, at most once a minute for a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn used_session(&self, session: &Session) -> Result<(), StoreError> {
        match later_end(session, clock::unix_ms()) {
            Some(end) => self.store.extend_session(&session.hash, end).await,
            None => Ok(()),
        }
    }

    /// Whether a session may ask for one more change now. Each session has its own share: who holds one
    /// keeps nobody from ending it by another.
    pub(crate) fn may_ask(&self, session: &Session) -> bool {
        let who = HEXLOWER.encode(&session.hash);
        self.ask_rate.take(&who, Instant::now()).is_ok()
    }

    /// Ends a session; the cookie that takes the place of its own.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn end_session(&self, session: &Session) -> Result<HeaderValue, StoreError> {
        self.store.delete_session(&session.hash).await?;
        Ok(cookie(session.purpose, "", 0))
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn end_sessions(&self, account: &Account) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        self.store.delete_sessions(&mut tx, &account.id).await?;
        Ok(tx.commit().await?)
    }

    fn session_hash(&self, purpose: Purpose, token: &str) -> Vec<u8> {
        self.vault
            .hash(&format!("session/{}", purpose.as_str()), token)
    }
}

/// When a session ends that is used now; none when that is no later by a minute than it was.
fn later_end(session: &Session, now_ms: u64) -> Option<u64> {
    let (idle, most) = session.purpose.lives();
    let end = now_ms
        .saturating_add(idle)
        .min(session.created_at_ms.saturating_add(most));
    (end >= session.expires_at_ms.saturating_add(MINUTE_MS)).then_some(end)
}

fn cookie(purpose: Purpose, token: &str, seconds: u64) -> HeaderValue {
    let text = format!(
        "{}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict",
        purpose.cookie()
    );
    let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn token_of(headers: &HeaderMap, purpose: Purpose) -> Option<&str> {
    let texts = headers.get_all(header::COOKIE).into_iter();
    let texts = texts.filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';'));
    let own = |pair: &str| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == purpose.cookie()).then_some(())?;
        Some(value.len())
    };
    let found = pairs.find(|pair| own(pair).is_some())?;
    let token = found.trim().split_once('=')?.1;
    (token.len() == TOKEN_CHARACTERS).then_some(token)
}

const MINUTE_MS: u64 = 60 * 1_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// How long a sign-in is good for what cannot be undone.
const FRESH_MS: u64 = 5 * MINUTE_MS;

/// What one session asks for that may be a write.
pub(super) const ASK_RATE: Allowance = Allowance {
    at_once: 30,
    each: Duration::from_secs(2),
    known: 100_000,
};

/// 160 bits in base32.
const TOKEN_CHARACTERS: usize = 32;

/// The most sessions: of a user, above which the oldest ends; and of all, above which the one ends that
/// would end first.
const BOUNDS: SessionBounds = SessionBounds {
    of_a_user: 20,
    in_all: 200_000,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_for_changes_lasts_while_it_is_used_and_an_hour_at_most() {
        let session = |purpose, expires_at_ms| Session {
            account: Account::new(String::new(), ""),
            device: None,
            purpose,
            hash: Vec::new(),
            created_at_ms: 0,
            expires_at_ms,
        };
        let minutes = |count: u64| count * MINUTE_MS;
        for (name, purpose, expires, now, want) in [
            ("at once", Purpose::Manage, 15, 0, None),
            ("soon", Purpose::Manage, 15, 1, Some(16)),
            ("later", Purpose::Manage, 30, 29, Some(44)),
            ("near its end", Purpose::Manage, 55, 50, Some(60)),
            ("at its end", Purpose::Manage, 60, 59, None),
            ("of a phone", Purpose::Approve, 180 * 24 * 60, 60, None),
        ] {
            let end = later_end(&session(purpose, minutes(expires)), minutes(now));
            assert_eq!(end, want.map(minutes), "{name}");
        }
    }

    #[test]
    fn a_cookie_is_found_by_its_name() {
        let token = "A".repeat(TOKEN_CHARACTERS);
        let (approve, manage) = (Purpose::Approve, Purpose::Manage);
        for (name, cookies, purpose, want) in [
            (
                "alone",
                vec![format!("__Host-countersign={token}")],
                approve,
                true,
            ),
            (
                "of another purpose",
                vec![format!("__Host-countersign={token}")],
                manage,
                false,
            ),
            (
                "among others",
                vec![format!("a=b; __Host-countersign={token}; c=d")],
                approve,
                true,
            ),
            (
                "in a header of its own",
                vec!["a=b".to_owned(), format!("__Host-countersign-me={token}")],
                manage,
                true,
            ),
            (
                "too short",
                vec!["__Host-countersign=A".to_owned()],
                approve,
                false,
            ),
            ("none", vec![], approve, false),
        ] {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(header::COOKIE, cookie.parse().unwrap());
            }
            assert_eq!(token_of(&headers, purpose).is_some(), want, "{name}");
        }
        let set = cookie(approve, &token, 60);
        assert!(set.is_sensitive());
        let set = set.to_str().unwrap();
        for part in [
            "Secure",
            "HttpOnly",
            "SameSite=Strict",
            "Path=/",
            "Max-Age=60",
        ] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set.contains("Domain"), "{set}");
    }
}
