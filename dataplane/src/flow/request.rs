//! A login's request, as far as a flow sees it.

use std::net::{IpAddr, SocketAddr};

use proto::secret::Secret;

/// Who wants to log in, with what, from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The user's name, exactly as typed.
    pub user: String,
    /// The password field, decoded: a password, a factor, or both.
    pub password: Secret<String>,
    /// Where the user is (Calling-Station-Id, or the value of `client_ip_attr` in its place).
    pub calling_station: Option<String>,
}

impl Request {
    /// The user's address for the second factor; none when the client names none, such as a
    /// telephone number or a hardware address.
    pub(super) fn ip_address(&self) -> Option<String> {
        let text = self.calling_station.as_deref()?.trim();
        text.parse::<IpAddr>()
            .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
            .map(|address| address.to_string())
            .ok()
    }
}
