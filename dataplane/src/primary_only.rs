//! Primary-only at a node: the grants that the control plane sent, until they end.
//!
//! Each ends by the node's own clocks: the wall clock, or the monotonic one where the wall clock was
//! set back since. A control plane that is away prolongs nothing, and a node that was restarted
//! without one has none. Whether a login may use a grant is decided in [`crate::flow`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use proto::date::utc;
use proto::id::IntegrationId;
use proto::rpc::{PRIMARY_ONLY_GRANTS, PRIMARY_ONLY_SECONDS, PrimaryOnlyGrant, PrimaryOnlyStatus};

/// The grants of a node. Reading is cheap, and cheaper still while there are none.
#[derive(Debug, Default)]
pub(crate) struct PrimaryOnly(ArcSwap<Vec<Held>>);

#[derive(Clone, Debug)]
struct Held {
    grant: Arc<PrimaryOnlyGrant>,
    /// When it ends by the monotonic clock.
    deadline: Instant,
}

/// What the clocks show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    /// Milliseconds since 1970.
    pub(crate) unix_ms: u64,
}

impl Held {
    fn holds(&self, at: Moment) -> bool {
        at.unix_ms < self.grant.until_ms && at.now < self.deadline
    }
}

impl PrimaryOnly {
    /// Takes the whole list in the place of the one before. A grant that was held already ends when
    /// it would have ended.
    pub(crate) fn replace(&self, at: Moment, grants: Vec<PrimaryOnlyGrant>) {
        let before = self.0.load();
        let held = grants.into_iter().take(PRIMARY_ONLY_GRANTS).map(|grant| {
            let left = grant.until_ms.saturating_sub(at.unix_ms);
            let left = Duration::from_millis(left).min(LONGEST);
            let same = before.iter().find(|one| *one.grant == grant);
            let fresh = at.now.checked_add(left).unwrap_or(at.now);
            Held {
                deadline: same.map_or(fresh, |same| same.deadline.min(fresh)),
                grant: Arc::new(grant),
            }
        });
        self.0.store(Arc::new(held.collect()));
    }

    /// All that are held, for the process that takes this one's place. One that the monotonic clock
    /// ended is not.
    pub(crate) fn held(&self, at: Moment) -> Vec<PrimaryOnlyGrant> {
        let held = self.0.load();
        let holding = held.iter().filter(|one| one.holds(at));
        holding.map(|one| (*one.grant).clone()).collect()
    }

    /// The grant that is in force for an integration: its own before that for all.
    pub(crate) fn of(
        &self,
        at: Moment,
        integration: &IntegrationId,
    ) -> Option<Arc<PrimaryOnlyGrant>> {
        let held = self.0.load();
        let mut holding = held.iter().filter(|one| one.holds(at));
        let own = holding
            .clone()
            .find(|one| one.grant.integration.as_ref() == Some(integration));
        own.or_else(|| holding.find(|one| one.grant.integration.is_none()))
            .map(|one| Arc::clone(&one.grant))
    }

    /// What is in force among these integrations, which check passwords; a grant that opens none of
    /// them is not.
    pub(crate) fn status<'a>(
        &self,
        at: Moment,
        integrations: impl IntoIterator<Item = &'a IntegrationId>,
    ) -> Vec<PrimaryOnlyStatus> {
        let mut all: Vec<PrimaryOnlyStatus> = Vec::new();
        for integration in integrations {
            let Some(grant) = self.of(at, integration) else {
                continue;
            };
            let same = |one: &&mut PrimaryOnlyStatus| {
                one.until_ms == grant.until_ms && one.by == grant.by && one.reason == grant.reason
            };
            match all.iter_mut().find(same) {
                Some(status) => status.integrations.push(integration.to_string()),
                None => all.push(PrimaryOnlyStatus {
                    integrations: vec![integration.to_string()],
                    until_ms: grant.until_ms,
                    until: utc(grant.until_ms),
                    reason: grant.reason.clone(),
                    by: grant.by.clone(),
                }),
            }
        }
        all
    }
}

/// What the log has been told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    in_force: Vec<(PrimaryOnlyStatus, Instant)>,
}

/// What the log is to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Saying {
    /// It is in force: when it begins, and once a minute from then on.
    InForce(PrimaryOnlyStatus),
    /// It is no more, for these integrations.
    Ended(Vec<String>),
}

impl Told {
    /// Notes what is in force now, and gives what there is to say.
    pub(crate) fn note(&mut self, now: Instant, in_force: Vec<PrimaryOnlyStatus>) -> Vec<Saying> {
        let mut before = std::mem::take(&mut self.in_force);
        let mut sayings = Vec::new();
        for status in in_force {
            let told = before.iter().position(|(one, _)| *one == status);
            let told = told.map(|at| before.swap_remove(at).1);
            match told.filter(|at| now.saturating_duration_since(*at) < BETWEEN_WARNINGS) {
                Some(at) => self.in_force.push((status, at)),
                None => {
                    sayings.push(Saying::InForce(status.clone()));
                    self.in_force.push((status, now));
                }
            }
        }
        // One grant may have taken the place of another.
        let open = |one: &String| {
            let mut all = self.in_force.iter();
            all.any(|(status, _)| status.integrations.contains(one))
        };
        let closed = before
            .into_iter()
            .flat_map(|(status, _)| status.integrations);
        let closed: Vec<String> = closed.filter(|one| !open(one)).collect();
        if !closed.is_empty() {
            sayings.push(Saying::Ended(closed));
        }
        sayings
    }
}

impl Saying {
    /// Says it.
    pub(crate) fn log(&self) {
        match self {
            Self::InForce(status) => tracing::warn!(
                integrations = status.integrations.join(","),
                until = status.until,
                by = status.by,
                reason = status.reason,
                "PRIMARY ONLY is in force: logins pass without the second factor"
            ),
            Self::Ended(integrations) => tracing::warn!(
                integrations = integrations.join(","),
                "primary-only is over: the second factor is asked again"
            ),
        }
    }
}

/// Whatever is sent, a grant lasts no longer.
const LONGEST: Duration = Duration::from_secs(PRIMARY_ONLY_SECONDS);
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const NOW: u64 = 1_795_000_000_000;

    fn id(text: &str) -> IntegrationId {
        IntegrationId::new(text).unwrap()
    }

    fn grant(integration: Option<&str>, until_ms: u64) -> PrimaryOnlyGrant {
        PrimaryOnlyGrant {
            integration: integration.map(id),
            until_ms,
            reason: "the service is down".to_owned(),
            by: integration.unwrap_or("all").to_owned(),
        }
    }

    /// Moments so many seconds later, by each clock.
    fn clocks() -> impl Fn(u64, i64) -> Moment {
        let start = clock::now();
        move |monotonic, wall| Moment {
            now: start + Duration::from_secs(monotonic),
            unix_ms: NOW.saturating_add_signed(wall * 1_000),
        }
    }

    fn by(held: &PrimaryOnly, at: Moment, integration: &str) -> Option<String> {
        held.of(at, &id(integration)).map(|grant| grant.by.clone())
    }

    #[test]
    fn a_grant_is_for_its_integration_and_until_its_end() {
        let at = clocks();
        let held = PrimaryOnly::default();
        assert_eq!(by(&held, at(0, 0), "a"), None, "there is none at first");
        held.replace(at(0, 0), vec![grant(Some("a"), NOW + 60_000)]);
        for (name, moment, integration, want) in [
            ("at once", at(0, 0), "a", true),
            ("another", at(0, 0), "b", false),
            ("a second before", at(59, 59), "a", true),
            ("at its end", at(60, 60), "a", false),
            ("the wall clock was set forward", at(1, 60), "a", false),
            ("the wall clock was set back", at(60, 0), "a", false),
            ("far back", at(60, -86_400), "a", false),
        ] {
            assert_eq!(by(&held, moment, integration).is_some(), want, "{name}");
        }
        held.replace(at(1, 1), Vec::new());
        assert_eq!(by(&held, at(1, 1), "a"), None, "revoked");
    }

    #[test]
    fn one_grant_for_all_stands_behind_an_integrations_own() {
        let at = clocks();
        let held = PrimaryOnly::default();
        held.replace(
            at(0, 0),
            vec![grant(None, NOW + 60_000), grant(Some("a"), NOW + 10_000)],
        );
        assert_eq!(by(&held, at(0, 0), "a").as_deref(), Some("a"));
        assert_eq!(by(&held, at(0, 0), "b").as_deref(), Some("all"));
        assert_eq!(by(&held, at(10, 10), "a").as_deref(), Some("all"));
        let (a, b, c) = (id("a"), id("b"), id("c"));
        let status = held.status(at(0, 0), [&a, &b, &c]);
        let shown: Vec<_> = status.iter().map(|one| one.integrations.clone()).collect();
        assert_eq!(shown, [vec!["a"], vec!["b", "c"]]);
        assert_eq!(status[1].until, utc(NOW + 60_000));
        assert_eq!(held.status(at(60, 60), [&a]), []);
    }

    #[test]
    fn nothing_prolongs_a_grant_beyond_its_time_or_a_day() {
        let at = clocks();
        let held = PrimaryOnly::default();
        let one = grant(None, NOW + 60_000);
        held.replace(at(0, 0), vec![one.clone()]);
        // Sent again after the clock was set back by an hour.
        held.replace(at(30, -3_600), vec![one.clone()]);
        assert!(by(&held, at(59, -3_571), "a").is_some());
        assert_eq!(by(&held, at(60, -3_540), "a"), None);
        held.replace(at(61, -3_539), vec![one]);
        assert_eq!(
            by(&held, at(61, -3_539), "a"),
            None,
            "ended, and sent again"
        );
        held.replace(at(0, 0), vec![grant(None, u64::MAX)]);
        assert!(by(&held, at(86_399, 86_399), "a").is_some());
        assert_eq!(by(&held, at(86_400, 86_400), "a"), None, "a day at most");
        let many = (0..PRIMARY_ONLY_GRANTS + 1).map(|n| grant(Some(&format!("i{n}")), u64::MAX));
        held.replace(at(0, 0), many.collect());
        let last = format!("i{PRIMARY_ONLY_GRANTS}");
        assert_eq!(by(&held, at(0, 0), &last), None);
    }

    #[test]
    fn the_log_says_it_at_once_each_minute_and_at_the_end() {
        let at = clocks();
        let held = PrimaryOnly::default();
        held.replace(at(0, 0), vec![grant(None, NOW + 100_000)]);
        let all = [id("a")];
        let mut told = Told::default();
        let mut said = |seconds: u64| {
            let moment = at(seconds, i64::try_from(seconds).unwrap());
            told.note(moment.now, held.status(moment, &all))
        };
        let in_force = |sayings: Vec<Saying>| matches!(sayings[..], [Saying::InForce(_)]);
        assert!(in_force(said(0)));
        assert_eq!(said(5), []);
        assert_eq!(said(59), []);
        assert!(in_force(said(60)));
        assert_eq!(said(99), []);
        assert_eq!(said(100), [Saying::Ended(vec!["a".to_owned()])]);
        assert_eq!(said(105), []);
    }

    #[test]
    fn one_grant_in_the_place_of_another_ends_nothing() {
        let at = clocks();
        let held = PrimaryOnly::default();
        let (a, b) = (id("a"), id("b"));
        let mut told = Told::default();
        let mut said = |grants: Vec<PrimaryOnlyGrant>| {
            held.replace(at(0, 0), grants);
            told.note(at(0, 0).now, held.status(at(0, 0), [&a, &b]))
        };
        assert_eq!(said(vec![grant(None, NOW + 10_000)]).len(), 1);
        let own = grant(Some("a"), NOW + 20_000);
        let sayings = said(vec![own]);
        let [Saying::InForce(status), Saying::Ended(closed)] = &sayings[..] else {
            panic!("{sayings:?}");
        };
        assert_eq!(
            (status.integrations[0].as_str(), closed[0].as_str()),
            ("a", "b")
        );
        let longer = said(vec![grant(Some("a"), NOW + 30_000)]);
        assert!(matches!(longer[..], [Saying::InForce(_)]), "{longer:?}");
    }
}
