//! Enrollment: whoever was given its address sets up a device there, once. `/e/CODE` asks which one,
//! `/e/CODE/phone`, `key`, `app`, `sms` and `email` set it up, `/e/CODE/scan` goes on on a phone, and `/e`
//! takes a code that was typed. Nothing is used up, and nothing kept, before a device is confirmed.

mod sent;
mod words;

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::fault::Fault;
use super::html::{see_other, svg_of, titled};
use super::me::with_cookie;
use super::{Asked, Sent, form};
use crate::admin::AllowedFactor;
use crate::api::{Answer, text};
use crate::clock;
use crate::doors::Origin;
use crate::params::{Pairs, Params};
use crate::service::{
    CodeBy, Confirmed, ENROLLMENT_PATH, OwnChange, PasskeyError, PasskeyKind, Purpose, Registrant,
    Service, may_serve_oneself,
};
use crate::short_code::ShortCode;
use crate::store::Activation;
use words::{Invited, Problem, Ways};

/// Where a code is typed.
pub(super) const TYPED: &str = "/e";

/// Answers below `/e/`: the code, and the step behind it.
pub(super) async fn respond(service: &Service, asked: Asked, rest: &str) -> Result<Answer, Fault> {
    let (code, step) = rest.split_once('/').unwrap_or((rest, ""));
    let turn = service.look(asked.origin).await?;
    let (code, activation) = invited(service, &asked, code).await?;
    let invited = Invited {
        user: &activation.user_name,
        code: &code.grouped(),
        left_s: activation
            .expires_at_ms
            .saturating_sub(clock::unix_ms())
            .div_ceil(1_000),
        on_phone: asked.on_phone,
        ways: Ways::of(service, &activation).await?,
    };
    drop(turn);
    let portal = Portal {
        service,
        code: &code,
        activation: &activation,
        invited: &invited,
        origin: asked.origin,
        headers: &asked.headers,
    };
    match (step, asked.body) {
        ("", None) => Ok(shown("Set up your second step", &words::choices(&invited))),
        ("scan", None) if invited.ways.phone => {
            let url = service.enrollment_url(&code);
            Ok(shown(
                "Continue on your phone",
                &words::scan(&invited, &url),
            ))
        }
        ("phone", body) if invited.ways.phone => match body {
            body if invited.ways.passkeys => portal.bound(PasskeyKind::Phone, body).await,
            None => Ok(shown("Approve on this phone", &words::linked(&invited))),
            Some(body) => {
                let form = form(service, body).await?;
                let confirmed = Confirmed::phone(name_of(&form, "Phone"));
                portal.finish(&confirmed).await
            }
        },
        ("key", body) if invited.ways.passkeys => {
            portal.bound(PasskeyKind::SecurityKey, body).await
        }
        ("app", body) if invited.ways.app => portal.app(body).await,
        ("sms", body) if invited.ways.sms => portal.sent(CodeBy::Sms, body).await,
        ("email", body) if invited.ways.email => portal.sent(CodeBy::Email, body).await,
        _ => Err(Fault::NotFound),
    }
}

impl Ways {
    /// What there is here and is allowed. Without a name in the address there are no passkeys.
    async fn of(service: &Service, activation: &Activation) -> Result<Self, Fault> {
        let account = match &activation.user_id {
            Some(id) => service.store.account_by_id(id).await?,
            None => None,
        };
        let groups = account.map(|account| account.groups).unwrap_or_default();
        let allowed = service.allowed_by_groups(&groups);
        let pushes = allowed.has(AllowedFactor::Push);
        let sent = |by: CodeBy| service.sends_codes(by) && allowed.has(by.factor());
        let passkeys = pushes && service.origin().is_some();
        Ok(Self {
            phone: passkeys || (pushes && service.rules.approve_by_link),
            passkeys,
            app: allowed.has(AllowedFactor::Passcode),
            sms: sent(CodeBy::Sms),
            email: sent(CodeBy::Email),
        })
    }
}

/// One enrollment, and where it is set up.
struct Portal<'a> {
    service: &'a Service,
    code: &'a ShortCode,
    activation: &'a Activation,
    invited: &'a Invited<'a>,
    origin: Origin,
    headers: &'a HeaderMap,
}

impl Portal<'_> {
    /// A phone or a security key that a passkey binds.
    async fn bound(&self, kind: PasskeyKind, body: Option<Sent>) -> Result<Answer, Fault> {
        let Some(body) = body else {
            return self.ask_passkey(kind, "", None).await;
        };
        let form = form(self.service, body).await?;
        let name = name_of(&form, words::name_of_kind(kind));
        let response = form.get("response").unwrap_or_default();
        let judged = self
            .service
            .verify_registration(&self.context(), response.as_bytes());
        let passkey = match judged {
            Ok(passkey) => passkey,
            Err(PasskeyError::Store(error)) => return Err(error.into()),
            Err(error) => {
                let problem = Problem::Passkey(error.to_string());
                return self.ask_passkey(kind, name, Some(problem)).await;
            }
        };
        let confirmed = Confirmed::passkey(kind, name, passkey);
        match self.finish(&confirmed).await {
            // Another device has it.
            Err(Fault::Taken) => {
                let problem = Problem::Passkey(PasskeyError::Taken.to_string());
                self.ask_passkey(kind, name, Some(problem)).await
            }
            finished => finished,
        }
    }

    async fn ask_passkey(
        &self,
        kind: PasskeyKind,
        name: &str,
        problem: Option<Problem>,
    ) -> Result<Answer, Fault> {
        let context = self.context();
        let registrant = Registrant {
            name: &self.activation.user_name,
            full_name: "",
            user_id: self.activation.user_id.as_deref(),
            kind,
            context: &context,
        };
        let options = match self.service.registration_options(registrant).await {
            Ok(options) => options,
            Err(PasskeyError::Store(error)) => return Err(error.into()),
            Err(_) => return Err(Fault::NotFound),
        };
        let html = words::bound(self.invited, kind, &options, name, problem.as_ref());
        Ok(titled(
            status_of(problem.as_ref()),
            words::title(kind),
            &html,
        ))
    }

    /// What a passkey is made for: no other enrollment takes it.
    fn context(&self) -> String {
        format!("enrollment/{}", self.code.as_str())
    }

    /// An authenticator app.
    async fn app(&self, body: Option<Sent>) -> Result<Answer, Fault> {
        let (service, code, user) = (self.service, self.code, &self.activation.user_name);
        let Some(body) = body else {
            let pending = service.pending_app(code, user)?;
            let html = words::app(self.invited, &pending, "", None);
            return Ok(shown(words::APP, &html));
        };
        let form = form(service, body).await?;
        let field = form.get("pending").unwrap_or_default();
        let pending = service.pending_app_of(code, user, field);
        let pending = pending.ok_or(Fault::BadForm)?;
        let passcode = form.get("passcode").unwrap_or_default();
        let name = name_of(&form, words::APP);
        match service.confirm_app(&pending, name, passcode)? {
            Some(confirmed) => self.finish(&confirmed).await,
            None => {
                let problem = Problem::Passcode;
                let html = words::app(self.invited, &pending, name, Some(&problem));
                Ok(titled(status_of(Some(&problem)), words::APP, &html))
            }
        }
    }

    /// Ends it with a device, whose owner is signed in where that device is.
    async fn finish(&self, confirmed: &Confirmed) -> Result<Answer, Fault> {
        let service = self.service;
        let _inside = service.gate.enter().await.ok_or(Fault::TooMany)?;
        let finished = service.finish_enrollment(self.code, confirmed).await?;
        let finished = finished.ok_or(Fault::NotFound)?;
        let (account, device) = (&finished.account, &finished.device);
        let able = may_serve_oneself(account);
        let more = able && service.rules.self_service;
        let change = OwnChange::Added(device);
        // A first device is what was asked for; another one may be somebody else's.
        if account.devices.is_empty() {
            service.tell_own_change(account, self.origin, change);
        } else {
            service.report_own_change(account, self.origin, change);
        }
        let html = words::done(device, finished.approval_url.as_deref(), more);
        let mut answer = shown("Done", &html);
        match finished.signed_in_at_ms {
            _ if !more => {}
            None => {
                let cookie = service.begin_session(account, Some(device), Purpose::Manage);
                answer = with_cookie(answer, cookie.await?);
            }
            // Adding a device is no sign-in: nothing is fresher by it.
            Some(since_ms) => {
                let own = service.session(self.headers, Purpose::Manage).await?;
                if own.is_none_or(|own| own.account.id != account.id) {
                    let how = (Purpose::Manage, since_ms);
                    let cookie = service.go_on(account, Some(device), how);
                    answer = with_cookie(answer, cookie.await?);
                }
            }
        }
        if able && device.bound {
            let cookie = service.begin_session(account, Some(device), Purpose::Approve);
            answer = with_cookie(answer, cookie.await?);
        }
        Ok(answer)
    }
}

/// A form that is shown again was not taken.
fn status_of(problem: Option<&Problem>) -> StatusCode {
    match problem {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// The enrollment of a code.
async fn invited(
    service: &Service,
    asked: &Asked,
    code: &str,
) -> Result<(ShortCode, Activation), Fault> {
    // Who has a right one is let in whatever others tried from the same network: 60 random bits are not
    // guessed. One that was used is no guess either: a page that is loaded again, or the way back.
    if let Some(code) = ShortCode::parse(code)
        && let Some(found) = service.enrollment(&code).await?
    {
        return match found.used {
            true => Err(Fault::NotFound),
            false => Ok((code, found)),
        };
    }
    if service
        .guesses
        .begin(asked.origin, Instant::now())
        .is_none()
    {
        service.metrics.guesses_refused.inc();
        return Err(Fault::Guessed);
    }
    Err(Fault::NotFound)
}

/// What a person calls the device.
fn name_of<'a>(form: &'a Params, otherwise: &'a str) -> &'a str {
    match form.get("name").unwrap_or_default().trim() {
        "" => otherwise,
        name => name,
    }
}

fn shown(title: &str, html: &str) -> Answer {
    titled(StatusCode::OK, title, html)
}

/// Takes a code that was typed to its page, or asks for one. Whether it is right is said there.
pub(super) fn typed(query: &str) -> Result<Answer, Fault> {
    let params = Params::from_pairs(&Pairs::parse(query.as_bytes())).map_err(|_| Fault::BadForm)?;
    let problem = match params.get("code").map(ShortCode::parse) {
        Some(Some(code)) => return Ok(see_other(&format!("{ENROLLMENT_PATH}{}", code.grouped()))),
        Some(None) => Some(Problem::Code),
        None => None,
    };
    Ok(shown("Type your code", &words::code(problem.as_ref())))
}

/// The image of an enrollment's address, for who was given it. Of nothing else: what stands in an
/// address stands in logs.
pub(super) fn qr(service: &Service, query: &str) -> Result<Answer, Fault> {
    let params = Params::from_pairs(&Pairs::parse(query.as_bytes())).map_err(|_| Fault::BadForm)?;
    let enrollment = |value: &&str| {
        let path = value.strip_prefix(service.public_url.as_str());
        let code = path.and_then(|path| path.strip_prefix(ENROLLMENT_PATH));
        code.is_some_and(|code| ShortCode::parse(code).is_some())
    };
    let value = params.get("value").filter(enrollment);
    let image = svg_of(value.ok_or(Fault::BadForm)?).ok_or(Fault::BadForm)?;
    Ok(text(StatusCode::OK, "image/svg+xml", image))
}
