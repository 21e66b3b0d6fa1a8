//! Primary-only: for an outage of the second factor, logins that the primary accepts pass without
//! it, in one integration or in all, for a limited time.
//!
//! No configuration: it makes no revision, no revision brings it back, and it works in file mode
//! too. What is granted is stored, pushed to every node at once, and ends by itself there and here.
//! Nodes go by their own clocks, so that a control plane that is away prolongs nothing.

mod bounds;
mod confirm;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use proto::date::utc;
use proto::id::IntegrationId;
use proto::rpc::{PRIMARY_ONLY_GRANTS, PrimaryOnlyGrant, ToNode};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admin::{PrimaryOnlyAnswer, PrimaryOnlyRequest, PrimaryOnlyStop, PrimaryOnlyView};
use crate::clock::now_ms;
use crate::revisions;
use crate::store::{Store, StoreError};
use crate::stream;

pub(crate) use bounds::PrimaryOnlyError;
use bounds::{Opens, check_by, check_request, opened};
use confirm::{CONFIRM_SECONDS, Tokens};

/// Those who watch what is granted.
pub(crate) type Watch = watch::Receiver<Arc<Granted>>;

/// What is granted now.
pub(crate) struct Granted {
    grants: Vec<Grant>,
    /// The line that every subscriber gets.
    pub(crate) line: Bytes,
}

/// A grant as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Grant {
    since_ms: u64,
    #[serde(flatten)]
    grant: PrimaryOnlyGrant,
}

/// The keeper of the grants.
pub(crate) struct PrimaryOnly {
    store: Store,
    revisions: revisions::Watch,
    granted: watch::Sender<Arc<Granted>>,
    tokens: Mutex<Tokens>,
    /// Those that have ended here, and could not be taken out of the store yet: what is read there of
    /// them counts no more.
    ended: Mutex<Vec<Grant>>,
    /// Held while a change is made and stored, so that two never mix.
    changing: tokio::sync::Mutex<()>,
}

impl PrimaryOnly {
    /// Reads what was granted and has not ended.
    pub(crate) async fn open(
        store: Store,
        revisions: revisions::Watch,
        now_ms: u64,
    ) -> Result<Self, StoreError> {
        let stored = store.fetch_document(DOCUMENT).await?.unwrap_or_default();
        let grants = still_good(read(&stored), now_ms);
        for Grant { grant, .. } in &grants {
            tracing::warn!(
                integration = named(grant),
                until = utc(grant.until_ms),
                by = grant.by,
                reason = grant.reason,
                "PRIMARY ONLY goes on after a restart: logins pass without the second factor"
            );
        }
        let granted = Granted::new(grants)?;
        Ok(Self {
            store,
            revisions,
            granted: watch::Sender::new(Arc::new(granted)),
            tokens: Mutex::default(),
            ended: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// What is granted, and each change of it.
    pub(crate) fn watch(&self) -> Watch {
        self.granted.subscribe()
    }

    /// What is in force: the grant for all first, then by integration.
    pub(crate) fn list(&self, now_ms: u64) -> Vec<PrimaryOnlyView> {
        let grants = self.granted.borrow().grants.clone();
        grants
            .into_iter()
            .filter(|one| one.grant.until_ms > now_ms)
            .map(|one| self.view(one))
            .collect()
    }

    /// Grants what is asked for, or says what it would do and how to confirm that.
    pub(crate) async fn start(
        &self,
        mut asked: PrimaryOnlyRequest,
        now_ms: u64,
    ) -> Result<PrimaryOnlyAnswer, PrimaryOnlyError> {
        check_request(&asked)?;
        let opens = self.opens(asked.integration.as_ref())?;
        let confirm = asked.confirm.take();
        let one = granted(&asked, now_ms);
        let Some(token) = confirm else {
            let would = view_with(one, opens);
            let mut others = self.list(now_ms).into_iter();
            return Ok(PrimaryOnlyAnswer::Confirm {
                replaces: others.find(|other| other.integration == would.integration),
                token: self.tokens().issue(asked, now_ms)?,
                good_for_seconds: CONFIRM_SECONDS,
                would,
            });
        };
        self.tokens().redeem(&token, &asked, now_ms)?;
        let changing = self.changing.lock().await;
        let new = one.clone();
        // Stored first: what a restart would forget is not granted.
        let grants = self.change(now_ms, |grants| {
            grants.retain(|other| other.grant.integration != new.grant.integration);
            let room = grants.len() < PRIMARY_ONLY_GRANTS;
            if room {
                grants.push(new);
                grants.sort_by(|a, b| a.grant.integration.cmp(&b.grant.integration));
            }
            room
        });
        let (grants, stored) = grants.await?;
        if !stored {
            return Err(PrimaryOnlyError::Full);
        }
        self.publish(grants)?;
        drop(changing);
        let grant = view_with(one, opens);
        tracing::warn!(
            integration = grant
                .integration
                .as_ref()
                .map_or(ALL, IntegrationId::as_str),
            opens = grant.opens.join(", "),
            until = grant.until,
            by = grant.by,
            reason = grant.reason,
            "PRIMARY ONLY granted: logins pass without the second factor"
        );
        Ok(PrimaryOnlyAnswer::Started { grant })
    }

    /// What [`Self::start`] would do, confirmed or not: nothing is granted, no token is made, and one
    /// that is good stays so.
    pub(crate) fn try_start(
        &self,
        mut asked: PrimaryOnlyRequest,
        now_ms: u64,
    ) -> Result<PrimaryOnlyAnswer, PrimaryOnlyError> {
        check_request(&asked)?;
        let opens = self.opens(asked.integration.as_ref())?;
        if let Some(token) = asked.confirm.take() {
            self.tokens().check(&token, &asked, now_ms)?;
        }
        let grants = self.list(now_ms);
        let mut others = grants.iter();
        let replaces = others.find(|other| other.integration == asked.integration);
        if replaces.is_none() && grants.len() >= PRIMARY_ONLY_GRANTS {
            return Err(PrimaryOnlyError::Full);
        }
        Ok(PrimaryOnlyAnswer::Would {
            would: view_with(granted(&asked, now_ms), opens),
            replaces: replaces.cloned(),
        })
    }

    /// Those that [`Self::stop`] would end.
    pub(crate) fn try_stop(
        &self,
        which: &PrimaryOnlyStop,
        now_ms: u64,
    ) -> Result<Vec<PrimaryOnlyView>, PrimaryOnlyError> {
        check_by(&which.by)?;
        let mut grants = self.list(now_ms);
        grants.retain(|one| which.integration.is_none() || one.integration == which.integration);
        Ok(grants)
    }

    /// Ends one grant, or all of them. Gives those that ended; none is no fault.
    pub(crate) async fn stop(
        &self,
        which: &PrimaryOnlyStop,
        now_ms: u64,
    ) -> Result<Vec<PrimaryOnlyView>, PrimaryOnlyError> {
        check_by(&which.by)?;
        let ended =
            |one: &Grant| which.integration.is_none() || one.grant.integration == which.integration;
        let changing = self.changing.lock().await;
        let grants = still_good(self.granted.borrow().grants.clone(), now_ms);
        let (mut gone, kept): (Vec<Grant>, Vec<Grant>) = grants.into_iter().partition(ended);
        // Ended first: whatever the database says, nobody passes from now on.
        self.publish(kept)?;
        self.ended().extend(gone.iter().cloned());
        let stored = self.change(now_ms, |grants| {
            let (others, kept): (Vec<Grant>, Vec<Grant>) =
                std::mem::take(grants).into_iter().partition(ended);
            *grants = kept;
            others
        });
        let stored = stored.await;
        if let Ok((_, others)) = &stored {
            // Granted by another control plane, a moment ago.
            let news = others.iter().filter(|one| !gone.contains(one));
            let news: Vec<Grant> = news.cloned().collect();
            gone.extend(news);
        }
        for Grant { grant, .. } in &gone {
            tracing::warn!(
                integration = named(grant),
                by = which.by,
                granted_by = grant.by,
                reason = grant.reason,
                "primary-only revoked: the second factor is asked again"
            );
        }
        let (kept, _) = stored?;
        self.publish(kept)?;
        drop(changing);
        Ok(gone.into_iter().map(|one| self.view(one)).collect())
    }

    /// Lets go of what has ended. Gives when the next one ends.
    async fn tidy(&self, now_ms: u64) -> Option<u64> {
        let changing = self.changing.lock().await;
        let grants = self.granted.borrow().grants.clone();
        let (kept, gone): (Vec<Grant>, Vec<Grant>) = grants
            .into_iter()
            .partition(|one| one.grant.until_ms > now_ms);
        let next = kept.iter().map(|one| one.grant.until_ms).min();
        if gone.is_empty() {
            return next;
        }
        for Grant { grant, .. } in &gone {
            tracing::warn!(
                integration = named(grant),
                by = grant.by,
                reason = grant.reason,
                "primary-only has ended: the second factor is asked again"
            );
        }
        let published = self.publish(kept);
        // A copy that cannot be deleted has ended all the same: it says until when it is good.
        let written = self.change(now_ms, |_| ()).await;
        let written = written.map(drop).map_err(PrimaryOnlyError::from);
        if let Err(error) = published.and(written) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the list of primary-only grants is not tidied");
        }
        drop(changing);
        next
    }

    /// Reads what is granted: another control plane of the same database may have changed it. Takes
    /// out of the store what has ended here and is there still.
    pub(crate) async fn refresh(&self, now_ms: u64) -> Result<(), PrimaryOnlyError> {
        let changing = self.changing.lock().await;
        let left = !self.ended().is_empty();
        let grants = match left {
            true => self.change(now_ms, |_| ()).await?.0,
            false => {
                let stored = self.store.fetch_document(DOCUMENT).await?;
                still_good(read(&stored.unwrap_or_default()), now_ms)
            }
        };
        if grants != self.granted.borrow().grants {
            tracing::warn!(
                grants = grants.len(),
                "primary-only was changed at another control plane"
            );
            self.publish(grants)?;
        }
        drop(changing);
        Ok(())
    }

    /// Changes what is stored, which others may have changed. Gives what is stored then, with the word
    /// of the change.
    async fn change<T: Send>(
        &self,
        now_ms: u64,
        change: impl FnOnce(&mut Vec<Grant>) -> T + Send,
    ) -> Result<(Vec<Grant>, T), StoreError> {
        let ended = self.ended().clone();
        let changed = self.store.change_document(DOCUMENT, |stored| {
            let mut grants = still_good(read(stored.unwrap_or_default()), now_ms);
            grants.retain(|one| !ended.contains(one));
            let word = change(&mut grants);
            let document = match grants.as_slice() {
                [] => None,
                grants => Some(serde_json::to_vec(grants).map_err(unreadable)?),
            };
            Ok((document, (grants, word)))
        });
        let changed = changed.await?;
        self.ended().retain(|one| !ended.contains(one));
        Ok(changed)
    }

    fn publish(&self, grants: Vec<Grant>) -> Result<(), PrimaryOnlyError> {
        let granted = Granted::new(grants)?;
        self.granted.send_replace(Arc::new(granted));
        Ok(())
    }

    fn opens(&self, which: Option<&IntegrationId>) -> Result<Opens, PrimaryOnlyError> {
        let current = self.revisions.borrow();
        let current = current.as_ref().ok_or(PrimaryOnlyError::NoConfiguration)?;
        opened(current.snapshot(), which)
    }

    fn view(&self, one: Grant) -> PrimaryOnlyView {
        // What a later revision took away or closed opens nothing any more.
        let opens = self.opens(one.grant.integration.as_ref());
        view_with(one, opens.unwrap_or_default())
    }

    fn ended(&self) -> MutexGuard<'_, Vec<Grant>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Granted {
    fn new(grants: Vec<Grant>) -> Result<Self, StoreError> {
        let message = ToNode::PrimaryOnly {
            grants: grants.iter().map(|one| one.grant.clone()).collect(),
        };
        let line = stream::line(&message).map_err(unreadable)?;
        Ok(Self { grants, line })
    }
}

/// Ends grants when their time is up, until the token is cancelled.
pub(crate) async fn expire(grants: Arc<PrimaryOnly>, stop: CancellationToken) {
    let mut watch = grants.watch();
    let expiring = async {
        loop {
            watch.mark_unchanged();
            let next = grants.tidy(now_ms()).await;
            match next {
                // The wall clock may be set meanwhile.
                Some(until_ms) => {
                    let left = Duration::from_millis(until_ms.saturating_sub(now_ms()));
                    tokio::time::sleep(left.clamp(SHORTEST_LOOK, LONGEST_LOOK)).await;
                }
                None => drop(watch.changed().await),
            }
        }
    };
    tokio::select! {
        () = expiring => {}
        () = stop.cancelled() => {}
    }
}

/// What cannot be read is no grant: whoever wants one asks again.
fn read(stored: &[u8]) -> Vec<Grant> {
    if stored.is_empty() {
        return Vec::new();
    }
    serde_json::from_slice(stored).unwrap_or_else(|error| {
        tracing::error!(%error, "the stored primary-only grants cannot be read; there are none now");
        Vec::new()
    })
}

/// Those that have not ended and keep to the bounds: a clock that was set back prolongs none.
fn still_good(grants: Vec<Grant>, now_ms: u64) -> Vec<Grant> {
    let mut grants: Vec<Grant> = grants
        .into_iter()
        .filter(|one| bounds::holds(one.since_ms, one.grant.until_ms, now_ms))
        .collect();
    grants.truncate(PRIMARY_ONLY_GRANTS);
    grants
}

/// What is granted when it is asked for now.
fn granted(asked: &PrimaryOnlyRequest, now_ms: u64) -> Grant {
    Grant {
        since_ms: now_ms,
        grant: PrimaryOnlyGrant {
            integration: asked.integration.clone(),
            until_ms: now_ms.saturating_add(asked.seconds.saturating_mul(1_000)),
            reason: asked.reason.clone(),
            by: asked.by.clone(),
        },
    }
}

fn view_with(one: Grant, opens: Opens) -> PrimaryOnlyView {
    let Grant { since_ms, grant } = one;
    PrimaryOnlyView {
        integration: grant.integration,
        opens: opens.open,
        stays_closed: opens.closed,
        since_ms,
        until_ms: grant.until_ms,
        until: utc(grant.until_ms),
        reason: grant.reason,
        by: grant.by,
    }
}

fn named(grant: &PrimaryOnlyGrant) -> &str {
    grant
        .integration
        .as_ref()
        .map_or(ALL, IntegrationId::as_str)
}

fn unreadable(source: serde_json::Error) -> StoreError {
    StoreError::Unreadable {
        what: "primary-only grants",
        source,
    }
}

/// The name of their document in the store.
const DOCUMENT: &str = "primary_only";
/// What the log says for a grant of no one integration.
const ALL: &str = "(all)";
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_secs(1);
