//! Pieces of an `authproxy.cfg` that belong to the peers of the harness.
//!
//! The rest of a file stands in the test that uses it, so that it can be read there.

use std::net::SocketAddr;

use crate::{
    peers::{FakeDuo, FreeRadius, SECRET, Samba, Slapd},
    ports,
};

/// `[main]`: listens on 127.0.0.1 and trusts the authority of the tests.
pub const MAIN: &str = "[main]\ninterface=127.0.0.1\nhttp_ca_certs_file=ca.pem\n";

/// `[NAME]` of a server that asks this second factor and has 127.0.0.0/8 as its client.
#[must_use]
pub fn server(name: &str, port: u16, duo: &FakeDuo) -> String {
    format!(
        "{}{}",
        bare_server(name, port, duo.host()),
        client(1, "127.0.0.0/8")
    )
}

/// The same without a client, and with any address for the second factor.
#[must_use]
pub fn bare_server(name: &str, port: u16, host: &str) -> String {
    format!(
        "[{name}]\nport={port}\nikey={}\nskey={}\napi_host={host}\n",
        FakeDuo::IKEY,
        FakeDuo::SKEY
    )
}

/// A server section `[radius_server_autoN]`, which lets nobody in while the second factor is away,
/// with a client section of its own of this kind, which `client` makes from its name.
#[must_use]
pub fn pair(
    number: u32,
    port: u16,
    duo: &FakeDuo,
    kind: &str,
    client: impl FnOnce(&str) -> String,
) -> String {
    let number = match number {
        1 => String::new(),
        _ => number.to_string(),
    };
    let name = format!("{kind}{number}");
    format!(
        "{}{}client={name}\nfailmode=secure\n",
        client(&name),
        server(&format!("radius_server_auto{number}"), port, duo),
    )
}

/// A server section `[radius_server_challengeN]` over this client section; `options` are added. Where they
/// have no `failmode`, it lets nobody in while the second factor is away.
#[must_use]
pub fn challenge(number: u32, port: u16, duo: &FakeDuo, client: &str, options: &str) -> String {
    let number = match number {
        1 => String::new(),
        _ => number.to_string(),
    };
    let fail_mode = match options.contains("failmode=") {
        true => "",
        false => "failmode=secure\n",
    };
    format!(
        "{}client={client}\n{fail_mode}{options}",
        server(&format!("radius_server_challenge{number}"), port, duo),
    )
}

/// `[radius_server_eap]`, which lets nobody in while the second factor is away, with the certificate and
/// key `NAME.pem` and `NAME.key` of [`crate::peers::Pki::write`] (`server`, `rsa`, `chain`, `expired`),
/// for the client section of this name. Options of the caller's may follow.
#[must_use]
pub fn eap_server(port: u16, duo: &FakeDuo, client: &str, certificate: &str) -> String {
    format!(
        "{}client={client}\nfailmode=secure\ncerts={certificate}.pem\npkey={certificate}.key\n",
        server("radius_server_eap", port, duo),
    )
}

/// The pair `radius_ip_N` and `radius_secret_N`, with [`SECRET`].
#[must_use]
pub fn client(number: u32, address: &str) -> String {
    format!("radius_ip_{number}={address}\nradius_secret_{number}={SECRET}\n")
}

/// `[NAME]` of a client section that asks this FreeRADIUS.
#[must_use]
pub fn radius_client(name: &str, radius: &FreeRadius) -> String {
    upstreams(name, &[radius.address])
}

/// `[NAME]` of a client section that asks these upstream servers.
#[must_use]
pub fn upstreams(name: &str, hosts: &[SocketAddr]) -> String {
    let mut text = format!("[{name}]\nsecret={SECRET}\n");
    for (number, host) in (1..).zip(hosts) {
        let number = suffix(number);
        text += &format!("host{number}={}\nport{number}={}\n", host.ip(), host.port());
    }
    text
}

/// How `host_N` writes its N: nothing for the first.
fn suffix(number: u32) -> String {
    match number {
        1 => String::new(),
        _ => format!("_{number}"),
    }
}

/// `[NAME]` of a client section that asks this Active Directory, with `auth_type` and `transport` left
/// to their defaults.
#[must_use]
pub fn samba_client(name: &str, samba: &Samba) -> String {
    format!(
        "[{name}]\nhost={}\nservice_account_username={}\nservice_account_password={}\nsearch_dn={}\n\
         ssl_ca_certs_file=ca.pem\n",
        samba.address,
        Samba::SERVICE,
        Samba::SERVICE_PASSWORD,
        Samba::BASE,
    )
}

/// `[NAME]` of a client section that asks this directory, without `host`, `port` and `transport`.
#[must_use]
pub fn ad_client(name: &str) -> String {
    format!(
        "[{name}]\nservice_account_username={}\nservice_account_password={}\nsearch_dn={}\n\
         username_attribute=uid\nat_attribute=mail\nauth_type=plain\n",
        Slapd::SERVICE_DN,
        Slapd::SERVICE_PASSWORD,
        Slapd::BASE,
    )
}

/// A configuration with a section `[radius_server_challengeN]` for each text of options, over
/// `[duo_only_client]`, and the ports of these sections.
#[must_use]
pub fn challenges<const SECTIONS: usize>(
    duo: &FakeDuo,
    options: [&str; SECTIONS],
) -> (String, [u16; SECTIONS]) {
    let ports = std::array::from_fn(|_| ports::free_udp());
    let sections: String = (1..)
        .zip(ports.iter().zip(options))
        .map(|(number, (port, options))| challenge(number, *port, duo, "duo_only_client", options))
        .collect();
    (format!("{MAIN}[duo_only_client]\n{sections}"), ports)
}
