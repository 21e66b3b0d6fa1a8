//! The second factor of an administrator who has it through an integration: asked at a node, as for a
//! login there, under the administrator's name. Passwords are elsewhere.

use proto::id::IntegrationId;
use proto::secret::Secret;
use serde_json::json;

use super::guesses::Guest;
use super::logins;
use super::problem::{FieldError, Kind, Problem};
use super::tokens::failed;
use crate::app::App;
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::nodes::SecondFactor;

/// What an administrator typed.
pub(super) struct Typed(Secret<String>);

/// What an administrator typed: a passcode, or `push`, `phone`; nothing is `push`. It is looked at before
/// the password is, so that nobody finds out one without asking.
///
/// # Errors
/// It can be none of these.
pub(super) fn typed(typed: &str) -> Result<Typed, Problem> {
    let typed = match typed.trim() {
        "" => "push",
        typed => typed,
    };
    if typed.len() > TYPED_OCTETS || typed.contains(char::is_control) {
        return Err(Problem::invalid(vec![FieldError {
            path: "passcode".to_owned(),
            message: format!("is a passcode, push or phone: {TYPED_OCTETS} octets at most"),
        }]));
    }
    Ok(Typed(Secret::new(typed.to_owned())))
}

/// Asks an administrator's second factor and waits for the answer, up to
/// `proto::command::LOGIN_SECONDS`. `dry`: nobody is asked.
///
/// # Errors
/// The integration is gone; anything else than a yes.
pub(super) async fn ask(
    app: &App,
    guest: &Guest<'_>,
    name: &str,
    (integration, Typed(typed)): (&str, Typed),
    dry: bool,
) -> Result<(), Problem> {
    let integration = known(app, integration).ok_or_else(|| gone(integration))?;
    if dry {
        return Ok(());
    }
    let asking = guest.asks(app, name)?;
    let by = format!("sign-in of admin {name}");
    let answer = logins::second_factor(app, integration.clone(), name.to_owned(), typed, by).await;
    asking.answered();
    match answer {
        SecondFactor::Allowed => Ok(()),
        SecondFactor::Denied { message } => {
            let now = now_ms();
            guest.guessed(app, true, now).await;
            let message: String = message.chars().take(MESSAGE_CHARACTERS).collect();
            let deed = Deed {
                at_ms: now,
                actor: "stranger".to_owned(),
                source: guest.source(),
                action: "session.deny".to_owned(),
                target: format!("admin {name}"),
                detail: json!({ "integration": integration, "why": message }).to_string(),
            };
            app.store.insert_audit(&deed).await.map_err(failed)?;
            let detail = format!("the second factor was not given: {message}");
            Err(Problem::new(Kind::Unauthenticated, detail))
        }
        SecondFactor::Unavailable { message } => {
            tracing::warn!(
                name,
                %integration,
                message,
                "second factor of an administrator not asked"
            );
            let detail = format!(
                "the second factor cannot be asked now, and nobody is let in without: {message}"
            );
            Err(Problem::new(Kind::Unavailable, detail))
        }
    }
}

/// An integration of the configuration; none where it has none of this name.
pub(super) fn known(app: &App, integration: &str) -> Option<IntegrationId> {
    let newest = app.newest();
    let mut all = newest.integrations.iter();
    let is = all.any(|one| one.id == integration);
    is.then(|| IntegrationId::new(integration).ok()).flatten()
}

fn gone(integration: &str) -> Problem {
    let detail = format!(
        "the second factor is asked through the integration '{integration}', which is in the \
         configuration no more; `countersign admin invite` again names another, or none"
    );
    Problem::new(Kind::Conflict, detail)
}

/// RFC 2865 section 5.2.
const TYPED_OCTETS: usize = 128;
/// What the audit keeps of a service's text.
const MESSAGE_CHARACTERS: usize = 200;
