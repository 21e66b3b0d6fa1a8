//! Whether a user is in one of the groups that may log in.

use std::time::Instant;

use proto::event::Reason;

use super::fault::Fault;
use super::host::Host;
use super::message::{Found, Scope, Search};
use super::{Directory, Verdict, answer, query, rejected, shown};

/// The rejection of a user who is in none of the groups; none when there are no groups or the user
/// is in one.
pub(super) async fn barred(
    directory: &Directory,
    host: &Host,
    user: &Found,
    deadline: Instant,
) -> Result<Option<Verdict>, Fault> {
    if directory.groups.is_empty() {
        return Ok(None);
    }
    let filter = query::member_filter(&user.dn);
    let mut fault = None;
    for group in &directory.groups {
        let search = Search {
            base: group,
            scope: Scope::Base,
            filter: &filter,
            attributes: &[],
            limit: 1,
        };
        let (found, end) = host.search(&search, deadline).await?;
        match answer::search_end(&end, "security_group_dn", group) {
            Ok(()) if found.is_empty() => {}
            Ok(()) => return Ok(None),
            // Another group may still let the user in.
            Err(misconfigured @ Fault::Misconfigured(_)) => fault = Some(misconfigured),
            Err(other) => return Err(other),
        }
    }
    match fault {
        Some(fault) => Err(fault),
        None => Ok(Some(rejected(
            Reason::NotPermitted,
            format!(
                "{} is no direct member of {}",
                shown(&user.dn),
                shown(&directory.groups.join(" or "))
            ),
        ))),
    }
}
