//! Under what conditions the figures were taken.

use std::{fs, path::Path, process::Command};

/// The machine and the programs, a line each.
pub(crate) fn lines(gateway: &Path) -> Vec<String> {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let binary = fs::metadata(gateway).map_or(0, |file| file.len());
    vec![
        format!("date: {}", first_line("date", &["-u", "+%FT%TZ"])),
        format!("machine: {cores} cores, {model}"),
        format!(
            "kernel: Linux {}, net.core.rmem_max {}",
            read("/proc/sys/kernel/osrelease"),
            read("/proc/sys/net/core/rmem_max")
        ),
        format!(
            "gateway: {} ({:.1} MB)",
            first_line(&gateway.to_string_lossy(), &["version"]),
            f64::from(u32::try_from(binary / 1000).unwrap_or(u32::MAX)) / 1000.0
        ),
        format!("freeradius: {}", first_line("freeradius", &["-v"])),
        format!("hostapd: {}", first_line("hostapd", &["-v"])),
        format!("slapd: {}", first_line("slapd", &["-VV"])),
    ]
}

/// The load average of 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let line = read("/proc/loadavg");
    line.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn read(file: &str) -> String {
    fs::read_to_string(file)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The first line that a program prints, on either stream.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return "not there".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_asked_for_its_first_line() {
        assert_eq!(first_line("printf", &["\\n one \\ntwo\\n"]), "one");
        assert_eq!(first_line("no-such-program", &[]), "not there");
    }
}
