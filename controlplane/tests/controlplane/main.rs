//! The control plane over a real Unix socket, with a fake configuration file.
#![cfg(test)]

mod about;
mod access;
mod admin_factor;
mod api;
mod audit;
mod builtin;
mod commands;
mod config_file;
mod drafts;
mod dry_run;
mod events;
mod events_api;
mod file;
mod import;
mod lists;
mod nodes;
mod oidc;
mod overview;
mod primary_only;
mod push;
mod revisions;
mod second_factor;
mod second_factor_more;
mod sign_in;
mod start;
mod stream_ends;
mod support;
mod watch;
mod web;
