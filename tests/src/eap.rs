//! A gateway with sections of mode `eap` between doubles, and what the tests of that mode ask of it.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::Value;

use crate::{
    config::{MAIN, client, upstreams},
    countersign::Countersign,
    nas::attribute,
    peers::{
        FakeDuo, Pki, Received, Said, ScriptedUpstream, Supplicant,
        fakeduo::Endpoint,
        supplicant::{Login, Method, Session, typed},
    },
    ports,
};

/// The list that a user with one phone is asked with.
pub const MENU: &str =
    "Choose a secondary factor from ('push1', 'phone1', 'sms1') or enter passcode:";
/// What is asked before anything else.
pub const PASSWORD: &str = "Password: ";

/// `[radius_server_eapN]` over this client section, which lets nobody in while the second factor is
/// away. Where the options have no `certs=`, it shows the chain of the good authority.
#[must_use]
pub fn section(
    number: usize,
    port: u16,
    duo: &FakeDuo,
    client_section: &str,
    options: &str,
) -> String {
    let number = match number {
        1 => String::new(),
        _ => number.to_string(),
    };
    let unless = |has: &str, text: &'static str| match options.contains(has) {
        true => "",
        false => text,
    };
    format!(
        "[radius_server_eap{number}]\nport={port}\nikey={}\nskey={}\napi_host={}\nclient={client_section}\n\
         {}{}{}{options}",
        FakeDuo::IKEY,
        FakeDuo::SKEY,
        duo.host(),
        client(1, "127.0.0.0/8"),
        unless("failmode=", "failmode=secure\n"),
        unless("certs=", "certs=chain.pem\npkey=chain.key\n"),
    )
}

/// What a primary says by default: the password of NAME is `pw-NAME`.
#[must_use]
pub fn by_name(request: &Received) -> Said {
    if request.password() == format!("pw-{}", request.user()) {
        Said::accept()
    } else {
        Said::reject("Wrong password")
    }
}

/// A gateway with a section for each text of options, over one RADIUS primary.
#[derive(Debug)]
pub struct Gateway<const SECTIONS: usize> {
    /// The second factor.
    pub duo: FakeDuo,
    /// The primary.
    pub upstream: ScriptedUpstream,
    /// The ports of the sections.
    pub ports: [u16; SECTIONS],
    /// The program.
    pub running: Countersign,
}

impl<const SECTIONS: usize> Gateway<SECTIONS> {
    /// Starts one whose primary goes by [`by_name`].
    #[must_use]
    pub fn with(options: [&str; SECTIONS]) -> Self {
        let upstream = ScriptedUpstream::start(|request| Some(by_name(request)));
        Self::over(upstream, "", options)
    }

    /// Starts one with this primary; `primary_options` are added to its section. Each step of a login
    /// is in the log, so that whatever must not stand there would.
    #[must_use]
    pub fn over(
        upstream: ScriptedUpstream,
        primary_options: &str,
        options: [&str; SECTIONS],
    ) -> Self {
        Self::start("debug=true\n", upstream, primary_options, options)
    }

    /// Starts one that writes no more than a line for each login, for very many of them.
    #[must_use]
    pub fn terse(options: [&str; SECTIONS]) -> Self {
        let upstream = ScriptedUpstream::start(|request| Some(by_name(request)));
        Self::start("", upstream, "", options)
    }

    fn start(
        main_options: &str,
        upstream: ScriptedUpstream,
        primary_options: &str,
        options: [&str; SECTIONS],
    ) -> Self {
        let duo = FakeDuo::start(Pki::shared());
        let ports = std::array::from_fn(|_| ports::free_udp());
        let sections = (1..).zip(ports.iter().zip(options));
        let sections: String = sections
            .map(|(number, (port, options))| section(number, *port, &duo, "radius_client", options))
            .collect();
        let running = Countersign::run(&format!(
            "{MAIN}{main_options}{}{primary_options}{sections}",
            upstreams("radius_client", &[upstream.address()]),
        ));
        Self {
            duo,
            upstream,
            ports,
            running,
        }
    }

    /// Where a section listens.
    #[must_use]
    pub fn address(&self, section: usize) -> SocketAddr {
        ports::loopback(self.ports[section])
    }

    /// A login by PEAP with these answers, which must be clean.
    #[must_use]
    pub fn login(&self, section: usize, user: &str, answers: &[&str]) -> Login {
        self.login_of(&Supplicant::new(Method::Peap, user), section, answers)
    }

    /// A login of this peer with these answers, which must be clean.
    #[must_use]
    pub fn login_of(&self, peer: &Supplicant, section: usize, answers: &[&str]) -> Login {
        let login = peer.login(self.address(section), typed(answers));
        self.assert_clean(&login);
        login
    }

    /// Holds what any login must keep to: Message-Authenticator stands first, no Reply-Message beside
    /// EAP-Message (RFC 3579 section 2.6.5), acknowledgements without a length, and no more.
    pub fn assert_clean(&self, login: &Login) {
        let output = || self.running.output();
        assert!(login.seen.authenticator_first, "{}", output());
        assert_eq!(login.seen.untidy, Vec::<String>::new(), "{}", output());
        let last = login.last.as_ref();
        let texts = last.map(|last| last.all(attribute::REPLY_MESSAGE).len());
        assert_eq!(
            texts.unwrap_or(0),
            0,
            "a Reply-Message: {}",
            login.message()
        );
    }

    /// A login by PEAP, step by step.
    #[must_use]
    pub fn session(&self, section: usize, user: &str) -> Session {
        Supplicant::new(Method::Peap, user).session(self.address(section))
    }

    /// The newest event of a user, once there are so many.
    #[must_use]
    pub fn event(&self, user: &str, count: usize) -> Event {
        Event(self.running.event_of(user, count))
    }

    /// What the service was asked to do for a user, in order: factor, and device or passcode.
    #[must_use]
    pub fn asked(&self, user: &str) -> Vec<(String, String)> {
        let param = |params: &BTreeMap<String, String>, name: &str| params.get(name).cloned();
        let mut asked = self.duo.requests();
        asked.retain(|one| one.endpoint == Endpoint::Auth && one.user.as_deref() == Some(user));
        let said = asked.iter().map(|one| {
            let value = param(&one.params, "passcode").or_else(|| param(&one.params, "device"));
            let factor = param(&one.params, "factor");
            (factor.unwrap_or_default(), value.unwrap_or_default())
        });
        said.collect()
    }

    /// How often the service was asked what a user can do.
    #[must_use]
    pub fn preauths(&self, user: &str) -> usize {
        let requests = self.duo.requests();
        let of_user = |one: &&crate::peers::fakeduo::Request| {
            one.endpoint == Endpoint::Preauth && one.user.as_deref() == Some(user)
        };
        requests.iter().filter(of_user).count()
    }

    /// Holds that nothing typed stands in the output or in an event of a user.
    pub fn assert_secret(&self, user: &str, events: usize, secrets: &[&str]) {
        let (output, events) = (self.running.output(), self.running.events_of(user, events));
        for secret in secrets {
            assert!(
                !output.contains(secret),
                "{secret} in the output:\n{output}"
            );
            for event in &events {
                assert!(!event.to_string().contains(secret), "{secret} in {event:#}");
            }
        }
    }
}

/// The record of a login.
#[derive(Debug, Clone)]
pub struct Event(pub Value);

impl Event {
    /// Outcome and reason.
    #[must_use]
    pub fn end(&self) -> (&str, &str) {
        let text = |name: &str| self.0[name].as_str().unwrap_or_default();
        (text("outcome"), text("reason"))
    }

    /// Stage and detail of each step.
    #[must_use]
    pub fn steps(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let steps = self.0["timeline"].as_array().unwrap().iter();
        steps
            .map(|step| (text(&step["stage"]), text(&step["detail"])))
            .collect()
    }

    /// Whether a step says this.
    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.steps().iter().any(|(_, detail)| detail.contains(text))
    }

    /// Holds how it ended, and that a step says why.
    ///
    /// # Panics
    /// With the whole of it.
    #[track_caller]
    pub fn assert(&self, end: (&str, &str), says: &str) {
        assert_eq!(self.end(), end, "{:#}", self.0);
        assert!(self.says(says), "{says}: {:#}", self.0);
    }
}
