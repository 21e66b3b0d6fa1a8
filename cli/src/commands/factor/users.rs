//! Users and their groups, one by one and of a file.

use std::path::Path;
use std::time::Duration;

use proto::second_factor::{
    BypassCodes, ChangeUser, ChangedUser, CreatedUser, Done, Group, ImportUsers, NewBypassCodes,
    NewUser, Script, ScriptAnswer, ScriptChange, SmsCodes, User, UserChanges, UserStatus, Users,
};
use serde_json::json;

use super::{Asks, encoded, files, moment, of_user, seconds};
use crate::args::{FactorCommand, UserChangeArgs};
use crate::commands::validate::counted;
use crate::failure::Failure;
use crate::logs::now_us;
use crate::output;

pub(super) async fn run(asks: &Asks, command: FactorCommand) -> Result<(), Failure> {
    match command {
        FactorCommand::Users {
            search,
            status,
            group,
        } => list(asks, search.as_deref(), status, group.as_deref()).await,
        FactorCommand::Show { user } => {
            let user: User = asks.get(&of_user(&user, "")).await?;
            show(asks, &user);
            Ok(())
        }
        FactorCommand::Add {
            user,
            full_name,
            email,
            aliases,
            groups,
        } => {
            let new = NewUser {
                full_name,
                email,
                aliases,
                groups,
                ..NewUser::named(user)
            };
            let made: CreatedUser = asks.post("/users", &new).await?;
            asks.show(&made, || {
                output::line(format_args!("{} made", made.user.name));
            });
            Ok(())
        }
        FactorCommand::Change { user, change } => change_user(asks, &user, change).await,
        FactorCommand::Import { file, dry_run } => import(asks, &file, dry_run).await,
        FactorCommand::Groups => groups(asks).await,
        FactorCommand::Delete { user } => {
            let path = of_user(&user, "/delete");
            let _: Done = asks.post(&path, &json!({})).await?;
            asks.show(&json!({}), || output::line(format_args!("{user} deleted")));
            Ok(())
        }
        FactorCommand::SetStatus { user, status, span } => {
            set_status(asks, &user, status, span).await
        }
        FactorCommand::Lock { user } => simple(asks, &of_user(&user, "/lock")).await,
        FactorCommand::Unlock { user } => simple(asks, &of_user(&user, "/unlock")).await,
        FactorCommand::BypassCodes { user, count, span } => {
            let wanted = NewBypassCodes {
                count: Some(count),
                valid_seconds: seconds(span)?,
            };
            let path = of_user(&user, "/bypass-codes");
            let codes: BypassCodes = asks.post(&path, &wanted).await?;
            asks.show(&codes, || {
                for code in &codes.codes {
                    output::line(format_args!("{}", code.expose()));
                }
            });
            Ok(())
        }
        FactorCommand::SmsCodes { user } => {
            let codes: Vec<SmsCodes> = asks.get(&of_user(&user, "/sms-codes")).await?;
            asks.show(&codes, || {
                for (device, code) in codes
                    .iter()
                    .flat_map(|of| of.codes.iter().map(|code| (&of.device, code)))
                {
                    output::line(format_args!("{device}  {}", code.expose()));
                }
            });
            Ok(())
        }
        FactorCommand::Script {
            user,
            answer,
            after_ms,
        } => {
            let script = match ScriptAnswer::from_name(&answer) {
                Some(answer) => ScriptChange::Set(Script { answer, after_ms }),
                None => ScriptChange::Clear,
            };
            let change = ChangeUser {
                script: Some(script),
                ..ChangeUser::default()
            };
            changed(asks, &user, &change).await
        }
        _ => Err(Failure::plain("that is no command of users")),
    }
}

async fn list(
    asks: &Asks,
    search: Option<&str>,
    status: Option<UserStatus>,
    group: Option<&str>,
) -> Result<(), Failure> {
    let mut path = "/users?limit=500".to_owned();
    for (name, value) in [
        ("search", search),
        ("status", status.map(UserStatus::as_str)),
        ("group", group),
    ] {
        if let Some(value) = value {
            path = format!("{path}&{name}={}", encoded(value));
        }
    }
    let all = asks
        .all(&path, |page: Users| (page.users, page.next))
        .await?;
    asks.show(&all, || all.iter().for_each(print));
    Ok(())
}

async fn groups(asks: &Asks) -> Result<(), Failure> {
    let groups: Vec<Group> = asks.get("/groups").await?;
    asks.show(&groups, || {
        for group in &groups {
            let policy = if group.policy { ", with a policy" } else { "" };
            output::line(format_args!(
                "{:<24} {} users{policy}",
                group.name, group.users
            ));
        }
    });
    Ok(())
}

async fn change_user(asks: &Asks, user: &str, args: UserChangeArgs) -> Result<(), Failure> {
    let of_aliases = !args.add_alias.is_empty() || !args.remove_alias.is_empty();
    let of_groups = !args.add_group.is_empty() || !args.remove_group.is_empty();
    let mut change = ChangeUser {
        full_name: args.full_name,
        email: args.email,
        ..ChangeUser::default()
    };
    if of_aliases || of_groups {
        let is: User = asks.get(&of_user(user, "")).await?;
        if of_aliases {
            change.aliases = Some(edited(
                is.aliases,
                args.add_alias,
                &args.remove_alias,
                user,
            )?);
        }
        if of_groups {
            change.groups = Some(edited(is.groups, args.add_group, &args.remove_group, user)?);
        }
    }
    changed(asks, user, &change).await
}

/// A list with more and fewer names, whose case does not count.
fn edited(
    mut names: Vec<String>,
    more: Vec<String>,
    fewer: &[String],
    user: &str,
) -> Result<Vec<String>, Failure> {
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    for gone in fewer {
        let before = names.len();
        names.retain(|name| !same(name, gone));
        if names.len() == before {
            return Err(Failure::plain(format!(
                "{user} has no '{gone}': `countersign factor show` has what there is"
            )));
        }
    }
    for new in more {
        if !names.iter().any(|name| same(name, &new)) {
            names.push(new);
        }
    }
    Ok(names)
}

async fn set_status(
    asks: &Asks,
    user: &str,
    status: UserStatus,
    span: Option<Duration>,
) -> Result<(), Failure> {
    let bypass_until = match span {
        Some(_) if status != UserStatus::Bypass => {
            return Err(Failure::usage("--for goes with bypass alone"));
        }
        Some(span) => Some((now_us() / 1_000_000).saturating_add(span.as_secs())),
        None => None,
    };
    let change = ChangeUser {
        status: Some(status),
        bypass_until,
        ..ChangeUser::default()
    };
    changed(asks, user, &change).await
}

async fn changed(asks: &Asks, user: &str, change: &ChangeUser) -> Result<(), Failure> {
    let user: User = asks.post(&of_user(user, ""), change).await?;
    show(asks, &user);
    Ok(())
}

async fn simple(asks: &Asks, path: &str) -> Result<(), Failure> {
    let user: User = asks.post(path, &json!({})).await?;
    show(asks, &user);
    Ok(())
}

async fn import(asks: &Asks, file: &Path, dry_run: bool) -> Result<(), Failure> {
    let csv = files::whole(file)?.to_string();
    let changes: UserChanges = asks
        .post_many("/users/import", &ImportUsers { csv, dry_run })
        .await?;
    asks.show(&changes, || print_changes(&changes, dry_run));
    match changes.refused.len() {
        0 => Ok(()),
        count => Err(Failure::plain(format!(
            "nothing was taken of {}: {} cannot be taken",
            file.display(),
            counted(count, "line")
        ))),
    }
}

/// What became of many users, or would become.
pub(super) fn print_changes(changes: &UserChanges, dry_run: bool) {
    for one in &changes.refused {
        match one.line {
            Some(line) => output::complaint(format_args!("line {line}: {}: {}", one.name, one.why)),
            None => output::complaint(format_args!("{}: {}", one.name, one.why)),
        }
    }
    if dry_run || !changes.done {
        for name in &changes.created {
            output::line(format_args!("+ {name}"));
        }
        for one in &changes.changed {
            output::line(format_args!("~ {}", said(one)));
        }
    }
    let done = if changes.done {
        ""
    } else {
        "nothing was done: "
    };
    output::line(format_args!(
        "{done}{} new, {} changed, {} as they were",
        changes.created.len(),
        changes.changed.len(),
        changes.unchanged
    ));
}

/// A user that is changed, in what.
fn said(changed: &ChangedUser) -> String {
    let fields = changed.fields.join(", ");
    match &changed.now {
        Some(now) => format!("{} -> {now}: {fields}", changed.name),
        None => format!("{}: {fields}", changed.name),
    }
}

fn show(asks: &Asks, user: &User) {
    asks.show(user, || print(user));
}

/// A user and the devices, as lists and answers have them.
pub(super) fn print(user: &User) {
    let script = user.script.map(|script| {
        let answer = script.answer.as_str();
        format!(", answers by itself: {answer} after {} ms", script.after_ms)
    });
    let until = user.bypass_until.map(|until| {
        let until = moment(until);
        format!(", until {until}")
    });
    output::line(format_args!(
        "{:<20} {:<10} {} bypass codes, {} wrong passcodes{}{}",
        user.name,
        user.status.as_str(),
        user.bypass_codes,
        user.failures,
        until.unwrap_or_default(),
        script.unwrap_or_default(),
    ));
    let known = known(user);
    if !known.is_empty() {
        output::line(format_args!("  {known}"));
    }
    for device in &user.devices {
        let mut told = vec![device.name.as_str(), device.number.as_str()];
        told.extend(device.serial.as_deref());
        told.extend(match (device.bound, device.synced, device.bindable_until) {
            (true, false, _) => Some("with a passkey"),
            (true, true, _) => Some("with a passkey that is synced"),
            (false, _, Some(until)) if until.saturating_mul(1_000_000) < now_us() => {
                Some("with no passkey, and an address that is over")
            }
            (false, _, Some(_)) => Some("with no passkey yet"),
            (false, _, None) => None,
        });
        told.retain(|text| !text.is_empty());
        let (id, kind) = (&device.id, device.kind.as_str());
        let line = format!("  {id}  {kind:<5} {}", told.join(" "));
        output::line(format_args!("{}", line.trim_end()));
    }
}

/// What is known of a person beside the name.
fn known(user: &User) -> String {
    let mut parts = Vec::new();
    match (user.full_name.as_str(), user.email.as_str()) {
        ("", "") => {}
        ("", email) => parts.push(email.to_owned()),
        (name, "") => parts.push(name.to_owned()),
        (name, email) => parts.push(format!("{name} <{email}>")),
    }
    if !user.aliases.is_empty() {
        parts.push(format!("also {}", user.aliases.join(", ")));
    }
    if !user.groups.is_empty() {
        parts.push(format!("in {}", user.groups.join(", ")));
    }
    parts.extend(user.source.as_ref().map(|source| format!("of {source}")));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_new_name_is_said_beside_the_old_one() {
        for (now, want) in [
            (Some("anna.smith"), "anna -> anna.smith: name, aliases"),
            (None, "anna: name, aliases"),
        ] {
            let changed = ChangedUser {
                name: "anna".to_owned(),
                now: now.map(str::to_owned),
                fields: vec!["name".to_owned(), "aliases".to_owned()],
            };
            assert_eq!(said(&changed), want);
        }
    }

    #[test]
    fn names_come_and_go_whatever_their_case() {
        for (is, more, fewer, want) in [
            ("", "a b", "", Some("a b")),
            ("a", "A b", "", Some("a b")),
            ("a B", "", "A", Some("B")),
            ("a", "c", "a", Some("c")),
            ("a", "", "b", None),
        ] {
            let got = edited(names(is), names(more), &names(fewer), "alice").ok();
            assert_eq!(got, want.map(names), "{is} + {more} - {fewer}");
        }
    }
}
