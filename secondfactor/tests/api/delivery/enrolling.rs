//! Numbers and addresses that people set up by themselves, and what they are told of it.

use secondfactor::admin::{DeviceKind, User};

use super::*;
use crate::enrollment::{get, submit};
use crate::portal::{app_page, field_of, form, invite, oathtool, own};
use crate::self_service::{Browser, allow};
use crate::support::started;

fn asked(address: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("address", address)
        .finish()
}

fn again(field: &str) -> String {
    format!("pending={field}&again=yes")
}

async fn user(running: &Running, name: &str) -> User {
    let path = format!("/users/{name}");
    running.admin.get(&path, LIMIT).await.unwrap()
}

async fn person(running: &Running, name: &str, email: &str) {
    let new = NewUser {
        email: email.to_owned(),
        ..NewUser::named(name)
    };
    let made: Result<CreatedUser, _> = running.admin.post("/users", &new, LIMIT).await;
    made.unwrap();
}

/// What the gateway was asked to send: the number, and the code.
async fn sent(double: &mut Double) -> (String, String) {
    let heard = double.heard().await;
    let text = field(&heard, "Body");
    assert!(text.contains("confirms this number"), "{text}");
    (field(&heard, "To"), code_of(&text))
}

#[tokio::test]
async fn a_number_counts_when_the_code_that_was_sent_there_is_typed() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    let own = own(&running);
    person(&running, "alice", "").await;
    let portal = invite(&running, "alice").await;
    let (page, by_mail) = (format!("{portal}/sms"), format!("{portal}/email"));
    // Without a gateway it is not offered.
    let (_, _, html) = get(&running, &portal).await;
    assert!(
        !html.contains("/sms\"") && !html.contains("/email\""),
        "{html}"
    );
    for path in [&page, &by_mail] {
        assert_eq!(get(&running, path).await.0, 404, "{path}");
        let body = asked("+17345554788");
        assert_eq!(submit(&running, path, &body, &own).await.0, 404, "{path}");
    }
    set(&running, &sms(&double)).await;
    let (_, _, html) = get(&running, &portal).await;
    assert!(
        html.contains("/sms\"") && !html.contains("/email\""),
        "{html}"
    );
    assert_eq!(get(&running, &page).await.0, 200);
    for bad in ["", "12", "+1 734 555 4788 x9", "alice@corp.example", "<b>"] {
        let (status, html) = submit(&running, &page, &asked(bad), &own).await;
        assert!(
            status == 422 && html.contains("3 to 15 digits"),
            "{bad}: {html}"
        );
        assert!(!html.contains("<b>"), "{html}");
    }
    assert!(double.is_quiet());
    let number = asked("+1 (734) 555-4788");
    let (status, html) = submit(&running, &page, &number, &own).await;
    assert!(
        status == 200 && html.contains("<strong>+17345554788</strong>"),
        "{html}"
    );
    let (to, first) = sent(&mut double).await;
    assert_eq!(to, "+17345554788");
    assert!(!html.contains(&first), "{html}");
    let old = field_of(&html);

    // Another one takes its place on the page that is shown then.
    let (status, html) = submit(&running, &page, &again(&old), &own).await;
    assert_eq!(status, 200, "{html}");
    let new = field_of(&html);
    let (to, second) = sent(&mut double).await;
    assert_eq!(to, "+17345554788");
    for wrong in ["", "12", "0000000", "%00", &first] {
        let (status, html) = submit(&running, &page, &form(&new, wrong, "Desk"), &own).await;
        assert!(
            status == 422 && html.contains("not the code of the newest"),
            "{wrong}: {html}"
        );
        assert!(html.contains("value=\"Desk\""), "{html}");
        assert_eq!(field_of(&html), new);
    }
    assert!(user(&running, "alice").await.devices.is_empty());
    let typed = format!("{}+{}", &second[..3], &second[3..]);
    let (status, html) = submit(&running, &page, &form(&new, &typed, "Desk"), &own).await;
    assert!(
        status == 200 && html.contains("<strong>Desk</strong> is set up"),
        "{html}"
    );
    assert!(
        html.contains("a passcode by SMS") && !html.contains("/approve/"),
        "{html}"
    );
    let devices = user(&running, "alice").await.devices;
    let [device] = &devices[..] else {
        panic!("{devices:?}")
    };
    let only_sms = Capabilities {
        sms: true,
        ..Capabilities::default()
    };
    assert_eq!(
        (device.kind, device.capabilities),
        (DeviceKind::Phone, only_sms)
    );
    // The link is used up, and the number lets in.
    assert_eq!(
        submit(&running, &page, &form(&new, &second, ""), &own)
            .await
            .0,
        404
    );
    assert_eq!(ask_sms(&running).await.0, SENT);
    let heard = double.heard().await;
    assert_eq!(field(&heard, "To"), "+17345554788");
    let code = code_of(&field(&heard, "Body"));
    assert_eq!(passcode(&running, &code).await, "allow");
    running.stop().await;
}

#[tokio::test]
async fn forms_of_others_confirm_nothing() {
    let mut double = Double::secure().await;
    let mail = Mail::start("starttls").await;
    let (_folder, running) = started().await;
    let own = own(&running);
    set(&running, &sms(&double)).await;
    set(&running, &smtp(&mail, SmtpSecurity::StartTls, "pw-mail")).await;
    let mut seen = Vec::new();
    for name in ["alice", "mallory"] {
        person(&running, name, "").await;
        let portal = invite(&running, name).await;
        let page = format!("{portal}/sms");
        let (status, html) = submit(&running, &page, &asked("0734 555 4788"), &own).await;
        assert_eq!(status, 200, "{html}");
        seen.push((portal, field_of(&html), sent(&mut double).await.1));
    }
    let [(portal, field, code), (_, other, other_code)] = &seen[..] else {
        panic!("{seen:?}")
    };
    let (key, app_field) = app_page(&running, portal).await;
    let (page, by_mail) = (format!("{portal}/sms"), format!("{portal}/email"));
    let mut changed = field.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    for (name, path, body) in [
        ("another one's", &page, form(other, other_code, "")),
        ("another one's, again", &page, again(other)),
        ("changed", &page, form(&changed, code, "")),
        ("changed, again", &page, again(&changed)),
        ("cut", &page, form(&field[..field.len() / 2], code, "")),
        ("empty", &page, form("", code, "")),
        ("long", &page, form(&field.repeat(20), code, "")),
        ("of another kind", &by_mail, form(field, code, "")),
        ("of an app", &page, form(&app_field, &oathtool(&key, 0), "")),
        (
            "for an app",
            &format!("{portal}/app"),
            form(field, code, ""),
        ),
        (
            "a name that is too long",
            &page,
            form(field, code, &"x".repeat(65)),
        ),
    ] {
        assert_eq!(submit(&running, path, &body, &own).await.0, 400, "{name}");
    }
    let good = form(field, code, "");
    for origin in ["https://evil.example", "null"] {
        assert_eq!(submit(&running, &page, &good, origin).await.0, 403);
        let body = asked("112");
        assert_eq!(submit(&running, &page, &body, origin).await.0, 403);
    }
    assert!(double.is_quiet());
    for name in ["alice", "mallory"] {
        assert!(user(&running, name).await.devices.is_empty(), "{name}");
    }
    assert_eq!(submit(&running, &page, &good, &own).await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn codes_and_guesses_are_few() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    let own = own(&running);
    set(&running, &sms(&double)).await;
    person(&running, "alice", "").await;
    let portal = invite(&running, "alice").await;
    let page = format!("{portal}/sms");
    // What the gateway does not take is said, without what it answered, and can be tried again.
    double.say(&[Say::Status(500)]);
    let (status, html) = submit(&running, &page, &asked("112"), &own).await;
    assert!(
        status == 422 && html.contains("could not be sent") && html.contains("value=\"112\""),
        "{html}"
    );
    assert!(
        !html.contains("500") && !html.contains("localhost"),
        "{html}"
    );
    sent(&mut double).await;
    let (mut field, mut code) = (String::new(), String::new());
    for number in 0..4 {
        let body = match number {
            0 => asked("112"),
            _ => again(&field),
        };
        let (status, html) = submit(&running, &page, &body, &own).await;
        assert_eq!(status, 200, "{html}");
        field = field_of(&html);
        code = sent(&mut double).await.1;
    }
    // Nor by another link, to another number.
    let other = format!("{}/sms", invite(&running, "alice").await);
    for (path, body) in [
        (&page, again(&field)),
        (&page, asked("113")),
        (&other, asked("113")),
    ] {
        let (status, html) = submit(&running, path, &body, &own).await;
        assert!(
            status == 429 && html.contains("Please wait ten minutes"),
            "{html}"
        );
    }
    assert!(double.is_quiet());

    let wrong = form(&field, "0000000", "");
    for number in 0..200 {
        let (status, html) = submit(&running, &page, &wrong, &own).await;
        let want = match number {
            0..10 => status == 422,
            // One more every few seconds.
            _ => status == 422 || status == 429 && html.contains("in a moment"),
        };
        assert!(want, "{number}: {status} {html}");
    }
    let good = form(&field, &code, "");
    let (status, html) = submit(&running, &page, &good, &own).await;
    assert!(
        status == 429 && html.contains("Too many wrong codes"),
        "{html}"
    );
    assert!(user(&running, "alice").await.devices.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn what_the_policy_forbids_is_not_offered() {
    let mut double = Double::secure().await;
    let mail = Mail::start("starttls").await;
    let (_folder, running) = started().await;
    let own = own(&running);
    set(&running, &sms(&double)).await;
    set(&running, &smtp(&mail, SmtpSecurity::StartTls, "pw-mail")).await;
    person(&running, "alice", "").await;
    let portal = invite(&running, "alice").await;
    let page = format!("{portal}/sms");
    let (_, html) = submit(&running, &page, &asked("112"), &own).await;
    let (field, (_, code)) = (field_of(&html), sent(&mut double).await);
    for (allowed, by_sms, by_mail) in [
        (&["push", "passcode"][..], false, false),
        (&["push", "email"], false, true),
        (&["sms"], true, false),
    ] {
        allow(&running, allowed).await;
        let (_, _, html) = get(&running, &portal).await;
        for (step, want) in [("sms", by_sms), ("email", by_mail)] {
            assert_eq!(html.contains(&format!("/{step}\"")), want, "{html}");
            let status = get(&running, &format!("{portal}/{step}")).await.0;
            assert_eq!(status == 200, want, "{step}: {status}");
        }
        if !by_sms {
            // Nor confirmed where it was begun before.
            let body = form(&field, &code, "");
            assert_eq!(submit(&running, &page, &body, &own).await.0, 404);
        }
    }
    // The gateway goes while somebody has the page open.
    let clear = ChangeDelivery {
        sms: Some(Set::Clear),
        ..ChangeDelivery::default()
    };
    set(&running, &clear).await;
    assert_eq!(submit(&running, &page, &again(&field), &own).await.0, 404);
    assert!(double.is_quiet());
    running.stop().await;
}

#[tokio::test]
async fn an_address_is_confirmed_and_people_are_told_of_every_change() {
    let mut mail = Mail::start("starttls").await;
    let (_folder, running) = started().await;
    let own = own(&running);
    set(&running, &smtp(&mail, SmtpSecurity::StartTls, "pw-mail")).await;
    person(&running, "alice", "alice@corp.example").await;
    let portal = invite(&running, "alice").await;
    let page = format!("{portal}/email");
    for bad in [
        "",
        "alice",
        "a b@corp.example",
        "a@b.example\nBcc: c@d.example",
    ] {
        let (status, html) = submit(&running, &page, &asked(bad), &own).await;
        assert!(
            status == 422 && html.contains("an e-mail address is"),
            "{bad}: {html}"
        );
    }
    // The server refuses it.
    let (status, html) = submit(&running, &page, &asked("nobody@corp.example"), &own).await;
    assert!(
        status == 422 && html.contains("could not be sent"),
        "{html}"
    );

    let mut browser = Browser::new(&running);
    let body = asked(" desk@corp.example ");
    let (status, _, html) = browser.ask(&page, Some(&body)).await;
    assert!(
        status == 200 && html.contains("<strong>desk@corp.example</strong>"),
        "{html}"
    );
    let letter = mail.next().await;
    assert_eq!(letter["to"], json!(["desk@corp.example"]));
    let text = letter["text"].as_str().unwrap();
    assert!(text.contains("Type it on the page"), "{text}");
    let code = code_of(text);
    assert!(!letter["headers"].to_string().contains(&code));
    let body = form(&field_of(&html), &code, "");
    let (status, _, html) = browser.ask(&page, Some(&body)).await;
    assert!(
        status == 200 && html.contains("E-mail</strong> is set up"),
        "{html}"
    );
    let devices = user(&running, "alice").await.devices;
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].kind, DeviceKind::Email);
    told(&mut mail, "an e-mail address was added to your devices").await;

    // The same by self-service, with the name that somebody else could choose.
    let (status, portal, _) = browser.ask("/me/add", Some("")).await;
    assert_eq!(status, 303);
    let (key, field) = app_page(&running, &portal).await;
    let body = form(&field, &oathtool(&key, 0), "Call+555");
    let (status, _, html) = browser.ask(&format!("{portal}/app"), Some(&body)).await;
    assert_eq!(status, 200, "{html}");
    told(&mut mail, "an authenticator app was added to your devices").await;
    // Five in ten minutes.
    for number in 0..4 {
        assert_eq!(browser.ask("/me/codes", Some("")).await.0, 200, "{number}");
        if number < 3 {
            told(&mut mail, "new backup codes were made for you").await;
        }
    }
    // With the device that it was signed in with a sign-in ends.
    let remove = format!("/me/device/{}/remove", devices[0].id);
    assert_eq!(browser.ask(&remove, Some("")).await.0, 303);
    assert_eq!(browser.ask("/me/codes", Some("")).await.0, 403);
    let metrics = running.metrics().await;
    let limited =
        "countersign_secondfactor_messages_total{channel=\"email\",result=\"limited\"} 2\n";
    assert!(metrics.contains(limited), "{metrics}");
    running.stop().await;
}

/// The next e-mail is a notice, to the address that an administrator keeps.
async fn told(mail: &mut Mail, what: &str) {
    let letter = mail.next().await;
    assert_eq!(letter["to"], json!(["alice@corp.example"]));
    let subject = &letter["headers"]["subject"];
    assert_eq!(subject, "Your second factor was changed (Countersign)");
    let text = letter["text"].as_str().unwrap();
    assert!(
        text.contains(what) && text.contains("If it was not you"),
        "{text}"
    );
    assert!(!text.contains("555"), "{text}");
}
