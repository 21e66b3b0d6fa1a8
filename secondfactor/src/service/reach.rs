//! How a person hears of a push: by a call, or by a notice to a browser that subscribed to them.

use std::sync::Arc;

use serde_json::json;
use tokio::time::Instant;

use super::Service;
use crate::account::{Account, Device};
use crate::admin::Channel;
use crate::clock;
use crate::outbound::{
    BadSubscription, Call, Job, Keys, Notice, Subscription, What, dialled, spoken,
};
use crate::push::{Push, Txid};
use crate::store::StoreError;
use crate::verdict::{Asked, Verdict};

/// Why a subscription was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SubscribeError {
    #[error(transparent)]
    Bad(#[from] BadSubscription),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Whether one more call may be placed to a user.
    pub(crate) fn may_call(&self, account: &Account) -> bool {
        self.may_send(Channel::Voice, &account.name).is_ok()
    }

    /// Tells a person of a push that waits: by a notice, or by the call that it is.
    pub(crate) fn reach(&self, push: &Push, account: &Account, device: &Device) {
        let routes = self.outbound.routes();
        let what = match push.asked {
            Asked::Push if device.notified && routes.web_push.is_some() => {
                // It may stand on a locked screen.
                let payload =
                    json!({ "application": &*push.application, "from": &*push.details.ip });
                What::Notice(Notice {
                    txid: push.txid,
                    device: Arc::clone(&device.id),
                    lookup: account.lookup.clone(),
                    topic: topic(push.txid),
                    payload: payload.to_string().into_bytes(),
                })
            }
            Asked::Push => return,
            Asked::Phone => What::Call(Call {
                number: dialled(&device.number),
                text: spoken(&push.application),
                callback: self.callback(push.txid),
                txid: Some(push.txid),
            }),
        };
        let job = Job {
            routes,
            user: account.name.clone(),
            // It ends with its push.
            until: None,
            what,
        };
        let queued = self.send(job).is_some();
        if !queued && push.asked == Asked::Phone {
            self.end_call(push.txid);
        }
    }

    /// Ends a push whose person cannot be called.
    pub(crate) async fn call_failed(&self, txid: Txid) {
        // Another process decides about it, which has it time out.
        if let Some(_inside) = self.gate.enter().await {
            self.end_call(txid);
        }
    }

    fn end_call(&self, txid: Txid) {
        let verdict = Verdict::NotReached;
        if let Some(push) = self.pushes.end(txid, verdict, Instant::now(), |_| true) {
            self.push_ended(&push, verdict);
        }
    }

    /// Where a gateway says what the person did: the address is the credential, as long as the push
    /// waits.
    fn callback(&self, txid: Txid) -> String {
        format!("{}/voice/{}", self.public_url, self.call_token(txid))
    }

    fn call_token(&self, txid: Txid) -> String {
        let id = txid.to_string();
        let tag = self.vault.hash(CALLS, &id);
        let tag = tag.get(..TAG_OCTETS).unwrap_or_default();
        format!("{id}-{}", data_encoding::HEXLOWER.encode(tag))
    }

    /// The push of a call that waits; none for another token.
    pub(crate) fn called(&self, token: &str) -> Option<Arc<Push>> {
        let (id, _) = token.rsplit_once('-')?;
        let txid = Txid::parse(id)?;
        let want = self.call_token(txid);
        let same = subtle::ConstantTimeEq::ct_eq(want.as_bytes(), token.as_bytes());
        if !bool::from(same) {
            return None;
        }
        self.pushes
            .get(txid)
            .filter(|push| push.asked == Asked::Phone)
    }

    /// The key that a browser subscribes with; none when no notices are sent.
    pub(crate) fn web_push_key(&self) -> Option<String> {
        let routes = self.outbound.routes();
        let route = routes.web_push.as_ref();
        route.map(|route| route.signer.public_key())
    }

    /// Has notices for a device go to a browser.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub(crate) async fn subscribe(
        &self,
        lookup: &str,
        device_id: &str,
        subscription: &Subscription,
    ) -> Result<(), SubscribeError> {
        self.outbound.routes().check_subscription(subscription)?;
        let keys = serde_json::to_vec(&subscription.keys);
        let keys = keys.map_err(|_| StoreError::Unreadable { column: "keys" })?;
        let sealed = self.vault.seal(&subscription_place(device_id), &keys);
        let sealed = sealed.map_err(StoreError::from)?;
        let (endpoint, now_ms) = (&subscription.endpoint, clock::unix_ms());
        self.store
            .set_subscription(device_id, endpoint, &sealed, now_ms)
            .await?;
        self.forget_account(lookup);
        Ok(())
    }

    /// Sends a device no more notices.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn unsubscribe(
        &self,
        lookup: &str,
        device_id: &str,
    ) -> Result<(), StoreError> {
        self.store.delete_subscription(device_id, None).await?;
        self.forget_account(lookup);
        Ok(())
    }

    /// Where notices for a device go.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn subscription(
        &self,
        device_id: &str,
    ) -> Result<Option<Subscription>, StoreError> {
        let Some((endpoint, sealed)) = self.store.subscription(device_id).await? else {
            return Ok(None);
        };
        let keys = self
            .vault
            .open_box(&subscription_place(device_id), &sealed)?;
        let keys: Keys =
            serde_json::from_slice(&keys).map_err(|_| StoreError::Unreadable { column: "keys" })?;
        Ok(Some(Subscription { endpoint, keys }))
    }

    /// Forgets a subscription that its push service knows no more.
    pub(crate) async fn subscription_ended(&self, device_id: &str, lookup: &str, endpoint: &str) {
        // Whoever takes over finds it out for himself.
        let Some(_inside) = self.gate.enter().await else {
            return;
        };
        let deleted = self.store.delete_subscription(device_id, Some(endpoint));
        if let Err(error) = deleted.await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a subscription that ended was not removed"
            );
        }
        self.forget_account(lookup);
    }
}

/// A name for one push that is no secret and fits (RFC 8030 section 5.4).
fn topic(txid: Txid) -> String {
    txid.to_string().split('-').collect()
}

fn subscription_place(device_id: &str) -> String {
    format!("subscriptions/{device_id}")
}

const TAG_OCTETS: usize = 16;
const CALLS: &str = "calls";
