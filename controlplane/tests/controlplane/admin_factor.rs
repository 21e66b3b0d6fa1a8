//! Administrators whose second factor is asked through an integration, with a node that says what it was
//! asked.

use proto::command::{AskFactor, Command, FactorVerdict, Outcome};
use proto::event::Reason;
use proto::rpc::ToNode;
use serde_json::{Value, json};

use crate::access::{Answer, PAGE};
use crate::commands::{Lab, NEW, command};
use crate::support::{Stream, config};

const SESSION: &str = "/api/v1/session";
const PASSWORD: &str = "PLANTED long password";
const THROUGH: &str = "radius_server_auto";

async fn factor(stream: &mut Stream) -> (u64, AskFactor) {
    match command(stream).await {
        (number, Command::Factor { factor }) => (number, *factor),
        other => panic!("{other:?}"),
    }
}

fn said(verdict: FactorVerdict, reason: Reason, message: &str) -> Outcome {
    Outcome::Factor {
        verdict,
        reason,
        message: Some(message.to_owned()),
    }
}

fn allowed() -> Outcome {
    said(FactorVerdict::Allowed, Reason::Approved, "welcome")
}

fn denied() -> Outcome {
    said(FactorVerdict::Denied, Reason::Denied, "Login denied.")
}

/// With administrators who have the second factor elsewhere.
struct Site {
    lab: Lab,
    node: Stream,
}

impl Site {
    async fn start() -> Self {
        let lab = Lab::start(&config(1812)).await;
        let node = lab.node("b", NEW).await;
        Self { lab, node }
    }

    async fn invite(&self) -> Answer {
        let asked = json!({"name": "alice", "role": "operator", "integration": THROUGH});
        self.lab
            .plane
            .locally("POST", "/api/v1/admins", &asked)
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let plane = &self.lab.plane;
        plane.call("POST", path, PAGE, &body.to_string()).await
    }

    /// What comes of a request once the node answered, and what it was asked.
    async fn asked(&mut self, path: &str, body: &Value, says: Outcome) -> (Answer, AskFactor) {
        let text = body.to_string();
        let asking = self.lab.plane.call("POST", path, PAGE, &text);
        let (lab, node) = (&self.lab, &mut self.node);
        let answering = async {
            let (number, asked) = factor(node).await;
            lab.finish("b", number, says).await;
            asked
        };
        tokio::join!(asking, answering)
    }

    /// With alice, who took her invitation.
    async fn with_alice() -> Self {
        let mut site = Self::start().await;
        let invited = site.invite().await;
        assert_eq!(invited.status, 201, "{invited:?}");
        let body = json!({"name": "alice", "invitation": invited.json()["invitation"],
            "password": PASSWORD});
        let (taken, _) = site.asked("/api/v1/invitation", &body, allowed()).await;
        assert_eq!(taken.status, 200, "{taken:?}");
        site
    }

    async fn audit(&self, action: &str) -> Vec<Value> {
        self.lab.audit(action).await
    }
}

fn sign_in(passcode: &str) -> Value {
    json!({"name": "alice", "password": PASSWORD, "passcode": passcode})
}

#[tokio::test]
async fn an_invitation_is_taken_with_a_password_and_the_second_factor() {
    let mut site = Site::start().await;
    let elsewhere = json!({"name": "alice", "role": "viewer", "integration": "none"});
    let wrong = site
        .lab
        .plane
        .locally("POST", "/api/v1/admins", &elsewhere)
        .await;
    assert_eq!(wrong.status, 422, "{wrong:?}");
    assert_eq!(wrong.json()["errors"][0]["path"], "integration");
    let invited = site.invite().await;
    assert_eq!(invited.status, 201, "{invited:?}");
    assert_eq!(invited.json()["integration"], THROUGH);

    let mut take = json!({"name": "alice", "invitation": invited.json()["invitation"]});
    let path = "/api/v1/invitation";
    let told = site.post(path, &take).await;
    assert_eq!(
        told.json(),
        json!({"integration": THROUGH, "active": false}),
        "no secret for passcodes: it would be good for nothing"
    );
    take["password"] = "short".into();
    let short = site.post(path, &take).await;
    assert_eq!(short.status, 422, "before anybody is asked: {short:?}");
    take["password"] = PASSWORD.into();
    let (refused, asked) = site.asked(path, &take, denied()).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_eq!(
        (asked.user.as_str(), asked.typed.expose().as_str()),
        ("alice", "push")
    );
    assert_eq!(
        (asked.integration.as_str(), asked.by.as_str()),
        (THROUGH, "sign-in of admin alice")
    );
    let list = site
        .lab
        .plane
        .locally("GET", "/api/v1/admins", &Value::Null)
        .await;
    assert_eq!(list.json()["items"][0]["active"], false);
    take["passcode"] = "123456".into();
    let (taken, asked) = site.asked(path, &take, allowed()).await;
    assert_eq!(
        taken.json(),
        json!({"integration": THROUGH, "active": true})
    );
    assert_eq!(asked.typed.expose(), "123456");
    let deeds = site.audit("admin.activate").await;
    assert_eq!(deeds[0]["detail"]["integration"], THROUGH);
}

#[tokio::test]
async fn signing_in_waits_for_the_second_factor_and_for_nothing_else() {
    let mut site = Site::with_alice().await;
    let wrong = json!({"name": "alice", "password": "PLANTED another one", "passcode": "push"});
    let refused = site.post(SESSION, &wrong).await;
    assert_eq!(refused.status, 401, "and nobody is asked: {refused:?}");
    // What the node hears next is of this one.
    for (typed, heard) in [("phone", "phone"), ("", "push"), (" 123456 ", "123456")] {
        let (signed_in, asked) = site.asked(SESSION, &sign_in(typed), allowed()).await;
        assert_eq!(signed_in.status, 201, "{typed}: {signed_in:?}");
        assert_eq!(signed_in.json()["caller"], "admin alice");
        assert!(signed_in.header("set-cookie").is_some(), "{signed_in:?}");
        assert_eq!(asked.typed.expose(), heard);
    }
    let deeds = site.audit("session.create").await;
    assert_eq!(deeds.len(), 3);
    assert_eq!(
        deeds[0]["detail"],
        json!({"with": "password and second factor", "integration": THROUGH})
    );
    let (refused, _) = site.asked(SESSION, &sign_in("push"), denied()).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(refused.header("set-cookie").is_none(), "{refused:?}");
    let detail = refused.json()["detail"].clone();
    assert!(
        detail.as_str().unwrap().contains("Login denied."),
        "{detail}"
    );
    let deeds = site.audit("session.deny").await;
    assert_eq!(deeds.len(), 1, "{deeds:#?}");
    assert_eq!(deeds[0]["target"], "admin alice");
    assert_eq!(
        deeds[0]["detail"],
        json!({"integration": THROUGH, "why": "Login denied."})
    );
    // Whichever the password is: else it would be found out without asking anybody.
    for password in [PASSWORD, "PLANTED another one"] {
        let mut long = sign_in(&"1".repeat(129));
        long["password"] = password.into();
        let long = site.post(SESSION, &long).await;
        assert_eq!(long.status, 422, "{password}: {long:?}");
    }
}

#[tokio::test]
async fn nobody_is_let_in_when_nobody_can_be_asked() {
    let mut site = Site::with_alice().await;
    let away = said(
        FactorVerdict::Unavailable,
        Reason::SecondFactorUnavailable,
        "the service is away",
    );
    let (refused, _) = site.asked(SESSION, &sign_in("push"), away).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("set-cookie").is_none(), "{refused:?}");
    let detail = refused.json()["detail"].clone();
    assert!(
        detail.as_str().unwrap().contains("the service is away"),
        "{detail}"
    );
    let not_done = Outcome::Refused {
        message: "not now".to_owned(),
    };
    let (refused, _) = site.asked(SESSION, &sign_in("push"), not_done).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let Site { lab, node } = site;
    drop(node);
    let running = &lab.plane.running;
    running
        .status_when(|status| status.nodes.iter().all(|one| !one.connected))
        .await;
    let plane = &lab.plane;
    for _ in 0..6 {
        let body = sign_in("push").to_string();
        let refused = plane.call("POST", SESSION, PAGE, &body).await;
        assert_eq!(refused.status, 503, "and is no guess: {refused:?}");
    }
}

#[tokio::test]
async fn one_is_asked_at_a_time_and_who_goes_counts_as_one_who_failed() {
    let mut site = Site::with_alice().await;
    let text = sign_in("push").to_string();
    for _ in 0..5 {
        let plane = &site.lab.plane;
        let number = tokio::select! {
            answer = plane.call("POST", SESSION, PAGE, &text) => panic!("{answer:?}"),
            number = async {
                let (number, _) = factor(&mut site.node).await;
                let other = plane.call("POST", SESSION, PAGE, &text).await;
                assert_eq!(other.status, 429, "{other:?}");
                let detail = other.json()["detail"].clone();
                assert!(detail.as_str().unwrap().contains("already"), "{detail}");
                number
            } => number,
        };
        loop {
            match site.node.next().await.unwrap() {
                ToNode::Cancel { number: cancelled } => break assert_eq!(cancelled, number),
                ToNode::Heartbeat => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let refused = site.post(SESSION, &sign_in("push")).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let detail = refused.json()["detail"].clone();
    assert!(detail.as_str().unwrap().contains("failed"), "{detail}");
}

#[tokio::test]
async fn whose_integration_is_gone_is_told_so_and_invited_again() {
    let site = Site::with_alice().await;
    let again = site.invite().await;
    assert_eq!(
        again.status, 409,
        "while the integration is there: {again:?}"
    );
    let mut other = config(1812);
    other["integrations"][0]["id"] = "radius_server_auto2".into();
    let before = site.lab.plane.running.status().await.revision;
    site.lab.plane.site.write(&other);
    let running = &site.lab.plane.running;
    running
        .status_when(|status| status.revision != before)
        .await;

    let wrong = json!({"name": "alice", "password": "PLANTED another one"});
    let stranger = site.post(SESSION, &wrong).await;
    assert_eq!(stranger.status, 401, "who has no password: {stranger:?}");
    let refused = site.post(SESSION, &sign_in("push")).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let detail = refused.json()["detail"].clone();
    let detail = detail.as_str().unwrap();
    assert!(detail.contains(THROUGH), "{detail}");
    assert!(detail.contains("countersign admin invite"), "{detail}");

    let plane = &site.lab.plane;
    let asked = json!({"name": "alice", "role": "viewer"});
    let invited = plane.locally("POST", "/api/v1/admins", &asked).await;
    assert_eq!(invited.status, 201, "{invited:?}");
    let deeds = site.audit("admin.invite").await;
    assert_eq!(
        deeds[0]["detail"]["before"],
        json!({"role": "operator", "active": true, "integration": THROUGH})
    );
    let refused = site.post(SESSION, &sign_in("push")).await;
    assert_eq!(refused.status, 401, "not before it is taken: {refused:?}");
    let take = json!({"name": "alice", "invitation": invited.json()["invitation"]});
    let told = site.post("/api/v1/invitation", &take).await;
    assert!(told.json()["totp_secret"].is_string(), "{told:?}");
    let again = plane.locally("POST", "/api/v1/admins", &asked).await;
    assert_eq!(again.status, 409, "{again:?}");
}

#[tokio::test]
async fn a_password_is_changed_with_it_and_passcodes_are_not_of_this_installation() {
    let mut site = Site::with_alice().await;
    let (signed_in, _) = site.asked(SESSION, &sign_in("push"), allowed()).await;
    let cookie = signed_in.header("set-cookie").unwrap();
    let headers = format!("{PAGE}cookie: {}\r\n", cookie.split(';').next().unwrap());
    let plane = &site.lab.plane;
    let body = json!({"password": PASSWORD, "passcode": "push"}).to_string();
    let none = plane
        .call("POST", "/api/v1/session/totp", &headers, &body)
        .await;
    assert_eq!(none.status, 409, "{none:?}");
    let body = json!({"password": PASSWORD, "new_password": "PLANTED new password"}).to_string();
    let changing = plane.call("PUT", "/api/v1/session/password", &headers, &body);
    let answering = async {
        let (number, _) = factor(&mut site.node).await;
        site.lab.finish("b", number, allowed()).await;
    };
    let (changed, ()) = tokio::join!(changing, answering);
    assert_eq!(changed.status, 204, "{changed:?}");
    let old = site.post(SESSION, &sign_in("push")).await;
    assert_eq!(old.status, 401, "{old:?}");
}
