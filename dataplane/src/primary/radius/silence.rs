//! Why no host gave an answer, for the person who looks after them. Pure.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use super::health::Sign;
use crate::primary::{PrimaryFailure, PrimaryFailureKind};

/// Why one host gave none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// There is no way to it.
    Unreachable(String),
    /// As many requests wait for it as may.
    Full,
    /// It was asked, from this address; what else came from it.
    Unanswered(IpAddr, Option<Sign>),
}

impl Silence {
    /// Its name in metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unavailable",
            Self::Full => "busy",
            Self::Unanswered(..) => "timed_out",
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "not reached: {why}"),
            Self::Full => f.write_str("too many requests wait"),
            Self::Unanswered(_, Some(Sign::Closed)) => f.write_str(
                "the port is closed; check that the RADIUS server runs and that port is its own",
            ),
            Self::Unanswered(_, Some(Sign::Forged)) => {
                f.write_str("answers came that are not signed with this secret; check secret")
            }
            Self::Unanswered(_, Some(Sign::Unsigned)) => f.write_str(
                "answers came without Message-Authenticator, which \
                 force_message_authenticator=true refuses, as every setting does where they have a Proxy-State",
            ),
            Self::Unanswered(from, None) => write!(
                f,
                "no answer in time; is {from} (the address we send from) a client there, is the \
                 secret the same, is that port RADIUS and not taken by another service such as NPS?"
            ),
        }
    }
}

/// What the silence of all hosts comes to. Hosts that are silent in one way share its text.
pub(super) fn failure(hosts: &[(&str, Silence)]) -> PrimaryFailure {
    let has = |wanted: fn(&Silence) -> bool| hosts.iter().any(|(_, why)| wanted(why));
    let asked = has(|why| matches!(why, Silence::Unanswered(..)));
    let kind = if has(|why| matches!(why, Silence::Full)) && !asked {
        PrimaryFailureKind::Internal
    } else {
        PrimaryFailureKind::Unavailable
    };
    let mut groups: Vec<(&Silence, Vec<&str>)> = Vec::new();
    for (host, why) in hosts {
        match groups.iter_mut().find(|(other, _)| *other == why) {
            Some((_, group)) if group.contains(host) => {}
            Some((_, group)) => group.push(host),
            None => groups.push((why, vec![host])),
        }
    }
    let mut detail = String::new();
    for (why, group) in groups.iter().take(SHOWN_GROUPS) {
        let before = if detail.is_empty() { "" } else { "; " };
        let shown = group.get(..SHOWN_HOSTS).unwrap_or(group).join(", ");
        let more = match group.len().saturating_sub(SHOWN_HOSTS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        // Writing to a string cannot fail.
        let _: fmt::Result = write!(detail, "{before}{shown}{more}: {why}");
    }
    if detail.is_empty() {
        detail.push_str("no time was left to ask an upstream");
    }
    PrimaryFailure { kind, detail }
}

/// How many hosts of one group are named.
const SHOWN_HOSTS: usize = 4;
/// How many kinds of silence are told.
const SHOWN_GROUPS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_silence_says_what_to_check_and_like_hosts_share_a_text() {
        let from = IpAddr::from([198, 51, 100, 2]);
        let silent = Silence::Unanswered(from, None);
        let with = |sign| Silence::Unanswered(from, Some(sign));
        let unreachable = || Silence::Unreachable("no address in time".to_owned());
        let advice = "no answer in time; is 198.51.100.2 (the address we send from) a client \
                      there, is the secret the same, is that port RADIUS and not taken by another \
                      service such as NPS?";
        for (hosts, kind, want) in [
            (
                vec![],
                PrimaryFailureKind::Unavailable,
                "no time was left to ask an upstream".to_owned(),
            ),
            (
                vec![("a:1812", silent.clone()), ("b:1812", silent.clone())],
                PrimaryFailureKind::Unavailable,
                format!("a:1812, b:1812: {advice}"),
            ),
            (
                vec![
                    ("a:1812", with(Sign::Closed)),
                    ("b:1812", unreachable()),
                    ("b:1812", unreachable()),
                    ("c:1812", Silence::Full),
                ],
                PrimaryFailureKind::Unavailable,
                "a:1812: the port is closed; check that the RADIUS server runs and that port is \
                 its own; b:1812: not reached: no address in time; c:1812: too \
                 many requests wait"
                    .to_owned(),
            ),
            (
                vec![
                    ("a:1812", with(Sign::Forged)),
                    ("b:1812", with(Sign::Unsigned)),
                ],
                PrimaryFailureKind::Unavailable,
                "a:1812: answers came that are not signed with this secret; check secret; \
                 b:1812: answers came without Message-Authenticator, which force_message_authenticator=true refuses, as every setting does where they have a Proxy-State"
                    .to_owned(),
            ),
            (
                vec![("a:1812", Silence::Full), ("b:1812", unreachable())],
                PrimaryFailureKind::Internal,
                "a:1812: too many requests wait; b:1812: not reached: no address in time"
                    .to_owned(),
            ),
            (
                vec![
                    ("a", Silence::Full),
                    ("b", Silence::Full),
                    ("c", Silence::Full),
                    ("d", Silence::Full),
                    ("e", Silence::Full),
                    ("f", Silence::Full),
                ],
                PrimaryFailureKind::Internal,
                "a, b, c, d and 2 more: too many requests wait".to_owned(),
            ),
        ] {
            let failure = failure(&hosts);
            assert_eq!((failure.kind, failure.detail), (kind, want));
        }
    }
}
