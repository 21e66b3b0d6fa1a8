//! `countersign admin`: who may sign in to the REST API with a password and a passcode, over the
//! admin socket, so that the first one needs no other.

use std::time::Duration;

use local::CallError;
use proto::child::Role;
use serde_json::{Value, json};

use crate::args::{AdminArgs, AdminCommand};
use crate::commands::factor::encoded;
use crate::commands::token::failed;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: AdminArgs) -> Result<(), Failure> {
    let control = DataDir::new(args.tool.data.data_dir)?.client(Role::ControlPlane)?;
    let as_json = args.tool.output.json;
    let told = |error: CallError| failed(&error);
    match args.command {
        AdminCommand::Invite {
            name,
            role,
            integration,
        } => {
            let asked = json!({ "name": name, "role": role, "integration": integration });
            let made: Value = control.post(PATH, &asked, LIMIT).await.map_err(told)?;
            if as_json {
                output::json(&made);
                return Ok(());
            }
            let invitation = made.get("invitation").and_then(Value::as_str);
            let invitation =
                invitation.ok_or_else(|| Failure::plain("the control plane invited nobody"))?;
            output::invited(&name);
            output::line(format_args!("{invitation}"));
        }
        AdminCommand::List => {
            let list: Value = control.get(PATH, LIMIT).await.map_err(told)?;
            if as_json {
                output::json(&list);
                return Ok(());
            }
            let items = list.get("items").and_then(Value::as_array);
            for one in items.into_iter().flatten() {
                let text = |name| one.get(name).and_then(Value::as_str).unwrap_or_default();
                let active = one.get("active").and_then(Value::as_bool) == Some(true);
                let state = if active { "active" } else { "invited" };
                let through = match text("integration") {
                    "" => String::new(),
                    integration => format!("  second factor: {integration}"),
                };
                output::line(format_args!(
                    "{:<8}  {state:<7}  {}{through}",
                    text("role"),
                    text("name")
                ));
            }
        }
        AdminCommand::Remove { name } => {
            let path = format!("{PATH}/{}", encoded(&name));
            let () = control.delete(&path, LIMIT).await.map_err(told)?;
            if as_json {
                output::json(&json!({ "removed": name }));
            } else {
                output::line(format_args!("removed: {name}"));
            }
        }
    }
    Ok(())
}

const PATH: &str = "/api/v1/admins";
const LIMIT: Duration = Duration::from_secs(10);
