//! What crosses between the planes: configuration snapshots, events, RPC messages, ids and secrets.
//!
//! Pure: no sockets, files, clock, randomness or async. Neither plane is known here.
//!
//! Read first: [`config::Snapshot`] (one whole, checked configuration), [`config::raw`] (its JSON
//! form on the wire and at rest), [`event::AuthEvent`] (one login, with its timeline) and
//! [`rpc`] (the methods between the planes). [`metric`] has every metric of every role.

pub mod address;
pub mod check;
pub mod child;
pub mod command;
pub mod config;
pub mod date;
pub mod dn;
pub mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod id;
pub mod join;
pub mod metric;
pub mod rpc;
pub mod second_factor;
pub mod secret;
