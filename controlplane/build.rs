//! Gathers the built dashboard, `web/dist` or the folder that `COUNTERSIGN_WEB_DIST` names, into the table
//! of `src/web/table.rs`. Without one the table is empty, and the program says where its page would be that
//! it has none. Runs no npm: that is for `scripts/web`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-env-changed={FOLDER}");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let other = env::var_os(FOLDER).filter(|folder| !folder.is_empty());
    let folder = match &other {
        Some(folder) => workspace.join(folder),
        None => workspace.join("web/dist"),
    };
    // What is not there is always newer for cargo: it would build this crate each time.
    if folder.is_dir() {
        println!("cargo:rerun-if-changed={}", folder.display());
    } else if other.is_none() && workspace.join("web").is_dir() {
        println!("cargo:rerun-if-changed={}", workspace.join("web").display());
    }
    let mut files = Vec::new();
    if folder.join("index.html").is_file() {
        gather(&folder.canonicalize()?, "", &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for (name, path) in files {
        // The page is another in each answer: it has no packed form.
        let packed = |by: &str| match path.with_added_extension(by) {
            packed if packed.is_file() && name != "index.html" => {
                format!("Some(include_bytes!({packed:?}))")
            }
            _ => "None".to_owned(),
        };
        let (brotli, gzip) = (packed("br"), packed("gz"));
        let row = format!(
            "Embedded {{ path: {name:?}, octets: include_bytes!({path:?}), brotli: {brotli}, gzip: {gzip} }},"
        );
        writeln!(table, "{row}").map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    fs::write(PathBuf::from(out).join("dashboard.rs"), table)
}

/// Every file below a folder that is for browsers, with its name there: none of those that begin with a dot,
/// nor the packed forms of others.
fn gather(folder: &Path, below: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with(".br") || name.ends_with(".gz") {
            continue;
        }
        let path = entry.path();
        let name = format!("{below}{name}");
        match path.is_dir() {
            true => gather(&path, &format!("{name}/"), files)?,
            false => files.push((name, path)),
        }
    }
    Ok(())
}

const FOLDER: &str = "COUNTERSIGN_WEB_DIST";
