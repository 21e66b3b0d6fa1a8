//! The RPM: what is in it, and its scripts at work in a private root.
#![cfg(test)]

use std::{fs, path::Path, path::PathBuf, sync::OnceLock};

use e2e::{
    packages::{ADOPTED, CONFIG, login, make, shown},
    private_root::{Init, PrivateRoot},
};

/// A package of this kind, made for these tests.
fn made(kind: &str) -> PathBuf {
    make(
        kind,
        "1.0.0",
        &Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("packages_rpm")
            .join(kind),
    )
}

/// The RPM, made by the first test that asks.
fn rpm() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| made("rpm"))
}

#[test]
fn the_rpm_has_the_same_files_and_keeps_what_the_administrator_wrote() {
    let rpm = rpm();
    let asked = |what: &str| shown("rpm", &["rpm", "-qp", what], rpm);
    let of_rpm = asked("-l");
    let in_deb = shown("dpkg", &["dpkg-deb", "--contents"], &made("deb"));
    // What lies elsewhere there, or nowhere.
    let other = ["/usr/share/zsh/", "/usr/share/doc/", "/usr/share/licenses/"];
    for line in in_deb.lines().filter(|line| !line.ends_with('/')) {
        let path = line.split_once(" ./").unwrap().1;
        let path = format!("/{path}");
        assert!(
            other.iter().any(|one| path.starts_with(one)) || of_rpm.lines().any(|one| one == path),
            "{path}\n{of_rpm}"
        );
    }
    assert!(
        of_rpm.contains("/usr/share/zsh/site-functions/_countersign"),
        "{of_rpm}"
    );
    assert!(
        of_rpm.contains("/usr/share/licenses/countersign/LICENSE"),
        "{of_rpm}"
    );
    assert_eq!(
        asked("--configfiles").lines().collect::<Vec<_>>(),
        [
            "/etc/default/countersign",
            "/etc/needrestart/conf.d/countersign.conf"
        ]
    );
    let needed = asked("--requires");
    for one in ["shadow-utils", "systemd", "util-linux", "libc.so.6"] {
        assert!(needed.contains(one), "{one}: {needed}");
    }
    let scripts = asked("--scripts");
    assert!(
        scripts.contains("/usr/lib/countersign/setup rpm"),
        "{scripts}"
    );
    for deletes in ["rm -", "userdel", "purge "] {
        assert!(!scripts.contains(deletes), "{deletes}: {scripts}");
    }
    let digests = shown("rpm", &["rpm", "--checksig", "--verbose"], rpm);
    assert!(digests.contains("Payload SHA256 digest: OK"), "{digests}");
}

#[test]
fn the_rpm_is_installed_upgraded_and_erased_by_its_scripts() {
    let machine = PrivateRoot::start(Init::None);
    fs::copy(rpm(), machine.path("/tmp/countersign.rpm")).unwrap();
    // Nothing that it needs is known to rpm on this system, though it is there.
    let install = |how: &str| {
        let line = [
            "rpm",
            how,
            "--nodeps",
            "--force-debian",
            "--replacepkgs",
            "/tmp/countersign.rpm",
        ];
        machine.ok(&line)
    };
    let told = install("--install");
    assert!(
        told.contains("not started: write /etc/countersign/authproxy.cfg"),
        "{told}"
    );
    let is = machine.ok(&["stat", "-c", "%U:%G %a", ADOPTED, "/var/lib/countersign"]);
    assert_eq!(
        is.lines().collect::<Vec<_>>(),
        ["root:countersign 640", "countersign:countersign 700"]
    );
    assert_eq!(machine.exit(&["authproxyctl", "start"]).0, Some(6));
    fs::write(machine.path(ADOPTED), CONFIG).unwrap();
    let (code, told) = machine.exit(&["authproxyctl", "start"]);
    assert_eq!(code, Some(0), "{told}");
    login(&machine, "alice");
    let told = install("--upgrade");
    assert!(
        told.contains("the gateway that ran has handed over"),
        "{told}"
    );
    login(&machine, "bob");
    let told = machine.ok(&["rpm", "--erase", "countersign"]);
    assert!(told.contains("kept: /etc/countersign"), "{told}");
    assert!(
        !machine
            .run(&["pgrep", "-u", "countersign"])
            .status
            .success(),
        "it is stopped"
    );
    for kept in [ADOPTED, "/var/lib/countersign/controlplane"] {
        assert!(machine.path(kept).exists(), "{kept}");
    }
    assert!(!machine.path("/usr/bin/countersign").exists());
}
