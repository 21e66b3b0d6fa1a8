//! How people are reached: an SMTP server, gateways for SMS and calls, Web Push.

use serde::{Deserialize, Serialize};

use super::optional_secret;
use crate::secret::Secret;

words! {
    /// How the connection to an SMTP server is protected.
    SmtpSecurity {
        /// TLS from the first octet, port 465.
        Tls = "tls",
        /// STARTTLS, which must be offered, port 587.
        StartTls = "starttls",
        /// Nothing, port 25: for a server on this machine only.
        None = "none",
    }
}

words! {
    /// How a gateway is told.
    GatewayFormat {
        /// `application/x-www-form-urlencoded`: names and values.
        Form = "form",
        /// A JSON object of texts.
        Json = "json",
    }
}

/// An SMTP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name or address.
    pub host: String,
    /// None is the one of `security`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// Who it comes from: an address, or `Name <address>`.
    pub from: String,
    /// Who logs in there; none when nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The password; never shown. None keeps the one that is there.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_secret"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub password: Option<Secret<String>>,
    /// Certificates in PEM to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

/// An HTTP gateway for SMS or calls: one `POST` for each message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// `https://…`; `http://` on this machine only.
    pub url: String,
    /// How the fields are written.
    pub format: GatewayFormat,
    /// Name and value of each field, at most 32. In a value `{number}` is the telephone number, `{text}`
    /// what is to be said, and in calls `{callback}` the address that the gateway tells what the person did.
    pub fields: std::collections::BTreeMap<String, String>,
    /// The `Authorization` header, such as `Bearer …`; never shown. None keeps the one that is there.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_secret"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub authorization: Option<Secret<String>>,
    /// Certificates in PEM to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

/// Web Push: notices to phones whose page is not open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WebPush {
    /// Whom a push service may ask about us: `mailto:…` or `https://…` (RFC 8292 section 2.1).
    pub contact: String,
    /// Hosts of push services besides those of Chrome, Firefox, Safari and Edge; `*.` before one means
    /// all below it. No notice goes to any other host.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Certificates in PEM to trust besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

/// How people are reached: `GET /delivery`. Without passwords and keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Delivery {
    /// For passcodes and invitations by e-mail; none sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Smtp>,
    /// For passcodes by SMS. None sends none: they are recorded for an administrator to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<Gateway>,
    /// For calls; none places none, and no device can be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<Gateway>,
    /// For notices; none sends none, and people keep the page open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_push: Option<WebPush>,
    /// Which secrets are set: `smtp.password`, `sms.authorization`, `voice.authorization`.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// What did not go out lately, newest first, at most 20.
    #[serde(default)]
    pub failures: Vec<DeliveryFailure>,
}

/// What did not go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeliveryFailure {
    /// Seconds since 1970, UTC.
    pub at: u64,
    /// How it was to go.
    pub channel: Channel,
    /// Whom it was for.
    pub user: String,
    /// Why not, for a person. No secret, and nothing of the message.
    pub why: String,
}

words! {
    /// One way to reach people.
    Channel {
        /// E-mail.
        Email = "email",
        /// SMS.
        Sms = "sms",
        /// A call.
        Voice = "voice",
        /// A notice on a phone.
        WebPush = "web_push",
    }
}

/// Changes how people are reached; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ChangeDelivery {
    /// E-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Set<Smtp>>,
    /// SMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<Set<Gateway>>,
    /// Calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<Set<Gateway>>,
    /// Notices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_push: Option<Set<WebPush>>,
}

/// A new value, or none any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "SetOf{T}")
)]
#[serde(rename_all = "snake_case")]
pub enum Set<T> {
    /// This one from now on.
    Set(T),
    /// None any more.
    Clear,
}

/// Sends a message that says it is a test: `POST /delivery/test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TestDelivery {
    /// How: not `web_push`, whose test is a push.
    pub channel: Channel,
    /// An e-mail address or a telephone number.
    pub to: String,
}
