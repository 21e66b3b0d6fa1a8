//! `countersign factor sync`: the control plane has a node list a directory, and the users follow.

use std::time::Duration;

use local::Client;
use proto::second_factor::{LastSync, Status, SyncDirectory, UserChanges, WhenMissing};

use super::users::print_changes;
use super::{Asks, moment};
use crate::args::SyncArgs;
use crate::commands::problem::refused;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(asks: &Asks, control: &Client, args: SyncArgs) -> Result<(), Failure> {
    if args.last {
        let status: Status = asks.get("/status").await?;
        asks.show(&status.syncs, || status.syncs.iter().for_each(print_last));
        return Ok(());
    }
    let wanted = SyncDirectory {
        ad_client: args.ad_client,
        group_dn: args.group_dn,
        group: args.group,
        missing: args.missing,
        phones: args.phones,
        force: args.force,
        take_over: args.take_over,
        forget: args.forget,
    };
    let path = format!("{PATH}?dry_run={}", args.dry_run);
    let changes: UserChanges = control.post(&path, &wanted, LIMIT).await.map_err(refused)?;
    asks.show(&changes, || {
        for line in shut_out(&changes, wanted.missing, args.dry_run) {
            output::line(format_args!("{line}"));
        }
        print_changes(&changes, args.dry_run);
        for line in totals(&changes, wanted.missing) {
            output::line(format_args!("{line}"));
        }
    });
    match failed(&changes, &wanted.ad_client) {
        None => Ok(()),
        Some(why) => Err(Failure::plain(why)),
    }
}

/// Why it is not as it was asked for: as the deed is answered where it is only tried.
fn failed(changes: &UserChanges, section: &str) -> Option<String> {
    if let Some(why) = &changes.needs_force {
        return Some(format!("nothing would be taken of [{section}]: {why}"));
    }
    let count = changes.refused.len();
    let (left, done) = match changes.done {
        true => ("were", "was"),
        false => ("would be", "would be"),
    };
    (count > 0).then(|| {
        format!(
            "{count} entries or aliases of [{section}] are not possible and {left} left out; the rest {done} \
             done"
        )
    })
}

/// Who may not log in any more, or is gone: the first ones by name, where it is done.
fn shut_out(changes: &UserChanges, missing: WhenMissing, dry_run: bool) -> Vec<String> {
    let word = missing.as_str();
    let gone = changes
        .missing
        .iter()
        .map(|name| format!("- {name}: {word}"));
    let disabled = changes.disabled.iter();
    let disabled = disabled.map(|name| format!("- {name}: disabled in the directory"));
    let mut lines: Vec<String> = gone.chain(disabled).collect();
    let more = lines.len().saturating_sub(NAMED);
    // Before it is done, everybody is to be looked at.
    if more > 0 && !dry_run {
        lines.truncate(NAMED);
        lines.push(format!("- and {more} more; --json names all"));
    }
    lines
}

fn totals(changes: &UserChanges, missing: WhenMissing) -> Vec<String> {
    let mut lines = Vec::new();
    if !changes.missing.is_empty() {
        let (count, word) = (changes.missing.len(), missing.as_str());
        lines.push(format!("{count} are there no more: {word}"));
    }
    if !changes.disabled.is_empty() {
        let count = changes.disabled.len();
        lines.push(format!(
            "{count} are disabled in the directory and may not log in any more"
        ));
    }
    if changes.nameless > 0 {
        let count = changes.nameless;
        lines.push(format!(
            "{count} left out: their username_attribute is blank or no text"
        ));
    }
    lines
}

/// A list, and what came of it.
fn print_last(sync: &LastSync) {
    let LastSync { source, people, .. } = sync;
    let (at, outcome) = (moment(sync.at), sync.outcome.as_str());
    output::line(format_args!("{source}: {outcome} at {at}, {people} people"));
    if !sync.why.is_empty() {
        output::line(format_args!("  {}", sync.why));
    }
    if sync.taken_at != sync.at {
        let taken = moment(sync.taken_at);
        output::line(format_args!("  last taken at {taken}"));
    }
}

const PATH: &str = "/api/v1/second-factor/sync";
/// A directory is listed within 300 s, and 100,000 users are written within 120 s.
const LIMIT: Duration = Duration::from_secs(450);
/// So many are named when it is done.
const NAMED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_fails_as_the_deed_would() {
        let refused = || proto::second_factor::RefusedUser {
            line: None,
            name: "bob".to_owned(),
            why: "that is an alias of 'alice'".to_owned(),
        };
        let half = Some("17 of the 20 users would be disabled: say force".to_owned());
        for (done, refused, needs_force, want) in [
            (true, vec![], None, None),
            (false, vec![], None, None),
            (
                true,
                vec![refused()],
                None,
                Some(
                    "1 entries or aliases of [ad_client] are not possible and were left out; the rest was \
                     done",
                ),
            ),
            (
                false,
                vec![refused(), refused()],
                None,
                Some(
                    "2 entries or aliases of [ad_client] are not possible and would be left out; the rest \
                     would be done",
                ),
            ),
            (
                false,
                vec![refused()],
                half,
                Some(
                    "nothing would be taken of [ad_client]: 17 of the 20 users would be disabled: say force",
                ),
            ),
        ] {
            let changes = UserChanges {
                done,
                refused,
                needs_force,
                ..UserChanges::default()
            };
            assert_eq!(failed(&changes, "ad_client").as_deref(), want);
        }
    }

    #[test]
    fn whom_it_shuts_out_is_named_when_it_is_done_too() {
        let names = |count: usize| (0..count).map(|number| format!("user{number}"));
        let changes = UserChanges {
            missing: names(99).collect(),
            disabled: vec!["alice".to_owned(), "bob".to_owned(), "carol".to_owned()],
            nameless: 2,
            ..UserChanges::default()
        };
        let lines = shut_out(&changes, WhenMissing::Delete, false);
        assert_eq!(lines.len(), NAMED + 1);
        assert_eq!(lines[0], "- user0: delete");
        assert_eq!(
            lines[99..],
            [
                "- alice: disabled in the directory",
                "- and 2 more; --json names all"
            ]
        );
        let all = shut_out(&changes, WhenMissing::Delete, true);
        assert_eq!(all.len(), 102);
        let totals = totals(&changes, WhenMissing::Delete);
        assert_eq!(totals[0], "99 are there no more: delete");
        assert!(totals[1].starts_with("3 are disabled"), "{totals:?}");
        assert!(totals[2].starts_with("2 left out"), "{totals:?}");
        assert_eq!(
            super::totals(&UserChanges::default(), WhenMissing::Keep),
            [""; 0]
        );
    }
}
