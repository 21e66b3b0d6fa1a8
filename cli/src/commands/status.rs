//! `countersign status` and `reload`.

use std::time::Duration;

use controlplane::admin::{DatabaseHealth, LoadResult, Reload, Status};
use proto::child::Role;
use proto::id::Revision;
use proto::rpc::NodeStatus;
use serde_json::{Value, json};

use crate::args::StatusArgs;
use crate::commands::primary_only;
use crate::commands::validate::counted;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn status(args: StatusArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let client = |role| data.client(role);
    let control = client(Role::ControlPlane)?
        .get::<Status>("/status", LIMIT)
        .await;
    let node = client(Role::DataPlane)?
        .get::<NodeStatus>("/status", LIMIT)
        .await;
    let factor = client(Role::SecondFactor)?
        .get::<secondfactor::admin::Status>("/status", LIMIT)
        .await;
    let none_runs = control.is_err() && node.is_err() && factor.is_err();
    if args.tool.output.json {
        output::json(&json!({
            "controlplane": control.as_ref().ok(),
            "dataplane": node.as_ref().ok(),
            "secondfactor": factor.as_ref().ok(),
        }));
    } else if !none_runs {
        show(
            control.as_ref().ok(),
            node.as_ref().ok(),
            factor.as_ref().ok(),
        );
    }
    if none_runs {
        return Err(Failure::plain(format!(
            "no gateway runs in {}; is this the right --data-dir?",
            data.path().display()
        )));
    }
    if control.is_err() || node.is_err() {
        return Err(Failure::plain("a role does not answer"));
    }
    Ok(())
}

fn show(
    control: Option<&Status>,
    node: Option<&NodeStatus>,
    factor: Option<&secondfactor::admin::Status>,
) {
    match control {
        None => output::line(format_args!("control plane   does not answer")),
        Some(status) => {
            let revision = status.revision.as_ref().map_or_else(
                || "no revision".to_owned(),
                |one| format!("revision {}", one.number),
            );
            let source = status.source.as_ref().map_or_else(
                || "the database".to_owned(),
                |file| file.display().to_string(),
            );
            output::line(format_args!("control plane   {revision} from {source}"));
            if let Some(load) = &status.last_load
                && load.reload.result != LoadResult::Applied
                && load.reload.result != LoadResult::Unchanged
            {
                output::line(format_args!(
                    "                last reading: {}",
                    load.reload.result.as_str()
                ));
                for one in &load.reload.diagnostics {
                    output::line(format_args!("                {one}"));
                }
            }
            for grant in &status.primary_only {
                primary_only::print(grant);
            }
            match &status.database {
                Some(DatabaseHealth::Damaged { detail }) => {
                    output::alarm(format_args!("                {detail}"));
                }
                Some(DatabaseHealth::Unread { detail }) => {
                    output::line(format_args!("                {detail}"));
                }
                Some(DatabaseHealth::BeingRead) => output::line(format_args!(
                    "                the database is still read to see whether it is whole"
                )),
                _ => {}
            }
            output::line(format_args!(
                "                {} events stored, {} dropped",
                status.events.stored,
                status.events.dropped + status.events.dropped_by_nodes
            ));
        }
    }
    match node {
        None => output::line(format_args!("data plane      does not answer")),
        Some(status) => {
            let revision = status.revision.map_or_else(
                || "nothing yet".to_owned(),
                |number| format!("revision {number}"),
            );
            let link = if status.connected {
                "follows"
            } else {
                "is cut off from"
            };
            output::line(format_args!(
                "data plane      serves {revision}, {link} the control plane, {} logins in flight",
                status.logins_in_flight
            ));
            for one in &status.primary_only {
                output::alarm(format_args!(
                    "                PRIMARY ONLY IN FORCE: {} without the second factor until {}",
                    one.integrations.join(", "),
                    one.until
                ));
            }
            for listener in &status.listeners {
                output::line(format_args!(
                    "                {}  {}",
                    listener.address,
                    listener.integrations.join(", ")
                ));
            }
            let now = dataplane::clock::unix_now();
            for certificate in &status.certificates {
                let left = certificate.not_after.saturating_sub_unsigned(now);
                output::line(format_args!(
                    "                certificate of {} {} {}",
                    certificate.integration,
                    if left > 0 { "good until" } else { "EXPIRED on" },
                    certificate.until
                ));
            }
            if let Some(told) = &status.start_check {
                output::line(format_args!(
                    "                check at the start: {} good, {}, {} failed",
                    told.good,
                    counted(told.warnings, "warning"),
                    told.failed
                ));
                for row in &told.rows {
                    output::line(format_args!(
                        "                  {} {}: {}: {}",
                        row.what, row.place, row.result, row.found
                    ));
                }
            }
            if let Some(refused) = &status.refused {
                output::line(format_args!(
                    "                refused revision {}:",
                    refused.revision
                ));
                for fault in &refused.faults {
                    output::line(format_args!("                  {fault}"));
                }
            }
        }
    }
    if let Some(status) = factor {
        output::line(format_args!(
            "second factor   {}, {} users, {} pushes waiting",
            status.listen, status.users, status.pushes_waiting
        ));
    }
}

pub(crate) async fn reload(args: StatusArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let control = data.client(Role::ControlPlane)?;
    let reload: Reload = control
        .post("/reload", &Value::Null, RELOAD_LIMIT)
        .await
        .map_err(|error| Failure::new("the configuration was not read again", &error))?;
    if args.tool.output.json {
        output::json(&reload);
    } else {
        for one in &reload.diagnostics {
            output::line(format_args!("{one}"));
        }
        let revision = reload
            .revision
            .map_or_else(|| "none".to_owned(), |one| one.to_string());
        let standing = match reload.revision {
            Some(revision) => taken(&data.client(Role::DataPlane)?, revision).await,
            None => "is served",
        };
        output::line(format_args!(
            "{}: revision {revision} {standing}",
            reload.result.as_str()
        ));
    }
    match reload.result {
        LoadResult::Applied | LoadResult::Unchanged => Ok(()),
        LoadResult::Refused => Err(Failure::usage("")),
        LoadResult::Unavailable => Err(Failure::plain("")),
    }
}

/// Waits until the data plane serves a revision, which the control plane made before; says how that
/// ended.
async fn taken(node: &local::Client, revision: Revision) -> &'static str {
    let asked = async {
        loop {
            match node.get::<NodeStatus>("/status", LIMIT).await {
                Err(_) => return "waits for the data plane, which does not answer",
                Ok(status) if status.revision >= Some(revision) => return "is served",
                Ok(status)
                    if status
                        .refused
                        .as_ref()
                        .is_some_and(|one| one.revision >= revision) =>
                {
                    return "is refused by the data plane: see countersign status";
                }
                Ok(_) => tokio::time::sleep(BETWEEN_QUESTIONS).await,
            }
        }
    };
    tokio::time::timeout(LIMIT, asked)
        .await
        .unwrap_or("waits for the data plane: see countersign status")
}

const LIMIT: Duration = Duration::from_secs(5);
/// A node takes a revision within milliseconds.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(10);
/// Longer than the control plane waits for the built-in second factor.
const RELOAD_LIMIT: Duration = Duration::from_secs(30);
