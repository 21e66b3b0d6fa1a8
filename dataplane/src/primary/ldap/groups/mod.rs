//! Whether a user is in a group: the filters to ask with, and what the answers mean. Pure.
//!
//! Three kinds of membership are known. Direct: the group names the user. Primary: the user's entry
//! names the group by number (Active Directory). Nested: a group names another one that names the
//! user; Active Directory follows those itself, for other directories there is [`Walk`].

use std::collections::{HashSet, VecDeque};
use std::fmt;

use super::dn;
use super::filter::Filter;

/// A security identifier (MS-DTYP section 2.4.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sid {
    /// 48 bits.
    authority: u64,
    sub_authorities: Vec<u32>,
}

impl Sid {
    /// Reads the binary form, as in `objectSid` and `tokenGroups`.
    pub(super) fn parse(octets: &[u8]) -> Option<Self> {
        let ([1, count, a, b, c, d, e, f], rest) = octets.split_first_chunk()? else {
            return None;
        };
        let (words, []) = rest.as_chunks() else {
            return None;
        };
        if words.len() != usize::from(*count) || words.len() > MAX_SUB_AUTHORITIES {
            return None;
        }
        Some(Self {
            authority: u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]),
            sub_authorities: words.iter().map(|word| u32::from_le_bytes(*word)).collect(),
        })
    }

    /// The one of the same domain with this relative identifier. None when this is of no domain.
    fn neighbour(&self, relative: u32) -> Option<Self> {
        let mut sid = self.clone();
        let last = sid.sub_authorities.last_mut()?;
        *last = relative;
        Some(sid)
    }
}

/// What a person's entry matches in Active Directory when a group has it as a member, by any number of
/// groups where they are followed, or as its primary group.
pub(super) fn members(group_dn: &str, group: &Sid, nested: bool) -> [Filter; 2] {
    let member = match nested {
        true => Filter::by_rule("memberOf", MATCHING_RULE_IN_CHAIN, group_dn.as_bytes()),
        false => Filter::equals("memberOf", group_dn.as_bytes()),
    };
    let relative = group.sub_authorities.last().copied().unwrap_or_default();
    let primary = Filter::equals("primaryGroupID", relative.to_string().as_bytes());
    [member, primary]
}

impl fmt::Display for Sid {
    /// `S-1-5-21-…` (MS-DTYP section 2.4.2.1). Active Directory takes it in a filter on `objectSid`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.authority > u64::from(u32::MAX) {
            write!(f, "S-1-{:#014x}", self.authority)?;
        } else {
            write!(f, "S-1-{}", self.authority)?;
        }
        for part in &self.sub_authorities {
            write!(f, "-{part}")?;
        }
        Ok(())
    }
}

/// The primary group of a user, from the values of `objectSid` and `primaryGroupID`. None when
/// either is no such value.
pub(super) fn primary_group(object_sid: &[u8], primary_group_id: &[u8]) -> Option<Sid> {
    let relative = std::str::from_utf8(primary_group_id).ok()?.parse().ok()?;
    Sid::parse(object_sid)?.neighbour(relative)
}

/// What a group's entry matches when the user is its direct member, or it is the user's primary
/// group.
pub(super) fn direct(user_dn: &str, primary: Option<&Sid>) -> Filter {
    let primary = primary.map(|sid| Filter::equals("objectSid", sid.to_string().as_bytes()));
    Filter::any_of(names(user_dn).into_iter().chain(primary))
}

/// What a group's entry matches in Active Directory when the user is its member by any number of
/// groups (MS-ADTS section 3.1.1.3.4.4.3). Primary groups are not followed by it: those are among
/// the [`token_groups`].
pub(super) fn in_chain(user_dn: &str) -> Filter {
    Filter::by_rule("member", MATCHING_RULE_IN_CHAIN, user_dn.as_bytes())
}

/// The groups of a user in Active Directory, nested and primary ones too, from the values of the
/// user's `tokenGroups`: a group is one of them when its `objectSid` is. Distribution groups are
/// not among them.
pub(super) fn token_groups<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> HashSet<Sid> {
    values.into_iter().filter_map(Sid::parse).collect()
}

/// The way from a user to the groups, one search after another, for directories that do not follow
/// it themselves.
#[derive(Debug)]
pub(super) struct Walk {
    /// As compared, and as configured.
    wanted: Vec<(String, String)>,
    seen: HashSet<String>,
    /// Whose groups are asked for at this distance from the user, and at the next.
    here: VecDeque<String>,
    next: Vec<String>,
    distance: usize,
    groups: usize,
    reached: Option<String>,
    cut: Option<&'static str>,
}

/// What to do next on a [`Walk`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Search for the entries that match, and give their names to [`Walk::found`].
    Search(Filter),
    /// The user is in this group.
    Member(String),
    /// The user is in none of them.
    Outsider,
    /// None was found as far as the walk goes: this bound was met.
    GaveUp(&'static str),
}

impl Walk {
    /// From a user to any of the groups wanted.
    pub(super) fn new(user_dn: &str, wanted: &[String]) -> Self {
        Self {
            wanted: wanted
                .iter()
                .map(|name| (dn::comparable(name), name.clone()))
                .collect(),
            seen: HashSet::from([dn::comparable(user_dn)]),
            here: VecDeque::from([user_dn.to_owned()]),
            next: Vec::new(),
            distance: 0,
            groups: 0,
            reached: None,
            cut: None,
        }
    }

    /// What to do next. After anything but [`Step::Search`] it stays the same.
    pub(super) fn step(&mut self) -> Step {
        if let Some(group) = &self.reached {
            return Step::Member(group.clone());
        }
        if self.here.is_empty() && !self.next.is_empty() {
            self.distance += 1;
            if self.distance < MAX_DISTANCE {
                self.here.extend(self.next.drain(..));
            } else {
                self.next.clear();
                self.cut = Some("groups are nested deeper than 10");
            }
        }
        if self.here.is_empty() {
            return self.cut.map_or(Step::Outsider, Step::GaveUp);
        }
        let batch = self.here.len().min(NAMES_A_SEARCH);
        let members = self.here.drain(..batch);
        Step::Search(Filter::any_of(members.flat_map(|member| names(&member))))
    }

    /// Takes the names of the entries that matched the last search.
    pub(super) fn found<'a>(&mut self, groups: impl IntoIterator<Item = &'a str>) {
        for group in groups {
            let comparable = dn::comparable(group);
            if let Some((_, configured)) = self.wanted.iter().find(|(name, _)| *name == comparable)
            {
                self.reached = Some(configured.clone());
                return;
            }
            if self.seen.contains(&comparable) {
                continue;
            }
            if self.groups < MAX_GROUPS {
                self.groups += 1;
                self.seen.insert(comparable);
                self.next.push(group.to_owned());
            } else {
                // A wanted one may still follow.
                self.cut = Some("the user is in more than 256 groups");
            }
        }
    }

    /// Takes note that the directory kept some of the last search's entries to itself.
    pub(super) fn limited(&mut self) {
        self.cut = Some("the directory limits how many groups a search may find");
    }
}

/// Each is matched by entries that name this one as a member.
fn names(dn: &str) -> [Filter; 2] {
    ["member", "uniqueMember"].map(|attribute| Filter::equals(attribute, dn.as_bytes()))
}

/// The most entries that one search of a walk need give.
pub(super) const MAX_FOUND: u32 = 256;

/// LDAP_MATCHING_RULE_IN_CHAIN.
const MATCHING_RULE_IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// How many groups may be between the user and a wanted one, and one more.
const MAX_DISTANCE: usize = 10;
/// How many groups a walk looks at.
const MAX_GROUPS: usize = 256;
/// How many names one search asks for.
const NAMES_A_SEARCH: usize = 32;

/// MS-DTYP section 2.4.2.2.
const MAX_SUB_AUTHORITIES: usize = 15;

#[cfg(test)]
mod tests;
