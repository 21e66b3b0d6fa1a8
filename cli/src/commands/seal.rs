//! `countersign seal`: a secret for a `_protected` option.

use std::os::unix::fs::DirBuilderExt;

use controlplane::{Key, protect};
use proto::child::Role;

use crate::args::SealArgs;
use crate::commands::login::ask;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) fn run(args: SealArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.data.data_dir)?;
    data.make()?;
    let folder = data.of(Role::ControlPlane);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| Failure::new(format!("cannot make {}", folder.display()), &error))?;
    let key = Key::for_data_dir(&folder)
        .map_err(|error| Failure::new("the installation's key cannot be used", &error))?;
    let secret = ask("Secret: ")?;
    if secret.expose().is_empty() {
        return Err(Failure::usage("there is no secret to seal"));
    }
    let sealed = protect(&key, &secret)
        .map_err(|error| Failure::new("the secret cannot be sealed", &error))?;
    output::line(format_args!("{sealed}"));
    Ok(())
}
