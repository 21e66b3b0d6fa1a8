//! `countersign log-level`: how much each part of a running gateway logs.

use std::io::ErrorKind;
use std::time::Duration;

use proto::child::Role;
use serde_json::{Map, json};

use crate::args::LogLevelArgs;
use crate::failure::Failure;
use crate::logs::levels::{Change, Filter, PATH, Shown};
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: LogLevelArgs) -> Result<(), Failure> {
    let set = args.levels.join(",");
    if !set.is_empty()
        && let Err(why) = set.parse::<Filter>()
    {
        return Err(Failure::usage(why));
    }
    let change = Change {
        reset: args.reset,
        set: (!set.is_empty()).then_some(set),
        debug: None,
    };
    let changes = change != Change::default();
    let data = DataDir::new(args.tool.data.data_dir)?;
    let mut found = Vec::new();
    for (name, client) in parts(&data, args.role.as_deref())? {
        let asked: Result<Shown, _> = match changes {
            true => client.post(PATH, &change, LIMIT).await,
            false => client.get(PATH, LIMIT).await,
        };
        match asked {
            Ok(shown) => found.push((name, shown)),
            // It does not run here.
            Err(local::CallError::Unreachable { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => {
                let text = format!("the {name} did not say its levels");
                return Err(Failure::new(text, &error));
            }
        }
    }
    if found.is_empty() {
        return Err(Failure::plain(match &args.role {
            Some(role) => format!("no {role} runs in {}", data.path().display()),
            None => format!(
                "no gateway runs in {}; is this the right --data-dir?",
                data.path().display()
            ),
        }));
    }
    if args.tool.output.json {
        let all: Map<_, _> = found
            .into_iter()
            .map(|(name, shown)| (name.to_owned(), json!(shown)))
            .collect();
        output::json(&all);
        return Ok(());
    }
    for (name, shown) in found {
        let Shown {
            levels, debug, set, ..
        } = shown;
        let mut why = String::new();
        if debug {
            why.push_str("; debug in the configuration");
        }
        if !set.is_empty() {
            why.push_str(&format!("; changed by hand: {set}"));
        }
        output::line(format_args!("{name:<13} {levels}{why}"));
    }
    Ok(())
}

fn parts(
    data: &DataDir,
    only: Option<&str>,
) -> Result<Vec<(&'static str, local::Client)>, Failure> {
    let mut parts = vec![(SUPERVISOR, data.supervisor()?)];
    for role in [Role::ControlPlane, Role::DataPlane, Role::SecondFactor] {
        parts.push((role.as_str(), data.client(role)?));
    }
    if let Some(only) = only {
        parts.retain(|(name, _)| *name == only);
        if parts.is_empty() {
            return Err(Failure::usage(format!(
                "--role '{only}' is none; write supervisor, controlplane, dataplane or secondfactor"
            )));
        }
    }
    Ok(parts)
}

const SUPERVISOR: &str = "supervisor";
const LIMIT: Duration = Duration::from_secs(5);
