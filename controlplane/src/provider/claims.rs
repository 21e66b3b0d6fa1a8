//! What a provider says of a person: whether it says it to us, now, about this sign-in; and which role
//! that gives (OpenID Connect Core section 3.1.3.7). Pure.

use serde_json::{Map, Value};

use super::Settings;
use crate::access::role::Role;

/// What an ID token has to be for.
pub(crate) struct Expected<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) nonce: &'a str,
    /// When the sign-in began, in seconds since 1970.
    pub(crate) began_s: u64,
    pub(crate) now_s: u64,
}

/// Somebody whom a provider named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// Their address where the provider verified it, else what it calls them.
    pub(crate) name: String,
    /// What the provider calls them, always the same.
    pub(crate) subject: String,
    pub(crate) role: Role,
}

/// The person of an ID token whose signature is good.
///
/// # Errors
/// [`ClaimFault`].
pub(crate) fn person(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<Person, ClaimFault> {
    let settings = expected.settings;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let seconds = |name: &str| {
        let number = claims.get(name)?;
        // Some write a fraction.
        number.as_u64().or_else(|| number.as_f64().map(whole))
    };
    if text("iss") != Some(settings.issuer.as_str()) {
        return Err(ClaimFault::Issuer);
    }
    let client = settings.client_id.as_str();
    let for_us = match claims.get("aud") {
        Some(Value::String(one)) => one == client,
        Some(Value::Array(all)) => {
            all.iter().any(|one| one == client) && (all.len() == 1 || text("azp") == Some(client))
        }
        _ => false,
    };
    if !for_us || claims.get("azp").is_some_and(|azp| azp != client) {
        return Err(ClaimFault::Audience);
    }
    let (exp, iat) = (seconds("exp"), seconds("iat"));
    let (exp, iat) = exp.zip(iat).ok_or(ClaimFault::Time)?;
    let (now, not_before) = (expected.now_s, seconds("nbf").unwrap_or(0));
    if exp.saturating_add(SKEW_SECONDS) <= now {
        return Err(ClaimFault::Expired);
    }
    let latest = now.saturating_add(SKEW_SECONDS);
    let earliest = expected.began_s.saturating_sub(SKEW_SECONDS);
    if iat > latest || not_before > latest || iat < earliest {
        return Err(ClaimFault::Time);
    }
    let nonce = text("nonce").unwrap_or_default();
    let difference = nonce
        .bytes()
        .zip(expected.nonce.bytes())
        .fold(nonce.len() ^ expected.nonce.len(), |all, (a, b)| {
            all | usize::from(a ^ b)
        });
    if std::hint::black_box(difference) != 0 {
        return Err(ClaimFault::Nonce);
    }
    let good =
        |name: &&str| (1..=NAME_OCTETS).contains(&name.len()) && !name.contains(char::is_control);
    let subject = text("sub").filter(good).ok_or(ClaimFault::Subject)?;
    // Some write it as a text.
    let verified = [Value::Bool(true), Value::from("true")];
    let verified = claims
        .get("email_verified")
        .is_some_and(|said| verified.contains(said));
    let email = text("email").filter(good).filter(|_| verified);
    let in_group = |group: &str| match claims.get(&settings.groups_claim) {
        Some(Value::String(one)) => one == group,
        Some(Value::Array(all)) => all.iter().any(|one| one == group),
        _ => false,
    };
    let fits = settings.roles.iter().filter(|grant| {
        let by_group = grant.group.as_deref().is_some_and(in_group);
        let by_email = grant.email.as_deref().zip(email);
        by_group || by_email.is_some_and(|(want, email)| want.eq_ignore_ascii_case(email))
    });
    let role = fits.map(|grant| grant.role).max();
    Ok(Person {
        name: email.unwrap_or(subject).to_owned(),
        subject: subject.to_owned(),
        role: role.ok_or(ClaimFault::NoRole)?,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates, and what is below zero is long ago"
)]
const fn whole(seconds: f64) -> u64 {
    seconds as u64
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimFault {
    /// Another one said it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It was said to somebody else.
    #[error("the token is for another client")]
    Audience,
    /// It is past its end.
    #[error("the token is past its end")]
    Expired,
    /// It is of another time than this sign-in, or says none.
    #[error("the token is of another time; is the clock right?")]
    Time,
    /// It is of another sign-in.
    #[error("the token is of another sign-in")]
    Nonce,
    /// It names nobody.
    #[error("the token names nobody")]
    Subject,
    /// Who it names has no role here.
    #[error("whom the provider named has no role here")]
    NoRole,
}

/// How far the clocks may be apart.
const SKEW_SECONDS: u64 = 60;
/// OpenID Connect Core section 2 has 255 for `sub`.
const NAME_OCTETS: usize = 255;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings() -> Settings {
        let document = json!({
            "issuer": "https://idp.example.com", "client_id": "ours",
            "public_url": "https://gate.example.com",
            "roles": [
                {"group": "staff", "role": "viewer"}, {"group": "netops", "role": "operator"},
                {"email": "Boss@example.com", "role": "admin"},
            ],
        });
        serde_json::from_value(document).unwrap()
    }

    fn judged(change: &Value) -> Result<(String, Role), ClaimFault> {
        let mut claims = json!({
            "iss": "https://idp.example.com", "aud": "ours", "sub": "s-1", "nonce": "n",
            "exp": 2_000, "iat": 1_000, "groups": ["staff"],
        });
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let settings = settings();
        let expected = Expected {
            settings: &settings,
            nonce: "n",
            began_s: 1_000,
            now_s: 1_010,
        };
        person(claims.as_object().unwrap(), &expected).map(|person| (person.name, person.role))
    }

    #[test]
    fn a_token_is_refused_by_what_is_wrong_with_it() {
        use ClaimFault::{Audience, Expired, Issuer, NoRole, Nonce, Subject, Time};
        for (change, want) in [
            (json!({"iss": "https://idp.example.com/"}), Issuer),
            (json!({"iss": null}), Issuer),
            (json!({"aud": "theirs"}), Audience),
            (json!({"aud": ["theirs", "ours"]}), Audience),
            (json!({"aud": null}), Audience),
            (json!({"azp": "theirs"}), Audience),
            (json!({"exp": 950}), Expired),
            (json!({"exp": null}), Time),
            (json!({"iat": null}), Time),
            (json!({"iat": 1_071}), Time),
            (json!({"iat": 939}), Time),
            (json!({"nbf": 1_071}), Time),
            (json!({"nonce": "m"}), Nonce),
            (json!({"nonce": "nn"}), Nonce),
            (json!({"nonce": null}), Nonce),
            (json!({"sub": ""}), Subject),
            (json!({"sub": "a\nb"}), Subject),
            (json!({"sub": null}), Subject),
            (json!({"groups": null}), NoRole),
            (json!({"groups": ["Staff", "staff "]}), NoRole),
            (json!({"groups": [], "email": "boss@example.com"}), NoRole),
            (
                json!({"groups": [], "email": "boss@example.com", "email_verified": false}),
                NoRole,
            ),
        ] {
            assert_eq!(judged(&change), Err(want), "{change}");
        }
    }

    #[test]
    fn the_highest_role_that_fits_is_given() {
        let sub = |role| Ok(("s-1".to_owned(), role));
        let email = |role| Ok(("BOSS@example.com".to_owned(), role));
        for (change, want) in [
            (json!({}), sub(Role::Viewer)),
            (json!({"groups": "netops"}), sub(Role::Operator)),
            (json!({"groups": ["netops", "staff"]}), sub(Role::Operator)),
            (
                json!({"aud": ["ours", "theirs"], "azp": "ours"}),
                sub(Role::Viewer),
            ),
            (json!({"exp": 951.5, "iat": 940.2}), sub(Role::Viewer)),
            (
                json!({"email": "BOSS@example.com", "email_verified": true}),
                email(Role::Admin),
            ),
            (
                json!({"email": "BOSS@example.com", "email_verified": "true", "groups": null}),
                email(Role::Admin),
            ),
            (json!({"email": "BOSS@example.com"}), sub(Role::Viewer)),
        ] {
            assert_eq!(judged(&change), want, "{change}");
        }
    }
}
