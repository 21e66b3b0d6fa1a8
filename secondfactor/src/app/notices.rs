//! Notices on a phone whose page is not open: the key to subscribe with, and where they go.

use serde::Deserialize;
use serde_json::json;

use super::fault::Fault;
use super::said;
use crate::account::Device;
use crate::api::Answer;
use crate::outbound::{Keys, Subscription};
use crate::service::{Service, Session};

/// A subscription, as the browser has it (Push API, `PushSubscription.toJSON`).
#[derive(Deserialize)]
pub(super) struct Wanted {
    endpoint: String,
    keys: Keys,
}

/// What a browser subscribes with; there is none where no notices are sent.
pub(super) fn key(service: &Service) -> Result<Answer, Fault> {
    let key = service.web_push_key().ok_or(Fault::NotFound)?;
    Ok(said(&json!({ "key": key })))
}

/// Has notices of what waits on a device go to a browser, and no more to the one before.
pub(super) async fn subscribe(
    service: &Service,
    session: &Session,
    device: &Device,
    wanted: Wanted,
) -> Result<Answer, Fault> {
    // To nobody, where no notices are sent.
    service.web_push_key().ok_or(Fault::NotFound)?;
    let subscription = Subscription {
        endpoint: wanted.endpoint,
        keys: wanted.keys,
    };
    service
        .subscribe(&session.account.lookup, &device.id, &subscription)
        .await?;
    Ok(said(&json!({})))
}

/// Sends no more notices of a device.
pub(super) async fn unsubscribe(
    service: &Service,
    session: &Session,
    device: &Device,
) -> Result<Answer, Fault> {
    service
        .unsubscribe(&session.account.lookup, &device.id)
        .await?;
    Ok(said(&json!({})))
}
