//! The harness of the end-to-end tests: the real `countersign` between real peers.
//!
//! Read first: [`countersign::Countersign`] (the program under test), [`nas::Nas`] (a RADIUS client
//! that shows every octet; [`mschap`] for CHAP and its kin), [`nodes::Nodes`] (two nodes of one
//! installation), [`peers::FakeDuo`] and [`peers::supplicant`] (a second factor and an EAP peer that
//! misbehave on demand), and [`peers`] for FreeRADIUS, hostapd, OpenLDAP, PostgreSQL, Samba,
//! `radclient` and the second factor's official client.
//!
//! Everything here blocks, so that a test reads from top to bottom; what must run beside the test
//! runs in a process or thread of its own and ends with the value that stands for it. Failure is a
//! panic with what the peer printed. A peer program that is not installed is a failure, named with
//! its package: nothing is skipped.
//!
//! `make test` builds the program before the tests. Whoever runs `cargo test -p e2e` alone runs
//! `cargo build --workspace --bins --tests` first; [`countersign`] says so when there is no program.
//!
//! This is not a library for anything but tests and the benchmarks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test's support fails by panicking, and shows on stderr what the peers printed"
)]

pub mod built_in;
pub mod checks;
pub mod clock;
pub mod config;
pub mod controlplane;
pub mod countersign;
pub mod disk;
pub mod eap;
pub mod gateway;
pub mod hidden;
pub mod http;
pub mod mschap;
pub mod nas;
pub mod nodes;
pub mod packages;
pub mod peers;
pub mod ports;
pub mod private_root;
pub mod process;
pub mod service_manager;
pub mod storm;
pub mod upgrading;
pub mod venv;
