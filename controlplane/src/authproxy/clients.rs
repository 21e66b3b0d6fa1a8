//! Client sections, made into authenticators.

use proto::config::{DirectoryAuth, PassThrough, PasswordCodec, Transport, raw};

use super::context::Context;
use super::pem;
use super::schema::SectionKind;
use super::sections::Section;
use super::values;

/// Makes the authenticator of a client section. None when its settings allow none; that has
/// been said.
pub(super) fn build(context: &mut Context<'_>, section: &Section) -> Option<raw::Authenticator> {
    let kind = match section.kind {
        SectionKind::DuoOnlyClient => raw::AuthenticatorKind::DuoOnly,
        SectionKind::RadiusClient => raw::AuthenticatorKind::Radius(upstream(context, section)),
        SectionKind::AdClient => raw::AuthenticatorKind::Ad(Box::new(directory(context, section)?)),
        _ => return None,
    };
    Some(raw::Authenticator {
        id: section.name.clone(),
        kind,
    })
}

fn upstream(context: &mut Context<'_>, section: &Section) -> raw::RadiusUpstream {
    let ports = section.numbered("port");
    let hosts = section.numbered("host");
    let default = 1812;
    for (number, entry) in &ports {
        if !hosts.contains_key(number) {
            context.error(
                section,
                entry,
                "there is no host with this number",
                format!("write 'host_{number}=' too, or remove the line"),
            );
        }
    }
    let hosts = hosts
        .into_iter()
        .map(|(number, entry)| raw::Host {
            name: host_name(&entry.value),
            port: ports
                .get(&number)
                .and_then(|port| port.value.parse().ok())
                .unwrap_or(default),
        })
        .collect();
    raw::RadiusUpstream {
        hosts,
        secret: section.secret("secret"),
        retries: section.number("retries"),
        retry_wait_seconds: section.number("retry_wait"),
        nas_ip: section.address("nas_ip"),
        pass_through: pass_through(context, section),
        password_codec: password_codec(section),
        require_message_authenticator: section.boolean("force_message_authenticator"),
    }
}

fn directory(context: &mut Context<'_>, section: &Section) -> Option<raw::Directory> {
    let transport = Transport::ALL
        .iter()
        .copied()
        .find(|one| {
            section
                .effective("transport")
                .eq_ignore_ascii_case(one.as_str())
        })
        .unwrap_or_default();
    let auth_type = section.effective("auth_type").to_ascii_lowercase();
    if let (Some(entry), "sspi" | "ntlm1") = (section.entry("auth_type"), auth_type.as_str()) {
        let message = if auth_type == "sspi" {
            "sspi exists on Windows only"
        } else {
            "ntlm1 is broken and not offered"
        };
        let remedy = "write auth_type=plain with transport=ldaps, and a service account";
        context.error(section, entry, message, remedy);
    }
    let auth = DirectoryAuth::ALL
        .iter()
        .copied()
        .find(|one| auth_type == one.as_str())
        .unwrap_or(DirectoryAuth::Ntlm2);
    if auth == DirectoryAuth::Plain && transport == Transport::Clear {
        let entry = section
            .entry("transport")
            .or_else(|| section.entry("auth_type"))?;
        context.warn(
            section,
            entry,
            "passwords cross the network in the clear",
            "write transport=ldaps or transport=starttls",
        );
    }
    let ca_entry = section.entry("ssl_ca_certs_file");
    if let (Some(entry), Transport::Clear) = (ca_entry, transport) {
        context.warn(
            section,
            entry,
            "this option has no effect without TLS",
            "write transport=ldaps or transport=starttls",
        );
    }
    let ca_certs = ca_entry.and_then(|entry| pem::certificates(context, section, entry));
    let default_port = if transport == Transport::Ldaps {
        636
    } else {
        389
    };
    let port = section
        .value("port")
        .and_then(|port| port.parse().ok())
        .unwrap_or(default_port);
    Some(raw::Directory {
        hosts: section
            .numbered("host")
            .into_values()
            .map(|entry| raw::Host {
                name: host_name(&entry.value),
                port,
            })
            .collect(),
        service_account_username: section.text("service_account_username"),
        service_account_password: section.secret("service_account_password"),
        search_dn: section.text("search_dn"),
        security_groups: section
            .numbered("security_group_dn")
            .into_values()
            .map(|entry| entry.value.to_string())
            .collect(),
        nested_groups: section.boolean("nested_groups"),
        ldap_filter: section.value("ldap_filter").map(parenthesised),
        username_attribute: section.text("username_attribute"),
        at_attribute: section.text("at_attribute"),
        auth_type: auth,
        bind_dn: section.optional_text("bind_dn"),
        ntlm_domain: section.text("ntlm_domain"),
        ntlm_workstation: section.text("ntlm_workstation"),
        transport,
        ca_certs,
        verify_hostname: section.boolean("ssl_verify_hostname"),
        timeout_seconds: section.number("timeout"),
    })
}

/// An IPv6 address loses its brackets; a name stays as it is.
fn host_name(value: &str) -> String {
    values::address(value).map_or_else(|| value.to_owned(), |address| address.to_string())
}

fn parenthesised(filter: &str) -> String {
    if filter.starts_with('(') {
        filter.to_owned()
    } else {
        format!("({filter})")
    }
}

/// `pass_through_all` and `pass_through_attr_names`, with every name resolved.
pub(super) fn pass_through(context: &mut Context<'_>, section: &Section) -> PassThrough {
    let mut attributes = Vec::new();
    if let Some(entry) = section.entry("pass_through_attr_names") {
        for name in values::list(&entry.value) {
            match context.dictionary.resolve(name) {
                Ok(attribute) if attributes.contains(&attribute) => {}
                Ok(attribute) => attributes.push(attribute),
                Err(error) => {
                    let remedy = lookup_remedy(&error);
                    context.error(section, entry, values::shorten(&error.to_string()), remedy);
                }
            }
        }
    }
    PassThrough {
        all: section.boolean("pass_through_all"),
        attributes,
    }
}

/// What to do about a name that no dictionary has.
pub(super) fn lookup_remedy(error: &crate::dictionary::LookupError) -> String {
    use crate::dictionary::LookupError;
    match error {
        LookupError::Unknown {
            nearest: Some(near),
            ..
        } => format!("did you mean '{near}'? '[main] dictionary=' adds a file of names"),
        _ => "name another one, or add a file of names with '[main] dictionary='".to_owned(),
    }
}

/// `pw_codec`.
pub(super) fn password_codec(section: &Section) -> PasswordCodec {
    PasswordCodec::ALL
        .iter()
        .copied()
        .find(|one| {
            section
                .effective("pw_codec")
                .eq_ignore_ascii_case(one.as_str())
        })
        .unwrap_or_default()
}
