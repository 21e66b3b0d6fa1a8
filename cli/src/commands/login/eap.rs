//! A login of mode `eap`: a supplicant and the device before it in one.

use std::path::Path;

use dataplane::radius::{AttributeType, Code, MAX_VALUE_OCTETS};
use dataplane::supplicant::{
    Certificate, End, KeysVerdict, ServerFault, Settings, SettingsError, Step, Supplicant,
    TlsChoice, Trust,
};
use proto::event::AuthEvent;
use proto::secret::Secret;
use serde_json::json;

use super::answer_to_prompt;
use super::wire::{Answer, Wire};
use crate::args::LoginEapArgs;
use crate::failure::Failure;
use crate::{explain, output};

/// What a supplicant is to be, checked before anything is sent or asked.
pub(super) fn settings(user: &str, args: &LoginEapArgs) -> Result<Settings, Failure> {
    let authorities = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("cannot read {}", path.display()), &error))
    };
    let trust = match &args.ca {
        Some(path) => Some(Trust {
            authorities: authorities(path)?,
            server_name: args.server_name.clone(),
        }),
        None => None,
    };
    Ok(Settings {
        user: user.to_owned(),
        outer: args.outer.clone().unwrap_or_else(|| user.to_owned()),
        highest_version: args.peap.unwrap_or(1),
        tls: match args.tls.as_deref() {
            Some("1.2") => TlsChoice::Only12,
            Some("1.3") => TlsChoice::Only13,
            _ => TlsChoice::Any,
        },
        trust,
    })
}

/// A supplicant that is set up, with its first packet.
pub(super) fn begin(
    settings: &Settings,
    ca: Option<&Path>,
) -> Result<(Supplicant, Vec<u8>), Failure> {
    Supplicant::begin(settings).map_err(|error| match (&error, ca) {
        (SettingsError::Authorities, Some(path)) => {
            Failure::usage(format!("{}: {error}", path.display()))
        }
        (SettingsError::ServerName, _) => Failure::usage(format!("--server-name: {error}")),
        (SettingsError::Name, _) => Failure::usage(error.to_string()),
        _ => Failure::new("no supplicant can be set up", &error),
    })
}

pub(super) async fn run(
    wire: &Wire,
    settings: Settings,
    (supplicant, first): (Supplicant, Vec<u8>),
    password: Secret<String>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut login = Login {
        wire,
        settings,
        supplicant,
        password: Some(password),
        prompts: Vec::new(),
        as_json,
        told_certificate: false,
        told_tunnel: false,
    };
    let ((code, end), event) = wire.recorded(login.talk(first)).await?;
    login.show(code, &end, event.as_ref());
    end.verdict()
}

struct Login<'a> {
    wire: &'a Wire,
    settings: Settings,
    supplicant: Supplicant,
    /// Until it is asked for.
    password: Option<Secret<String>>,
    prompts: Vec<String>,
    as_json: bool,
    told_certificate: bool,
    told_tunnel: bool,
}

/// How it ended.
#[derive(Debug)]
enum Ended {
    /// The user is let in; how the keys of the accept are to the tunnel's.
    Accepted(KeysVerdict),
    Rejected,
    Fault(ServerFault),
    /// The device hears one thing, and the supplicant another.
    Contradiction,
}

impl Ended {
    /// None when there is nothing to say but the verdict.
    fn fault(&self) -> Option<String> {
        Some(match self {
            Self::Accepted(KeysVerdict::Same) | Self::Rejected => return None,
            Self::Accepted(KeysVerdict::Missing) => {
                "the accept has no MS-MPPE keys: an access point would let nobody through".to_owned()
            }
            Self::Accepted(KeysVerdict::Different) => {
                "the MS-MPPE keys of the accept are not the tunnel's: an access point would let nobody \
                 through"
                    .to_owned()
            }
            Self::Fault(fault) => fault.to_string(),
            Self::Contradiction => {
                "the device and the supplicant are told different ends of the login".to_owned()
            }
        })
    }

    fn verdict(&self) -> Result<(), Failure> {
        match (self, self.fault()) {
            (Self::Accepted(_), None) => Ok(()),
            (_, fault) => Err(Failure::plain(fault.unwrap_or_default())),
        }
    }
}

impl Login<'_> {
    /// The whole conversation: the code of the last answer, and how it ended.
    async fn talk(&mut self, first: Vec<u8>) -> Result<(Code, Ended), Failure> {
        let mut packet = first;
        let mut state: Option<Vec<u8>> = None;
        // The supplicant gives up long before there is no further identifier.
        for identifier in 0..=u8::MAX {
            let answer = self.relay(identifier, &packet, state.as_deref()).await?;
            let received = answer.packet()?;
            let mut step = match received.eap_message() {
                Some(eap) => self.supplicant.receive(&eap),
                None => Step::Over(self.supplicant.is_left()),
            };
            self.tell();
            if let Step::Asked(prompt) = step {
                let typed = self.typed(prompt).await?;
                step = self.supplicant.answer(&typed);
            }
            let code = received.code();
            let ended = match (step, code) {
                (Step::Send(next), Code::ACCESS_CHALLENGE) => {
                    packet = next;
                    state = received.first(AttributeType::STATE).map(<[u8]>::to_vec);
                    continue;
                }
                (Step::Over(End::Success(keys)), Code::ACCESS_ACCEPT) => {
                    Ended::Accepted(keys.compare(&received, answer.hop(self.wire)))
                }
                (Step::Over(End::Failure), Code::ACCESS_REJECT) => Ended::Rejected,
                (Step::Over(End::Fault(fault)), _) => Ended::Fault(fault),
                _ => Ended::Contradiction,
            };
            return Ok((code, ended));
        }
        Err(Failure::plain("the conversation has no end"))
    }

    /// Sends what the supplicant says, as a device does.
    async fn relay(
        &self,
        identifier: u8,
        eap: &[u8],
        state: Option<&[u8]>,
    ) -> Result<Answer, Failure> {
        self.wire
            .ask(identifier, |request| {
                let name = self.settings.outer.as_bytes();
                request
                    .attribute(AttributeType::USER_NAME, name)?
                    .attribute(AttributeType::FRAMED_MTU, &FRAMED_MTU.to_be_bytes())?;
                for piece in eap.chunks(MAX_VALUE_OCTETS) {
                    request.attribute(AttributeType::EAP_MESSAGE, piece)?;
                }
                if let Some(state) = state {
                    request.attribute(AttributeType::STATE, state)?;
                }
                Ok(())
            })
            .await
    }

    /// What is typed at a prompt: the first is the one for the password.
    async fn typed(&mut self, prompt: String) -> Result<Secret<String>, Failure> {
        let shown = shown(&prompt);
        self.prompts.push(prompt);
        if !self.as_json {
            output::line(format_args!("asked: {shown}"));
        }
        match self.password.take() {
            Some(password) => Ok(password),
            None if self.as_json => answer_to_prompt(shown).await,
            None => answer_to_prompt("Answer: ".to_owned()).await,
        }
    }

    /// Tells what is known of the tunnel, each once.
    fn tell(&mut self) {
        if self.as_json {
            return;
        }
        if !self.told_certificate
            && let Some(certificate) = self.supplicant.certificate()
        {
            self.told_certificate = true;
            for line in described(&certificate, self.settings.trust.as_ref()) {
                output::line(format_args!("{line}"));
            }
        }
        if !self.told_tunnel
            && let (Some(version), Some(tls)) = (
                self.supplicant.peap_version(),
                self.supplicant.tls_version(),
            )
        {
            self.told_tunnel = true;
            output::line(format_args!("PEAP version {version} with TLS {tls}"));
        }
    }

    fn show(&self, code: Code, ended: &Ended, event: Option<&AuthEvent>) {
        let supplicant = &self.supplicant;
        let keys = match ended {
            Ended::Accepted(KeysVerdict::Same) => Some("same"),
            Ended::Accepted(KeysVerdict::Missing) => Some("missing"),
            Ended::Accepted(KeysVerdict::Different) => Some("different"),
            _ => None,
        };
        if self.as_json {
            output::json(&json!({
                "code": code.to_string(),
                "prompts": self.prompts,
                "eap": {
                    "method": "PEAP",
                    "version": supplicant.peap_version(),
                    "tls": supplicant.tls_version(),
                    "outer": self.settings.outer,
                    "certificate": supplicant.certificate(),
                    "keys": keys,
                    "crypto_binding": supplicant.is_bound(),
                },
                "fault": ended.fault(),
                "login": event,
            }));
            return;
        }
        match event {
            // Its text is not sent: beside EAP there is no Reply-Message (RFC 3579 section 2.6.5).
            Some(event) => explain::print(&AuthEvent {
                reply_message: None,
                ..event.clone()
            }),
            None => output::line(format_args!("{code}")),
        }
        if keys == Some("same") {
            let bound = match supplicant.is_bound() {
                true => ", bound to the login inside it",
                false => "",
            };
            output::line(format_args!(
                "keys: MS-MPPE-Recv-Key and MS-MPPE-Send-Key of the accept are the tunnel's{bound}"
            ));
        }
    }
}

/// As it is, but for what a terminal would obey.
fn shown(prompt: &str) -> String {
    let harmless = |one: char| match one {
        '\n' => one,
        one if one.is_control() => '\u{fffd}',
        one => one,
    };
    prompt.chars().map(harmless).collect()
}

fn described(certificate: &Certificate, trust: Option<&Trust>) -> Vec<String> {
    let unreadable = certificate.subject.is_empty() && certificate.issuer.is_empty();
    let mut lines = vec![match unreadable {
        true => "certificate: cannot be read".to_owned(),
        false => format!("certificate: {}", certificate.subject),
    }];
    if !unreadable {
        lines.push(format!("  issued by {}", certificate.issuer));
        lines.push(format!("  good until {}", certificate.until));
    }
    if !certificate.names.is_empty() {
        lines.push(format!("  for {}", certificate.names.join(", ")));
    }
    lines.push(format!("  SHA-256 {}", certificate.sha256));
    lines.push(match (trust, certificate.verified) {
        (None, _) => "  not verified: --ca FILE does, as a supplicant would".to_owned(),
        (Some(_), false) => "  not trusted".to_owned(),
        (Some(trust), true) => match &trust.server_name {
            Some(name) => format!("  verified: by the CA, and for {name}"),
            None => "  verified: by the CA; --server-name NAME verifies the name too".to_owned(),
        },
    });
    lines
}

/// What devices say.
const FRAMED_MTU: u32 = 1_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(verified: bool) -> Certificate {
        Certificate {
            subject: "CN=radius.example.com".to_owned(),
            issuer: "CN=Example CA".to_owned(),
            names: vec!["radius.example.com".to_owned(), "192.0.2.5".to_owned()],
            not_after: 1_826_841_600,
            until: "2027-11-22".to_owned(),
            sha256: "ab:cd".to_owned(),
            intermediates: 1,
            verified,
        }
    }

    #[test]
    fn a_certificate_is_told_with_what_it_was_held_against() {
        let trust = |name: Option<&str>| Trust {
            authorities: String::new(),
            server_name: name.map(str::to_owned),
        };
        for (trust, verified, last) in [
            (
                None,
                false,
                "  not verified: --ca FILE does, as a supplicant would",
            ),
            (Some(trust(None)), false, "  not trusted"),
            (
                Some(trust(None)),
                true,
                "  verified: by the CA; --server-name NAME verifies the name too",
            ),
            (
                Some(trust(Some("radius.example.com"))),
                true,
                "  verified: by the CA, and for radius.example.com",
            ),
        ] {
            let lines = described(&certificate(verified), trust.as_ref());
            assert_eq!(
                lines,
                [
                    "certificate: CN=radius.example.com",
                    "  issued by CN=Example CA",
                    "  good until 2027-11-22",
                    "  for radius.example.com, 192.0.2.5",
                    "  SHA-256 ab:cd",
                    last,
                ]
            );
        }
        let unreadable = Certificate {
            subject: String::new(),
            issuer: String::new(),
            names: Vec::new(),
            ..certificate(false)
        };
        assert_eq!(
            described(&unreadable, None)[..2],
            ["certificate: cannot be read", "  SHA-256 ab:cd"]
        );
    }

    #[test]
    fn a_terminal_is_not_spoken_to_by_a_prompt() {
        assert_eq!(
            shown("For alice\n\n1. Push\u{1b}[2J\r: "),
            "For alice\n\n1. Push\u{fffd}[2J\u{fffd}: "
        );
    }

    #[test]
    fn an_accept_without_the_tunnels_keys_is_no_success() {
        for (ended, says) in [
            (Ended::Accepted(KeysVerdict::Same), None),
            (
                Ended::Accepted(KeysVerdict::Missing),
                Some("has no MS-MPPE keys"),
            ),
            (
                Ended::Accepted(KeysVerdict::Different),
                Some("are not the tunnel's"),
            ),
            (Ended::Rejected, Some("")),
            (Ended::Contradiction, Some("different ends")),
        ] {
            match (ended.verdict(), says) {
                (Ok(()), None) => {}
                (Err(failure), Some(says)) => {
                    assert!(failure.to_string().contains(says), "{failure}");
                    assert_eq!(failure.to_string().is_empty(), says.is_empty());
                }
                other => panic!("{ended:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn options_say_how_the_supplicant_is() {
        let settings = |args: LoginEapArgs| settings("alice", &args).unwrap();
        let usual = settings(LoginEapArgs::default());
        assert_eq!(
            (usual.user.as_str(), usual.outer.as_str()),
            ("alice", "alice")
        );
        assert_eq!((usual.highest_version, usual.tls), (1, TlsChoice::Any));
        assert!(usual.trust.is_none());
        let set = settings(LoginEapArgs {
            outer: Some("anonymous".to_owned()),
            tls: Some("1.2".to_owned()),
            peap: Some(0),
            ..LoginEapArgs::default()
        });
        assert_eq!(set.outer, "anonymous");
        assert_eq!((set.highest_version, set.tls), (0, TlsChoice::Only12));
        let absent = LoginEapArgs {
            ca: Some("/no/such.pem".into()),
            ..LoginEapArgs::default()
        };
        let error = super::settings("alice", &absent).unwrap_err();
        assert!(
            error.to_string().contains("cannot read /no/such.pem"),
            "{error}"
        );
    }
}
