//! What was found, as rows: what is good, what is not, and what to do. Pure.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proto::check::{CheckKind, CheckResult, CheckRow};
use rustls::{CertificateError, ProtocolVersion};

use super::certificate::{Span, Standing, day};
use crate::duo::failure::{Failure, FailureKind};
use crate::primary::trial::{Outcome, Step, Trial};
use crate::server::holder::Holder;
use crate::server::sites::Place;

/// What rows are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// A host and port, mostly.
    pub(super) place: String,
    pub(super) sections: Vec<String>,
    /// The address of this machine that it was tried from.
    pub(super) from: Option<IpAddr>,
}

/// What a row says, beside what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) result: CheckResult,
    pub(super) found: String,
    pub(super) remedy: Option<String>,
}

impl Subject {
    pub(super) fn row(&self, what: CheckKind, took: Duration, finding: Finding) -> CheckRow {
        CheckRow {
            what,
            place: self.place.clone(),
            sections: self.sections.clone(),
            from: self.from,
            result: finding.result,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            found: finding.found,
            remedy: finding.remedy,
        }
        .shown()
    }
}

impl Finding {
    pub(super) fn good(found: impl Into<String>) -> Self {
        Self {
            result: CheckResult::Good,
            found: found.into(),
            remedy: None,
        }
    }

    pub(super) fn warning(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            result: CheckResult::Warning,
            found: found.into(),
            remedy: Some(remedy.into()),
        }
    }

    pub(super) fn failed(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            result: CheckResult::Failed,
            ..Self::warning(found, remedy)
        }
    }
}

/// The rows of a primary's host that was tried. `now` is in seconds since 1970.
pub(super) fn trial(subject: &Subject, trial: &Trial, spans: &[Span], now: i64) -> Vec<CheckRow> {
    let subject = Subject {
        from: trial.from,
        ..subject.clone()
    };
    let mut rows = Vec::with_capacity(trial.steps.len() + 1);
    for one in &trial.steps {
        let (what, place, remedy) = match &one.step {
            Step::Connection => (
                CheckKind::Directory,
                None,
                "check host, port, transport and ssl_ca_certs_file",
            ),
            Step::ServiceAccount => (
                CheckKind::ServiceAccount,
                None,
                "check service_account_username and service_account_password",
            ),
            Step::SearchBase(base) => (
                CheckKind::SearchBase,
                Some(base),
                "check search_dn, and what the service account may read",
            ),
            Step::Group(group) => (
                CheckKind::Group,
                Some(group),
                "check security_group_dn, and what the service account may read",
            ),
            Step::Users(base) => (
                CheckKind::Users,
                Some(base),
                "check username_attribute, and what the service account may read",
            ),
            Step::StatusServer => (
                CheckKind::Upstream,
                None,
                "check host, port and secret, and that this machine is a client there",
            ),
        };
        let at = match place {
            None => subject.clone(),
            Some(name) => Subject {
                place: format!("{} {name}", subject.place),
                ..subject.clone()
            },
        };
        let connected = one.step == Step::Connection;
        let finding = match &one.outcome {
            Outcome::Good(found) if connected => {
                Finding::good(format!("{found}, {}", tls(trial.tls)))
            }
            Outcome::Good(found) => Finding::good(found.clone()),
            Outcome::Doubtful(text) => {
                let (found, remedy) = parted(text, remedy);
                Finding::warning(found, remedy)
            }
            Outcome::Failed(text) => {
                let (found, remedy) = parted(text, remedy);
                Finding::failed(found, remedy)
            }
        };
        rows.push(at.row(what, one.took, finding));
        if connected && let Some(finding) = shown_certificate(spans, now) {
            rows.push(at.row(CheckKind::DirectoryCertificate, Duration::ZERO, finding));
        }
    }
    rows
}

/// A text of a login's timeline, `what was found; what to do`, in its two parts.
fn parted<'a>(text: &'a str, otherwise: &'a str) -> (&'a str, &'a str) {
    text.split_once("; ").unwrap_or((text, otherwise))
}

/// What TLS agreed on.
pub(super) fn tls(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        None => "without TLS",
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(_) => "TLS",
    }
}

/// What a server showed, and was believed. None where nothing was shown.
///
/// Servers show certificates that no path needs; one of them that has expired is none of ours.
pub(super) fn shown_certificate(spans: &[Span], now: i64) -> Option<Finding> {
    let (own, others) = spans.split_first()?;
    let until = day(own.not_after);
    if let Standing::Soon { days } = Standing::of(*own, now) {
        return Some(Finding::warning(
            format!("good until {until}, {}", left(days)),
            "have it renewed before that day: logins fail from then on",
        ));
    }
    let soon = others.iter().find_map(|one| match Standing::of(*one, now) {
        Standing::Soon { days } => Some((one, days)),
        _ => None,
    });
    Some(match soon {
        Some((one, days)) => Finding::warning(
            format!(
                "good until {until}, but a CA's certificate shown with it until {}, {}",
                day(one.not_after),
                left(days)
            ),
            "have the server show the CA's new certificate before that day",
        ),
        None => Finding::good(format!("good until {until}{}", left_of(*own, now))),
    })
}

/// The certificates of authorities that a file holds. One that has expired is of no use, and no harm.
pub(super) fn authorities(spans: &[Span], now: i64) -> Finding {
    let usable = |one: &&Span| {
        matches!(
            Standing::of(**one, now),
            Standing::Good { .. } | Standing::Soon { .. }
        )
    };
    let good = spans.iter().filter(usable);
    let Some(first) = good.clone().min_by_key(|one| one.not_after) else {
        return Finding::failed(
            match spans {
                [] => "there is none in it".to_owned(),
                all => format!("none of {} is good now", all.len()),
            },
            "put the certificate of the CA that signs the server's into the file",
        );
    };
    let (good, all) = (good.count(), spans.len());
    let many = match good {
        1 => "1 certificate".to_owned(),
        _ => format!("{good} certificates"),
    };
    let until = day(first.not_after);
    match Standing::of(*first, now) {
        Standing::Soon { days } => Finding::warning(
            format!("{many}, the first good until {until}, {}", left(days)),
            "put the CA's next certificate into the file before that day",
        ),
        _ if good < all => Finding::good(format!(
            "{many}, the first good until {until}{}; {} more that are not good now",
            left_of(*first, now),
            all - good
        )),
        _ => Finding::good(format!(
            "{many}, the first good until {until}{}",
            left_of(*first, now)
        )),
    }
}

/// A certificate that the gateway made for itself, or was given for its admin address.
pub(super) fn gateways_certificate(span: Span, now: i64) -> Finding {
    let until = day(span.not_after);
    match Standing::of(span, now) {
        Standing::Good { days } => Finding::good(format!("good until {until}, {}", left(days))),
        Standing::NotYet => Finding::failed(
            format!("it is not good before {}", day(span.not_before)),
            "set this machine's clock",
        ),
        Standing::Soon { days } => {
            Finding::warning(format!("good until {until}, {}", left(days)), RENEW)
        }
        Standing::Expired => Finding::failed(format!("it has expired, on {until}"), RENEW),
    }
}

/// The certificate and chain of a section that serves EAP. `usable` says what TLS has against them.
pub(super) fn own_certificate(spans: &[Span], usable: Result<(), String>, now: i64) -> Finding {
    if let Err(fault) = usable {
        return Finding::failed(
            fault,
            "name a PEM file of the certificate and its chain in certs, and of its key in pkey",
        );
    }
    let mut worst: Option<Finding> = None;
    for (place, span) in spans.iter().enumerate() {
        let which = match place {
            0 => "it".to_owned(),
            _ => format!("certificate {} of the chain", place + 1),
        };
        let finding = match Standing::of(*span, now) {
            Standing::Good { .. } => continue,
            Standing::NotYet => Finding::failed(
                format!("{which} is not good before {}", day(span.not_before)),
                "set this machine's clock, or name one that is good in certs",
            ),
            Standing::Expired => Finding::failed(
                format!(
                    "{which} has expired, on {}: supplicants refuse it",
                    day(span.not_after)
                ),
                "put a new one into the file that certs names",
            ),
            Standing::Soon { days } => Finding::warning(
                format!(
                    "{which} is good until {}, {}",
                    day(span.not_after),
                    left(days)
                ),
                "put a new one into the file that certs names before that day",
            ),
        };
        if worst
            .as_ref()
            .is_none_or(|before| before.result < finding.result)
        {
            worst = Some(finding);
        }
    }
    match (worst, spans.first()) {
        (Some(finding), _) => finding,
        (None, Some(own)) => Finding::good(format!(
            "good until {}{}, and the key belongs to it",
            day(own.not_after),
            left_of(*own, now)
        )),
        (None, None) => Finding::failed(
            "it cannot be read",
            "name a PEM file of the certificate and its chain in certs",
        ),
    }
}

/// `, 31 days left`, of one that is good.
fn left_of(span: Span, now: i64) -> String {
    match Standing::of(span, now) {
        Standing::Good { days } | Standing::Soon { days } => format!(", {}", left(days)),
        Standing::NotYet | Standing::Expired => String::new(),
    }
}

fn left(days: i64) -> String {
    match days {
        0 => "less than a day left".to_owned(),
        1 => "1 day left".to_owned(),
        _ => format!("{days} days left"),
    }
}

/// A clock that is `ahead` seconds behind the service's.
pub(super) fn clock(ahead: i64) -> Finding {
    let off = ahead.unsigned_abs();
    if off < CLOCK_SECONDS {
        return Finding::good(match off {
            0 | 1 => "as the service's".to_owned(),
            _ => format!("{off} s {} the service's", side(ahead)),
        });
    }
    Finding::warning(
        format!(
            "{off} s {} the service's; requests to it are dated by its clock, so logins work",
            side(ahead)
        ),
        "let this machine set its clock by NTP (chrony, systemd-timesyncd): certificates, codes and \
         the log go by it",
    )
}

const fn side(ahead: i64) -> &'static str {
    if ahead > 0 { "behind" } else { "ahead of" }
}

/// A call to the second factor that gave no good answer.
pub(super) fn unanswered(failure: &Failure) -> Finding {
    let detail = failure.detail.as_str();
    match failure.kind {
        FailureKind::Connect => Finding::failed(detail, REACH),
        FailureKind::TimedOut | FailureKind::Closed => Finding::failed(
            detail,
            "check that no firewall or proxy between holds it up, and that api_host is right",
        ),
        FailureKind::Server => Finding::failed(
            format!("it answers {detail}"),
            "the service has a fault of its own: see its status page; failmode decides logins \
             until then",
        ),
        FailureKind::RateLimited => Finding::warning(
            format!("it answers {detail}: too many requests"),
            "check again in a minute; logins are slowed down too where it goes on",
        ),
        FailureKind::Credentials => Finding::failed(
            format!("it refuses them: {detail}"),
            "copy ikey, skey and api_host of one application anew from the service's administration",
        ),
        FailureKind::BadRequest | FailureKind::Refused => Finding::failed(
            format!("it answers {detail}"),
            "check that api_host is the service's own name, and that no proxy in between answers for \
             it",
        ),
        FailureKind::Unreadable => Finding::failed(
            detail,
            "something in between answers in its place (a proxy, a captive portal), or api_host is \
             another server's",
        ),
        FailureKind::Internal => {
            Finding::failed(detail, "see this gateway's log and its limit of open files")
        }
    }
}

/// A second factor whose TLS is not to be believed. `certificate` is what is wrong with its
/// certificate; none where that is not it.
pub(super) fn distrusted(certificate: Option<&CertificateError>, detail: &str) -> Finding {
    let Some(certificate) = certificate else {
        return Finding::failed(
            detail,
            "check that api_host names a server of TLS 1.2 or 1.3, and that nothing in between \
             breaks TLS",
        );
    };
    let (found, remedy) = match certificate {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "its certificate was signed by a CA that is not trusted",
            "put that CA's certificate into the file of http_ca_certs_file; where a proxy opens TLS \
             in between, the proxy's CA",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "its certificate, or a CA's, has expired",
            "check this machine's clock; if it is right, the service needs a new one",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet",
            "check this machine's clock",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "its certificate is another host's",
            "write api_host as its certificate names it, and check that the name leads to it",
        ),
        _ => (
            "its certificate cannot be believed",
            "have the service show one that is meant for servers and signed by a CA that is trusted",
        ),
    };
    Finding::failed(format!("{found} ({detail})"), remedy)
}

/// How the port of a place was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PortFound {
    /// The node that was asked has it.
    Bound,
    /// The node that was asked serves the section, and has it not.
    Unbound,
    /// The gateway of this data folder has it.
    Gateway,
    Free,
    Taken(Option<Holder>),
    NoSuchAddress,
    Forbidden,
    Other(String),
}

pub(super) fn port(found: &PortFound) -> Finding {
    match found {
        PortFound::Bound => Finding::good("this node listens on it"),
        PortFound::Unbound => Finding::failed(
            "this node does not listen on it",
            "see this gateway's log, and countersign status",
        ),
        PortFound::Gateway => Finding::good("the running gateway listens on it"),
        PortFound::Free => Finding::good("free"),
        PortFound::Taken(Some(Holder { pid, name })) => Finding::failed(
            format!("in use by another program: {name} (process {pid})"),
            "stop that program, or write another port or interface",
        ),
        PortFound::Taken(None) => Finding::failed(
            "in use by another program",
            "`ss -lunp` as root shows which; stop it, or write another port or interface",
        ),
        PortFound::NoSuchAddress => Finding::failed(
            "this machine has no such address",
            "write an address of this machine as interface, or none",
        ),
        PortFound::Forbidden => Finding::failed(
            "this user may not listen on it",
            "ports below 1024 need root or CAP_NET_BIND_SERVICE: check as the gateway's user, or \
             write another port",
        ),
        PortFound::Other(error) => {
            Finding::failed(error.clone(), "check port and interface of the section")
        }
    }
}

/// Whether one of the gateway's sockets is what a place needs.
pub(super) fn is_held((listen, port): Place, gateway: &[SocketAddr]) -> bool {
    gateway.iter().any(|held| {
        let ip = held.ip().to_canonical();
        held.port() == port
            && listen.is_none_or(|listen| ip.is_unspecified() || ip == listen.to_canonical())
    })
}

/// A clock that far off is said: the codes of tokens change each 30 s.
const CLOCK_SECONDS: u64 = 30;

const RENEW: &str = "restart the gateway, which renews one that it made itself; put a new one into the file of \
                     --admin-tls-cert; let a node join again: countersign node join";

const REACH: &str = "check api_host, this machine's name servers, http_proxy_host where it is set, and \
                     that no firewall keeps this machine from it";
