//! The programs and doubles that the gateway talks to.

mod black_hole;
mod collector;
mod duo_client;
mod eapol;
pub mod fakeduo;
mod freeradius;
mod hostapd;
mod lossy;
mod pki;
mod postgres;
mod radclient;
mod relay;
mod samba;
mod scripted_upstream;
mod slapd;
pub mod supplicant;

use std::{
    env,
    path::{Path, PathBuf},
};

pub use black_hole::{BlackHoleTcp, BlackHoleUdp};
pub use collector::{Collector, Export, judge};
pub use duo_client::{DuoAccount, DuoError, duo_client};
pub use eapol::{EapMethod, EapOutcome, EapTls, EapolTest};
pub use fakeduo::FakeDuo;
pub use freeradius::{FreeRadius, Kind};
pub use hostapd::Hostapd;
pub use lossy::{Lossy, Weather};
pub use pki::{Identity, Pki};
pub use postgres::Postgres;
pub use radclient::{Radclient, Reply};
pub use relay::Relay;
pub use samba::{Samba, Signing};
pub use scripted_upstream::{Received, Said, ScriptedUpstream};
pub use slapd::Slapd;
pub use supplicant::Supplicant;

/// The shared secret of every RADIUS peer that the harness starts.
pub const SECRET: &str = "e2e-secret";

/// Where this program is, found on the PATH and in the folders of system programs.
///
/// # Panics
/// When it is not installed, with the Debian package that brings it. A test is never skipped.
#[must_use]
pub fn require(program: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders =
        env::split_paths(&path).chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("{program} is missing: install the package {package} (scripts/setup test does)")
        })
}

/// The top of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
