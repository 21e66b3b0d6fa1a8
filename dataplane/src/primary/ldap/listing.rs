//! All the people of a directory, or of one group in it: read page by page (RFC 2696) as the service
//! account, over a connection of its own. Nobody logs in. A list that is not whole is none.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use data_encoding::HEXLOWER;
use proto::command::{ListedPeople, MOST_LISTED, MOST_LISTED_OCTETS};
use proto::second_factor::DirectoryUser;

use super::connection::Connection;
use super::fault::{self, Fault};
use super::filter::Filter;
use super::groups::{self, Sid};
use super::host::Host;
use super::membership::SID;
use super::message::{Found, Scope, Search};
use super::{Directory, Extra, answer, dn, shown};
use crate::primary::check::now;

/// Who is wanted.
enum Wanted {
    Everybody,
    /// Active Directory says by itself who is in its groups.
    Matching(Filter),
    /// Entries of these names, as compared.
    Named(HashSet<String>),
}

impl Directory {
    /// Lists people: those of a group, or all whom the section lets log in.
    ///
    /// # Errors
    /// Why there is no list, for a person.
    pub(in crate::primary) async fn list(
        &self,
        group: Option<&str>,
        deadline: Instant,
    ) -> Result<ListedPeople, String> {
        let mut failures: Vec<(&str, Fault)> = Vec::new();
        for host in self.order() {
            match self.list_at(host, group, deadline).await {
                Ok(listed) => return Ok(listed),
                Err(fault) => {
                    let last = !fault.moves_on();
                    failures.push((&host.label, fault));
                    if last {
                        break;
                    }
                }
            }
        }
        Err(fault::failure(&failures, self.transport).detail)
    }

    async fn list_at(
        &self,
        host: &Host,
        group: Option<&str>,
        deadline: Instant,
    ) -> Result<ListedPeople, Fault> {
        let soon = deadline.min(now() + self.timeout);
        let mut connection = host.endpoint().connect(soon).await?;
        connection.takes_long_messages();
        host.sign_on().service(&mut connection, soon).await?;
        let mut asking = Asking {
            directory: self,
            host,
            connection,
            deadline,
        };
        let (what, wanted) = match group {
            Some(group) => (
                "group_dn",
                asking.members(&[group.to_owned()], "group_dn").await?,
            ),
            None if self.groups.is_empty() => ("search_dn", Wanted::Everybody),
            None => (
                "security_group_dn",
                asking.members(&self.groups, "security_group_dn").await?,
            ),
        };
        tracing::debug!(host = host.label, what, "listing the people of a directory");
        let listed = asking.people(&wanted).await?;
        asking.connection.close();
        Ok(listed)
    }

    /// Whom a login could name.
    fn could_log_in(&self) -> Result<Filter, Fault> {
        let attribute = &self.names.username_attribute;
        let named = Filter::parse(&format!("({attribute}=*)"))
            .ok_or_else(|| Fault::Internal(format!("no filter asks for {attribute}")))?;
        match &self.extra {
            Extra::Any => Ok(named),
            Extra::Filter(extra) => Ok(named.and(extra)),
            Extra::Unreadable => Err(Fault::Misconfigured(
                "ldap_filter is no search filter; write it as (attribute=value)".to_owned(),
            )),
        }
    }

    /// A person of an entry; none for one that nobody logs in with.
    fn person(&self, entry: &Found) -> Option<DirectoryUser> {
        let names = texts(entry, &self.names.username_attribute);
        let mut names = names.into_iter();
        let name = names.next()?;
        let first = |attributes: &[&str]| {
            let all = attributes.iter().flat_map(|one| texts(entry, one));
            all.into_iter().next().unwrap_or_default()
        };
        let mut aliases: Vec<String> = names.collect();
        for attribute in [self.names.at_attribute.as_str(), PRINCIPAL] {
            aliases.extend(texts(entry, attribute));
        }
        let mut seen = HashSet::from([name.to_lowercase()]);
        aliases.retain(|alias| seen.insert(alias.to_lowercase()));
        Some(DirectoryUser {
            id: id_of(entry).unwrap_or_default(),
            full_name: first(&["displayName", "cn"]),
            email: first(&["mail"]),
            number: first(&["mobile"]),
            disabled: is_disabled(entry),
            aliases,
            name,
        })
    }
}

/// One list in the making.
struct Asking<'a> {
    directory: &'a Directory,
    host: &'a Host,
    connection: Connection,
    deadline: Instant,
}

impl Asking<'_> {
    /// Who is in one of these groups.
    async fn members(&mut self, names: &[String], what: &str) -> Result<Wanted, Fault> {
        let any = Filter::any();
        let mut filters = Vec::new();
        let mut members: HashSet<String> = HashSet::new();
        for name in names {
            let itself = Search {
                base: name,
                scope: Scope::Base,
                filter: &any,
                attributes: &[SID, MEMBER, UNIQUE_MEMBER],
                limit: 1,
            };
            let (found, end) = self.connection.search(&itself, self.deadline).await?;
            answer::search_end(&end, what, name)?;
            let Some(group) = found.first() else {
                return Err(Fault::Misconfigured(format!(
                    "{what} '{}' may not be read by the service account, so that nobody is seen to be in \
                     it; let it",
                    shown(name)
                )));
            };
            match group.values(SID).next().and_then(Sid::parse) {
                Some(sid) => filters.extend(groups::members(
                    &group.dn,
                    &sid,
                    self.directory.nested_groups,
                )),
                None => members.extend(members_of(group)),
            }
        }
        if !filters.is_empty() {
            return Ok(Wanted::Matching(Filter::any_of(filters)));
        }
        if self.directory.nested_groups && !members.is_empty() {
            members = self.with_nested(members).await?;
        }
        Ok(Wanted::Named(members))
    }

    /// Members of the groups among these members too, and so on: all groups are read once.
    async fn with_nested(&mut self, members: HashSet<String>) -> Result<HashSet<String>, Fault> {
        let contexts = self.host.contexts(self.deadline).await?;
        let bases = match contexts {
            [] => vec![self.directory.search_dn.clone()],
            contexts => contexts.to_vec(),
        };
        let filter = Filter::parse("(|(member=*)(uniqueMember=*))")
            .ok_or_else(|| Fault::Internal("no filter asks for groups".to_owned()))?;
        let mut groups: HashMap<String, Vec<String>> = HashMap::new();
        let mut held = 0_usize;
        for base in bases {
            let search = Search {
                base: &base,
                scope: Scope::Subtree,
                filter: &filter,
                attributes: &[MEMBER, UNIQUE_MEMBER],
                limit: 0,
            };
            let take = |group: Found| {
                let of_group: Vec<String> = members_of(&group).collect();
                held += of_group.iter().map(String::len).sum::<usize>();
                groups.insert(dn::comparable(&group.dn), of_group);
                if held > MOST_MEMBER_OCTETS || groups.len() > MOST_GROUPS {
                    return Err(Fault::Misconfigured(
                        "nested_groups: the directory has more groups than are read at once; name a \
                         group whose members are users"
                            .to_owned(),
                    ));
                }
                Ok(())
            };
            pages(
                &mut self.connection,
                &search,
                "nested_groups: base",
                self.deadline,
                take,
            )
            .await?;
        }
        let mut all = members.clone();
        let mut next: Vec<String> = members.into_iter().collect();
        while let Some(name) = next.pop() {
            for member in groups.remove(&name).unwrap_or_default() {
                if all.insert(member.clone()) {
                    next.push(member);
                }
            }
        }
        Ok(all)
    }

    /// Reads the people.
    async fn people(&mut self, wanted: &Wanted) -> Result<ListedPeople, Fault> {
        let directory = self.directory;
        let mut filter = directory.could_log_in()?;
        if let Wanted::Matching(more) = wanted {
            filter = filter.and(more);
        }
        let names = &directory.names;
        let mut attributes = vec![
            names.username_attribute.as_str(),
            names.at_attribute.as_str(),
        ];
        attributes.extend(ATTRIBUTES);
        let search = Search {
            base: &directory.search_dn,
            scope: Scope::Subtree,
            filter: &filter,
            attributes: &attributes,
            limit: 0,
        };
        let mut listed = ListedPeople {
            host: self.host.label.clone(),
            ..ListedPeople::default()
        };
        let (mut octets, mut looked_at) = (0_usize, 0_usize);
        let take = |entry: Found| {
            looked_at += 1;
            if looked_at > MOST_LOOKED_AT {
                return Err(too_many());
            }
            let is_wanted = match wanted {
                Wanted::Named(members) => members.contains(&dn::comparable(&entry.dn)),
                Wanted::Everybody | Wanted::Matching(_) => true,
            };
            if !is_wanted || !is_a_person(&entry) {
                return Ok(());
            }
            let Some(person) = directory.person(&entry) else {
                listed.nameless += 1;
                return Ok(());
            };
            octets += octets_of(&person);
            listed.people.push(person);
            if listed.people.len() > MOST_LISTED || octets > MOST_LISTED_OCTETS {
                return Err(too_many());
            }
            Ok(())
        };
        pages(
            &mut self.connection,
            &search,
            "search_dn",
            self.deadline,
            take,
        )
        .await?;
        Ok(listed)
    }
}

/// Reads all that a search finds.
async fn pages(
    connection: &mut Connection,
    search: &Search<'_>,
    what: &str,
    deadline: Instant,
    mut take: impl FnMut(Found) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut cookie = Vec::new();
    loop {
        let (found, end, next) = connection.page(search, PAGE, &cookie, deadline).await?;
        answer::search_end(&end, what, search.base)?;
        if end.code == SIZE_LIMIT_EXCEEDED {
            return Err(Fault::Misconfigured(format!(
                "the directory gives the service account only a part of what is below {what} '{}'; raise \
                 its limit (OpenLDAP: limits … size.prtotal=unlimited)",
                shown(search.base)
            )));
        }
        for entry in found {
            take(entry)?;
        }
        if next.is_empty() {
            return Ok(());
        }
        cookie = next;
    }
}

pub(super) fn members_of(group: &Found) -> impl Iterator<Item = String> {
    let values = [MEMBER, UNIQUE_MEMBER].into_iter();
    let values = values.flat_map(|attribute| group.values(attribute));
    values.filter_map(|value| str::from_utf8(value).ok().map(dn::comparable))
}

/// The values of an attribute that are texts and not empty.
pub(super) fn texts(entry: &Found, attribute: &str) -> Vec<String> {
    let values = entry.values(attribute);
    let texts = values.filter_map(|value| str::from_utf8(value).ok());
    let texts = texts.map(str::trim).filter(|text| !text.is_empty());
    texts.map(str::to_owned).collect()
}

/// Whether an entry is no computer, trust or group of Active Directory.
fn is_a_person(entry: &Found) -> bool {
    let kind = entry.values(ACCOUNT_TYPE).next();
    kind.is_none_or(|kind| kind == NORMAL_USER)
}

/// Whether an administrator of the directory has shut the account.
fn is_disabled(entry: &Found) -> bool {
    let value = |attribute: &str| {
        texts(entry, attribute)
            .into_iter()
            .next()
            .unwrap_or_default()
    };
    let control: u32 = value(CONTROL).parse().unwrap_or(0);
    control & ACCOUNT_DISABLED != 0
        || value(NS_LOCKED).eq_ignore_ascii_case("true")
        || value(POLICY_LOCKED) == LOCKED_FOR_GOOD
}

/// What tells an entry from all others for good, whatever it is called and wherever it stands. 389 Directory
/// Server may be told to make an `entryUUID` later: what it always had goes first.
pub(super) fn id_of(entry: &Found) -> Option<String> {
    let text = |attribute: &str| {
        let value = texts(entry, attribute).into_iter().next()?;
        let good =
            value.len() <= MOST_ID_OCTETS && value.bytes().all(|octet| octet.is_ascii_graphic());
        good.then(|| format!("{attribute}={}", value.to_ascii_lowercase()))
    };
    let guid = entry.values(GUID).next();
    let guid = guid.filter(|octets| !octets.is_empty() && octets.len() <= MOST_ID_OCTETS / 2);
    let guid = guid.map(|octets| format!("{GUID}={}", HEXLOWER.encode(octets)));
    guid.or_else(|| text(NS_ID)).or_else(|| text(ENTRY_ID))
}

fn octets_of(person: &DirectoryUser) -> usize {
    let aliases: usize = person.aliases.iter().map(String::len).sum();
    let names = person.id.len() + person.name.len();
    names + person.full_name.len() + person.email.len() + person.number.len() + aliases
}

fn too_many() -> Fault {
    Fault::Misconfigured(
        "more than 100,000 people are there; name a group, or let ldap_filter leave some out"
            .to_owned(),
    )
}

const MEMBER: &str = "member";
const UNIQUE_MEMBER: &str = "uniqueMember";
const PRINCIPAL: &str = "userPrincipalName";
/// Active Directory (MS-ADTS section 3.1.1.1.4), 389 Directory Server, and RFC 4530.
const GUID: &str = "objectGUID";
const NS_ID: &str = "nsUniqueId";
const ENTRY_ID: &str = "entryUUID";
const MOST_ID_OCTETS: usize = 128;
/// Active Directory (MS-SAMR section 2.2.1.9, MS-ADTS section 2.2.16).
const ACCOUNT_TYPE: &str = "sAMAccountType";
const NORMAL_USER: &[u8] = b"805306368";
const CONTROL: &str = "userAccountControl";
const ACCOUNT_DISABLED: u32 = 0x2;
/// 389 Directory Server and FreeIPA.
const NS_LOCKED: &str = "nsAccountLock";
/// draft-behera-ldap-password-policy section 5.3.3: until an administrator unlocks it.
const POLICY_LOCKED: &str = "pwdAccountLockedTime";
const LOCKED_FOR_GOOD: &str = "000001010000Z";
const ATTRIBUTES: [&str; 12] = [
    GUID,
    NS_ID,
    ENTRY_ID,
    "displayName",
    "cn",
    "mail",
    "mobile",
    PRINCIPAL,
    ACCOUNT_TYPE,
    CONTROL,
    NS_LOCKED,
    POLICY_LOCKED,
];
const SIZE_LIMIT_EXCEEDED: u32 = 4;

/// Entries that are asked for at a time; Active Directory gives at most 1,000.
const PAGE: u32 = 500;
/// Entries that are looked at for those of a group's members.
const MOST_LOOKED_AT: usize = 1_000_000;
/// Groups that are read to follow members of members, and octets of their members' names.
const MOST_GROUPS: usize = 100_000;
const MOST_MEMBER_OCTETS: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::super::{ber, message};
    use super::*;

    fn entry(attributes: &[(&str, &str)]) -> Found {
        let mut content = Vec::new();
        ber::write(&mut content, ber::OCTETS, b"cn=a");
        ber::nest(&mut content, ber::SEQUENCE, |out| {
            for (name, value) in attributes {
                ber::nest(out, ber::SEQUENCE, |out| {
                    ber::write(out, ber::OCTETS, name.as_bytes());
                    ber::nest(out, ber::SET, |out| {
                        ber::write(out, ber::OCTETS, value.as_bytes())
                    });
                });
            }
        });
        message::entry(&content).unwrap()
    }

    #[test]
    fn accounts_that_are_shut_are_told_from_others() {
        for (attribute, value, want) in [
            ("userAccountControl", "512", false),
            ("userAccountControl", "514", true),
            ("USERACCOUNTCONTROL", "66050", true),
            ("userAccountControl", "none", false),
            ("nsAccountLock", "TRUE", true),
            ("nsAccountLock", "false", false),
            ("pwdAccountLockedTime", "000001010000Z", true),
            // For a while, after wrong passwords.
            ("pwdAccountLockedTime", "20260101000000Z", false),
            ("cn", "a", false),
        ] {
            assert_eq!(
                is_disabled(&entry(&[(attribute, value)])),
                want,
                "{attribute}: {value}"
            );
        }
    }

    #[test]
    fn an_entry_is_told_from_others_by_what_stays_whatever_it_is_called() {
        let long = "a".repeat(129);
        for (attributes, want) in [
            (
                &[("objectGUID", "ab\u{1}"), ("entryUUID", "e")][..],
                Some("objectGUID=616201"),
            ),
            (&[("OBJECTGUID", "a")], Some("objectGUID=61")),
            (
                &[("entryUUID", "0C-1"), ("nsUniqueId", "7F-2")],
                Some("nsUniqueId=7f-2"),
            ),
            (&[("entryuuid", "0C-1")], Some("entryUUID=0c-1")),
            (&[("objectGUID", ""), ("entryUUID", "a b")], None),
            (&[("entryUUID", &long), ("objectGUID", &long)], None),
            (&[("uid", "a")], None),
        ] {
            assert_eq!(id_of(&entry(attributes)).as_deref(), want, "{attributes:?}");
        }
    }

    #[test]
    fn computers_and_groups_are_no_people() {
        for (kind, want) in [
            ("805306368", true),
            ("805306369", false),
            ("268435456", false),
        ] {
            assert_eq!(is_a_person(&entry(&[(ACCOUNT_TYPE, kind)])), want, "{kind}");
        }
        assert!(is_a_person(&entry(&[("uid", "a")])), "another directory");
    }

    #[test]
    fn texts_are_what_can_be_read() {
        let found = entry(&[("mail", " a@b.example "), ("mail", ""), ("cn", "x")]);
        assert_eq!(texts(&found, "MAIL"), ["a@b.example"]);
        assert_eq!(texts(&found, "sn"), Vec::<String>::new());
    }
}
