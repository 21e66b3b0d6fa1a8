//! How people are reached: the settings of it, e-mail, and passcodes that are sent. Calls and notices are
//! in `reach`.

use std::time::Duration;

use tokio::time::Instant;

use super::Service;
use super::addresses::CodeBy;
use super::passcode::{random_digits, sms_place};
use crate::account::{Account, Device, Reach, is_email_address};
use crate::admin::{Capabilities, ChangeDelivery, Channel, Delivery, DeviceKind, TestDelivery};
use crate::clock;
use crate::outbound::{
    self, Done, Job, Letter, Message, Outbound, PASSCODE_MINUTES, Routes, SPOKEN_TEST, Signer,
    Stored, What, dialled,
};
use crate::store::{Attempt, Store, StoreError};
use crate::vault::Vault;
use crate::verdict::Verdict;

/// Why how people are reached was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ChangeError {
    /// A value is not possible; what to do instead.
    #[error("{0}")]
    Invalid(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NotSent {
    /// There is no way to send it.
    #[error("{0} is not configured: `countersign factor delivery set {0} …` sets it up")]
    NotConfigured(&'static str),
    /// It cannot be sent there.
    #[error("{0}")]
    Address(&'static str),
    /// The person had too many of them.
    #[error("too many codes were sent; wait ten minutes")]
    TooOften,
    /// Too many wait.
    #[error("too many messages wait to be sent; try again in a moment")]
    Full,
    /// It was tried.
    #[error("{0}")]
    Failed(String),
}

/// A passcode on its way.
pub(crate) struct Sending {
    done: Done,
    verdict: Verdict,
}

/// What became of the wish for a passcode.
pub(crate) enum Passcode {
    /// It is decided.
    Ended(Verdict),
    /// It is on its way.
    Sending(Sending),
}

/// What a device can do as messages go now. Whether anybody answers its pushes is not asked.
fn effective_capabilities(device: &Device, routes: &Routes) -> Capabilities {
    let has = device.capabilities;
    match device.kind {
        DeviceKind::Email => Capabilities {
            sms: routes.smtp.is_some(),
            ..Capabilities::default()
        },
        DeviceKind::Phone => {
            let number = !dialled(&device.number).is_empty();
            Capabilities {
                push: has.push,
                phone: has.phone && number && routes.voice.is_some(),
                // Without a gateway they are recorded, and no number is needed.
                sms: has.sms && (number || routes.sms.is_none()),
            }
        }
        DeviceKind::Totp | DeviceKind::Hotp | DeviceKind::SecurityKey => has,
    }
}

/// Reads how people are reached. A route that cannot be made is left out, and the log says why.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn opened(
    store: &Store,
    vault: &Vault,
    public_url: &str,
) -> Result<Outbound, StoreError> {
    let unreadable = |_| StoreError::Unreadable { column: "settings" };
    let stored = match store.setting(vault, DELIVERY).await? {
        Some(value) => serde_json::from_slice(&value).map_err(unreadable)?,
        None => Stored::default(),
    };
    let key = store.setting(vault, WEB_PUSH_KEY).await?;
    let name = our_name(public_url);
    let made = tokio::task::spawn_blocking(move || {
        Routes::new(stored, key.as_deref().map(Vec::as_slice), &name)
    });
    let (routes, problems) = made.await.unwrap_or_default();
    for problem in problems {
        tracing::error!(problem, "people are not reached that way");
    }
    Ok(Outbound::new(routes))
}

impl Service {
    /// How people are reached, without secrets.
    pub(crate) fn delivery(&self) -> Delivery {
        Delivery {
            failures: self.outbound.failures(),
            ..self.outbound.routes().stored.shown()
        }
    }

    /// Changes how people are reached, all of it or nothing.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub(crate) async fn change_delivery(
        &self,
        change: ChangeDelivery,
        attempt: Attempt,
    ) -> Result<Delivery, ChangeError> {
        let _alone = self.outbound.changes.lock().await;
        let stored = self.outbound.routes().stored.changed(change);
        let stored = stored.map_err(ChangeError::Invalid)?;
        let mut key = self.store.setting(&self.vault, WEB_PUSH_KEY).await?;
        if stored.has_web_push() && key.is_none() {
            let made = Signer::generate().map_err(|_| StoreError::Randomness)?;
            if attempt == Attempt::Real {
                let set = self.store.set_setting(&self.vault, WEB_PUSH_KEY, &made);
                set.await?;
            }
            key = Some(made);
        }
        let value = serde_json::to_vec(&stored);
        let value = value.map_err(|_| StoreError::Unreadable { column: "settings" })?;
        let value = zeroize::Zeroizing::new(value);
        let name = our_name(&self.public_url);
        let made = tokio::task::spawn_blocking(move || {
            Routes::new(stored, key.as_deref().map(Vec::as_slice), &name)
        });
        let (routes, problems) = made.await.map_err(|_| StoreError::Randomness)?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(ChangeError::Invalid(problem));
        }
        if attempt == Attempt::Tried {
            return Ok(Delivery {
                failures: self.outbound.failures(),
                ..routes.stored.shown()
            });
        }
        self.store
            .set_setting(&self.vault, DELIVERY, &value)
            .await?;
        self.outbound.set_routes(routes);
        Ok(self.delivery())
    }

    /// Sends a message that says it is a test.
    ///
    /// # Errors
    /// [`NotSent`].
    pub(crate) async fn test_delivery(
        &self,
        test: TestDelivery,
        attempt: Attempt,
    ) -> Result<(), NotSent> {
        let routes = self.outbound.routes();
        let what = match test.channel {
            Channel::Email => self.letter(&routes, "", &test.to, &test.to, Message::Test)?,
            Channel::Sms => What::Text {
                number: number(routes.sms.is_some(), "sms", &test.to)?,
                text: Message::Test.short(),
            },
            Channel::Voice => What::Call(outbound::Call {
                number: number(routes.voice.is_some(), "voice", &test.to)?,
                text: SPOKEN_TEST.to_owned(),
                callback: format!("{}/voice/test", self.public_url),
                txid: None,
            }),
            Channel::WebPush => {
                return Err(NotSent::Address(
                    "a notice is tested by a push: log in, or ask for one",
                ));
            }
        };
        if attempt == Attempt::Tried {
            return Ok(());
        }
        let job = Job {
            routes,
            user: "a test".to_owned(),
            until: None,
            what,
        };
        let sent = self.send_now(&job).await;
        sent.map_err(|fault| NotSent::Failed(fault.why))
    }

    /// What a device can do as people are reached now.
    pub(crate) fn can(&self, device: &Device) -> Capabilities {
        let can = effective_capabilities(device, &self.outbound.routes());
        Capabilities {
            push: can.push && device.answers_pushes(self.reach_of()),
            ..can
        }
    }

    /// Which messages go out, and who answers pushes.
    pub(crate) fn reach_of(&self) -> Reach {
        let routes = self.outbound.routes();
        Reach {
            email: routes.smtp.is_some(),
            sms: routes.sms.is_some(),
            voice: routes.voice.is_some(),
            by_link: self.rules.approve_by_link,
            now_ms: clock::unix_ms(),
        }
    }

    /// Whether e-mail can be sent.
    pub(crate) fn has_mail(&self) -> bool {
        self.outbound.routes().smtp.is_some()
    }

    /// Where e-mail to a user goes.
    pub(crate) fn mail_address<'a>(&self, account: &'a Account) -> Option<&'a str> {
        if !account.email.is_empty() {
            return Some(&account.email);
        }
        let mut devices = account.devices.iter();
        let device = devices.find(|device| device.kind == DeviceKind::Email)?;
        Some(&device.number)
    }

    /// Sends an e-mail to a user, without waiting for it.
    ///
    /// # Errors
    /// [`NotSent`], but for what only sending finds out.
    pub(crate) fn mail(&self, account: &Account, message: Message<'_>) -> Result<(), NotSent> {
        let none = NotSent::Address("the user has no e-mail address");
        let to = self.mail_address(account).ok_or(none)?;
        let routes = self.outbound.routes();
        let what = self.letter(&routes, &account.full_name, to, &account.name, message)?;
        let job = Job {
            routes,
            user: account.name.clone(),
            until: until(message),
            what,
        };
        self.send(job).map(drop).ok_or(NotSent::Full)
    }

    /// Sends a code to a number or an address that is to be confirmed, and waits until it was taken.
    ///
    /// # Errors
    /// [`NotSent`].
    pub(crate) async fn send_code(
        &self,
        user: &str,
        by: CodeBy,
        to: &str,
        code: &str,
    ) -> Result<(), NotSent> {
        let routes = self.outbound.routes();
        let message = Message::Confirm(code);
        let (channel, what) = match by {
            CodeBy::Email => {
                let letter = self.letter(&routes, "", to, user, message)?;
                (Channel::Email, letter)
            }
            CodeBy::Sms => {
                let number = number(routes.sms.is_some(), "sms", to)?;
                let text = message.short();
                (Channel::Sms, What::Text { number, text })
            }
        };
        if self.may_send(channel, user).is_err() {
            return Err(NotSent::TooOften);
        }
        let job = Job {
            routes,
            user: user.to_owned(),
            until: until(message),
            what,
        };
        let done = self.send(job).ok_or(NotSent::Full)?;
        match tokio::time::timeout(PASSCODE_WAIT, done).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(fault))) => Err(NotSent::Failed(fault.why)),
            Ok(Err(_)) | Err(_) => Err(NotSent::Failed("it took too long".to_owned())),
        }
    }

    /// Sends a passcode to a device that can get one, or records new ones where no gateway is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn send_passcode(
        &self,
        account: &Account,
        device: &Device,
    ) -> Result<Passcode, StoreError> {
        let routes = self.outbound.routes();
        let mail = device.kind == DeviceKind::Email;
        if !mail && routes.sms.is_none() {
            self.record_sms_codes(account, device).await?;
            return Ok(Passcode::Ended(Verdict::SmsRecorded));
        }
        let (channel, verdict) = match mail {
            true => (Channel::Email, Verdict::MailSent),
            false => (Channel::Sms, Verdict::SmsSent),
        };
        if self.may_send(channel, &account.name).is_err() {
            return Ok(Passcode::Ended(Verdict::TooManyMessages));
        }
        // Before it is sent: it may arrive at once.
        let code = self.new_sent_code(account, device).await?;
        let message = Message::Passcode(&code);
        let what = if mail {
            let to = &device.number;
            self.letter(&routes, &account.full_name, to, &account.name, message)
        } else {
            Ok(What::Text {
                number: dialled(&device.number),
                text: message.short(),
            })
        };
        let Ok(what) = what else {
            return Ok(Passcode::Ended(Verdict::NotSent));
        };
        let job = Job {
            routes,
            user: account.name.clone(),
            until: until(message),
            what,
        };
        Ok(match self.send(job) {
            Some(done) => Passcode::Sending(Sending { done, verdict }),
            None => Passcode::Ended(Verdict::NotSent),
        })
    }

    /// Waits until a passcode was taken, as long as one that logs in waits.
    pub(crate) async fn passcode_sent(&self, sending: Sending) -> Verdict {
        let Sending { done, verdict } = sending;
        match tokio::time::timeout(PASSCODE_WAIT, done).await {
            Ok(Ok(Ok(()))) => verdict,
            Ok(_) | Err(_) => Verdict::NotSent,
        }
    }

    /// The same for a caller that polls: nothing may change meanwhile, so it is short, and what is
    /// still on its way then counts as sent.
    pub(crate) async fn passcode_sent_soon(&self, sending: Sending) -> Verdict {
        let Sending { done, verdict } = sending;
        match tokio::time::timeout(POLL_WAIT, done).await {
            Ok(Ok(Ok(()))) | Err(_) => verdict,
            Ok(_) => Verdict::NotSent,
        }
    }

    /// A new passcode in the place of a device's old ones.
    async fn new_sent_code(
        &self,
        account: &Account,
        device: &Device,
    ) -> Result<String, StoreError> {
        let code = random_digits(PASSCODE_DIGITS)?;
        let sealed = self.vault.seal(&sms_place(&device.id), code.as_bytes())?;
        let life_ms = PASSCODE_MINUTES * 60 * 1_000;
        let until_ms = clock::unix_ms().saturating_add(life_ms);
        // There is one, so nobody has to be told which is next.
        let codes = [(String::new(), sealed)];
        let mut tx = self.store.write().await?;
        self.store
            .replace_sms_codes(&mut tx, &device.id, &codes, Some(until_ms))
            .await?;
        tx.commit().await?;
        self.forget_account(&account.lookup);
        Ok(code)
    }

    fn letter(
        &self,
        routes: &Routes,
        full_name: &str,
        to: &str,
        user: &str,
        message: Message<'_>,
    ) -> Result<What, NotSent> {
        if routes.smtp.is_none() {
            return Err(NotSent::NotConfigured("smtp"));
        }
        if !is_email_address(to) {
            return Err(NotSent::Address(
                "an e-mail address is a name, '@' and a domain, without blanks",
            ));
        }
        let (subject, text) = message.letter(user, clock::unix_ms());
        Ok(What::Mail(Letter {
            to_name: full_name.to_owned(),
            to: to.to_owned(),
            subject,
            text,
        }))
    }
}

/// From when on a message says nothing that is good.
fn until(message: Message<'_>) -> Option<Instant> {
    let life = message.life(clock::unix_ms())?;
    Instant::now().checked_add(life)
}

pub(super) fn number(
    configured: bool,
    channel: &'static str,
    number: &str,
) -> Result<String, NotSent> {
    if !configured {
        return Err(NotSent::NotConfigured(channel));
    }
    let plausible = |c: char| c.is_ascii_digit() || " +-().".contains(c);
    let dialled = dialled(number);
    if !(3..=16).contains(&dialled.len()) || !number.chars().all(plausible) {
        return Err(NotSent::Address(
            "a telephone number has 3 to 15 digits, and ' +-().' between them",
        ));
    }
    Ok(dialled)
}

/// The host that people open, for SMTP's greeting.
fn our_name(public_url: &str) -> String {
    let uri: Option<http::Uri> = public_url.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host);
    let name = host.filter(|host| host.parse::<std::net::IpAddr>().is_err() && !host.contains(':'));
    name.unwrap_or("localhost").to_owned()
}

/// How long one that logs in waits until a passcode was taken.
const PASSCODE_WAIT: Duration = Duration::from_secs(10);

/// How long one that polls waits for it: less than a handover waits for what changes something.
const POLL_WAIT: Duration = Duration::from_secs(3);

pub(super) const PASSCODE_DIGITS: u32 = 7;
const DELIVERY: &str = "delivery";
const WEB_PUSH_KEY: &str = "web_push_key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_have_a_name() {
        for (url, want) in [
            ("https://gate.corp.example:8402", "gate.corp.example"),
            ("https://192.0.2.1", "localhost"),
            ("https://[::1]:8402", "localhost"),
            ("nonsense", "nonsense"),
            ("", "localhost"),
        ] {
            assert_eq!(our_name(url), want, "{url}");
        }
    }

    #[test]
    fn numbers_are_plausible() {
        for (text, want) in [
            ("+1 734 555 4788", Some("+17345554788")),
            ("112", Some("112")),
            ("12", None),
            ("", None),
            ("+1 734 555 4788 x9", None),
            ("12345678901234567", None),
        ] {
            let found = number(true, "sms", text).ok();
            assert_eq!(found.as_deref(), want, "{text}");
        }
        let none = number(false, "sms", "112").unwrap_err();
        assert_eq!(none, NotSent::NotConfigured("sms"));
    }
}
