//! `countersign login`: a real RADIUS login through a running node, explained step by step.

mod eap;
mod plain;
mod wire;

use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::time::Duration;

use dataplane::admin::LoginTarget;
use proto::child::Role;
use proto::config::Mode;
use proto::id::IntegrationId;
use proto::secret::Secret;
use wire::Wire;
use zeroize::Zeroizing;

use crate::args::{LoginArgs, LoginEapArgs};
use crate::failure::Failure;
use crate::paths::DataDir;

pub(crate) async fn run(args: LoginArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let node = data.client(Role::DataPlane)?;
    let targets: Vec<LoginTarget> = node.get("/login/targets", LIMIT).await.map_err(|error| {
        Failure::new(
            "no running gateway can be asked; is this the right --data-dir?",
            &error,
        )
    })?;
    let target = choose(targets, args.integration.as_ref())?;
    let as_json = args.tool.output.json;
    if target.mode != Mode::Eap.as_str() {
        if args.eap != LoginEapArgs::default() {
            return Err(Failure::usage(format!(
                "'{}' speaks no EAP: --outer, --ca, --server-name, --tls and --peap are for sections \
                 that do",
                target.integration
            )));
        }
        let password = password(args.password.password_file.as_deref())?;
        let wire = Wire::open(node, &target).await?;
        return plain::run(&wire, &args.user, password, as_json).await;
    }
    let settings = eap::settings(&args.user, &args.eap)?;
    let supplicant = eap::begin(&settings, args.eap.ca.as_deref())?;
    let password = password(args.password.password_file.as_deref())?;
    let wire = Wire::open(node, &target).await?;
    eap::run(&wire, settings, supplicant, password, as_json).await
}

/// The integration that was named, or the only one.
fn choose(
    targets: Vec<LoginTarget>,
    wanted: Option<&IntegrationId>,
) -> Result<LoginTarget, Failure> {
    let names = targets.iter().map(|one| one.integration.to_string());
    let known = names.collect::<Vec<_>>().join(", ");
    let mut found = targets
        .into_iter()
        .filter(|one| wanted.is_none_or(|wanted| one.integration == *wanted));
    match (found.next(), found.next(), wanted) {
        (Some(one), None, _) => Ok(one),
        (None, _, None) => Err(Failure::plain("the node serves no integration yet")),
        (None, _, Some(wanted)) => Err(Failure::usage(format!(
            "there is no integration '{wanted}'; it is one of: {known}"
        ))),
        (Some(_), Some(_), _) => Err(Failure::usage(format!(
            "say which with --integration: {known}"
        ))),
    }
}

pub(crate) fn password(file: Option<&Path>) -> Result<Secret<String>, Failure> {
    let Some(path) = file else {
        return ask("Password: ");
    };
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| Failure::new(format!("cannot read {}", path.display()), &error))?;
    Ok(Secret::from(text.lines().next().unwrap_or_default()))
}

/// As the password comes. An end of input is no empty answer: that would only be asked again.
pub(crate) async fn answer_to_prompt(prompt: String) -> Result<Secret<String>, Failure> {
    // Whoever types has time, and what comes of the login meanwhile is read on.
    let typed = tokio::task::spawn_blocking(move || {
        let at_end = || {
            std::io::stdin()
                .lock()
                .fill_buf()
                .is_ok_and(<[u8]>::is_empty)
        };
        if !std::io::stdin().is_terminal() && at_end() {
            return Err(Failure::plain(
                "the gateway asks, and the input has no further line to answer with",
            ));
        }
        ask(&prompt)
    });
    typed
        .await
        .map_err(|error| Failure::new("nothing can be read", &error))?
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

/// Of a call to the node that needs no person.
const LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    #[test]
    fn the_integration_is_the_named_one_or_the_only_one() {
        let auto: &[(&str, &str)] = &[("radius_server_auto", "auto")];
        let eap: &[(&str, &str)] = &[("radius_server_eap", "eap")];
        let both: &[(&str, &str)] = &[("radius_server_eap", "eap"), ("radius_server_auto", "auto")];
        let two: &[(&str, &str)] = &[
            ("radius_server_auto", "auto"),
            ("radius_server_auto2", "auto"),
        ];
        for (name, served, wanted, want) in [
            ("the only one", auto, None, "radius_server_auto"),
            ("the only one, and EAP", eap, None, "radius_server_eap"),
            (
                "two modes",
                both,
                None,
                "say which with --integration: radius_server_eap, radius_server_auto",
            ),
            (
                "EAP by name",
                both,
                Some("radius_server_eap"),
                "radius_server_eap",
            ),
            (
                "one beside EAP",
                both,
                Some("radius_server_auto"),
                "radius_server_auto",
            ),
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
                "none of that name",
                both,
                Some("another"),
                "there is no integration 'another'; it is one of: radius_server_eap, \
                 radius_server_auto",
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
