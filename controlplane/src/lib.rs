//! The control plane: takes the configuration, makes revisions of it, pushes them to the data
//! planes, and keeps what they report.
//!
//! No login is answered here and none waits for anything here. Read first: [`run()`],
//! [`Settings`], [`ConfigSource`] (a configuration file) and [`admin`] (what the socket answers).

mod access;
pub mod admin;
mod admin_tls;
mod api;
mod app;
mod audit;
pub mod authproxy;
mod builtin;
mod clock;
pub mod dictionary;
mod diff;
mod disk;
mod drafts;
mod edit;
mod event_filter;
mod events;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod issue;
mod keyring;
mod listener;
mod loader;
mod metrics;
mod moment;
mod node_link;
mod nodes;
mod overview;
mod primary_only;
mod protected;
mod provider;
mod revisions;
mod routes;
mod rpc;
mod run;
mod seal;
mod settings;
mod shown_attribute;
mod source;
mod sse;
mod state_keys;
mod store;
mod stream;
mod traces;
mod upkeep;
mod watch;
mod web;

pub use access::routes::least_roles;
pub use admin_tls::{AdminCertificate, AdminTls, AdminTlsError, CertificateFiles, Unfit};
pub use api::masked::SECRETS as SECRET_FIELDS;
pub use clock::now_ms;
pub use disk::FileRead;
pub use file::AuthproxyFile;
pub use listener::{AdminListener, Peer};
pub use node_link::NodeAuthorityError;
pub use protected::{protect, reveal};
pub use revisions::PublishError;
pub use run::{RunError, run};
pub use seal::{Key, KeyError, SealError};
pub use settings::{Hooks, Need, Ready, Retention, Settings, key_file};
pub use source::{ConfigSource, FileDraft, Finish, LoadOutcome};
pub use store::{PostgresUrl, PostgresUrlError, Rotated, StoreError};
pub use traces::{OtlpEndpoint, TraceError, TraceSettings};
pub use upkeep::{
    KeptNode, Stored, copy_database, look_at_copy, look_into_copy, rotate_master_key,
};
pub use web::{has_dashboard, note_while_away};

/// This machine's name, as the system has it; none when it has none. `/proc/sys` need not be there.
#[must_use]
pub fn host_name() -> Option<String> {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}
