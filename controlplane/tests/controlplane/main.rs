//! The control plane over a real Unix socket, with a fake configuration file.
#![cfg(test)]

mod about;
mod access;
mod admin_factor;
mod api;
mod builtin;
mod commands;
mod drafts;
mod dry_run;
mod events;
mod events_api;
mod file;
mod import;
mod lists;
mod oidc;
mod overview;
mod primary_only;
mod push;
mod second_factor;
mod start;
mod stream_ends;
mod support;
mod watch;
mod web;
