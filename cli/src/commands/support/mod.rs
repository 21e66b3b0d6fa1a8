//! `countersign support`: what somebody needs who is to say what is wrong with a gateway, in one file, and
//! nothing in it that is secret.
//!
//! Twice: what goes in is made without secrets (masked answers, no key, no hash), and then whatever is known
//! for a secret of this installation is looked for in all of it, in any writing. Names of users are replaced.

mod archive;
mod gather;
mod json;
mod known;
mod logs;
mod names;
mod own_words;
mod patterns;
mod redact;
mod system;
mod typed;
mod writings;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proto::child::Role;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use self::archive::Archive;
use self::gather::Found;
use self::known::Known;
use self::names::Names;
use self::redact::{Kind, Redactor};
use crate::args::SupportArgs;
use crate::commands::database;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

/// One file of a bundle, or why it is not there.
struct Item {
    name: String,
    content: Result<Vec<u8>, String>,
    kind: Kind,
    /// Whether its beginning was left out.
    shortened: bool,
}

impl Item {
    fn new(kind: Kind, name: impl Into<String>, content: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            content: Ok(content),
            kind,
            shortened: false,
        }
    }

    fn document(name: impl Into<String>, content: Vec<u8>) -> Self {
        Self::new(Kind::Document, name, content)
    }

    fn failed(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            content: Err(why.into()),
            ..Self::document(name, Vec::new())
        }
    }
}

/// Makes it. A signal to end leaves neither half a bundle nor a copy of a database.
pub(crate) async fn run(args: SupportArgs) -> Result<(), Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::new("cannot listen for signals", &error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    let stop = Arc::new(AtomicBool::new(false));
    tokio::select! {
        made = make(args, Arc::clone(&stop)) => return made,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    stop.store(true, Ordering::Relaxed);
    Err(Failure::plain("stopped by a signal: no bundle was made"))
}

async fn make(args: SupportArgs, stop: Arc<AtomicBool>) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir.clone())?;
    let at_ms = dataplane::clock::unix_ms();
    let to = place(args.out.as_deref(), at_ms)?;
    let mut known = Known::default();
    // A URL that cannot be used is no reason to have no bundle.
    let url = database::named(&args.database);
    if let Ok(Some(url)) = &url {
        known.url(url.expose());
    }
    let mut found = gathered(&args, &data, &to, &mut known).await;
    known.folder(&data);
    found.snapshots.iter().for_each(|one| known.snapshot(one));

    let named = args.logs.clone();
    let config = found.config.clone();
    let mut texts = found.shown.iter();
    let own = texts.find_map(|text| logs::folder(text, config.as_deref(), data.path()));
    let own = own.or_else(|| logs::usual_folder(data.path()));
    let machine = data.clone();
    let (files, machine) =
        spawn_blocking(move || (logs::files(&named, own.as_deref()), system::look(&machine)))
            .await
            .map_err(|error| Failure::new("cannot look at this machine", &error))?;
    found.items.extend(files);
    found.items.push(logs::journal().await);
    found
        .items
        .push(Item::document("system.json", pretty(&machine)));
    let events = std::mem::take(&mut found.events);
    let bundle = Bundle {
        at_ms,
        with_users: args.with_users,
        known,
        found,
        events,
        stop,
    };
    let to_write = to.clone();
    let manifest = spawn_blocking(move || bundle.write(&to_write))
        .await
        .map_err(|error| Failure::new("cannot write the bundle", &error))?
        .map_err(|error| Failure::new(format!("cannot write {}", to.display()), &*error))?;
    tell(&args, &to, &manifest);
    Ok(())
}

/// Where it goes; what is there already stays.
fn place(asked: Option<&Path>, at_ms: u64) -> Result<PathBuf, Failure> {
    let day = proto::date::utc(at_ms).replace([':', '-'], "");
    let name = format!("countersign-support-{day}.tar.gz");
    let to = match asked {
        Some(folder) if folder.is_dir() => folder.join(name),
        Some(file) => file.to_owned(),
        None => PathBuf::from(name),
    };
    if to.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!(
            "{} is there already; name another file with --out",
            to.display()
        )));
    }
    Ok(to)
}

/// Asks all roles at the same time, each for so long at most.
async fn gathered(args: &SupportArgs, data: &DataDir, to: &Path, known: &mut Known) -> Found {
    let mut aside = to.as_os_str().to_owned();
    aside.push(format!(".aside-{}", std::process::id()));
    let aside = PathBuf::from(aside);
    let control = async {
        match gather::control(data).await {
            Ok(found) => found,
            Err(why) => {
                let mut found = match gather::stored(data, &aside).await {
                    Ok(found) => found,
                    Err(why) => Found {
                        items: vec![Item::failed("controlplane/database", why)],
                        ..Found::default()
                    },
                };
                found
                    .items
                    .push(Item::failed("controlplane/status.json", why));
                found
            }
        }
    };
    let missing = |name: &str| {
        let name = name.to_owned();
        move |why: String| Found {
            items: vec![Item::failed(name, why)],
            ..Found::default()
        }
    };
    let (control, node, factor, last_good) = tokio::join!(
        control,
        gather::node(data, !args.no_check),
        gather::factor(data),
        gather::last_good(data),
    );
    let mut all = control;
    for part in [
        node.unwrap_or_else(missing("dataplane/status.json")),
        factor.unwrap_or_else(missing("secondfactor/status.json")),
        last_good,
    ] {
        add(&mut all, part);
    }
    if let Some(path) = args.config.clone().or_else(|| all.config.clone()) {
        let with_check = !args.no_check && !all.running.contains(&Role::DataPlane);
        add(&mut all, gather::file(&path, data, with_check, known).await);
    }
    all
}

fn add(all: &mut Found, part: Found) {
    all.items.extend(part.items);
    all.snapshots.extend(part.snapshots);
    all.shown.extend(part.shown);
    all.names.extend(part.names);
    all.running.extend(part.running);
    all.config = all.config.take().or(part.config);
}

/// All that is to be written.
struct Bundle {
    at_ms: u64,
    with_users: bool,
    known: Known,
    found: Found,
    events: Vec<controlplane::admin::StoredEvent>,
    /// Whether it is not wanted any more.
    stop: Arc<AtomicBool>,
}

impl Bundle {
    /// Writes it, and gives its manifest. Blocks.
    fn write(mut self, to: &Path) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let mut names = Names::default();
        let key = match self.with_users {
            true => None,
            false => {
                self.found.names.iter().for_each(|name| names.add(name));
                let snapshots = self.found.snapshots.iter();
                snapshots.for_each(|one| names.of_snapshot(one));
                names.of_events(&self.events);
                for one in self.found.items.iter().filter(|one| one.kind == Kind::Log) {
                    if let Ok(octets) = &one.content {
                        names.of_log(&String::from_utf8_lossy(octets));
                    }
                }
                Some(self.known.pseudonym_key()?)
            }
        };
        let redactor = Redactor::new(self.known.iter(), &names, key)?;
        drop(names);
        if let Some(events) = self.events_item() {
            self.found.items.push(events);
        }
        self.found.items.sort_by(|a, b| a.name.cmp(&b.name));
        let seconds = self.at_ms / 1_000;
        let mut archive = Archive::new(to, seconds)?;
        let (mut listed, mut octets) = (Vec::new(), 0_usize);
        for item in std::mem::take(&mut self.found.items) {
            if self.stop.load(Ordering::Relaxed) {
                return Err("it was stopped".into());
            }
            let Item {
                name,
                content,
                kind,
                mut shortened,
            } = item;
            // What other people named; all else is ours.
            let name = match name.split_once('/') {
                Some((folder @ ("logs" | "configuration"), file)) => {
                    format!("{folder}/{}", redactor.file_name(file))
                }
                _ => name,
            };
            let content = content.map(|content| redactor.item(kind, &content));
            let content = content.and_then(|mut content| {
                if content.len() > ITEM_OCTETS {
                    shortened = true;
                    let cut = content.ceil_char_boundary(content.len() - ITEM_OCTETS);
                    content.drain(..cut);
                }
                octets += content.len();
                match octets > ALL_OCTETS {
                    true => Err("the bundle has no room for it".to_owned()),
                    false => Ok(content),
                }
            });
            let mut line = json!({ "name": name });
            match content {
                Ok(content) => {
                    archive.add(&format!("{FOLDER}/{name}"), content.as_bytes())?;
                    put(&mut line, "octets", json!(content.len()));
                    if shortened {
                        put(&mut line, "shortened", json!(true));
                    }
                }
                Err(why) => put(&mut line, "failed", json!(redactor.text(&why))),
            }
            listed.push(line);
        }
        let manifest = self.manifest(&redactor, &listed);
        archive.add(&format!("{FOLDER}/manifest.json"), &pretty(&manifest))?;
        if self.stop.load(Ordering::Relaxed) {
            return Err("it was stopped".into());
        }
        archive.end()?;
        Ok(manifest)
    }

    /// The last logins, one a line, the newest first.
    fn events_item(&mut self) -> Option<Item> {
        let events = std::mem::take(&mut self.events);
        let there = self
            .found
            .items
            .iter()
            .any(|one| one.name == "events.jsonl");
        if there {
            return None;
        }
        let mut text = Vec::new();
        for event in &events {
            if let Ok(line) = serde_json::to_vec(event) {
                text.extend_from_slice(&line);
                text.push(b'\n');
            }
        }
        Some(Item::new(Kind::Logins, "events.jsonl", text))
    }

    fn manifest(&self, redactor: &Redactor, items: &[Value]) -> Value {
        let running: Vec<_> = self.found.running.iter().map(|one| one.as_str()).collect();
        let (names, left) = redactor.names();
        json!({
            "form": 1,
            "program": "countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "built_for": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            "with_debug_assertions": cfg!(debug_assertions),
            "has_dashboard": controlplane::has_dashboard(),
            "made_at": proto::date::utc(self.at_ms),
            "roles_that_answer": running,
            "with_users": self.with_users,
            "redaction": {
                "secrets_looked_for": self.known.count(),
                "secrets_too_short_to_look_for": self.known.short(),
                "places_replaced": redactor.replaced(),
                "names_looked_for": names,
                "names_not_looked_for": left,
            },
            "items": items,
        })
    }
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

fn tell(args: &SupportArgs, to: &Path, manifest: &Value) {
    if args.tool.output.json {
        output::json(&json!({ "file": to, "manifest": manifest }));
        return;
    }
    let items = manifest.get("items").and_then(Value::as_array);
    for item in items.into_iter().flatten() {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        if let (Some(name), Some(why)) = (text("name"), text("failed")) {
            output::line(format_args!("left out: {name}: {why}"));
        }
    }
    let left = manifest.pointer("/redaction/names_not_looked_for");
    if let Some(left @ 1..) = left.and_then(Value::as_u64) {
        output::line(format_args!(
            "{left} names more than are looked for were typed: where the text of a line has one of them it stays"
        ));
    }
    let users = match args.with_users {
        true => "names of users are in it",
        false => "names of users are replaced",
    };
    output::line(format_args!(
        "{}: secrets are taken out, {users}; names and addresses of machines are in it. Look it through \
         before you give it away.",
        to.display()
    ));
}

/// The folder within.
const FOLDER: &str = "countersign-support";
/// The most octets of one file, of which the end is kept, and of all.
const ITEM_OCTETS: usize = 8 * 1024 * 1024;
const ALL_OCTETS: usize = 64 * 1024 * 1024;
