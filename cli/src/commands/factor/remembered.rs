//! Approvals that let in again.

use proto::second_factor::{Done, RememberedPage};
use serde_json::json;

use super::{Asks, encoded, moment, of_user};
use crate::args::RememberedCommand;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(asks: &Asks, command: RememberedCommand) -> Result<(), Failure> {
    match command {
        RememberedCommand::List { user } => {
            let mut path = "/remembered?limit=500".to_owned();
            if let Some(user) = &user {
                path = format!("{path}&user={}", encoded(user));
            }
            let all = asks
                .all(&path, |page: RememberedPage| (page.remembered, page.next))
                .await?;
            asks.show(&all, || {
                for one in &all {
                    output::line(format_args!(
                        "{}  {:<20} {} at {} from {}, until {}",
                        one.id,
                        one.user,
                        one.application,
                        one.client,
                        one.station,
                        moment(one.until)
                    ));
                }
            });
        }
        RememberedCommand::Forget { id, user } => {
            let path = match (&id, &user) {
                (Some(id), _) => format!("/remembered/{}/delete", encoded(id)),
                (None, user) => of_user(user.as_deref().unwrap_or_default(), "/remembered/delete"),
            };
            let _: Done = asks.post(&path, &json!({})).await?;
            let whose = id.or(user).unwrap_or_default();
            asks.show(&json!({}), || {
                output::line(format_args!("{whose} forgotten"))
            });
        }
    }
    Ok(())
}
