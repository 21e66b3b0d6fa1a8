//! The hot paths of the data plane take as many instructions as it is written down, within a tolerance:
//! `bench/instructions` counts them by callgrind and builds what it counts. No time is looked at.

use std::path::Path;
use std::process::Command;

use e2e::peers::require;

#[test]
fn the_hot_paths_take_no_more_instructions_than_written_down() {
    drop(require("valgrind", "valgrind"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let counted = Command::new(root.join("bench/instructions"))
        .env_remove("UPDATE_INSTRUCTIONS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&counted.stdout);
    let failed = String::from_utf8_lossy(&counted.stderr);
    assert!(counted.status.success(), "{said}{failed}");
    for way in ["parse-and-verify", "pap-login-exempt-user"] {
        assert!(said.contains(way), "{way} is not counted: {said}");
    }
}
