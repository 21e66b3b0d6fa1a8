//! The main job on one machine: starts the roles as child processes of the same program, each with
//! only what it needs, restarts one that dies, forwards signals, and holds the admin listener.

mod admin;
mod api;
mod child;
pub(crate) mod merge;
mod metrics;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use controlplane::{AdminCertificate, CertificateFiles, PostgresUrl, TraceSettings};
use proto::child::{FromChild, Role};
use proto::config::Log;
use proto::event::AuthEvent;
use proto::id::NodeId;
use proto::rpc::NodeStatus;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin_address;
use crate::args::{NodeListenArgs, SecondFactorPublicArgs};
use crate::explain;
use crate::failure::Failure;
use crate::logs::levels::{Change, PATH, Shown};
use crate::logs::{self, Places};
use crate::output;
use crate::paths::DataDir;
use child::{Child, Exit};
use metrics::Metrics;
use serde_json::value::RawValue;

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) data: DataDir,
    pub(crate) config: Option<PathBuf>,
    /// A file that an empty database begins with, before anything is served. It names no other files.
    pub(crate) seed: Option<PathBuf>,
    /// The control plane's database; none means SQLite in the data folder.
    pub(crate) database: Option<PostgresUrl>,
    /// The data plane's name; none means the usual one.
    pub(crate) node: Option<NodeId>,
    pub(crate) admin_listen: SocketAddr,
    /// The certificate of that address; none means plain HTTP on loopback, a self-made one elsewhere.
    pub(crate) admin_certificate: Option<CertificateFiles>,
    pub(crate) second_factor_listen: SocketAddr,
    pub(crate) second_factor_public: SecondFactorPublicArgs,
    pub(crate) nodes: NodeListenArgs,
    /// Where the control plane sends traces of logins.
    pub(crate) traces: Option<TraceSettings>,
    pub(crate) grace: Duration,
    pub(crate) last_good: bool,
    pub(crate) log: String,
}

/// How finished logins are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    /// In the log.
    Log,
    /// There, and the whole timeline on standard output, for the demo.
    Timeline,
}

impl Teller {
    fn login(self, event: &RawValue) {
        logs::login(event);
        if self == Self::Timeline {
            match serde_json::from_str::<AuthEvent>(event.get()) {
                Ok(event) => explain::print(&event),
                Err(_) => tracing::warn!("a finished login cannot be read"),
            }
        }
    }
}

/// What a child said, or that it ended.
#[derive(Debug)]
pub(crate) enum News {
    Line(Role, FromChild),
    Ended(Role, Exit),
}

/// Runs a gateway until a signal stops it.
///
/// `ready` is called once, when the first revision is served, with how browsers reach the admin address.
pub(crate) async fn run(
    plan: Plan,
    teller: Teller,
    ready: impl AsyncFnOnce(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let folder = plan.data.of(Role::ControlPlane);
    let own = plan.admin_certificate.as_ref();
    let (admin, admin_certificate) = admin_address::bind(plan.admin_listen, own, &folder).await?;
    let signals = Signals::new()?;
    let (sender, news) = mpsc::channel(NEWS);
    let stop_admin = CancellationToken::new();
    let wants_second_factor = Arc::new(AtomicBool::new(false));
    let metrics = Metrics::new()
        .map_err(|error| Failure::new("the supervisor's metrics cannot be made", &error))?;
    let gateway = admin::Gateway {
        data: plan.data.clone(),
        second_factor: Arc::clone(&wants_second_factor),
        metrics: metrics.clone(),
        api: api::Api {
            socket: plan.data.api_socket(),
            tasks: TaskTracker::new(),
        },
    };
    let admin_url = admin.url();
    let places = Places::new(plan.data.path(), plan.config.as_deref());
    let own = local::Listener::bind(&plan.data.supervisor_socket())
        .await
        .map_err(|error| Failure::new("the supervisor cannot be asked", &error))?;
    let own = own.serve(logs::routes(), stop_admin.clone());
    let serve = admin::serve(admin, gateway, stop_admin.clone());
    let mut supervisor = Supervisor {
        plan,
        admin_url,
        admin_certificate,
        teller,
        sender,
        news,
        signals,
        children: Vec::new(),
        places,
        debug: false,
        tasks: TaskTracker::new(),
        serving: false,
        wants_second_factor,
        metrics,
    };
    let work = async {
        let result = supervisor.work(ready).await;
        supervisor.stop().await;
        stop_admin.cancel();
        result
    };
    // One that holds a connection open to the admin address does not hold up the end.
    let serve = async {
        tokio::select! {
            _ = async { tokio::join!(serve, own) } => {}
            () = async {
                stop_admin.cancelled().await;
                tokio::time::sleep(ADMIN_LIMIT).await;
            } => {}
        }
    };
    let (result, ()) = tokio::join!(work, serve);
    result
}

/// The signals of a service.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    /// Log files were moved.
    user: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new("cannot listen for signals", &error));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
            user: listen(SignalKind::user_defined1())?,
        })
    }
}

struct Supervisor {
    plan: Plan,
    /// How browsers reach the admin address.
    admin_url: Option<String>,
    /// The admin address's certificate, for the control plane to tell of; none with plain HTTP.
    admin_certificate: Option<AdminCertificate>,
    teller: Teller,
    sender: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    signals: Signals,
    children: Vec<Child>,
    /// Where relative log folders begin.
    places: Places,
    /// Whether the configuration says `debug`.
    debug: bool,
    tasks: TaskTracker,
    /// Whether the first revision is served: until then a role that cannot start is the end, from
    /// then on it is started again.
    serving: bool,
    /// Whether readiness includes the built-in second factor.
    wants_second_factor: Arc<AtomicBool>,
    metrics: Metrics,
}

/// What to do after one turn of the loop.
enum Turn {
    GoOn,
    Stop,
    Ready(Role),
}

impl Supervisor {
    async fn work(
        &mut self,
        ready: impl AsyncFnOnce(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.start(Role::ControlPlane)?;
        if !self.until_ready(Role::ControlPlane).await? {
            return Ok(());
        }
        if let Some(seed) = self.plan.seed.take()
            && !self.import(&seed).await?
        {
            return Ok(());
        }
        self.start(Role::DataPlane)?;
        if !self.until_serving().await? {
            return Ok(());
        }
        self.serving = true;
        tracing::info!(admin = %self.plan.admin_listen, "ready");
        ready(self.admin_url.as_deref().unwrap_or_default()).await?;
        loop {
            match self.turn().await? {
                Turn::Stop => return Ok(()),
                Turn::GoOn | Turn::Ready(_) => {}
            }
        }
    }

    /// Does with the log what the configuration says from now on.
    fn log(&mut self, log: &Log, debug: bool) {
        logs::apply(log, &self.places);
        if debug != std::mem::replace(&mut self.debug, debug) {
            logs::set_debug(debug);
            self.tell_debug(self.children.iter().map(|child| child.role).collect());
        }
    }

    /// Lets roles log as the configuration says.
    fn tell_debug(&self, roles: Vec<Role>) {
        let change = Change {
            debug: Some(self.debug),
            ..Change::default()
        };
        for role in roles {
            let client = local::Client::new(self.plan.data.socket(role));
            let change = change.clone();
            self.tasks.spawn(async move {
                let told = client.post::<_, Shown>(PATH, &change, CALL_LIMIT).await;
                if let Err(error) = told {
                    tracing::warn!(%role, error = &error as &dyn std::error::Error, "a role does not know whether to log each step");
                }
            });
        }
    }

    /// Waits for one thing to happen and deals with it.
    async fn turn(&mut self) -> Result<Turn, Failure> {
        let restart = self.children.iter().filter_map(Child::restart_at).min();
        let restart_due = async {
            match restart {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            news = self.news.recv() => match news {
                Some(News::Line(_, FromChild::Login(event))) => {
                    self.teller.login(&event);
                    Ok(Turn::GoOn)
                }
                Some(News::Line(_, FromChild::Log { log, debug })) => {
                    self.log(&log, debug);
                    Ok(Turn::GoOn)
                }
                Some(News::Line(_, FromChild::Setup { token })) => {
                    if let Some(url) = &self.admin_url {
                        output::setup_link(url, &token);
                    }
                    Ok(Turn::GoOn)
                }
                Some(News::Line(_, FromChild::Need(role))) => {
                    if !self.children.iter().any(|child| child.role == role) {
                        self.wants_second_factor.store(true, Ordering::Relaxed);
                        self.start(role)?;
                    }
                    Ok(Turn::GoOn)
                }
                Some(News::Line(role, FromChild::Ready)) => {
                    if let Some(child) = self.children.iter_mut().find(|child| child.role == role) {
                        child.was_ready = true;
                    }
                    if self.debug {
                        self.tell_debug(vec![role]);
                    }
                    Ok(Turn::Ready(role))
                }
                Some(News::Ended(role, exit)) => self.ended(role, exit),
                None => Ok(Turn::Stop),
            },
            () = restart_due => {
                let now = tokio::time::Instant::now();
                let due: Vec<Role> = self
                    .children
                    .iter()
                    .filter(|child| child.restart_at().is_some_and(|at| at <= now))
                    .map(|child| child.role)
                    .collect();
                for role in due {
                    self.start(role)?;
                }
                Ok(Turn::GoOn)
            }
            _ = self.signals.terminate.recv() => Ok(Turn::Stop),
            _ = self.signals.interrupt.recv() => Ok(Turn::Stop),
            _ = self.signals.hang_up.recv() => {
                logs::reopen();
                self.reload().await;
                Ok(Turn::GoOn)
            }
            _ = self.signals.user.recv() => {
                logs::reopen();
                Ok(Turn::GoOn)
            }
        }
    }

    /// A child that dies is started again, at once at first and later more slowly. Before anything
    /// is served, one that never became ready is the end: what it lacks will not come by itself.
    fn ended(&mut self, role: Role, exit: Exit) -> Result<Turn, Failure> {
        let Some(child) = self.children.iter_mut().find(|child| child.role == role) else {
            return Ok(Turn::GoOn);
        };
        if !self.serving && !child.was_ready {
            return Err(match exit.code {
                // It has said why.
                Some(2) => Failure::usage(""),
                _ => Failure::plain(format!("the {role} could not start ({exit})")),
            });
        }
        let pause = child.ended();
        self.metrics.ended(role);
        tracing::error!(%role, %exit, restart_in_ms = pause.as_millis(), "a role ended by itself");
        Ok(Turn::GoOn)
    }

    /// Starts a role. Once the gateway serves, a start that fails is tried again later: what runs
    /// is not stopped for it.
    fn start(&mut self, role: Role) -> Result<(), Failure> {
        let at = match self.children.iter().position(|child| child.role == role) {
            Some(at) => at,
            None => {
                self.children.push(Child::new(role));
                self.children.len() - 1
            }
        };
        let Some(child) = self.children.get_mut(at) else {
            return Ok(());
        };
        match child.start(&self.plan, self.admin_certificate, &self.sender) {
            Err(failure) if self.serving => {
                let pause = child.ended();
                tracing::error!(%role, %failure, retry_in_ms = pause.as_millis(), "a role cannot be started");
                Ok(())
            }
            started => started,
        }
    }

    /// False when a signal came first.
    async fn until_ready(&mut self, wanted: Role) -> Result<bool, Failure> {
        loop {
            match self.turn().await? {
                Turn::Stop => return Ok(false),
                Turn::Ready(role) if role == wanted => return Ok(true),
                Turn::Ready(_) | Turn::GoOn => {}
            }
        }
    }

    /// Brings a file into an empty database. The control plane may need another role for that.
    /// False when a signal came first.
    async fn import(&mut self, file: &Path) -> Result<bool, Failure> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::new(format!("cannot read {}", file.display()), &error))?;
        let control = local::Client::new(self.plan.data.socket(Role::ControlPlane));
        let document = serde_json::json!({"text": text, "name": file});
        let path = "/api/v1/config/import";
        let done = control.post::<_, serde_json::Value>(path, &document, IMPORT_LIMIT);
        let mut done = std::pin::pin!(done);
        loop {
            tokio::select! {
                turn = self.turn() => if let Turn::Stop = turn? { return Ok(false) },
                done = &mut done => {
                    return done.map(|_| true).map_err(|error| {
                        Failure::new(format!("cannot bring in {}", file.display()), &error)
                    });
                }
            }
        }
    }

    /// Waits until the data plane serves its first revision, if there is one; fails when it refuses
    /// that one.
    async fn until_serving(&mut self) -> Result<bool, Failure> {
        if !self.until_ready(Role::DataPlane).await? {
            return Ok(false);
        }
        let node = local::Client::new(self.plan.data.socket(Role::DataPlane));
        let control = local::Client::new(self.plan.data.socket(Role::ControlPlane));
        let configured = control
            .get::<controlplane::admin::Status>("/status", CALL_LIMIT)
            .await
            .is_ok_and(|status| status.revision.is_some());
        if !configured && self.plan.config.is_none() {
            tracing::info!(
                "there is no configuration yet: make one on the dashboard, bring one in with \
                 `countersign import FILE`, or name one with --config"
            );
            return Ok(true);
        }
        let mut turns = tokio::time::interval(POLL);
        loop {
            tokio::select! {
                turn = self.turn() => if let Turn::Stop = turn? { return Ok(false) },
                _ = turns.tick() => {
                    let Ok(status) = node.get::<NodeStatus>("/status", CALL_LIMIT).await else { continue };
                    if status.revision.is_some() {
                        return Ok(true);
                    }
                    if let Some(refused) = status.refused {
                        let faults: Vec<String> =
                            refused.faults.iter().map(ToString::to_string).collect();
                        return Err(Failure::plain(format!(
                            "the configuration cannot be served: {}",
                            faults.join("; ")
                        )));
                    }
                }
            }
        }
    }

    async fn reload(&self) {
        let control = local::Client::new(self.plan.data.socket(Role::ControlPlane));
        match control
            .post::<_, controlplane::admin::Reload>("/reload", &(), CALL_LIMIT)
            .await
        {
            Ok(reload) => tracing::info!(result = reload.result.as_str(), "reloaded"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the configuration was not read again"
            ),
        }
    }

    /// Data plane first, so that it can still report its last logins.
    async fn stop(&mut self) {
        tracing::info!("stopping");
        for (role, limit) in [
            (Role::DataPlane, self.plan.grace + STOP_LIMIT),
            (Role::ControlPlane, STOP_LIMIT),
            (Role::SecondFactor, STOP_LIMIT),
        ] {
            let Some(child) = self.children.iter_mut().find(|child| child.role == role) else {
                continue;
            };
            if !child.signal_to_stop() {
                continue;
            }
            let ended = async {
                while let Some(news) = self.news.recv().await {
                    match news {
                        News::Line(_, FromChild::Login(event)) => self.teller.login(&event),
                        News::Ended(ended, _) if ended == role => break,
                        News::Line(..) | News::Ended(..) => {}
                    }
                }
            };
            if tokio::time::timeout(limit, ended).await.is_err() {
                tracing::warn!(%role, "did not stop in time; killed");
                child.kill();
            }
        }
    }
}

/// What children said and was not dealt with yet.
const NEWS: usize = 4_096;
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// The built-in second factor may have to start first.
const IMPORT_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// How long the admin address may take to finish its answers.
const ADMIN_LIMIT: Duration = Duration::from_secs(1);
const STOP_LIMIT: Duration = Duration::from_secs(15);
