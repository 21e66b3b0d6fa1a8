//! Revisions on their way to the nodes, and what the nodes say of them.

use std::time::Duration;

use controlplane::admin::{LoadResult, Readiness, Reload};
use local::CallError;
use proto::config::Fault;
use proto::id::Revision;
use proto::rpc::{PROTOCOL_VERSION, RpcCode, RpcError, StateKeys, Subscribe, ToNode, Verdict};

use crate::support::{LIMIT, Site, config, mark, method, node, subscribe};

#[tokio::test]
async fn a_subscriber_gets_the_revision_and_each_new_one_within_a_second() {
    let mut site = Site::with(&config(1812));
    site.settings.watch_every = Duration::from_millis(200);
    let plane = site.start().await;
    let mut one = plane.subscribe("one").await;
    let mut two = plane.subscribe("two").await;
    assert_eq!(mark(&one.snapshot().await), (1, 1812));
    assert_eq!(mark(&two.snapshot().await), (1, 1812));
    site.write(&config(1813));
    let news = async { (one.snapshot().await, two.snapshot().await) };
    let (first, second) = tokio::time::timeout(Duration::from_secs(1), news)
        .await
        .expect("live in under a second");
    assert_eq!((mark(&first), mark(&second)), ((2, 1813), (2, 1813)));
    plane.stop().await;
    assert!(
        one.next().await.is_none(),
        "the stream ends with the server"
    );
}

#[tokio::test]
async fn every_node_gets_the_same_keys_of_states_also_after_a_restart() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let one = plane.subscribe("one").await.state_keys().await;
    let two = plane.subscribe("two").await.state_keys().await;
    plane.stop().await;
    let plane = site.start().await;
    let again = plane.subscribe("one").await.state_keys().await;
    plane.stop().await;
    // Midnight may have passed between: then each knows the other's.
    let shares = |a: &StateKeys, b: &StateKeys| {
        let known = |key| b.current == key || b.others.contains(&key);
        known(a.current.clone())
    };
    assert!(shares(&one, &two) && shares(&one, &again));
    let other = Site::with(&config(1812));
    let plane = other.start().await;
    let theirs = plane.subscribe("one").await.state_keys().await;
    plane.stop().await;
    assert!(!shares(&one, &theirs), "another installation has others");
}

#[tokio::test]
async fn a_silent_stream_has_heartbeats() {
    let mut site = Site::with(&config(1812));
    site.settings.heartbeat = Duration::from_millis(20);
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    stream.snapshot().await;
    for _ in 0..3 {
        assert_eq!(stream.next().await.unwrap(), ToNode::Heartbeat);
    }
    plane.stop().await;
}

#[tokio::test]
async fn a_node_is_seen_by_what_it_says_and_not_by_what_is_sent_to_it() {
    let mut site = Site::with(&config(1812));
    site.settings.heartbeat = Duration::from_millis(20);
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    stream.snapshot().await;
    let before = plane.status().await.nodes[0].last_seen_ms;
    for _ in 0..5 {
        assert_eq!(stream.next().await.unwrap(), ToNode::Heartbeat);
    }
    assert_eq!(plane.status().await.nodes[0].last_seen_ms, before);
    plane.stop().await;
}

#[tokio::test]
async fn the_next_subscription_of_a_node_ends_the_one_before() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let mut old = plane.subscribe("one").await;
    old.snapshot().await;
    let mut new = plane.subscribe("one").await;
    assert!(old.next().await.is_none(), "it ends");
    new.snapshot().await;
    assert!(plane.status().await.nodes[0].connected);
    plane.stop().await;
}

#[tokio::test]
async fn verdicts_are_kept_and_shown_also_after_a_restart() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    stream.snapshot().await;
    plane.acknowledge("one", 1, Verdict::Applied).await;
    site.write(&config(1813));
    assert_eq!(mark(&stream.snapshot().await), (2, 1813));
    let faults = vec![Fault {
        path: "integrations[0].port".to_owned(),
        message: "address in use".to_owned(),
    }];
    let verdict = Verdict::Refused {
        faults: faults.clone(),
    };
    plane.acknowledge("one", 2, verdict).await;
    let shown = plane.status().await.nodes.remove(0);
    assert!(shown.connected);
    assert_eq!(shown.applied, Some(Revision(1)));
    assert_eq!(shown.refused.as_ref().unwrap().faults, faults);
    plane.stop().await;

    let plane = site.start().await;
    let kept = plane.status().await.nodes.remove(0);
    assert!(!kept.connected);
    assert_eq!(kept.refused.unwrap().revision, Revision(2));
    plane.stop().await;
}

#[tokio::test]
async fn a_refused_revision_is_sent_again_to_who_refused_it_when_the_file_is_read_again() {
    let mut site = Site::with(&config(1812));
    site.settings.heartbeat = LIMIT * 100;
    let plane = site.start().await;
    let mut refusing = plane.subscribe("refusing").await;
    let mut applying = plane.subscribe("applying").await;
    refusing.snapshot().await;
    applying.snapshot().await;
    plane.acknowledge("applying", 1, Verdict::Applied).await;
    let refused = || Verdict::Refused { faults: Vec::new() };
    plane.acknowledge("refusing", 1, refused()).await;
    let reload: Reload = plane.client.post("/reload", &(), LIMIT).await.unwrap();
    assert_eq!(reload.result, LoadResult::Unchanged);
    assert_eq!(mark(&refusing.snapshot().await), (1, 1812), "asked for");
    site.write(&config(1812));
    assert_eq!(mark(&refusing.snapshot().await), (1, 1812), "touched");
    plane.acknowledge("refusing", 1, Verdict::Applied).await;
    site.write(&config(1813));
    assert_eq!(mark(&refusing.snapshot().await), (2, 1813));
    let next = applying.snapshot().await;
    assert_eq!(mark(&next), (2, 1813), "it had applied the first");
    plane.stop().await;
}

#[tokio::test]
async fn a_verdict_on_no_revision_is_refused() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let body = serde_json::json!({"node": "one", "revision": 9, "verdict": {"type": "applied"}});
    let answer = plane
        .client
        .post::<_, serde_json::Value>(&method("Acknowledge"), &body, LIMIT)
        .await;
    assert_eq!(error(answer.unwrap_err()).code, RpcCode::NotFound);
    plane.stop().await;
}

#[tokio::test]
async fn another_protocol_version_is_refused_by_name() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let asked = Subscribe {
        protocol: PROTOCOL_VERSION + 1,
        ..subscribe("one")
    };
    let answer = plane.client.stream(&method("Subscribe"), &asked).await;
    let error = error(answer.unwrap_err());
    assert_eq!(error.code, RpcCode::FailedPrecondition);
    let (theirs, ours) = (PROTOCOL_VERSION + 1, PROTOCOL_VERSION);
    assert_eq!(
        error.message,
        format!("node one speaks protocol version {theirs}, this control plane speaks {ours}")
    );
    plane.stop().await;
}

#[tokio::test]
async fn one_subscriber_too_many_is_refused_until_another_goes() {
    const SUBSCRIBERS: usize = 256;
    let mut site = Site::with(&config(1812));
    site.settings.heartbeat = Duration::from_millis(200);
    let plane = site.start().await;
    let mut streams = Vec::new();
    for number in 0..SUBSCRIBERS {
        streams.push(plane.subscribe(&format!("node-{number}")).await);
    }
    // One that has a place gets it again: its subscription before ends.
    for _ in 0..3 {
        streams[0] = plane.subscribe("node-0").await;
        while streams[0].next().await != Some(ToNode::Heartbeat) {
            tokio::task::yield_now().await;
        }
    }
    let asked = subscribe("two");
    let answer = plane.client.stream(&method("Subscribe"), &asked).await;
    assert_eq!(error(answer.unwrap_err()).code, RpcCode::ResourceExhausted);
    streams.pop();
    let again = async {
        while plane
            .client
            .stream(&method("Subscribe"), &asked)
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, again).await.unwrap();
    plane.stop().await;
}

#[tokio::test]
async fn an_unreadable_message_is_an_invalid_argument() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    for name in ["Subscribe", "Acknowledge", "ReportEvents", "ReportStatus"] {
        let body = serde_json::json!({"node": "a b"});
        let answer = plane
            .client
            .post::<_, serde_json::Value>(&method(name), &body, LIMIT)
            .await;
        let error = error(answer.unwrap_err());
        assert_eq!(error.code, RpcCode::InvalidArgument, "{name}");
    }
    plane.stop().await;
}

#[tokio::test]
async fn ready_means_that_the_local_node_serves_the_current_revision() {
    let mut site = Site::with(&config(1812));
    site.settings.local_node = Some(node("one"));
    let plane = site.start().await;
    let readiness = async || match plane.client.get::<Readiness>("/readyz", LIMIT).await {
        Ok(readiness) => readiness,
        Err(CallError::Refused { status: 503, body }) => serde_json::from_str(&body).unwrap(),
        Err(error) => panic!("{error}"),
    };
    let missing = readiness().await;
    assert!(!missing.ready);
    assert_eq!(
        missing.missing,
        ["node one never asked for its configuration"]
    );
    let mut stream = plane.subscribe("one").await;
    stream.snapshot().await;
    assert_eq!(
        readiness().await.missing,
        ["node one did not apply revision 1 yet"]
    );
    let faults = vec![Fault {
        path: "integrations[0].port".to_owned(),
        message: "address in use".to_owned(),
    }];
    plane
        .acknowledge("one", 1, Verdict::Refused { faults })
        .await;
    assert_eq!(
        readiness().await.missing,
        ["node one refused revision 1: integrations[0].port: address in use"]
    );
    plane.acknowledge("one", 1, Verdict::Applied).await;
    assert!(readiness().await.ready);
    drop(stream);
    plane.status_when(|status| !status.nodes[0].connected).await;
    assert_eq!(readiness().await.missing, ["node one is not connected"]);
    plane.stop().await;
}

fn error(error: CallError) -> RpcError {
    match error {
        CallError::Refused { status, body } => {
            let error: RpcError = serde_json::from_str(&body).unwrap();
            assert_eq!(status, error.code.status());
            error
        }
        error => panic!("{error}"),
    }
}
