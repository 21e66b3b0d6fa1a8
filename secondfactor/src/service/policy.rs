//! What is asked of whom: which policy says it, and what it comes to. Pure: no SQL, no clock.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use proto::address::AddressRange;

use crate::account::lookup_key;
use crate::admin::{
    AllowedFactor, NewUserPolicy, NumberMatching, Policy, PolicyScope, ScopedPolicy,
    UsernameNormalization, built_in,
};

/// Some of the factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowed(u8);

impl Allowed {
    /// Every one.
    pub(crate) const ALL: Self = Self(0b11_1111);

    /// Those of a list.
    pub(crate) fn of(factors: &[AllowedFactor]) -> Self {
        Self(factors.iter().fold(0, |all, factor| all | bit(*factor)))
    }

    /// Whether a factor is one of them.
    pub(crate) const fn has(self, factor: AllowedFactor) -> bool {
        self.0 & bit(factor) != 0
    }

    /// Whether any code that can be typed is among them.
    pub(crate) fn any_code(self) -> bool {
        use AllowedFactor::{BypassCode, Email, Passcode, Sms};
        [Passcode, Sms, Email, BypassCode]
            .into_iter()
            .any(|factor| self.has(factor))
    }

    fn list(self) -> Vec<AllowedFactor> {
        let all = AllowedFactor::ALL.iter().copied();
        all.filter(|factor| self.has(*factor)).collect()
    }
}

const fn bit(factor: AllowedFactor) -> u8 {
    match factor {
        AllowedFactor::Push => 1,
        AllowedFactor::Passcode => 1 << 1,
        AllowedFactor::Sms => 1 << 2,
        AllowedFactor::Email => 1 << 3,
        AllowedFactor::Phone => 1 << 4,
        AllowedFactor::BypassCode => 1 << 5,
    }
}

/// A policy that was checked.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    policy: Policy,
    networks: Option<Arc<[AddressRange]>>,
}

impl Checked {
    /// Checks a policy.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub(crate) fn new(policy: Policy) -> Result<Self, String> {
        if let Some(factors) = &policy.allowed_factors {
            if factors.is_empty() {
                return Err(
                    "allowed_factors is empty: nobody could log in; leave it out to allow all"
                        .to_owned(),
                );
            }
            let twice = |(at, factor)| factors.iter().take(at).any(|before| before == factor);
            if let Some((_, factor)) = factors.iter().enumerate().find(|found| twice(*found)) {
                return Err(format!(
                    "allowed_factors has '{}' twice; write it once",
                    factor.as_str()
                ));
            }
        }
        within("remember_hours", policy.remember_hours, 0, 720)?;
        within("push_fatigue_after", policy.push_fatigue_after, 1, 100)?;
        within(
            "push_fatigue_minutes",
            policy.push_fatigue_minutes,
            1,
            1_440,
        )?;
        let networks = policy
            .exempt_networks
            .as_deref()
            .map(networks)
            .transpose()?;
        Ok(Self { policy, networks })
    }
}

fn within(name: &str, value: Option<u32>, least: u32, most: u32) -> Result<(), String> {
    match value {
        Some(value) if !(least..=most).contains(&value) => Err(format!(
            "{name} is {least} to {most}, and {value} was given"
        )),
        _ => Ok(()),
    }
}

fn networks(texts: &[String]) -> Result<Arc<[AddressRange]>, String> {
    if texts.len() > MAX_NETWORKS {
        return Err(format!(
            "exempt_networks has at most {MAX_NETWORKS} networks, and {} were given",
            texts.len()
        ));
    }
    let network = |text: &String| {
        // What is wrong is repeated, so not at any length.
        let shown: String = text.chars().take(64).collect();
        let bad = |why: &str| {
            format!(
                "exempt_networks: '{shown}' {why}; write a network as 192.0.2.0/24 or 2001:db8::/32"
            )
        };
        let network: AddressRange = text
            .parse()
            .map_err(|error: proto::address::AddressError| bad(&format!("is none: {error}")))?;
        if !text.contains('/') {
            return Err(bad("is not in CIDR notation"));
        }
        let given = text.split('/').next().unwrap_or_default().trim();
        let given = given.parse::<IpAddr>().map(|given| given.to_canonical());
        if given != Ok(network.first()) {
            return Err(format!(
                "exempt_networks: '{shown}' has bits set beyond its prefix; is {network} meant?"
            ));
        }
        if is_too_wide(&network) {
            return Err(format!(
                "exempt_networks: '{shown}' exempts everybody, or nearly: a prefix has 8 bits or more \
                 (IPv6: 16, or fc00::/7); to switch the second factor off for a user, set the status bypass"
            ));
        }
        Ok(network)
    };
    texts.iter().map(network).collect()
}

/// As many as there may be cannot hold every address.
fn is_too_wide(network: &AddressRange) -> bool {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let (first, last) = (octets(network.first()), octets(network.last()));
    match network.first() {
        IpAddr::V4(_) => first.first() != last.first(),
        // The private ones.
        IpAddr::V6(_) if first.first() >= Some(&0xfc) && last.first() <= Some(&0xfd) => false,
        IpAddr::V6(_) => first.get(..2) != last.get(..2),
    }
}

/// What holds for a login: every policy that is for it, put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) allowed: Allowed,
    pub(crate) new_users: NewUserPolicy,
    /// 0 is never.
    pub(crate) remember_ms: u64,
    pub(super) exempt: Option<Arc<[AddressRange]>>,
    pub(crate) number_matching: NumberMatching,
    pub(crate) fatigue_after: u32,
    pub(crate) fatigue_ms: u64,
}

impl Conditions {
    /// Whether a login from there needs no second factor. What is no address is nowhere.
    pub(crate) fn exempts(&self, ip: &str) -> bool {
        let networks = self.exempt.as_deref().unwrap_or_default();
        !networks.is_empty()
            && ip
                .trim()
                .parse::<IpAddr>()
                .is_ok_and(|ip| networks.iter().any(|network| network.contains(ip)))
    }
}

/// Every policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    everybody: Option<Checked>,
    applications: HashMap<String, Checked>,
    /// By lookup key.
    groups: HashMap<String, Group>,
}

#[derive(Clone, Debug)]
struct Group {
    rank: u32,
    name: String,
    checked: Checked,
}

/// One that is for a login, and what it is called.
type Layer<'a> = (&'a Checked, String);

impl Policies {
    /// Adds one.
    pub(crate) fn insert(&mut self, scope: PolicyScope, name: String, rank: u32, checked: Checked) {
        match scope {
            PolicyScope::Default => self.everybody = Some(checked),
            PolicyScope::Application => {
                self.applications.insert(name, checked);
            }
            PolicyScope::Group => {
                let key = lookup_key(&name, UsernameNormalization::None);
                let group = Group {
                    rank,
                    name,
                    checked,
                };
                self.groups.insert(key, group);
            }
        }
    }

    /// Removes one.
    pub(crate) fn remove(&mut self, scope: PolicyScope, lookup: &str) {
        match scope {
            PolicyScope::Default => self.everybody = None,
            PolicyScope::Application => drop(self.applications.remove(lookup)),
            PolicyScope::Group => drop(self.groups.remove(lookup)),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.everybody.is_some()) + self.applications.len() + self.groups.len()
    }

    /// The rank of a group's policy; none when it has none.
    pub(crate) fn rank(&self, lookup: &str) -> Option<u32> {
        self.groups.get(lookup).map(|group| group.rank)
    }

    /// Whether there is one.
    pub(crate) fn has(&self, scope: PolicyScope, lookup: &str) -> bool {
        match scope {
            PolicyScope::Default => self.everybody.is_some(),
            PolicyScope::Application => self.applications.contains_key(lookup),
            PolicyScope::Group => self.groups.contains_key(lookup),
        }
    }

    /// All of them: that for everybody, those of applications by name, those of groups by rank.
    pub(crate) fn list(&self) -> Vec<ScopedPolicy> {
        let scoped = |scope, name: &str, rank, checked: &Checked| ScopedPolicy {
            scope,
            name: name.to_owned(),
            rank,
            policy: checked.policy.clone(),
        };
        let everybody = self.everybody.iter();
        let mut all: Vec<_> = everybody
            .map(|checked| scoped(PolicyScope::Default, "", 0, checked))
            .collect();
        let mut applications: Vec<_> = self.applications.iter().collect();
        applications.sort_by_key(|(name, _)| name.as_str());
        all.extend(
            applications
                .iter()
                .map(|(name, checked)| scoped(PolicyScope::Application, name, 0, checked)),
        );
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(key, group)| (group.rank, key.as_str()));
        all.extend(
            groups.iter().map(|(_, group)| {
                scoped(PolicyScope::Group, &group.name, group.rank, &group.checked)
            }),
        );
        all
    }

    /// What holds for a member of groups at an application, whose own word on new users counts where no
    /// policy has one.
    pub(crate) fn conditions(
        &self,
        application: &str,
        groups: &[String],
        new_users: NewUserPolicy,
    ) -> Conditions {
        let layers = self.layers(application, groups);
        let policies = || layers.iter().map(|(checked, _)| &checked.policy);
        let number = |of: fn(&Policy) -> Option<u32>, else_: u32| {
            u64::from(policies().find_map(of).unwrap_or(else_))
        };
        let allowed = policies().find_map(|policy| policy.allowed_factors.as_deref());
        let minutes = number(
            |policy| policy.push_fatigue_minutes,
            built_in::PUSH_FATIGUE_MINUTES,
        );
        Conditions {
            allowed: allowed.map_or(Allowed::ALL, Allowed::of),
            new_users: policies()
                .find_map(|policy| policy.new_users)
                .unwrap_or(new_users),
            remember_ms: number(|policy| policy.remember_hours, 0) * HOUR_MS,
            exempt: layers
                .iter()
                .find_map(|(checked, _)| checked.networks.clone()),
            number_matching: policies()
                .find_map(|policy| policy.number_matching)
                .unwrap_or(NumberMatching::Risk),
            fatigue_after: policies()
                .find_map(|policy| policy.push_fatigue_after)
                .unwrap_or(built_in::PUSH_FATIGUE_AFTER),
            fatigue_ms: minutes * MINUTE_MS,
        }
    }

    /// The same for a person to read, and which policy each comes from.
    pub(crate) fn explain(
        &self,
        application: Option<&str>,
        groups: &[String],
        new_users: NewUserPolicy,
    ) -> (Policy, BTreeMap<String, String>) {
        let layers = self.layers(application.unwrap_or_default(), groups);
        let mut from = BTreeMap::new();
        let mut find = |field: &str, has: fn(&Policy) -> bool| {
            let found = layers.iter().find(|(checked, _)| has(&checked.policy));
            let name = match (found, application) {
                (Some((_, name)), _) => name.clone(),
                // It is asked for a word on new users when it is made.
                (None, Some(application)) if field == "new_users" => {
                    format!("application {application}")
                }
                (None, _) => "built in".to_owned(),
            };
            from.insert(field.to_owned(), name);
            found.map(|(checked, _)| &checked.policy)
        };
        let networks = find("exempt_networks", |one| one.exempt_networks.is_some())
            .and_then(|one| one.exempt_networks.clone());
        for (field, has) in FIELDS {
            find(field, has);
        }
        let said = self.conditions(application.unwrap_or_default(), groups, new_users);
        let number = |number: u64| u32::try_from(number).ok();
        let policy = Policy {
            allowed_factors: Some(said.allowed.list()),
            new_users: Some(said.new_users),
            remember_hours: number(said.remember_ms / HOUR_MS),
            exempt_networks: Some(networks.unwrap_or_default()),
            number_matching: Some(said.number_matching),
            push_fatigue_after: Some(said.fatigue_after),
            push_fatigue_minutes: number(said.fatigue_ms / MINUTE_MS),
        };
        (policy, from)
    }

    /// Those that are for a login, the one that goes before all others first.
    fn layers(&self, application: &str, groups: &[String]) -> Vec<Layer<'_>> {
        let mut of_groups = Vec::new();
        // Most installations have none.
        if !self.groups.is_empty() {
            let keys = groups
                .iter()
                .map(|name| lookup_key(name, UsernameNormalization::None));
            of_groups.extend(keys.filter_map(|key| Some((self.groups.get(&key)?, key))));
            of_groups.sort_by(|(a, key_a), (b, key_b)| (a.rank, key_a).cmp(&(b.rank, key_b)));
        }
        let of_groups = of_groups
            .into_iter()
            .map(|(group, _)| (&group.checked, format!("group {}", group.name)));
        let of_application = self.applications.get(application).into_iter();
        let of_application =
            of_application.map(|checked| (checked, format!("application {application}")));
        let of_everybody = self.everybody.iter();
        let of_everybody = of_everybody.map(|checked| (checked, "default".to_owned()));
        of_groups
            .chain(of_application)
            .chain(of_everybody)
            .collect()
    }
}

type Has = fn(&Policy) -> bool;

/// The fields, but for the networks, and whether a policy has a word on each.
const FIELDS: [(&str, Has); 6] = [
    ("allowed_factors", |one| one.allowed_factors.is_some()),
    ("new_users", |one| one.new_users.is_some()),
    ("remember_hours", |one| one.remember_hours.is_some()),
    ("number_matching", |one| one.number_matching.is_some()),
    ("push_fatigue_after", |one| one.push_fatigue_after.is_some()),
    ("push_fatigue_minutes", |one| {
        one.push_fatigue_minutes.is_some()
    }),
];

/// The most policies.
pub(crate) const MAX_POLICIES: usize = 1_000;
const MAX_NETWORKS: usize = 100;
const MINUTE_MS: u64 = 60 * 1_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
