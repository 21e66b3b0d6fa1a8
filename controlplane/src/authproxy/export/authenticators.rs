//! Authenticators, as client sections.

use proto::config::{PassThrough, Transport, raw};

use super::names::kind_of;
use super::page::{Page, Part};

pub(super) fn write(page: &mut Page, index: usize, one: &raw::Authenticator, name: &str) {
    let path = format!("authenticators[{index}]");
    let mut part = page.part(kind_of(&one.kind), name, path);
    if one.id != name {
        part.say("id", "id", &one.id);
    }
    match &one.kind {
        raw::AuthenticatorKind::DuoOnly => {}
        raw::AuthenticatorKind::Radius(upstream) => radius(&mut part, upstream),
        raw::AuthenticatorKind::Ad(directory) => ad(&mut part, directory),
    }
    page.push(part);
}

fn radius(part: &mut Part, one: &raw::RadiusUpstream) {
    for ((index, host), number) in one.hosts.iter().enumerate().zip(1..) {
        part.set_nth(
            ("host", number),
            &format!("hosts[{index}].name"),
            &host.name,
        );
        part.set_nth(("port", number), &format!("hosts[{index}].port"), host.port);
    }
    part.secret(("secret", 1), "secret", &one.secret);
    part.set("retries", "retries", one.retries);
    part.set("retry_wait", "retry_wait_seconds", one.retry_wait_seconds);
    if let Some(address) = one.nas_ip {
        part.set("nas_ip", "nas_ip", address);
    }
    pass_through(part, &one.pass_through);
    part.set("pw_codec", "password_codec", one.password_codec);
    part.set(
        "force_message_authenticator",
        "require_message_authenticator",
        one.require_message_authenticator,
    );
}

fn ad(part: &mut Part, one: &raw::Directory) {
    for ((index, host), number) in one.hosts.iter().enumerate().zip(1..) {
        part.set_nth(
            ("host", number),
            &format!("hosts[{index}].name"),
            &host.name,
        );
    }
    let default = match one.transport {
        Transport::Ldaps => 636,
        Transport::Clear | Transport::StartTls => 389,
    };
    // All hosts have one; that this is so is seen when the file is read again.
    if let Some(host) = one.hosts.first().filter(|host| host.port != default) {
        part.set("port", "hosts[0].port", host.port);
    }
    part.set(
        "service_account_username",
        "service_account_username",
        &one.service_account_username,
    );
    part.secret(
        ("service_account_password", 1),
        "service_account_password",
        &one.service_account_password,
    );
    part.set("search_dn", "search_dn", &one.search_dn);
    for ((index, group), number) in one.security_groups.iter().enumerate().zip(1..) {
        let field = format!("security_groups[{index}]");
        part.set_nth(("security_group_dn", number), &field, group);
    }
    part.set("nested_groups", "nested_groups", one.nested_groups);
    if let Some(filter) = &one.ldap_filter {
        part.set("ldap_filter", "ldap_filter", filter);
    }
    part.set(
        "username_attribute",
        "username_attribute",
        &one.username_attribute,
    );
    part.set("at_attribute", "at_attribute", &one.at_attribute);
    part.set("auth_type", "auth_type", one.auth_type);
    if let Some(name) = &one.bind_dn {
        part.set("bind_dn", "bind_dn", name);
    }
    for (name, value) in [
        ("ntlm_domain", &one.ntlm_domain),
        ("ntlm_workstation", &one.ntlm_workstation),
    ] {
        if !value.is_empty() {
            part.set(name, name, value);
        }
    }
    part.set("transport", "transport", one.transport);
    if let Some(text) = &one.ca_certs {
        part.file("ssl_ca_certs_file", "ca_certs", "ssl_ca_certs.pem", text);
    }
    part.set(
        "ssl_verify_hostname",
        "verify_hostname",
        one.verify_hostname,
    );
    part.set("timeout", "timeout_seconds", one.timeout_seconds);
}

/// `pass_through_all` and `pass_through_attr_names`, of any section that has them.
pub(super) fn pass_through(part: &mut Part, one: &PassThrough) {
    if !one.attributes.is_empty() {
        let names: Vec<_> = one.attributes.iter().map(|one| one.name.as_str()).collect();
        if names.iter().any(|name| name.contains(',')) {
            part.fault(
                "pass_through.attributes",
                "a list holds no name with a comma",
            );
        }
        let names = names.join(",");
        part.set("pass_through_attr_names", "pass_through.attributes", names);
    }
    part.set("pass_through_all", "pass_through.all", one.all);
}
