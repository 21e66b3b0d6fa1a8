//! Pieces of an `authproxy.cfg` that belong to the peers of the harness.
//!
//! The rest of a file stands in the test that uses it, so that it can be read there.

use crate::peers::{FakeDuo, FreeRadius, SECRET, Slapd};

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

/// The pair `radius_ip_N` and `radius_secret_N`, with [`SECRET`].
#[must_use]
pub fn client(number: u32, address: &str) -> String {
    format!("radius_ip_{number}={address}\nradius_secret_{number}={SECRET}\n")
}

/// `[NAME]` of a client section that asks this FreeRADIUS.
#[must_use]
pub fn radius_client(name: &str, radius: &FreeRadius) -> String {
    let (host, port) = (radius.address.ip(), radius.address.port());
    format!("[{name}]\nhost={host}\nport={port}\nsecret={SECRET}\n")
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
