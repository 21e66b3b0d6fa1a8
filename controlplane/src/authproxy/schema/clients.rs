//! The options of the client sections: where passwords are checked.

use super::{Kind, Numbering, OptionSpec, Refused, SectionKind};

const AD: &[SectionKind] = &[SectionKind::AdClient];
const RADIUS: &[SectionKind] = &[SectionKind::RadiusClient];

const ALL: &[SectionKind] = &[
    SectionKind::AdClient,
    SectionKind::RadiusClient,
    SectionKind::DuoOnlyClient,
];

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new(
        "id",
        ALL,
        Kind::Id,
        "What this authenticator is called; in a file, the section's name when unset.",
    )
    .ours(),
    OptionSpec::new(
        "host",
        AD,
        Kind::Host,
        "A directory server; the next one is asked when it does not answer.",
    )
    .required()
    .numbered(Numbering::FromTwo),
    OptionSpec::new(
        "port",
        AD,
        Kind::Integer(1, 65_535),
        "The TCP port of the servers: 389, or 636 with LDAPS.",
    ),
    OptionSpec::new(
        "service_account_username",
        AD,
        Kind::Text,
        "The account that looks users up; read access is enough. DOMAIN\\user, user@domain or a bare name; a simple bind uses the bind DN where there is one.",
    )
    .required(),
    OptionSpec::new(
        "service_account_password",
        AD,
        Kind::Secret,
        "The password of that account.",
    )
    .required(),
    OptionSpec::new(
        "search_dn",
        AD,
        Kind::Dn,
        "The entry under which all users are.",
    )
    .required(),
    OptionSpec::new(
        "security_group_dn",
        AD,
        Kind::Dn,
        "Only members of this group may log in, or of one of several.",
    )
    .numbered(Numbering::FromOne),
    OptionSpec::new(
        "nested_groups",
        AD,
        Kind::Boolean,
        "Whether members of groups within a security group count as its members.",
    )
    .default("false")
    .ours(),
    OptionSpec::new(
        "ldap_filter",
        AD,
        Kind::Filter,
        "What the user's entry must match besides.",
    ),
    OptionSpec::new(
        "username_attribute",
        AD,
        Kind::LdapAttribute,
        "The attribute that equals the user name.",
    )
    .default("sAMAccountName"),
    OptionSpec::new(
        "at_attribute",
        AD,
        Kind::LdapAttribute,
        "The attribute that equals a user name with an @.",
    )
    .default("userPrincipalName"),
    OptionSpec::new(
        "auth_type",
        AD,
        Kind::Choice(&["ntlm2", "plain"]),
        "How to bind to the directory: NTLMv2, or a simple bind.",
    )
    .default("ntlm2")
    .refused(&[
        Refused {
            value: "sspi",
            message: "sspi exists on Windows only",
            remedy: "write auth_type=ntlm2, or auth_type=plain with transport=ldaps; either needs \
                     service_account_username and service_account_password",
        },
        Refused {
            value: "ntlm1",
            message: "ntlm1 is broken and not offered",
            remedy: "write auth_type=ntlm2, or auth_type=plain with transport=ldaps",
        },
    ]),
    OptionSpec::new(
        "bind_dn",
        AD,
        Kind::Text,
        "The distinguished name that the service account binds as in a simple bind; its user name when unset.",
    ),
    OptionSpec::new(
        "ntlm_domain",
        AD,
        Kind::Text,
        "With NTLMv2: the domain of a service account that names none, and of users whose entry does not tell its own; empty lets the directory choose.",
    )
    .may_be_empty(),
    OptionSpec::new(
        "ntlm_workstation",
        AD,
        Kind::Text,
        "With NTLMv2: the name that the gateway gives as its own.",
    )
    .may_be_empty(),
    OptionSpec::new(
        "transport",
        AD,
        Kind::Choice(&["clear", "starttls", "ldaps"]),
        "How the connection is protected.",
    )
    .default("clear"),
    OptionSpec::new(
        "ssl_ca_certs_file",
        AD,
        Kind::Path,
        "The trust roots for the directory, in PEM; the system's when unset.",
    ),
    OptionSpec::new(
        "ssl_verify_hostname",
        AD,
        Kind::Boolean,
        "Whether the certificate's name must be the host's.",
    )
    .default("true"),
    OptionSpec::new(
        "ssl_verify_depth",
        AD,
        Kind::Integer(0, 100),
        "Limited the length of a certificate chain; it has no effect.",
    )
    .default("6"),
    OptionSpec::new(
        "timeout",
        AD,
        Kind::Integer(1, 600),
        "Seconds to wait for each server.",
    )
    .default("10"),
    OptionSpec::new(
        "host",
        RADIUS,
        Kind::Host,
        "An upstream RADIUS server; the next one is asked when it does not answer.",
    )
    .required()
    .numbered(Numbering::FromTwo),
    OptionSpec::new(
        "port",
        RADIUS,
        Kind::Integer(1, 65_535),
        "The UDP port of this server; in a file, of the host with the same number.",
    )
    .default("1812")
    .numbered(Numbering::FromTwo),
    OptionSpec::new(
        "secret",
        RADIUS,
        Kind::Secret,
        "The secret shared with the servers, the same with all of them.",
    )
    .required(),
    OptionSpec::new(
        "retries",
        RADIUS,
        Kind::Integer(0, 100),
        "Repeats after the first try, in turn over the servers.",
    )
    .default("3"),
    OptionSpec::new(
        "retry_wait",
        RADIUS,
        Kind::Integer(1, 600),
        "Seconds each try waits.",
    )
    .default("2"),
    OptionSpec::new(
        "nas_ip",
        RADIUS,
        Kind::Address,
        "The NAS-IP-Address sent upstream; the address the request leaves from when unset.",
    ),
    OptionSpec::new(
        "pass_through_attr_names",
        RADIUS,
        Kind::Attributes,
        "Attributes of the upstream's answer that come back to the device.",
    ),
    OptionSpec::new(
        "pass_through_all",
        RADIUS,
        Kind::Boolean,
        "Whether all attributes of the upstream's answer come back to the device.",
    )
    .default("false"),
    OptionSpec::new(
        "pw_codec",
        RADIUS,
        Kind::Choice(&["utf-8", "latin-1"]),
        "How a password is written for the upstream.",
    )
    .default("utf-8"),
    OptionSpec::new(
        "force_message_authenticator",
        RADIUS,
        Kind::Boolean,
        "Whether answers without a Message-Authenticator are refused; one that is there is always verified.",
    )
    .default("false"),
];
