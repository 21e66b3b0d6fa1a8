//! Until when certificates are good. Pure.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

/// From when until when a certificate is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

/// The spans of a chain, in its order; what cannot be read is left out.
pub(super) fn spans(chain: &[CertificateDer<'_>]) -> Vec<Span> {
    chain
        .iter()
        .filter_map(|one| {
            let (_, certificate) = X509Certificate::from_der(one).ok()?;
            let validity = certificate.validity();
            Some(Span {
                not_before: validity.not_before.timestamp(),
                not_after: validity.not_after.timestamp(),
            })
        })
        .collect()
}

/// The spans of the certificates of a PEM text.
pub(super) fn spans_of_pem(text: &str) -> Vec<Span> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .flatten()
        .collect();
    spans(&chain)
}

/// How a certificate stands at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    NotYet,
    Good {
        days: i64,
    },
    /// Less than 30 days are left.
    Soon {
        days: i64,
    },
    Expired,
}

impl Standing {
    /// `now` is in seconds since 1970.
    pub(super) fn of(span: Span, now: i64) -> Self {
        match span.not_after.saturating_sub(now) {
            // It is good for the whole of its last second (RFC 5280 section 4.1.2.5).
            ..0 => Self::Expired,
            _ if now < span.not_before => Self::NotYet,
            left @ 0..SOON_SECONDS => Self::Soon {
                days: left / DAY_SECONDS,
            },
            left => Self::Good {
                days: left / DAY_SECONDS,
            },
        }
    }
}

/// The day of a time, in UTC: `2027-01-15`.
pub(super) fn day(seconds: i64) -> String {
    match ASN1Time::from_timestamp(seconds) {
        Ok(time) => time.to_datetime().date().to_string(),
        Err(_) => "a day that is none".to_owned(),
    }
}

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// As `validate` has it.
const SOON_SECONDS: i64 = 30 * DAY_SECONDS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_those_of_the_chain_in_its_order() {
        let text: String = [2_050, 2_060]
            .map(|year| {
                let mut parameters = rcgen::CertificateParams::new(vec!["a.test".into()]).unwrap();
                parameters.not_before = rcgen::date_time_ymd(2_020, 1, 1);
                parameters.not_after = rcgen::date_time_ymd(year, 1, 2);
                let key = rcgen::KeyPair::generate().unwrap();
                parameters.self_signed(&key).unwrap().pem()
            })
            .concat();
        let days: Vec<_> = spans_of_pem(&text)
            .into_iter()
            .map(|one| (day(one.not_before), day(one.not_after)))
            .collect();
        let from = || "2020-01-01".to_owned();
        assert_eq!(
            days,
            [
                (from(), "2050-01-02".to_owned()),
                (from(), "2060-01-02".to_owned())
            ]
        );
        assert_eq!(spans_of_pem("nothing"), []);
        assert_eq!(spans(&[CertificateDer::from(vec![1, 2, 3])]), []);
    }

    #[test]
    fn what_has_less_than_thirty_days_left_is_soon_over() {
        let span = Span {
            not_before: 1_000,
            not_after: 10_000 * DAY_SECONDS,
        };
        for (now, want) in [
            (999, Standing::NotYet),
            (1_000, Standing::Good { days: 9_999 }),
            (span.not_after - SOON_SECONDS, Standing::Good { days: 30 }),
            (
                span.not_after - SOON_SECONDS + 1,
                Standing::Soon { days: 29 },
            ),
            (span.not_after, Standing::Soon { days: 0 }),
            (span.not_after + 1, Standing::Expired),
        ] {
            assert_eq!(Standing::of(span, now), want, "{now}");
        }
    }
}
