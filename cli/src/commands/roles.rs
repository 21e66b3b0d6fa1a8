//! `countersign controlplane`, `dataplane` and `secondfactor`: one role, by itself or supervised.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use controlplane::{AdminListener, CertificateFiles, Hooks};
use dataplane::joined::{self, JoinError, KeptJoin};
use dataplane::settings::LoginLines;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use proto::child::{FromChild, Role};
use proto::config;
use proto::id::NodeId;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin_address::{self, Lone as WatchedRole};
use crate::args::{
    ControlplaneArgs, DEFAULT_NODE, DataplaneArgs, SecondfactorArgs, SupervisedArgs, WatchArgs,
};
use crate::commands::lone::{Handed, Lone};
use crate::commands::{database, validate};
use crate::failure::Failure;
use crate::logs::{self, Places};
use crate::notify;
use crate::output;
use crate::paths::DataDir;
use crate::program::Program;

pub(crate) async fn controlplane(args: ControlplaneArgs) -> Result<(), Failure> {
    let Prepared {
        data,
        stop,
        supervised,
        ..
    } = prepare(Role::ControlPlane, args.data.data_dir, args.supervised)?;
    let mut settings = controlplane::Settings::new(data.of(Role::ControlPlane));
    settings.socket = data.socket(Role::ControlPlane);
    settings.second_factor = Some(data.socket(Role::SecondFactor));
    settings.admin_listen = args.admin_listen;
    settings.admin_certificate = args.admin_tls.files();
    settings.node_listen = args.nodes.node_listen;
    settings.node_certificate_seconds = args.nodes.node_certificate_seconds;
    settings.traces = args.traces.settings()?;
    settings.last_good = args.source.last_good;
    settings.retention = args.retention.retention();
    settings.database = if args.database_from_stdin {
        Some(database::handed_on()?)
    } else {
        database::named(&args.database)?
    };
    if supervised {
        settings.local_node = Some(args.local_node);
        settings.api_socket = Some(data.api_socket());
        settings.api_certificate = args.admin_certificate;
    }
    settings.admin_routes = logs::routes();
    if !supervised {
        let config = args.source.config.as_deref();
        PLACES.get_or_init(|| Places::new(data.path(), config));
    }
    if let Some(config) = args.source.config {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data.of(Role::ControlPlane))
            .map_err(|error| Failure::new("cannot make the control plane's folder", &error))?;
        settings.source = Some(Arc::new(validate::source(&config, &data, true)?));
    }
    let hooks = if supervised {
        Hooks {
            needs: Box::new(|_| output::json_line(&FromChild::Need(Role::SecondFactor))),
            setup: Box::new(|token, _| output::json_line(&FromChild::Setup { token })),
            ready: Box::new(|_| output::json_line(&FromChild::Ready)),
            ..Hooks::default()
        }
    } else {
        Hooks {
            setup: Box::new(|token, url| {
                if let Some(url) = url {
                    output::setup_link(&url, &token);
                }
            }),
            applied: Box::new(follow_log),
            ready: Box::new(|_| notify::ready("serving")),
            ..Hooks::default()
        }
    };
    match controlplane::run(settings, hooks, stop).await {
        Ok(()) => Ok(()),
        Err(controlplane::RunError::BadConfiguration { diagnostics }) => {
            Err(validate::bad(&diagnostics))
        }
        Err(error) => Err(Failure::new("the control plane cannot run", &error)),
    }
}

pub(crate) async fn dataplane(args: DataplaneArgs) -> Result<(), Failure> {
    let Prepared {
        data,
        stop,
        supervised,
        lone,
    } = prepare(Role::DataPlane, args.data.data_dir.clone(), args.supervised)?;
    let (handed_over, handed) = watch::channel(false);
    let files = raise_file_limit();
    let Some(joined) = until_joined(&args, &data, supervised, &stop).await? else {
        return Ok(());
    };
    let (node, joined) = who(&args, joined)?;
    let take_over = args.supervised.take_over;
    let watched = Watched::new(&args.watch, Role::DataPlane, &data, take_over)?;
    let settings = dataplane::settings::Settings {
        node,
        joined,
        interface: args.interface,
        data_dir: data.of(Role::DataPlane),
        control_socket: args
            .control_socket
            .unwrap_or_else(|| data.socket(Role::ControlPlane)),
        admin_socket: data.socket(Role::DataPlane),
        handover_socket: Some(data.handover_socket(Role::DataPlane)),
        take_over,
        handed_over,
        login_lines: if supervised {
            LoginLines::Stdout
        } else {
            LoginLines::Told(logs::login)
        },
        applied: if supervised {
            tell_log
        } else {
            PLACES.get_or_init(|| Places::new(data.path(), None));
            follow_log
        },
        admin_routes: logs::routes(),
        grace: Duration::from_secs(args.stopping.grace),
        eap_threads: dataplane::settings::Settings::default_eap_threads(),
        receive_threads: dataplane::settings::Settings::default_receive_threads(),
        // A login waits without a file of its own where its second factor speaks HTTP/2.
        max_logins_in_flight: dataplane::settings::Settings::DEFAULT_BOUND,
        max_connections: files.min(dataplane::settings::Settings::DEFAULT_BOUND),
    };
    let (is_ready, readied) = oneshot::channel();
    let ready = || {
        if supervised {
            output::json_line(&FromChild::Ready);
        }
        // Nobody waits for it where there is a supervisor.
        let _ = is_ready.send(());
    };
    let role = async {
        let done = dataplane::run(settings, ready, stop).await;
        done.map_err(|error| Failure::new("the data plane cannot run", &error))
    };
    let role = with_upgrades(lone, readied, handed.clone(), role);
    watched.until(role, handed).await
}

/// Where a role by itself has its log files.
static PLACES: OnceLock<Places> = OnceLock::new();

/// For a role by itself: the log goes where the configuration says.
fn follow_log(settings: &config::Settings) {
    if let Some(places) = PLACES.get() {
        logs::apply(&settings.log, places);
    }
    logs::set_debug(settings.debug);
}

/// For a supervised data plane: its supervisor writes the log.
fn tell_log(settings: &config::Settings) {
    output::json_line(&FromChild::Log {
        log: settings.log.clone(),
        debug: settings.debug,
    });
}

/// The control plane of another machine that is to be followed, if one is; joins it first where that
/// is asked for, however long it takes. Nothing when it was stopped meanwhile.
async fn until_joined(
    args: &DataplaneArgs,
    data: &DataDir,
    supervised: bool,
    stop: &CancellationToken,
) -> Result<Option<Option<KeptJoin>>, Failure> {
    if supervised || args.control_socket.is_some() {
        return Ok(Some(None));
    }
    let folder = data.of(Role::DataPlane);
    let kept = KeptJoin::load(&folder)
        .map_err(|error| Failure::new("cannot read what this node joined with", &error))?;
    let (Some(url), Some(token_file)) = (&args.joining.join, &args.joining.join_token_file) else {
        return Ok(Some(kept));
    };
    let no_url = |error| Failure::usage(format!("--join {url}: {error}"));
    if let Some(kept) = kept {
        let before = kept.url.clone();
        let kept = kept.at(url).map_err(no_url)?;
        if kept.url != before {
            tracing::info!(before, now = kept.url, "the control plane is elsewhere now");
        }
        if !kept.has_expired() {
            return Ok(Some(Some(kept)));
        }
        tracing::warn!("this node's certificate has expired: it joins again, if it can");
        let name = args.node.as_ref().unwrap_or(&kept.node);
        let joining = joined::join_when_possible(&folder, url, token_file, Some(name));
        return tokio::select! {
            () = stop.cancelled() => Ok(None),
            done = tokio::time::timeout(JOINS_AGAIN, joining) => match done {
                Ok(Ok(again)) => {
                    tracing::info!(url = again.url, node = %again.node, "this node has joined again");
                    Ok(Some(Some(again)))
                }
                // Logins need no control plane.
                Ok(Err(_)) | Err(_) => {
                    tracing::error!(
                        token_file = %token_file.display(),
                        "this node has not joined again: it serves what it has, and no news reach it; \
                         put a new token into the file, and start it anew"
                    );
                    Ok(Some(Some(kept)))
                }
            },
        };
    }
    // For as long as it takes: whoever waits for the start of a service is not to wait for a person.
    notify::ready(&format!("waiting to join {url}; the log says for what"));
    let joining = joined::join_when_possible(&folder, url, token_file, args.node.as_ref());
    tokio::select! {
        () = stop.cancelled() => Ok(None),
        done = joining => match done {
            Ok(kept) => {
                tracing::info!(url = kept.url, node = %kept.node, "this node has joined");
                Ok(Some(Some(kept)))
            }
            Err(error @ JoinError::Url) => Err(no_url(error)),
            Err(error) => Err(Failure::new("this node did not join", &error)),
        },
    }
}

/// This node's name, beside what it joined.
fn who(
    args: &DataplaneArgs,
    joined: Option<KeptJoin>,
) -> Result<(NodeId, Option<KeptJoin>), Failure> {
    let node = match (&joined, &args.node) {
        (Some(joined), Some(asked)) if joined.node != *asked => {
            return Err(Failure::usage(format!(
                "this node joined as {}, not {asked}; leave --node out, or let it join again",
                joined.node
            )));
        }
        (Some(joined), _) => joined.node.clone(),
        (None, Some(asked)) => asked.clone(),
        (None, None) => NodeId::new(DEFAULT_NODE)
            .map_err(|error| Failure::new("this node has no name", &error))?,
    };
    Ok((node, joined))
}

pub(crate) async fn secondfactor(args: SecondfactorArgs) -> Result<(), Failure> {
    let take_over = args.supervised.take_over;
    let Prepared {
        data,
        stop,
        supervised,
        lone,
    } = prepare(Role::SecondFactor, args.data.data_dir, args.supervised)?;
    let handed_over = CancellationToken::new();
    raise_file_limit();
    let watched = Watched::new(&args.watch, Role::SecondFactor, &data, take_over)?;
    let mut settings =
        secondfactor::Settings::new(data.of(Role::SecondFactor), data.socket(Role::SecondFactor));
    settings.listen = args.second_factor.second_factor_listen;
    settings.approve_by_link = args.public.second_factor_approve_by_link;
    settings.public_url = args.public.second_factor_public_url;
    settings.public_names = args.public.second_factor_names;
    settings.legacy_api = args.public.second_factor_legacy_api;
    settings.self_service = !args.public.second_factor_no_self_service;
    settings.trusted_proxies = args.public.second_factor_trusted_proxies;
    settings.admin_routes = logs::routes();
    settings.handover_socket = Some(data.handover_socket(Role::SecondFactor));
    settings.take_over = take_over;
    settings.handed_over = handed_over.clone();
    let (ready, bound) = oneshot::channel::<SocketAddr>();
    settings.ready = Some(ready);
    let (is_ready, readied) = oneshot::channel();
    let say_ready = async {
        // One that does not serve says why itself.
        if bound.await.is_ok() {
            if supervised {
                output::json_line(&FromChild::Ready);
            }
            // Nobody waits for it where there is a supervisor.
            let _ = is_ready.send(());
        }
    };
    let role = async {
        let done = secondfactor::run(settings, stop).await;
        done.map_err(|error| Failure::new("the built-in second factor cannot run", &error))
    };
    let role = with_upgrades(lone, readied, handed_over.clone(), role);
    tokio::join!(watched.until(role, handed_over), say_ready).0
}

/// The admin address of a role that runs by itself. Nothing that is wrong with it keeps the role from
/// its work: it is told in the log, and tried again.
struct Watched {
    /// None where it has no such address.
    at: Option<SocketAddr>,
    own: Option<CertificateFiles>,
    role: Role,
    data: DataDir,
    /// The process that is taken over from has the address until then.
    later: bool,
}

impl Watched {
    fn new(args: &WatchArgs, role: Role, data: &DataDir, take_over: bool) -> Result<Self, Failure> {
        let own = args.files();
        if args.admin_listen.is_none() && own.is_some() {
            return Err(Failure::usage(
                "--admin-tls-cert is for an admin address, and there is none; name one with \
                 --admin-listen",
            ));
        }
        Ok(Self {
            at: args.admin_listen,
            own,
            role,
            data: data.clone(),
            later: take_over,
        })
    }

    async fn bind(&self, address: SocketAddr) -> Result<(AdminListener, WatchedRole), Failure> {
        let tcp = admin_address::listen(address, None).await?;
        let folder = self.data.of(self.role);
        let (listener, certificate) =
            admin_address::with_certificate(tcp, self.own.as_ref(), &folder)?;
        let ready = match self.role {
            Role::SecondFactor => "/healthz",
            Role::ControlPlane | Role::DataPlane => "/readyz",
        };
        if let Some(url) = listener.url() {
            tracing::info!(url, "metrics are served");
        }
        let watched = WatchedRole::new(self.data.socket(self.role), ready, certificate);
        Ok((listener, watched))
    }

    /// Serves it until the role has ended, so that whoever watches sees the role stop, or for as long as
    /// no other process has taken over.
    async fn until<T>(mut self, role: impl Future<Output = T>, handed: impl Into<Handed>) -> T {
        let handed = handed.into();
        let ended = CancellationToken::new();
        let role = async {
            let done = role.await;
            ended.cancel();
            done
        };
        let watched = async {
            let Some(address) = self.at else { return };
            while !ended.is_cancelled() {
                let over = ended.child_token();
                let served = async {
                    if let Some((listener, watched)) = self.bound(address, &over).await {
                        watched.serve(listener, over.clone()).await;
                    }
                };
                let told = async {
                    tokio::select! {
                        () = handed.over() => over.cancel(),
                        () = over.cancelled() => {}
                    }
                };
                tokio::join!(served, told);
                // From then on the process that took over has it.
                self.later = true;
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = handed.back() => {}
                }
            }
        };
        tokio::join!(role, watched).0
    }

    /// Binds it as soon as that can be; none when it is too late.
    async fn bound(
        &self,
        address: SocketAddr,
        over: &CancellationToken,
    ) -> Option<(AdminListener, WatchedRole)> {
        let begun = Instant::now();
        let mut said = false;
        loop {
            let waited = begun.elapsed();
            match self.bind(address).await {
                Ok(bound) => return Some(bound),
                // The process of before lets go of it in a moment.
                Err(failure) if !said && (!self.later || waited > LETS_GO) => {
                    tracing::warn!(
                        role = %self.role,
                        %failure,
                        "metrics are not served; tried again until they are"
                    );
                    said = true;
                }
                Err(_) => {}
            }
            let pause = if waited > LETS_GO {
                BIND_LATER
            } else {
                BIND_AGAIN
            };
            tokio::select! {
                () = over.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// Runs a role to its end, and lets it be upgraded meanwhile where no supervisor does that.
async fn with_upgrades(
    lone: Option<Lone>,
    ready: oneshot::Receiver<()>,
    handed: impl Into<Handed>,
    role: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let over = CancellationToken::new();
    let role = async {
        let done = role.await;
        over.cancel();
        done
    };
    let upgrades = async {
        let Some(lone) = lone else { return Ok(()) };
        tokio::select! {
            // One that ends before it is ready says why.
            ready = ready => if ready.is_err() { return Ok(()) },
            () = over.cancelled() => return Ok(()),
        }
        notify::ready("serving");
        lone.serve(handed.into(), over.clone()).await
    };
    let (done, upgraded) = tokio::join!(role, upgrades);
    done.and(upgraded)
}

/// What every role has.
struct Prepared {
    data: DataDir,
    stop: CancellationToken,
    supervised: bool,
    /// Without a supervisor a role is upgraded by itself.
    lone: Option<Lone>,
}

/// What every role does first: tie itself to its supervisor, make its folders, listen for signals.
fn prepare(
    role: Role,
    data_dir: Option<std::path::PathBuf>,
    args: SupervisedArgs,
) -> Result<Prepared, Failure> {
    let program = Program::this()?;
    if let Some(supervisor) = args.supervised {
        // Started through /proc/self/exe, it would be called "exe" in process lists.
        prctl::set_name(c"countersign")
            .map_err(|error| Failure::new("cannot name this process", &error))?;
        prctl::set_pdeathsig(Signal::SIGTERM)
            .map_err(|error| Failure::new("cannot be tied to the supervisor", &error))?;
        // It may have died before the line above.
        if getppid().as_raw() != supervisor {
            return Err(Failure::plain("the supervisor is gone"));
        }
    }
    let data = DataDir::new(data_dir)?;
    data.make()?;
    let listen =
        |kind| signal(kind).map_err(|error| Failure::new("cannot listen for signals", &error));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    let mut user = listen(SignalKind::user_defined1())?;
    // Listened for in any case, since it would end the process otherwise.
    let upgrade = listen(SignalKind::user_defined2())?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let supervised = args.supervised.is_some();
    let control = local::Client::new(data.socket(Role::ControlPlane));
    #[expect(clippy::disallowed_methods, reason = "lives as long as the process")]
    drop(tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                // A terminal sends this one to the whole group: the supervisor decides then.
                _ = interrupt.recv() => if !supervised { break },
                // So it may send this one, which means "read the configuration again".
                _ = hang_up.recv() => if !supervised {
                    logs::reopen();
                    reload(&control).await;
                },
                _ = user.recv() => logs::reopen(),
            }
        }
        if !supervised {
            notify::stopping();
        }
        stopped.cancel();
    }));
    let lone = (!supervised).then(|| Lone {
        role,
        data: data.clone(),
        program,
        signal: upgrade,
    });
    Ok(Prepared {
        data,
        stop,
        supervised,
        lone,
    })
}

/// What SIGHUP asks for, by the way that `countersign reload` takes.
async fn reload(control: &local::Client) {
    let asked = control
        .post::<_, serde_json::Value>("/reload", &(), RELOAD_LIMIT)
        .await;
    if let Err(error) = asked {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the configuration was not read again"
        );
    }
}

/// Raises the soft limit on open files to the hard one; gives how many of those logins may use.
pub(crate) fn raise_file_limit() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return FILES_UNKNOWN;
    };
    let limit = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        hard
    } else {
        soft
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    limit.saturating_sub(FILES_KEPT).max(limit / 2)
}

/// Files that sockets, databases and logs may need besides logins.
const FILES_KEPT: usize = 2_048;
const RELOAD_LIMIT: Duration = Duration::from_secs(30);
/// How long a node whose certificate has expired tries to join again before it serves what it has.
const JOINS_AGAIN: Duration = Duration::from_secs(30);
/// How long a process that was taken over from may have the admin address still, and how often it is
/// tried meanwhile and later.
const LETS_GO: Duration = Duration::from_secs(5);
const BIND_AGAIN: Duration = Duration::from_millis(50);
const BIND_LATER: Duration = Duration::from_secs(1);
/// What to assume when the system does not say.
const FILES_UNKNOWN: usize = 768;
