//! How the last minutes went, from what is stored: made aside, and kept for a moment, so that many who
//! look cost as much as one. [`sample`] has what is told event by event, [`certificates`] the ends of
//! certificates.

mod certificates;
mod sample;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::event::{Outcome, Reason};
use tokio::sync::{OnceCell, Semaphore};

use crate::api::overview::{
    Bucket, MOST_MINUTES, Overview, ReasonCount, Sampled, UnsignedClient, UnsignedClients,
};
use crate::api::problem::{Kind, Problem};
use crate::app::App;
use crate::clock::now_ms;
use crate::edit::aside;
use crate::store::{Ended, SeenClient, unsigned_since};

use self::sample::Sample;

/// What was made lately.
#[derive(Debug)]
pub(crate) struct Overviews {
    /// Newest last.
    made: Mutex<Vec<Made>>,
    /// Who makes one now.
    making: Semaphore,
}

/// One, for as many minutes; on its way as long as the cell is empty.
#[derive(Clone, Debug)]
struct Made {
    minutes: u32,
    cell: Arc<Cell>,
}

#[derive(Debug, Default)]
struct Cell {
    made: OnceCell<Arc<Overview>>,
    /// Whether somebody has the place to make it.
    begun: AtomicBool,
}

/// Somebody has the place to make one, until this is dropped: that may be before it is made.
struct Begun<'a>(&'a AtomicBool);

impl<'a> Begun<'a> {
    fn at(begun: &'a AtomicBool) -> Self {
        begun.store(true, Ordering::Relaxed);
        Self(begun)
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Made {
    fn is_fresh(&self, now_ms: u64) -> bool {
        self.cell.made.get().is_none_or(|overview| {
            let age = now_ms.checked_sub(overview.until_ms);
            age.is_some_and(|age| age < FRESH_MS)
        })
    }
}

impl Default for Overviews {
    fn default() -> Self {
        Self {
            made: Mutex::default(),
            making: Semaphore::new(MAKING),
        }
    }
}

impl Overviews {
    /// That of the last minutes, some seconds old at the most.
    pub(crate) async fn of(&self, app: &App, minutes: u32) -> Result<Arc<Overview>, Problem> {
        let cell = self.cell(minutes, now_ms());
        self.in_turn(&cell, make(app, minutes)).await
    }

    /// What a cell has, or gets by `make`. Who waits for a place to make it waits [`PATIENCE`] at the
    /// most.
    async fn in_turn(
        &self,
        cell: &Cell,
        make: impl Future<Output = Result<Overview, Problem>> + Send,
    ) -> Result<Arc<Overview>, Problem> {
        let in_place = || async {
            let place = self.making.acquire().await;
            let _place = place.map_err(|error| Problem::internal(&error))?;
            let _begun = Begun::at(&cell.begun);
            make.await.map(Arc::new)
        };
        let mut made = pin!(cell.made.get_or_try_init(in_place));
        match tokio::time::timeout(PATIENCE, &mut made).await {
            Ok(made) => made.cloned(),
            Err(_) if cell.begun.load(Ordering::Relaxed) => made.await.cloned(),
            Err(_) => {
                let detail = "others have overviews made; ask again in a moment";
                Err(Problem::new(Kind::Unavailable, detail).again_in(AGAIN_SECONDS))
            }
        }
    }

    fn cell(&self, minutes: u32, now_ms: u64) -> Arc<Cell> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|one| one.is_fresh(now_ms));
        if let Some(found) = made.iter().find(|one| one.minutes == minutes) {
            return Arc::clone(&found.cell);
        }
        if made.len() >= WINDOWS {
            made.remove(0);
        }
        let cell = Arc::<Cell>::default();
        made.push(Made {
            minutes,
            cell: Arc::clone(&cell),
        });
        cell
    }
}

/// Which buckets there are: whole multiples of their length, the last one of them under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Buckets {
    since_ms: u64,
    bucket_ms: u64,
    count: u64,
}

impl Buckets {
    fn of(minutes: u32, now_ms: u64) -> Self {
        let window = u64::from(minutes.min(MOST_MINUTES)) * MINUTE_MS;
        let fits = |length: &&u64| window.div_ceil(**length) <= BUCKETS;
        let bucket_ms = LENGTHS
            .iter()
            .find(fits)
            .map_or(LONGEST_MS, |length| *length);
        let count = window.div_ceil(bucket_ms);
        let end = (now_ms / bucket_ms + 1) * bucket_ms;
        Self {
            since_ms: end.saturating_sub(count * bucket_ms),
            bucket_ms,
            count,
        }
    }

    const fn end_ms(self) -> u64 {
        self.since_ms + self.count * self.bucket_ms
    }

    const fn at_ms(self, bucket: u64) -> u64 {
        self.since_ms + bucket * self.bucket_ms
    }

    /// The bucket of a moment; none of one before the first.
    fn find(self, at_ms: u64) -> Option<u64> {
        Some(at_ms.checked_sub(self.since_ms)? / self.bucket_ms)
    }
}

async fn make(app: &App, minutes: u32) -> Result<Overview, Problem> {
    let failed = |error| Problem::internal(&error);
    let now = now_ms();
    let buckets = Buckets::of(minutes, now);
    let (since_ms, end_ms) = (buckets.since_ms, buckets.end_ms());
    let ended = app
        .store
        .count_events(since_ms, end_ms, buckets.bucket_ms)
        .await
        .map_err(failed)?;
    let sample = take(app, buckets).await?;
    let (count, unsigned) = app
        .store
        .list_unsigned_clients(unsigned_since(now), UNSIGNED)
        .await
        .map_err(failed)?;
    let certificates = certificates::all(app).await?;
    let counted: u64 = ended.iter().map(|one| one.count).sum();
    let sampled = Sampled {
        events: sample.events(),
        // Some may have come since they were counted.
        of: counted.max(sample.events()),
    };
    let newest = app.newest();
    Ok(Overview {
        since_ms,
        until_ms: now,
        bucket_ms: buckets.bucket_ms,
        buckets: in_buckets(&ended, buckets),
        reasons: reasons(&ended),
        sampled,
        stages: sample.stages(buckets),
        authenticators: sample.authenticators(),
        second_factor: sample.second_factors(&newest),
        certificates,
        unsigned_clients: UnsignedClients {
            count,
            first: unsigned.into_iter().filter_map(unsigned_client).collect(),
        },
    })
}

/// Reads the newest events, some at a time, and takes from each what there is to tell.
async fn take(app: &App, buckets: Buckets) -> Result<Sample, Problem> {
    let mut sample = Sample::default();
    let mut cursor = None;
    let (mut left, mut octets) = (SAMPLED, 0);
    while left > 0 && octets < SAMPLED_OCTETS {
        let batch = left.min(AT_ONCE);
        let rows = app
            .store
            .list_event_rows(buckets.since_ms, buckets.end_ms(), cursor, batch)
            .await
            .map_err(|error| Problem::internal(&error))?;
        let found = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        left = left.saturating_sub(found);
        octets += rows.iter().map(|row| row.json.len()).sum::<usize>();
        cursor = rows.last().map(|row| row.at);
        sample = aside(move || {
            sample.take_in(&rows, buckets);
            Ok(sample)
        })
        .await?;
        if found < batch {
            break;
        }
    }
    Ok(sample)
}

fn in_buckets(ended: &[Ended], buckets: Buckets) -> Vec<Bucket> {
    let mut all: Vec<Bucket> = (0..buckets.count)
        .map(|bucket| Bucket {
            at_ms: buckets.at_ms(bucket),
            ..Bucket::default()
        })
        .collect();
    for one in ended {
        let bucket = usize::try_from(one.bucket).ok();
        let Some(bucket) = bucket.and_then(|bucket| all.get_mut(bucket)) else {
            continue;
        };
        match label::<Outcome>(&one.outcome, Outcome::ALL, Outcome::as_str) {
            Some(Outcome::Accept) => bucket.accept += one.count,
            Some(Outcome::Reject) => bucket.reject += one.count,
            Some(Outcome::Challenge) => bucket.challenge += one.count,
            Some(Outcome::Unanswered) => bucket.unanswered += one.count,
            None => {}
        }
    }
    all
}

fn reasons(ended: &[Ended]) -> Vec<ReasonCount> {
    let mut all: Vec<ReasonCount> = Vec::new();
    for one in ended {
        let outcome = label(&one.outcome, Outcome::ALL, Outcome::as_str);
        let reason = label(&one.reason, Reason::ALL, Reason::as_str);
        let (Some(outcome @ (Outcome::Reject | Outcome::Unanswered)), Some(reason)) =
            (outcome, reason)
        else {
            continue;
        };
        let found = all
            .iter_mut()
            .find(|known| (known.outcome, known.reason) == (outcome, reason));
        match found {
            Some(known) => known.count += one.count,
            None => all.push(ReasonCount {
                reason,
                outcome,
                count: one.count,
            }),
        }
    }
    all.sort_by_key(|one| (std::cmp::Reverse(one.count), one.reason, one.outcome));
    all.truncate(REASONS);
    all
}

/// What a stored label is; none of one that a later program stored.
fn label<T: Copy>(text: &str, all: &[T], written: impl Fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|one| written(*one) == text)
}

fn unsigned_client(seen: SeenClient) -> Option<UnsignedClient> {
    Some(UnsignedClient {
        integration: seen.integration,
        address: seen.address,
        last_unsigned_ms: seen.last_unsigned_ms?,
        last_signed_ms: seen.last_signed_ms,
    })
}

/// How long one is shown before it is made anew.
const FRESH_MS: u64 = 3_000;
/// The most windows that are kept: as many as there are.
const WINDOWS: usize = crate::api::overview::WINDOWS.len();
/// How long one waits for a place to have one made.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN_SECONDS: u64 = 2;
/// How many are made at a time.
const MAKING: usize = 2;
const BUCKETS: u64 = 120;
const MINUTE_MS: u64 = 60_000;
const LONGEST_MS: u64 = 15 * MINUTE_MS;
/// How long a bucket may be: what people count in.
const LENGTHS: &[u64] = &[
    5_000,
    10_000,
    15_000,
    30_000,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    LONGEST_MS,
];
/// How many reasons are told.
const REASONS: usize = 10;
/// The most events that are looked at one by one, and about how many octets of them.
const SAMPLED: u32 = 5_000;
const SAMPLED_OCTETS: usize = 32 * 1024 * 1024;
/// How many of them at a time.
const AT_ONCE: u32 = 250;
/// How many clients that do not sign are told.
const UNSIGNED: u32 = 20;
/// How many authenticators, second factors and certificates are told, of each.
const TOLD: usize = 100;

#[cfg(test)]
mod tests;
