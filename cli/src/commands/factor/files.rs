//! What commands read of files and of standard input: secrets never stand among the arguments, which
//! others on the machine can read.

use std::path::Path;

use proto::secret::Secret;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// All of a file; `-` is standard input.
pub(super) fn whole(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = match path == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin().lock()),
        false => std::fs::read_to_string(path),
    };
    let failed = |error| Failure::new(format!("cannot read {}", path.display()), &error);
    text.map(Zeroizing::new).map_err(failed)
}

/// The first line of a file.
pub(super) fn first_line(path: &Path) -> Result<Secret<String>, Failure> {
    let text = whole(path)?;
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(Secret::from(line)),
        _ => Err(Failure::plain(format!(
            "the first line of {} is empty: write the secret there",
            path.display()
        ))),
    }
}

/// The first line of a file, where one is named.
pub(super) fn secret_of(path: Option<&Path>) -> Result<Option<Secret<String>>, Failure> {
    path.map(first_line).transpose()
}

/// A file of certificates, where one is named.
pub(super) fn certificates(path: Option<&Path>) -> Result<Option<String>, Failure> {
    let text = path.map(whole).transpose()?;
    Ok(text.map(|text| text.to_string()))
}
