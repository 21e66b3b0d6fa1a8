//! The main job on one machine: starts the roles as child processes of the same program, each with
//! only what it needs, restarts one that dies, forwards signals, and holds the admin listener.

mod admin;
mod api;
mod child;
mod heritage;
pub(crate) mod merge;
mod metrics;
mod plan;
mod signals;
mod upgrade;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use controlplane::{AdminCertificate, AdminListener};
use nix::fcntl::Flock;
use nix::unistd::Pid;
use proto::child::{FromChild, Role};
use proto::config::Log;
use proto::rpc::NodeStatus;
use proto::secret::Secret;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin_address;
use crate::commands::upgrade::{Ask, Door};
use crate::failure::Failure;
use crate::logs::levels::{Change, PATH, Shown};
use crate::logs::{self, Places};
use crate::notify;
use crate::output;
use crate::program::Tried;
use child::{Child, Exit, Start};
pub(crate) use heritage::{FORM, Heritage, VARIABLES, go_back};
use metrics::Metrics;
pub(crate) use plan::{Plan, Teller};
use signals::Signals;
pub(crate) use signals::{hold as hold_signals, unheard};
use upgrade::Trial;

/// What a child said, or that it ended.
#[derive(Debug)]
pub(crate) enum News {
    Line(Role, Pid, FromChild),
    Ended(Role, Pid, Exit),
}

/// Runs a gateway until a signal stops it.
///
/// `ready` is called once, when the first revision is served, with how browsers reach the admin address.
/// With a heritage, it goes on where the program before stood.
pub(crate) async fn run(
    plan: Plan,
    teller: Teller,
    lock: Flock<File>,
    mut heritage: Option<Heritage>,
    ready: impl AsyncFnOnce(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let standing = heritage.as_ref().map(|left| left.standing.clone());
    let mut standing = standing.unwrap_or_default();
    standing.program = plan.program.as_ref().map(|one| one.file().to_owned());
    let wanted = heritage
        .as_ref()
        .is_some_and(|left| left.wants_second_factor);
    let admin_fd = heritage.as_mut().and_then(Heritage::take_admin);
    let (admin, admin_fd, admin_certificate) =
        signals.or_wait(bind_admin(&plan, admin_fd).await).await?;
    let (sender, news) = mpsc::channel(NEWS);
    let stop_admin = CancellationToken::new();
    let wants_second_factor = Arc::new(AtomicBool::new(wanted));
    let metrics = Metrics::new()
        .map_err(|error| Failure::new("the supervisor's metrics cannot be made", &error));
    let metrics = signals.or_wait(metrics).await?;
    let (door, asked) = Door::new(standing);
    let may_upgrade = plan.program.is_some();
    let (serve_door, door_socket) = (door.clone(), plan.data.upgrade_socket(None));
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
        .map_err(|error| Failure::new("the supervisor cannot be asked", &error));
    let own = signals.or_wait(own).await?;
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
        leaving: Vec::new(),
        successor: None,
        trial: None,
        of_before: Vec::new(),
        places,
        log: None,
        debug: false,
        tasks: TaskTracker::new(),
        serving: false,
        wants_second_factor,
        metrics,
        door,
        asked,
        admin_fd,
        lock,
    };
    let work = async {
        let result = match heritage {
            None => supervisor.work(ready).await,
            Some(heritage) => supervisor.go_on(heritage).await,
        };
        notify::stopping();
        supervisor.stop().await;
        stop_admin.cancel();
        result
    };
    let serve_door = async {
        let served = match may_upgrade {
            true => serve_door.serve(&door_socket, stop_admin.clone()).await,
            false => Ok(()),
        };
        if let Err(error) = served {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "`countersign upgrade` cannot ask this gateway; SIGUSR2 can"
            );
        }
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
    let (result, (), ()) = tokio::join!(work, serve, serve_door);
    result
}

/// The admin address, as [`admin_address::with_certificate`] says. `bound` is what a program before has
/// bound; the file is a copy, for the next.
async fn bind_admin(
    plan: &Plan,
    bound: Option<OwnedFd>,
) -> Result<(AdminListener, OwnedFd, Option<AdminCertificate>), Failure> {
    let tcp = admin_address::listen(plan.admin_listen, bound).await?;
    let copy = tcp.as_fd().try_clone_to_owned();
    let copy = copy.map_err(|error| Failure::new("cannot keep the admin address", &error))?;
    let folder = plan.data.of(Role::ControlPlane);
    let own = plan.admin_certificate.as_ref();
    let (listener, certificate) = admin_address::with_certificate(tcp, own, &folder)?;
    Ok((listener, copy, certificate))
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
    /// Where the configuration says that the log goes; none until it has.
    log: Option<Log>,
    /// Whether the configuration says `debug`.
    debug: bool,
    tasks: TaskTracker,
    /// Processes that others took over from: they end by themselves.
    leaving: Vec<Child>,
    /// One that is to take over.
    successor: Option<Child>,
    /// The program on the disk, while it is tried.
    trial: Option<Trial>,
    /// Processes of the program before in this one.
    of_before: Vec<Pid>,
    /// Whether the first revision is served: until then a role that cannot start is the end, from
    /// then on it is started again.
    serving: bool,
    /// Whether readiness includes the built-in second factor.
    wants_second_factor: Arc<AtomicBool>,
    metrics: Metrics,
    door: Door,
    asked: mpsc::Receiver<Ask>,
    /// A copy of the admin address's socket, for the next program.
    admin_fd: OwnedFd,
    /// The lock on the data folder.
    lock: Flock<File>,
}

/// What to do after one turn of the loop.
enum Turn {
    GoOn,
    Stop,
    Ready(Role),
    /// The successor has taken over, or ended.
    TookOver,
    NotTaken(Exit),
    /// One that was told to end has.
    Gone(Role),
    /// One ended by itself, and is started again.
    Ended(Role, Exit),
    Upgrade(Option<Ask>),
    /// What came of a trial.
    Tried(Result<Tried, Failure>),
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
        notify::ready("serving");
        ready(self.admin_url.as_deref().unwrap_or_default()).await?;
        self.watch().await
    }

    /// Until a signal stops it.
    async fn watch(&mut self) -> Result<(), Failure> {
        loop {
            let turn = match self.turn().await? {
                Turn::Upgrade(ask) => self.make_place(ask).await?,
                turn => turn,
            };
            if let Turn::Stop = turn {
                return Ok(());
            }
        }
    }

    /// Does with the log what the configuration says from now on.
    fn log(&mut self, log: &Log, debug: bool) {
        unheard(|| logs::apply(log, &self.places));
        self.log = Some(log.clone());
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
        let trial = &mut self.trial;
        let tried = async {
            match trial {
                Some(trial) => trial.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            tried = tried => {
                self.trial = None;
                Ok(Turn::Tried(tried))
            }
            news = self.news.recv() => match news {
                Some(News::Line(_, _, FromChild::Login(event))) => {
                    self.teller.login(&event);
                    Ok(Turn::GoOn)
                }
                Some(News::Line(_, _, FromChild::Log { log, debug })) => {
                    self.log(&log, debug);
                    Ok(Turn::GoOn)
                }
                Some(News::Line(_, _, FromChild::Setup { token })) => {
                    self.setup_link(&token);
                    Ok(Turn::GoOn)
                }
                Some(News::Line(_, _, FromChild::Need(role))) => {
                    if !self.children.iter().any(|child| child.role == role) {
                        self.wants_second_factor.store(true, Ordering::Relaxed);
                        self.start(role)?;
                    }
                    Ok(Turn::GoOn)
                }
                Some(News::Line(role, pid, FromChild::Ready)) => Ok(self.readied(role, pid)),
                Some(News::Ended(role, pid, exit)) => self.ended(role, pid, exit),
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
            Some(ask) = self.asked.recv() => Ok(Turn::Upgrade(Some(ask))),
            _ = self.signals.upgrade.recv() => Ok(Turn::Upgrade(None)),
        }
    }

    fn setup_link(&self, token: &Secret<String>) {
        if let Some(url) = &self.admin_url {
            output::setup_link(url, token);
        }
    }

    fn readied(&mut self, role: Role, pid: Pid) -> Turn {
        if self.successor.as_ref().and_then(Child::pid) == Some(pid) {
            return Turn::TookOver;
        }
        let mut children = self.children.iter_mut();
        match children.find(|child| child.pid() == Some(pid)) {
            Some(child) => {
                child.was_ready = true;
                if self.debug {
                    self.tell_debug(vec![role]);
                }
                Turn::Ready(role)
            }
            None => Turn::GoOn,
        }
    }

    /// A child that dies is started again, at once at first and later more slowly. Before anything
    /// is served, one that never became ready is the end: what it lacks will not come by itself.
    fn ended(&mut self, role: Role, pid: Pid, exit: Exit) -> Result<Turn, Failure> {
        let before = self.leaving.len();
        self.leaving.retain(|child| child.pid() != Some(pid));
        if self.leaving.len() < before {
            tracing::info!(%role, %exit, "the process that was taken over from has ended");
            return Ok(Turn::GoOn);
        }
        if self.successor.as_ref().and_then(Child::pid) == Some(pid) {
            return Ok(Turn::NotTaken(exit));
        }
        let mut children = self.children.iter_mut();
        let Some(child) = children.find(|child| child.pid() == Some(pid)) else {
            return Ok(Turn::GoOn);
        };
        if child.replaced {
            child.stopped();
            return Ok(Turn::Gone(role));
        }
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
        Ok(Turn::Ended(role, exit))
    }

    /// Starts a role. Once the gateway serves, a start that fails is tried again later: what runs
    /// is not stopped for it.
    fn start(&mut self, role: Role) -> Result<(), Failure> {
        // One that was taken over from serves again where its successor is gone.
        let how = match self.leaving.iter().any(|child| child.role == role) {
            true => Start::TakeOver,
            false => Start::Fresh,
        };
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
        match child.start(&self.plan, self.admin_certificate, how, &self.sender) {
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
                Turn::Upgrade(ask) => self.refuse_upgrade(ask),
                _ => {}
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
        if let Some(successor) = self.successor.take() {
            successor.kill();
        }
        for (role, limit) in [
            (Role::DataPlane, self.plan.grace + STOP_LIMIT),
            (Role::ControlPlane, STOP_LIMIT),
            (Role::SecondFactor, STOP_LIMIT),
        ] {
            // Those that are leaving have a way to those that took over from them.
            let all = self.leaving.iter_mut().chain(self.children.iter_mut());
            let mut of_role: Vec<&mut Child> = all.filter(|child| child.role == role).collect();
            of_role.retain_mut(|child| child.signal_to_stop());
            let mut left: Vec<Pid> = of_role.iter().filter_map(|child| child.pid()).collect();
            let ended = async {
                while !left.is_empty()
                    && let Some(news) = self.news.recv().await
                {
                    match news {
                        News::Line(_, _, FromChild::Login(event)) => self.teller.login(&event),
                        News::Ended(_, pid, _) => left.retain(|one| *one != pid),
                        News::Line(..) => {}
                    }
                }
            };
            if tokio::time::timeout(limit, ended).await.is_err() {
                tracing::warn!(%role, "did not stop in time; killed");
                of_role.iter().for_each(|child| child.kill());
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
