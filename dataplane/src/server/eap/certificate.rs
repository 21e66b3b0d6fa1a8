//! When the certificates of tunnels expire: for the metric, the status and the log. Refuses nothing:
//! whether a certificate is good enough is the supplicant's affair.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use prometheus::IntGaugeVec;
use proto::config::{AuthenticatorKind, Snapshot};
use proto::id::IntegrationId;
use proto::rpc::CertificateStatus;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use crate::metrics::Metrics;

/// Seconds since 1970 after which the server's own certificate, the first in a PEM text, is no longer
/// good. None when it cannot be read.
pub(crate) fn not_after(chain: &str) -> Option<i64> {
    let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
    let (_, leaf) = X509Certificate::from_der(&leaf).ok()?;
    Some(leaf.validity().not_after.timestamp())
}

/// Seconds since 1970 after which no certificate of a PEM text is good any more. None when there is
/// none to be read.
fn last_not_after(bundle: &str) -> Option<i64> {
    let all = CertificateDer::pem_slice_iter(bundle.as_bytes()).filter_map(Result::ok);
    let ends = all.filter_map(|one| {
        let (_, one) = X509Certificate::from_der(&one).ok()?;
        Some(one.validity().not_after.timestamp())
    });
    ends.max()
}

/// Shows when the last of the certificates ends that a configuration trusts by a file of its own, by
/// section.
pub(crate) fn show_files(gauge: &IntGaugeVec, snapshot: &Snapshot) {
    let of_directories = snapshot.authenticators.iter().map(|one| match &one.kind {
        AuthenticatorKind::Ad(directory) => (one.id.as_str(), directory.ca_certs.as_deref()),
        _ => (one.id.as_str(), None),
    });
    let of_second_factors = ("main", snapshot.settings.http_ca_certs.as_deref());
    let mut shown = HashSet::new();
    for (name, bundle) in of_directories.chain([of_second_factors]) {
        if let Some(end) = bundle.and_then(last_not_after) {
            gauge.with_label_values(&[FILE, name]).set(end);
            shown.insert(name);
        }
    }
    series::forget(gauge, |labels| {
        labels.get("kind") == Some(&FILE)
            && labels.get("name").is_some_and(|name| !shown.contains(name))
    });
}

/// The certificates that are served, by their integrations.
#[derive(Debug, Default)]
pub(crate) struct CertificateWatch {
    served: BTreeMap<IntegrationId, Watched>,
}

#[derive(Debug)]
struct Watched {
    not_after: i64,
    /// What was last warned of, and when.
    told: Option<(Standing, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    Soon { days: i64 },
    Expired,
}

/// What the log is to say of a certificate.
#[derive(Debug, PartialEq, Eq)]
struct Warning {
    integration: IntegrationId,
    not_after: i64,
    standing: Standing,
}

impl CertificateWatch {
    /// Takes what is served from now on. One that stays is not warned of anew.
    pub(crate) fn replace(
        &mut self,
        now_served: impl IntoIterator<Item = (IntegrationId, i64)>,
        metrics: &Metrics,
    ) {
        let mut before = std::mem::take(&mut self.served);
        let gauge = &metrics.certificate_expiry;
        for (integration, not_after) in now_served {
            gauge
                .with_label_values(&[EAP, integration.as_str()])
                .set(not_after);
            let watched = before
                .remove(&integration)
                .filter(|same| same.not_after == not_after)
                .unwrap_or(Watched {
                    not_after,
                    told: None,
                });
            self.served.insert(integration, watched);
        }
        for gone in before.keys() {
            if !self.served.contains_key(gone) {
                // It is there: it was set when it came.
                drop(gauge.remove_label_values(&[EAP, gone.as_str()]));
            }
        }
    }

    /// Warns in the log, each day once, of those that have expired or soon will. `unix_now` is in
    /// seconds since 1970.
    pub(crate) fn warn(&mut self, now: Instant, unix_now: u64) {
        for warning in self.due(now, unix_now) {
            let integration = warning.integration.as_str();
            let until = date(warning.not_after);
            match warning.standing {
                Standing::Good => {}
                Standing::Soon { days } => tracing::warn!(
                    integration,
                    until,
                    days_left = days,
                    "the certificate expires soon; put a new one into the file that 'certs' names"
                ),
                Standing::Expired => tracing::warn!(
                    integration,
                    until,
                    "the certificate has expired, and supplicants refuse it; put a new one into the \
                     file that 'certs' names"
                ),
            }
        }
    }

    /// For the status.
    pub(crate) fn status(&self) -> Vec<CertificateStatus> {
        self.served
            .iter()
            .map(|(integration, watched)| CertificateStatus {
                integration: integration.to_string(),
                not_after: watched.not_after,
                until: date(watched.not_after),
            })
            .collect()
    }

    fn due(&mut self, now: Instant, unix_now: u64) -> Vec<Warning> {
        let mut due = Vec::new();
        for (integration, watched) in &mut self.served {
            let standing = Standing::of(watched.not_after, unix_now);
            let told = watched.told.is_some_and(|(last, at)| {
                last.is_like(standing) && now.saturating_duration_since(at) < BETWEEN_WARNINGS
            });
            if standing == Standing::Good || told {
                continue;
            }
            watched.told = Some((standing, now));
            due.push(Warning {
                integration: integration.clone(),
                not_after: watched.not_after,
                standing,
            });
        }
        due
    }
}

impl Standing {
    fn of(not_after: i64, unix_now: u64) -> Self {
        let left = not_after.saturating_sub(i64::try_from(unix_now).unwrap_or(i64::MAX));
        match left {
            // It is good for the whole of its last second (RFC 5280 section 4.1.2.5).
            ..0 => Self::Expired,
            0..SOON_SECONDS => Self::Soon {
                days: left / DAY_SECONDS,
            },
            SOON_SECONDS.. => Self::Good,
        }
    }

    /// Whether it is the same but for the days that have passed.
    const fn is_like(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Soon { .. }, Self::Soon { .. }) | (Self::Expired, Self::Expired)
        )
    }
}

fn date(seconds: i64) -> String {
    match ASN1Time::from_timestamp(seconds) {
        Ok(time) => time.to_datetime().date().to_string(),
        Err(_) => "a day that is none".to_owned(),
    }
}

/// The kinds of certificates that are shown here.
const EAP: &str = "eap";
const FILE: &str = "file";
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// As `validate` has it.
const SOON_SECONDS: i64 = 30 * DAY_SECONDS;
const BETWEEN_WARNINGS: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const NOW: u64 = 1_800_000_000;
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn id(name: &str) -> IntegrationId {
        IntegrationId::new(name).unwrap()
    }

    /// Serves them; each until so many seconds after [`NOW`].
    fn serve(watch: &mut CertificateWatch, metrics: &Metrics, certificates: &[(&str, i64)]) {
        let now = i64::try_from(NOW).unwrap();
        let certificates: Vec<_> = certificates
            .iter()
            .map(|(name, left)| (id(name), now + left))
            .collect();
        watch.replace(certificates, metrics);
    }

    fn told(watch: &mut CertificateWatch, at: Instant, unix_now: u64) -> Vec<(String, Standing)> {
        watch
            .due(at, unix_now)
            .into_iter()
            .map(|one| (one.integration.to_string(), one.standing))
            .collect()
    }

    #[test]
    fn the_first_certificate_of_the_chain_counts() {
        let [leaf, authority] = [2_050, 2_060].map(|year| {
            let mut parameters = rcgen::CertificateParams::new(vec!["radius.test".into()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, 1, 2);
            let key = rcgen::KeyPair::generate().unwrap();
            parameters.self_signed(&key).unwrap().pem()
        });
        assert_eq!(not_after(&(leaf + &authority)), Some(2_524_694_400));
        assert_eq!(date(2_524_694_400), "2050-01-02");
        assert_eq!(not_after("nothing"), None);
    }

    #[test]
    fn what_has_less_than_thirty_days_left_is_soon_over() {
        for (left, standing) in [
            (30 * DAY_SECONDS, Standing::Good),
            (30 * DAY_SECONDS - 1, Standing::Soon { days: 29 }),
            (0, Standing::Soon { days: 0 }),
            (-1, Standing::Expired),
            (i64::MIN / 2, Standing::Expired),
        ] {
            let not_after = i64::try_from(NOW).unwrap().saturating_add(left);
            assert_eq!(Standing::of(not_after, NOW), standing, "{left}");
        }
    }

    #[test]
    fn it_warns_at_once_and_then_once_a_day() {
        let metrics = Metrics::new().unwrap();
        let mut watch = CertificateWatch::default();
        let hour = 60 * 60;
        serve(
            &mut watch,
            &metrics,
            &[
                ("good", 90 * DAY_SECONDS),
                ("soon", 36 * hour),
                ("over", -1),
            ],
        );
        let begin = clock::now();
        let over = ("over".to_owned(), Standing::Expired);
        let soon = |days| ("soon".to_owned(), Standing::Soon { days });
        assert_eq!(told(&mut watch, begin, NOW), [over.clone(), soon(1)]);
        assert_eq!(told(&mut watch, begin, NOW), []);
        // The same files, in another revision.
        serve(
            &mut watch,
            &metrics,
            &[("over", -1), ("soon", 36 * hour), ("new", -5)],
        );
        let new = ("new".to_owned(), Standing::Expired);
        assert_eq!(told(&mut watch, begin, NOW), std::slice::from_ref(&new));
        let next_day = NOW + DAY.as_secs();
        assert_eq!(
            told(&mut watch, begin + DAY, next_day),
            [new, over, soon(0)]
        );
        // What expires within the day is said when it does.
        let expired = ("soon".to_owned(), Standing::Expired);
        assert_eq!(
            told(&mut watch, begin + DAY * 3 / 2, next_day + 13 * 60 * 60),
            [expired]
        );
    }

    #[test]
    fn a_renewed_certificate_is_judged_by_itself() {
        let metrics = Metrics::new().unwrap();
        let mut watch = CertificateWatch::default();
        serve(&mut watch, &metrics, &[("a", -1)]);
        let begin = clock::now();
        assert_eq!(told(&mut watch, begin, NOW).len(), 1);
        serve(&mut watch, &metrics, &[("a", 365 * DAY_SECONDS)]);
        assert_eq!(told(&mut watch, begin + DAY, NOW), []);
        serve(&mut watch, &metrics, &[("a", DAY_SECONDS)]);
        assert_eq!(
            told(&mut watch, begin, NOW),
            [("a".to_owned(), Standing::Soon { days: 1 })]
        );
    }

    #[test]
    fn the_metric_and_the_status_show_what_is_served() {
        let metrics = Metrics::new().unwrap();
        let mut watch = CertificateWatch::default();
        let series = |name: &str, value: &str| {
            let series = "countersign_certificate_expiry_timestamp_seconds";
            format!("{series}{{kind=\"eap\",name=\"{name}\"}} {value}\n")
        };
        serve(&mut watch, &metrics, &[("a", 1), ("b", 2)]);
        let text = metrics.render();
        assert!(text.contains(&series("a", "1800000001")), "{text}");
        assert!(text.contains(&series("b", "1800000002")), "{text}");
        serve(&mut watch, &metrics, &[("b", 3)]);
        let text = metrics.render();
        assert!(!text.contains("name=\"a\""), "{text}");
        assert!(text.contains(&series("b", "1800000003")), "{text}");
        assert_eq!(
            watch.status(),
            [CertificateStatus {
                integration: "b".to_owned(),
                not_after: 1_800_000_003,
                until: "2027-01-15".to_owned(),
            }]
        );
        serve(&mut watch, &metrics, &[]);
        assert!(!metrics.render().contains("certificate_expiry"));
    }
}
