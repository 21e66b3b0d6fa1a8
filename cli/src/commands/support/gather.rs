//! What a bundle has of the gateway: by its sockets while it runs, else of its data folder. What cannot be
//! had says why, and holds up nothing else.

use std::error::Error;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use controlplane::admin::{EventPage, Status, StoredEvent};
use controlplane::authproxy::export::{Style, export};
use controlplane::dictionary::Dictionary;
use controlplane::{Stored, key_file};
use local::CallError;
use proto::check::CheckRow;
use proto::child::Role;
use proto::config::raw;
use proto::rpc::NodeStatus;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::Item;
use super::known::Known;
use super::redact::Kind;
use super::typed::Typed;
use crate::commands::{check, validate};
use crate::paths::DataDir;

/// What was found of the gateway.
#[derive(Default)]
pub(super) struct Found {
    pub(super) items: Vec<Item>,
    pub(super) events: Vec<StoredEvent>,
    /// Configurations, which hold secrets.
    pub(super) snapshots: Vec<raw::Snapshot>,
    /// Texts of configuration files: what their first pass left.
    pub(super) shown: Vec<String>,
    /// Of users, as such a text has them.
    pub(super) names: Vec<String>,
    /// The file that is the truth.
    pub(super) config: Option<PathBuf>,
    /// Roles that answer.
    pub(super) running: Vec<Role>,
}

impl Found {
    fn json<T: serde::Serialize>(&mut self, name: &str, found: Result<T, String>) {
        let content = found
            .and_then(|value| serde_json::to_vec_pretty(&value).map_err(|error| error.to_string()));
        self.items.push(Item {
            content,
            ..Item::document(name, Vec::new())
        });
    }

    /// A configuration as a file, or masked as JSON where no file can hold it.
    fn configuration(&mut self, place: &str, snapshot: raw::Snapshot) {
        match export(&snapshot, &Dictionary::builtin(), Style::Shown) {
            Ok(made) => {
                let text = made.text.expose().clone();
                self.shown.push(text.clone());
                let name = format!("configuration/{place}/authproxy.cfg");
                self.items
                    .push(Item::new(Kind::Settings, name, text.into_bytes()));
                for file in made.files.iter().take(FILES) {
                    let name = format!("configuration/{place}/{}", file.name);
                    let content = file.content.expose().clone().into_bytes();
                    self.items.push(Item::new(Kind::Plain, name, content));
                }
            }
            Err(error) => {
                let why = causes(&error);
                let name = format!("configuration/{place}/authproxy.cfg");
                self.items.push(Item::failed(name, why));
                let mut document = serde_json::to_value(&snapshot).unwrap_or_default();
                mask(&mut document);
                self.json(
                    &format!("configuration/{place}/snapshot.json"),
                    Ok(document),
                );
            }
        }
        self.snapshots.push(snapshot);
    }
}

/// What the control plane says; none where it does not answer.
pub(super) async fn control(data: &DataDir) -> Result<Found, String> {
    let plane = client(data, Role::ControlPlane)?;
    let status: Status = plane
        .get("/status", LIMIT)
        .await
        .map_err(|error| causes(&error))?;
    let mut found = Found {
        config: status.source.clone(),
        running: vec![Role::ControlPlane],
        ..Found::default()
    };
    found.json("controlplane/status.json", Ok(status));
    for (name, path) in [
        ("controlplane/readyz.json", "/readyz"),
        ("controlplane/nodes.json", "/api/v1/nodes?limit=1000"),
        (
            "controlplane/revisions.json",
            "/api/v1/revisions?limit=1000",
        ),
        ("controlplane/overview.json", "/api/v1/overview"),
    ] {
        let answer = plane.get::<Value>(path, LIMIT).await;
        found.json(name, answer.map_err(said));
    }
    metrics(&plane, Role::ControlPlane, &mut found).await;
    match plane
        .get::<EventPage>(&format!("/events?limit={EVENTS}"), LIMIT)
        .await
    {
        Ok(page) => found.events = page.events,
        Err(error) => found.json::<Value>("events.jsonl", Err(causes(&error))),
    }
    // Without secrets: nobody need know of it.
    match plane
        .get::<Value>("/api/v1/config?secrets=shown", LIMIT)
        .await
    {
        Ok(made) => served(&made, &mut found),
        Err(error) => found.json::<Value>("configuration/served/authproxy.cfg", Err(said(error))),
    }
    Ok(found)
}

/// What a data plane says, with a check of what it serves.
pub(super) async fn node(data: &DataDir, with_check: bool) -> Result<Found, String> {
    let node = client(data, Role::DataPlane)?;
    let status: NodeStatus = node
        .get("/status", LIMIT)
        .await
        .map_err(|error| causes(&error))?;
    let mut found = Found {
        running: vec![Role::DataPlane],
        ..Found::default()
    };
    found.json("dataplane/status.json", Ok(status));
    metrics(&node, Role::DataPlane, &mut found).await;
    if with_check {
        let limit = dataplane::check::LONGEST + LIMIT;
        let rows = node
            .post::<_, Vec<CheckRow>>("/check", &Value::Null, limit)
            .await;
        found.json("check.json", rows.map_err(|error| causes(&error)));
    }
    Ok(found)
}

/// What the built-in second factor says.
pub(super) async fn factor(data: &DataDir) -> Result<Found, String> {
    let factor = client(data, Role::SecondFactor)?;
    let status: secondfactor::admin::Status = factor
        .get("/status", LIMIT)
        .await
        .map_err(|error| causes(&error))?;
    let mut found = Found {
        running: vec![Role::SecondFactor],
        ..Found::default()
    };
    found.json("secondfactor/status.json", Ok(status));
    metrics(&factor, Role::SecondFactor, &mut found).await;
    Ok(found)
}

/// What the data folder has where the control plane does not answer: of a copy of its database, which is
/// made in `aside` and taken away again.
pub(super) async fn stored(data: &DataDir, aside: &Path) -> Result<Found, String> {
    let folder = data.of(Role::ControlPlane);
    let (database, key) = (folder.join("controlplane.db"), key_file(&folder));
    if !database.exists() {
        return Err(format!("there is no {}", database.display()));
    }
    let aside =
        Aside::make(aside).map_err(|error| format!("cannot make {}: {error}", aside.display()))?;
    let copy = aside.0.join("copy.db");
    let looked = async {
        controlplane::copy_database(&database, &copy).await?;
        controlplane::look_into_copy(&copy, &key, EVENTS).await
    };
    let looked = tokio::time::timeout(COPY_LIMIT, looked).await;
    drop(aside);
    let Stored {
        revisions,
        newest,
        nodes,
        events,
        ..
    } = looked
        .map_err(|_| {
            format!(
                "the database was not read within {} s",
                COPY_LIMIT.as_secs()
            )
        })?
        .map_err(|error| causes(&error))?;
    let mut found = Found {
        events,
        ..Found::default()
    };
    found.json("controlplane/revisions.json", Ok(revisions));
    found.json("controlplane/nodes.json", Ok(nodes));
    if let Some(newest) = newest {
        found.configuration("stored", newest);
    }
    Ok(found)
}

/// A folder for the gateway's user alone, which goes with all that is in it.
struct Aside(PathBuf);

impl Aside {
    fn make(path: &Path) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Where the copy is cut short, SQLite may still put a file there, once.
        for _ in 0..TRIES {
            match std::fs::remove_dir_all(&self.0) {
                Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
                _ => break,
            }
        }
    }
}

/// What a data plane started from, where it does not say what it serves.
pub(super) async fn last_good(data: &DataDir) -> Found {
    let folder = data.of(Role::DataPlane);
    let loaded = spawn_blocking(move || dataplane::last_good(&folder)).await;
    let mut found = Found::default();
    match loaded {
        Ok(Ok(Some(snapshot))) => found.configuration("last-good", snapshot),
        Ok(Ok(None)) | Err(_) => {}
        Ok(Err(error)) => {
            found.json::<Value>("configuration/last-good/authproxy.cfg", Err(causes(&error)))
        }
    }
    found
}

/// What a configuration file says, and with `with_check` what is found of what it names.
pub(super) async fn file(
    path: &Path,
    data: &DataDir,
    with_check: bool,
    known: &mut Known,
) -> Found {
    let mut found = Found {
        config: Some(path.to_owned()),
        ..Found::default()
    };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let typed = Typed::read(&text);
            let secrets = typed.secrets.iter();
            secrets.for_each(|one| known.add(one.as_bytes()));
            found.names = typed.names;
            found.shown.push(typed.shown.clone());
            let (name, shown) = ("configuration/file/lines.txt", typed.shown.into_bytes());
            found.items.push(Item::new(Kind::Settings, name, shown));
        }
        Err(error) => found.json::<Value>(
            "configuration/file/lines.txt",
            Err(format!("cannot read {}: {error}", path.display())),
        ),
    }
    match validate::load(path, data) {
        Ok(outcome) => {
            found.json(
                "configuration/file/validate.json",
                Ok(json!({
                    "file": path,
                    "diagnostics": outcome.diagnostics,
                    "differences": outcome.differences,
                })),
            );
            if let Some(draft) = outcome.draft {
                let snapshot = check::whole(draft);
                found.configuration("file", snapshot);
            }
        }
        Err(failure) => {
            found.json::<Value>("configuration/file/validate.json", Err(failure.to_string()));
        }
    }
    if with_check {
        let rows = check::rows_of_file(path, data).await;
        found.json("check.json", rows.map_err(|failure| failure.to_string()));
    }
    found
}

/// The configuration that a control plane serves, as its API shows it.
fn served(made: &Value, found: &mut Found) {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let own = text(made, "text").unwrap_or_default();
    found.shown.push(own.clone());
    found.items.push(Item::new(
        Kind::Settings,
        "configuration/served/authproxy.cfg",
        own.into_bytes(),
    ));
    let files = made.get("files").and_then(Value::as_array);
    for file in files.into_iter().flatten().take(FILES) {
        if let (Some(name), Some(content)) = (text(file, "name"), text(file, "content")) {
            let name = format!("configuration/served/{name}");
            let content = content.into_bytes();
            found.items.push(Item::new(Kind::Plain, name, content));
        }
    }
}

async fn metrics(client: &local::Client, role: Role, found: &mut Found) {
    let octets = client.get_octets("/metrics", LIMIT).await;
    found.items.push(Item {
        content: octets
            .map(|octets| octets.to_vec())
            .map_err(|error| causes(&error)),
        ..Item::new(Kind::Plain, format!("{role}/metrics.txt"), Vec::new())
    });
}

fn client(data: &DataDir, role: Role) -> Result<local::Client, String> {
    data.client(role).map_err(|failure| failure.to_string())
}

/// Takes out whatever is called as secrets are.
fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match controlplane::SECRET_FIELDS.contains(&name.as_str()) {
                    true => *value = json!("[secret]"),
                    false => mask(value),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(mask),
        _ => {}
    }
}

/// What a refusal says, or why there was no answer.
fn said(error: CallError) -> String {
    match error {
        CallError::Refused { status, body } => {
            let problem: Value = serde_json::from_str(&body).unwrap_or_default();
            let detail = problem.get("detail").and_then(Value::as_str);
            format!("refused with status {status}: {}", detail.unwrap_or(&body))
        }
        error => causes(&error),
    }
}

pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The most logins.
const EVENTS: u32 = 1_000;
/// The most files that a configuration names.
const FILES: usize = 64;
/// How often a folder is tried to be taken away.
const TRIES: u32 = 100;
/// For each answer but that of a check.
const LIMIT: Duration = Duration::from_secs(10);
/// For the copy of a database and what is read of it.
const COPY_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_file_can_hold_is_masked() {
        let mut document =
            json!({"integrations": [{"clients": [{"secret": "hunter2"}], "port": 1}]});
        mask(&mut document);
        let want = json!({"integrations": [{"clients": [{"secret": "[secret]"}], "port": 1}]});
        assert_eq!(document, want);
    }
}
