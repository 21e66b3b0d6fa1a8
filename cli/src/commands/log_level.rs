//! `countersign log-level`: how much each part of a running gateway logs.

use std::io::ErrorKind;
use std::time::Duration;

use controlplane::authproxy::nearest::nearest;
use proto::child::Role;
use serde_json::{Map, json};

use crate::args::LogLevelArgs;
use crate::failure::Failure;
use crate::logs::levels::{Change, Filter, OURS, PATH, Shown};
use crate::output;
use crate::paths::DataDir;

/// `log` is what `--log` says on the command line, if it is there.
pub(crate) async fn run(args: LogLevelArgs, log: Option<&str>) -> Result<(), Failure> {
    if let Some(log) = log {
        return Err(Failure::usage(format!(
            "--log is for what this command itself logs; write: countersign log-level {log}"
        )));
    }
    let set = args.levels.join(",");
    if !set.is_empty() {
        let filter: Filter = set.parse().map_err(Failure::usage)?;
        filter.targets().try_for_each(is_known)?;
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

/// A target of a part that is not there logs nothing, and nobody would hear why.
fn is_known(target: &str) -> Result<(), Failure> {
    let part = target.split("::").next().unwrap_or_default();
    if OURS.contains(&part) || LIBRARIES.contains(&part) {
        return Ok(());
    }
    let meant = nearest(part, OURS.into_iter().chain(LIBRARIES));
    let meant = meant.map_or_else(
        || {
            format!(
                "write one of {}, or a library such as hyper",
                OURS.join(", ")
            )
        },
        |meant| format!("did you mean '{}'?", target.replacen(part, meant, 1)),
    );
    Err(Failure::usage(format!(
        "'{target}': nothing logs as '{part}'; {meant}"
    )))
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

/// Libraries that log.
const LIBRARIES: [&str; 17] = [
    "axum",
    "h2",
    "hyper",
    "hyper_util",
    "log",
    "mio",
    "rustls",
    "series",
    "sqlx",
    "sqlx_core",
    "sqlx_postgres",
    "sqlx_sqlite",
    "tokio",
    "tokio_util",
    "tower",
    "tower_http",
    "want",
];
const SUPERVISOR: &str = "supervisor";
const LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// What depends on a crate that logs, and is not in the program or logs nothing of its own.
    const SILENT: [&str; 7] = [
        "cli",            // Logs as countersign.
        "iana-time-zone", // Of Android.
        "ldap3_proto",    // Of tests.
        "radius",         // Of measurements.
        "sqlx-mysql",     // Of a feature that is not used.
        "tracing",
        "tracing-subscriber",
    ];

    #[test]
    fn whatever_logs_in_the_program_is_known() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
        let lock = std::fs::read_to_string(lock).unwrap();
        let mut seen = 0;
        for package in lock.split("[[package]]") {
            let has = |name: &str| {
                package.lines().any(|line| {
                    let line = line.trim().trim_end_matches(',').trim_matches('"');
                    line.split(' ').next() == Some(name)
                })
            };
            let name = package
                .lines()
                .find_map(|line| line.strip_prefix("name = "));
            let Some(name) = name.map(|name| name.trim_matches('"')) else {
                continue;
            };
            if !SILENT.contains(&name) && (has("log") || has("tracing")) {
                seen += 1;
                assert!(is_known(&name.replace('-', "_")).is_ok(), "{name}");
            }
        }
        assert!(seen > 7, "{seen}");
    }

    #[test]
    fn a_target_that_nothing_logs_as_is_refused_with_what_was_meant() {
        for good in [
            "dataplane",
            "dataplane::primary",
            "countersign::login",
            "hyper",
            "sqlx::query",
        ] {
            assert!(is_known(good).is_ok(), "{good}");
        }
        for (wrong, want) in [
            (
                "datapane",
                "'datapane': nothing logs as 'datapane'; did you mean 'dataplane'?",
            ),
            ("Dataplane::primary", "did you mean 'dataplane::primary'?"),
            (
                "gateway",
                "write one of controlplane, countersign, dataplane",
            ),
        ] {
            let why = format!("{:?}", is_known(wrong).unwrap_err());
            assert!(why.contains(want), "{why}");
        }
    }
}
