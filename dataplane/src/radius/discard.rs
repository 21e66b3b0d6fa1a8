//! Why a datagram gets no answer.

use crate::radius::{Code, DecodeError, ProxyStateTooLong, VerifyError};

/// Every reason for silence, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscardReason {
    /// It is no RADIUS packet (RFC 2865 section 3).
    Malformed(DecodeError),
    /// No client has its source address (RFC 2865 section 3).
    UnknownClient,
    /// It cannot be believed (RFC 3579 section 3.2).
    Unverified(VerifyError),
    /// Accounting is not served.
    Accounting,
    /// Its code is none that a server is asked with here.
    UnservedCode(Code),
    /// No answer could carry its Proxy-State back.
    ProxyStateTooLong(ProxyStateTooLong),
    /// As many logins run as may.
    Overloaded,
    /// Few more logins may run, and this client has many.
    ClientOverloaded,
    /// The node is about to stop.
    Draining,
    /// There is no configuration to answer by.
    NoConfiguration,
}

impl DiscardReason {
    /// Why a packet with this code gets no answer; none when it is served.
    #[must_use]
    pub const fn of_code(code: Code) -> Option<Self> {
        match code {
            Code::ACCESS_REQUEST | Code::STATUS_SERVER => None,
            Code::ACCOUNTING_REQUEST => Some(Self::Accounting),
            other => Some(Self::UnservedCode(other)),
        }
    }

    /// The label of the metric; one of [`LABELS`](Self::LABELS).
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed(error) => error.reason(),
            Self::UnknownClient => "unknown_client",
            Self::Unverified(error) => error.reason(),
            Self::Accounting => "accounting",
            Self::UnservedCode(_) => "unserved_code",
            Self::ProxyStateTooLong(_) => "proxy_state_too_long",
            Self::Overloaded => "overloaded",
            Self::ClientOverloaded => "client_overloaded",
            Self::Draining => "draining",
            Self::NoConfiguration => "no_configuration",
        }
    }

    /// Every label, so that each counter is there from the start.
    pub const LABELS: &'static [&'static str] = proto::metric::dataplane::DISCARD_REASONS;
}

impl From<DecodeError> for DiscardReason {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<VerifyError> for DiscardReason {
    fn from(error: VerifyError) -> Self {
        Self::Unverified(error)
    }
}

impl From<ProxyStateTooLong> for DiscardReason {
    fn from(error: ProxyStateTooLong) -> Self {
        Self::ProxyStateTooLong(error)
    }
}
