//! Self-service under `/me`: who signs in with a passkey or a passcode sees their devices, adds, names and
//! removes them. What removes something asks for a sign-in of the last minutes.

pub(super) mod words;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::Instant;

use super::fault::Fault;
use super::html::{see_other, titled};
use super::{Asked, form};
use crate::account::{Account, Device};
use crate::admin::AllowedFactor;
use crate::api::Answer;
use crate::clock;
use crate::doors::Origin;
use crate::params::Params;
use crate::service::{
    OwnChange, PasskeyError, Purpose, Removed, Service, Session, may_serve_oneself,
};
use crate::store::Attempt;
use words::Because;

/// Whether a path is one of self-service.
pub(super) fn owns(path: &str) -> bool {
    path == HOME
        || path
            .strip_prefix(HOME)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Answers below `/me`.
pub(super) async fn respond(service: &Service, asked: Asked) -> Result<Answer, Fault> {
    if !service.rules.self_service {
        return Err(Fault::NoSelfService);
    }
    let step = asked.path.strip_prefix(HOME).unwrap_or_default().to_owned();
    let Asked {
        headers,
        body,
        origin,
        ..
    } = asked;
    let Some(body) = body else {
        let _turn = service.look(origin).await?;
        return shown(service, &headers, &step).await;
    };
    match step.as_str() {
        "/sign-in" => {
            let form = form(service, body).await?;
            let guess = service.sign_ins.begin(origin, Instant::now());
            let Some(guess) = guess else {
                service.metrics.guesses_refused.inc();
                return Err(Fault::Guessed);
            };
            let name = form.get("name").unwrap_or_default();
            let passcode = form.get("passcode").unwrap_or_default();
            let inside = service.gate.enter().await.ok_or(Fault::TooMany)?;
            let found = service.sign_in_by_passcode(name, passcode, origin).await;
            drop(inside);
            let found = match found {
                Ok(found) => found.filter(may_serve_oneself),
                // Nobody has looked at it.
                Err(error) => {
                    guess.was_right();
                    return Err(error.into());
                }
            };
            let Some(account) = found else {
                let then = then_of(&form);
                return Ok(sign_in_page(service, then, Some(&Because::Wrong)));
            };
            guess.was_right();
            begin(service, &headers, &account, None, then_of(&form)).await
        }
        "/passkey" => {
            let form = form(service, body).await?;
            let response = form.get("response").unwrap_or_default();
            let inside = service.gate.enter().await.ok_or(Fault::TooMany)?;
            let turn = service.look(origin).await?;
            let found = service.verify_sign_in(Purpose::Manage, response.as_bytes(), origin);
            let found = found.await;
            drop((turn, inside));
            match found {
                Ok((account, device)) if may_serve_oneself(&account) => {
                    begin(service, &headers, &account, Some(&device), then_of(&form)).await
                }
                Ok(_) => Ok(sign_in_page(service, then_of(&form), Some(&Because::Wrong))),
                Err(error) => {
                    let because = match error {
                        PasskeyError::Store(error) => return Err(error.into()),
                        error => Because::Passkey(error.to_string()),
                    };
                    Ok(sign_in_page(service, then_of(&form), Some(&because)))
                }
            }
        }
        _ => {
            let turn = service.look(origin).await?;
            let Some(session) = signed_in(service, &headers).await? else {
                return Ok(sign_in_page(service, HOME, Some(&Because::Over)));
            };
            drop(turn);
            if !service.may_ask(&session) {
                return Err(Fault::TooMany);
            }
            let form = form(service, body).await?;
            let _inside = service.gate.enter().await.ok_or(Fault::TooMany)?;
            let _turn = service.look(origin).await?;
            change(service, &session, (&step, &form), origin).await
        }
    }
}

/// The devices, one of them, or where to sign in.
async fn shown(service: &Service, headers: &HeaderMap, step: &str) -> Result<Answer, Fault> {
    let Some(session) = signed_in(service, headers).await? else {
        let then = match step {
            "" => HOME.to_owned(),
            step => format!("{HOME}{step}"),
        };
        return Ok(sign_in_page(service, checked(&then), None));
    };
    service.used_session(&session).await?;
    let account = &session.account;
    match step.strip_prefix("/device/") {
        Some(id) => {
            let device = device_of(account, id)?;
            Ok(device_page(account, device, None))
        }
        None if step.is_empty() => {
            let now = (clock::unix_ms(), SHOWN_REMEMBERED);
            let store = &service.store;
            let remembered = store.list_remembered(Some(&account.id), None, now).await?;
            let remembered = remembered.unwrap_or_default();
            let codes = codes_allowed(service, account);
            let html = words::devices(account, &remembered, codes);
            Ok(titled(StatusCode::OK, "My devices", &html))
        }
        None => Err(Fault::NotFound),
    }
}

async fn change(
    service: &Service,
    session: &Session,
    (step, form): (&str, &Params),
    origin: Origin,
) -> Result<Answer, Fault> {
    let account = &session.account;
    match step {
        "/codes" if !codes_allowed(service, account) => Err(Fault::NotFound),
        "/sign-out" => {
            let cookie = service.end_session(session).await?;
            Ok(with_cookie(see_other(HOME), cookie))
        }
        "/sign-out-everywhere" => {
            service.end_sessions(account).await?;
            let cookie = service.end_session(session).await?;
            Ok(with_cookie(see_other(HOME), cookie))
        }
        "/add" | "/codes" if !session.is_fresh() => {
            let again = Some(&Because::Again);
            Ok(sign_in_page(service, HOME, again))
        }
        "/add" | "/codes" if !service.may_change_more(account) => Err(Fault::TooMany),
        "/add" => {
            let begun = service.begin_addition(session).await?;
            let path = begun.url.strip_prefix(service.public_url.as_str());
            Ok(see_other(path.ok_or(Fault::Internal)?))
        }
        "/codes" => {
            let codes = service
                .create_bypass_codes(account, BACKUP_CODES, None)
                .await?;
            let change = OwnChange::BackupCodes;
            service.report_own_change(account, origin, change);
            let html = words::codes(&codes);
            Ok(titled(StatusCode::OK, "Backup codes", &html))
        }
        "/forget" => {
            service.store.forget_remembered_of(&account.id).await?;
            Ok(see_other(HOME))
        }
        _ => {
            let rest = step.strip_prefix("/device/").ok_or(Fault::NotFound)?;
            let (id, deed) = rest.split_once('/').ok_or(Fault::NotFound)?;
            let device = device_of(account, id)?;
            match deed {
                "rename" => {
                    let name = form.get("name").unwrap_or_default().trim();
                    service
                        .rename_device(account, id, name, Attempt::Real)
                        .await?;
                    Ok(see_other(HOME))
                }
                "remove" if !session.is_fresh() => {
                    let then = format!("{HOME}/device/{id}");
                    Ok(sign_in_page(service, checked(&then), Some(&Because::Again)))
                }
                "remove" if !service.may_change_more(account) => Err(Fault::TooMany),
                "remove" => {
                    let meant = form.get("nothing_left") == Some("yes");
                    match service.remove_own_device(session, device, meant).await? {
                        Removed::Done => {
                            let change = OwnChange::Removed(device);
                            service.report_own_change(account, origin, change);
                            Ok(see_other(HOME))
                        }
                        Removed::Missing => Err(Fault::NotFound),
                        Removed::Last => Ok(device_page(account, device, Some(&Because::Last))),
                    }
                }
                _ => Err(Fault::NotFound),
            }
        }
    }
}

fn codes_allowed(service: &Service, account: &Account) -> bool {
    let allowed = service.allowed_by_groups(&account.groups);
    allowed.has(AllowedFactor::BypassCode)
}

fn device_of<'a>(account: &'a Account, id: &str) -> Result<&'a Device, Fault> {
    let found = account.devices.iter().find(|device| *device.id == *id);
    found.map(AsRef::as_ref).ok_or(Fault::NotFound)
}

/// Who has signed in, and may change something still.
async fn signed_in(service: &Service, headers: &HeaderMap) -> Result<Option<Session>, Fault> {
    let session = service.session(headers, Purpose::Manage).await?;
    Ok(session.filter(|session| may_serve_oneself(&session.account)))
}

/// Begins a session in the place of the one that the browser has.
async fn begin(
    service: &Service,
    headers: &HeaderMap,
    account: &Account,
    device: Option<&Device>,
    then: &str,
) -> Result<Answer, Fault> {
    let _inside = service.gate.enter().await.ok_or(Fault::TooMany)?;
    if let Some(before) = service.session(headers, Purpose::Manage).await? {
        service.end_session(&before).await?;
    }
    let cookie = service
        .begin_session(account, device, Purpose::Manage)
        .await?;
    Ok(with_cookie(see_other(then), cookie))
}

pub(super) fn with_cookie(mut answer: Answer, cookie: HeaderValue) -> Answer {
    answer.headers_mut().append(header::SET_COOKIE, cookie);
    answer
}

fn sign_in_page(service: &Service, then: &str, because: Option<&Because>) -> Answer {
    let status = match because {
        None => StatusCode::OK,
        Some(Because::Over | Because::Again) => StatusCode::FORBIDDEN,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    // Where the address has no name there are no passkeys.
    let options = service.sign_in_options(Purpose::Manage).ok();
    let html = words::sign_in(then, options.as_ref(), because);
    titled(status, "Sign in", &html)
}

fn device_page(account: &Account, device: &Device, because: Option<&Because>) -> Answer {
    let status = match because {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    titled(status, "Device", &words::device(account, device, because))
}

/// Where a sign-in goes on.
fn then_of(form: &Params) -> &str {
    checked(form.get("then").unwrap_or_default())
}

/// Only to a page of these, whatever a form says.
fn checked(then: &str) -> &str {
    let id = then.strip_prefix("/me/device/").unwrap_or_default();
    let good =
        (1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    if good { then } else { HOME }
}

/// How many codes are made for a day without any device.
const BACKUP_CODES: u32 = 5;

/// The most remembered approvals that are shown.
const SHOWN_REMEMBERED: u32 = 20;

/// Where it is.
pub(super) const HOME: &str = "/me";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_goes_on_here_only() {
        for (then, want) in [
            ("/me/device/DP3", "/me/device/DP3"),
            ("/me", HOME),
            ("", HOME),
            ("https://evil.example/", HOME),
            ("//evil.example", HOME),
            ("/me/device/", HOME),
            ("/me/device/../../e", HOME),
            ("/me/device/DP3/remove", HOME),
            ("/me/device/D\r\nP", HOME),
        ] {
            assert_eq!(checked(then), want, "{then}");
        }
        for (path, want) in [
            ("/me", true),
            ("/me/x", true),
            ("/mend", false),
            ("/", false),
        ] {
            assert_eq!(owns(path), want, "{path}");
        }
    }
}
