//! Passcodes by SMS and by e-mail: a number or an address is typed, a code is sent there and typed too.

pub(super) mod words;

use http::StatusCode;
use tokio::time::Instant;

use super::{Portal, name_of};
use crate::api::Answer;
use crate::pages::fault::Fault;
use crate::pages::form;
use crate::pages::html::titled;
use crate::service::{AddressError, CodeBy, NotSent, PendingAddress, Typed};
use words::Problem;

/// What became of a code that was to be sent.
enum Sent {
    Pending(PendingAddress),
    Not(Problem),
}

impl Portal<'_> {
    /// A number or an address that gets passcodes.
    pub(super) async fn sent(
        &self,
        by: CodeBy,
        body: Option<crate::pages::Sent>,
    ) -> Result<Answer, Fault> {
        let (service, code) = (self.service, self.code);
        let Some(body) = body else {
            return Ok(self.ask_address(by, "", None));
        };
        let form = form(service, body).await?;
        let Some(field) = form.get("pending") else {
            let address = form.get("address").unwrap_or_default();
            return Ok(match self.send(by, address).await? {
                Sent::Pending(pending) => self.ask_code(by, &pending, "", None),
                Sent::Not(problem) => self.ask_address(by, address, Some(&problem)),
            });
        };
        let pending = service.pending_address_of(code, by, field);
        let pending = pending.ok_or(Fault::BadForm)?;
        let name = name_of(&form, words::name(by));
        if form.get("again").is_some() {
            return Ok(match self.send(by, &pending.address).await? {
                Sent::Pending(pending) => self.ask_code(by, &pending, name, None),
                // The one before is good still.
                Sent::Not(problem) => self.ask_code(by, &pending, name, Some(&problem)),
            });
        }
        let guess = service.guesses.begin(self.origin, Instant::now());
        let Some(guess) = guess else {
            service.metrics.guesses_refused.inc();
            return Err(Fault::Guessed);
        };
        let typed = form.get("passcode").unwrap_or_default();
        let problem = match service.confirm_address(code, by, &pending, (name, typed)) {
            Typed::Right(confirmed) => {
                guess.was_right();
                return self.finish(&confirmed).await;
            }
            Typed::Wrong => Problem::Wrong,
            Typed::TooOld => Problem::TooOld,
            Typed::TooOften => return Err(Fault::TooMany),
        };
        Ok(self.ask_code(by, &pending, name, Some(&problem)))
    }

    async fn send(&self, by: CodeBy, address: &str) -> Result<Sent, Fault> {
        let user = &self.activation.user_name;
        let sent = self.service.begin_address(self.code, user, by, address);
        match sent.await {
            Ok(pending) => Ok(Sent::Pending(pending)),
            Err(AddressError::Store(error)) => Err(error.into()),
            Err(AddressError::NotSent(why)) => Ok(Sent::Not(match why {
                // It was taken away meanwhile.
                NotSent::NotConfigured(_) => return Err(Fault::NotFound),
                NotSent::Address(text) => Problem::Address(text),
                NotSent::TooOften => Problem::TooOften,
                NotSent::Full | NotSent::Failed(_) => Problem::NotSent,
            })),
        }
    }

    fn ask_address(&self, by: CodeBy, typed: &str, problem: Option<&Problem>) -> Answer {
        let html = words::address(self.invited, by, typed, problem);
        titled(status_of(problem), words::title(by), &html)
    }

    fn ask_code(
        &self,
        by: CodeBy,
        pending: &PendingAddress,
        name: &str,
        problem: Option<&Problem>,
    ) -> Answer {
        let html = words::code(self.invited, by, pending, name, problem);
        titled(status_of(problem), words::title(by), &html)
    }
}

const fn status_of(problem: Option<&Problem>) -> StatusCode {
    match problem {
        None => StatusCode::OK,
        Some(Problem::TooOften) => StatusCode::TOO_MANY_REQUESTS,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
