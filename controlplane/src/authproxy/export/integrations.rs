//! Integrations, as server sections.

use proto::config::{CipherSuite, MessageAuthenticator, Mode, TlsVersion, raw};

use super::super::cipher_list;
use super::authenticators::pass_through;
use super::names::{Names, kind_of_mode};
use super::page::{Page, Part};

pub(super) fn write(page: &mut Page, index: usize, one: &raw::Integration, names: &Names) {
    let name = names.of_integration(&one.id);
    let path = format!("integrations[{index}]");
    let mut part = page.part(kind_of_mode(one.mode), name, path);
    if one.id != name {
        part.say("id", "id", &one.id);
    }
    application(&mut part, &one.application);
    if let Some(id) = one.authenticator.as_ref().filter(|_| !names.only_one()) {
        part.set("client", "authenticator", names.of_authenticator(id));
    }
    clients(&mut part, &one.clients);
    part.set("port", "port", one.port);
    if let Some(address) = one.listen {
        part.set("interface", "listen", address);
    }
    part.set("failmode", "fail_mode", one.fail_mode);
    part.set(
        "api_timeout",
        "api_timeout_seconds",
        one.api_timeout_seconds,
    );
    part.set("pw_codec", "password_codec", one.password_codec);
    if let Some(attribute) = &one.client_ip_attribute {
        part.say("client_ip_attr", "client_ip_attribute", &attribute.name);
    }
    pass_through(&mut part, &one.pass_through);
    for ((index, user), number) in one.exempt_users.iter().enumerate().zip(1..) {
        let field = format!("exempt_users[{index}]");
        part.set_nth(("exempt_username", number), &field, user);
    }
    if !one.factors.is_empty() {
        let words: Vec<_> = one.factors.iter().map(|one| one.as_str()).collect();
        part.set("factors", "factors", words.join(","));
    }
    part.set("delimiter", "append.delimiter", &one.append.delimiter);
    if let Some(length) = one.append.password_length {
        part.set(
            "delimited_password_length",
            "append.password_length",
            length,
        );
    }
    part.set("allow_concat", "append.allow", one.append.allow);
    part.set("prompt_format", "prompt.format", one.prompt.format);
    part.set(
        "enroll_challenge",
        "prompt.enroll_challenge",
        one.prompt.enroll_challenge,
    );
    part.set("prompt_split", "prompt.split", one.prompt.split);
    part.set(
        "passcode_retries",
        "prompt.passcode_retries",
        one.prompt.passcode_retries,
    );
    if let Some(eap) = one.eap.as_ref().filter(|_| one.mode == Mode::Eap) {
        tls(&mut part, eap);
    }
    page.push(part);
}

fn application(part: &mut Part, one: &raw::Application) {
    part.set("ikey", "application.ikey", &one.ikey);
    part.secret(("skey", 1), "application.skey", &one.skey);
    let host = match (&one.pinned_ca, one.port) {
        (Some(_), _) => "builtin".to_owned(),
        // A host may have that name.
        (None, 443) if !super::super::values::is_builtin(&one.host) => one.host.clone(),
        (None, port) => format!("{}:{port}", one.host),
    };
    part.set("api_host", "application.host", host);
}

fn clients(part: &mut Part, clients: &[raw::Client]) {
    // The replaced product knows this one.
    let require = MessageAuthenticator::Require;
    let forced = clients
        .iter()
        .all(|one| one.message_authenticator == require);
    part.set("force_message_authenticator", "clients", forced);
    for ((index, one), number) in clients.iter().enumerate().zip(1..) {
        let field = |name: &str| format!("clients[{index}].{name}");
        part.set_nth(("radius_ip", number), &field("address"), &one.address);
        part.secret(("radius_secret", number), &field("secret"), &one.secret);
        if !forced {
            part.set_nth(
                ("message_authenticator", number),
                &field("message_authenticator"),
                one.message_authenticator,
            );
        }
    }
}

fn tls(part: &mut Part, one: &raw::Eap) {
    part.file("certs", "eap.certificates", "certs.pem", &one.certificates);
    part.private_file("pkey", "eap.private_key", "pkey.pem", &one.private_key);
    part.set("minimum_tls_version", "eap.minimum_tls", one.minimum_tls);
    if !one.cipher_suites.is_empty() {
        part.set("cipher_list", "eap.cipher_suites", list(&one.cipher_suites));
    }
}

/// A list that names suites of TLS 1.2 only leaves all of TLS 1.3, unless it says otherwise.
fn list(suites: &[CipherSuite]) -> String {
    let mut words: Vec<_> = suites.iter().map(|one| cipher_list::name(*one)).collect();
    if suites.iter().all(|one| one.version() == TlsVersion::Tls12) {
        words.push("!TLSv1.3");
    }
    words.join(":")
}
