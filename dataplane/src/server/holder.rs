//! Which process holds a UDP port, as far as the system shows it (proc(5)): of other users' processes
//! root alone sees the sockets.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// A process with a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// What the system calls it, without control characters: whoever started it chose the name.
    pub(crate) name: String,
}

/// The process whose socket keeps this port of this address, or of all where it is none, from being
/// bound. Reads the disk of the kernel, so it belongs on a thread that may block.
pub(crate) fn holder(listen: Option<IpAddr>, port: u16) -> Option<Holder> {
    let sockets: Vec<String> = ["/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| inodes(&table, listen, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid: &u32| holds(*pid, &sockets))
        .map(|pid| Holder {
            pid,
            name: fs::read_to_string(format!("/proc/{pid}/comm"))
                .unwrap_or_default()
                .chars()
                .filter(|c| !c.is_control())
                .collect(),
        })
}

fn holds(pid: u32, sockets: &[String]) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let is_one = |target: &Path| sockets.iter().any(|socket| target == Path::new(socket));
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| is_one(&target))
}

/// The inodes of the sockets of a table that have the port at the address.
fn inodes(table: &str, listen: Option<IpAddr>, port: u16) -> Vec<u64> {
    let rows = table.lines().skip(1);
    rows.filter_map(|row| {
        let mut columns = row.split_ascii_whitespace();
        let (address, at) = columns.nth(1)?.split_once(':')?;
        // Nine columns on: the remote address, state, queues, timers, user.
        let inode = columns.nth(7)?.parse().ok()?;
        let stands_in_the_way = u16::from_str_radix(at, 16).ok()? == port
            && match (listen, ip(address)?) {
                (None, _) => true,
                (Some(listen), held) => held.is_unspecified() || held == listen.to_canonical(),
            };
        stands_in_the_way.then_some(inode)
    })
    .collect()
}

/// An address as the kernel prints it: words of 32 bits, each as this machine keeps it.
fn ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_of_ours_is_found_by_its_port_and_address() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let other = Some(IpAddr::from([127, 0, 0, 2]));
        for (name, listen, found) in [
            ("its address", Some(Ipv4Addr::LOCALHOST.into()), true),
            ("all addresses", None, true),
            ("another address", other, false),
        ] {
            let pid = holder(listen, port).map(|one| one.pid);
            assert_eq!(pid, found.then_some(std::process::id()), "{name}");
        }
        drop(socket);
        let all = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = all.local_addr().unwrap().port();
        let found = holder(other, port).unwrap();
        assert_eq!(found.pid, std::process::id(), "one on all addresses");
        assert!(!found.name.is_empty());
    }

    #[test]
    fn no_table_stops_the_reader() {
        for table in ["", "x", "head\n1: 0:0 x", "head\n1: zz:zz a b c d e f g 1"] {
            assert!(inodes(table, None, 0).is_empty(), "{table}");
        }
    }
}
