//! Pushes that wait for their answer, and what an administrator should look at.

use proto::second_factor::{Done, IncidentKind, Incidents, WaitingPush};
use serde_json::json;

use super::{Asks, encoded, moment};
use crate::failure::Failure;
use crate::output;

pub(super) async fn list(asks: &Asks) -> Result<(), Failure> {
    let pushes: Vec<WaitingPush> = asks.get("/pushes").await?;
    asks.show(&pushes, || pushes.iter().for_each(print));
    Ok(())
}

/// Decides a push by its id, or the only one that waits for a user.
pub(super) async fn decide(asks: &Asks, which: &str, verb: &str) -> Result<(), Failure> {
    let pushes: Vec<WaitingPush> = asks.get("/pushes").await?;
    let mut found = pushes
        .iter()
        .filter(|push| push.txid == which || push.user.eq_ignore_ascii_case(which));
    let push = match (found.next(), found.next()) {
        (Some(push), None) => push,
        (None, _) => return Err(Failure::plain(format!("no push waits for '{which}'"))),
        (Some(_), Some(_)) => {
            return Err(Failure::plain(format!(
                "several pushes wait for '{which}': name one by its id, as `countersign factor pushes` shows"
            )));
        }
    };
    let path = format!("/pushes/{}/{verb}", encoded(&push.txid));
    let _: Done = asks.post(&path, &json!({})).await?;
    asks.show(&json!({ "txid": push.txid }), || {
        output::line(format_args!("{verb}: {} of {}", push.txid, push.user));
    });
    Ok(())
}

pub(super) async fn incidents(
    asks: &Asks,
    kind: Option<IncidentKind>,
    user: Option<&str>,
    limit: u32,
) -> Result<(), Failure> {
    let mut path = format!("/incidents?limit={limit}");
    if let Some(kind) = kind {
        path = format!("{path}&kind={}", kind.as_str());
    }
    if let Some(user) = user {
        path = format!("{path}&user={}", encoded(user));
    }
    let page: Incidents = asks.get(&path).await?;
    asks.show(&page.incidents, || {
        for one in &page.incidents {
            let mut told = vec![one.application.as_str(), one.ip.as_str(), &one.detail];
            told.retain(|text| !text.is_empty());
            let (at, kind) = (moment(one.at), one.kind.as_str());
            let line = format!("{at}  {kind:<14} {:<20} {}", one.user, told.join("  "));
            output::line(format_args!("{}", line.trim_end()));
        }
    });
    Ok(())
}

fn print(push: &WaitingPush) {
    let number = if push.number_matching {
        ", asks for the number"
    } else {
        ""
    };
    output::line(format_args!(
        "{}  {}  {} from {}, {} s ago{number}",
        push.txid,
        push.user,
        push.application,
        if push.ip.is_empty() {
            "unknown"
        } else {
            &push.ip
        },
        push.age_seconds
    ));
}
