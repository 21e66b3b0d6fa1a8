//! How people are reached: passcodes by a gateway and by e-mail, calls, and what goes wrong with them.

mod calls;
mod enrolling;
mod late;
mod notices;
mod unreached;

use secondfactor::admin::{
    Capabilities, ChangeDelivery, Channel, CreatedUser, Delivery, Done, Enrollment, Gateway,
    GatewayFormat, InviteUsers, InvitedUsers, NewDevice, NewEnrollment, NewUser, Set, Smtp,
    SmtpSecurity, TestDelivery, WebPush,
};
use serde_json::{Value, json};

use crate::double::{Double, Heard, Say};
use crate::mail::Mail;
use crate::support::{LIMIT, Running, started};

/// A phone that can be called and sent passcodes.
pub(crate) fn telephone() -> NewDevice {
    NewDevice::Phone {
        name: "Desk".to_owned(),
        number: "+1 734 555 4788".to_owned(),
        capabilities: Some(Capabilities {
            push: false,
            phone: true,
            sms: true,
        }),
    }
}

fn gateway(double: &Double, fields: &[(&str, &str)]) -> Gateway {
    Gateway {
        url: double.url("/send?a=1"),
        format: GatewayFormat::Form,
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        authorization: Some("Bearer s3cret".into()),
        ca_pem: Some(double.ca_pem.clone()),
    }
}

fn sms(double: &Double) -> ChangeDelivery {
    let fields = [("To", "{number}"), ("Body", "{text}"), ("From", "Corp")];
    ChangeDelivery {
        sms: Some(Set::Set(gateway(double, &fields))),
        ..ChangeDelivery::default()
    }
}

fn voice(double: &Double) -> ChangeDelivery {
    let fields = [
        ("to", "{number}"),
        ("say", "{text}"),
        ("tell", "{callback}"),
    ];
    ChangeDelivery {
        voice: Some(Set::Set(Gateway {
            format: GatewayFormat::Json,
            ..gateway(double, &fields)
        })),
        ..ChangeDelivery::default()
    }
}

/// Has calls go to a gateway, whose caller nobody hears.
pub(crate) async fn can_call(running: &Running) {
    set(running, &voice(&Double::secure().await)).await;
}

fn smtp(mail: &Mail, security: SmtpSecurity, password: &str) -> ChangeDelivery {
    ChangeDelivery {
        smtp: Some(Set::Set(Smtp {
            host: "localhost".to_owned(),
            port: Some(mail.port),
            security,
            from: "Büro <login@corp.example>".to_owned(),
            user: Some("alice".to_owned()),
            password: Some(password.into()),
            ca_pem: Some(mail.ca_pem.clone()),
        })),
        ..ChangeDelivery::default()
    }
}

async fn set(running: &Running, change: &ChangeDelivery) -> Delivery {
    running
        .admin
        .post("/delivery", change, LIMIT)
        .await
        .unwrap()
}

async fn shown(running: &Running) -> Delivery {
    running.admin.get("/delivery", LIMIT).await.unwrap()
}

async fn refused(running: &Running, change: &ChangeDelivery) -> String {
    let sent: Result<Delivery, _> = running.admin.post("/delivery", change, LIMIT).await;
    sent.unwrap_err().to_string()
}

async fn auth(running: &Running, params: &[(&str, &str)]) -> (String, String, String) {
    let all = [&[("username", "alice")], params].concat();
    let (status, body) = running.call("POST", "/auth/v2/auth", &all).await;
    assert_eq!(status, 200, "{body}");
    let text = |name: &str| body["response"][name].as_str().unwrap().to_owned();
    (text("result"), text("status"), text("status_msg"))
}

async fn ask_sms(running: &Running) -> (String, String) {
    let (_, status, text) = auth(running, &[("factor", "sms"), ("device", "auto")]).await;
    (status, text)
}

async fn passcode(running: &Running, code: &str) -> String {
    auth(running, &[("factor", "passcode"), ("passcode", code)])
        .await
        .0
}

async fn devices(running: &Running) -> Value {
    let (_, body) = running
        .call("POST", "/auth/v2/preauth", &[("username", "alice")])
        .await;
    body["response"]["devices"].clone()
}

/// The seven digits of a message.
fn code_of(text: &str) -> String {
    let mut words = text.split(|c: char| !c.is_ascii_digit());
    let code = words.find(|word| word.len() == 7).unwrap_or_default();
    assert_eq!(code.len(), 7, "{text}");
    code.to_owned()
}

fn field(heard: &Heard, name: &str) -> String {
    let mut pairs = form_urlencoded::parse(&heard.body);
    let found = pairs.find(|(found, _)| found == name);
    found.unwrap().1.into_owned()
}

const SENT: &str = "sent";
const NOT_SENT: &str = "The passcode could not be sent. Please use another way to log in.";

#[tokio::test]
async fn settings_are_kept_sealed_and_shown_without_secrets() {
    let double = Double::secure().await;
    let (folder, running) = started().await;
    assert_eq!(shown(&running).await, Delivery::default());
    let after = set(&running, &sms(&double)).await;
    assert_eq!(after.secrets, ["sms.authorization"]);
    let gateway = after.sms.clone().unwrap();
    assert_eq!(gateway.authorization, None);
    assert_eq!(gateway.fields["To"], "{number}");
    let web_push = ChangeDelivery {
        web_push: Some(Set::Set(WebPush {
            contact: "mailto:it@corp.example".to_owned(),
            hosts: vec!["Push.corp.example".to_owned()],
            ca_pem: None,
        })),
        ..ChangeDelivery::default()
    };
    let after = set(&running, &web_push).await;
    assert_eq!(after.web_push.unwrap().hosts, ["push.corp.example"]);
    assert!(after.sms.is_some(), "what is absent stays");

    let mut bad = sms(&double);
    if let Some(Set::Set(gateway)) = &mut bad.sms {
        gateway.url = "http://sms.example/".to_owned();
    }
    let why = refused(&running, &bad).await;
    assert!(
        why.contains("sms.url: it goes over the network without TLS"),
        "{why}"
    );
    let why = refused(
        &running,
        &ChangeDelivery {
            smtp: Some(Set::Set(Smtp {
                host: "mail.example".to_owned(),
                port: None,
                security: SmtpSecurity::None,
                from: "a@b.example".to_owned(),
                user: None,
                password: None,
                ca_pem: None,
            })),
            ..ChangeDelivery::default()
        },
    )
    .await;
    assert!(
        why.contains("smtp.security: 'none' is for a server on this machine"),
        "{why}"
    );

    let before = shown(&running).await;
    running.stop().await;
    let database = std::fs::read(folder.path().join("data/secondfactor.db")).unwrap();
    let holds = |text: &str| {
        database
            .windows(text.len())
            .any(|found| found == text.as_bytes())
    };
    assert!(!holds("s3cret") && !holds("push.corp.example"));
    let running = Running::start(folder.path(), |_| {}).await;
    assert_eq!(shown(&running).await, before);
    let clear = ChangeDelivery {
        sms: Some(Set::Clear),
        ..ChangeDelivery::default()
    };
    let after = set(&running, &clear).await;
    assert!(after.sms.is_none() && after.web_push.is_some() && after.secrets.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_passcode_by_sms_is_one_and_takes_the_place_of_the_one_before() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    running.user("alice", None, vec![telephone()]).await;
    set(&running, &sms(&double)).await;
    assert_eq!(devices(&running).await[0]["capabilities"], json!(["sms"]));
    let sent = ask_sms(&running).await;
    assert_eq!(
        sent,
        (SENT.to_owned(), "New SMS passcodes sent.".to_owned())
    );
    let heard = double.heard().await;
    assert_eq!(heard.path, "/send?a=1");
    assert_eq!(heard.header("authorization"), Some("Bearer s3cret"));
    let kind = heard.header("content-type");
    assert_eq!(kind, Some("application/x-www-form-urlencoded"));
    assert_eq!(field(&heard, "To"), "+17345554788");
    assert_eq!(field(&heard, "From"), "Corp");
    let first = code_of(&field(&heard, "Body"));
    assert!(devices(&running).await[0].get("sms_nextcode").is_none());
    ask_sms(&running).await;
    let second = code_of(&field(&double.heard().await, "Body"));
    assert_eq!(passcode(&running, &first).await, "deny");
    assert_eq!(passcode(&running, &second).await, "allow");
    assert_eq!(passcode(&running, &second).await, "deny");
    // Who polls is told the same.
    let params = [
        ("username", "alice"),
        ("factor", "sms"),
        ("device", "auto"),
        ("async", "1"),
    ];
    let (_, body) = running.call("POST", "/auth/v2/auth", &params).await;
    let txid = body["response"]["txid"].as_str().unwrap();
    let (_, body) = running
        .call("GET", "/auth/v2/auth_status", &[("txid", txid)])
        .await;
    assert_eq!(body["response"]["status"], SENT);
    running.stop().await;
}

#[tokio::test]
async fn what_a_gateway_does_not_take_is_told() {
    let mut double = Double::secure().await;
    let other = Double::secure().await;
    let (_folder, running) = started().await;
    running.user("alice", None, vec![telephone()]).await;
    set(&running, &sms(&double)).await;
    for (says, requests, want) in [
        // Who stood behind it may have taken it.
        (&[Say::Status(504)][..], 1, Some("localhost answers 504")),
        (
            &[Say::Elsewhere],
            1,
            Some("names another address, which is not followed"),
        ),
        // What passes is tried again.
        (&[Say::Status(503)], 2, None),
    ] {
        double.say(says);
        let (status, text) = ask_sms(&running).await;
        let mut codes = Vec::new();
        for _ in 0..requests {
            codes.push(code_of(&field(&double.heard().await, "Body")));
        }
        assert!(double.is_quiet(), "{says:?}");
        let Some(want) = want else {
            assert_eq!(status, SENT, "{says:?}");
            continue;
        };
        assert_eq!((status.as_str(), text.as_str()), ("deny", NOT_SENT));
        let failure = shown(&running).await.failures.remove(0);
        assert_eq!((failure.channel, &*failure.user), (Channel::Sms, "alice"));
        assert!(failure.why.contains(want), "{}", failure.why);
        assert!(!failure.why.contains(&codes[0]) && !failure.why.contains("s3cret"));
    }
    // A certificate of somebody else.
    let mut change = sms(&double);
    if let Some(Set::Set(gateway)) = &mut change.sms {
        gateway.ca_pem = Some(other.ca_pem.clone());
    }
    set(&running, &change).await;
    assert_eq!(ask_sms(&running).await.1, NOT_SENT);
    let failure = shown(&running).await.failures.remove(0);
    assert!(
        failure.why.starts_with("localhost is not believed: "),
        "{}",
        failure.why
    );
    assert!(double.is_quiet());
    // The fifth and last in ten minutes.
    set(&running, &sms(&double)).await;
    assert_eq!(ask_sms(&running).await.0, SENT);
    double.heard().await;
    let limited = ask_sms(&running).await;
    let text = "Too many messages were sent to you. Please wait ten minutes.";
    assert_eq!(limited, ("deny".to_owned(), text.to_owned()));
    assert!(double.is_quiet());
    let metrics = running.metrics().await;
    for (result, count) in [("sent", 2), ("failed", 3), ("limited", 1)] {
        let sample = format!(
            "countersign_secondfactor_messages_total{{channel=\"sms\",result=\"{result}\"}} {count}\n"
        );
        assert!(metrics.contains(&sample), "{sample}: {metrics}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_holds_nobody_for_long() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    running.user("alice", None, vec![telephone()]).await;
    set(&running, &sms(&double)).await;
    double.say(&[Say::Nothing]);
    // The harness gives up after twenty seconds; the gateway is given fifteen.
    let asked = tokio::time::timeout(std::time::Duration::from_secs(13), ask_sms(&running));
    assert_eq!(asked.await.unwrap().1, NOT_SENT);
    // It may still arrive, and is good then.
    let code = code_of(&field(&double.heard().await, "Body"));
    assert_eq!(passcode(&running, &code).await, "allow");
    running.stop().await;
}

#[tokio::test]
async fn a_passcode_by_email_comes_from_the_operators_server() {
    let address = |address: &str| NewDevice::Email {
        name: String::new(),
        address: address.to_owned(),
    };
    for (mode, security) in [
        ("starttls", SmtpSecurity::StartTls),
        ("tls", SmtpSecurity::Tls),
    ] {
        let mut mail = Mail::start(mode).await;
        let (_folder, running) = started().await;
        let made = running
            .user("alice", None, vec![address("later@corp.example")])
            .await;
        // What nothing is sent to is nothing to log in with.
        assert_eq!(devices(&running).await, Value::Null);
        set(&running, &smtp(&mail, security, "pw-mail")).await;
        let offered = &devices(&running).await[0];
        assert_eq!(offered["device"], made.user.devices[0].id.as_str());
        assert_eq!(offered["type"], "phone");
        assert_eq!(offered["capabilities"], json!(["sms"]));
        assert_eq!(offered["display_name"], "E-mail (l***@corp.example)");
        // The server takes it the second time.
        let sent = ask_sms(&running).await;
        assert_eq!(
            sent,
            (SENT.to_owned(), "A passcode was sent by e-mail.".to_owned())
        );
        let letter = mail.next().await;
        assert_eq!(letter["to"], json!(["later@corp.example"]));
        assert_eq!(letter["from"], "login@corp.example");
        assert_eq!(letter["tls"], true);
        assert_eq!(letter["headers"]["from"], "Büro <login@corp.example>");
        assert_eq!(letter["headers"]["auto-submitted"], "auto-generated");
        let code = code_of(letter["text"].as_str().unwrap());
        assert!(!letter["headers"].to_string().contains(&code));
        assert_eq!(passcode(&running, &code).await, "allow");
        assert_eq!(passcode(&running, &code).await, "deny");

        for (change, want) in [
            (smtp(&mail, security, "wrong"), "535"),
            (
                ChangeDelivery {
                    smtp: smtp(&mail, security, "pw-mail")
                        .smtp
                        .map(|smtp| match smtp {
                            Set::Set(smtp) => Set::Set(Smtp {
                                ca_pem: None,
                                ..smtp
                            }),
                            Set::Clear => Set::Clear,
                        }),
                    ..ChangeDelivery::default()
                },
                "certificate",
            ),
        ] {
            set(&running, &change).await;
            assert_eq!(ask_sms(&running).await.1, NOT_SENT, "{mode}: {want}");
            let failure = shown(&running).await.failures.remove(0);
            assert_eq!(failure.channel, Channel::Email);
            assert!(failure.why.contains(want), "{mode}: {}", failure.why);
            assert!(!failure.why.contains("wrong"), "{}", failure.why);
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn invitations_go_by_email_to_those_who_have_an_address() {
    let mut mail = Mail::start("starttls").await;
    let (_folder, running) = started().await;
    for (name, address) in [("alice", "alice@corp.example"), ("bob", "")] {
        let new = NewUser {
            email: address.to_owned(),
            full_name: "Zoë Smith".to_owned(),
            ..NewUser::named(name)
        };
        let made: Result<CreatedUser, _> = running.admin.post("/users", &new, LIMIT).await;
        made.unwrap();
    }
    set(&running, &smtp(&mail, SmtpSecurity::StartTls, "pw-mail")).await;
    let invite = InviteUsers {
        users: vec!["alice".to_owned(), "bob".to_owned()],
        group: None,
        by_email: true,
        valid_seconds: None,
    };
    let sent: Result<InvitedUsers, _> = running.admin.post("/enrollments", &invite, LIMIT).await;
    let sent = sent.unwrap();
    assert_eq!((sent.invited.len(), sent.refused.len()), (1, 1));
    assert!(sent.invited[0].url.is_none(), "it went by e-mail alone");
    assert_eq!(sent.refused[0].why, "has no e-mail address");
    let letter = mail.next().await;
    assert_eq!(letter["headers"]["to"], "Zoë Smith <alice@corp.example>");
    let text = letter["text"].as_str().unwrap();
    let url = text.lines().find(|line| line.starts_with("https://"));
    assert!(text.contains("is good for 7 days"), "{text}");
    let one = NewEnrollment {
        by_email: true,
        ..NewEnrollment::default()
    };
    let made = running.admin.post("/users/alice/enroll", &one, LIMIT).await;
    let made: Enrollment = made.unwrap();
    let letter = mail.next().await;
    let text = letter["text"].as_str().unwrap();
    assert!(text.contains(made.url.expose().as_str()), "{text}");
    assert_ne!(url, Some(made.url.expose().as_str()));
    let refused: Result<Enrollment, _> = running.admin.post("/users/bob/enroll", &one, LIMIT).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("has no e-mail address"), "{why}");
    running.stop().await;
}

#[tokio::test]
async fn a_test_says_what_is_wrong() {
    let mut mail = Mail::start("starttls").await;
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    let test = async |channel, to: &str| {
        let test = TestDelivery {
            channel,
            to: to.to_owned(),
        };
        let sent: Result<Done, _> = running.admin.post("/delivery/test", &test, LIMIT).await;
        sent.map_err(|error| error.to_string())
    };
    let why = test(Channel::Email, "a@b.example").await.unwrap_err();
    assert!(why.contains("smtp is not configured"), "{why}");
    set(&running, &smtp(&mail, SmtpSecurity::StartTls, "pw-mail")).await;
    set(&running, &sms(&double)).await;
    set(&running, &voice(&double)).await;
    assert_eq!(test(Channel::Email, "a@b.example").await, Ok(Done {}));
    assert_eq!(mail.next().await["to"], json!(["a@b.example"]));
    let why = test(Channel::Email, "nobody@b.example").await.unwrap_err();
    assert!(why.contains("no such person"), "{why}");
    assert_eq!(test(Channel::Sms, "+1 734 555 4788").await, Ok(Done {}));
    let heard = double.heard().await;
    assert_eq!(
        field(&heard, "Body"),
        "This is a test: SMS from Countersign reach you."
    );
    assert_eq!(test(Channel::Voice, "0734 5554788").await, Ok(Done {}));
    let heard: Value = serde_json::from_str(double.heard().await.text()).unwrap();
    assert_eq!(heard["to"], "07345554788");
    double.say(&[Say::Status(401)]);
    let why = test(Channel::Sms, "112").await.unwrap_err();
    assert!(why.contains("localhost answers 401"), "{why}");
    for (channel, to, want) in [
        (
            Channel::Email,
            "a@b.example\r\nBcc: c@d.example",
            "an e-mail address",
        ),
        (Channel::Sms, "1", "3 to 15 digits"),
        (Channel::Voice, "call me", "3 to 15 digits"),
        (Channel::WebPush, "x", "tested by a push"),
    ] {
        let why = test(channel, to).await.unwrap_err();
        assert!(why.contains(want), "{to}: {why}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_gateway_on_this_machine_may_be_plain() {
    let mut double = Double::plain().await;
    let (_folder, running) = started().await;
    running.user("alice", None, vec![telephone()]).await;
    let mut change = sms(&double);
    if let Some(Set::Set(gateway)) = &mut change.sms {
        gateway.url = format!("http://{}/", double.address);
        gateway.ca_pem = None;
    }
    set(&running, &change).await;
    assert_eq!(ask_sms(&running).await.0, SENT);
    code_of(&field(&double.heard().await, "Body"));
    running.stop().await;
}
