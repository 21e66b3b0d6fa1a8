//! Where this product does otherwise than the one it replaces, as far as a file can ask for it.
//!
//! Data only: `docs/differences.md` is made of it, and `validate` shows what a file triggers.

use std::fmt;

use serde::Serialize;

use super::schema::SectionKind;
use super::sections::Section;
use super::{factors, support, values};

/// One difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The option or the behaviour.
    pub subject: &'static str,
    /// What happens here.
    pub ours: &'static str,
    /// What happened there.
    pub theirs: &'static str,
    /// Why.
    pub why: &'static str,
    /// Which files it concerns.
    #[serde(skip)]
    when: When,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subject,
            ours,
            theirs,
            why,
            ..
        } = self;
        write!(f, "{subject}: here {ours}; before, {theirs}; because {why}")
    }
}

/// Which files a difference concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Those with such a section.
    Section(SectionKind),
    /// Those with any RADIUS server section.
    RadiusServer,
    /// Those with the option, in a section that is served.
    Option(&'static str),
    /// Those with the option in a section of that kind.
    OptionOf(SectionKind, &'static str),
    /// Those with a section that asks for a factor.
    Asking,
    /// Those of them that ask in an Access-Challenge of their own, without EAP.
    AskingByState,
    /// Those with a section of EAP that lets the user choose a factor.
    EapMenu,
    /// Those with a server section in which the option is unset or `0`.
    Unset(&'static str),
    /// Those with a client section of several hosts.
    SecondHost,
    /// Those with an upstream RADIUS server that is written as a name.
    UpstreamByName,
}

/// Every difference.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        subject: "message_authenticator",
        ours: "requests that carry Proxy-State or EAP without a Message-Authenticator are discarded; message_authenticator_N=off admits an old device",
        theirs: "they were served",
        why: "without it answers can be forged (CVE-2024-3596)",
        when: When::RadiusServer,
    },
    Difference {
        subject: "api_timeout",
        ours: "unset or 0 means 10 s for an answer that needs no person and 120 s for one that does",
        theirs: "calls had no deadline",
        why: "a login must end before the device gives up",
        when: When::Unset("api_timeout"),
    },
    Difference {
        subject: "delimiter",
        ours: "letters and digits are refused",
        theirs: "they were accepted",
        why: "they occur in passcodes and names of factors",
        when: When::Option("delimiter"),
    },
    Difference {
        subject: "minimum_tls_version",
        ours: "tls1.2 at the least",
        theirs: "older versions could be chosen",
        why: "they are broken",
        when: When::Option("minimum_tls_version"),
    },
    Difference {
        subject: "allow_concat in [radius_server_eap]",
        ours: "false when unset",
        theirs: "true in old versions, false in newer ones",
        why: "the newer documentation is followed",
        when: When::Section(SectionKind::RadiusServerEap),
    },
    Difference {
        subject: "factors in [radius_server_eap]",
        ours: "used without a prompt when written; passcode asks for one",
        theirs: "without allow_concat=true the user was asked, whatever was written",
        why: "who names the factors wants these",
        when: When::OptionOf(SectionKind::RadiusServerEap, "factors"),
    },
    Difference {
        subject: "menu of [radius_server_eap]",
        ours: "one line of names, each with its number; an option is chosen by name, or by its position in the line",
        theirs: "one line of names; a position was sent to the service, which refused it",
        why: "what a prompt lists should be an answer to it",
        when: When::EapMenu,
    },
    Difference {
        subject: "method of EAP",
        ours: "PEAP is offered first, version 0 or 1, and EAP-TTLS (inner PAP or GTC) to a supplicant that asks for it",
        theirs: "GTC without TLS was offered first, then PEAP version 0; a supplicant with neither was asked without end",
        why: "a password must not travel unprotected",
        when: When::Section(SectionKind::RadiusServerEap),
    },
    Difference {
        subject: "TLS of EAP",
        ours: "1.2 and 1.3, with ECDHE and authenticated ciphers only, never resumed",
        theirs: "1.2, or older ones where that was written, with any cipher",
        why: "the older ones are broken; a resumed session would not be asked for a factor",
        when: When::Section(SectionKind::RadiusServerEap),
    },
    Difference {
        subject: "cipher_list",
        ours: "what is no word of OpenSSL's is an error, and so is a list that leaves no suite of TLS 1.2; what has no counterpart is a warning",
        theirs: "unknown words were passed over",
        why: "a slip in what is to be ruled out must not pass",
        when: When::Option("cipher_list"),
    },
    Difference {
        subject: "user of EAP",
        ours: "the identity within TLS, or the outer one when that is empty",
        theirs: "the outer one, User-Name",
        why: "the outer one is often anonymous",
        when: When::Section(SectionKind::RadiusServerEap),
    },
    Difference {
        subject: "fragments of EAP",
        ours: "long messages are sent in fragments that suit Framed-MTU, and those of a supplicant are put together",
        theirs: "messages were sent whole; a supplicant that sent fragments got no answer",
        why: "a certificate with its chain does not fit one packet",
        when: When::Section(SectionKind::RadiusServerEap),
    },
    Difference {
        subject: "a failed login over EAP",
        ours: "the reject carries EAP-Failure",
        theirs: "it did not",
        why: "the supplicant is to be told (RFC 3579 section 2.6.3)",
        when: When::Section(SectionKind::RadiusServerEap),
    },
    Difference {
        subject: "duplicates during EAP",
        ours: "a repeated request waits for the answer of the first",
        theirs: "it was rejected as a replay",
        why: "networks lose packets",
        when: When::Section(SectionKind::RadiusServerEap),
    },
    Difference {
        subject: "auth_type",
        ours: "plain and ntlm2",
        theirs: "ntlm1 and sspi too",
        why: "ntlm1 is broken, sspi exists on Windows only",
        when: When::Option("auth_type"),
    },
    Difference {
        subject: "nested_groups",
        ours: "a new option: members of groups within a security group count as well",
        theirs: "direct members only counted",
        why: "directories are built of groups within groups",
        when: When::Option("nested_groups"),
    },
    Difference {
        subject: "a host that does not answer",
        ours: "remembered, asked last, and asked first again when it answers a probe",
        theirs: "each login began with it again and waited for it",
        why: "one dead host must not slow every login down",
        when: When::SecondHost,
    },
    Difference {
        subject: "host of [radius_client]",
        ours: "a host name or an address",
        theirs: "addresses only",
        why: "addresses change",
        when: When::UpstreamByName,
    },
    Difference {
        subject: "pw_codec",
        ours: "in a server section how the device writes a password, in a [radius_client] how the upstream reads it",
        theirs: "the upstream was sent UTF-8 whatever was written",
        why: "an upstream that reads latin-1 refuses passwords with other letters",
        when: When::Option("pw_codec"),
    },
    Difference {
        subject: "Access-Challenge of an upstream",
        ours: "passed to the device; its State goes within ours, the answer goes back, then the second factor is asked",
        theirs: "the device got no answer at all",
        why: "an upstream may have a question of its own, such as for an expired password",
        when: When::Section(SectionKind::RadiusClient),
    },
    Difference {
        subject: "wording of the menu",
        ours: "words of our own, made of the user's devices: pushes, then calls, then SMS",
        theirs: "the service's text word for word, and the short form sorted as text",
        why: "Auth API v2 sends devices and no text",
        when: When::Section(SectionKind::RadiusServerChallenge),
    },
    Difference {
        subject: "factors in [radius_server_challenge]",
        ours: "it says what the menu offers and what is accepted for an answer",
        theirs: "it did nothing: all that the service offered was listed and accepted",
        why: "not every device should take every factor",
        when: When::OptionOf(SectionKind::RadiusServerChallenge, "factors"),
    },
    Difference {
        subject: "prompt_split",
        ours: "a new option: a long menu goes over several Reply-Message attributes",
        theirs: "it was always shortened",
        why: "two devices make a menu too long for one attribute",
        when: When::Option("prompt_split"),
    },
    Difference {
        subject: "passcode_retries",
        ours: "a new option: a wrong passcode is asked for again",
        theirs: "it ended the login",
        why: "people mistype",
        when: When::Option("passcode_retries"),
    },
    Difference {
        subject: "sms as an answer to a prompt",
        ours: "codes are sent and asked for, whether it was typed as a number, a name or a name with a number",
        theirs: "a number or sms1 did the same, and the bare word sent codes and ended the login",
        why: "whoever asks for codes is about to type one",
        when: When::Asking,
    },
    Difference {
        subject: "an empty answer to a prompt",
        ours: "asked again, with a line that says so",
        theirs: "it was sent to the service or refused, and the login ended",
        why: "it is a slip of the finger",
        when: When::Asking,
    },
    Difference {
        subject: "blanks and case in an answer to a prompt",
        ours: "forgiven",
        theirs: "they were sent to the service, which refused them",
        why: "phones write capitals and blanks by themselves",
        when: When::Asking,
    },
    Difference {
        subject: "an answer naming a factor that no device of the user can do",
        ours: "asked again, with a line that says so",
        theirs: "it was sent to the service, which refused it and so ended the login",
        why: "nobody was asked to prove anything yet",
        when: When::Asking,
    },
    Difference {
        subject: "State of a challenge",
        ours: "sealed: good for 300 seconds at every node, once at each; one that is too long for the attribute only at the node that asked",
        theirs: "it was known to the one process that had sent it",
        why: "devices send the answer to another server when they please",
        when: When::AskingByState,
    },
    Difference {
        subject: "http_ca_certs_file",
        ours: "the only trust roots when set; the system's when not",
        theirs: "a bundle of its own when not set",
        why: "the system keeps its trust roots up to date",
        when: When::Option("http_ca_certs_file"),
    },
    Difference {
        subject: "pass_through_all",
        ours: "Message-Authenticator, Proxy-State, State, CHAP and EAP of another hop are never passed",
        theirs: "they were",
        why: "they are made for one hop and break the other",
        when: When::Option("pass_through_all"),
    },
    Difference {
        subject: "_protected values",
        ours: "sealed by 'countersign seal' for this installation",
        theirs: "sealed by Windows for one machine",
        why: "what Windows sealed cannot be opened elsewhere",
        when: When::Option("_protected"),
    },
];

/// Those that a file triggers.
pub(super) fn of(sections: &[Section]) -> Vec<&'static Difference> {
    DIFFERENCES
        .iter()
        .filter(|difference| sections.iter().any(|section| difference.when.is(section)))
        .collect()
}

impl When {
    fn is(self, section: &Section) -> bool {
        if support::never_served(section.kind) {
            return false;
        }
        let server = section.kind.mode().is_some();
        match self {
            Self::Section(kind) => section.kind == kind,
            Self::RadiusServer => server,
            Self::Option("_protected") => section
                .entries
                .iter()
                .any(|entry| entry.key.to_ascii_lowercase().contains("_protected")),
            Self::Option("pass_through_all") => section
                .value("pass_through_all")
                .and_then(values::boolean)
                .unwrap_or_default(),
            // Those that go on as they were need no word.
            Self::Option("auth_type") => section.entry("auth_type").is_some_and(|one| !one.good),
            Self::Option(name) => section.entry(name).is_some(),
            Self::OptionOf(kind, name) => section.kind == kind && section.entry(name).is_some(),
            Self::Asking => asks(section),
            Self::AskingByState => asks(section) && section.kind != SectionKind::RadiusServerEap,
            Self::EapMenu => {
                section.kind == SectionKind::RadiusServerEap && factors::has_menu(section)
            }
            Self::Unset(name) => server && section.value(name).is_none_or(|value| value == "0"),
            Self::SecondHost => section.kind.is_client() && section.numbered("host").len() > 1,
            Self::UpstreamByName => {
                let hosts = section.numbered("host");
                section.kind == SectionKind::RadiusClient
                    && hosts
                        .values()
                        .any(|entry| values::address(&entry.value).is_none())
            }
        }
    }
}

/// Whether a section asks for a factor.
fn asks(section: &Section) -> bool {
    let asks_passcode = values::list(section.effective("factors"))
        .any(|word| word.eq_ignore_ascii_case("passcode"));
    match section.kind {
        SectionKind::RadiusServerChallenge => true,
        SectionKind::RadiusServerAuto => asks_passcode,
        SectionKind::RadiusServerEap => asks_passcode || factors::has_menu(section),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_as_one_sentence() {
        for one in DIFFERENCES {
            for text in [one.subject, one.ours, one.theirs, one.why] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{one}");
            }
        }
    }
}
