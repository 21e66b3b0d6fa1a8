//! `countersign node`: data planes on other machines.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use controlplane::admin::{
    CheckReport, CheckRequest, JoinTokenListPage, JoinTokenMade, JoinTokenRequest, LoginRequest,
    LoginTried, NodeDrain, NodeListPage, NodeView,
};
use local::CallError;
use proto::child::Role;
use proto::event::Outcome;
use proto::id::NodeId;
use zeroize::Zeroizing;

use crate::args::{NodeArgs, NodeCommand};
use crate::commands::{check, login};
use crate::failure::Failure;
use crate::output::printable;
use crate::paths::DataDir;
use crate::{explain, output};

pub(crate) async fn run(args: NodeArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let as_json = args.tool.output.json;
    if let NodeCommand::Join {
        url,
        token_file,
        name,
    } = args.command
    {
        return join(&data, &url, &token_file, name, as_json).await;
    }
    let control = data.client(Role::ControlPlane)?;
    match args.command {
        NodeCommand::Token {
            node,
            span,
            file,
            unless_joined,
        } => {
            if let (true, Some(node)) = (unless_joined, &node)
                && has_joined(&control, node).await?
            {
                done_without(node, as_json);
                return Ok(());
            }
            token(&control, node, span, file.as_deref(), as_json).await
        }
        NodeCommand::Tokens { take_back: None } => tokens(&control, as_json).await,
        NodeCommand::Tokens {
            take_back: Some(id),
        } => take_back(&control, &id, as_json).await,
        NodeCommand::List => list(&control, as_json).await,
        NodeCommand::Remove { name } => {
            let path = format!("{NODES}/{name}");
            let was: NodeView = called(control.delete(&path, LIMIT).await)?;
            let what = match was.certificate_until_ms {
                Some(_) => "removed: it is refused from now on",
                // Nothing refuses who speaks by a socket.
                None => {
                    "forgotten: it has no certificate to take back, and is here again once its \
                     data plane is heard"
                }
            };
            done(&was, as_json, what);
            Ok(())
        }
        NodeCommand::Drain { name, undo } => {
            let path = format!("{NODES}/{name}/drain");
            let asked = NodeDrain { drain: !undo };
            let now: NodeView = called(control.post(&path, &asked, LIMIT).await)?;
            let what = match undo {
                false => "takes no new logins; those that wait go on",
                true => "takes new logins again",
            };
            done(&now, as_json, what);
            Ok(())
        }
        NodeCommand::Check { name } => {
            let asked = CheckRequest { node: name.clone() };
            let answer = control.post("/api/v1/checks", &asked, CHECK_LIMIT).await;
            tell(&called(answer)?, name.is_some(), as_json)
        }
        NodeCommand::Login {
            user,
            integration,
            node,
            client,
            calling_station_id,
            password,
        } => {
            let asked = LoginRequest {
                integration,
                user,
                password: Some(login::password(password.password_file.as_deref())?),
                answer: None,
                state: None,
                node,
                client,
                calling_station_id,
            };
            try_login(&control, asked, as_json).await
        }
        NodeCommand::Join { .. } => Ok(()),
    }
}

/// What came of checks: of the one node that was named, or of each with its name above.
fn tell(report: &CheckReport, is_one: bool, as_json: bool) -> Result<(), Failure> {
    if is_one {
        let rows = report.nodes.first().map(|one| one.rows.as_slice());
        return check::tell(rows.unwrap_or_default(), as_json);
    }
    if as_json {
        output::json(&report.nodes);
    }
    let mut good = true;
    for one in &report.nodes {
        good &= one.error.is_none() && !check::failed(&one.rows);
        if as_json {
            continue;
        }
        output::line(format_args!("{}", one.node));
        match &one.error {
            Some(error) => output::line(format_args!("not checked: {error}")),
            None => check::show(&one.rows),
        }
    }
    match good {
        true => Ok(()),
        false => Err(Failure::plain("")),
    }
}

/// Logs in, and answers what is asked, until it has ended.
async fn try_login(
    control: &local::Client,
    mut asked: LoginRequest,
    as_json: bool,
) -> Result<(), Failure> {
    loop {
        let answer = control.post("/api/v1/logins", &asked, LOGIN_LIMIT).await;
        let tried: LoginTried = called(answer)?;
        if as_json {
            output::json(&tried);
        } else {
            explain::print(&tried.event);
            for one in &tried.attributes {
                let value = one.value.as_deref().unwrap_or("(a secret)");
                output::line(format_args!("  with {} = {value}", one.name));
            }
        }
        match (tried.event.outcome, tried.state) {
            (Outcome::Accept, _) => return Ok(()),
            (Outcome::Challenge, Some(state)) => {
                asked.password = None;
                asked.answer = Some(login::answer_to_prompt("Answer: ".to_owned()).await?);
                asked.state = Some(state);
            }
            _ => return Err(Failure::plain("")),
        }
    }
}

async fn join(
    data: &DataDir,
    url: &str,
    token_file: &Path,
    name: Option<NodeId>,
    as_json: bool,
) -> Result<(), Failure> {
    let token = match token_file {
        file if file == Path::new("-") => std::io::read_to_string(std::io::stdin().lock()),
        file => std::fs::read_to_string(file),
    };
    let token =
        Zeroizing::new(token.map_err(|error| {
            Failure::new(format!("cannot read {}", token_file.display()), &error)
        })?);
    data.make()?;
    let folder = data.of(Role::DataPlane);
    let joined = dataplane::joined::join(&folder, url, &token, name)
        .await
        .map_err(|error| Failure::new("this node did not join", &error))?;
    if as_json {
        output::json(&serde_json::json!({ "node": joined.node, "url": joined.url }));
    } else {
        output::line(format_args!(
            "joined {} as node {}; start it with: countersign dataplane --data-dir {}",
            joined.url,
            joined.node,
            data.path().display()
        ));
    }
    Ok(())
}

async fn token(
    control: &local::Client,
    node: Option<NodeId>,
    span: Duration,
    file: Option<&Path>,
    as_json: bool,
) -> Result<(), Failure> {
    // One that cannot be written is not made.
    let place = file.map(TokenFile::open).transpose()?;
    let asked = JoinTokenRequest {
        node,
        seconds: Some(span.as_secs()),
    };
    let made: JoinTokenMade = called(control.post(JOIN_TOKENS, &asked, LIMIT).await)?;
    match (place, as_json) {
        (Some(place), _) => {
            place.fill(made.token.expose())?;
            if as_json {
                let (id, node) = (&made.id, &made.node);
                output::json(&serde_json::json!({
                    "id": id, "node": node, "expires_at_ms": made.expires_at_ms, "file": file,
                }));
            }
        }
        (None, true) => {
            output::json(&made);
            return Ok(());
        }
        // The token alone on standard output, so that it can be sent into a file.
        (None, false) => output::line(format_args!("{}", made.token.expose())),
    }
    match (made.listens, file) {
        (Some(address), None) => output::question(format_args!(
            "good once; on the new machine, with the token in a file:\n  countersign node join \
             https://HOST:{} --token-file FILE\n",
            address.port()
        )),
        (Some(_), Some(file)) => output::question(format_args!(
            "a token, good once, is in {}\n",
            file.display()
        )),
        (None, _) => output::question(format_args!(
            "good once; this control plane listens for no nodes yet: start it with --node-listen\n"
        )),
    }
    Ok(())
}

/// Whether a node of this name has a certificate that is good.
async fn has_joined(control: &local::Client, node: &NodeId) -> Result<bool, Failure> {
    let found = control.get(&format!("{NODES}/{node}"), LIMIT).await;
    if matches!(found, Err(CallError::Refused { status: 404, .. })) {
        return Ok(false);
    }
    let view: NodeView = called(found)?;
    let until_ms = view.certificate_until_ms;
    Ok(until_ms.is_some_and(|until_ms| until_ms > controlplane::now_ms()))
}

fn done_without(node: &NodeId, as_json: bool) {
    if as_json {
        output::json(&serde_json::json!({ "node": node, "joined": true }));
    } else {
        output::question(format_args!(
            "{node} has joined: no token was made. If its data folder is lost, let it join again \
             with a token made without --unless-joined\n"
        ));
    }
}

/// A file that a token goes into: written aside, for its owner alone, and then put in place.
struct TokenFile<'a> {
    path: &'a Path,
    aside: PathBuf,
    file: File,
}

impl<'a> TokenFile<'a> {
    fn open(path: &'a Path) -> Result<Self, Failure> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let aside = path.with_file_name(name);
        // One that was left behind might have another mode.
        drop(std::fs::remove_file(&aside));
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside);
        match opened {
            Ok(file) => Ok(Self { path, aside, file }),
            Err(error) => Err(Failure::new(
                format!("cannot write {}", path.display()),
                &error,
            )),
        }
    }

    fn fill(mut self, token: &str) -> Result<(), Failure> {
        let written = writeln!(self.file, "{token}")
            .and_then(|()| self.file.sync_all())
            .and_then(|()| std::fs::rename(&self.aside, self.path));
        written
            .map_err(|error| Failure::new(format!("cannot write {}", self.path.display()), &error))
    }
}

impl Drop for TokenFile<'_> {
    /// What was not put in place is not left behind.
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.aside));
    }
}

async fn tokens(control: &local::Client, as_json: bool) -> Result<(), Failure> {
    let path = format!("{JOIN_TOKENS}?limit=1000");
    let page: JoinTokenListPage = called(control.get(&path, LIMIT).await)?;
    if as_json {
        output::json(&page.items);
        return Ok(());
    }
    let now_ms = controlplane::now_ms();
    for one in &page.items {
        let node = one.node.as_ref().map_or("any node", NodeId::as_str);
        let left = one.expires_at_ms.saturating_sub(now_ms) / 1_000;
        output::line(format_args!("{}  {node}  good for {left} s", one.id));
    }
    Ok(())
}

async fn take_back(control: &local::Client, id: &str, as_json: bool) -> Result<(), Failure> {
    // What is no id is nobody's, whatever an address would make of it.
    if !id.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Failure::plain(format!("there is no join token '{id}'")));
    }
    let path = format!("{JOIN_TOKENS}/{id}");
    let _gone: serde_json::Value = called(control.delete(&path, LIMIT).await)?;
    if as_json {
        output::json(&serde_json::json!({ "id": id }));
    } else {
        output::line(format_args!("token {id} is good no more"));
    }
    Ok(())
}

async fn list(control: &local::Client, as_json: bool) -> Result<(), Failure> {
    let mut nodes: Vec<NodeView> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let path = match &cursor {
            None => format!("{NODES}?limit=1000"),
            Some(cursor) => format!("{NODES}?limit=1000&cursor={cursor}"),
        };
        let page: NodeListPage = called(control.get(&path, LIMIT).await)?;
        nodes.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    if as_json {
        output::json(&nodes);
    } else {
        let now_ms = controlplane::now_ms();
        for node in &nodes {
            output::line(format_args!("{}", shown(node, now_ms)));
        }
    }
    Ok(())
}

/// A line, and another when it has refused a revision. What a node says of itself is not believed to be
/// fit for a terminal.
fn shown(node: &NodeView, now_ms: u64) -> String {
    let report = &node.report;
    let status = report.status.as_ref();
    let state = match (report.connected, report.draining) {
        (false, _) => "away",
        (true, true) => "draining",
        (true, false) => "connected",
    };
    let address = report
        .address
        .map_or_else(|| "-".to_owned(), |address| address.ip().to_string());
    let revision = report
        .applied
        .map_or_else(|| "-".to_owned(), |revision| revision.to_string());
    let version = status.map_or_else(|| "-".to_owned(), |status| printable(&status.version));
    let in_flight = status.map_or(0, |status| status.logins_in_flight);
    let ago = now_ms.saturating_sub(report.last_seen_ms) / 1_000;
    let seen = match report.last_seen_ms {
        0 => "never seen".to_owned(),
        _ => format!("seen {ago} s ago"),
    };
    let mut text = format!(
        "{:<20} {state:<10} {address:<16} version {version}  revision {revision}  \
         {in_flight} in flight  {seen}",
        report.node.as_str()
    );
    if let Some(refused) = &report.refused {
        let faults = proto::config::Faults(refused.faults.clone());
        text.push_str(&format!(
            "\n{:<20} refused revision {}: {}",
            "",
            refused.revision,
            printable(&faults.to_string())
        ));
    }
    text
}

fn done(node: &NodeView, as_json: bool, what: &str) {
    if as_json {
        output::json(node);
    } else {
        output::line(format_args!("{} {what}", node.report.node));
    }
}

/// What the control plane answered; its problem documents are shown by what they say.
fn called<T>(answer: Result<T, CallError>) -> Result<T, Failure> {
    answer.map_err(|error| {
        let body = match &error {
            CallError::Refused { body, .. } => body,
            CallError::Unreachable { .. } => {
                let text = "cannot ask the control plane; run this on its machine, or name its folder with \
                            --data-dir";
                return Failure::new(text, &error);
            }
            _ => return Failure::new("cannot ask the control plane", &error),
        };
        let problem: Option<serde_json::Value> = serde_json::from_str(body).ok();
        let detail = problem
            .as_ref()
            .and_then(|problem| problem.get("detail")?.as_str());
        match detail {
            Some(detail) => Failure::plain(detail),
            None => Failure::new("the control plane refused", &error),
        }
    })
}

const NODES: &str = "/api/v1/nodes";
const JOIN_TOKENS: &str = "/api/v1/join-tokens";
const LIMIT: Duration = Duration::from_secs(30);
/// Longer than the control plane waits for a node.
const LOGIN_LIMIT: Duration = Duration::from_secs(proto::command::LOGIN_SECONDS + 20);
const CHECK_LIMIT: Duration = Duration::from_secs(proto::command::COMMAND_SECONDS + 20);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_node_says_tells_the_terminal_nothing() {
        let node: NodeView = serde_json::from_value(json!({
            "node": "b", "connected": true, "last_seen_ms": 1_000, "applied": 2,
            "refused": {"revision": 3, "at_ms": 1, "faults": [
                {"path": "a\u{1b}[2J", "message": "b\nc\u{202e}d"},
            ]},
            "status": {
                "version": "1\u{1b}]0;x\u{7}", "state": "serving", "source": "control_plane",
                "connected": true, "logins_in_flight": 4, "events_dropped": 0,
                "uptime_seconds": 9, "listeners": [],
            },
        }))
        .unwrap();
        let text = shown(&node, 9_000);
        let (first, second) = text.split_once('\n').unwrap();
        assert!(
            first.contains("version 1\u{fffd}]0;x\u{fffd}  revision 2  4 in flight  seen 8 s ago"),
            "{first}"
        );
        assert!(
            second.ends_with("refused revision 3: a\u{fffd}[2J: b\u{fffd}c\u{fffd}d"),
            "{second}"
        );
    }
}
