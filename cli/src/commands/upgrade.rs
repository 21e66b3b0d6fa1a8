//! `countersign upgrade`, and the door at which a running process is asked for it.

use std::path::{Path, PathBuf};
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
    /// Whether that is because of the new program; a restart would be one with it.
    #[serde(default)]
    pub(crate) unfit: bool,
    /// Where the program lies that is started.
    pub(crate) program: Option<PathBuf>,
    /// Roles that went on as the program of before.
    pub(crate) stay: Vec<Role>,
}

/// One who asks, for the answer.
pub(crate) type Ask = oneshot::Sender<Result<String, Failure>>;

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
            program: standing.program.take(),
            ..Standing::default()
        };
    }

    /// Notes the roles that go on as the program of before.
    pub(crate) fn stay(&self, roles: Vec<Role>) {
        self.lock().stay = roles;
    }

    pub(crate) fn ends(&self, outcome: &Result<String, Failure>) {
        let mut standing = self.lock();
        standing.under_way = false;
        match outcome {
            Ok(version) => standing.version = Some(version.clone()),
            Err(failure) => {
                standing.failure = Some(failure.to_string());
                standing.unfit = failure.is_unfit();
            }
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
        Ok(Err(failure)) if failure.is_unfit() => {
            Err((StatusCode::UNPROCESSABLE_ENTITY, failure.to_string()))
        }
        Ok(Err(failure)) => Err((StatusCode::CONFLICT, failure.to_string())),
        Err(_) => Err((StatusCode::CONFLICT, "this program stops".to_owned())),
    }
}

pub(crate) async fn run(args: UpgradeArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let json = args.tool.output.json;
    if let Some(outcome) = asked(&data, None, json).await? {
        return outcome;
    }
    let mut upgraded = Vec::new();
    let mut failures = Vec::new();
    for role in [Role::DataPlane, Role::SecondFactor] {
        if let Some(outcome) = asked(&data, Some(role), json).await? {
            upgraded.push(role);
            failures.extend(outcome.err());
        }
    }
    if let Some(failure) = Failure::all(failures) {
        return Err(failure);
    }
    let mut by_restart = Vec::new();
    for role in [Role::ControlPlane, Role::DataPlane, Role::SecondFactor] {
        if !upgraded.contains(&role) && runs(&data, role).await? {
            by_restart.push(role);
        }
    }
    let named: Vec<&str> = by_restart.iter().copied().map(called).collect();
    let restart = format!(
        "the {} in {} is brought up to date by a restart alone",
        named.join(" and the "),
        data.path().display()
    );
    match (upgraded.is_empty(), by_restart.is_empty()) {
        (false, true) => Ok(()),
        (false, false) => {
            if json {
                output::json(&serde_json::json!({ "restart": by_restart }));
            } else {
                output::line(format_args!("{restart}"));
            }
            Ok(())
        }
        (true, false) => Err(Failure::plain(restart)),
        (true, true) => Err(Failure::plain(format!(
            "no gateway, data plane or second factor runs in {}; name its folder with --data-dir",
            data.path().display()
        ))),
    }
}

/// Asks one, and shows what came of it. None when nobody is there.
async fn asked(
    data: &DataDir,
    role: Option<Role>,
    json: bool,
) -> Result<Option<Result<(), Failure>>, Failure> {
    let outcome = ask(&data.upgrade(role)?, GONE).await;
    match &outcome {
        Ok(None) => return Ok(None),
        Ok(Some(done)) => show(role, done, json),
        Err(failure) if json && failure.is_unfit() => output::json(&serde_json::json!({
            "refused": named(role),
            "why": failure.to_string(),
        })),
        Err(_) => {}
    }
    Ok(Some(outcome.map(drop)))
}

fn named(role: Option<Role>) -> String {
    role.map_or_else(|| "gateway".to_owned(), |role| role.to_string())
}

fn show(role: Option<Role>, done: &Standing, json: bool) {
    let version = done.version.as_deref().unwrap_or_default();
    let program = done.program.clone().unwrap_or_default();
    if json {
        output::json(&serde_json::json!({
            "upgraded": named(role),
            "version": version,
            "program": program,
            "stay": done.stay,
        }));
        return;
    }
    let who = role.map_or("gateway", called);
    output::line(format_args!(
        "the {who} is version {version} now, from {}; what it had under way ends in the process of before",
        program.display()
    ));
    for role in done.stay.iter().copied().map(called) {
        output::line(format_args!(
            "the {role} stays the version of before until a restart"
        ));
    }
}

const fn called(role: Role) -> &'static str {
    match role {
        Role::ControlPlane => "control plane",
        Role::DataPlane => "data plane",
        Role::SecondFactor => "second factor",
    }
}

/// Whether somebody serves a role's socket.
async fn runs(data: &DataDir, role: Role) -> Result<bool, Failure> {
    let asked = data.client(role)?.get_octets("/healthz", CALL).await;
    Ok(matches!(asked, Ok(_) | Err(CallError::Refused { .. })))
}

/// Waits until another process than this one can be asked for the next upgrade.
pub(crate) async fn asked_elsewhere(socket: &Path) {
    let mut tick = tokio::time::interval(POLL);
    let elsewhere = async {
        loop {
            tick.tick().await;
            if is_elsewhere(socket).await {
                return;
            }
        }
    };
    // Whoever asks too early is told that nobody is there.
    drop(tokio::time::timeout(CALL, elsewhere).await);
}

/// Whether another process than this one can be asked for the next upgrade.
pub(crate) async fn is_elsewhere(socket: &Path) -> bool {
    let found = Client::new(socket).get::<Standing>("/upgrade", CALL).await;
    found.is_ok_and(|found| found.process != std::process::id())
}

/// None when nobody serves that socket. One that was asked may be away for `gone`.
async fn ask(client: &Client, gone: Duration) -> Result<Option<Standing>, Failure> {
    let failed = |why: String| refused(&why, false);
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
        Err(CallError::Refused { body, status }) => {
            let unfit = status == StatusCode::UNPROCESSABLE_ENTITY.as_u16();
            return Err(refused(&body, unfit));
        }
        Err(CallError::TimedOut { limit }) => {
            return Err(failed(format!(
                "it is not done after {limit:?}; see the log"
            )));
        }
        // The program was replaced where it stood, and this connection with it.
        Err(_) => {}
    }
    let done = tokio::time::timeout(LONGEST, done(client, before.number, gone)).await;
    let done = done.map_err(|_| failed("the gateway does not answer; see its log".to_owned()))?;
    let done = done.map_err(failed)?;
    match &done.failure {
        Some(why) => Err(refused(why, done.unfit)),
        None => Ok(Some(done)),
    }
}

fn refused(why: &str, unfit: bool) -> Failure {
    let failure = Failure::plain(format!("not upgraded: {why}"));
    match unfit {
        true => failure.into_unfit(),
        false => failure,
    }
}

/// How the upgrade after this many went, once that is over.
async fn done(client: &Client, before: u64, gone: Duration) -> Result<Standing, String> {
    let mut tick = tokio::time::interval(POLL);
    let mut heard = tokio::time::Instant::now();
    loop {
        tick.tick().await;
        match client.get::<Standing>("/upgrade", CALL).await {
            Ok(now) if now.under_way => {}
            Ok(now) if now.number <= before => {
                return Err("it ended, and was started anew meanwhile; its log says why".to_owned());
            }
            Ok(now) => return Ok(now),
            Err(CallError::Unreachable { .. }) => {
                if heard.elapsed() > gone {
                    return Err(format!(
                        "it has not answered for {gone:?}, and may have ended; see its log, and start \
                         it again"
                    ));
                }
                continue;
            }
            Err(_) => {}
        }
        heard = tokio::time::Instant::now();
    }
}

const CALL: Duration = Duration::from_secs(5);
/// Longer than any step of an upgrade together with the ones before it.
const LONGEST: Duration = Duration::from_secs(360);
const POLL: Duration = Duration::from_millis(50);
/// How long a process may take until it is the next program and can be asked.
const GONE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// One that gives these answers, one a connection, and then is gone. An empty one breaks it.
    fn answers(path: &Path, answers: Vec<Option<Standing>>) -> std::thread::JoinHandle<()> {
        let listener = UnixListener::bind(path).unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                assert_ne!(stream.read(&mut request).unwrap(), 0);
                if let Some(standing) = answer {
                    let body = serde_json::to_string(&standing).unwrap();
                    let octets = body.len();
                    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length";
                    write!(stream, "{head}: {octets}\r\n\r\n{body}").unwrap();
                }
            }
        })
    }

    #[tokio::test]
    async fn who_asks_learns_what_came_of_it() {
        let standing = |number, under_way, failure: Option<&str>| {
            Some(Standing {
                number,
                under_way,
                version: failure.is_none().then(|| "2".to_owned()),
                failure: failure.map(str::to_owned),
                unfit: failure == Some("unfit"),
                ..Standing::default()
            })
        };
        let before = || standing(3, false, None);
        for (name, then, want) in [
            (
                "done",
                vec![standing(4, true, None), standing(4, false, None)],
                Ok("2"),
            ),
            ("failed", vec![standing(4, false, Some("x"))], Err("x")),
            (
                "unfit",
                vec![standing(4, false, Some("unfit"))],
                Err("unfit"),
            ),
            ("gone", vec![], Err("may have ended")),
            (
                "gone later",
                vec![standing(4, true, None)],
                Err("may have ended"),
            ),
            (
                "anew",
                vec![standing(0, false, None)],
                Err("started anew meanwhile"),
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("socket");
            let asked = [before(), None].into_iter().chain(then).collect();
            let thread = answers(&path, asked);
            let result = ask(&Client::new(&path), Duration::from_millis(200)).await;
            match want {
                Ok(version) => {
                    let found = result.unwrap().unwrap().version;
                    assert_eq!(found.as_deref(), Some(version), "{name}");
                }
                Err(want) => {
                    let error = result.unwrap_err();
                    assert_eq!(error.is_unfit(), name == "unfit");
                    assert!(error.to_string().contains(want), "{name}: {error}");
                }
            }
            thread.join().unwrap();
        }
        let nobody = tempfile::tempdir().unwrap();
        let client = Client::new(nobody.path().join("socket"));
        assert!(ask(&client, GONE).await.unwrap().is_none());
    }
}
