//! Programs for Python that tests drive, from `target/venv`.

use std::{path::PathBuf, process::Command, sync::Once};

use crate::peers::repository;

/// Where a program of the environment is; makes the environment first where it is missing.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static ENVIRONMENT: Once = Once::new();
    ENVIRONMENT.call_once(|| {
        let made = Command::new(repository().join("scripts/venv"))
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "scripts/venv: {}",
            String::from_utf8_lossy(&made.stderr)
        );
    });
    repository().join("target/venv/bin").join(name)
}
