//! Scripts of events and actions, with a clock of their own.

mod append;
mod challenge;
mod eap;
mod numbers;
mod outcomes;
mod polls;
mod primary_only;
mod prompts;
mod properties;
mod requests;
mod rounds;
mod upstream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::{FactorChoice, FailMode, Integration, Mode, Snapshot, raw};
use proto::event::{Factor, Reason};
use proto::secret::Secret;

use super::request::Request;
use super::{Action, Answer, Event, Flow, PrimaryUse};
use crate::duo::failure::{Failure, FailureKind};
use crate::duo::message::{
    AuthFactor, AuthReply, AuthResult, AuthStatus, Capabilities, Decision, Device, DeviceChoice,
    Preauth, Txid,
};
use crate::primary::{Acceptance, Credential, Rejection, Verdict};

const BUDGET: Duration = Duration::from_secs(8);
const ASK: PrimaryUse = PrimaryUse::Ask {
    budget: BUDGET,
    relays: false,
};

/// An integration in a mode, changed as a test needs it.
pub(crate) fn integration(
    mode: Mode,
    change: impl FnOnce(&mut raw::Integration),
) -> Arc<Integration> {
    let mut one = raw::Integration {
        id: "radius_server_test".to_owned(),
        mode,
        listen: None,
        port: 1812,
        application: raw::Application {
            ikey: "DIEXAMPLE".to_owned(),
            skey: Secret::from("application key"),
            host: "api.example.com".to_owned(),
            port: 443,
            pinned_ca: None,
        },
        clients: vec![raw::Client {
            address: "192.0.2.1".to_owned(),
            secret: Secret::from("shared"),
            message_authenticator: Default::default(),
        }],
        authenticator: (mode != Mode::DuoOnly).then(|| "directory".to_owned()),
        fail_mode: FailMode::Safe,
        factors: vec![FactorChoice::Auto],
        append: raw::Append::default(),
        pass_through: Default::default(),
        client_ip_attribute: None,
        password_codec: Default::default(),
        api_timeout_seconds: 0,
        exempt_users: Vec::new(),
        prompt: Default::default(),
        eap: (mode == Mode::Eap).then(|| raw::Eap {
            certificates: "certificate".to_owned(),
            private_key: Secret::from("key"),
            minimum_tls: Default::default(),
            cipher_suites: Vec::new(),
        }),
    };
    change(&mut one);
    let snapshot = raw::Snapshot {
        revision: 1,
        authenticators: vec![raw::Authenticator {
            id: "directory".to_owned(),
            kind: raw::AuthenticatorKind::Radius(raw::RadiusUpstream {
                hosts: vec![raw::Host {
                    name: "192.0.2.9".to_owned(),
                    port: 1812,
                }],
                secret: Secret::from("upstream"),
                retries: 3,
                retry_wait_seconds: 2,
                nas_ip: None,
                pass_through: Default::default(),
                password_codec: Default::default(),
                require_message_authenticator: false,
            }),
        }],
        integrations: vec![one],
        ..Default::default()
    };
    Arc::clone(&Snapshot::try_from(snapshot).unwrap().integrations[0])
}

fn request(password: &str) -> Request {
    Request {
        user: "alice".to_owned(),
        credential: Credential::Password(Secret::from(password)),
        calling_station: Some("198.51.100.7".to_owned()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from a number; scripts count from here and never read it"
)]
fn epoch() -> Instant {
    Instant::now()
}

/// A login and its clock.
struct Login {
    flow: Flow,
    start: Instant,
    now: Instant,
}

impl Login {
    fn new(integration: Arc<Integration>, primary: PrimaryUse, password: &str) -> Self {
        let start = epoch();
        let flow = Flow::new(integration, request(password), primary).unwrap();
        Self {
            flow,
            start,
            now: start,
        }
    }

    fn auto(primary: PrimaryUse, password: &str) -> Self {
        Self::new(integration(Mode::Auto, |_| {}), primary, password)
    }

    /// Lets the clock run to a moment after the start.
    fn at(&mut self, milliseconds: u64) -> &mut Self {
        self.now = self.start + Duration::from_millis(milliseconds);
        self
    }

    fn step(&mut self, event: Event) -> Action {
        self.flow.step(self.now, event)
    }

    fn answer(&mut self, event: Event) -> Answer {
        match self.step(event) {
            Action::Answer(answer) => answer,
            other => panic!("no answer but {other:?}"),
        }
    }

    /// Milliseconds after the start.
    fn offset(&self, moment: Instant) -> u64 {
        u64::try_from((moment - self.start).as_millis()).unwrap()
    }

    /// Steps, and gives the password that the primary is to be asked.
    fn asks_primary(&mut self, event: Event) -> String {
        match self.step(event) {
            Action::Primary {
                credential: Credential::Password(password),
                answers: None,
                ..
            } => password.expose().clone(),
            other => panic!("primary not asked but {other:?}"),
        }
    }

    fn asks_preauth(&mut self, event: Event) {
        let action = self.step(event);
        assert!(matches!(action, Action::Preauth { .. }), "{action:?}");
    }

    fn asks_auth(&mut self, event: Event) -> AuthFactor {
        match self.step(event) {
            Action::Auth { request, .. } => request.factor,
            other => panic!("no auth request but {other:?}"),
        }
    }

    /// Steps, and gives when the poll may go out and when it ends.
    fn polls(&mut self, event: Event) -> (Option<u64>, u64) {
        match self.step(event) {
            Action::Poll {
                txid: followed,
                not_before,
                deadline,
            } => {
                assert_eq!(followed, txid());
                (not_before.map(|m| self.offset(m)), self.offset(deadline))
            }
            other => panic!("no poll but {other:?}"),
        }
    }

    /// Goes on to the auth request, with [`devices`].
    fn until_auth(mut self) -> Self {
        if self.flow.primary == ASK && self.flow.integration.mode != Mode::DuoOnly {
            self.asks_primary(Event::Begin);
            self.asks_preauth(accepted());
        } else {
            self.asks_preauth(Event::Begin);
        }
        self.asks_auth(can_use(devices()));
        self
    }

    /// Goes on to the first poll.
    fn until_poll(self) -> Self {
        let mut login = self.until_auth();
        login.polls(started());
        login
    }
}

fn txid() -> Txid {
    Txid("0b1c2d3e".to_owned())
}

fn device(id: &str, can: &str) -> Device {
    Device {
        id: id.to_owned(),
        display_name: format!("Phone {id}"),
        capabilities: Capabilities {
            auto: can.contains("auto"),
            push: can.contains("push"),
            phone: can.contains("phone"),
            sms: can.contains("sms"),
        },
        number: None,
        sms_next_code: None,
    }
}

/// Two phones and a token. The menu: 1 push A, 2 push C, 3 phone B, 4 phone C, 5 sms A, 6 sms C.
fn devices() -> Vec<Device> {
    vec![
        device("A", "auto push sms"),
        device("T", ""),
        device("B", "phone"),
        device("C", "auto push phone sms"),
    ]
}

fn id(id: &str) -> DeviceChoice {
    DeviceChoice::Id(id.to_owned())
}

fn passcode(text: &str) -> AuthFactor {
    AuthFactor::Passcode(Secret::from(text))
}

fn accepted() -> Event {
    Event::Primary(Ok(Verdict::Accepted(Acceptance::default())))
}

fn rejected(reason: Reason) -> Event {
    Event::Primary(Ok(Verdict::Rejected(Rejection::new(reason, ""))))
}

fn can_use(devices: Vec<Device>) -> Event {
    Event::Preauth(Ok(Preauth::Auth {
        status_msg: "Account is active".to_owned(),
        devices,
        number: None,
    }))
}

fn started() -> Event {
    Event::Auth(Ok(AuthReply::Started(txid())))
}

fn decision(result: AuthResult, status: AuthStatus, status_msg: &str) -> Decision {
    Decision {
        result,
        status,
        status_msg: status_msg.to_owned(),
    }
}

fn waiting() -> Event {
    Event::Poll(Ok(decision(
        AuthResult::Waiting,
        AuthStatus::Other,
        "Pushed",
    )))
}

fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        detail: "as scripted".to_owned(),
    }
}
