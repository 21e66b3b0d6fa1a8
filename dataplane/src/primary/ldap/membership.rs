//! Asks a host whether a user is in one of the groups that may log in. What is asked, and what
//! answers mean, is in [`groups`].

use std::time::Instant;

use proto::event::Reason;

use super::fault::Fault;
use super::filter::Filter;
use super::groups::{self, Step, Walk};
use super::host::Host;
use super::message::{Found, Scope, Search};
use super::{Directory, Verdict, answer, dn, rejected, shown};

/// The attributes of a user's entry that are needed here, beside its name. Active Directory has
/// them.
pub(super) const SID: &str = "objectSid";
pub(super) const PRIMARY_GROUP: &str = "primaryGroupID";

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
    let question = Question {
        groups: &directory.groups,
        host,
        user,
        deadline,
    };
    let standing = match (directory.nested_groups, user.values(SID).next()) {
        (false, _) => question.direct().await?,
        (true, Some(_)) => question.followed_by_the_directory().await?,
        (true, None) => match question.direct().await? {
            Standing::Outside(_) => question.walked().await?,
            inside => inside,
        },
    };
    let Standing::Outside(how) = standing else {
        return Ok(None);
    };
    Ok(Some(rejected(
        Reason::NotPermitted,
        format!(
            "{} is no {how} of {}",
            shown(&user.dn),
            shown(&directory.groups.join(" or "))
        ),
    )))
}

/// Where a user stands.
enum Standing {
    Inside,
    /// And what the user is not.
    Outside(String),
}

struct Question<'a> {
    groups: &'a [String],
    host: &'a Host,
    user: &'a Found,
    deadline: Instant,
}

impl Question<'_> {
    /// Asks each group whether it names the user, or the user it.
    async fn direct(&self) -> Result<Standing, Fault> {
        let filter = self.names_the_user();
        let mut fault = None;
        for group in self.groups {
            match self.group(group, &filter, &[]).await {
                Ok(Some(_)) => return Ok(Standing::Inside),
                Ok(None) => {}
                Err(other) => skip(other, &mut fault)?,
            }
        }
        outside("direct member", fault)
    }

    /// Asks Active Directory, which knows all groups of a user and follows members of members.
    async fn followed_by_the_directory(&self) -> Result<Standing, Fault> {
        let any = Filter::any();
        let tokens = Search {
            base: &self.user.dn,
            scope: Scope::Base,
            filter: &any,
            attributes: &[TOKEN_GROUPS],
            limit: 1,
        };
        let (found, end) = self.host.search(&tokens, self.deadline).await?;
        answer::serves(&end)?;
        let held = groups::token_groups(found.iter().flat_map(|user| user.values(TOKEN_GROUPS)));
        let member = Filter::any_of([groups::in_chain(&self.user.dn), self.names_the_user()]);
        let mut fault = None;
        for group in self.groups {
            let entry = match self.group(group, &any, &[SID]).await {
                Ok(entry) => entry,
                Err(other) => {
                    skip(other, &mut fault)?;
                    continue;
                }
            };
            let is_held = entry
                .is_some_and(|entry| !groups::token_groups(entry.values(SID)).is_disjoint(&held));
            // Distribution groups are followed, but not held.
            if is_held || self.group(group, &member, &[]).await?.is_some() {
                return Ok(Standing::Inside);
            }
        }
        outside("direct or nested member", fault)
    }

    /// Looks for the groups of the user, the groups of those, and so on.
    async fn walked(&self) -> Result<Standing, Fault> {
        let mut bases = self.contexts().await?;
        let mut narrowed = bases.is_empty();
        if narrowed {
            bases = self.narrow()?;
        }
        let mut walk = Walk::new(&self.user.dn, self.groups);
        loop {
            let filter = match walk.step() {
                Step::Search(filter) => filter,
                Step::Member(_) => return Ok(Standing::Inside),
                Step::Outsider => {
                    return Ok(Standing::Outside("direct or nested member".to_owned()));
                }
                Step::GaveUp(bound) => {
                    return Ok(Standing::Outside(format!(
                        "member, as far as was looked ({bound}),"
                    )));
                }
            };
            let found = match self.members_below(&bases, &filter, &mut walk).await {
                // The service account may see less than all.
                Err(Fault::Misconfigured(_)) if !narrowed => {
                    narrowed = true;
                    bases = self.narrow()?;
                    self.members_below(&bases, &filter, &mut walk).await?
                }
                found => found?,
            };
            walk.found(found.iter().map(|group| group.dn.as_str()));
        }
    }

    /// The groups below these entries that match.
    async fn members_below(
        &self,
        bases: &[String],
        filter: &Filter,
        walk: &mut Walk,
    ) -> Result<Vec<Found>, Fault> {
        let mut all = Vec::new();
        for base in bases {
            let search = Search {
                base,
                scope: Scope::Subtree,
                filter,
                attributes: &[],
                limit: groups::MAX_FOUND,
            };
            let (found, end) = self.host.search(&search, self.deadline).await?;
            answer::search_end(&end, "nested_groups: base", base)?;
            if end.code == SIZE_LIMIT_EXCEEDED {
                walk.limited();
            }
            all.extend(found);
        }
        Ok(all)
    }

    /// The parts of the directory that hold the groups, by their topmost entries.
    async fn contexts(&self) -> Result<Vec<String>, Fault> {
        let contexts = self.host.contexts(self.deadline).await?;
        let mut bases: Vec<String> = Vec::new();
        for group in self.groups {
            let holds = contexts
                .iter()
                .filter(|context| dn::ends_with(group, context))
                .max_by_key(|context| context.len());
            if let Some(context) = holds
                && !bases.contains(context)
            {
                bases.push(context.clone());
            }
        }
        Ok(bases)
    }

    /// The smallest part that holds the user and the groups.
    fn narrow(&self) -> Result<Vec<String>, Fault> {
        let names = self.groups.iter().map(String::as_str);
        match dn::common_base(names.chain([self.user.dn.as_str()])) {
            Some(base) => Ok(vec![base]),
            None => Err(Fault::Misconfigured(
                "nested_groups: the directory does not say where its entries are, and user and \
                 security_group_dn have no base in common"
                    .to_owned(),
            )),
        }
    }

    /// A group's entry, if it matches.
    async fn group(
        &self,
        group: &str,
        filter: &Filter,
        attributes: &[&str],
    ) -> Result<Option<Found>, Fault> {
        let search = Search {
            base: group,
            scope: Scope::Base,
            filter,
            attributes,
            limit: 1,
        };
        let (mut found, end) = self.host.search(&search, self.deadline).await?;
        answer::search_end(&end, "security_group_dn", group)?;
        Ok(found.pop())
    }

    fn names_the_user(&self) -> Filter {
        let sid = self.user.values(SID).next();
        let number = self.user.values(PRIMARY_GROUP).next();
        let primary = sid
            .zip(number)
            .and_then(|(sid, number)| groups::primary_group(sid, number));
        groups::direct(&self.user.dn, primary.as_ref())
    }
}

/// Keeps the fault of one group's settings: another group may still let the user in.
fn skip(fault: Fault, kept: &mut Option<Fault>) -> Result<(), Fault> {
    if !matches!(fault, Fault::Misconfigured(_)) {
        return Err(fault);
    }
    *kept = Some(fault);
    Ok(())
}

fn outside(how: &str, fault: Option<Fault>) -> Result<Standing, Fault> {
    match fault {
        Some(fault) => Err(fault),
        None => Ok(Standing::Outside(how.to_owned())),
    }
}

const TOKEN_GROUPS: &str = "tokenGroups";
const SIZE_LIMIT_EXCEEDED: u32 = 4;
