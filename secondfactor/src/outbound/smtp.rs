//! E-mail: one message over one connection to the operator's SMTP server (RFC 5321), by `lettre`.

use std::error::Error as _;
use std::time::Duration;

use lettre::address::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::address::is_this_machine;
use super::trust;
use crate::account::is_email_address;
use crate::admin::{Smtp, SmtpSecurity};

/// A server that can be asked.
pub(crate) struct Route {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    host: String,
}

/// A letter.
pub(crate) struct Letter {
    pub(crate) to_name: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// Why a letter did not go out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    /// The letter cannot be written.
    #[error("a letter to that address cannot be written")]
    Letter(#[from] lettre::error::Error),
    /// An address is none.
    #[error("the address cannot be written to")]
    Address(#[from] lettre::address::AddressError),
    /// The server did not take it.
    #[error("{host} did not take the e-mail")]
    Server {
        host: String,
        source: lettre::transport::smtp::Error,
    },
    /// It took too long.
    #[error("{host} did not take the e-mail within {} s", LIMIT.as_secs())]
    Late { host: String },
}

impl MailError {
    /// Whether it may go well a moment later, and nothing was taken now (RFC 5321 section 4.2.1).
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Server { source, .. } if source.is_transient())
    }

    /// For a person, with its causes.
    pub(crate) fn why(&self) -> String {
        let mut why = self.to_string();
        let mut cause = self.source();
        while let Some(found) = cause {
            why.push_str(": ");
            why.push_str(&found.to_string());
            cause = found.source();
        }
        why
    }
}

impl Route {
    /// Makes a route of settings that were checked. Reads the system's certificates, so it belongs on a
    /// thread that may block.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(crate) fn new(settings: &Smtp, our_name: &str) -> Result<Self, String> {
        check(settings)?;
        let tls = match settings.security {
            SmtpSecurity::None => Tls::None,
            SmtpSecurity::Tls => Tls::Wrapper(parameters(settings)?),
            SmtpSecurity::StartTls => Tls::Required(parameters(settings)?),
        };
        let port = settings.port.unwrap_or(match settings.security {
            SmtpSecurity::Tls => 465,
            SmtpSecurity::StartTls => 587,
            SmtpSecurity::None => 25,
        });
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.clone())
                .port(port)
                .tls(tls)
                .hello_name(ClientId::Domain(our_name.to_owned()))
                .timeout(Some(STEP_LIMIT));
        if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
            let credentials = Credentials::new(user.clone(), password.expose().clone());
            builder = builder
                .credentials(credentials)
                .authentication(vec![Mechanism::Plain, Mechanism::Login]);
        }
        Ok(Self {
            transport: builder.build(),
            from: sender(&settings.from)?,
            host: settings.host.clone(),
        })
    }

    /// Hands a letter to the server. It takes 15 s at most.
    ///
    /// # Errors
    /// [`MailError`].
    pub(crate) async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let message = message(self.from.clone(), letter)?;
        match tokio::time::timeout(LIMIT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(source)) => Err(MailError::Server {
                host: self.host.clone(),
                source,
            }),
            Err(_) => Err(MailError::Late {
                host: self.host.clone(),
            }),
        }
    }
}

fn message(from: Mailbox, letter: &Letter) -> Result<Message, MailError> {
    let name: String = letter.to_name.chars().filter(|c| !c.is_control()).collect();
    let name = Some(name).filter(|name| !name.trim().is_empty());
    let to = Mailbox::new(name, letter.to.parse::<Address>()?);
    // RFC 3834 section 5: nobody's holiday note answers it.
    let automatic = HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    );
    let part = SinglePart::builder()
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text.clone());
    let message = Message::builder()
        .from(from)
        .to(to)
        .subject(letter.subject.clone())
        .message_id(None)
        .raw_header(automatic)
        .singlepart(part)?;
    Ok(message)
}

/// Checks settings.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn check(settings: &Smtp) -> Result<(), String> {
    let host = &settings.host;
    if rustls_pki_types::ServerName::try_from(host.as_str()).is_err() {
        return Err("host: it is the name or the address of a server, without a port".to_owned());
    }
    if settings.port == Some(0) {
        return Err("port: 1 to 65535".to_owned());
    }
    if settings.security == SmtpSecurity::None && !is_this_machine(host) {
        return Err(
            "security: 'none' is for a server on this machine only (127.0.0.1, ::1, localhost); use \
             'starttls' or 'tls'"
                .to_owned(),
        );
    }
    sender(&settings.from)?;
    if let Some(pem) = &settings.ca_pem {
        if settings.security == SmtpSecurity::None {
            return Err("ca_pem: nothing is believed without TLS; leave it out".to_owned());
        }
        trust::certificates(pem).map_err(|error| format!("ca_pem: it {error}"))?;
    }
    let good = |text: &str| (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
    match (&settings.user, &settings.password) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err("password: it needs a 'user' to log in with".to_owned()),
        (Some(_), None) => Err("user: it needs a 'password'".to_owned()),
        (Some(user), Some(password)) if good(user) && good(password.expose()) => Ok(()),
        (Some(_), Some(_)) => Err(
            "user, password: each has 1 to 256 octets, none of them a control character".to_owned(),
        ),
    }
}

/// `address`, or `Name <address>`.
fn sender(text: &str) -> Result<Mailbox, String> {
    let wrong = || {
        "from: it is an address, or a name and an address: Countersign <login@corp.example>"
            .to_owned()
    };
    let (name, address) = match text.trim().strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<').ok_or_else(wrong)?,
        None => ("", text.trim()),
    };
    let name = name.trim().trim_matches('"');
    if name.chars().count() > 64 || name.chars().any(|c| c.is_control() || "<>\"".contains(c)) {
        return Err(wrong());
    }
    if !is_email_address(address) {
        return Err(wrong());
    }
    let address = address.parse().map_err(|_| wrong())?;
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, address))
}

fn parameters(settings: &Smtp) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.ca_pem {
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in
            trust::certificates(pem).map_err(|error| format!("ca_pem: it {error}"))?
        {
            let certificate = Certificate::from_der(certificate.to_vec());
            let certificate = certificate.map_err(|error| format!("ca_pem: {error}"))?;
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build_rustls().map_err(|error| error.to_string())
}

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(15);

/// How long each of its steps may take: to connect, and each answer.
const STEP_LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Smtp {
        Smtp {
            host: "mail.example".to_owned(),
            port: None,
            security: SmtpSecurity::StartTls,
            from: "Login <login@corp.example>".to_owned(),
            user: None,
            password: None,
            ca_pem: None,
        }
    }

    #[test]
    fn settings_are_checked() {
        type Change = fn(&mut Smtp);
        let rows: &[(&str, Change, &str)] = &[
            ("good", |_| {}, ""),
            ("bare sender", |s| s.from = "a@b.example".to_owned(), ""),
            (
                "quoted",
                |s| s.from = "\"A B\" <a@b.example>".to_owned(),
                "",
            ),
            ("umlaut", |s| s.from = "Büro <a@b.example>".to_owned(), ""),
            ("no sender", |s| s.from = "nobody".to_owned(), "from:"),
            (
                "another header in the sender",
                |s| s.from = "A\r\nBcc: x@y.example <a@b.example>".to_owned(),
                "from:",
            ),
            (
                "another header in the address",
                |s| s.from = "a@b.example\r\nBcc: x@y.example".to_owned(),
                "from:",
            ),
            (
                "port in host",
                |s| s.host = "mail.example:25".to_owned(),
                "host:",
            ),
            ("no host", |s| s.host.clear(), "host:"),
            ("port", |s| s.port = Some(0), "port:"),
            ("plain", |s| s.security = SmtpSecurity::None, "security:"),
            (
                "plain at home",
                |s| {
                    s.security = SmtpSecurity::None;
                    s.host = "127.0.0.1".to_owned();
                },
                "",
            ),
            ("user alone", |s| s.user = Some("u".to_owned()), "user:"),
            (
                "password alone",
                |s| s.password = Some("p".into()),
                "password:",
            ),
            (
                "both",
                |s| {
                    s.user = Some("u".to_owned());
                    s.password = Some("p".into());
                },
                "",
            ),
            (
                "control character",
                |s| {
                    s.user = Some("u\r\n".to_owned());
                    s.password = Some("p".into());
                },
                "user, password:",
            ),
            ("no PEM", |s| s.ca_pem = Some("x".to_owned()), "ca_pem:"),
        ];
        for (name, change, want) in rows {
            let mut settings = settings();
            change(&mut settings);
            match check(&settings) {
                Ok(()) => assert_eq!(*want, "", "{name}"),
                Err(error) => {
                    assert!(
                        !want.is_empty() && error.starts_with(want),
                        "{name}: {error}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_letter_has_one_recipient_and_one_subject() {
        let letter = Letter {
            to_name: "Zoë\r\nBcc: x@y.example".to_owned(),
            to: "zoe@corp.example".to_owned(),
            subject: "Hi\r\nBcc: x@y.example".to_owned(),
            text: "one\n.\ntwo\n".to_owned(),
        };
        let from = sender("Login <login@corp.example>").unwrap();
        let message = message(from.clone(), &letter).unwrap();
        assert_eq!(message.envelope().to().len(), 1);
        let text = String::from_utf8(message.formatted()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        for want in ["Auto-Submitted: auto-generated", "Date: ", "Message-ID: <"] {
            assert!(head.contains(want), "{want}: {head}");
        }
        let bad = Letter {
            to: "a@b.example, c@d.example".to_owned(),
            ..letter
        };
        assert!(super::message(from, &bad).is_err());
    }
}
