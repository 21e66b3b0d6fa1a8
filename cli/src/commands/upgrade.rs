//! `countersign upgrade`, and the door at which a running process is asked for it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use local::{CallError, Client};
use proto::child::Role;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::args::UpgradeArgs;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

/// How upgrades went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Who says so.
    pub(crate) process: u32,
    /// How many were begun by this service.
    pub(crate) number: u64,
    pub(crate) under_way: bool,
    /// The version that the last one brought.
    pub(crate) version: Option<String>,
    /// Why the last one did not succeed.
    pub(crate) failure: Option<String>,
}

/// One who asks, for the answer.
pub(crate) type Ask = oneshot::Sender<Result<String, String>>;

/// Where a running process is asked to make place.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    standing: Arc<Mutex<Standing>>,
    asks: mpsc::Sender<Ask>,
}

impl Door {
    /// With what is known of upgrades before this process.
    pub(crate) fn new(standing: Standing) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(1);
        let standing = Arc::new(Mutex::new(standing));
        (Self { standing, asks }, asked)
    }

    /// Serves until the token is cancelled.
    pub(crate) async fn serve(
        self,
        socket: &Path,
        stop: CancellationToken,
    ) -> Result<(), local::ServeError> {
        let listener = local::Listener::bind_over(socket)?;
        let router = Router::new()
            .route("/upgrade", get(standing).post(upgrade))
            .with_state(self);
        listener.serve(router, stop).await;
        Ok(())
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing {
            process: std::process::id(),
            ..self.lock().clone()
        }
    }

    pub(crate) fn begins(&self) {
        let mut standing = self.lock();
        *standing = Standing {
            number: standing.number + 1,
            under_way: true,
            ..Standing::default()
        };
    }

    pub(crate) fn ends(&self, outcome: &Result<String, String>) {
        let mut standing = self.lock();
        standing.under_way = false;
        match outcome {
            Ok(version) => standing.version = Some(version.clone()),
            Err(why) => standing.failure = Some(why.clone()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn standing(State(door): State<Door>) -> Json<Standing> {
    Json(door.standing())
}

async fn upgrade(State(door): State<Door>) -> Result<Json<Standing>, (StatusCode, String)> {
    let (ask, answer) = oneshot::channel();
    door.asks.try_send(ask).map_err(|_| {
        let why = "another upgrade is under way; wait for its end";
        (StatusCode::CONFLICT, why.to_owned())
    })?;
    match answer.await {
        Ok(Ok(_)) => Ok(Json(door.standing())),
        Ok(Err(why)) => Err((StatusCode::CONFLICT, why)),
        Err(_) => Err((StatusCode::CONFLICT, "this program stops".to_owned())),
    }
}

pub(crate) async fn run(args: UpgradeArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let whole = [(None, data.upgrade_socket(None))];
    let alone = [Role::DataPlane, Role::SecondFactor]
        .map(|role| (Some(role), data.upgrade_socket(Some(role))));
    let mut any = false;
    for (role, socket) in whole.into_iter().chain(alone) {
        let who = role.map_or_else(|| "gateway".to_owned(), |role| role.to_string());
        let Some(done) = ask(&socket).await? else {
            continue;
        };
        any = true;
        let version = done.version.unwrap_or_default();
        if args.tool.output.json {
            output::json(&serde_json::json!({ "upgraded": who, "version": version }));
        } else {
            output::line(format_args!("the {who} is version {version} now"));
        }
        if role.is_none() {
            break;
        }
    }
    match any {
        true => Ok(()),
        false => Err(Failure::plain(format!(
            "no gateway, data plane or second factor that can be upgraded runs in {}; name its folder \
             with --data-dir",
            data.path().display()
        ))),
    }
}

/// Waits until another process than this one can be asked for the next upgrade.
pub(crate) async fn asked_elsewhere(socket: &Path) {
    let client = Client::new(socket);
    let mut tick = tokio::time::interval(POLL);
    let elsewhere = async {
        loop {
            tick.tick().await;
            let found = client.get::<Standing>("/upgrade", CALL).await;
            if found.is_ok_and(|found| found.process != std::process::id()) {
                return;
            }
        }
    };
    // Whoever asks too early is told that nobody is there.
    drop(tokio::time::timeout(CALL, elsewhere).await);
}

/// None when nobody serves that socket.
async fn ask(socket: &Path) -> Result<Option<Standing>, Failure> {
    let client = Client::new(socket);
    let failed = |why: String| Failure::plain(format!("not upgraded: {why}"));
    let before: Standing = match client.get("/upgrade", CALL).await {
        Ok(before) => before,
        Err(CallError::Unreachable { source, .. })
            if matches!(
                source.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Failure::new("not upgraded", &error)),
    };
    match client.post::<_, Standing>("/upgrade", &(), LONGEST).await {
        Ok(standing) => return Ok(Some(standing)),
        Err(CallError::Refused { body, .. }) => return Err(failed(body)),
        Err(CallError::TimedOut { limit }) => {
            return Err(failed(format!(
                "it is not done after {limit:?}; see the log"
            )));
        }
        // The program was replaced where it stood, and this connection with it.
        Err(_) => {}
    }
    let mut tick = tokio::time::interval(POLL);
    let done = async {
        loop {
            tick.tick().await;
            if let Ok(now) = client.get::<Standing>("/upgrade", CALL).await
                && now.number > before.number
                && !now.under_way
            {
                return now;
            }
        }
    };
    let done = tokio::time::timeout(LONGEST, done).await;
    let done = done.map_err(|_| failed("the gateway does not answer; see its log".to_owned()))?;
    match done.failure {
        Some(why) => Err(failed(why)),
        None => Ok(Some(done)),
    }
}

const CALL: Duration = Duration::from_secs(5);
/// Longer than any step of an upgrade together with the ones before it.
const LONGEST: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(50);
