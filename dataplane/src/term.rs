//! The time that a process serves its node: from its start, or from when it had to take its place back,
//! until it is told to stop or another process has taken over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::control::last_good::LastGood;
use crate::joined::{self, JoinError, KeptJoin, Renewal};
use crate::node::{After, Node};
use crate::server::handover::Giver;
use crate::settings::Settings;
use crate::{admin, check, control};

/// Where this process is asked: its admin socket, and that of a handover.
#[derive(Debug)]
pub(crate) struct Places {
    /// None only while it stops.
    admin: Option<local::Listener>,
    giver: Option<Giver>,
}

/// The same, bound and not reached yet.
pub(crate) struct PlacesAside {
    admin: local::Aside,
    giver: Option<local::Aside>,
}

impl Places {
    /// Where no other process is.
    pub(crate) async fn bind(settings: &Settings) -> Result<Self, local::ServeError> {
        let admin = local::Listener::bind(&settings.admin_socket).await?;
        let handover = settings.handover_socket.as_deref();
        Ok(Self {
            admin: Some(admin),
            giver: handover.map(Giver::bind).transpose()?,
        })
    }
}

impl PlacesAside {
    pub(crate) fn bind(settings: &Settings) -> Result<Self, local::ServeError> {
        let handover = settings.handover_socket.as_deref();
        Ok(Self {
            admin: local::Aside::bind(&settings.admin_socket)?,
            giver: handover.map(local::Aside::bind).transpose()?,
        })
    }

    /// In the place of the process that served before.
    pub(crate) fn put(self) -> Places {
        Places {
            // First, so that whoever is to take over next finds a node that can be asked how it is.
            admin: Some(self.admin.put_listener()),
            giver: self.giver.map(Giver::put),
        }
    }
}

/// A caller of the control plane, and what keeps its certificate good.
pub(crate) fn link(
    settings: &Settings,
    joined: Option<KeptJoin>,
) -> Result<(local::Client, Option<Renewal>), JoinError> {
    match joined {
        None => Ok((local::Client::new(&settings.control_socket), None)),
        Some(joined) => {
            let (control, renewal) = joined::link(joined, &settings.data_dir)?;
            Ok((control, Some(renewal)))
        }
    }
}

/// One such time.
pub(crate) struct Term<'a> {
    pub(crate) node: Arc<Node>,
    pub(crate) settings: &'a Settings,
    pub(crate) checks: Arc<Semaphore>,
    pub(crate) places: Places,
    pub(crate) control: local::Client,
    pub(crate) renewal: Option<Renewal>,
}

/// What is left of one.
pub(crate) struct Served<'a> {
    node: Arc<Node>,
    settings: &'a Settings,
    checks: Arc<Semaphore>,
    control: local::Client,
}

impl<'a> Term<'a> {
    /// Serves to its end.
    pub(crate) async fn serve(self, shutdown: &CancellationToken) -> (Served<'a>, After) {
        let Self {
            node,
            settings,
            checks,
            places: Places { admin, giver },
            control,
            renewal,
        } = self;
        let (stop_links, stop_admin) = (CancellationToken::new(), CancellationToken::new());
        let taken_back = CancellationToken::new();
        let links = control::client::follow(
            Arc::clone(&node),
            control.clone(),
            LastGood::new(&settings.data_dir),
            Arc::clone(&checks),
            stop_links.clone(),
        );
        let starting =
            check::start::run(Arc::clone(&node), Arc::clone(&checks), stop_links.clone());
        let renewing = joined::keep_renewed(renewal, stop_links.clone());
        let router = admin::router(Arc::clone(&node), Arc::clone(&checks))
            .merge(settings.admin_routes.clone());
        let mut admin = admin;
        // Whoever takes over puts its own in its place.
        let file = admin.as_mut().map(local::Listener::take_file);
        let answering = async {
            if let Some(admin) = admin {
                admin.serve(router, stop_admin.clone()).await;
            }
        };
        let beside = async {
            tokio::select! {
                _ = async { tokio::join!(links, starting, renewing, answering) } => {}
                // Whoever is still being answered does not hold that up.
                () = taken_back.cancelled() => {}
            }
        };
        let given = async {
            match &giver {
                Some(giver) => giver.given(node.shared(), async || node.hold().await).await,
                None => std::future::pending().await,
            }
        };
        let ending = async {
            let after = tokio::select! {
                () = shutdown.cancelled() => {
                    tracing::info!(in_flight = node.status().logins_in_flight, "stopping");
                    stop_links.cancel();
                    After::Ended(node.drain(settings.grace).await)
                }
                (given, held) = given => {
                    stop_links.cancel();
                    stop_admin.cancel();
                    settings.handed_over.send_replace(true);
                    let admin = &settings.admin_socket;
                    node.end_after(given, held, shutdown, settings.grace, admin).await
                }
            };
            stop_admin.cancel();
            if matches!(after, After::TakenBack) {
                taken_back.cancel();
            }
            after
        };
        let ((), after) = tokio::join!(beside, ending);
        if let Some(file) = file
            && !*settings.handed_over.borrow()
        {
            file.remove();
        }
        let served = Served {
            node,
            settings,
            checks,
            control,
        };
        (served, after)
    }
}

impl<'a> Served<'a> {
    /// The next one: the process that took over is gone, and logins are served here already.
    pub(crate) async fn again(self, shutdown: &CancellationToken) -> Term<'a> {
        let Self {
            node,
            settings,
            checks,
            control,
        } = self;
        let places = places_again(settings, shutdown).await;
        // That process may have renewed the certificate.
        let kept = match &settings.joined {
            None => Ok(None),
            Some(before) => KeptJoin::load(&settings.data_dir).and_then(|kept| {
                let at_before = |kept: KeptJoin| kept.at(&before.url);
                kept.map(at_before).transpose()
            }),
        };
        let linked = kept.and_then(|kept| link(settings, kept.or_else(|| settings.joined.clone())));
        let (control, renewal) = linked.unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "this node's certificate is not renewed"
            );
            (control, None)
        });
        Term {
            node,
            settings,
            checks,
            places,
            control,
            renewal,
        }
    }
}

/// Takes the places back, however long that takes.
async fn places_again(settings: &Settings, shutdown: &CancellationToken) -> Places {
    let mut said = false;
    loop {
        match PlacesAside::bind(settings) {
            Ok(aside) => return aside.put(),
            Err(error) if !said => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "logins are served, and this node cannot be asked how it is; tried again"
                );
                said = true;
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(PLACES_AGAIN) => {}
            () = shutdown.cancelled() => return Places { admin: None, giver: None },
        }
    }
}

const PLACES_AGAIN: Duration = Duration::from_secs(1);
