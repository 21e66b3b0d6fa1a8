//! What waits too long is not sent any more.

use super::*;

#[tokio::test]
async fn an_invitation_that_is_over_is_not_sent() {
    let mail = Mail::start("tls").await;
    let (_folder, running) = started().await;
    let change = smtp(&mail, SmtpSecurity::Tls, "pw-mail");
    set(&running, &change).await;
    let new = NewUser {
        // The server takes it the second time.
        email: "later@corp.example".to_owned(),
        ..NewUser::named("alice")
    };
    let made: Result<CreatedUser, _> = running.admin.post("/users", &new, LIMIT).await;
    made.unwrap();
    let invite = InviteUsers {
        users: vec!["alice".to_owned()],
        group: None,
        by_email: true,
        valid_seconds: Some(1),
    };
    let made: InvitedUsers = running
        .admin
        .post("/enrollments", &invite, LIMIT)
        .await
        .unwrap();
    assert!(made.invited[0].url.is_none(), "it is in the e-mail");
    let failure = loop {
        if let Some(failure) = shown(&running).await.failures.pop() {
            break failure;
        }
    };
    assert_eq!(
        (failure.user.as_str(), failure.why.as_str()),
        ("alice", "it waited until what it says was good no more")
    );
    running.stop().await;
}
