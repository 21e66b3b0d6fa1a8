use serde_json::json;

use super::*;
use crate::seal::Key;

fn prints() -> Fingerprints {
    Fingerprints::new(&Key::new([7; 32]))
}

fn snapshot() -> raw::Snapshot {
    let integration = |id: &str, authenticator: &str| {
        json!({
            "id": id,
            "mode": "auto",
            "application": {"ikey": "DI", "skey": "planted-skey", "host": "api.example.com"},
            "clients": [{"address": "192.0.2.1", "secret": "planted-secret"}],
            "authenticator": authenticator,
        })
    };
    serde_json::from_value(json!({
        "revision": 1,
        "authenticators": [
            {"id": "ad", "kind": "duo_only"},
            {"id": "unused", "kind": {"radius": {
                "hosts": [{"name": "192.0.2.9", "port": 1812}], "secret": "planted-upstream",
            }}},
        ],
        "integrations": [integration("vpn", "ad"), integration("wifi", "ad")],
    }))
    .unwrap()
}

fn vpn() -> Part {
    Part::Integration("vpn".to_owned())
}

fn client(address: &str) -> Part {
    Part::Client {
        integration: "vpn".to_owned(),
        address: address.to_owned(),
    }
}

fn authenticator(id: &str) -> Part {
    Part::Authenticator(id.to_owned())
}

#[test]
fn what_is_shown_has_no_secret_and_can_be_written_back() {
    let parts = [
        Part::Settings,
        vpn(),
        client("192.0.2.1"),
        authenticator("ad"),
        authenticator("unused"),
    ];
    for part in parts {
        let mut snapshot = snapshot();
        let before = snapshot.clone();
        let (shown, tag) = part.show(&snapshot, &prints()).unwrap();
        assert!(!shown.to_string().contains("planted"), "{shown}");
        let based = Precondition::Match(vec![tag]);
        let wrote = part.write(&mut snapshot, shown, &based, &prints()).unwrap();
        assert_eq!((wrote, snapshot), (Wrote::Replaced, before), "{part:?}");
    }
}

#[test]
fn a_write_makes_replaces_and_keeps_what_it_does_not_name() {
    let mut now = snapshot();
    let new = json!({"secret": "another"});
    let wrote = client("192.0.2.7").write(&mut now, new, &Precondition::Absent, &prints());
    assert_eq!(wrote.unwrap(), Wrote::Created);
    assert_eq!(now.integrations[0].clients[1].secret.expose(), "another");
    let policy = json!({"address": "192.0.2.7", "message_authenticator": "require"});
    let wrote = client("192.0.2.7").write(&mut now, policy, &Precondition::None, &prints());
    assert_eq!(wrote.unwrap(), Wrote::Replaced);
    assert_eq!(now.integrations[0].clients[1].secret.expose(), "another");
    vpn()
        .patch(
            &mut now,
            json!({"port": 1645, "authenticator": null}),
            &Precondition::None,
            &prints(),
        )
        .unwrap();
    let vpn = &now.integrations[0];
    assert_eq!((vpn.port, &vpn.authenticator), (1645, &None));
    assert_eq!(vpn.application.skey.expose(), "planted-skey");
    assert_eq!(vpn.clients.len(), 2);
}

#[test]
fn what_is_wrong_is_said_with_its_path_and_changes_nothing() {
    let table = [
        (vpn(), json!([]), Kind::Invalid, "JSON object"),
        (
            vpn(),
            json!({"id": "other"}),
            Kind::Invalid,
            "never changes",
        ),
        (
            vpn(),
            json!({"prot": 1}),
            Kind::Invalid,
            "unknown field `prot`",
        ),
        (
            vpn(),
            json!({"mode": "auto"}),
            Kind::Invalid,
            "missing field",
        ),
        (
            client("192.0.2.9"),
            json!({"secret": {"set": true}}),
            Kind::Invalid,
            "write the secret itself",
        ),
        (
            Part::Client {
                integration: "none".to_owned(),
                address: "192.0.2.1".to_owned(),
            },
            json!({"secret": "x"}),
            Kind::NotFound,
            "no integration 'none'",
        ),
    ];
    for (part, document, kind, says) in table {
        let mut now = snapshot();
        let problem = part
            .write(&mut now, document, &Precondition::None, &prints())
            .unwrap_err();
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(problem.kind(), kind, "{text}");
        assert!(text.contains(says), "{says}: {text}");
        assert!(!text.contains("planted"), "{text}");
        assert_eq!(now, snapshot());
    }
    let mut now = snapshot();
    let wrong = json!({"application": {"skey": 5}});
    let problem = vpn().patch(&mut now, wrong, &Precondition::None, &prints());
    assert_eq!(problem.unwrap_err().errors()[0].path, "application.skey");
}

#[test]
fn a_write_over_another_version_is_refused() {
    let mut now = snapshot();
    let (_, tag) = vpn().show(&now, &prints()).unwrap();
    let secret = json!({"application": {"skey": "changed"}});
    vpn()
        .patch(&mut now, secret, &Precondition::None, &prints())
        .unwrap();
    let (_, other) = vpn().show(&now, &prints()).unwrap();
    assert_ne!(tag, other, "a secret that changes is another version");
    for (part, precondition, met) in [
        (vpn(), Precondition::Match(vec![tag.clone()]), false),
        (vpn(), Precondition::Match(vec![tag, other.clone()]), true),
        (vpn(), Precondition::Match(vec!["*".to_owned()]), true),
        (vpn(), Precondition::Absent, false),
        (
            authenticator("new"),
            Precondition::Match(vec!["*".to_owned()]),
            false,
        ),
        (authenticator("new"), Precondition::Absent, true),
    ] {
        assert_eq!(
            part.hold(&now, &precondition, &prints()).is_ok(),
            met,
            "{part:?} {precondition:?}"
        );
    }
}

#[test]
fn a_secret_that_nobody_wrote_again_goes_to_no_other_server() {
    let upstream = |change: Value| json!({"kind": {"radius": change}});
    let hosts = json!([{"name": "203.0.113.1", "port": 1812}]);
    let cloud = json!({"application": {"host": "api.example.net"}});
    let table = [
        (vpn(), cloud, Some("application.skey")),
        (
            authenticator("unused"),
            upstream(json!({"hosts": hosts})),
            Some("kind.radius.secret"),
        ),
        (
            authenticator("unused"),
            upstream(json!({"hosts": hosts, "secret": "written"})),
            None,
        ),
        (
            authenticator("unused"),
            upstream(json!({"retries": 1})),
            None,
        ),
        (vpn(), json!({"application": {"host": "builtin"}}), None),
    ];
    for (part, patch, refused) in table {
        let mut now = snapshot();
        let done = part.patch(&mut now, patch.clone(), &Precondition::None, &prints());
        match refused {
            Some(path) => {
                assert_eq!(done.unwrap_err().errors()[0].path, path, "{patch}");
                assert_eq!(now, snapshot());
            }
            None => done.unwrap(),
        }
    }
    // Written as a whole, with the mask that was read, or without the secret.
    let mut now = snapshot();
    let mut secret_left_out = json!({"kind": {"radius": {"hosts": hosts}}});
    for _ in 0..2 {
        let part = authenticator("unused");
        let wrote = part.write(&mut now, secret_left_out, &Precondition::None, &prints());
        assert_eq!(wrote.unwrap_err().errors()[0].path, "kind.radius.secret");
        (secret_left_out, _) = part.show(&now, &prints()).unwrap();
        secret_left_out["kind"]["radius"]["hosts"] = hosts.clone();
    }
}

#[test]
fn what_is_needed_stays() {
    let mut now = snapshot();
    for (part, kind) in [
        (Part::Settings, Kind::Conflict),
        (authenticator("ad"), Kind::Conflict),
        (authenticator("none"), Kind::NotFound),
        (client("192.0.2.9"), Kind::NotFound),
    ] {
        let problem = part
            .remove(&mut now, &Precondition::None, &prints())
            .unwrap_err();
        assert_eq!(problem.kind(), kind, "{part:?}");
    }
    for part in [
        client("192.0.2.1"),
        vpn(),
        Part::Integration("wifi".to_owned()),
        authenticator("ad"),
        authenticator("unused"),
    ] {
        part.remove(&mut now, &Precondition::None, &prints())
            .unwrap();
        assert_eq!(part.read(&now), None);
    }
    assert!(now.integrations.is_empty() && now.authenticators.is_empty());
}

#[test]
fn patches_are_merged_as_rfc_7396_has_it() {
    for (target, patch, want) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (
            json!({"a": "b"}),
            json!({"b": "c"}),
            json!({"a": "b", "b": "c"}),
        ),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (
            json!({"a": "b", "b": "c"}),
            json!({"a": null}),
            json!({"b": "c"}),
        ),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (
            json!({"a": {"b": "c"}}),
            json!({"a": {"b": "d", "c": null}}),
            json!({"a": {"b": "d"}}),
        ),
        (
            json!({"a": [{"b": "c"}]}),
            json!({"a": [1]}),
            json!({"a": [1]}),
        ),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (
            json!({"e": null}),
            json!({"a": 1}),
            json!({"e": null, "a": 1}),
        ),
        (
            json!([1, 2]),
            json!({"a": "b", "c": null}),
            json!({"a": "b"}),
        ),
        (
            json!({}),
            json!({"a": {"bb": {"ccc": null}}}),
            json!({"a": {"bb": {}}}),
        ),
    ] {
        let mut got = target.clone();
        merge(&mut got, patch.clone());
        assert_eq!(got, want, "{target} with {patch}");
    }
}
