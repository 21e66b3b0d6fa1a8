//! One file a command. Each turns arguments into calls of the crates and prints what came of it.

pub(crate) mod admin;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod cert;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod database;
pub(crate) mod demo;
pub(crate) mod events;
pub(crate) mod factor;
pub(crate) mod healthcheck;
pub(crate) mod login;
pub(crate) mod lone;
pub(crate) mod master_key;
pub(crate) mod node;
pub(crate) mod primary_only;
pub(crate) mod problem;
mod report;
pub(crate) mod roles;
pub(crate) mod run;
pub(crate) mod seal;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod upgrade;
pub(crate) mod validate;
