//! The options of the server sections: what is served.

use super::{Kind, MENU_FACTORS, Numbering, OptionSpec, SectionKind};
use SectionKind as S;

const RADIUS: &[S] = &[
    S::RadiusServerAuto,
    S::RadiusServerChallenge,
    S::RadiusServerEap,
    S::RadiusServerConcat,
    S::RadiusServerDuoOnly,
    S::RadiusServerIframe,
];
const SERVED: &[S] = &[
    S::RadiusServerAuto,
    S::RadiusServerChallenge,
    S::RadiusServerEap,
    S::RadiusServerConcat,
    S::RadiusServerDuoOnly,
];
const PASSING: &[S] = &[
    S::RadiusServerAuto,
    S::RadiusServerChallenge,
    S::RadiusServerConcat,
    S::RadiusServerDuoOnly,
    S::RadiusServerIframe,
];
const APPLICATION: &[S] = &[
    S::RadiusServerAuto,
    S::RadiusServerChallenge,
    S::RadiusServerEap,
    S::RadiusServerConcat,
    S::RadiusServerDuoOnly,
    S::RadiusServerIframe,
    S::LdapServerAuto,
    S::Cloud,
];
const SERVERS: &[S] = &[
    S::RadiusServerAuto,
    S::RadiusServerChallenge,
    S::RadiusServerEap,
    S::RadiusServerConcat,
    S::RadiusServerDuoOnly,
    S::RadiusServerIframe,
    S::LdapServerAuto,
];
const APPEND: &[S] = &[
    S::RadiusServerAuto,
    S::RadiusServerEap,
    S::RadiusServerConcat,
    S::LdapServerAuto,
];
const PREFERRED: &[S] = &[S::RadiusServerAuto, S::LdapServerAuto];
const CHALLENGE: &[S] = &[S::RadiusServerChallenge];
const PASSCODE: &[S] = &[
    S::RadiusServerAuto,
    S::RadiusServerChallenge,
    S::RadiusServerEap,
];
const EAP: &[S] = &[S::RadiusServerEap];
const TLS: &[S] = &[S::RadiusServerEap, S::LdapServerAuto];
const IFRAME: &[S] = &[S::RadiusServerIframe];
const LDAP: &[S] = &[S::LdapServerAuto];
const CLOUD: &[S] = &[S::Cloud, S::Sso];
const SSO: &[S] = &[S::Sso];
const PROXY: &[S] = &[S::HttpProxy];
const LISTENERS: &[S] = &[
    S::RadiusServerAuto,
    S::RadiusServerChallenge,
    S::RadiusServerEap,
    S::RadiusServerConcat,
    S::RadiusServerDuoOnly,
    S::RadiusServerIframe,
    S::LdapServerAuto,
    S::HttpProxy,
];
const API_HOST: &[S] = &[
    S::RadiusServerAuto,
    S::RadiusServerChallenge,
    S::RadiusServerEap,
    S::RadiusServerConcat,
    S::RadiusServerDuoOnly,
    S::RadiusServerIframe,
    S::LdapServerAuto,
    S::Cloud,
    S::HttpProxy,
];

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("id", SERVED, Kind::Id, "What this integration is called; in a file, the section's name when unset.").ours(),
    OptionSpec::new("ikey", APPLICATION, Kind::IntegrationKey, "The integration key of the application at the service; the built-in second factor needs none."),
    OptionSpec::new("skey", APPLICATION, Kind::Secret, "The secret key of the application at the service; the built-in second factor needs none."),
    OptionSpec::new("api_host", API_HOST, Kind::ApiHost, "The host of the second factor's service, or builtin for the one that comes with the product.").required(),
    OptionSpec::new("client", SERVERS, Kind::SectionName, "The authenticator that checks passwords; a file names its section, or none where there is only one."),
    OptionSpec::new("radius_ip", RADIUS, Kind::Addresses, "The addresses that this client sends from.").numbered(Numbering::FromOne),
    OptionSpec::new("radius_secret", RADIUS, Kind::Secret, "The secret shared with this client; in a file, with the client of the same number.").numbered(Numbering::FromOne),
    OptionSpec::new("message_authenticator", RADIUS, Kind::Choice(&["auto", "require", "off"]), "What is asked of the Message-Authenticator in this client's requests; in a file, the client of the same number.").default("auto").numbered(Numbering::FromOne).ours(),
    OptionSpec::new("port", RADIUS, Kind::Integer(1, 65_535), "The UDP port to listen on.").default("1812"),
    OptionSpec::new("port", LDAP, Kind::Integer(1, 65_535), "The TCP port to listen on.").default("389"),
    OptionSpec::new("port", PROXY, Kind::Integer(1, 65_535), "The TCP port to listen on.").default("80"),
    OptionSpec::new("interface", LISTENERS, Kind::Address, "The address to listen on; all when unset."),
    OptionSpec::new("failmode", SERVERS, Kind::Choice(&["safe", "secure"]), "What happens while the second factor is unreachable: safe admits on the password alone, secure rejects.").default("safe"),
    OptionSpec::new("api_timeout", SERVERS, Kind::Integer(0, 3600), "Seconds a call to the second factor may take; 0 means 10, and 120 where a person is waited for.").default("0"),
    OptionSpec::new("pw_codec", RADIUS, Kind::Choice(&["utf-8", "latin-1"]), "How the octets of a password are read.").default("utf-8"),
    OptionSpec::new("client_ip_attr", RADIUS, Kind::Attribute, "The attribute that holds the user's own address.").default("Calling-Station-Id"),
    OptionSpec::new("pass_through_attr_names", PASSING, Kind::Attributes, "Attributes that go between the device and an upstream RADIUS server."),
    OptionSpec::new("pass_through_attr_names", EAP, Kind::Attributes, "Attributes of the device that go to an upstream RADIUS server."),
    OptionSpec::new("pass_through_all", PASSING, Kind::Boolean, "Whether all attributes go between the device and an upstream RADIUS server.").default("false"),
    OptionSpec::new("pass_through_all", EAP, Kind::Boolean, "Whether all attributes of the device go to an upstream RADIUS server.").default("false"),
    OptionSpec::new("exempt_username", RADIUS, Kind::Text, "A user who needs no second factor.").numbered(Numbering::FromOne),
    OptionSpec::new("force_message_authenticator", RADIUS, Kind::Boolean, "Whether requests without a Message-Authenticator are discarded.").default("false"),
    OptionSpec::new("factors", PREFERRED, Kind::Factors(super::FACTORS), "The factors to use, in order of preference; passcode asks for one.").default("auto"),
    OptionSpec::new("factors", EAP, Kind::Factors(super::FACTORS), "The factors to use, in order of preference; passcode asks for one. When unset, the user is asked, or gets what auto gives where a factor may be appended."),
    OptionSpec::new("factors", CHALLENGE, Kind::Factors(MENU_FACTORS), "What the menu offers and what is accepted for an answer; auto is everything.").default("auto").ours(),
    OptionSpec::new("delimiter", APPEND, Kind::Delimiter, "What stands between a password and the factor behind it.").default(","),
    OptionSpec::new("delimited_password_length", APPEND, Kind::Integer(1, 1024), "The number of characters of the password, when all have the same.").since("3.1.0"),
    OptionSpec::new("allow_concat", &[S::RadiusServerAuto, S::LdapServerAuto], Kind::Boolean, "Whether a factor may be appended to the password.").default("true"),
    OptionSpec::new("allow_concat", EAP, Kind::Boolean, "Whether a factor may be appended to the password.").default("false"),
    OptionSpec::new("prompt_format", CHALLENGE, Kind::Choice(&["console", "html", "short"]), "The shape of the menu: lines of text, the same as HTML, or one line.").default("console"),
    OptionSpec::new("enroll_challenge", CHALLENGE, Kind::Boolean, "Whether the enrolment link comes in a challenge rather than in the reject.").default("true"),
    OptionSpec::new("prompt_split", CHALLENGE, Kind::Boolean, "Whether a menu of more than 253 octets goes over several Reply-Message attributes instead of being shortened.").default("false").ours(),
    OptionSpec::new("passcode_retries", PASSCODE, Kind::Integer(0, 255), "How often in one login a wrong passcode is asked for again.").default("0").ours(),
    OptionSpec::new("certs", EAP, Kind::Path, "The certificate that devices see and its chain, in PEM.").required(),
    OptionSpec::new("pkey", EAP, Kind::Path, "The certificate's private key, in PEM without a passphrase.").required(),
    OptionSpec::new("minimum_tls_version", TLS, Kind::Choice(&["tls1.3", "tls1.2", "tls1.1", "tls1.0", "ssl3"]), "The lowest TLS version; below tls1.2 it is raised.").default("tls1.2").since("2.12.0"),
    OptionSpec::new("cipher_list", TLS, Kind::CipherList, "The cipher suites to offer; all when unset. A file names those of TLS 1.2, in OpenSSL's syntax.").since("2.12.0"),
    OptionSpec::new("type", IFRAME, Kind::Text, "The family of the appliance."),
    OptionSpec::new("ssl_port", LDAP, Kind::Integer(1, 65_535), "The TCP port for LDAPS.").default("636"),
    OptionSpec::new("ssl_key_path", LDAP, Kind::Path, "PEM file of the private key."),
    OptionSpec::new("ssl_cert_path", LDAP, Kind::Path, "PEM file of the certificate."),
    OptionSpec::new("exempt_primary_bind", LDAP, Kind::Boolean, "Whether the first bind of a connection needs no second factor.").default("true"),
    OptionSpec::new("exempt_ou", LDAP, Kind::Dn, "Entries at or under it need no second factor.").numbered(Numbering::FromOne),
    OptionSpec::new("allow_searches_after_bind", LDAP, Kind::Boolean, "Whether searches may follow a bind.").default("true"),
    OptionSpec::new("allow_unlimited_binds", LDAP, Kind::Boolean, "Whether a connection may bind again.").default("false"),
    OptionSpec::new("network_timeout", LDAP, Kind::Integer(0, 86_400), "Seconds to wait for the directory.").default("600"),
    OptionSpec::new("idle_timeout", LDAP, Kind::Integer(0, 86_400), "Seconds an idle connection is kept.").default("3600"),
    OptionSpec::new("service_account_username", CLOUD, Kind::Text, "The account that reads the directory."),
    OptionSpec::new("service_account_password", CLOUD, Kind::Secret, "Its password."),
    OptionSpec::new("rikey", SSO, Kind::Text, "The remote identity key.").required(),
    OptionSpec::new("client_ip", PROXY, Kind::AddressList, "Who may use the proxy."),
];
