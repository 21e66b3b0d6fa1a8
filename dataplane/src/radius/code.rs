//! The first octet of a packet.

use std::fmt;

/// What a packet is (RFC 2865 section 3). Open: an unknown number is a value, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u8);

impl Code {
    /// A client asks (RFC 2865 section 4.1).
    pub const ACCESS_REQUEST: Self = Self(1);
    /// The user may come in (RFC 2865 section 4.2).
    pub const ACCESS_ACCEPT: Self = Self(2);
    /// The user may not (RFC 2865 section 4.3).
    pub const ACCESS_REJECT: Self = Self(3);
    /// A client reports a session (RFC 2866 section 4.1); not served.
    pub const ACCOUNTING_REQUEST: Self = Self(4);
    /// The answer to such a report (RFC 2866 section 4.2).
    pub const ACCOUNTING_RESPONSE: Self = Self(5);
    /// The user must answer a question (RFC 2865 section 4.4).
    pub const ACCESS_CHALLENGE: Self = Self(11);
    /// A client asks whether the server is alive (RFC 5997).
    pub const STATUS_SERVER: Self = Self(12);
    /// Reserved (RFC 2865 section 3).
    pub const STATUS_CLIENT: Self = Self(13);
    /// A session is to end (RFC 5176 section 2.1).
    pub const DISCONNECT_REQUEST: Self = Self(40);
    /// It has (RFC 5176 section 2.1).
    pub const DISCONNECT_ACK: Self = Self(41);
    /// It has not (RFC 5176 section 2.1).
    pub const DISCONNECT_NAK: Self = Self(42);
    /// A session's authorization is to change (RFC 5176 section 2.2).
    pub const COA_REQUEST: Self = Self(43);
    /// It has (RFC 5176 section 2.2).
    pub const COA_ACK: Self = Self(44);
    /// It has not (RFC 5176 section 2.2).
    pub const COA_NAK: Self = Self(45);
    /// The peer does not speak this code (RFC 7930 section 4).
    pub const PROTOCOL_ERROR: Self = Self(52);

    /// The name in the standard; none for a number without one here.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ACCESS_REQUEST => "Access-Request",
            Self::ACCESS_ACCEPT => "Access-Accept",
            Self::ACCESS_REJECT => "Access-Reject",
            Self::ACCOUNTING_REQUEST => "Accounting-Request",
            Self::ACCOUNTING_RESPONSE => "Accounting-Response",
            Self::ACCESS_CHALLENGE => "Access-Challenge",
            Self::STATUS_SERVER => "Status-Server",
            Self::STATUS_CLIENT => "Status-Client",
            Self::DISCONNECT_REQUEST => "Disconnect-Request",
            Self::DISCONNECT_ACK => "Disconnect-ACK",
            Self::DISCONNECT_NAK => "Disconnect-NAK",
            Self::COA_REQUEST => "CoA-Request",
            Self::COA_ACK => "CoA-ACK",
            Self::COA_NAK => "CoA-NAK",
            Self::PROTOCOL_ERROR => "Protocol-Error",
            _ => return None,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "code {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_by_name_or_by_number() {
        for (code, want) in [
            (Code(1), "Access-Request"),
            (Code(11), "Access-Challenge"),
            (Code(12), "Status-Server"),
            (Code(0), "code 0"),
            (Code(255), "code 255"),
        ] {
            assert_eq!(code.to_string(), want);
        }
    }
}
