//! A host of an upstream, tried by Status-Server (RFC 5997), which is no login there and holds no
//! name.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::Upstream;
use super::health::Sign;
use super::outgoing::status_server;
use super::silence::Silence;
use super::socket::Waiter;
use crate::primary::check::now;
use crate::primary::trial::{Outcome, Step, Trial};
use crate::radius::Packet;

impl Upstream {
    /// Tries a host, as often and as patiently as a login does, within the limit.
    pub(in crate::primary) async fn try_host(&self, place: usize, limit: Duration) -> Trial {
        let mut trial = Trial::default();
        let began = now();
        let outcome = match self.ask(place, limit, &mut trial).await {
            Ok(outcome) => outcome,
            Err(silence) => silent(&silence),
        };
        trial.note(Step::StatusServer, began, outcome);
        trial
    }

    async fn ask(
        &self,
        place: usize,
        limit: Duration,
        trial: &mut Trial,
    ) -> Result<Outcome, Silence> {
        let unreachable = |why: &str| Silence::Unreachable(why.to_owned());
        let host = self
            .hosts
            .get(place)
            .ok_or_else(|| unreachable("it is no host of the section"))?;
        let began = now();
        let end = began + limit;
        let authenticator = self
            .random
            .authenticator()
            .map_err(|error| Silence::Unreachable(format!("no random octets: {error}")))?;
        let (sender, mut answers) = mpsc::channel(1);
        let waiter = Waiter {
            authenticator,
            answers: Some(sender),
        };
        let ticket = host
            .inner
            .ticket(&waiter, end.min(began + self.wait))
            .await
            .map_err(Silence::Unreachable)?
            .ok_or(Silence::Full)?;
        trial.from = Some(ticket.local());
        let nas = host.peer.nas.unwrap_or_else(|| ticket.local());
        // A row says it: the log says it of logins.
        host.peer.unsigned_said.store(true, Ordering::Relaxed);
        let request = status_server(ticket.identifier, authenticator, nas, &self.secret)
            .map_err(|_| unreachable("the request cannot be written down"))?;
        for _ in 0..self.tries {
            let sent = now();
            if sent >= end {
                break;
            }
            if let Err(error) = ticket.send(&request).await {
                tracing::debug!(host = %host.peer.label, error = %error, "request not sent");
            }
            tokio::select! {
                biased;
                Some(answer) = answers.recv() => return Ok(answered(&answer.octets)),
                // Asked again, it is told at once: nothing is gained by going on.
                () = host.peer.refused(began) => break,
                () = sleep_until(end.min(sent + self.wait).into()) => {}
            }
        }
        let sign = host.peer.health.seen_since(began);
        Err(Silence::Unanswered(ticket.local(), sign))
    }
}

/// A verified answer.
fn answered(octets: &[u8]) -> Outcome {
    let signed = Packet::parse(octets).is_ok_and(|answer| answer.has_message_authenticator());
    let how = match signed {
        true => "",
        false => ", without Message-Authenticator, so that answers can be forged (CVE-2024-3596)",
    };
    Outcome::Good(format!("it answers Status-Server{how}"))
}

/// Silence is no proof: RFC 5997 is not for all servers. What else came of it is.
fn silent(silence: &Silence) -> Outcome {
    match silence {
        Silence::Unanswered(from, None) => Outcome::Doubtful(format!(
            "no answer to Status-Server, which is no proof: some servers, such as NPS, do not know \
             it; where logins fail too, see that {from} (the address we send from) is a client there, \
             with the same secret, and that nothing in between blocks the port"
        )),
        Silence::Unanswered(_, Some(Sign::Closed | Sign::Forged | Sign::Unsigned))
        | Silence::Unreachable(_)
        | Silence::Full => Outcome::Failed(silence.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn only_silence_alone_may_be_a_server_that_knows_no_status_server() {
        let from = IpAddr::from([192, 0, 2, 1]);
        for (name, silence, doubtful, word) in [
            (
                "silence",
                Silence::Unanswered(from, None),
                true,
                "192.0.2.1",
            ),
            (
                "a closed port",
                Silence::Unanswered(from, Some(Sign::Closed)),
                false,
                "the port is closed; check",
            ),
            (
                "another secret",
                Silence::Unanswered(from, Some(Sign::Forged)),
                false,
                "check secret",
            ),
            (
                "unsigned",
                Silence::Unanswered(from, Some(Sign::Unsigned)),
                false,
                "force_message_authenticator",
            ),
            (
                "no address",
                Silence::Unreachable("no address in time".to_owned()),
                false,
                "not reached",
            ),
        ] {
            let (text, is_doubtful) = match silent(&silence) {
                Outcome::Doubtful(text) => (text, true),
                Outcome::Failed(text) => (text, false),
                Outcome::Good(text) => panic!("{name}: {text}"),
            };
            assert_eq!(is_doubtful, doubtful, "{name}");
            assert!(text.contains(word), "{name}: {text}");
        }
    }
}
