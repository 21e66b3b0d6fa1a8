//! What a write would come to, as far as it can be told without the service: fields, types and words, not
//! the bounds that it alone knows.

use proto::second_factor::{NewUser, Script};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::problem::{FieldError, Kind, Problem};
use super::service::{at, of_user, read};
use crate::app::App;

/// A user that is not made. What the fields may hold, the service alone knows.
pub(super) async fn created(app: &App, asked: &Value) -> Result<Value, Problem> {
    readable::<NewUser>(asked)?;
    let Some(name) = at(asked, "/name").as_str().filter(|name| !name.is_empty()) else {
        return Err(Problem::invalid(vec![FieldError {
            path: "name".to_owned(),
            message: "is missing".to_owned(),
        }]));
    };
    match read(app, &of_user(name, "")).await {
        Ok(_) => {
            let detail = format!("there is a user {name} already");
            Err(Problem::new(Kind::Conflict, detail))
        }
        Err(problem) if problem.kind() == Kind::NotFound => {
            Ok(changed(json!({ "name": name, "status": "active" }), asked))
        }
        Err(problem) => Err(problem),
    }
}

/// A user as a change leaves them.
pub(super) fn changed(mut user: Value, asked: &Value) -> Value {
    if let Some(fields) = user.as_object_mut() {
        if let Some(status) = at(asked, "/status").as_str() {
            fields.insert("status".to_owned(), status.into());
            if status != "locked_out" {
                fields.insert("failures".to_owned(), 0.into());
            }
        }
        match at(asked, "/script") {
            Value::Null => {}
            Value::String(_) => drop(fields.remove("script")),
            script => {
                // With the fields that may be left out.
                let script = script.get("set").unwrap_or(script).clone();
                let script = serde_json::from_value::<Script>(script).ok();
                let script = script.and_then(|script| serde_json::to_value(script).ok());
                fields.insert("script".to_owned(), script.unwrap_or_default());
            }
        }
    }
    user
}

/// A user who is let in again.
///
/// # Errors
/// It is no wrong passcode that keeps them out.
pub(super) fn unlocked(user: Value) -> Result<Value, Problem> {
    match at(&user, "/status").as_str() {
        Some("locked_out" | "active") => Ok(changed(user, &json!({ "status": "active" }))),
        _ => {
            let detail = "only a locked user can be unlocked";
            Err(Problem::new(Kind::Conflict, detail))
        }
    }
}

/// Refuses a device that is none of a user's.
pub(super) fn device_of(user: &Value, id: &str) -> Result<(), Problem> {
    let mut devices = at(user, "/devices").as_array().into_iter().flatten();
    match devices.any(|one| at(one, "/id") == id) {
        true => Ok(()),
        false => {
            let name = at(user, "/name").as_str().unwrap_or_default();
            let detail = format!("{name} has no device '{id}'");
            Err(Problem::new(Kind::NotFound, detail))
        }
    }
}

/// Refuses what the service could not read.
pub(super) fn readable<T: DeserializeOwned>(asked: &Value) -> Result<(), Problem> {
    match serde_json::from_value::<T>(asked.clone()) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::new(Kind::Invalid, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_locked_out_is_unlocked_and_nobody_else() {
        for (status, want) in [
            ("locked_out", Some("active")),
            ("active", Some("active")),
            ("disabled", None),
            ("bypass", None),
        ] {
            let user = json!({ "name": "alice", "status": status, "failures": 3 });
            let done = unlocked(user).map_err(|problem| problem.kind());
            let want =
                want.map(|status| json!({ "name": "alice", "status": status, "failures": 0 }));
            assert_eq!(done, want.ok_or(Kind::Conflict), "{status}");
        }
    }
}
