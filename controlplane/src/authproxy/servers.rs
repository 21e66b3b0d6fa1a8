//! RADIUS server sections, made into integrations.

use std::collections::BTreeSet;

use proto::config::{FailMode, MessageAuthenticator, Mode, PassThrough, raw};
use proto::secret::Secret;

use super::clients::{lookup_remedy, pass_through, password_codec};
use super::context::Context;
use super::diagnostic::Severity;
use super::eap;
use super::factors::{factors, prompt};
use super::imported::BuiltinApplication;
use super::schema::{Kind, SectionKind};
use super::sections::{Section, missing};
use super::values;

/// What a server section became.
pub(super) struct Built {
    /// Its application is a placeholder when `builtin` is there.
    pub(super) integration: raw::Integration,
    pub(super) builtin: Option<BuiltinApplication>,
}

/// Makes the integration of a section of mode `mode` that checks passwords with `client`.
pub(super) fn build(
    context: &mut Context<'_>,
    section: &Section,
    mode: Mode,
    main: Option<&Section>,
    client: Option<&Section>,
) -> Built {
    let (application, builtin) = application(context, section);
    let passwords_checked = client.is_some_and(|client| client.kind != SectionKind::DuoOnlyClient);
    let fail_mode = FailMode::ALL
        .iter()
        .copied()
        .find(|one| {
            section
                .effective("failmode")
                .eq_ignore_ascii_case(one.as_str())
        })
        .unwrap_or_default();
    // What names no client section has been refused already.
    let nobody_checks = mode == Mode::DuoOnly || client.is_some() && !passwords_checked;
    if fail_mode == FailMode::Safe && nobody_checks {
        let line = section
            .entry("failmode")
            .map_or(section.line, |entry| entry.line);
        context.say(
            Severity::Warning,
            line,
            (Some(&section.name), Some("failmode")),
            "no password is checked here, so failmode=safe admits everybody while the second factor is away",
            "write failmode=secure, or name a client section that checks passwords",
        );
    }
    let client_ip_attribute = section.entry("client_ip_attr").and_then(|entry| {
        context
            .dictionary
            .resolve(&entry.value)
            .map_err(|error| {
                let message = values::shorten(&error.to_string());
                context.error(section, entry, message, lookup_remedy(&error));
            })
            .ok()
    });
    let integration = raw::Integration {
        id: section.id().to_owned(),
        mode,
        listen: section
            .address("interface")
            .or_else(|| main.and_then(|main| main.address("interface"))),
        port: section.effective("port").parse().unwrap_or_default(),
        application,
        clients: clients(context, section),
        authenticator: client
            .filter(|_| mode != Mode::DuoOnly)
            .map(|client| client.id().to_owned()),
        fail_mode,
        factors: factors(context, section, mode),
        append: append(context, section, mode),
        pass_through: upstream_only(context, section, client),
        client_ip_attribute,
        password_codec: password_codec(section),
        api_timeout_seconds: section.number("api_timeout"),
        exempt_users: exempt_users(context, section, mode, nobody_checks),
        prompt: prompt(section),
        eap: (mode == Mode::Eap)
            .then(|| eap::build(context, section))
            .flatten(),
    };
    Built {
        integration,
        builtin,
    }
}

/// Who needs no second factor. Where no password is checked that is to need nothing, and where the
/// password field is the factor nobody is exempt (authproxy-config: `auto` and `challenge` only).
fn exempt_users(
    context: &mut Context<'_>,
    section: &Section,
    mode: Mode,
    nobody_checks: bool,
) -> Vec<String> {
    let entries = section.numbered("exempt_username");
    for entry in entries.values() {
        let name = values::shorten(&entry.value);
        if mode == Mode::DuoOnly {
            context.warn(
                section,
                entry,
                format!(
                    "'{name}' would be let in with any password, so this option has no effect here"
                ),
                "remove it",
            );
        } else if nobody_checks {
            context.warn(
                section,
                entry,
                format!("no password is checked here: '{name}' is let in with any password"),
                "remove it, or name a client section that checks passwords",
            );
        }
    }
    if mode == Mode::DuoOnly {
        return Vec::new();
    }
    let names = entries.into_values().map(|entry| entry.value.to_string());
    names.collect()
}

/// Says what is wrong with `ikey`, `skey` and `api_host`, of any kind of section that has them.
pub(super) fn check_keys(context: &mut Context<'_>, section: &Section) {
    let host = section.value("api_host").unwrap_or_default();
    let given = |name| section.entry(name).is_some();
    let (ikey, skey) = (given("ikey"), given("skey"));
    if values::is_builtin(host) && !ikey && !skey {
        return;
    }
    for (name, here, kind) in [
        ("ikey", ikey, Kind::IntegrationKey),
        ("skey", skey, Kind::Secret),
    ] {
        if !here {
            missing(section, name, kind, context);
        }
    }
}

fn application(
    context: &mut Context<'_>,
    section: &Section,
) -> (raw::Application, Option<BuiltinApplication>) {
    check_keys(context, section);
    let host = section.value("api_host").unwrap_or_default();
    let builtin = values::is_builtin(host).then(|| BuiltinApplication {
        integration: section.id().to_owned(),
        ikey: section.optional_text("ikey"),
        skey: section.value("skey").map(Secret::from),
    });
    let (host, port) = values::api_host(host).unwrap_or((host, 443));
    let application = raw::Application {
        ikey: section.text("ikey"),
        skey: section.secret("skey"),
        host: host.to_owned(),
        port,
        pinned_ca: None,
    };
    (application, builtin)
}

fn clients(context: &mut Context<'_>, section: &Section) -> Vec<raw::Client> {
    let addresses = section.numbered("radius_ip");
    let secrets = section.numbered("radius_secret");
    let policies = section.numbered("message_authenticator");
    let forced = section.boolean("force_message_authenticator");
    if addresses.is_empty() && secrets.is_empty() {
        missing(section, "radius_ip_1", Kind::Addresses, context);
        missing(section, "radius_secret_1", Kind::Secret, context);
    }
    let numbers: BTreeSet<u32> = [&addresses, &secrets, &policies]
        .into_iter()
        .flat_map(|entries| entries.keys().copied())
        .collect();
    let mut clients = Vec::new();
    for number in numbers {
        let (address, secret) = (addresses.get(&number), secrets.get(&number));
        let written = policies.get(&number);
        // A half that is not there is told where the other one is.
        let line = [address, secret, written].into_iter().flatten().next();
        let line = line.map_or(section.line, |entry| entry.line);
        if address.is_none() && !addresses.is_empty() || address.is_none() && secret.is_some() {
            let name = format!("radius_ip_{number}");
            missing_pair(context, section, line, &name, Kind::Addresses);
        }
        if address.is_some() && secret.is_none() {
            let name = format!("radius_secret_{number}");
            missing_pair(context, section, line, &name, Kind::Secret);
        }
        let policy = written.and_then(|entry| {
            MessageAuthenticator::ALL
                .iter()
                .copied()
                .find(|one| entry.value.eq_ignore_ascii_case(one.as_str()))
        });
        if let (Some(entry), true, Some(MessageAuthenticator::Auto | MessageAuthenticator::Off)) =
            (written, forced, policy)
        {
            context.error(
                section,
                entry,
                "force_message_authenticator=true says otherwise for this section",
                "remove one of them, or write require",
            );
        }
        if let (Some(entry), SectionKind::RadiusServerEap, Some(MessageAuthenticator::Off)) =
            (written, section.kind, policy)
        {
            context.warn(
                section,
                entry,
                "EAP always needs a Message-Authenticator, so 'off' admits nothing here",
                "remove it",
            );
        }
        if let (Some(address), Some(secret)) = (address, secret) {
            clients.push(raw::Client {
                address: address.value.to_string(),
                secret: Secret::from(secret.value.as_str()),
                message_authenticator: match policy {
                    _ if forced => MessageAuthenticator::Require,
                    Some(policy) => policy,
                    None => MessageAuthenticator::Auto,
                },
            });
        }
    }
    clients
}

/// A half of `radius_ip_N` and `radius_secret_N` that is not there.
fn missing_pair(context: &mut Context<'_>, section: &Section, line: u32, option: &str, kind: Kind) {
    context.say(
        Severity::Error,
        line,
        (Some(&section.name), Some(option)),
        "this option is missing",
        format!("write '{option}=' and {}", kind.describe()),
    );
}

/// Pass-through options mean nothing without an upstream RADIUS server.
fn upstream_only(
    context: &mut Context<'_>,
    section: &Section,
    client: Option<&Section>,
) -> PassThrough {
    let passed = pass_through(context, section);
    if client.is_some_and(|client| client.kind == SectionKind::RadiusClient) {
        return passed;
    }
    for name in ["pass_through_all", "pass_through_attr_names"] {
        match section.entry(name) {
            Some(entry) if name != "pass_through_all" || passed.all => context.warn(
                section,
                entry,
                "this option has no effect without a [radius_client]",
                "remove it, or write 'client=' and the name of a [radius_client]",
            ),
            _ => {}
        }
    }
    PassThrough::default()
}

fn append(context: &mut Context<'_>, section: &Section, mode: Mode) -> raw::Append {
    let allow = match mode {
        Mode::Concat => true,
        Mode::Auto | Mode::Eap => section.boolean("allow_concat"),
        // A prompt follows, or the password field is the factor: nothing is ever split.
        Mode::Challenge | Mode::DuoOnly => false,
    };
    for name in ["delimiter", "delimited_password_length"] {
        let (Some(entry), false) = (section.entry(name), allow) else {
            continue;
        };
        let message = if section.entry("allow_concat").is_some() {
            "allow_concat=false: nothing is split, and this option has no effect"
        } else {
            "without allow_concat=true nothing is split here, and this option has no effect"
        };
        let remedy = "remove it, or write allow_concat=true";
        context.warn(section, entry, message, remedy);
    }
    raw::Append {
        allow,
        delimiter: section.value("delimiter").unwrap_or(",").to_owned(),
        password_length: section
            .value("delimited_password_length")
            .and_then(|length| length.parse().ok()),
    }
}
