//! Changes of a configuration whose truth is the database: made one after the other by the owner of
//! the revisions, each on the newest one, checked whole, and published whole or not at all.

use std::path::Path;
use std::sync::Arc;

use proto::config::{Snapshot, raw};
use proto::secret::Secret;
use tokio::sync::oneshot;

use crate::admin::RevisionInfo;
use crate::api::problem::{Kind, Problem};
use crate::authproxy::BuiltinApplication;
use crate::builtin::{BuiltinError, applications};
use crate::revisions::{Check, PublishError, RevisionDraft};
use crate::settings::{Need, Settings};
use crate::store::{AppliedDraft, StoreError};

/// What is done to the newest configuration. Done again when another control plane was faster.
pub(crate) type Change = Box<dyn Fn(&mut raw::Snapshot) -> Result<(), Problem> + Send + Sync>;

/// The same, for its owner and who works for it.
pub(crate) type SharedChange = Arc<dyn Fn(&mut raw::Snapshot) -> Result<(), Problem> + Send + Sync>;

/// Who wants a change, and how.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Who, as the revision has it: `token ci`, `admin alice`.
    pub(crate) author: String,
    /// From which address; empty for this machine.
    pub(crate) origin: String,
    /// Why.
    pub(crate) message: String,
    /// Only find out what would come of it.
    pub(crate) dry_run: bool,
}

/// A change that somebody asked for.
pub(crate) struct Edit {
    pub(crate) change: SharedChange,
    pub(crate) wanted: Wanted,
    /// The draft that it is; it goes with the revision that has it.
    pub(crate) draft: Option<AppliedDraft>,
    /// Where what came of it goes.
    pub(crate) answer: oneshot::Sender<Result<Edited, Problem>>,
}

/// What came of a change.
#[derive(Clone, Debug)]
pub(crate) struct Edited {
    /// The revision that has it; none when it was only tried.
    pub(crate) revision: Option<RevisionInfo>,
    /// Whether it changes anything.
    pub(crate) changed: bool,
    /// The configuration before, and with it.
    pub(crate) before: Arc<raw::Snapshot>,
    pub(crate) after: Arc<raw::Snapshot>,
}

/// Makes the changed configuration, with the applications that the built-in second factor makes for
/// it. Nothing is published.
pub(crate) async fn changed(
    before: &Arc<raw::Snapshot>,
    change: &SharedChange,
    dry_run: bool,
    settings: &Settings,
    needs: &mut (dyn FnMut(Need) + Send),
) -> Result<raw::Snapshot, Problem> {
    let (base, change) = (Arc::clone(before), Arc::clone(change));
    let mut after = aside(move || {
        let mut after = (*base).clone();
        change(&mut after)?;
        Ok(after)
    })
    .await?;
    let wanted = builtin(&after);
    let made = match dry_run {
        // Trying makes nothing.
        true => wanted
            .iter()
            .map(|one| (one.integration.clone(), tried(one, before)))
            .collect(),
        false => {
            if !wanted.is_empty() {
                needs(Need::SecondFactor);
            }
            let socket = settings.second_factor.as_deref();
            applications(socket, &wanted, settings.second_factor_deadline)
                .await
                .map_err(of_builtin)?
        }
    };
    for integration in &mut after.integrations {
        if let Some(application) = made.get(&integration.id) {
            integration.application = application.clone();
        }
    }
    // The number is given when it is stored; until then any good one will do.
    after.revision = 1;
    aside(move || {
        Snapshot::try_from(after.clone())?;
        Ok(after)
    })
    .await
}

/// Does what takes long where nobody waits for it but who asked.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Problem::internal(&error))?
}

/// The integrations that ask for an application of the built-in second factor.
pub(crate) fn builtin(snapshot: &raw::Snapshot) -> Vec<BuiltinApplication> {
    let asks = |one: &&raw::Integration| {
        one.application.host == BUILTIN && one.application.pinned_ca.is_none()
    };
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    snapshot
        .integrations
        .iter()
        .filter(asks)
        .map(|one| {
            let ikey = said(&one.application.ikey);
            let skey = said(one.application.skey.expose());
            BuiltinApplication {
                integration: one.id.clone(),
                // Of half a pair nothing can be made.
                ikey: ikey.clone().filter(|_| skey.is_some()),
                skey: skey.filter(|_| ikey.is_some()).map(Secret::new),
            }
        })
        .collect()
}

/// What an integration would get: what it has, where that is what is asked for.
fn tried(wanted: &BuiltinApplication, before: &raw::Snapshot) -> raw::Application {
    let mut there = before.integrations.iter();
    let has = there.find(|one| one.id == wanted.integration);
    has.map(|one| &one.application)
        .filter(|has| {
            has.pinned_ca.is_some()
                && wanted.ikey.as_ref().is_none_or(|ikey| *ikey == has.ikey)
                && wanted.skey.as_ref().is_none_or(|skey| *skey == has.skey)
        })
        .map_or_else(placeholder, raw::Application::clone)
}

/// What stands where an application would be.
fn placeholder() -> raw::Application {
    raw::Application {
        ikey: "DIBUILTIN".to_owned(),
        skey: "to be made when this is applied, not now".into(),
        host: "localhost".to_owned(),
        port: 443,
        pinned_ca: None,
    }
}

fn of_builtin(error: BuiltinError) -> Problem {
    match error {
        BuiltinError::Unavailable { .. } => Problem::new(Kind::Unavailable, error.to_string()),
        error => Problem::new(Kind::Conflict, error.to_string()),
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Faults(faults) => faults.into(),
            error @ PublishError::BrokenOff => Self::internal(&error),
            error @ PublishError::TooLong { .. } => Self::new(Kind::TooLarge, error.to_string()),
            PublishError::Store(StoreError::Overtaken { newest }) => Self::new(
                Kind::Conflict,
                format!(
                    "another control plane stored revision {newest} meanwhile; look at it, and try again"
                ),
            ),
            PublishError::Store(error) => error.into(),
        }
    }
}

impl Wanted {
    /// The draft of a configuration that [`changed`] made.
    pub(crate) fn draft<'a>(
        &'a self,
        snapshot: raw::Snapshot,
        of: Option<&'a AppliedDraft>,
    ) -> RevisionDraft<'a> {
        RevisionDraft {
            snapshot,
            check: Check::Done,
            text: None,
            of,
            author: &self.author,
            message: &self.message,
            origin: &self.origin,
        }
    }
}

/// The configuration is a file.
pub(crate) fn file_is_truth(path: &Path) -> Problem {
    let detail = format!(
        "the configuration is the file {}, and nothing was changed: edit it there, it is read again as \
         soon as it is saved; or send its whole text to PUT /api/v1/config",
        path.display()
    );
    Problem::new(Kind::FileIsTruth, detail)
}

/// What `host` of an application says for the built-in second factor.
pub(crate) const BUILTIN: &str = "builtin";

#[cfg(test)]
mod tests {
    use super::*;

    fn application(ikey: &str, host: &str) -> raw::Application {
        raw::Application {
            ikey: ikey.to_owned(),
            skey: "PLANTED-skey".into(),
            host: host.to_owned(),
            port: 443,
            pinned_ca: (host != "api.example.com").then(|| "PEM".to_owned()),
        }
    }

    #[test]
    fn a_trial_shows_the_application_that_is_there_where_it_stays() {
        let imported = "[duo_only_client]\n[radius_server_auto]\nclient=duo_only_client\n\
            api_host=builtin\nradius_ip_1=192.0.2.1\nradius_secret_1=s\n";
        let report = crate::file::check(Path::new("authproxy.cfg"), imported.as_bytes(), None);
        let imported = report.imported.unwrap();
        let served = |one: raw::Application| imported.resolve(1, |_| one.clone());
        let wanted = |ikey: Option<&str>| BuiltinApplication {
            integration: "radius_server_auto".to_owned(),
            ikey: ikey.map(str::to_owned),
            skey: ikey.map(|_| "PLANTED-skey".into()),
        };
        let own = application("DIONE", "127.0.0.1");
        for (ikey, there, want) in [
            (None, own.clone(), own.clone()),
            (Some("DIONE"), own.clone(), own.clone()),
            (Some("DITWO"), own, placeholder()),
            (None, application("DIONE", "api.example.com"), placeholder()),
        ] {
            assert_eq!(tried(&wanted(ikey), &served(there)), want, "{ikey:?}");
        }
    }
}
