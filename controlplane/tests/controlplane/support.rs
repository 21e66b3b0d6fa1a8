//! Starts control planes and talks to them as a node does.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use controlplane::admin::{Diagnostic, Status};
use controlplane::authproxy::BuiltinApplication;
use controlplane::{
    ConfigSource, FileDraft, FileRead, Hooks, LoadOutcome, Need, Ready, RunError, Settings, run,
};
use local::Client;
use proto::config::raw;
use proto::id::{NodeId, Revision};
use proto::rpc::{
    Acknowledge, Empty, PROTOCOL_VERSION, PrimaryOnlyGrant, StateKeys, Subscribe, ToNode,
    UNDERSTANDS_PRIMARY_ONLY, Verdict,
};
use proto::secret::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A "file" whose text is a JSON snapshot, with two fields more: `ca_file` names a file whose text
/// becomes `http_ca_certs`, and `builtin` lists integrations of the built-in second factor.
pub(crate) struct FakeSource(pub(crate) PathBuf);

impl ConfigSource for FakeSource {
    fn path(&self) -> &Path {
        &self.0
    }

    fn load(&self) -> LoadOutcome {
        let mut files = Vec::new();
        let read = self.read(&mut files);
        let (draft, diagnostics) = match read {
            Ok(draft) => (Some(draft), Vec::new()),
            Err(message) => (None, vec![Diagnostic::error(&self.0, message)]),
        };
        LoadOutcome {
            files,
            diagnostics,
            differences: Vec::new(),
            draft,
        }
    }
}

fn read(path: &Path, files: &mut Vec<FileRead>) -> Result<String, String> {
    let (file, content) = FileRead::read(path);
    files.push(file);
    let content = content.map_err(|error| error.to_string())?;
    String::from_utf8(content.octets).map_err(|error| error.to_string())
}

/// `ID`, or `ID IKEY SKEY`.
fn wanted(text: &str) -> BuiltinApplication {
    let mut words = text.split(' ').map(str::to_owned);
    BuiltinApplication {
        integration: words.next().unwrap(),
        ikey: words.next(),
        skey: words.next().map(Secret::new),
    }
}

impl FakeSource {
    fn read(&self, files: &mut Vec<FileRead>) -> Result<FileDraft, String> {
        let text = read(&self.0, files)?;
        let mut json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let fields = json.as_object_mut().unwrap();
        let builtin: Vec<String> = fields
            .remove("builtin")
            .map(|ids| serde_json::from_value(ids).unwrap())
            .unwrap_or_default();
        let builtin = builtin.iter().map(|one| wanted(one)).collect();
        let ca_file = fields.remove("ca_file");
        let mut snapshot: raw::Snapshot =
            serde_json::from_value(json).map_err(|error| error.to_string())?;
        if let Some(Value::String(name)) = ca_file {
            let named = self.0.parent().unwrap().join(name);
            snapshot.settings.http_ca_certs = Some(read(&named, files)?);
        }
        Ok(FileDraft {
            text: Secret::new(text),
            builtin,
            finish: Box::new(move |applications| {
                for one in &mut snapshot.integrations {
                    if let Some(application) = applications.get(&one.id) {
                        one.application = application.clone();
                    }
                }
                snapshot
            }),
        })
    }
}

/// A configuration that is good; the port tells one from another.
pub(crate) fn config(port: u16) -> Value {
    json!({
        "revision": 0,
        "authenticators": [{"id": "duo_only_client", "kind": "duo_only"}],
        "integrations": [{
            "id": "radius_server_auto", "mode": "auto", "authenticator": "duo_only_client",
            "port": port,
            "application": {"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "PLANTED-skey", "host": "api.example.com"},
            "clients": [{"address": "192.0.2.0/24", "secret": "PLANTED-radius"}],
        }],
    })
}

/// A folder with a configuration file and the data of a control plane.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) settings: Settings,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path().join("data"));
        let file = folder.path().join("authproxy.cfg");
        settings.source = Some(Arc::new(FakeSource(file)));
        settings.watch_every = Duration::from_millis(20);
        Self { folder, settings }
    }

    pub(crate) fn with(config: &Value) -> Self {
        let site = Self::new();
        site.write(config);
        site
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("authproxy.cfg")
    }

    pub(crate) fn write(&self, config: &Value) {
        std::fs::write(self.file(), format!("{config}\n")).unwrap();
    }

    pub(crate) async fn start(&self) -> ControlPlane {
        ControlPlane::start(self.settings.clone()).await.unwrap()
    }
}

pub(crate) struct ControlPlane {
    pub(crate) client: Client,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) needs: Arc<Mutex<Vec<Need>>>,
    /// What stands behind the `#` of the set-up link, where one was shown.
    pub(crate) setup: Arc<Mutex<Option<Secret<String>>>>,
    stop: CancellationToken,
    running: JoinSet<Result<(), RunError>>,
}

impl ControlPlane {
    pub(crate) async fn start(settings: Settings) -> Result<Self, RunError> {
        let client = Client::new(&settings.socket);
        let stop = CancellationToken::new();
        let needs = Arc::new(Mutex::new(Vec::new()));
        let (said, ready) = oneshot::channel();
        let noted = Arc::clone(&needs);
        let setup = Arc::new(Mutex::new(None));
        let shown = Arc::clone(&setup);
        let hooks = Hooks {
            setup: Box::new(move |link, _| *shown.lock().unwrap() = Some(link)),
            needs: Box::new(move |need| noted.lock().unwrap().push(need)),
            ready: Box::new(move |ready: Ready| said.send(ready).unwrap()),
            ..Hooks::default()
        };
        let mut running = JoinSet::new();
        running.spawn(run(settings, hooks, stop.clone()));
        tokio::select! {
            ended = running.join_next() => Err(ended.unwrap().unwrap().unwrap_err()),
            Ok(ready) = ready => Ok(Self {
                client,
                admin: ready.admin,
                needs,
                setup,
                stop,
                running,
            }),
        }
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(LIMIT, self.running.join_next()).await;
        ended.unwrap().unwrap().unwrap().unwrap();
    }

    pub(crate) async fn status(&self) -> Status {
        self.client.get("/status", LIMIT).await.unwrap()
    }

    /// Asks for the status until it is as wanted.
    pub(crate) async fn status_when(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let asking = async {
            loop {
                let status = self.status().await;
                if wanted(&status) {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, asking).await.unwrap()
    }

    pub(crate) async fn subscribe(&self, name: &str) -> Stream {
        self.subscribe_with(&subscribe(name)).await
    }

    pub(crate) async fn subscribe_with(&self, asked: &Subscribe) -> Stream {
        let lines = self.client.stream(&method("Subscribe"), asked).await;
        Stream(lines.unwrap())
    }

    pub(crate) async fn acknowledge(&self, name: &str, revision: u64, verdict: Verdict) {
        let asked = Acknowledge {
            node: node(name),
            revision: Revision(revision),
            verdict,
        };
        let method = method("Acknowledge");
        let answer = self.client.post(&method, &asked, LIMIT);
        let _answer: Empty = answer.await.unwrap();
    }
}

pub(crate) struct Stream(pub(crate) local::Lines);

impl Stream {
    pub(crate) async fn next(&mut self) -> Option<ToNode> {
        let line = tokio::time::timeout(LIMIT, self.0.next()).await.unwrap();
        line.unwrap()
            .map(|line| serde_json::from_slice(&line).unwrap())
    }

    /// The keys of States, which come first.
    pub(crate) async fn state_keys(&mut self) -> StateKeys {
        match self.next().await.unwrap() {
            ToNode::StateKeys { keys } => keys,
            other => panic!("no keys but {other:?}"),
        }
    }

    /// The next list of primary-only grants, past everything else.
    pub(crate) async fn grants(&mut self) -> Vec<PrimaryOnlyGrant> {
        loop {
            if let ToNode::PrimaryOnly { grants } = self.next().await.unwrap() {
                return grants;
            }
        }
    }

    /// The next snapshot, past keys and heartbeats.
    pub(crate) async fn snapshot(&mut self) -> raw::Snapshot {
        loop {
            match self.next().await.unwrap() {
                ToNode::Snapshot { snapshot } => return *snapshot,
                ToNode::StateKeys { .. }
                | ToNode::PrimaryOnly { .. }
                | ToNode::Drain { .. }
                | ToNode::Heartbeat => {}
                ToNode::Command { .. } | ToNode::Cancel { .. } | ToNode::Unknown => {
                    panic!("a message that was not asked for")
                }
            }
        }
    }
}

pub(crate) fn subscribe(name: &str) -> Subscribe {
    Subscribe {
        node: node(name),
        protocol: PROTOCOL_VERSION,
        version: "0.1.0".to_owned(),
        serving: None,
        understands: vec![UNDERSTANDS_PRIMARY_ONLY.to_owned()],
    }
}

pub(crate) fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

pub(crate) fn method(name: &str) -> String {
    format!("{}/{name}", proto::rpc::SERVICE)
}

/// The revision number and the port of a snapshot's one integration.
pub(crate) fn mark(snapshot: &raw::Snapshot) -> (u64, u16) {
    (snapshot.revision, snapshot.integrations[0].port)
}
