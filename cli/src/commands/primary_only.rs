//! `countersign primary-only`: for an outage of the second factor.

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use controlplane::admin::{
    PrimaryOnlyAnswer, PrimaryOnlyGrants, PrimaryOnlyRequest, PrimaryOnlyView,
};
use local::CallError;
use nix::unistd::{Uid, User};
use proto::child::Role;
use proto::id::IntegrationId;

use crate::args::{PrimaryOnlyArgs, PrimaryOnlyCommand};
use crate::commands::factor::encoded;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: PrimaryOnlyArgs) -> Result<(), Failure> {
    let control = DataDir::new(args.tool.data.data_dir)?.client(Role::ControlPlane)?;
    let as_json = args.tool.output.json;
    match args.command {
        PrimaryOnlyCommand::Start {
            integration,
            all,
            span,
            reason,
            yes,
        } => {
            let asked = PrimaryOnlyRequest {
                integration,
                all,
                seconds: span.as_secs(),
                reason,
                by: caller(),
                confirm: None,
            };
            start(&control, asked, yes, as_json).await
        }
        PrimaryOnlyCommand::Stop { integration } => {
            stop(&control, integration.as_ref(), as_json).await
        }
        PrimaryOnlyCommand::Show => {
            let now: PrimaryOnlyGrants = control
                .get(PATH, LIMIT)
                .await
                .map_err(|error| failed(&error))?;
            match now.grants.as_slice() {
                _ if as_json => output::json(&now),
                [] => output::line(format_args!(
                    "nothing is granted: the second factor is asked everywhere"
                )),
                grants => grants.iter().for_each(print),
            }
            Ok(())
        }
    }
}

async fn start(
    control: &local::Client,
    mut asked: PrimaryOnlyRequest,
    yes: bool,
    as_json: bool,
) -> Result<(), Failure> {
    // Twice: the first answer says what it would do.
    for _ in 0..2 {
        match control
            .post(PATH, &asked, LIMIT)
            .await
            .map_err(|error| failed(&error))?
        {
            PrimaryOnlyAnswer::Started { grant } => {
                if as_json {
                    output::json(&grant);
                } else {
                    print(&grant);
                    output::line(format_args!(
                        "end it before with: countersign primary-only stop"
                    ));
                }
                return Ok(());
            }
            // It was not asked for.
            PrimaryOnlyAnswer::Would { .. } => break,
            PrimaryOnlyAnswer::Confirm {
                token,
                good_for_seconds,
                would,
                replaces,
            } => {
                if !yes {
                    explain(&would, replaces.as_ref(), good_for_seconds);
                    confirmed(std::io::stdin().is_terminal(), std::io::stdin().lock())?;
                }
                asked.confirm = Some(token);
            }
        }
    }
    Err(Failure::plain(
        "the control plane asks for a confirmation again; nothing was granted",
    ))
}

fn explain(would: &PrimaryOnlyView, replaces: Option<&PrimaryOnlyView>, good_for_seconds: u64) {
    output::question(format_args!(
        "Until {} whoever has a password gets in WITHOUT THE SECOND FACTOR at: {}\n",
        would.until,
        would.opens.join(", ")
    ));
    if !would.stays_closed.is_empty() {
        output::question(format_args!(
            "Not at: {}, where nobody checks a password\n",
            would.stays_closed.join(", ")
        ));
    }
    if let Some(before) = replaces {
        output::question(format_args!(
            "In the place of what {} granted until {}\n",
            before.by, before.until
        ));
    }
    output::question(format_args!(
        "Type {WORD} within {good_for_seconds} seconds if that is meant: "
    ));
}

/// Reads the word. Where nobody can be asked, nobody has meant it.
fn confirmed(is_terminal: bool, mut input: impl BufRead) -> Result<(), Failure> {
    if !is_terminal {
        output::question(format_args!("\n"));
        return Err(Failure::usage(
            "there is no terminal to ask at: say --yes if it is meant; nothing was granted",
        ));
    }
    let mut line = String::new();
    input
        .read_line(&mut line)
        .map_err(|error| Failure::new("nothing can be read", &error))?;
    match line.trim() == WORD {
        true => Ok(()),
        false => Err(Failure::plain("nothing was granted")),
    }
}

async fn stop(
    control: &local::Client,
    integration: Option<&IntegrationId>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut path = format!("{PATH}?by={}", encoded(&caller()));
    if let Some(integration) = integration {
        path = format!("{path}&integration={}", encoded(integration.as_str()));
    }
    let ended: PrimaryOnlyGrants = control
        .delete(&path, LIMIT)
        .await
        .map_err(|error| failed(&error))?;
    let left: PrimaryOnlyGrants = control
        .get(PATH, LIMIT)
        .await
        .map_err(|error| failed(&error))?;
    if as_json {
        output::json(&ended);
        return Ok(());
    }
    if ended.grants.is_empty() {
        output::line(format_args!("nothing was granted there"));
    }
    for grant in &ended.grants {
        output::line(format_args!("ended: {}", place(grant)));
    }
    for grant in &left.grants {
        print(grant);
    }
    Ok(())
}

/// A grant on one line, red at a terminal.
pub(crate) fn print(grant: &PrimaryOnlyView) {
    let opens = match grant.opens.as_slice() {
        [] => String::from("(nothing that is served)"),
        opens => opens.join(", "),
    };
    let PrimaryOnlyView {
        until, by, reason, ..
    } = grant;
    output::alarm(format_args!(
        "PRIMARY ONLY    {}: {opens} until {until}, by {by}: {reason}",
        place(grant)
    ));
}

fn place(grant: &PrimaryOnlyView) -> &str {
    let integration = grant.integration.as_ref();
    integration.map_or("all", IntegrationId::as_str)
}

/// Who runs the command, as far as the system knows.
fn caller() -> String {
    let uid = Uid::current();
    let sudo = std::env::var("SUDO_USER").ok();
    let sudo = sudo.filter(|name| uid.is_root() && !name.is_empty() && name != "root");
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let name = name.unwrap_or_else(|| format!("uid {uid}"));
    match sudo {
        Some(sudo) => format!("{sudo} as {name}"),
        None => name,
    }
}

fn failed(error: &CallError) -> Failure {
    if let CallError::Refused { status, body } = error
        && let Ok(problem) = serde_json::from_str::<serde_json::Value>(body)
        && let Some(detail) = problem.get("detail").and_then(|detail| detail.as_str())
    {
        return match status {
            400 | 404 => Failure::usage(detail),
            _ => Failure::plain(detail),
        };
    }
    Failure::new(
        "the control plane cannot be asked; is this the right --data-dir?",
        error,
    )
}

const PATH: &str = "/api/v1/primary-only";
/// What is typed by whoever means it.
const WORD: &str = "primary-only";
const LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_at_a_terminal_confirms() {
        for (is_terminal, typed, want) in [
            (true, "primary-only\n", true),
            (true, "  primary-only \r\n", true),
            (true, "primary-only", true),
            (true, "yes\n", false),
            (true, "Primary-Only\n", false),
            (true, "\nprimary-only\n", false),
            (true, "", false),
            (false, "primary-only\n", false),
        ] {
            let got = confirmed(is_terminal, typed.as_bytes()).is_ok();
            assert_eq!(got, want, "{is_terminal} {typed:?}");
        }
    }
}
