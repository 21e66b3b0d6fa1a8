//! `countersign token`: tokens for the REST API, over the admin socket, so that the first one needs
//! no other.

use std::time::Duration;

use local::CallError;
use proto::child::Role;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{TokenArgs, TokenCommand};
use crate::commands::factor::encoded;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

/// A token as the control plane shows it.
#[derive(Clone, Debug, Deserialize)]
struct Token {
    id: String,
    name: String,
    role: String,
    expires_at_ms: u64,
    expired: bool,
    #[serde(default)]
    last_used_at_ms: Option<u64>,
}

pub(crate) async fn run(args: TokenArgs) -> Result<(), Failure> {
    let control = DataDir::new(args.tool.data.data_dir)?.client(Role::ControlPlane)?;
    let as_json = args.tool.output.json;
    match args.command {
        TokenCommand::Create { name, role, days } => {
            let asked = json!({
                "name": name,
                "role": role,
                "expires_in_seconds": u64::from(days) * DAY_SECONDS,
            });
            let made: Value = control
                .post(PATH, &asked, LIMIT)
                .await
                .map_err(|error| failed(&error))?;
            if as_json {
                output::json(&made);
                return Ok(());
            }
            let token = made.get("token").and_then(Value::as_str);
            let token = token.ok_or_else(|| Failure::plain("the control plane made no token"))?;
            output::question(format_args!(
                "This is shown once. {name} sends it as: Authorization: Bearer TOKEN\n"
            ));
            output::line(format_args!("{token}"));
            Ok(())
        }
        TokenCommand::List => {
            let path = format!("{PATH}?sort=name&limit=1000");
            let list: Value = control
                .get(&path, LIMIT)
                .await
                .map_err(|error| failed(&error))?;
            if as_json {
                output::json(&list);
                return Ok(());
            }
            let tokens = tokens(&list)?;
            if tokens.is_empty() {
                output::line(format_args!(
                    "there is no token; make one with: countersign token create NAME"
                ));
            }
            tokens.iter().for_each(print);
            Ok(())
        }
        TokenCommand::Revoke { token } => {
            let path = format!("{PATH}?limit=1000&q={}", encoded(&token));
            let list: Value = control
                .get(&path, LIMIT)
                .await
                .map_err(|error| failed(&error))?;
            let all = tokens(&list)?;
            let found = all.iter().find(|one| one.id == token || one.name == token);
            let found = found.ok_or_else(|| {
                Failure::usage(format!(
                    "there is no token '{token}'; see: countersign token list"
                ))
            })?;
            let () = control
                .delete(&format!("{PATH}/{}", encoded(&found.id)), LIMIT)
                .await
                .map_err(|error| failed(&error))?;
            if as_json {
                output::json(&json!({ "revoked": found.id, "name": found.name }));
            } else {
                output::line(format_args!("revoked: {} ({})", found.name, found.id));
            }
            Ok(())
        }
    }
}

fn tokens(list: &Value) -> Result<Vec<Token>, Failure> {
    let items = list.get("items").cloned().unwrap_or_default();
    serde_json::from_value(items)
        .map_err(|error| Failure::new("the control plane's answer cannot be read", &error))
}

fn print(token: &Token) {
    let now_ms = controlplane::now_ms();
    let Token { id, name, role, .. } = token;
    let until = match token.expired {
        true => "expired".to_owned(),
        false => {
            let days = token.expires_at_ms.saturating_sub(now_ms) / 1_000 / DAY_SECONDS;
            format!("{days} days left")
        }
    };
    let used = match token.last_used_at_ms {
        None => "never used".to_owned(),
        Some(at_ms) => format!(
            "used {} minutes ago",
            now_ms.saturating_sub(at_ms) / 1_000 / 60
        ),
    };
    output::line(format_args!("{id}  {role:<8}  {name}  ({until}, {used})"));
}

pub(crate) fn failed(error: &CallError) -> Failure {
    if let CallError::Refused { status, body } = error
        && let Ok(problem) = serde_json::from_str::<Value>(body)
        && let Some(detail) = problem.get("detail").and_then(Value::as_str)
    {
        return match status {
            400 | 404 | 409 | 422 => Failure::usage(detail),
            _ => Failure::plain(detail),
        };
    }
    Failure::new(
        "the control plane cannot be asked; is this the right --data-dir?",
        error,
    )
}

const PATH: &str = "/api/v1/tokens";
const DAY_SECONDS: u64 = 86_400;
const LIMIT: Duration = Duration::from_secs(10);
