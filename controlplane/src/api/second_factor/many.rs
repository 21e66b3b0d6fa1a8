//! What the audit has of many users or tokens at once: whom, in what, what has become of those who were made,
//! or are let in, called or grouped otherwise than before, and what was left out. An entry is for people to read, so that it
//! names the first ones and says how many more there are.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::super::problem::{Kind, Problem};
use super::service::at;
use super::users::audited;
use super::{Asks, count};

/// What is done to many users at once.
pub(super) struct Deed {
    pub(super) path: &'static str,
    pub(super) body: Value,
    /// Whether it is only tried.
    pub(super) dry: bool,
    pub(super) action: &'static str,
    pub(super) target: String,
    /// What the audit has of it besides what became of it.
    pub(super) detail: Value,
    /// What of the answer is not the service's.
    pub(super) known: Value,
    /// Whether a conflict may come when a part is done: of a file, not of a directory's list.
    pub(super) conflicts_midway: bool,
}

/// Does it, and tells the audit, also where it failed with a part done.
pub(super) async fn done(asks: &Asks, deed: Deed) -> Result<Value, Problem> {
    let came = asks.post_many(deed.path, &deed.body).await;
    let came = came.map(|changes| and(changes, deed.known));
    if deed.dry {
        return came;
    }
    let became = match &came {
        Ok(changes) if at(changes, "/done") == true => {
            let outcome = match count(changes, "/refused") {
                0 => "done",
                _ => "partly",
            };
            and(json!({ "outcome": outcome }), users(asks, changes).await)
        }
        Err(problem) if is_midway(problem.kind(), deed.conflicts_midway) => {
            json!({ "outcome": "failed", "why": problem.detail() })
        }
        Ok(_) | Err(_) => return came,
    };
    let detail = and(deed.detail, became);
    let noted = asks.note(deed.action, deed.target, &detail).await;
    // Why it failed comes first.
    let changes = came?;
    noted.map(|()| changes)
}

/// Whether a part may be done where it failed so: what was checked is not what failed.
const fn is_midway(kind: Kind, conflicts: bool) -> bool {
    match kind {
        Kind::Unavailable | Kind::TooMany | Kind::Internal => true,
        Kind::Conflict => conflicts,
        _ => false,
    }
}

/// What became of users.
async fn users(asks: &Asks, changes: &Value) -> Value {
    let mut after = Vec::new();
    for name in to_look_at(changes) {
        match asks.user(name).await {
            Ok(user) => {
                let mut now = audited(&user);
                if let Some(fields) = now.as_object_mut() {
                    fields.insert("name".to_owned(), name.into());
                }
                after.push(now);
            }
            // Somebody was faster.
            Err(problem) if problem.kind() == Kind::NotFound => {}
            // What is done is in the audit, with what is known of it.
            Err(_) => break,
        }
    }
    let mut told = counted(changes);
    if let Some(fields) = told.as_object_mut() {
        fields.insert("after".to_owned(), after.into());
    }
    told
}

/// A document with the fields of another.
fn and(mut document: Value, mut other: Value) -> Value {
    if let (Some(fields), Some(others)) = (document.as_object_mut(), other.as_object_mut()) {
        fields.append(others);
    }
    document
}

/// What became of tokens.
pub(super) fn tokens(taken: &Value) -> Value {
    let (tokens, more) = first(taken, "/tokens");
    json!({
        "created": at(taken, "/created"), "assigned": at(taken, "/assigned"),
        "tokens": tokens, "more_tokens": more,
    })
}

/// What tells a file from others: who has it can show that it was that one.
pub(super) fn file(csv: &str) -> Value {
    let hash = digest(&SHA256, csv.as_bytes());
    json!({ "file_sha256": data_encoding::HEXLOWER.encode(hash.as_ref()) })
}

fn counted(changes: &Value) -> Value {
    let (created, more_created) = first(changes, "/created");
    let (changed, more_changed) = first(changes, "/changed");
    // They are among the changed, and counted there.
    let (disabled, _) = first(changes, "/disabled");
    let (gone, more_gone) = first(changes, "/missing");
    let (refused, more_refused) = first(changes, "/refused");
    let refused: Vec<Value> = refused.iter().map(shortened).collect();
    json!({
        "created": count(changes, "/created"), "changed": count(changes, "/changed"),
        "gone": count(changes, "/missing"), "disabled": count(changes, "/disabled"), "unchanged": at(changes, "/unchanged"),
        "users": { "created": created, "changed": changed, "disabled": disabled, "gone": gone },
        "more_users": more_created + more_changed + more_gone,
        "refused": refused, "more_refused": more_refused,
    })
}

/// What was left out, and why: a name of a file can be as long as the file.
fn shortened(refused: &Value) -> Value {
    let text = |path: &str| -> String {
        let text = at(refused, path).as_str().unwrap_or_default();
        text.chars().take(CHARACTERS).collect()
    };
    json!({ "name": text("/name"), "why": text("/why") })
}

/// Of a list the first ones, and how many more there are.
fn first<'a>(document: &'a Value, path: &str) -> (&'a [Value], usize) {
    let all = at(document, path).as_array().map_or(&[][..], Vec::as_slice);
    let (named, more) = all.split_at(all.len().min(NAMED));
    (named, more.len())
}

/// Whom a look is worth at, by the name that they have now: users who are new, or have something that lets
/// them in otherwise.
fn to_look_at(changes: &Value) -> Vec<&str> {
    let created = at(changes, "/created").as_array().into_iter().flatten();
    let changed = at(changes, "/changed").as_array().into_iter().flatten();
    let changed = changed.filter(|one| {
        let mut fields = at(one, "/fields").as_array().into_iter().flatten();
        fields.any(|field| field.as_str().is_some_and(|field| OPENS.contains(&field)))
    });
    let names = changed.map(called).chain(created);
    names.filter_map(Value::as_str).take(NAMED).collect()
}

/// What a user that is changed is called from now on: the name of before may be another one's.
fn called(changed: &Value) -> &Value {
    match at(changed, "/now") {
        Value::Null => at(changed, "/name"),
        now => now,
    }
}

const OPENS: &[&str] = &["name", "status", "email", "aliases", "groups"];
/// So many are named of each list, and looked at.
const NAMED: usize = 100;
/// So much is told of a name that is refused, and of why.
const CHARACTERS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_named_and_the_others_counted() {
        let names: Vec<String> = (0..20_000).map(|number| format!("user{number}")).collect();
        let changes = json!({
            "created": names, "missing": ["gone"], "disabled": ["alice"], "unchanged": 3,
            "changed": [{"name": "alice", "fields": ["status"]}, {"name": "bob", "fields": ["phones"]}],
        });
        let told = counted(&changes);
        assert_eq!(told["created"], 20_000);
        assert_eq!(told["more_users"], 19_900);
        let users = &told["users"];
        assert_eq!(users["created"].as_array().unwrap().len(), NAMED);
        assert_eq!(users["created"][0], "user0");
        assert_eq!(users["changed"], changes["changed"]);
        assert_eq!(users["gone"], json!(["gone"]));
        assert_eq!(
            (&told["disabled"], &users["disabled"]),
            (&json!(1), &json!(["alice"]))
        );
        let looked = to_look_at(&changes);
        assert_eq!(
            (looked.len(), looked[0], looked[1]),
            (NAMED, "alice", "user0")
        );
        assert!(
            !looked.contains(&"bob"),
            "a phone of theirs is none to look at"
        );
        let nobody = counted(&json!({ "unchanged": 3 }));
        assert_eq!(
            (&nobody["created"], &nobody["more_users"]),
            (&json!(0), &json!(0))
        );
        let taken =
            json!({ "created": 1, "assigned": 1, "tokens": [{"serial": "1", "user": "bob"}] });
        assert_eq!(tokens(&taken)["tokens"][0]["user"], "bob");
    }

    #[test]
    fn whoever_is_renamed_is_looked_up_by_the_new_name() {
        let changes = json!({
            "created": ["anna"], "unchanged": 0,
            "changed": [
                {"name": "anna", "now": "anna.smith", "fields": ["name", "aliases"]},
                {"name": "bob", "now": "rob", "fields": ["name"]},
                {"name": "carol", "fields": ["email"]},
            ],
        });
        assert_eq!(to_look_at(&changes), ["anna.smith", "rob", "carol", "anna"]);
        let told = counted(&changes);
        assert_eq!(told["users"]["changed"][0]["now"], "anna.smith");
    }

    #[test]
    fn what_was_left_out_is_told_and_the_first_of_it_named() {
        let refused = |number: usize| {
            let name = if number == 0 {
                "x".repeat(CHARACTERS + 1)
            } else {
                format!("user{number}")
            };
            json!({ "name": name, "why": "that is an alias of 'alice'" })
        };
        let refused: Vec<Value> = (0..NAMED + 2).map(refused).collect();
        let told = counted(&json!({ "refused": refused }));
        let named = told["refused"].as_array().unwrap();
        assert_eq!((named.len(), &told["more_refused"]), (NAMED, &json!(2)));
        assert_eq!(named[0]["name"], "x".repeat(CHARACTERS));
        assert_eq!(named[1], refused[1]);
        let whole = counted(&json!({ "unchanged": 3 }));
        assert_eq!(whole["refused"], json!([]));
    }

    #[test]
    fn a_file_is_told_from_others() {
        let want = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(file(""), json!({ "file_sha256": want }));
    }
}
