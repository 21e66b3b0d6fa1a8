//! What the newest events tell of stages, authenticators and second factors. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use proto::config::raw;
use proto::event::{AuthEvent, Reason, Stage};
use proto::id::{AuthenticatorId, IntegrationId};

use super::{Buckets, TOLD};
use crate::api::overview::{
    AuthenticatorHealth, LastFailure, SecondFactorHealth, StageBucket, StageTimes,
};
use crate::store::EventRow;

/// What was taken from events so far.
#[derive(Debug, Default)]
pub(super) struct Sample {
    events: u64,
    /// How long each request waited, by stage and bucket.
    waits: BTreeMap<(Stage, u64), Vec<u64>>,
    authenticators: BTreeMap<AuthenticatorId, Asked>,
    second_factors: BTreeMap<IntegrationId, Asked>,
}

/// How somebody did who was asked.
#[derive(Debug, Default)]
struct Asked {
    asked: u64,
    failed: u64,
    unavailable: u64,
    /// Failed, and let in all the same.
    let_in: u64,
    /// How long the first answers took.
    answers: Vec<u64>,
    last_failure: Option<LastFailure>,
}

/// What a request that was not decided says of whom it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    Unavailable,
    Otherwise,
}

impl Sample {
    /// How many were taken in.
    pub(super) const fn events(&self) -> u64 {
        self.events
    }

    /// Takes in events, the newest first. Tests are passed over, and so are those that cannot be read,
    /// such as of a later program: whoever looks for what is wrong sees the others.
    pub(super) fn take_in(&mut self, rows: &[EventRow], buckets: Buckets) {
        for row in rows {
            match serde_json::from_str::<AuthEvent>(&row.json) {
                Ok(event) if event.test => {}
                Ok(event) => self.take(&event, buckets),
                Err(error) => tracing::debug!(
                    seq = row.at.seq,
                    error = &error as &dyn std::error::Error,
                    "an event is in no overview"
                ),
            }
        }
    }

    fn take(&mut self, event: &AuthEvent, buckets: Buckets) {
        self.events += 1;
        let mut asked: BTreeMap<Stage, u64> = BTreeMap::new();
        let skipped = event.reason == Reason::PrimaryOnly;
        for step in &event.timeline {
            // What stands there in the place of a question says why there was none.
            let is_asked = match step.stage {
                Stage::Primary => true,
                Stage::Preauth | Stage::Factor => !skipped,
                Stage::Packet | Stage::Client | Stage::Answer => false,
            };
            if is_asked {
                let waited = asked.entry(step.stage).or_default();
                *waited = waited.saturating_add(step.elapsed_us);
            }
        }
        if let Some(bucket) = buckets.find(event.at_ms) {
            for (stage, waited) in &asked {
                let waits = self.waits.entry((*stage, bucket)).or_default();
                waits.push(*waited);
            }
        }
        if asked.contains_key(&Stage::Primary)
            && let Some(id) = &event.authenticator
        {
            let failed = match event.reason {
                Reason::PrimaryUnavailable => Some(Failed::Unavailable),
                Reason::PrimaryMisconfigured => Some(Failed::Otherwise),
                _ => None,
            };
            let one = self.authenticators.entry(id.clone()).or_default();
            one.note(event, failed, &[Stage::Primary]);
        }
        if asked.contains_key(&Stage::Preauth) || asked.contains_key(&Stage::Factor) {
            let failed = match event.reason {
                Reason::FailModeSafe | Reason::SecondFactorUnavailable => Some(Failed::Unavailable),
                Reason::SecondFactorError | Reason::SecondFactorUnreadable => {
                    Some(Failed::Otherwise)
                }
                _ => None,
            };
            let integration = event.integration.clone();
            let one = self.second_factors.entry(integration).or_default();
            one.note(event, failed, &[Stage::Preauth, Stage::Factor]);
            one.let_in += u64::from(event.reason == Reason::FailModeSafe);
            // One that waits for a person says nothing of who asks.
            if failed.is_none()
                && let Some(waited) = asked.get(&Stage::Preauth)
            {
                one.answers.push(*waited);
            }
        }
    }

    /// How long requests waited, by stage.
    pub(super) fn stages(&self, buckets: Buckets) -> Vec<StageTimes> {
        let stages = [Stage::Primary, Stage::Preauth, Stage::Factor];
        let told = stages.into_iter().filter_map(|stage| {
            let of_stage = || self.waits.range((stage, 0)..=(stage, u64::MAX));
            let all = Times::of(of_stage().flat_map(|(_, waits)| waits).copied().collect())?;
            let in_buckets = of_stage().filter_map(|((_, bucket), waits)| {
                let times = Times::of(waits.clone())?;
                Some(StageBucket {
                    at_ms: buckets.at_ms(*bucket),
                    count: times.count(),
                    p50_us: times.at(50),
                    p90_us: times.at(90),
                    p99_us: times.at(99),
                })
            });
            Some(StageTimes {
                stage,
                count: all.count(),
                p50_us: all.at(50),
                p90_us: all.at(90),
                p99_us: all.at(99),
                buckets: in_buckets.collect(),
            })
        });
        told.collect()
    }

    /// How the authenticators did.
    pub(super) fn authenticators(&self) -> Vec<AuthenticatorHealth> {
        let told = worst_first(&self.authenticators).map(|(id, one)| AuthenticatorHealth {
            id: id.clone(),
            asked: one.asked,
            failed: one.failed,
            unavailable: one.unavailable,
            last_failure: one.last_failure.clone(),
        });
        told.collect()
    }

    /// How the second factors did, with their hosts as they are configured now.
    pub(super) fn second_factors(&self, newest: &raw::Snapshot) -> Vec<SecondFactorHealth> {
        let told = worst_first(&self.second_factors).map(|(integration, one)| {
            let mut configured = newest.integrations.iter();
            let configured = configured.find(|known| known.id == integration.as_str());
            SecondFactorHealth {
                integration: integration.clone(),
                host: configured.map(|known| known.application.host.clone()),
                asked: one.asked,
                failed: one.failed,
                unavailable: one.unavailable,
                fail_mode_used: one.let_in,
                p50_us: Times::of(one.answers.clone()).map(|times| times.at(50)),
                last_failure: one.last_failure.clone(),
            }
        });
        told.collect()
    }
}

impl Asked {
    fn note(&mut self, event: &AuthEvent, failed: Option<Failed>, stages: &[Stage]) {
        self.asked += 1;
        let Some(failed) = failed else { return };
        self.failed += 1;
        self.unavailable += u64::from(failed == Failed::Unavailable);
        // The newest comes first.
        if self.last_failure.is_none() {
            let mut steps = event.timeline.iter().rev();
            let last = steps.find(|step| stages.contains(&step.stage));
            self.last_failure = Some(LastFailure {
                at_ms: event.at_ms,
                event: event.id,
                node: event.node.clone(),
                detail: last.map(|step| step.detail.clone()).unwrap_or_default(),
            });
        }
    }
}

/// Those that fail most, then those that are asked most, then by name.
fn worst_first<K: Ord>(all: &BTreeMap<K, Asked>) -> impl Iterator<Item = (&K, &Asked)> {
    let mut all: Vec<(&K, &Asked)> = all.iter().collect();
    all.sort_by_key(|(_, one)| (Reverse(one.failed), Reverse(one.asked)));
    all.into_iter().take(TOLD)
}

/// Waits in order, at least one.
struct Times(Vec<u64>);

impl Times {
    fn of(mut waits: Vec<u64>) -> Option<Self> {
        waits.sort_unstable();
        (!waits.is_empty()).then_some(Self(waits))
    }

    fn count(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// The shortest one that so many of a hundred are no longer than.
    fn at(&self, percent: usize) -> u64 {
        let rank = self.0.len().saturating_mul(percent).div_ceil(100);
        let found = self.0.get(rank.saturating_sub(1));
        found.or_else(|| self.0.last()).copied().unwrap_or_default()
    }
}
