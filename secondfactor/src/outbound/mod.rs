//! What goes out to people: e-mail, SMS, calls and notices. `settings` is checked and becomes routes,
//! `queue` hands messages to them, each kind over a queue and workers of its own. What is sent, and
//! to whom, is decided in `service`.

mod address;
mod gateway;
mod http;
mod letter;
mod queue;
mod rate;
mod settings;
mod smtp;
mod trust;
mod web_push;

pub(crate) use gateway::Filling;
pub(crate) use letter::{Message, PASSCODE_MINUTES, SPOKEN_TEST, dialled, spoken};
pub(crate) use queue::{Call, Done, Job, Notice, Outbound, Outcome, What, run};
pub(crate) use settings::{Routes, Stored};
pub(crate) use smtp::Letter;
pub(crate) use web_push::{BadSubscription, Keys, NoticeError, Signer, Subscription};
