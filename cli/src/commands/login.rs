//! `countersign login`: a real RADIUS login through a running node, explained step by step.

use std::io::{BufRead, IsTerminal};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use dataplane::admin::{Admit, Admitted, LoginTarget};
use dataplane::radius::{
    AUTHENTICATOR_OCTETS, AttributeType, Authenticator, Code, Packet, RequestBuilder, SharedSecret,
    verify_response,
};
use proto::child::Role;
use proto::config::{MessageAuthenticator, Mode};
use proto::event::{AuthEvent, Reason};
use proto::id::IntegrationId;
use proto::secret::Secret;
use serde_json::json;
use tokio::net::UdpSocket;
use zeroize::Zeroizing;

use crate::args::LoginArgs;
use crate::failure::Failure;
use crate::paths::DataDir;
use crate::{explain, output};

pub(crate) async fn run(args: LoginArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.data.data_dir)?;
    let node = data.client(Role::DataPlane)?;
    let targets: Vec<LoginTarget> = node.get("/login/targets", LIMIT).await.map_err(|error| {
        Failure::new(
            "no running gateway can be asked; is this the right --data-dir?",
            &error,
        )
    })?;
    let target = choose(targets, args.integration.as_ref())?;
    let password = password(args.password_file.as_deref())?;
    let any = match target.address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    };
    let failed = |error: std::io::Error| Failure::new("the request cannot be sent", &error);
    let socket = UdpSocket::bind(any).await.map_err(failed)?;
    socket.connect(target.address).await.map_err(failed)?;
    let source = socket.local_addr().map_err(failed)?;
    let admit = Admit {
        integration: target.integration.clone(),
        source,
    };
    let Admitted { secret } = node
        .post("/login/admit", &admit, LIMIT)
        .await
        .map_err(|error| Failure::new("the node does not let this login in", &error))?;
    let session = Session {
        socket,
        secret: SharedSecret::new(secret.expose().as_bytes()),
        source,
        node,
    };
    let mut typed = password;
    let mut state: Option<Vec<u8>> = None;
    // As many rounds as there are identifiers: a node that goes on asking is not waited out.
    for round in 0..=u8::MAX {
        let (answer, event) = session
            .round(round, &args.user, &typed, state.as_deref())
            .await?;
        show(&answer, event.as_ref(), args.output.json);
        match answer.code {
            Code::ACCESS_ACCEPT => return Ok(()),
            Code::ACCESS_CHALLENGE => {
                typed = answer_to_prompt()?;
                state = answer.state;
            }
            _ => return Err(Failure::plain("")),
        }
    }
    Err(Failure::plain("too many questions"))
}

/// The integration that was named, or the only one that passwords can be sent to.
fn choose(
    targets: Vec<LoginTarget>,
    wanted: Option<&IntegrationId>,
) -> Result<LoginTarget, Failure> {
    let (eap, plain): (Vec<_>, Vec<_>) = targets
        .into_iter()
        .partition(|one| one.mode == Mode::Eap.as_str());
    let is_eap = |wanted: &IntegrationId| eap.iter().any(|one| one.integration == *wanted);
    let names = |targets: &[LoginTarget]| {
        let names = targets.iter().map(|one| one.integration.to_string());
        names.collect::<Vec<_>>().join(", ")
    };
    let known = names(&plain);
    let mut found = plain
        .into_iter()
        .filter(|one| wanted.is_none_or(|wanted| one.integration == *wanted));
    match (found.next(), found.next(), wanted) {
        (Some(one), None, _) => Ok(one),
        (None, _, Some(wanted)) if is_eap(wanted) => {
            Err(Failure::usage(format!("'{wanted}' speaks EAP: {NO_EAP}")))
        }
        (None, _, None) if !eap.is_empty() => Err(Failure::usage(format!(
            "the node serves nothing but EAP ({}): {NO_EAP}",
            names(&eap)
        ))),
        (None, _, None) => Err(Failure::plain("the node serves no integration yet")),
        (None, _, Some(wanted)) => Err(Failure::usage(format!(
            "there is no integration '{wanted}'; it is one of: {known}"
        ))),
        (Some(_), Some(_), _) => Err(Failure::usage(format!(
            "say which with --integration: {known}"
        ))),
    }
}

/// What this command cannot do, and what can.
const NO_EAP: &str = "this command does not. Try it with eapol_test; or add a [radius_server_auto] \
     on another port, with the same client section, and log in there";

fn password(file: Option<&Path>) -> Result<Secret<String>, Failure> {
    let Some(path) = file else {
        return ask("Password: ");
    };
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| Failure::new(format!("cannot read {}", path.display()), &error))?;
    Ok(Secret::from(text.lines().next().unwrap_or_default()))
}

/// As the password comes. An end of input is no empty answer: that would only be asked again.
fn answer_to_prompt() -> Result<Secret<String>, Failure> {
    if !std::io::stdin().is_terminal()
        && std::io::stdin()
            .lock()
            .fill_buf()
            .is_ok_and(<[u8]>::is_empty)
    {
        return Err(Failure::plain(
            "the gateway asks, and the input has no further line to answer with",
        ));
    }
    ask("Answer: ")
}

/// From the terminal without an echo, else the next line of standard input.
pub(crate) fn ask(prompt: &str) -> Result<Secret<String>, Failure> {
    let failed = |error: std::io::Error| Failure::new("nothing can be read", &error);
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt)
            .map(Secret::new)
            .map_err(failed);
    }
    let mut line = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(failed)?;
    Ok(Secret::from(line.trim_end_matches(['\r', '\n'])))
}

struct Session {
    socket: UdpSocket,
    secret: SharedSecret,
    source: SocketAddr,
    node: local::Client,
}

/// What the node answered.
struct Reply {
    code: Code,
    messages: Vec<String>,
    state: Option<Vec<u8>>,
}

impl Session {
    /// One request, repeated like a client repeats it, and the node's record of it.
    async fn round(
        &self,
        identifier: u8,
        user: &str,
        typed: &Secret<String>,
        state: Option<&[u8]>,
    ) -> Result<(Reply, Option<AuthEvent>), Failure> {
        let mut authenticator: Authenticator = [0; AUTHENTICATOR_OCTETS];
        getrandom::fill(&mut authenticator)
            .map_err(|_| Failure::plain("the system gives no random numbers"))?;
        let too_long = |error| Failure::new("the request cannot be written", &error);
        let mut request = RequestBuilder::new(
            Code::ACCESS_REQUEST,
            identifier,
            authenticator,
            &self.secret,
        );
        request
            .attribute(AttributeType::USER_NAME, user.as_bytes())
            .map_err(too_long)?
            .user_password(typed.expose().as_bytes())
            .map_err(too_long)?
            .attribute(AttributeType::NAS_IDENTIFIER, b"countersign login")
            .map_err(too_long)?;
        if let Some(state) = state {
            request
                .attribute(AttributeType::STATE, state)
                .map_err(too_long)?;
        }
        let request = request.finish();
        let path = format!("/login/finished?source={}", self.source);
        let watch = self.node.get::<AuthEvent>(&path, LONGEST);
        let exchange = self.exchange(&request, identifier, &authenticator);
        tokio::pin!(watch);
        tokio::pin!(exchange);
        // The record comes about when the answer does; whoever is second is waited for briefly.
        let mut event = None;
        let reply = tokio::select! {
            reply = &mut exchange => reply?,
            found = &mut watch => {
                event = found.ok();
                exchange.await?
            }
        };
        if event.is_none() {
            event = tokio::time::timeout(LIMIT, watch)
                .await
                .ok()
                .and_then(Result::ok);
        }
        Ok((reply, event))
    }

    async fn exchange(
        &self,
        request: &[u8],
        identifier: u8,
        authenticator: &Authenticator,
    ) -> Result<Reply, Failure> {
        let mut buffer = vec![0; 4096];
        for _ in 0..TRIES {
            // A refusal by ICMP shows here or at the next call: the node is going or coming.
            drop(self.socket.send(request).await);
            let wait = async {
                loop {
                    let Ok(length) = self.socket.recv(&mut buffer).await else {
                        continue;
                    };
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if let Some(reply) = self.read(datagram, identifier, authenticator) {
                        return reply;
                    }
                }
            };
            if let Ok(reply) = tokio::time::timeout(RETRY, wait).await {
                return Ok(reply);
            }
        }
        Err(Failure::plain("the node did not answer"))
    }

    fn read(
        &self,
        datagram: &[u8],
        identifier: u8,
        authenticator: &Authenticator,
    ) -> Option<Reply> {
        let packet = Packet::parse(datagram).ok()?;
        if packet.identifier() != identifier {
            return None;
        }
        verify_response(
            &packet,
            authenticator,
            &self.secret,
            MessageAuthenticator::Require,
        )
        .ok()?;
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Some(Reply {
            code: packet.code(),
            messages: packet.all(AttributeType::REPLY_MESSAGE).map(text).collect(),
            state: packet.first(AttributeType::STATE).map(<[u8]>::to_vec),
        })
    }
}

fn show(reply: &Reply, event: Option<&AuthEvent>, as_json: bool) {
    if as_json {
        output::json(&json!({
            "code": reply.code.to_string(),
            "reply_messages": reply.messages,
            "login": event,
        }));
        return;
    }
    match event {
        // An event leaves out the link to enrol, which is for who logs in to read.
        Some(event) if event.reason == Reason::NotEnrolled => explain::print(&AuthEvent {
            reply_message: Some(reply.messages.concat()),
            ..event.clone()
        }),
        Some(event) => explain::print(event),
        None => output::line(format_args!("{}  {}", reply.code, reply.messages.join(" "))),
    }
}

const LIMIT: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(320);
/// As a VPN would be set: 60 s, three times.
const RETRY: Duration = Duration::from_secs(60);
const TRIES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integration_is_the_named_one_or_the_only_one_that_takes_passwords() {
        let auto: &[(&str, &str)] = &[("radius_server_auto", "auto")];
        let eap: &[(&str, &str)] = &[("radius_server_eap", "eap")];
        let both: &[(&str, &str)] = &[("radius_server_eap", "eap"), ("radius_server_auto", "auto")];
        let two: &[(&str, &str)] = &[
            ("radius_server_auto", "auto"),
            ("radius_server_auto2", "auto"),
        ];
        for (name, served, wanted, want) in [
            ("the only one", auto, None, "radius_server_auto"),
            ("beside EAP", both, None, "radius_server_auto"),
            (
                "two",
                two,
                None,
                "say which with --integration: radius_server_auto, radius_server_auto2",
            ),
            (
                "one of two",
                two,
                Some("radius_server_auto2"),
                "radius_server_auto2",
            ),
            (
                "EAP only",
                eap,
                None,
                "the node serves nothing but EAP (radius_server_eap): this command does not. Try it \
                 with eapol_test; or add a [radius_server_auto] on another port, with the same \
                 client section, and log in there",
            ),
            (
                "EAP by name",
                both,
                Some("radius_server_eap"),
                "'radius_server_eap' speaks EAP: this command does not. Try it with eapol_test; or \
                 add a [radius_server_auto] on another port, with the same client section, and log \
                 in there",
            ),
            (
                "none of that name",
                both,
                Some("another"),
                "there is no integration 'another'; it is one of: radius_server_auto",
            ),
            ("nothing", &[], None, "the node serves no integration yet"),
        ] {
            let served = served.iter().map(|(id, mode)| LoginTarget {
                integration: IntegrationId::new(*id).unwrap(),
                mode: (*mode).to_owned(),
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1812)),
            });
            let wanted = wanted.map(|id| IntegrationId::new(id).unwrap());
            let got = match choose(served.collect(), wanted.as_ref()) {
                Ok(target) => target.integration.to_string(),
                Err(failure) => failure.to_string(),
            };
            assert_eq!(got, want, "{name}");
        }
    }
}
