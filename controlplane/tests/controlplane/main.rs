//! The control plane over a real Unix socket, with a fake configuration file.
#![cfg(test)]

mod access;
mod api;
mod builtin;
mod drafts;
mod events;
mod events_api;
mod file;
mod primary_only;
mod push;
mod start;
mod support;
mod watch;
