//! `[radius_client]`, made into an upstream.

use std::net::IpAddr;

use proto::config::raw;

use super::clients::{hosts, pass_through, password_codec};
use super::context::Context;
use super::schema::SectionKind;
use super::sections::Section;
use super::values;

/// Makes the upstream of a `[radius_client]`.
pub(super) fn build(context: &mut Context<'_>, section: &Section) -> raw::RadiusUpstream {
    let ports = section.numbered("port");
    let known = section.numbered("host");
    for (number, entry) in &ports {
        if *number > 1 && !known.contains_key(number) {
            context.warn(
                section,
                entry,
                format!("there is no host_{number}, so this option has no effect"),
                format!("write 'host_{number}=' too, or remove the line"),
            );
        }
    }
    let hosts = hosts(context, section, |number| port(section, number));
    let tries = section.number("retries").saturating_add(1);
    let all = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    let written = section.entry("retries");
    let last = known.last_key_value().map(|(_, entry)| *entry);
    if let (Some(entry), true) = (
        written.or(last),
        written.is_none_or(|entry| entry.good) && tries < all,
    ) {
        context.warn(
            section,
            entry,
            format!(
                "one login is tried {} and does not get to each of {all} hosts",
                times(tries)
            ),
            format!("write retries={} or more", all - 1),
        );
    }
    raw::RadiusUpstream {
        hosts,
        secret: section.secret("secret"),
        retries: section.number("retries"),
        retry_wait_seconds: section.number("retry_wait"),
        nas_ip: section.address("nas_ip"),
        pass_through: pass_through(context, section),
        password_codec: password_codec(section),
        require_message_authenticator: section.boolean("force_message_authenticator"),
    }
}

/// Says which upstreams are this gateway: their host is this machine, and their port one that a
/// server section has. Two services of one machine (NPS is another) need two ports.
pub(super) fn say_own_ports(
    context: &mut Context<'_>,
    sections: &[Section],
    main: Option<&Section>,
) {
    let mut own = Vec::new();
    for server in sections.iter().filter(|one| one.kind.mode().is_some()) {
        let listen = server
            .address("interface")
            .or_else(|| main.and_then(|main| main.address("interface")));
        if let Ok(port) = server.effective("port").parse::<u16>() {
            own.push((server, listen, port));
        }
    }
    let upstreams = sections
        .iter()
        .filter(|one| one.kind == SectionKind::RadiusClient);
    for section in upstreams {
        for (number, entry) in section.numbered("host") {
            let address = values::address(&entry.value);
            let localhost = entry.value.eq_ignore_ascii_case("localhost");
            let port = port(section, number);
            let taken = own.iter().find(|(_, listen, taken)| {
                *taken == port
                    && match (address, listen) {
                        (Some(address), Some(listen)) => address == *listen,
                        (Some(address), None) => address.is_loopback(),
                        (None, listen) => {
                            localhost && listen.is_none_or(|one: IpAddr| one.is_loopback())
                        }
                    }
            });
            if let Some((server, ..)) = taken {
                context.warn(
                    section,
                    entry,
                    format!(
                        "this is where [{}] is served: the gateway would ask itself",
                        server.name
                    ),
                    "write the port of the upstream, or another 'port=' in the server section",
                );
            }
        }
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

fn port(section: &Section, number: u32) -> u16 {
    section
        .numbered("port")
        .get(&number)
        .and_then(|port| port.value.parse().ok())
        .unwrap_or(1812)
}
