//! A second factor, tried: name, TLS, `ping`, clock and, for each pair of keys, `check`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::check::{CheckKind, CheckRow};
use proto::config::{Application, HttpProxy, Settings, Snapshot};
use proto::id::IntegrationId;
use proto::secret::Secret;
use tokio::task::JoinSet;

use super::judge::{self, Finding, Subject};
use super::{Job, certificate, unix_now};
use crate::causes::with_causes;
use crate::clock;
use crate::duo::client::{DuoClient, DuoClients};
use crate::duo::dial::Unreached;

/// A host, with all keys that are used there.
#[derive(Debug)]
pub(super) struct SecondFactor {
    pub(super) subject: Subject,
    keys: Vec<Keys>,
}

/// One pair of keys.
#[derive(Debug)]
struct Keys {
    ikey: String,
    skey: Secret<String>,
    sections: Vec<String>,
    client: Arc<DuoClient>,
}

/// Groups the applications by host and keys, each in the order of the configuration.
pub(super) fn plan(
    snapshot: &Snapshot,
    unmade: &HashSet<IntegrationId>,
    clients: &DuoClients,
) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut hosts: Vec<(&Application, SecondFactor)> = Vec::new();
    let made = |one: &IntegrationId| !unmade.contains(one);
    for integration in snapshot.integrations.iter().filter(|one| made(&one.id)) {
        let application = &integration.application;
        let section = integration.id.to_string();
        let is_host = |(other, _): &&mut (&Application, SecondFactor)| {
            (&other.host, other.port, &other.pinned_ca)
                == (&application.host, application.port, &application.pinned_ca)
        };
        let known = hosts.iter_mut().find(is_host);
        if let Some((_, host)) = known {
            host.subject.sections.push(section.clone());
            let same =
                |one: &&mut Keys| *one.ikey == *application.ikey && one.skey == application.skey;
            if let Some(keys) = host.keys.iter_mut().find(same) {
                keys.sections.push(section);
                continue;
            }
        }
        let subject = Subject {
            place: place(application, &snapshot.settings),
            sections: vec![section.clone()],
            from: None,
        };
        let keys = match clients.client(application, &snapshot.settings) {
            Ok(client) => Keys {
                ikey: application.ikey.to_string(),
                skey: application.skey.clone(),
                sections: vec![section],
                client,
            },
            Err(error) => {
                let finding = Finding::failed(
                    with_causes(&error),
                    "check api_host, ikey and http_ca_certs_file",
                );
                let row = subject.row(CheckKind::SecondFactor, Duration::ZERO, finding);
                jobs.push(Job::Said(row));
                continue;
            }
        };
        match hosts.iter_mut().find(is_host) {
            Some((_, host)) => host.keys.push(keys),
            None => {
                let keys = vec![keys];
                hosts.push((application, SecondFactor { subject, keys }));
            }
        }
    }
    let hosts = hosts.into_iter().map(|(_, host)| host);
    jobs.extend(hosts.map(|host| Job::SecondFactor(Box::new(host))));
    jobs
}

fn place(application: &Application, settings: &Settings) -> String {
    let (host, port) = (&application.host, application.port);
    let at = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    match (&application.pinned_ca, &settings.http_proxy) {
        (Some(_), _) => format!("{at} (built in)"),
        (None, Some(HttpProxy { host, port })) => format!("{at} by way of {host}:{port}"),
        (None, None) => at,
    }
}

impl SecondFactor {
    /// How many pairs of keys are used there.
    #[cfg(test)]
    pub(super) fn pairs(&self) -> usize {
        self.keys.len()
    }

    pub(super) async fn run(self) -> Vec<CheckRow> {
        let Self { mut subject, keys } = self;
        let Some(first) = keys.first() else {
            return Vec::new();
        };
        let began = clock::now();
        let took = || clock::now().saturating_duration_since(began);
        let reached = match first.client.reach(began + LIMIT).await {
            Ok(reached) => reached,
            Err(unreached) => {
                let finding = match unreached {
                    Unreached::Carrier(failure) => judge::unanswered(&failure),
                    Unreached::Tls {
                        from,
                        certificate,
                        detail,
                    } => {
                        subject.from = from;
                        judge::distrusted(certificate.as_ref(), &detail)
                    }
                };
                return vec![subject.row(CheckKind::SecondFactor, took(), finding)];
            }
        };
        subject.from = reached.from;
        let asked = clock::now();
        let theirs = match first.client.ping(asked + LIMIT).await {
            Ok(theirs) => theirs,
            Err(failure) => {
                let finding = judge::unanswered(&failure);
                return vec![subject.row(CheckKind::SecondFactor, took(), finding)];
            }
        };
        let ours = unix_now();
        let pinged = clock::now().saturating_duration_since(asked);
        let answers = format!("answers, {}", judge::tls(reached.version));
        let mut rows = vec![subject.row(CheckKind::SecondFactor, took(), Finding::good(answers))];
        let spans = certificate::spans(&reached.certificates);
        if let Some(finding) = judge::shown_certificate(&spans, unix_now()) {
            let what = CheckKind::SecondFactorCertificate;
            rows.push(subject.row(what, Duration::ZERO, finding));
        }
        let ahead = i64::try_from(theirs)
            .unwrap_or(i64::MAX)
            .saturating_sub(ours);
        rows.push(subject.row(CheckKind::Clock, pinged, judge::clock(ahead)));
        rows.extend(checked(&subject, keys).await);
        rows
    }
}

/// Asks with each pair of keys, a handful at a time.
async fn checked(host: &Subject, keys: Vec<Keys>) -> Vec<CheckRow> {
    let mut rows = Vec::with_capacity(keys.len());
    let mut left = keys.into_iter().enumerate();
    let mut asking = JoinSet::new();
    loop {
        while asking.len() < AT_ONCE
            && let Some((place, one)) = left.next()
        {
            let subject = Subject {
                place: format!("{} as {}", host.place, one.ikey),
                sections: one.sections,
                from: host.from,
            };
            let client = one.client;
            asking.spawn(async move { (place, asked(&subject, &client).await) });
        }
        match asking.join_next().await {
            Some(Ok(row)) => rows.push(row),
            Some(Err(error)) => tracing::error!(error = %error, "a check broke off"),
            None => break,
        }
    }
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}

async fn asked(subject: &Subject, client: &DuoClient) -> CheckRow {
    let began: Instant = clock::now();
    let finding = match client.check(began + LIMIT).await {
        Ok(_) => Finding::good("it takes them"),
        Err(failure) => judge::unanswered(&failure),
    };
    let took = clock::now().saturating_duration_since(began);
    subject.row(CheckKind::SecondFactorKeys, took, finding)
}

/// For each of the connection, `ping` and `check`: what a login gives to an answer that waits for
/// nobody.
const LIMIT: Duration = Duration::from_secs(10);
/// Pairs of keys that are tried at once.
const AT_ONCE: usize = 8;
