//! Policies: what is asked of whom.

use proto::second_factor::{
    AllowedFactor, Done, EffectivePolicy, NewUserPolicy, NumberMatching, Policy, PolicyScope,
    ScopedPolicy, SetPolicy,
};
use serde_json::json;

use super::{Asks, encoded, of_user};
use crate::args::{PolicyArgs, PolicyCommand, WhoseArgs};
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(asks: &Asks, command: PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Show => {
            let all: Vec<ScopedPolicy> = asks.get("/policies").await?;
            asks.show(&all, || all.iter().for_each(print));
        }
        PolicyCommand::Set { whose, policy } => {
            let all: Vec<ScopedPolicy> = asks.get("/policies").await?;
            let is = all.into_iter().find(|one| is_of(one, &whose));
            let is = is.map(|one| one.policy).unwrap_or_default();
            let wanted = SetPolicy {
                rank: policy.rank,
                policy: changed(is, *policy),
            };
            let set: ScopedPolicy = asks.post(&path(&whose), &wanted).await?;
            asks.show(&set, || print(&set));
        }
        PolicyCommand::Delete { whose } => {
            let path = format!("{}/delete", path(&whose));
            let _: Done = asks.post(&path, &json!({})).await?;
            asks.show(&json!({}), || output::line(format_args!("policy deleted")));
        }
        PolicyCommand::Of { user, application } => {
            let mut path = of_user(&user, "/policy");
            if let Some(application) = application {
                path = format!("{path}?application={}", encoded(&application));
            }
            let holds: EffectivePolicy = asks.get(&path).await?;
            asks.show(&holds, || print_effective(&holds));
        }
    }
    Ok(())
}

fn path(whose: &WhoseArgs) -> String {
    match (&whose.application, &whose.group) {
        (Some(name), _) => format!("/policies/applications/{}", encoded(name)),
        (None, Some(name)) => format!("/policies/groups/{}", encoded(name)),
        (None, None) => "/policies/default".to_owned(),
    }
}

fn is_of(policy: &ScopedPolicy, whose: &WhoseArgs) -> bool {
    match (&whose.application, &whose.group) {
        (Some(name), _) => policy.scope == PolicyScope::Application && policy.name == *name,
        (None, Some(name)) => {
            let words = |text: &str| {
                let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
                words
            };
            policy.scope == PolicyScope::Group && words(&policy.name) == words(name)
        }
        (None, None) => policy.scope == PolicyScope::Default,
    }
}

/// A policy with what is said of it.
fn changed(mut policy: Policy, args: PolicyArgs) -> Policy {
    for field in &args.inherit {
        match field.as_str() {
            "factors" => policy.allowed_factors = None,
            "new-users" => policy.new_users = None,
            "remember-hours" => policy.remember_hours = None,
            "exempt" => policy.exempt_networks = None,
            "number-matching" => policy.number_matching = None,
            "push-fatigue-after" => policy.push_fatigue_after = None,
            _ => policy.push_fatigue_minutes = None,
        }
    }
    if !args.factors.is_empty() {
        policy.allowed_factors = Some(args.factors);
    }
    if let Some(mut networks) = args.exempt {
        networks.retain(|network| !network.is_empty());
        policy.exempt_networks = Some(networks);
    }
    policy.new_users = args.new_users.or(policy.new_users);
    policy.remember_hours = args.remember_hours.or(policy.remember_hours);
    policy.number_matching = args.number_matching.or(policy.number_matching);
    policy.push_fatigue_after = args.push_fatigue_after.or(policy.push_fatigue_after);
    policy.push_fatigue_minutes = args.push_fatigue_minutes.or(policy.push_fatigue_minutes);
    policy
}

fn print(policy: &ScopedPolicy) {
    let rank = match policy.scope {
        PolicyScope::Group => format!(" (rank {})", policy.rank),
        _ => String::new(),
    };
    let whose = format!("{} {}", policy.scope.as_str(), policy.name);
    output::line(format_args!("{}{rank}", whose.trim_end()));
    for (_, what, value) in said(&policy.policy) {
        output::line(format_args!("  {what:<22} {value}"));
    }
}

fn print_effective(holds: &EffectivePolicy) {
    for (field, what, value) in said(&holds.policy) {
        let from = holds.from.get(field).map_or("built in", String::as_str);
        output::line(format_args!("{what:<22} {value:<32} {from}"));
    }
    let now = if holds.number_matching_now {
        ", and the next push asks for its number"
    } else {
        ""
    };
    output::line(format_args!(
        "{:<22} {}{now}",
        "not approved lately", holds.unanswered_pushes
    ));
}

/// The fields that say something: their names, what people call them, and what they say.
fn said(policy: &Policy) -> Vec<(&'static str, &'static str, String)> {
    let joined = |words: Vec<&str>| match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    };
    let factors = policy
        .allowed_factors
        .as_ref()
        .map(|factors| joined(factors.iter().copied().map(AllowedFactor::as_str).collect()));
    let networks = policy
        .exempt_networks
        .as_ref()
        .map(|networks| joined(networks.iter().map(String::as_str).collect()));
    let hours = policy.remember_hours.map(|hours| match hours {
        0 => "never".to_owned(),
        hours => format!("{hours} h"),
    });
    let fields = [
        ("allowed_factors", "factors", factors),
        (
            "new_users",
            "new users",
            policy
                .new_users
                .map(NewUserPolicy::as_str)
                .map(str::to_owned),
        ),
        ("remember_hours", "remembered", hours),
        ("exempt_networks", "exempt networks", networks),
        (
            "number_matching",
            "number matching",
            policy
                .number_matching
                .map(NumberMatching::as_str)
                .map(str::to_owned),
        ),
        (
            "push_fatigue_after",
            "too many pushes",
            policy.push_fatigue_after.map(|count| count.to_string()),
        ),
        (
            "push_fatigue_minutes",
            "they count for",
            policy
                .push_fatigue_minutes
                .map(|minutes| format!("{minutes} min")),
        ),
    ];
    let said = fields.into_iter();
    said.filter_map(|(field, what, value)| Some((field, what, value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> PolicyArgs {
        PolicyArgs {
            factors: Vec::new(),
            new_users: None,
            remember_hours: None,
            exempt: None,
            number_matching: None,
            push_fatigue_after: None,
            push_fatigue_minutes: None,
            rank: None,
            inherit: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_named_stays_and_what_is_inherited_goes() {
        let is = Policy {
            remember_hours: Some(8),
            push_fatigue_after: Some(5),
            exempt_networks: Some(vec!["192.0.2.0/24".to_owned()]),
            ..Policy::default()
        };
        let wanted = PolicyArgs {
            factors: vec![AllowedFactor::Push],
            exempt: Some(vec![String::new()]),
            inherit: vec!["push-fatigue-after".to_owned()],
            ..args()
        };
        let want = Policy {
            allowed_factors: Some(vec![AllowedFactor::Push]),
            remember_hours: Some(8),
            exempt_networks: Some(Vec::new()),
            ..Policy::default()
        };
        assert_eq!(changed(is.clone(), wanted), want);
        assert_eq!(changed(is.clone(), args()), is);
    }

    #[test]
    fn a_policy_is_found_by_whose_it_is() {
        let policy = |scope, name: &str| ScopedPolicy {
            scope,
            name: name.to_owned(),
            rank: 0,
            policy: Policy::default(),
        };
        let all = [
            policy(PolicyScope::Default, ""),
            policy(PolicyScope::Application, "vpn"),
            policy(PolicyScope::Group, "VPN  users"),
        ];
        for (application, group, want, at) in [
            (None, None, Some(0), "/policies/default"),
            (Some("vpn"), None, Some(1), "/policies/applications/vpn"),
            (Some("VPN"), None, None, "/policies/applications/VPN"),
            (
                None,
                Some("vpn Users"),
                Some(2),
                "/policies/groups/vpn%20Users",
            ),
            (None, Some("vpn"), None, "/policies/groups/vpn"),
        ] {
            let whose = WhoseArgs {
                application: application.map(str::to_owned),
                group: group.map(str::to_owned),
            };
            let found = all.iter().position(|one| is_of(one, &whose));
            assert_eq!(found, want, "{whose:?}");
            assert_eq!(path(&whose), at);
        }
    }
}
