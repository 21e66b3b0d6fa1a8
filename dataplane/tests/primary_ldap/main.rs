//! Directories as primaries, against a real OpenLDAP server.

#![cfg(test)]

mod health;
mod hostile;
mod relay;
mod slapd;
mod tls;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use dataplane::primary::{
    Credential, Primary, PrimaryFailure, PrimaryFailureKind, PrimaryRequest, Shared, Verdict,
};
use prometheus::Registry;
use proto::config::{Authenticator, Snapshot, raw};
use proto::event::{Ask, Reason};
use proto::secret::Secret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use relay::Relay;
use slapd::{BASE, SERVICE, Slapd, free_port};

const VPN: &str = "cn=vpn,ou=groups,dc=example,dc=com";

fn host(port: u16) -> Value {
    json!({"name": "127.0.0.1", "port": port})
}

/// A directory's settings with the given ones over them.
fn settings(hosts: &Value, over: &Value) -> Arc<Authenticator> {
    let mut ad = json!({
        "hosts": hosts,
        "service_account_username": "service",
        "service_account_password": "service-pw",
        "bind_dn": SERVICE,
        "search_dn": BASE,
        "username_attribute": "uid",
        "at_attribute": "mail",
        "auth_type": "plain",
        "timeout_seconds": 5,
    });
    for (key, value) in over.as_object().unwrap() {
        ad[key] = value.clone();
    }
    let raw: raw::Snapshot = serde_json::from_value(json!({
        "revision": 1,
        "authenticators": [{"id": "ad_client", "kind": {"ad": ad}}],
    }))
    .unwrap();
    Snapshot::try_from(raw).unwrap().authenticators.remove(0)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "made in place by every caller"
)]
fn primary(hosts: Value, over: Value) -> Arc<Primary> {
    let shared = Shared::new(TaskTracker::new(), &Registry::new()).unwrap();
    Primary::new(&settings(&hosts, &over), &shared).unwrap()
}

async fn login(primary: &Primary, user: &str, password: &str) -> Result<Verdict, PrimaryFailure> {
    let deadline = (Instant::now() + primary.budget()).into_std();
    let request = request(user, password);
    primary.check(&request, deadline, &mut Vec::new()).await
}

fn request(user: &str, password: &str) -> PrimaryRequest {
    PrimaryRequest {
        user: user.to_owned(),
        credential: Credential::Password(Secret::from(password)),
        calling_station: None,
        pass_through: Vec::new(),
        answers: None,
    }
}

/// None for an accept, the reason for a rejection.
async fn verdict(primary: &Primary, user: &str, password: &str) -> Option<Reason> {
    match login(primary, user, password).await {
        Ok(Verdict::Accepted(_)) => None,
        Ok(Verdict::Asked(_)) => panic!("a directory asks nothing"),
        Ok(Verdict::Rejected(rejection)) => Some(rejection.reason),
        Err(failure) => panic!("{user}: {failure:?}"),
    }
}

async fn failure(primary: &Primary) -> PrimaryFailure {
    login(primary, "alice", "pw-alice").await.unwrap_err()
}

#[tokio::test]
async fn says_who_may_log_in() {
    let slapd = Slapd::start();
    let anyone = primary(json!([host(slapd.port)]), json!({}));
    for (user, password, want) in [
        ("alice", "pw-alice", None),
        ("ALICE", "pw-alice", None),
        ("alice@example.com", "pw-alice", None),
        ("LAB\\alice", "pw-alice", None),
        ("alice", "wrong", Some(Reason::WrongPassword)),
        ("alice", "", Some(Reason::EmptyPassword)),
        ("alice", "pw-bob", Some(Reason::WrongPassword)),
        ("nobody", "pw-alice", Some(Reason::UnknownUser)),
        ("nobody@example.com", "x", Some(Reason::UnknownUser)),
        ("", "x", Some(Reason::UnknownUser)),
        ("*", "pw-alice", Some(Reason::UnknownUser)),
        ("alice)(uid=*", "pw-alice", Some(Reason::UnknownUser)),
        ("al\0ice", "pw-alice", Some(Reason::UnknownUser)),
        ("O'Hara(x)*y", "pw-ohara", None),
        ("O'Hara(x)*y", "pw-alice", Some(Reason::WrongPassword)),
        ("LAB\\back\\slash, comma", "pw-back", None),
        ("LAB\\#a,+\"<>;= b\\*(c)", "pw-special", None),
        ("#a,+\"<>;= b*", "pw-special", Some(Reason::UnknownUser)),
        (" zoë", "pw-zoe", None),
        (" ZOË", "pw-zoe", None),
        ("twin@example.com", "pw-bob", Some(Reason::AmbiguousUser)),
        // The directory's matching rule would take these for names of entries.
        ("al ice", "pw-al-ice", None),
        ("al  ice", "pw-al-ice", Some(Reason::UnknownUser)),
        ("alice ", "pw-alice", Some(Reason::UnknownUser)),
        (" alice", "pw-alice", Some(Reason::UnknownUser)),
        ("LAB\\alice ", "pw-alice", Some(Reason::UnknownUser)),
        ("alice@example.com ", "pw-alice", Some(Reason::UnknownUser)),
        ("ＡＬＩＣＥ", "pw-alice", Some(Reason::UnknownUser)),
        ("al\u{ad}ice", "pw-alice", Some(Reason::UnknownUser)),
        // An entry that goes by several names is found by each.
        ("dora", "pw-dora", None),
    ] {
        assert_eq!(verdict(&anyone, user, password).await, want, "{user}");
    }
    let Ok(Verdict::Rejected(other)) = login(&anyone, "alice ", "pw-alice").await else {
        panic!("'alice ' does not get in");
    };
    assert!(
        other.detail.contains("its uid is not one value"),
        "{}",
        other.detail
    );
    let Ok(Verdict::Accepted(accepted)) = login(&anyone, "alice", "pw-alice").await else {
        panic!("alice gets in");
    };
    assert_eq!(
        accepted.detail,
        format!(
            "bound as uid=alice,ou=people,{BASE} at 127.0.0.1:{}",
            slapd.port
        )
    );
}

#[tokio::test]
async fn a_password_with_a_nul_is_wrong_and_nobody_is_asked() {
    let nobody = primary(json!([host(free_port())]), json!({}));
    for password in ["\0", "\0pw-alice", "pw-alice\0", "pw\0alice"] {
        assert_eq!(
            verdict(&nobody, "alice", password).await,
            Some(Reason::WrongPassword),
            "{password:?}"
        );
    }
}

#[tokio::test]
async fn groups_and_filters_decide() {
    let slapd = Slapd::start();
    let hosts = || json!([host(slapd.port)]);
    let member = primary(hosts(), json!({"security_groups": [VPN]}));
    let unique = format!("cn=unique,ou=groups,{BASE}");
    let group = |name| json!({"security_groups": [format!("cn={name},ou=groups,{BASE}")]});
    let special = primary(hosts(), group("special"));
    let outer = primary(hosts(), group("outer"));
    let either = primary(hosts(), json!({"security_groups": [unique, VPN]}));
    let filtered = primary(hosts(), json!({"ldap_filter": "mail=alice@example.com"}));
    for (name, primary, user, password, want) in [
        ("member", &member, "alice", "pw-alice", None),
        ("escaped member", &member, "O'Hara(x)*y", "pw-ohara", None),
        (
            "escaped DN",
            &member,
            "LAB\\back\\slash, comma",
            "pw-back",
            None,
        ),
        (
            "member by every special character",
            &special,
            "LAB\\#a,+\"<>;= b\\*(c)",
            "pw-special",
            None,
        ),
        ("member by a blank", &special, " zoë", "pw-zoe", None),
        (
            "member through a group",
            &outer,
            "dora",
            "pw-dora",
            Some(Reason::NotPermitted),
        ),
        (
            "no member",
            &member,
            "bob",
            "pw-bob",
            Some(Reason::NotPermitted),
        ),
        ("of the first", &either, "bob", "pw-bob", None),
        ("of the second", &either, "alice", "pw-alice", None),
        (
            "of neither",
            &either,
            "carol",
            "pw-carol",
            Some(Reason::NotPermitted),
        ),
        ("matches", &filtered, "alice", "pw-alice", None),
        (
            "matches not",
            &filtered,
            "bob",
            "pw-bob",
            Some(Reason::NotPermitted),
        ),
        (
            "unknown",
            &filtered,
            "nobody",
            "x",
            Some(Reason::UnknownUser),
        ),
    ] {
        assert_eq!(verdict(primary, user, password).await, want, "{name}");
    }
}

#[tokio::test]
async fn nested_groups_are_followed_when_asked_for() {
    let slapd = Slapd::start();
    let nested = |names: &[&str]| {
        let groups: Vec<_> = names
            .iter()
            .map(|name| format!("CN={name}, ou=Groups,{BASE}"))
            .collect();
        primary(
            json!([host(slapd.port)]),
            json!({"security_groups": groups, "nested_groups": true}),
        )
    };
    let (outer, both) = (nested(&["outer"]), nested(&["unique", "middle"]));
    for (name, primary, user, password, want) in [
        ("direct", &outer, "carol", "pw-carol", None),
        ("through two", &outer, "dora", "pw-dora", None),
        ("through one", &both, "dora", "pw-dora", None),
        ("by a loop", &both, "carol", "pw-carol", None),
        ("of the other", &both, "bob", "pw-bob", None),
        (
            "of none",
            &outer,
            "alice",
            "pw-alice",
            Some(Reason::NotPermitted),
        ),
        (
            "password",
            &outer,
            "dora",
            "wrong",
            Some(Reason::WrongPassword),
        ),
    ] {
        assert_eq!(verdict(primary, user, password).await, want, "{name}");
    }
    let Ok(Verdict::Rejected(rejection)) = login(&outer, "alice", "pw-alice").await else {
        panic!("alice does not get in");
    };
    assert!(
        rejection.detail.contains("no direct or nested member of"),
        "{}",
        rejection.detail
    );
}

#[tokio::test]
async fn a_password_policy_says_why_a_user_is_refused() {
    let slapd = Slapd::start();
    let anyone = primary(json!([host(slapd.port)]), json!({}));
    for (user, password, want) in [
        ("locked", "pw-locked", Some(Reason::AccountLocked)),
        ("lapsed", "pw-lapsed", Some(Reason::PasswordExpired)),
        ("lapsed", "wrong", Some(Reason::WrongPassword)),
        ("guarded", "wrong", Some(Reason::WrongPassword)),
        ("guarded", "wrong", Some(Reason::WrongPassword)),
        ("guarded", "pw-guarded", Some(Reason::AccountLocked)),
        ("reset", "wrong", Some(Reason::WrongPassword)),
    ] {
        assert_eq!(verdict(&anyone, user, password).await, want, "{user}");
    }
    // The directory takes the password, and a second factor may follow.
    let Ok(Verdict::Accepted(accepted)) = login(&anyone, "reset", "pw-reset").await else {
        panic!("reset gets in");
    };
    assert!(
        accepted.detail.contains("wants the password changed"),
        "{}",
        accepted.detail
    );
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let slapd = Slapd::start();
    let gone = format!("cn=gone,ou=groups,{BASE}");
    for (over, want) in [
        (
            json!({"security_groups": [gone]}),
            "security_group_dn 'cn=gone",
        ),
        (json!({"security_groups": ["nonsense"]}), "is no DN"),
        (
            json!({"search_dn": "ou=gone,dc=example,dc=com"}),
            "search_dn 'ou=gone",
        ),
        (
            json!({"service_account_password": "wrong"}),
            "service account refused",
        ),
        (
            json!({"bind_dn": "cn=gone,dc=example,dc=com"}),
            "service account refused",
        ),
        (json!({"ldap_filter": "(a=b)(c=d)"}), "ldap_filter"),
    ] {
        // The second host would serve: an answer is never taken elsewhere.
        let hosts = json!([host(slapd.port), host(slapd.port)]);
        let got = failure(&primary(hosts, over)).await;
        assert_eq!(got.kind, PrimaryFailureKind::Misconfigured, "{want}");
        assert!(got.detail.contains(want), "{want}: {}", got.detail);
        assert!(
            got.detail.matches("127.0.0.1").count() <= 1,
            "{}",
            got.detail
        );
    }
}

#[tokio::test]
async fn unchanged_settings_keep_a_primary() {
    let one = primary(json!([host(389)]), json!({}));
    assert!(one.is_for(&settings(&json!([host(389)]), &json!({}))));
    assert!(!one.is_for(&settings(&json!([host(390)]), &json!({}))));
    assert!(!one.is_for(&settings(
        &json!([host(389)]),
        &json!({"service_account_password": "new"})
    )));
}

#[tokio::test]
async fn the_next_host_is_asked_when_one_is_away() {
    let slapd = Slapd::start();
    let dead = primary(json!([host(free_port()), host(slapd.port)]), json!({}));
    assert_eq!(verdict(&dead, "alice", "pw-alice").await, None);
    assert_eq!(
        verdict(&dead, "alice", "wrong").await,
        Some(Reason::WrongPassword)
    );

    // Takes connections and never says anything.
    let hole = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let hosts = json!([host(hole.local_addr().unwrap().port()), host(slapd.port)]);
    let slow = primary(hosts, json!({"timeout_seconds": 1}));
    assert_eq!(slow.budget(), Duration::from_secs(2));
    assert_eq!(verdict(&slow, "alice", "pw-alice").await, None);
    let again = Instant::now();
    assert_eq!(verdict(&slow, "alice", "pw-alice").await, None);
    assert!(
        again.elapsed() < Duration::from_secs(1),
        "a host that was away is asked last"
    );

    let (one, other) = (free_port(), free_port());
    let nobody = primary(json!([host(one), host(other)]), json!({}));
    let mut asked = Vec::new();
    let deadline = (Instant::now() + nobody.budget()).into_std();
    let got = nobody
        .check(&request("alice", "pw-alice"), deadline, &mut asked)
        .await;
    let told: Vec<_> = asked
        .iter()
        .map(|one| (one.ask, one.host.as_str(), one.result))
        .collect();
    let at = |port| format!("127.0.0.1:{port}");
    let (one, other) = (at(one), at(other));
    let want = [
        (Ask::Ldap, one.as_str(), "unavailable"),
        (Ask::Ldap, other.as_str(), "unavailable"),
    ];
    assert_eq!(told, want, "each host that was asked is noted");
    assert!(asked[0].began + asked[0].elapsed <= asked[1].began);
    let got = got.unwrap_err();
    assert_eq!(got.kind, PrimaryFailureKind::Unavailable);
    assert_eq!(got.detail.matches("not reached").count(), 2);
}

#[tokio::test]
async fn a_host_that_speaks_no_ldap_is_away() {
    for (name, said) in [
        ("another protocol", &b"HTTP/1.0 400 Bad Request\r\n\r\n"[..]),
        ("an empty message", &[0x30, 0]),
        ("an answer without a code", &[0x30, 5, 2, 1, 1, 0x61, 0]),
        (
            "a text that is no UTF-8",
            &[0x30, 14, 2, 1, 1, 0x61, 9, 10, 1, 0, 4, 0, 4, 2, 0xff, 0xfe],
        ),
        ("nothing", &[]),
    ] {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut bind = [0; 512];
            assert!(client.read(&mut bind).await.unwrap() > 0);
            client.write_all(said).await.unwrap();
        };
        let primary = primary(json!([host(port)]), json!({}));
        let ((), got) = tokio::join!(serve, failure(&primary));
        assert_eq!(got.kind, PrimaryFailureKind::Unavailable, "{name}");
    }
}

#[tokio::test]
async fn a_restart_between_logins_is_not_noticed() {
    let mut slapd = Slapd::start();
    let primary = primary(json!([host(slapd.port)]), json!({}));
    for _ in 0..3 {
        assert_eq!(verdict(&primary, "alice", "pw-alice").await, None);
        slapd.restart();
    }
    assert_eq!(verdict(&primary, "alice", "pw-alice").await, None);
}

#[tokio::test]
async fn connections_are_reused_and_discarded_after_a_timed_out_bind() {
    let slapd = Slapd::start();
    let relay = Relay::to(slapd.port, "pw-mute").await;
    let primary = primary(json!([host(relay.port)]), json!({"timeout_seconds": 1}));
    for _ in 0..20 {
        assert_eq!(verdict(&primary, "alice", "pw-alice").await, None);
        assert_eq!(
            verdict(&primary, "bob", "wrong").await,
            Some(Reason::WrongPassword)
        );
    }
    assert_eq!(relay.connections(), 2, "one for searches, one for binds");

    let got = login(&primary, "mute", "pw-mute").await.unwrap_err();
    assert_eq!(got.kind, PrimaryFailureKind::Unavailable);
    assert!(got.detail.contains("no answer to a bind"), "{}", got.detail);
    assert_eq!(verdict(&primary, "alice", "pw-alice").await, None);
    assert_eq!(
        relay.connections(),
        4,
        "neither the bind's connection nor its neighbour was used again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_logins_share_few_connections() {
    let slapd = Slapd::start();
    let relay = Relay::to(slapd.port, "pw-mute").await;
    let registry = Registry::new();
    let shared = Shared::new(TaskTracker::new(), &registry).unwrap();
    let settings = settings(
        &json!([host(relay.port)]),
        &json!({"security_groups": [VPN]}),
    );
    let primary = Primary::new(&settings, &shared).unwrap();
    let mut logins = JoinSet::new();
    for number in 0..200 {
        let primary = Arc::clone(&primary);
        logins.spawn(async move {
            let password = if number % 2 == 0 { "pw-alice" } else { "wrong" };
            let want = (number % 2 != 0).then_some(Reason::WrongPassword);
            assert_eq!(
                verdict(&primary, "alice", password).await,
                want,
                "login {number}"
            );
        });
    }
    logins.join_all().await;
    assert!(
        relay.connections() <= 128 + 128,
        "{} connections",
        relay.connections()
    );
    let counted: f64 = registry.gather()[0]
        .get_metric()
        .iter()
        .map(|metric| metric.get_counter().get_value())
        .sum();
    assert_eq!(counted, 200.0);
}
