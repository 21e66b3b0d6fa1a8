//! `[ad_client]`, made into a directory, and what is to be said of its options together.

use proto::config::{DirectoryAuth, Transport, raw};

use super::clients::hosts;
use super::context::Context;
use super::sections::{Entry, Section};
use super::{dn, filter, pem, values};

/// Makes the directory of an `[ad_client]`.
pub(super) fn build(context: &mut Context<'_>, section: &Section) -> raw::Directory {
    let transport = Transport::ALL
        .iter()
        .copied()
        .find(|one| is(section, "transport", one.as_str()))
        .unwrap_or_default();
    let auth = DirectoryAuth::ALL
        .iter()
        .copied()
        .find(|one| is(section, "auth_type", one.as_str()))
        .unwrap_or(DirectoryAuth::Ntlm2);
    // What was written instead is refused; nothing can be said of options beside it.
    let readable = |name| section.entry(name).is_none_or(|entry| entry.good);
    if readable("auth_type") {
        say_names(context, section, auth);
    }
    if readable("auth_type") && readable("transport") {
        say_clear(context, section, auth, transport);
    }
    let port = port(section, transport);
    if readable("transport") {
        say_transport(context, section, transport, port);
    }
    if let (Some(entry), None) = (
        section.entry("nested_groups"),
        section.entry("security_group_dn"),
    ) && section.boolean("nested_groups")
    {
        no_effect(context, section, entry, "without security_group_dn");
    }
    say_entries(context, section);
    // Without TLS nobody needs the file, which a file that was moved here may not have.
    let roots = section
        .entry("ssl_ca_certs_file")
        .filter(|_| transport != Transport::Clear);
    let ca_certs = roots.and_then(|entry| {
        let certificates = pem::certificates(context, section, entry)?;
        if pem::lacks_authority(&certificates) {
            context.warn(
                section,
                entry,
                "no certificate in it is an authority's, so it proves no server",
                "name the file of the CA that signed the servers' certificates",
            );
        }
        Some(certificates)
    });
    raw::Directory {
        hosts: hosts(context, section, |_| port),
        service_account_username: section.text("service_account_username"),
        service_account_password: section.secret("service_account_password"),
        search_dn: section.text("search_dn"),
        security_groups: section
            .numbered("security_group_dn")
            .into_values()
            .map(|entry| entry.value.to_string())
            .collect(),
        nested_groups: section.boolean("nested_groups"),
        ldap_filter: section
            .value("ldap_filter")
            .and_then(|written| filter::strict(written).ok()),
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
    }
}

fn is(section: &Section, option: &str, word: &str) -> bool {
    section.effective(option).eq_ignore_ascii_case(word)
}

fn port(section: &Section, transport: Transport) -> u16 {
    let default = match transport {
        Transport::Ldaps => 636,
        Transport::Clear | Transport::StartTls => 389,
    };
    section
        .value("port")
        .and_then(|port| port.parse().ok())
        .unwrap_or(default)
}

/// Names of entries that cannot be read here. They are shown to the directory all the same: it has
/// the last word, and takes more than is written down.
fn say_entries(context: &mut Context<'_>, section: &Section) {
    let search = section.entry("search_dn");
    let groups = section.numbered("security_group_dn");
    for entry in search.into_iter().chain(groups.into_values()) {
        if !entry.good {
            continue;
        }
        let Err(fault) = dn::check(&entry.value) else {
            continue;
        };
        let shown = values::shorten(&entry.value);
        let remedy = if entry.value.starts_with(['"', '\'']) {
            "write it without quotes"
        } else {
            "copy the name from the directory"
        };
        context.warn(
            section,
            entry,
            format!("directories may refuse '{shown}' as a distinguished name: {fault}"),
            remedy,
        );
    }
}

/// The names that a bind is made with: NTLM knows accounts, a simple bind knows entries.
fn say_names(context: &mut Context<'_>, section: &Section, auth: DirectoryAuth) {
    let account = section.entry("service_account_username");
    let bind = section.entry("bind_dn");
    match auth {
        DirectoryAuth::Ntlm2 => {
            if let Some(entry) = bind {
                no_effect(context, section, entry, "with auth_type=ntlm2");
            }
            // No account's name has a '=' in it.
            if let Some(entry) = account.filter(|entry| entry.value.contains('=')) {
                context.warn(
                    section,
                    entry,
                    "NTLM knows no distinguished names, so the directory will not be asked",
                    "write the account's name, as DOMAIN\\user or user@domain or bare; or auth_type=plain with transport=ldaps",
                );
            }
        }
        DirectoryAuth::Plain => {
            for name in ["ntlm_domain", "ntlm_workstation"] {
                if let Some(entry) = section.entry(name).filter(|entry| !entry.value.is_empty()) {
                    no_effect(context, section, entry, "with auth_type=plain");
                }
            }
            match (bind, account) {
                (Some(entry), _) => say_bind_name(context, section, entry),
                (None, Some(entry)) if !entry.value.is_empty() => {
                    say_bare_account(context, section, entry);
                }
                _ => {}
            }
        }
    }
}

/// `bind_dn` is a distinguished name. Active Directory takes `user@domain` and `DOMAIN\user` in
/// its place, and what others take is for them to say: files that have one go on working.
fn say_bind_name(context: &mut Context<'_>, section: &Section, entry: &Entry) {
    let Err(fault) = dn::check(&entry.value) else {
        return;
    };
    if entry.value.is_empty() {
        return;
    }
    let remedy = "write a distinguished name such as CN=lookup,OU=Service,DC=example,DC=com";
    let shown = values::shorten(&entry.value);
    let message = if is_account(&entry.value) {
        format!("'{shown}' is no distinguished name; only Active Directory binds with it")
    } else {
        format!("'{shown}' is no distinguished name, and directories may refuse it: {fault}")
    };
    context.warn(section, entry, message, remedy);
}

/// A bare name is found by a search, but no directory binds with it.
fn say_bare_account(context: &mut Context<'_>, section: &Section, entry: &Entry) {
    if is_account(&entry.value) || entry.value.contains('=') {
        return;
    }
    context.warn(
        section,
        entry,
        "a simple bind needs a distinguished name, and this is a bare name",
        "write 'bind_dn=' and the account's distinguished name; or DOMAIN\\user or user@domain here for Active Directory",
    );
}

/// Whether it is `user@domain` or `DOMAIN\user`.
fn is_account(name: &str) -> bool {
    !name.contains('=') && name.contains(['@', '\\'])
}

/// Passwords that everybody on the way can read.
fn say_clear(
    context: &mut Context<'_>,
    section: &Section,
    auth: DirectoryAuth,
    transport: Transport,
) {
    if (auth, transport) != (DirectoryAuth::Plain, Transport::Clear) {
        return;
    }
    // One of them is there: ntlm2 is the default.
    if let Some(entry) = section
        .entry("transport")
        .or_else(|| section.entry("auth_type"))
    {
        context.warn(
            section,
            entry,
            "passwords cross the network in the clear",
            "write transport=ldaps or transport=starttls",
        );
    }
}

/// Options that go with TLS or without it.
fn say_transport(context: &mut Context<'_>, section: &Section, transport: Transport, port: u16) {
    if transport == Transport::Clear {
        for name in ["ssl_ca_certs_file", "ssl_verify_hostname"] {
            if let Some(entry) = section.entry(name) {
                context.warn(
                    section,
                    entry,
                    "this option has no effect without TLS",
                    "write transport=ldaps or transport=starttls",
                );
            }
        }
    }
    let Some(entry) = section.entry("port") else {
        return;
    };
    match (transport, port) {
        (Transport::Clear | Transport::StartTls, 636 | 3269) => context.warn(
            section,
            entry,
            format!(
                "directories expect TLS from the first octet on port {port}, and transport={transport} begins without"
            ),
            "write transport=ldaps, or remove the line",
        ),
        (Transport::Ldaps, 389 | 3268) => context.warn(
            section,
            entry,
            format!("directories do not expect TLS from the first octet on port {port}"),
            "remove the line (ldaps has port 636), or write transport=starttls",
        ),
        _ => {}
    }
}

fn no_effect(context: &mut Context<'_>, section: &Section, entry: &Entry, when: &str) {
    let message = format!("this option has no effect {when}");
    context.warn(section, entry, message, "remove it");
}
