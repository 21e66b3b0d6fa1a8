//! The JSON of every message between the planes. A changed snapshot is a changed protocol: old
//! nodes must still read what is written, and old documents must still be read.
#![cfg(test)]

use insta::assert_json_snapshot;
use proto::check::StartCheck;
use proto::command::{
    AnswerAttribute, AskFactor, Command, FactorVerdict, Finished, ListPeople, ListedPeople,
    Outcome as CommandOutcome, TestLogin, TestedLogin,
};
use proto::config::{Fault, raw};
use proto::event::{Ask, AuthEvent, Call, Factor, Outcome, Reason, Stage, Step};
use proto::id::{AuthenticatorId, IntegrationId, LoginId, NodeId, Revision};
use proto::rpc::{
    Acknowledge, CertificateStatus, ConfigSource, ListenerStatus, NodeState, NodeStatus,
    PrimaryOnlyGrant, PrimaryOnlyStatus, RefusedRevision, ReportEvents, ReportStatus, RpcCode,
    RpcError, StateKey, StateKeys, Subscribe, ToNode, UNDERSTANDS_PRIMARY_ONLY, Verdict,
};
use proto::second_factor::DirectoryUser;
use proto::secret::Secret;

fn node() -> NodeId {
    NodeId::new("local").unwrap()
}

/// Every field has a value that is not its default.
fn snapshot() -> raw::Snapshot {
    let attribute = |name: &str, vendor, number| serde_json::json!({"name": name, "vendor": vendor, "number": number, "data_type": "text"});
    serde_json::from_value(serde_json::json!({
        "revision": 7,
        "settings": {
            "debug": true,
            "http_proxy": {"host": "proxy.example.com", "port": 3128},
            "http_ca_certs": "PEM",
            "log": {
                "dir": "/var/log/countersign", "file": false, "stdout": false, "auth_events": true,
                "syslog": true, "syslog_facility": "LOG_LOCAL3", "max_size_octets": 1, "max_files": 2,
            },
        },
        "authenticators": [
            {"id": "duo_only_client", "kind": "duo_only"},
            {"id": "radius_client", "kind": {"radius": {
                "hosts": [{"name": "192.0.2.1", "port": 1812}], "secret": "s", "retries": 1,
                "retry_wait_seconds": 4, "nas_ip": "192.0.2.9",
                "pass_through": {"all": true, "attributes": [attribute("Cisco-AVPair", Some(9), 1)]},
                "password_codec": "latin-1", "require_message_authenticator": true,
            }}},
            {"id": "ad_client", "kind": {"ad": {
                "hosts": [{"name": "dc1.example.com", "port": 636}],
                "service_account_username": "svc", "service_account_password": "p",
                "search_dn": "dc=example,dc=com", "security_groups": ["cn=vpn"],
                "nested_groups": true, "ldap_filter": "(x=y)", "username_attribute": "uid",
                "at_attribute": "mail", "auth_type": "plain", "bind_dn": "cn=svc",
                "ntlm_domain": "D", "ntlm_workstation": "W", "transport": "ldaps",
                "ca_certs": "PEM", "verify_hostname": false, "timeout_seconds": 3,
            }}},
        ],
        "integrations": [{
            "id": "radius_server_challenge", "mode": "challenge", "listen": "192.0.2.10", "port": 18120,
            "application": {"ikey": "DI", "skey": "k", "host": "h", "port": 8443, "pinned_ca": "PEM"},
            "clients": [{"address": "10.0.0.0/24", "secret": "s", "message_authenticator": "require"}],
            "authenticator": "ad_client", "fail_mode": "secure", "factors": ["push", "sms", "passcode"],
            "append": {"allow": true, "delimiter": "##", "password_length": 8},
            "pass_through": {"all": false, "attributes": [attribute("Class", None, 25)]},
            "client_ip_attribute": attribute("PaloAlto-Client-Source-IP", Some(25461), 7),
            "password_codec": "latin-1", "api_timeout_seconds": 30, "exempt_users": ["root"],
            "prompt": {"format": "short", "enroll_challenge": false, "split": true, "passcode_retries": 2},
            "eap": {"certificates": "PEM", "private_key": "KEY", "minimum_tls": "tls1.3", "cipher_suites": proto::config::CipherSuite::ALL},
        }],
    }))
    .unwrap()
}

fn event() -> AuthEvent {
    AuthEvent {
        id: LoginId::from_bytes([1; 16]),
        first: Some(LoginId::from_bytes([2; 16])),
        at_ms: 1_763_800_000_000,
        node: node(),
        revision: Revision(7),
        integration: IntegrationId::new("radius_server_auto").unwrap(),
        ikey: "DI".into(),
        authenticator: Some(AuthenticatorId::new("ad_client").unwrap()),
        client: "10.0.0.1:50000".parse().unwrap(),
        signed: Some(true),
        test: true,
        user: Some("alice".to_owned()),
        calling_station: Some("198.51.100.7".to_owned()),
        outcome: Outcome::Accept,
        reason: Reason::Approved,
        factor: Some(Factor::Push),
        reply_message: Some("Success".to_owned()),
        elapsed_us: 1_500_000,
        timeline: vec![Step {
            stage: Stage::Primary,
            at_us: 100,
            elapsed_us: 2_000,
            detail: "bound".to_owned(),
            calls: vec![Call {
                ask: Ask::Ldap,
                host: "ldap1.example.com:636".to_owned(),
                at_us: 101,
                elapsed_us: 1_990,
                result: "accepted".to_owned(),
            }],
        }],
    }
}

#[test]
fn commands() {
    let login = Command::Login {
        login: Box::new(TestLogin {
            integration: IntegrationId::new("radius_server_auto").unwrap(),
            user: "alice".to_owned(),
            typed: Secret::from("p"),
            state: Some("U3RhdGU=".to_owned()),
            client: Some("10.0.0.1".parse().unwrap()),
            calling_station: Some("198.51.100.7".to_owned()),
            by: "token ci".to_owned(),
        }),
    };
    let factor = Command::Factor {
        factor: Box::new(AskFactor {
            integration: IntegrationId::new("radius_server_auto").unwrap(),
            user: "alice".to_owned(),
            typed: Secret::from("push"),
            by: "admin alice".to_owned(),
        }),
    };
    let list = Command::List {
        list: Box::new(ListPeople {
            directory: "ad_client".to_owned(),
            group_dn: Some("cn=VPN,dc=example,dc=com".to_owned()),
            by: "admin alice".to_owned(),
        }),
    };
    let told =
        [Command::Check, login, factor, list].map(|command| ToNode::Command { number: 7, command });
    assert_json_snapshot!("commands", told);
    assert!(
        !format!("{told:?}").contains("\"p\""),
        "what was typed is a secret"
    );
    assert_json_snapshot!("cancel", ToNode::Cancel { number: 7 });
    let text = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<Vec<ToNode>>(&text).unwrap(), told);
    // As a node of the version before reads what came after it.
    let later = r#"{"type":"command","number":7,"command":{"do":"later","with":{"a":1}}}"#;
    let unknown = ToNode::Command {
        number: 7,
        command: Command::Unknown,
    };
    assert_eq!(serde_json::from_str::<ToNode>(later).unwrap(), unknown);
    let outcomes = [
        CommandOutcome::LoggedIn {
            login: Box::new(TestedLogin {
                event: event(),
                attributes: vec![AnswerAttribute {
                    vendor: Some(9),
                    number: 1,
                    value: Some("YQ==".to_owned()),
                }],
                state: Some("U3RhdGU=".to_owned()),
            }),
        },
        CommandOutcome::Factor {
            verdict: FactorVerdict::Denied,
            reason: Reason::Denied,
            message: Some("no".to_owned()),
        },
        CommandOutcome::Listed {
            listed: Box::new(ListedPeople {
                host: "ldap1:636".to_owned(),
                people: vec![DirectoryUser {
                    id: "entryUUID=0c".to_owned(),
                    name: "alice".to_owned(),
                    aliases: vec!["alice@corp.example".to_owned()],
                    disabled: true,
                    ..DirectoryUser::default()
                }],
                nameless: 1,
            }),
        },
    ];
    let finished = outcomes.map(|outcome| Finished {
        node: node(),
        number: 7,
        outcome,
    });
    assert_json_snapshot!("finished", finished);
    let text = serde_json::to_string(&finished).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<Finished>>(&text).unwrap(),
        finished
    );
    // An event of the version before, which knew of no tests.
    let mut before = serde_json::to_value(event()).unwrap();
    before.as_object_mut().unwrap().remove("test");
    let before: AuthEvent = serde_json::from_value(before).unwrap();
    assert!(!before.test);
    assert!(!serde_json::to_string(&before).unwrap().contains("test"));
}

#[test]
fn to_the_node() {
    let message = ToNode::Snapshot {
        snapshot: Box::new(snapshot()),
    };
    assert_json_snapshot!("snapshot", message);
    assert_json_snapshot!("heartbeat", ToNode::Heartbeat);
    let key = |text: &str| StateKey(Secret::from(text));
    let keys = StateKeys {
        current: key("Y3VycmVudA=="),
        others: vec![key("cHJldmlvdXM=")],
    };
    assert_json_snapshot!("state_keys", ToNode::StateKeys { keys });
    let grant = |integration: Option<&str>| PrimaryOnlyGrant {
        integration: integration.map(|id| IntegrationId::new(id).unwrap()),
        until_ms: 1_763_800_000_000,
        reason: "the service is down".to_owned(),
        by: "root".to_owned(),
    };
    let grants = ToNode::PrimaryOnly {
        grants: vec![grant(Some("radius_server_auto")), grant(None)],
    };
    assert_json_snapshot!("primary_only", grants);
    let text = serde_json::to_string(&grants).unwrap();
    assert_eq!(serde_json::from_str::<ToNode>(&text).unwrap(), grants);
    let text = serde_json::to_string(&message).unwrap();
    assert_eq!(serde_json::from_str::<ToNode>(&text).unwrap(), message);
}

#[test]
fn from_the_node() {
    assert_json_snapshot!(
        "subscribe",
        Subscribe {
            node: node(),
            protocol: 1,
            version: "0.1.0".to_owned(),
            serving: Some(Revision(6)),
            understands: vec![UNDERSTANDS_PRIMARY_ONLY.to_owned()],
        }
    );
    let fault = Fault {
        path: "integrations[2].port".to_owned(),
        message: "address in use".to_owned(),
    };
    let refused = Verdict::Refused {
        faults: vec![fault.clone()],
    };
    for (name, verdict) in [("applied", Verdict::Applied), ("refused", refused)] {
        assert_json_snapshot!(
            name,
            Acknowledge {
                node: node(),
                revision: Revision(7),
                verdict
            }
        );
    }
    let report = ReportEvents {
        node: node(),
        events: vec![event()],
        dropped: 3,
    };
    assert_json_snapshot!("events", report);
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<ReportEvents>(&text).unwrap(), report);
    let status = NodeStatus {
        version: "0.1.0".to_owned(),
        state: NodeState::Serving,
        revision: Some(Revision(7)),
        source: ConfigSource::ControlPlane,
        connected: true,
        logins_in_flight: 5,
        events_dropped: 3,
        uptime_seconds: 60,
        listeners: vec![ListenerStatus {
            address: "0.0.0.0:1812".to_owned(),
            integrations: vec!["radius_server_auto".to_owned()],
        }],
        certificates: vec![CertificateStatus {
            integration: "radius_server_eap".to_owned(),
            not_after: 1_800_000_000,
            until: "2027-01-15".to_owned(),
        }],
        refused: Some(RefusedRevision {
            revision: Revision(8),
            faults: vec![fault],
        }),
        primary_only: vec![PrimaryOnlyStatus {
            integrations: vec!["radius_server_auto".to_owned()],
            until_ms: 1_763_800_000_000,
            until: "2025-11-22T08:26:40Z".to_owned(),
            reason: "the service is down".to_owned(),
            by: "root".to_owned(),
        }],
        start_check: Some(StartCheck {
            at_ms: 1_763_800_000_000,
            good: 16,
            warnings: 1,
            failed: 0,
            rows: Vec::new(),
        }),
    };
    assert_json_snapshot!(
        "status",
        ReportStatus {
            node: node(),
            status
        }
    );
    let error = RpcError {
        code: RpcCode::FailedPrecondition,
        message: "protocol 2".to_owned(),
    };
    assert_json_snapshot!("error", error);
}

/// What the first release wrote, with every field that had a default left out.
#[test]
fn a_snapshot_of_the_first_release_is_still_read() {
    let old = serde_json::json!({
        "revision": 1,
        "integrations": [{
            "id": "radius_server_duo_only", "mode": "duo_only",
            "application": {"ikey": "DI", "skey": "k", "host": "h"},
            "clients": [{"address": "10.0.0.1", "secret": "s"}],
        }],
    });
    let raw: raw::Snapshot = serde_json::from_value(old).unwrap();
    assert_eq!(raw.integrations[0].clients[0].secret, Secret::from("s"));
    assert!(proto::config::Snapshot::try_from(raw).is_ok());
}

/// A node of a later version tells its logins, and so does one of an earlier version.
#[test]
fn an_event_of_another_version_is_taken() {
    let mut later = serde_json::to_value(event()).unwrap();
    later["later"] = serde_json::json!({"a": [1]});
    later["timeline"][0]["later"] = serde_json::json!(7);
    later["timeline"][0]["calls"][0]["later"] = serde_json::json!(null);
    let report = serde_json::json!({"node": "local", "events": [later], "dropped": 0, "later": 1});
    let read: ReportEvents = serde_json::from_value(report).unwrap();
    assert_eq!(read.events, [event()]);
    let mut asks = serde_json::to_value(event()).unwrap();
    asks["timeline"][0]["calls"][0]["ask"] = "kerberos".into();
    let read: AuthEvent = serde_json::from_value(asks).unwrap();
    assert_eq!(read.timeline[0].calls[0].ask, Ask::Unknown);
    let mut before = serde_json::to_value(event()).unwrap();
    let step = before["timeline"][0].as_object_mut().unwrap();
    step.remove("calls").unwrap();
    let read: AuthEvent = serde_json::from_value(before.clone()).unwrap();
    assert_eq!(read.timeline[0].calls, []);
    assert_eq!(serde_json::to_value(&read).unwrap(), before);
}

/// A later control plane sends what this node does not know, and a node of the release before says
/// nothing of what it knows: both go on.
#[test]
fn a_message_of_another_version_ends_no_subscription() {
    for later in [
        r#"{"type":"later"}"#,
        r#"{"type":"later","grants":[{"integration":7}],"more":{"a":[1]}}"#,
    ] {
        let read: ToNode = serde_json::from_str(later).unwrap();
        assert_eq!(read, ToNode::Unknown, "{later}");
    }
    let older = r#"{"node":"local","protocol":2,"version":"0.1.0"}"#;
    let read: Subscribe = serde_json::from_str(older).unwrap();
    assert_eq!(read.understands, Vec::<String>::new());
    let newer = r#"{"node":"local","protocol":2,"version":"0.2.0","understands":["later"],"x":1}"#;
    let read: Subscribe = serde_json::from_str(newer).unwrap();
    assert_eq!(read.understands, ["later"]);
}
