//! `countersign controlplane`, `dataplane` and `secondfactor`: one role, by itself or supervised.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use controlplane::{AdminListener, Hooks};
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
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::admin_address::{self, Lone as WatchedRole};
use crate::args::{
    ControlplaneArgs, DEFAULT_NODE, DataplaneArgs, SecondfactorArgs, SupervisedArgs, WatchArgs,
};
use crate::commands::lone::Lone;
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
    let handed_over = CancellationToken::new();
    let files = raise_file_limit();
    let Some(joined) = until_joined(&args, &data, supervised, &stop).await? else {
        return Ok(());
    };
    let (node, joined) = who(&args, joined)?;
    let watched = Watched::bind(
        args.watch,
        Role::DataPlane,
        &data,
        args.supervised.take_over,
    )
    .await?;
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
        take_over: args.supervised.take_over,
        handed_over: handed_over.clone(),
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
    let role = with_upgrades(
        lone,
        readied,
        handed_over.clone(),
        dataplane::run(settings, ready, stop),
    );
    watched
        .until(role, &handed_over)
        .await
        .map_err(|error| Failure::new("the data plane cannot run", &error))
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
        return Ok(Some(Some(kept)));
    }
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
    let Prepared {
        data,
        stop,
        supervised,
        lone,
    } = prepare(
        Role::SecondFactor,
        args.data.data_dir,
        args.supervised.clone(),
    )?;
    let handed_over = CancellationToken::new();
    raise_file_limit();
    let watched = Watched::bind(
        args.watch,
        Role::SecondFactor,
        &data,
        args.supervised.take_over,
    )
    .await?;
    let mut settings =
        secondfactor::Settings::new(data.of(Role::SecondFactor), data.socket(Role::SecondFactor));
    settings.listen = args.second_factor.second_factor_listen;
    settings.public_url = args.public.second_factor_public_url;
    settings.public_names = args.public.second_factor_names;
    settings.admin_routes = logs::routes();
    settings.handover_socket = Some(data.handover_socket(Role::SecondFactor));
    settings.take_over = args.supervised.take_over;
    settings.handed_over = handed_over.clone();
    let (ready, bound) = oneshot::channel::<SocketAddr>();
    settings.ready = Some(ready);
    let (is_ready, readied) = oneshot::channel();
    let say_ready = async {
        if bound.await.is_ok() {
            if supervised {
                output::json_line(&FromChild::Ready);
            }
            // Nobody waits for it where there is a supervisor.
            let _ = is_ready.send(());
        }
    };
    let role = with_upgrades(
        lone,
        readied,
        handed_over.clone(),
        secondfactor::run(settings, stop),
    );
    let (done, ()) = tokio::join!(watched.until(role, &handed_over), say_ready);
    done.map_err(|error| Failure::new("the built-in second factor cannot run", &error))
}

/// The admin address of a role that runs by itself, if it has one.
enum Watched {
    No,
    At(AdminListener, WatchedRole),
    /// The process that is taken over from has it until then.
    Later(WatchArgs, Role, DataDir),
}

impl Watched {
    /// Binds it, before the role does anything.
    async fn bind(
        args: WatchArgs,
        role: Role,
        data: &DataDir,
        take_over: bool,
    ) -> Result<Self, Failure> {
        let Some(address) = args.admin_listen else {
            return match args.tls.files() {
                None => Ok(Self::No),
                Some(_) => Err(Failure::usage(
                    "--admin-tls-cert is for an admin address, and there is none; name one with \
                     --admin-listen",
                )),
            };
        };
        if take_over {
            return Ok(Self::Later(args, role, data.clone()));
        }
        let tcp = admin_address::listen(address, None).await?;
        let own = args.tls.files();
        let (listener, certificate) =
            admin_address::with_certificate(tcp, own.as_ref(), &data.of(role))?;
        let ready = match role {
            Role::SecondFactor => "/healthz",
            Role::ControlPlane | Role::DataPlane => "/readyz",
        };
        if let Some(url) = listener.url() {
            tracing::info!(url, "metrics are served");
        }
        let watched = WatchedRole::new(data.socket(role), ready, certificate);
        Ok(Self::At(listener, watched))
    }

    /// Serves it until the role has ended, so that whoever watches sees the role stop, or another
    /// process has taken over.
    async fn until<T>(self, role: impl Future<Output = T>, handed_over: &CancellationToken) -> T {
        let over = handed_over.child_token();
        let role = async {
            let done = role.await;
            over.cancel();
            done
        };
        let watched = async {
            if let Some((listener, watched)) = self.bound(&over).await {
                watched.serve(listener, over.clone()).await;
            }
        };
        tokio::join!(role, watched).0
    }

    /// Binds it as soon as the process of before has let go of it; none when there is none, or it is
    /// too late.
    async fn bound(self, over: &CancellationToken) -> Option<(AdminListener, WatchedRole)> {
        let (args, role, data) = match self {
            Self::No => return None,
            Self::At(listener, watched) => return Some((listener, watched)),
            Self::Later(args, role, data) => (args, role, data),
        };
        let mut said = false;
        loop {
            match Self::bind(args.clone(), role, &data, false).await {
                Ok(Self::At(listener, watched)) => return Some((listener, watched)),
                Ok(_) => return None,
                Err(failure) if !said => {
                    tracing::debug!(%failure, "the admin address is not free yet");
                    said = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = over.cancelled() => return None,
                () = tokio::time::sleep(BIND_AGAIN) => {}
            }
        }
    }
}

/// Runs a role to its end, and lets it be upgraded meanwhile where no supervisor does that.
async fn with_upgrades<E>(
    lone: Option<Lone>,
    ready: oneshot::Receiver<()>,
    handed_over: CancellationToken,
    role: impl Future<Output = Result<(), E>>,
) -> Result<(), E> {
    let over = CancellationToken::new();
    let role = async {
        let done = role.await;
        over.cancel();
        done
    };
    let upgrades = async {
        let Some(lone) = lone else { return };
        tokio::select! {
            // One that ends before it is ready says why.
            ready = ready => if ready.is_err() { return },
            () = over.cancelled() => return,
        }
        notify::ready("serving");
        lone.serve(handed_over, over.clone()).await;
    };
    tokio::join!(role, upgrades).0
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
/// How often a process that took over tries to bind the admin address.
const BIND_AGAIN: Duration = Duration::from_millis(50);
/// What to assume when the system does not say.
const FILES_UNKNOWN: usize = 768;
