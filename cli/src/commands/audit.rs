//! `countersign audit`: who changed what, and whether all of it is there.

#![expect(
    clippy::indexing_slicing,
    reason = "a field that a JSON value has not is null"
)]

use std::time::Duration;

use proto::child::Role;
use serde_json::Value;

use crate::args::{AuditArgs, AuditCommand};
use crate::commands::problem::refused;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: AuditArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let plane = data.client(Role::ControlPlane)?;
    match args.command {
        AuditCommand::List { limit } => {
            let path = format!("/api/v1/audit?limit={limit}");
            let page: Value = plane.get(&path, LIMIT).await.map_err(refused)?;
            if args.tool.output.json {
                output::json(&page);
                return Ok(());
            }
            for one in page["items"].as_array().into_iter().flatten() {
                let text = |name: &str| one[name].as_str().unwrap_or_default();
                let at = one["at_ms"].as_u64().unwrap_or_default();
                output::line(format_args!(
                    "{:>6}  {}  {}  {}  {}",
                    one["seq"],
                    proto::date::utc(at),
                    text("actor"),
                    text("action"),
                    text("target")
                ));
            }
            Ok(())
        }
        AuditCommand::Verify => {
            let found: Value = plane
                .get("/api/v1/audit/verify", VERIFY)
                .await
                .map_err(refused)?;
            if args.tool.output.json {
                output::json(&found);
            }
            match found["fault"].as_str() {
                None if args.tool.output.json => Ok(()),
                None => {
                    output::line(format_args!(
                        "{} entries, whole; the last is bound by {}",
                        found["entries"],
                        found["link"].as_str().unwrap_or_default()
                    ));
                    Ok(())
                }
                Some(fault) => Err(Failure::plain(format!("the audit is not whole: {fault}"))),
            }
        }
    }
}

const LIMIT: Duration = Duration::from_secs(10);
/// Millions of entries are read.
const VERIFY: Duration = Duration::from_secs(600);
