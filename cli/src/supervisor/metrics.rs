//! What the supervisor itself measures: its roles, and its own process.

use std::sync::Arc;

use proto::child::Role;
use proto::metric::supervisor as table;
use series::{Error, IntCounterVec, IntGaugeVec, Maker, Series};

/// Its series. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    role_up: IntGaugeVec,
    restarts: IntCounterVec,
    series: Arc<Series>,
}

impl Metrics {
    /// Makes them.
    ///
    /// # Errors
    /// When they are not those of the table, which the tests rule out.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut make = Maker::new("supervisor", table::TABLE)?;
        Ok(Self {
            role_up: make.gauges(&table::ROLE_UP)?,
            restarts: make.counters(&table::ROLE_RESTARTS)?,
            series: Arc::new(make.finish()?),
        })
    }

    /// Notes whether a role gave its metrics just now.
    pub(crate) fn role_is(&self, role: Role, up: bool) {
        let gauge = self.role_up.with_label_values(&[role.as_str()]);
        gauge.set(i64::from(up));
    }

    /// Notes that a role ended by itself.
    pub(crate) fn ended(&self, role: Role) {
        self.restarts.with_label_values(&[role.as_str()]).inc();
    }

    /// Prometheus' text. Asks the system how the process is, so it belongs on a thread that may block.
    pub(crate) fn text(&self) -> Result<String, Error> {
        self.series.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_shown_under_their_names() {
        let metrics = Metrics::new().unwrap();
        let roles = [Role::ControlPlane, Role::DataPlane, Role::SecondFactor];
        assert_eq!(table::CHILDREN, roles.map(Role::as_str));
        metrics.role_is(Role::DataPlane, true);
        metrics.role_is(Role::ControlPlane, false);
        metrics.ended(Role::DataPlane);
        let text = metrics.text().unwrap();
        for sample in [
            "countersign_role_up{child=\"controlplane\"} 0\n",
            "countersign_role_up{child=\"dataplane\"} 1\n",
            "countersign_role_restarts_total{child=\"controlplane\"} 0\n",
            "countersign_role_restarts_total{child=\"dataplane\"} 1\n",
            "countersign_build_info{role=\"supervisor\",",
        ] {
            assert!(text.contains(sample), "{sample}: {text}");
        }
        assert!(
            !text.contains("role_up{child=\"secondfactor\""),
            "it does not run"
        );
    }
}
