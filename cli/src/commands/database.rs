//! Which database a control plane was told to use.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use controlplane::PostgresUrl;
use proto::secret::Secret;

use crate::args::DatabaseArgs;
use crate::failure::Failure;

/// The database that arguments or, without any, the environment name; none means SQLite in the data
/// folder.
pub(crate) fn named(args: &DatabaseArgs) -> Result<Option<PostgresUrl>, Failure> {
    if let Some(text) = &args.database {
        let url = url(text.clone(), "--database")?;
        if url.has_password() {
            return Err(Failure::usage(
                "--database: a password on the command line can be read by everybody on this machine; \
                 write the URL into a file and name that with --database-url-file",
            ));
        }
        return Ok(Some(url));
    }
    if let Some(file) = &args.database_url_file {
        return of_file(file).map(Some);
    }
    let variable = std::env::var(VARIABLE).ok().map(Secret::new);
    let variable = variable.filter(|text| !text.expose().is_empty());
    let file = std::env::var_os(FILE_VARIABLE).filter(|name| !name.is_empty());
    match (variable, file) {
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "{VARIABLE} and {FILE_VARIABLE} are both set; keep one"
        ))),
        (Some(text), None) => url(text, VARIABLE).map(Some),
        (None, Some(file)) => of_file(&PathBuf::from(file)).map(Some),
        (None, None) => Ok(None),
    }
}

/// The database that a supervisor hands on.
pub(crate) fn handed_on() -> Result<PostgresUrl, Failure> {
    let text = read(io::stdin())
        .map_err(|error| Failure::new("the supervisor did not say which database", &error))?;
    url(text, "standard input")
}

fn of_file(path: &Path) -> Result<PostgresUrl, Failure> {
    let text = File::open(path)
        .and_then(read)
        .map_err(|error| Failure::new(format!("cannot read {}", path.display()), &error))?;
    url(text, &path.display().to_string())
}

/// The first line.
fn read(from: impl Read) -> io::Result<Secret<String>> {
    let mut text = String::with_capacity(OCTETS);
    let read = from.take(OCTETS as u64).read_to_string(&mut text);
    let text = Secret::new(text);
    read?;
    let line = text.expose().lines().next().unwrap_or_default();
    Ok(Secret::from(line.trim()))
}

fn url(text: Secret<String>, whence: &str) -> Result<PostgresUrl, Failure> {
    PostgresUrl::new(text).map_err(|error| Failure::usage(format!("{whence}: {error}")))
}

const VARIABLE: &str = "COUNTERSIGN_DATABASE";
const FILE_VARIABLE: &str = "COUNTERSIGN_DATABASE_FILE";
/// The longest URL.
const OCTETS: usize = 8 * 1024;
