//! Why a host of a directory gave no verdict, and what all hosts' faults come to. Pure.

use proto::config::Transport;

use super::{PrimaryFailure, PrimaryFailureKind};

/// Why one host gave no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// There is no connection.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// There was one.
    #[error("{0}")]
    Lost(&'static str),
    /// It was silent.
    #[error("{0}")]
    TimedOut(Wait),
    /// It says that it cannot serve at the moment.
    #[error("cannot serve now: {0}")]
    Unwilling(String),
    /// It is not whom it should be.
    #[error("{0}")]
    Certificate(String),
    /// All connections to it were in use until the deadline.
    #[error("all connections were busy")]
    Busy,
    /// It answered that the settings are wrong.
    #[error("{0}")]
    Misconfigured(String),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

/// What was waited for when the time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The addresses of a name.
    Name,
    /// A TCP connection.
    Connection,
    /// The answer to StartTLS.
    StartTls,
    /// A TLS handshake.
    Tls,
    /// The answer to a bind.
    Bind,
    /// The end of a search.
    Search,
}

impl std::fmt::Display for Wait {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Name => "its name was not looked up in time",
            Self::Connection => "no connection in time",
            Self::StartTls => "no answer to StartTLS in time",
            Self::Tls => "no TLS handshake in time",
            Self::Bind => "no answer to a bind in time",
            Self::Search => "no answer to a search in time",
        })
    }
}

impl Wait {
    /// What to check.
    fn remedy(self, transport: Transport) -> String {
        match self {
            Self::Name => "check this machine's name servers".to_owned(),
            Self::Connection => "check that the directory runs and that no firewall keeps this \
                                 machine's address from the port"
                .to_owned(),
            Self::StartTls | Self::Tls | Self::Bind => format!(
                "the port is open: check that it is the one for transport={transport} and that the \
                 directory serves this machine's address"
            ),
            Self::Search => "check that the directory is not overloaded and has an index for the \
                             attributes searched"
                .to_owned(),
        }
    }
}

impl Fault {
    /// Whether the next host is asked.
    pub(super) const fn moves_on(&self) -> bool {
        !matches!(self, Self::Misconfigured(_) | Self::Internal(_))
    }

    /// Whether the next login had better begin with another host.
    pub(super) const fn is_of_the_host(&self) -> bool {
        self.moves_on() && !matches!(self, Self::Busy)
    }

    /// For metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Lost(_) | Self::Unwilling(_) => "unavailable",
            Self::TimedOut(_) => "timed_out",
            Self::Certificate(_) | Self::Misconfigured(_) => "misconfigured",
            Self::Busy => "busy",
            Self::Internal(_) => "internal",
        }
    }

    /// What happened and what to check.
    pub(super) fn explain(&self, transport: Transport) -> String {
        match self {
            Self::TimedOut(wait) => format!("{self}; {}", wait.remedy(transport)),
            Self::Unreachable(_) => format!("{self}; check host, port and transport"),
            Self::Lost(_) => {
                format!("{self}; where that is so each time, check port and transport={transport}")
            }
            _ => self.to_string(),
        }
    }
}

/// What all hosts' faults come to. A wrong setting is named even when another host was away.
pub(super) fn failure(faults: &[(&str, Fault)], transport: Transport) -> PrimaryFailure {
    let has = |wanted: fn(&Fault) -> bool| faults.iter().any(|(_, fault)| wanted(fault));
    let kind = if has(|fault| matches!(fault, Fault::Misconfigured(_) | Fault::Certificate(_))) {
        PrimaryFailureKind::Misconfigured
    } else if has(|fault| matches!(fault, Fault::Internal(_) | Fault::Busy)) {
        PrimaryFailureKind::Internal
    } else {
        PrimaryFailureKind::Unavailable
    };
    let detail = if faults.is_empty() {
        "no time was left to ask a directory".to_owned()
    } else {
        faults
            .iter()
            .map(|(host, fault)| format!("{host}: {}", fault.explain(transport)))
            .collect::<Vec<_>>()
            .join("; ")
    };
    PrimaryFailure { kind, detail }
}
