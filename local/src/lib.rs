//! HTTP over the Unix sockets of one machine, and calls to another machine by TLS.
//!
//! [`serve`] puts a router on a socket that only this user (or root) may reach; [`Client`] calls
//! one. Nothing of the product is known here.

mod aside;
mod client;
pub mod fds;
mod last_word;
mod serve;

pub use aside::{Aside, SocketFile};
pub use client::{CallError, Client, Lines, Tls};
pub use last_word::last_word;
pub use serve::{Listener, ServeError, inherited, is_ours, listen_over, serve};
