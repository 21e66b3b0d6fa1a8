//! What a machine is and has, for a bundle: release, kernel, limits, memory, the gateway's processes and
//! folder. Reads `/proc` and the like; what is not there is left out.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};
use serde_json::{Map, Value, json};

use crate::paths::DataDir;

/// All of it. Blocks.
pub(super) fn look(data: &DataDir) -> Value {
    let texts = |paths: &[&str]| -> Map<String, Value> {
        let read = |path: &&str| Some(((*path).to_owned(), json!(text(Path::new(path))?)));
        paths.iter().filter_map(read).collect()
    };
    let limits: Map<String, Value> = LIMITS
        .iter()
        .filter_map(|(name, which)| {
            let (soft, hard) = getrlimit(*which).ok()?;
            Some(((*name).to_owned(), json!({ "soft": soft, "hard": hard })))
        })
        .collect();
    let container = ["/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|path| Path::new(path).exists());
    json!({
        "architecture": std::env::consts::ARCH,
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "files": texts(FILES),
        "sysctls": texts(SYSCTLS),
        "limits_of_this_command": limits,
        "container": container,
        "processes": processes(),
        "disk": disk(data.path()),
        "data_folder": listing(data.path()),
    })
}

fn text(path: &Path) -> Option<String> {
    let octets = fs::read(path).ok()?;
    let octets = octets.get(..TEXT_OCTETS).unwrap_or(&octets);
    Some(String::from_utf8_lossy(octets).trim_end().to_owned())
}

/// The gateway's processes, whoever's gateway it is.
fn processes() -> Vec<Value> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = std::process::id().to_string();
    entries
        .filter(|entry| entry.file_name() != own.as_str())
        .filter(|entry| text(&entry.path().join("comm")).as_deref() == Some("countersign"))
        .take(PROCESSES)
        .map(|entry| {
            let path = entry.path();
            let of = |name: &str| text(&path.join(name));
            json!({
                "id": entry.file_name().to_string_lossy(),
                "arguments": of("cmdline").map(|line| line.replace('\0', " ")),
                "limits": of("limits"),
                "status": of("status"),
                "open_files": fs::read_dir(path.join("fd")).ok().map(Iterator::count),
            })
        })
        .collect()
}

fn disk(folder: &Path) -> Value {
    // The folder may not be there yet.
    let there = folder.ancestors().find(|one| one.exists());
    match there.and_then(|one| nix::sys::statvfs::statvfs(one).ok()) {
        Some(found) => {
            let unit = found.fragment_size();
            json!({
                "octets": found.blocks().saturating_mul(unit),
                "octets_free": found.blocks_available().saturating_mul(unit),
                "files": found.files(),
                "files_free": found.files_available(),
            })
        }
        None => Value::Null,
    }
}

/// Names, modes, owners and sizes, and nothing of what is in the files.
fn listing(folder: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let Ok(about) = entry.metadata() else {
                continue;
            };
            if found.len() >= LISTED {
                return found;
            }
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap_or(&path);
            found.push(json!({
                "name": name.to_string_lossy(),
                "mode": format!("{:o}", about.permissions().mode()),
                "owner": about.uid(),
                "group": about.gid(),
                "octets": about.len(),
                "changed": about.mtime(),
            }));
            if about.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

const FILES: &[&str] = &[
    "/etc/os-release",
    "/etc/timezone",
    "/proc/version",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
    "/proc/net/sockstat",
    "/proc/net/sockstat6",
    "/proc/net/snmp",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/cpu.max",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
];
const SYSCTLS: &[&str] = &[
    "/proc/sys/net/core/rmem_max",
    "/proc/sys/net/core/rmem_default",
    "/proc/sys/net/core/netdev_max_backlog",
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/net/ipv4/ip_local_port_range",
    "/proc/sys/net/ipv4/ip_unprivileged_port_start",
    "/proc/sys/net/ipv6/bindv6only",
    "/proc/sys/fs/file-max",
    "/proc/sys/fs/nr_open",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/max_map_count",
];
const LIMITS: &[(&str, Resource)] = &[
    ("open_files", Resource::RLIMIT_NOFILE),
    ("processes", Resource::RLIMIT_NPROC),
    ("memory", Resource::RLIMIT_AS),
    ("locked_memory", Resource::RLIMIT_MEMLOCK),
    ("core", Resource::RLIMIT_CORE),
];
/// The most octets of a text.
const TEXT_OCTETS: usize = 64 * 1024;
/// The most processes, and the most files of the data folder, that are told of.
const PROCESSES: usize = 64;
const LISTED: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_described() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        fs::write(folder.path().join("run/key"), "planted").unwrap();
        let data = DataDir::new(Some(folder.path().to_owned())).unwrap();
        let found = look(&data);
        let text = found.to_string();
        assert!(!text.contains("planted"), "{text}");
        for want in [
            "/proc/version",
            "rmem_max",
            "open_files",
            "run/key",
            "octets_free",
        ] {
            assert!(text.contains(want), "{want}: {text}");
        }
        assert_eq!(found["data_folder"].as_array().unwrap().len(), 2);
    }
}
