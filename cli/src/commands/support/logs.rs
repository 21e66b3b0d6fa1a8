//! The last lines of logs: of the files that are named, of the folder that the configuration names, of the
//! journal. As they are: what is secret in them goes later.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::fcntl::OFlag;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::Item;
use super::redact::Kind;

/// Of each file that is named, of the logs in each folder that is, and of the gateway's own in the folder
/// that it has for them. What else lies there may hold secrets that nobody knows of here.
pub(super) fn files(named: &[PathBuf], own: Option<&Path>) -> Vec<Item> {
    let mut items = Vec::new();
    let named = named.iter().map(|path| (path.as_path(), false));
    for (path, own) in named.chain(own.map(|path| (path, true))) {
        let folder = own || path.is_dir();
        let found = match folder {
            true => within(path, if own { is_own_log } else { is_log }),
            false => Ok(vec![path.to_owned()]),
        };
        match found {
            Ok(all) if all.is_empty() => items.push(Item::failed(
                name(path, items.len()),
                format!("{} has no log in it", path.display()),
            )),
            Ok(all) => {
                for path in all.into_iter().take(FILES.saturating_sub(items.len())) {
                    let name = name(&path, items.len());
                    items.push(match tail(&path, !folder) {
                        Ok((octets, shortened)) => Item {
                            shortened,
                            ..Item::new(Kind::Log, name, octets)
                        },
                        Err(error) => {
                            Item::failed(name, format!("cannot read {}: {error}", path.display()))
                        }
                    });
                }
            }
            Err(error) => items.push(Item::failed(
                name(path, items.len()),
                format!("cannot read {}: {error}", path.display()),
            )),
        }
    }
    items
}

/// The folder that a configuration's text names for its log files, relative to the folder of the file or,
/// where there is none, to the data folder.
pub(super) fn folder(text: &str, config: Option<&Path>, data: &Path) -> Option<PathBuf> {
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once(['=', ':'])?;
        // Lines as they were typed have their number before them.
        let name = name.split_whitespace().last()?;
        (name == "log_dir").then(|| value.trim())
    })?;
    let beside = config.and_then(Path::parent).unwrap_or(data);
    Some(beside.join(value))
}

/// Where log files are when nothing says where, if there are any.
pub(super) fn usual_folder(data: &Path) -> Option<PathBuf> {
    Some(data.join("log")).filter(|path| path.is_dir())
}

/// What the journal has of the service.
pub(super) async fn journal() -> Item {
    let name = "logs/journal.txt".to_owned();
    let lines = JOURNAL_LINES.to_string();
    let mut command = Command::new("journalctl");
    command
        .args([
            "--unit",
            "countersign",
            "--unit",
            "countersign-*",
            "--quiet",
        ])
        .args(["--no-pager", "--output", "short-iso", "--lines", &lines])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let said = async {
        let mut child = command.spawn()?;
        let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let end = end_of(out).await?;
        Ok::<_, io::Error>((child.wait().await?.success(), end))
    };
    match tokio::time::timeout(JOURNAL_LIMIT, said).await {
        Ok(Ok((true, (octets, shortened)))) if !octets.is_empty() => Item {
            shortened,
            ..Item::new(Kind::Log, name, octets)
        },
        Ok(Ok(_)) => Item::failed(
            name,
            "the journal has nothing of a unit countersign; name log files with --logs",
        ),
        Ok(Err(error)) => Item::failed(
            name,
            format!("journalctl cannot be run ({error}); name log files with --logs"),
        ),
        Err(_) => Item::failed(
            name,
            format!(
                "journalctl did not end within {} s",
                JOURNAL_LIMIT.as_secs()
            ),
        ),
    }
}

/// `authproxy.log`, `authevents.log`, and what was rotated of them.
fn is_own_log(name: &str) -> bool {
    ["authproxy.log", "authevents.log"]
        .iter()
        .any(|own| unrotated(name) == *own)
}

/// `NAME.log`, and what was rotated of it.
fn is_log(name: &str) -> bool {
    unrotated(name).ends_with(".log")
}

fn unrotated(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((before, number)) if number.bytes().all(|octet| octet.is_ascii_digit()) => before,
        _ => name,
    }
}

/// Regular files of a folder with such names, the newest first.
fn within(folder: &Path, wanted: fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<_> = fs::read_dir(folder)?
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(wanted))
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            let changed = about.modified().ok()?;
            about.is_file().then(|| (changed, entry.path()))
        })
        .collect();
    found.sort();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// The end of a file, from the beginning of a line; and whether there was more. A link is followed where
/// somebody named it: in a folder whoever may write there could have put it.
fn tail(path: &Path, follow: bool) -> io::Result<(Vec<u8>, bool)> {
    // A pipe without a writer would be waited for.
    let mut flags = OFlag::O_NONBLOCK;
    flags.set(OFlag::O_NOFOLLOW, !follow);
    let mut file = File::options()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let skipped = about.len().saturating_sub(FILE_OCTETS);
    file.seek(SeekFrom::Start(skipped))?;
    let mut octets = Vec::new();
    file.take(FILE_OCTETS).read_to_end(&mut octets)?;
    if skipped > 0 {
        from_line(&mut octets);
    }
    Ok((octets, skipped > 0))
}

/// The end of what somebody says, from the beginning of a line, and whether there was more; of what is before
/// it no more is kept at a time than of that.
async fn end_of(mut from: impl AsyncRead + Unpin) -> io::Result<(Vec<u8>, bool)> {
    let most = usize::try_from(FILE_OCTETS).unwrap_or(usize::MAX);
    let (mut octets, mut chunk, mut shortened) = (Vec::new(), vec![0; CHUNK_OCTETS], false);
    loop {
        let count = from.read(&mut chunk).await?;
        octets.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let over = octets.len().saturating_sub(most);
        if over > most || (count == 0 && over > 0) {
            octets.drain(..over);
            shortened = true;
        }
        if count == 0 {
            break;
        }
    }
    if shortened {
        from_line(&mut octets);
    }
    Ok((octets, shortened))
}

/// Takes away the first line, whose beginning is not there.
fn from_line(octets: &mut Vec<u8>) {
    let begin = octets.iter().position(|octet| *octet == b'\n');
    octets.drain(..begin.map_or(octets.len(), |at| at + 1));
}

/// A name in the bundle: the file's own, with its number before it, so that no two are alike.
fn name(path: &Path, number: usize) -> String {
    let own: String = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c))
        .take(48)
        .collect();
    format!("logs/{number:02}-{own}")
}

/// The most files, and of each so many octets.
const FILES: usize = 32;
const FILE_OCTETS: u64 = 4 * 1024 * 1024;
const CHUNK_OCTETS: usize = 64 * 1024;
const JOURNAL_LINES: u32 = 20_000;
const JOURNAL_LIMIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_file_the_end_is_taken_from_the_beginning_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let line = format!("{}\n", "x".repeat(99));
        let most = usize::try_from(FILE_OCTETS).unwrap();
        fs::write(&path, line.repeat(most / 100 + 10)).unwrap();
        let (octets, shortened) = tail(&path, true).unwrap();
        assert!(shortened && octets.len() <= most && octets.len() > most - 100);
        assert_eq!(octets.len() % 100, 0, "whole lines");
        fs::write(&path, "one\n").unwrap();
        assert_eq!(tail(&path, false).unwrap(), (b"one\n".to_vec(), false));
        let link = folder.path().join("link.log");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(tail(&link, true).is_ok());
        assert!(tail(&link, false).is_err(), "somebody put it there");
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(tail(&pipe, true).is_err(), "not waited for");
    }

    #[tokio::test]
    async fn of_a_long_journal_the_end_is_kept() {
        let most = usize::try_from(FILE_OCTETS).unwrap();
        for (lines, whole) in [(0, true), (3, true), (most / 10 * 3, false)] {
            let text: String = (0..lines).map(|number| format!("{number:09}\n")).collect();
            let (octets, shortened) = end_of(text.as_bytes()).await.unwrap();
            assert_eq!(shortened, !whole, "{lines}");
            assert!(text.as_bytes().ends_with(&octets) && octets.len() <= most);
            assert!(octets.len() % 10 == 0 && (whole || octets.len() > most - 10));
        }
    }

    #[test]
    fn files_of_a_folder_are_named_apart_and_what_is_not_there_says_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a b.log"), "one").unwrap();
        let gone = folder.path().join("gone.log");
        fs::write(folder.path().join("private.pem"), "secret").unwrap();
        let items = files(&[folder.path().to_owned(), gone], None);
        let names: Vec<_> = items.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["logs/00-ab.log", "logs/01-gone.log"]);
        assert!(items[0].content.is_ok() && items[1].content.is_err());
    }

    #[test]
    fn of_the_gateways_folder_its_own_logs_are_taken_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "authproxy.log",
            "authproxy.log.1",
            "authevents.log.12",
            "authproxy.cfg",
            "authproxy.cfg.1",
            "authproxy.log.bak",
            "auth.log",
            "private.pem",
        ] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("authevents.log")).unwrap();
        let mut names: Vec<_> = files(&[], Some(folder.path()))
            .into_iter()
            .filter(|one| one.content.is_ok())
            .map(|one| one.name.split_once('-').unwrap().1.to_owned())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["authevents.log.12", "authproxy.log", "authproxy.log.1"]
        );
    }

    #[test]
    fn the_folder_of_logs_is_beside_the_file_that_names_it() {
        let text = "[main]\ndebug=true\nlog_dir = log\n";
        let config = Path::new("/etc/countersign/authproxy.cfg");
        let data = Path::new("/data");
        let beside = folder(text, Some(config), data);
        assert_eq!(beside, Some(PathBuf::from("/etc/countersign/log")));
        assert_eq!(folder(text, None, data), Some(PathBuf::from("/data/log")));
        let typed = folder("    1  [main]\n    2  log_dir=/var/log/x\n", None, data);
        assert_eq!(typed, Some(PathBuf::from("/var/log/x")));
        assert_eq!(folder("[main]\n", None, data), None);
        assert_eq!(usual_folder(data), None);
    }
}
