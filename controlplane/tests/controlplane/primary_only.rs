//! Primary-only on the sockets: asked for twice, pushed at once, kept over a restart.

use controlplane::admin::{PrimaryOnlyAnswer, PrimaryOnlyGrants, PrimaryOnlyRequest};
use local::CallError;
use proto::id::IntegrationId;
use proto::rpc::{Subscribe, ToNode};
use serde_json::{Value, json};

use crate::support::{ControlPlane, LIMIT, Site, config, mark, subscribe};

const PATH: &str = "/api/v1/primary-only";

/// A configuration whose one integration has a primary that checks passwords.
fn checked() -> Value {
    let mut config = config(1812);
    config["authenticators"] = json!([{"id": "radius_client", "kind": {"radius": {
        "hosts": [{"name": "192.0.2.9", "port": 1812}], "secret": "s",
    }}}]);
    config["integrations"][0]["authenticator"] = "radius_client".into();
    config
}

fn request(seconds: u64) -> PrimaryOnlyRequest {
    PrimaryOnlyRequest {
        integration: Some(IntegrationId::new("radius_server_auto").unwrap()),
        seconds,
        reason: "the service is down".to_owned(),
        by: "root".to_owned(),
        ..PrimaryOnlyRequest::default()
    }
}

async fn ask(
    plane: &ControlPlane,
    request: &PrimaryOnlyRequest,
) -> Result<PrimaryOnlyAnswer, CallError> {
    plane.client.post(PATH, request, LIMIT).await
}

/// Asks twice.
async fn start(plane: &ControlPlane, seconds: u64) {
    let asked = request(seconds);
    let PrimaryOnlyAnswer::Confirm { token, .. } = ask(plane, &asked).await.unwrap() else {
        panic!("started at the first word");
    };
    let confirm = Some(token);
    let again = PrimaryOnlyRequest { confirm, ..asked };
    let answer = ask(plane, &again).await.unwrap();
    assert!(matches!(answer, PrimaryOnlyAnswer::Started { .. }));
    let twice = ask(plane, &again).await.unwrap_err();
    assert_eq!(refusal(twice).0, 409, "a token is good once");
}

fn refusal(error: CallError) -> (u16, String) {
    let CallError::Refused { status, body } = error else {
        panic!("{error}");
    };
    let problem: Value = serde_json::from_str(&body).unwrap();
    (status, problem["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_grant_reaches_every_subscriber_at_once_and_each_new_one_first() {
    let site = Site::with(&checked());
    let plane = site.start().await;
    let mut one = plane.subscribe("one").await;
    one.state_keys().await;
    // Empty too: a node may hold one that was revoked while it was cut off.
    let first = one.next().await.unwrap();
    assert_eq!(first, ToNode::PrimaryOnly { grants: vec![] });
    assert_eq!(mark(&one.snapshot().await), (1, 1812));
    start(&plane, 600).await;
    let pushed = one.grants().await;
    assert_eq!(pushed.len(), 1);
    assert_eq!(
        (pushed[0].by.as_str(), &pushed[0].integration),
        ("root", &request(1).integration)
    );

    let mut two = plane.subscribe("two").await;
    two.state_keys().await;
    assert_eq!(
        two.next().await.unwrap(),
        ToNode::PrimaryOnly {
            grants: pushed.clone()
        }
    );
    let older = Subscribe {
        understands: Vec::new(),
        ..subscribe("older")
    };
    let mut older = plane.subscribe_with(&older).await;
    older.state_keys().await;
    let next = older.next().await.unwrap();
    assert!(matches!(next, ToNode::Snapshot { .. }), "{next:?}");

    assert_eq!(plane.status().await.primary_only.len(), 1);
    assert_eq!(
        plane.status().await.revision.unwrap().number.0,
        1,
        "no revision"
    );
    let path = format!("{PATH}?by=alice");
    let ended: PrimaryOnlyGrants = plane.client.delete(&path, LIMIT).await.unwrap();
    assert_eq!(ended.grants[0].opens, ["radius_server_auto"]);
    assert_eq!((one.grants().await, two.grants().await), (vec![], vec![]));
    let none: PrimaryOnlyGrants = plane.client.get(PATH, LIMIT).await.unwrap();
    assert_eq!(none, PrimaryOnlyGrants::default());
    plane.stop().await;
}

#[tokio::test]
async fn a_grant_outlives_a_restart() {
    let site = Site::with(&checked());
    let plane = site.start().await;
    start(&plane, 600).await;
    let before = plane.status().await.primary_only;
    plane.stop().await;
    let plane = site.start().await;
    assert_eq!(plane.status().await.primary_only, before);
    assert_eq!(plane.subscribe("one").await.grants().await.len(), 1);
    plane.stop().await;
}

#[tokio::test]
async fn the_end_of_a_grant_is_pushed() {
    let site = Site::with(&checked());
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    assert_eq!(stream.grants().await, []);
    start(&plane, 1).await;
    assert_eq!(stream.grants().await.len(), 1);
    assert_eq!(stream.grants().await, []);
    assert_eq!(plane.status().await.primary_only, []);
    plane.stop().await;
}

#[tokio::test]
async fn what_cannot_be_granted_is_refused_with_its_reason() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let closed = refusal(ask(&plane, &request(60)).await.unwrap_err());
    assert_eq!(closed.0, 409);
    assert!(closed.1.contains("duo_only_client"), "{}", closed.1);
    for (name, asked, status, words) in [
        ("no time", request(0), 400, "24 hours"),
        (
            "no reason",
            PrimaryOnlyRequest {
                reason: String::new(),
                ..request(60)
            },
            400,
            "is empty",
        ),
        (
            "no such integration",
            PrimaryOnlyRequest {
                integration: Some(IntegrationId::new("absent").unwrap()),
                ..request(60)
            },
            404,
            "there are: radius_server_auto",
        ),
    ] {
        let (code, said) = refusal(ask(&plane, &asked).await.unwrap_err());
        assert_eq!(code, status, "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
    }
    let odd = json!({"seconds": "x"});
    let odd = plane.client.post::<_, Value>(PATH, &odd, LIMIT).await;
    assert_eq!(refusal(odd.unwrap_err()).0, 422);
    let twice = format!("{PATH}?integration=a&integration=b");
    let twice = plane.client.delete::<Value>(&twice, LIMIT).await;
    assert_eq!(refusal(twice.unwrap_err()).0, 400);
    plane.stop().await;
}
