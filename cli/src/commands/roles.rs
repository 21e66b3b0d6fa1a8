//! `countersign controlplane`, `dataplane` and `secondfactor`: one role, by itself or supervised.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

use controlplane::{Hooks, Retention};
use dataplane::joined::KeptJoin;
use dataplane::settings::LoginLines;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use proto::child::{FromChild, Role};
use proto::id::NodeId;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::args::{
    ControlplaneArgs, DEFAULT_NODE, DataplaneArgs, SecondfactorArgs, SupervisedArgs,
};
use crate::commands::lone::Lone;
use crate::commands::{database, validate};
use crate::failure::Failure;
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
    settings.last_good = args.source.last_good;
    settings.retention = Retention {
        days: args.retention.event_days,
        events: args.retention.event_count,
        octets: args.retention.event_octets,
        ..Retention::default()
    };
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
        }
    } else {
        Hooks {
            setup: Box::new(|token, url| {
                if let Some(url) = url {
                    output::setup_link(&url, &token);
                }
            }),
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
    let (node, joined) = who(&args, &data, supervised)?;
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
            LoginLines::Log
        },
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
    let done = with_upgrades(
        lone,
        readied,
        handed_over,
        dataplane::run(settings, ready, stop),
    );
    done.await
        .map_err(|error| Failure::new("the data plane cannot run", &error))
}

/// This node's name, and the control plane of another machine that it joined, if it is to follow that.
fn who(
    args: &DataplaneArgs,
    data: &DataDir,
    supervised: bool,
) -> Result<(NodeId, Option<KeptJoin>), Failure> {
    let joined = match supervised || args.control_socket.is_some() {
        true => None,
        false => KeptJoin::load(&data.of(Role::DataPlane))
            .map_err(|error| Failure::new("cannot read what this node joined with", &error))?,
    };
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
        ..
    } = prepare(Role::SecondFactor, args.data.data_dir, args.supervised)?;
    raise_file_limit();
    let mut settings =
        secondfactor::Settings::new(data.of(Role::SecondFactor), data.socket(Role::SecondFactor));
    settings.listen = args.second_factor.second_factor_listen;
    settings.public_url = args.public.second_factor_public_url;
    settings.public_names = args.public.second_factor_names;
    let (ready, bound) = oneshot::channel::<SocketAddr>();
    settings.ready = Some(ready);
    let say_ready = async {
        if bound.await.is_ok() && supervised {
            output::json_line(&FromChild::Ready);
        }
    };
    let (done, ()) = tokio::join!(secondfactor::run(settings, stop), say_ready);
    done.map_err(|error| Failure::new("the built-in second factor cannot run", &error))
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
                _ = hang_up.recv() => if !supervised { reload(&control).await },
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
/// What to assume when the system does not say.
const FILES_UNKNOWN: usize = 768;
