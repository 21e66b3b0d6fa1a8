//! `countersign master-key rotate`: a new master key, under which the data keys are put.

use proto::child::Role;
use serde_json::json;

use crate::args::{MasterKeyArgs, MasterKeyCommand};
use crate::commands::database;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: MasterKeyArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    data.refuse_half_restored()?;
    let folder = data.of(Role::ControlPlane);
    let database = database::named(&args.database)?;
    let MasterKeyCommand::Rotate { new_data_key } = args.command;
    let file = controlplane::key_file(&folder);
    let made = controlplane::rotate_master_key(&folder, database.as_ref(), new_data_key)
        .await
        .map_err(|error| Failure::new("the master key was not rotated", &error))?;
    if args.tool.output.json {
        output::json(&json!({
            "key_file": file,
            "data_keys": made.data_keys,
            "newest_data_key": made.newest,
        }));
        return Ok(());
    }
    output::line(format_args!(
        "{} has a new master key; {} of the database under it, the newest is number {}",
        file.display(),
        match made.data_keys {
            1 => "the data key".to_owned(),
            many => format!("the {many} data keys"),
        },
        made.newest
    ));
    if database.is_some() {
        output::line(format_args!(
            "Copy it to every other control plane of this database: they run on, but do not start \
             again with the old one."
        ));
    }
    output::line(format_args!(
        "Backups of before need the key file that they have. Make a new one: countersign backup DIR"
    ));
    Ok(())
}
