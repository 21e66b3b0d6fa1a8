//! Invitations to set up a device.

use std::time::Duration;

use proto::second_factor::{
    Done, Enrollment, InviteUsers, InvitedUsers, NewEnrollment, WaitingEnrollments,
};
use serde_json::json;

use super::{Asks, encoded, moment, of_user, seconds};
use crate::failure::Failure;
use crate::output;

pub(super) async fn one(
    asks: &Asks,
    user: &str,
    span: Option<Duration>,
    by_email: bool,
) -> Result<(), Failure> {
    let wanted = NewEnrollment {
        valid_seconds: seconds(span)?,
        by_email,
    };
    let made: Enrollment = asks.post(&of_user(user, "/enroll"), &wanted).await?;
    asks.show(&made, || {
        output::line(format_args!("{}", made.url.expose()))
    });
    Ok(())
}

pub(super) async fn many(
    asks: &Asks,
    users: Vec<String>,
    group: Option<String>,
    by_email: bool,
    span: Option<Duration>,
) -> Result<(), Failure> {
    let wanted = InviteUsers {
        users,
        group,
        by_email,
        valid_seconds: seconds(span)?,
    };
    let made: InvitedUsers = asks.post_many("/enrollments", &wanted).await?;
    asks.show(&made, || {
        for one in &made.invited {
            let how = one
                .url
                .as_ref()
                .map_or("by e-mail", |url| url.expose().as_str());
            output::line(format_args!("{:<20} {how}", one.user));
        }
        if made.invited.is_empty() && made.refused.is_empty() {
            output::line(format_args!(
                "nobody is invited: everybody in that group has a device"
            ));
        }
        for one in &made.refused {
            output::line(format_args!("{:<20} not invited: {}", one.name, one.why));
        }
    });
    match made.refused.len() {
        0 => Ok(()),
        count => Err(Failure::plain(format!("{count} users were not invited"))),
    }
}

pub(super) async fn waiting(asks: &Asks, take_back: Option<&str>) -> Result<(), Failure> {
    if let Some(id) = take_back {
        let path = format!("/enrollments/{}/delete", encoded(id));
        let _: Done = asks.post(&path, &json!({})).await?;
        asks.show(&json!({}), || output::line(format_args!("{id} taken back")));
        return Ok(());
    }
    let all = asks
        .all("/enrollments?limit=500", |page: WaitingEnrollments| {
            (page.enrollments, page.next)
        })
        .await?;
    asks.show(&all, || {
        for one in &all {
            let by = if one.invited { "invited" } else { "at a login" };
            output::line(format_args!(
                "{}  {:<20} {by}, until {}",
                one.id,
                one.user,
                moment(one.until)
            ));
        }
    });
    Ok(())
}
