//! The Debian package: what is in it, and it is installed, used, upgraded, removed and purged in a private
//! root, with systemd and without. The RPM is in `packages_rpm`.
#![cfg(test)]

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use e2e::{
    clock::wait_until,
    packages::{self, ADOPTED, REPLACED, is_of_now, login, main_pid, make, shown},
    peers::{repository, require},
    private_root::{Init, PrivateRoot, succeeded},
};

const LONG: Duration = Duration::from_secs(60);

/// The folder of all that is made here.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        // Of a run before, if there was one.
        drop(fs::remove_dir_all(&folder));
        folder
    })
}

/// The Debian package, made by the first test that asks.
fn deb() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| make("deb", "1.0.0", &folder().join("older")))
}

/// One of a higher version.
fn newer_deb() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| make("deb", "1.1.0", &folder().join("newer")))
}

#[test]
fn lintian_finds_no_error_and_the_contents_are_owned_by_root() {
    let deb = deb();
    let found = shown(
        "lintian",
        &["lintian", "--allow-root", "--fail-on", "error"],
        deb,
    );
    assert!(!found.contains("E: "), "{found}");
    let listed = shown("dpkg", &["dpkg-deb", "--contents"], deb);
    for line in listed.lines() {
        assert!(
            line.contains(" 0/0 ") || line.contains(" root/root "),
            "{line}"
        );
    }
    for wanted in [
        "-rwxr-xr-x usr/bin/countersign",
        "-rwxr-xr-x usr/sbin/authproxyctl",
        "-rw-r--r-- etc/default/countersign",
        "-rw-r--r-- usr/lib/systemd/system/countersign.service",
        "-rw-r--r-- usr/lib/systemd/system/countersign-dataplane.service",
        "-rw-r--r-- usr/share/man/man1/countersign-node-join.1.gz",
        "-rw-r--r-- usr/share/man/man8/authproxyctl.8.gz",
        "-rw-r--r-- etc/needrestart/conf.d/countersign.conf",
        // What the page about monitoring has copied.
        "-rw-r--r-- usr/share/countersign/prometheus/alerts.yml",
        "-rw-r--r-- usr/share/countersign/prometheus/alerts_test.yml",
        "-rw-r--r-- usr/share/countersign/prometheus/prometheus.yml",
        "-rw-r--r-- usr/share/countersign/grafana/countersign.json",
        "-rw-r--r-- usr/share/countersign/grafana/provisioning/dashboards/countersign.yml",
        "-rw-r--r-- usr/share/countersign/grafana/provisioning/datasources/countersign.yml",
    ] {
        let (mode, path) = wanted.split_once(' ').unwrap();
        let is_it = |line: &str| line.starts_with(mode) && line.ends_with(&format!(" ./{path}"));
        assert!(listed.lines().any(is_it), "{wanted}\n{listed}");
    }
    // It asks nothing, so it has no questions for debconf either.
    let control = shown("dpkg", &["dpkg-deb", "--info"], deb);
    assert!(
        control.contains("Depends: ca-certificates, libc6 (>= "),
        "{control}"
    );
    assert!(!control.contains("templates"), "{control}");
}

#[test]
fn scripts_are_clean_shell() {
    let top = repository();
    let own: Vec<PathBuf> = [
        "scripts/package",
        "deploy/packages/authproxyctl",
        "deploy/packages/setup",
    ]
    .iter()
    .map(|path| top.join(path))
    .collect();
    let more = ["deploy/packages/deb", "deploy/packages/rpm"].map(|folder| {
        fs::read_dir(top.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
    });
    let all: Vec<PathBuf> = own.into_iter().chain(more.into_iter().flatten()).collect();
    assert_eq!(all.len(), 11, "{all:?}");
    for file in all {
        shown("shellcheck", &["shellcheck", "--shell=sh"], &file);
    }
}

#[test]
fn manual_pages_and_completions_are_read_by_what_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let unpacked = folder.path();
    let mut command = Command::new("dpkg-deb");
    command.arg("--extract").arg(deb()).arg(unpacked);
    succeeded(&["dpkg-deb", "--extract"], &command.output().unwrap());
    let mut pages = 0;
    for section in ["man1", "man8"] {
        for entry in fs::read_dir(unpacked.join("usr/share/man").join(section)).unwrap() {
            let page = entry.unwrap().path();
            let plain = page.with_extension("");
            let text = Command::new("gunzip")
                .arg("-c")
                .arg(&page)
                .output()
                .unwrap();
            fs::write(&plain, text.stdout).unwrap();
            let mut lint = Command::new(require("mandoc", "mandoc"));
            let found = lint
                .args(["-Tlint", "-Wwarning"])
                .arg(&plain)
                .output()
                .unwrap();
            let found = String::from_utf8_lossy(&found.stdout).into_owned();
            // clap_mangen breaks lines around empty ones.
            let faults: Vec<_> = found
                .lines()
                .filter(|line| !line.contains("skipping paragraph macro: br"))
                .collect();
            assert!(faults.is_empty(), "{faults:?}");
            pages += 1;
        }
    }
    assert!(pages > 40, "{pages}");

    let share = unpacked.join("usr/share");
    let text = |path: &str| share.join(path).to_str().unwrap().to_owned();
    let bash = format!(
        "source {}; COMP_WORDS=(countersign val); COMP_CWORD=1; _countersign countersign val countersign; \
         echo \"${{COMPREPLY[@]}}\"",
        text("bash-completion/completions/countersign")
    );
    let zsh = format!(
        "fpath=({} $fpath); autoload -Uz compinit; compinit -D -u; autoload +X _countersign; \
         functions _countersign | grep -o validate | head -n 1",
        text("zsh/vendor-completions")
    );
    let fish = format!(
        "source {}; complete -C 'countersign val'",
        text("fish/vendor_completions.d/countersign.fish")
    );
    for (shell, package, script) in [
        ("bash", "bash", bash),
        ("zsh", "zsh", zsh),
        ("fish", "fish", fish),
    ] {
        let mut command = Command::new(require(shell, package));
        command.args(["-c", &script]).env("HOME", unpacked);
        let offered = succeeded(&[shell], &command.output().unwrap());
        assert!(offered.starts_with("validate"), "{shell}: {offered}");
    }
}

#[test]
fn units_are_hardened() {
    let folder = repository().join("deploy/systemd");
    let units: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|is| is == "service"))
        .collect();
    assert_eq!(units.len(), 4);
    for unit in units {
        // In tenths. A data plane that takes its service back says so as a process that is not the main
        // one (NotifyAccess=all), which counts as 0.2.
        let threshold = match unit.ends_with("countersign-dataplane.service") {
            true => "--threshold=17",
            false => "--threshold=15",
        };
        let line = ["systemd-analyze", "security", "--offline=true", threshold];
        let judged = shown("systemd", &line, &unit);
        assert!(judged.contains("Overall exposure level"), "{judged}");
    }
}

#[test]
fn the_timer_of_the_book_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(repository().join("docs/src/second_factor.md")).unwrap();
    let program = e2e::countersign::program();
    let mut units = Vec::new();
    for block in page.split("```ini\n# /etc/systemd/system/").skip(1) {
        let (name, text) = block.split_once('\n').unwrap();
        let (text, _) = text.split_once("```").unwrap();
        // Where it is here.
        let text = text.replace("/usr/bin/countersign", program.to_str().unwrap());
        let unit = folder.path().join(name);
        fs::write(&unit, text).unwrap();
        units.push(unit);
    }
    assert_eq!(units.len(), 2, "a service and its timer");
    for unit in units {
        let line = [
            "systemd-analyze",
            "verify",
            "--man=no",
            "--recursive-errors=no",
        ];
        let said = shown("systemd", &line, &unit);
        assert_eq!(said, "", "{}", unit.display());
    }
}

fn machine(init: Init) -> PrivateRoot {
    packages::machine(init, deb(), newer_deb())
}

/// Whose the gateway is, by its process.
fn user_of(machine: &PrivateRoot, pid: &str) -> String {
    machine
        .ok(&["stat", "-c", "%U", &format!("/proc/{pid}")])
        .trim()
        .to_owned()
}

#[test]
fn with_systemd_it_is_installed_unattended_adopts_serves_is_upgraded_and_purged() {
    let machine = machine(Init::Systemd);
    let line = ["dpkg", "-i", "/tmp/older.deb"];
    let told = succeeded(
        &line,
        &machine.run_with(&[("COUNTERSIGN_ADOPT", "1")], &line),
    );
    assert!(
        told.contains("adopted: /opt/duoauthproxy/conf/authproxy.cfg"),
        "{told}"
    );
    for file in [ADOPTED, "/etc/countersign/bundle.pem"] {
        let is = machine.ok(&["stat", "-c", "%U:%G %a", file]);
        assert_eq!(is.trim(), "root:countersign 640", "{file}");
    }
    let folders = "/etc/countersign /var/lib/countersign /var/log/countersign";
    let is = machine.ok(&["sh", "-c", &format!("stat -c '%U:%G %a' {folders}")]);
    assert_eq!(
        is.lines().collect::<Vec<_>>(),
        [
            "root:countersign 750",
            "countersign:countersign 700",
            "countersign:countersign 750"
        ]
    );
    assert_eq!(
        machine
            .ok(&["systemctl", "is-enabled", "countersign"])
            .trim(),
        "enabled"
    );
    login(&machine, "alice");
    let first = main_pid(&machine, "countersign");
    assert_eq!(user_of(&machine, &first), "countersign");
    let log = machine.ok(&["journalctl", "--no-pager", "--unit=countersign"]);
    for refused in ["not permitted", "Permission denied", "Bad system call"] {
        assert!(
            !log.contains(refused),
            "a hardening takes what it needs: {log}"
        );
    }

    // A version that would refuse the configuration does not take the place of one that serves it.
    let config = machine.path(ADOPTED);
    let good = fs::read(&config).unwrap();
    fs::write(&config, [good.as_slice(), b"rubbish\n"].concat()).unwrap();
    let told = machine.ok(&["dpkg", "-i", "/tmp/newer.deb"]);
    assert!(told.contains("NOT restarted"), "{told}");
    assert!(told.contains("then: authproxyctl upgrade\n"), "{told}");
    assert_eq!(main_pid(&machine, "countersign"), first);
    fs::write(&config, &good).unwrap();
    fs::write(
        machine.path("/etc/default/countersign"),
        "# mine\nCOUNTERSIGN_CONFIG=/etc/countersign/authproxy.cfg\n",
    )
    .unwrap();
    assert!(!is_of_now(&machine, &first));
    // One that serves it takes over in the same process; with another unit it is started by that one.
    let told = machine.ok(&["dpkg", "-i", "/tmp/older.deb"]);
    assert!(
        told.contains("the gateway that ran has handed over"),
        "{told}"
    );
    assert_eq!(main_pid(&machine, "countersign"), first);
    assert!(is_of_now(&machine, &first));
    login(&machine, "bob");
    let unit = machine.path("/usr/lib/systemd/system/countersign.service");
    let text = fs::read(&unit).unwrap();
    fs::write(&unit, [text.as_slice(), b"# of before\n"].concat()).unwrap();
    let told = machine.ok(&["dpkg", "-i", "/tmp/newer.deb"]);
    assert!(told.contains("is another unit in this version"), "{told}");
    assert_ne!(main_pid(&machine, "countersign"), first);
    login(&machine, "carol");
    let kept = fs::read_to_string(machine.path("/etc/default/countersign")).unwrap();
    assert!(kept.starts_with("# mine"), "{kept}");
    assert_eq!(fs::read(&config).unwrap(), good);

    let (code, told) = machine.exit(&["authproxyctl", "restart"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains(", 0 failed") && told.contains("UDP *:812"),
        "the check is shown: {told}"
    );
    supported(&machine);

    // Removed and installed again it runs again.
    machine.ok(&["dpkg", "--remove", "countersign"]);
    machine.ok(&["dpkg", "-i", "/tmp/older.deb"]);
    login(&machine, "dave");
    remove_and_purge(&machine);
}

/// `authproxyctl support` is a bundle without secrets, with the journal in it, and over no other file.
fn supported(machine: &PrivateRoot) {
    let line = ["authproxyctl", "support", "/root/support.tar.gz"];
    let (code, told) = machine.exit(&line);
    assert_eq!(code, Some(0), "{told}");
    let names = machine.ok(&["tar", "-tzf", "/root/support.tar.gz"]);
    assert!(names.contains("-service.log"), "{names}");
    let all = machine.ok(&["tar", "-xzOf", "/root/support.tar.gz"]);
    assert!(
        all.contains("countersign.service") || all.contains("countersign["),
        "{all}"
    );
    for secret in ["not-very-secret", "/setup#cst_7", "PRIVATE KEY"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    let (code, told) = machine.exit(&line);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("is there already"), "{told}");
    support_overwrites_nothing(machine);
    let left = "find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -name '.support.*' -print -o \
                -user countersign -name 'tmp.*' -print";
    assert_eq!(machine.ok(&["sh", "-c", left]), "");
}

/// A bundle for a folder of somebody else's, who puts links into it; with a TMPDIR that is root's alone.
fn support_overwrites_nothing(machine: &PrivateRoot) {
    fs::write(machine.path("/root/victim"), "precious").unwrap();
    let planting = "install -d -o nobody /srv/theirs && cd /srv/theirs && touch plants && chown nobody plants && \
        { setpriv --reuid=nobody --clear-groups sh -c 'while [ -e plants ]; do for one in .support.*; do \
          if [ -f \"$one\" ] && [ ! -L \"$one\" ]; then rm -f \"$one\"; ln -s /root/victim \"$one\"; fi; \
          done; done' >/dev/null 2>&1 & }; \
        TMPDIR=/root authproxyctl support; code=$?; rm -f plants; wait; exit $code";
    let (code, told) = machine.exit(&["sh", "-c", planting]);
    let victim = fs::read(machine.path("/root/victim")).unwrap();
    assert_eq!(victim, b"precious", "{told}");
    assert_eq!(code, Some(0), "{told}");
    let made = "stat -c '%U %a' /srv/theirs/countersign-support-*.tar.gz";
    assert_eq!(machine.ok(&["sh", "-c", made]).trim(), "root 600");
}

/// What the gateway's user planted in folders of its own leads root nowhere.
fn remove_and_purge(machine: &PrivateRoot) {
    fs::create_dir(machine.path("/root/precious")).unwrap();
    fs::write(machine.path("/root/precious/file"), "precious").unwrap();
    let owner = fs::metadata(machine.path("/var/lib/countersign"))
        .unwrap()
        .uid();
    for link in [
        "/var/lib/countersign/planted",
        "/var/log/countersign/planted",
    ] {
        symlink("/root/precious", machine.path(link)).unwrap();
    }
    machine.ok(&["dpkg", "--remove", "countersign"]);
    assert_eq!(
        machine.exit(&["pgrep", "-u", &owner.to_string()]).0,
        Some(1),
        "it is stopped"
    );
    assert!(machine.path(ADOPTED).exists());
    assert!(machine.path("/var/lib/countersign/controlplane").exists());
    let told = machine.ok(&["dpkg", "--purge", "countersign"]);
    assert!(told.contains("are deleted"), "{told}");
    for gone in [
        "/etc/countersign",
        "/etc/default/countersign",
        "/var/lib/countersign",
        "/var/log/countersign",
    ] {
        assert!(!machine.path(gone).exists(), "{gone}");
    }
    let precious = fs::read_to_string(machine.path("/root/precious/file")).unwrap();
    assert_eq!(precious, "precious");
    assert!(
        machine.path(REPLACED).join("authproxy.cfg").exists(),
        "not ours"
    );
    let left = "find /etc /usr /var/lib/systemd -path '*countersign*' -not -name 'cache*'";
    assert_eq!(machine.ok(&["sh", "-c", left]), "");
}

#[test]
fn without_systemd_authproxyctl_starts_it_and_answers_as_an_init_script() {
    let machine = machine(Init::None);
    let told = machine.ok(&["dpkg", "-i", "/tmp/older.deb"]);
    assert!(
        told.contains("authproxyctl adopt /opt/duoauthproxy/conf/authproxy.cfg"),
        "offered: {told}"
    );
    assert!(
        !machine.path("/etc/countersign/bundle.pem").exists(),
        "and not done: {told}"
    );
    let ctl = |arguments: &[&str]| {
        let line: Vec<&str> = ["authproxyctl"].iter().chain(arguments).copied().collect();
        machine.exit(&line)
    };
    let is = |arguments: &[&str], code: i32, says: &str| {
        let (is, told) = ctl(arguments);
        assert_eq!(is, Some(code), "{arguments:?}: {told}");
        assert!(told.contains(says), "{arguments:?}: {told}");
        told
    };
    is(&[], 2, "authproxyctl start");
    is(&["begin"], 2, "authproxyctl start");
    is(&["start", "now"], 2, "authproxyctl start");
    is(&["status"], 3, "does not run");
    is(&["start"], 6, "/etc/countersign/authproxy.cfg");
    is(&["stop"], 0, "does not run");
    is(&["reload"], 7, "does not run");
    is(&["try-restart"], 0, "does not run");
    is(&["version"], 0, "countersign ");
    let stranger = [
        "setpriv",
        "--reuid=65534",
        "--clear-groups",
        "--",
        "authproxyctl",
        "start",
    ];
    let (code, told) = machine.exit(&stranger);
    assert_eq!(code, Some(4), "{told}");

    is(&["adopt", "/nowhere.cfg"], 1, "there is no /nowhere.cfg");
    is(
        &["adopt"],
        0,
        "copied: /opt/duoauthproxy/conf/certs/bundle.pem",
    );
    let adopted = fs::read_to_string(machine.path(ADOPTED)).unwrap();
    assert!(
        adopted.contains("http_ca_certs_file =bundle.pem"),
        "{adopted}"
    );
    is(&["adopt"], 1, "--replace");

    let told = is(&["start"], 0, "started as process");
    assert!(told.contains("UDP *:812"), "the check is shown: {told}");
    login(&machine, "alice");
    is(&["start"], 0, "runs already");
    is(&["status"], 0, "it runs as process");
    is(&["reload"], 0, "unchanged");
    let pid_file = machine.path("/run/countersign/countersign.pid");
    let pid = fs::read_to_string(&pid_file).unwrap().trim().to_owned();
    assert_eq!(user_of(&machine, &pid), "countersign");

    // An upgrade makes the newer one of it.
    machine.ok(&["dpkg", "-i", "/tmp/newer.deb"]);
    assert_eq!(fs::read_to_string(&pid_file).unwrap().trim(), pid);
    assert!(is_of_now(&machine, &pid));
    login(&machine, "bob");

    machine.ok(&["kill", "-KILL", &pid]);
    wait_until("the killed one is gone", LONG, || {
        ctl(&["status"]).0 == Some(1)
    });
    is(&["status"], 1, "left over");
    is(&["start"], 0, "started as process");
    is(&["restart"], 0, "started as process");
    let config = machine.path(ADOPTED);
    let good = fs::read(&config).unwrap();
    fs::write(&config, "rubbish\n").unwrap();
    is(&["restart"], 6, "this line has no '='");
    is(&["status"], 0, "it runs as process");
    fs::write(&config, &good).unwrap();
    is(&["stop"], 0, "stopped");
    is(&["status"], 3, "does not run");

    // By hand, as the user of the service and without this script.
    let by_hand = "cd / && setsid setpriv --reuid=countersign --regid=countersign --init-groups \
        --inh-caps=+net_bind_service --ambient-caps=+net_bind_service \
        env COUNTERSIGN_CONFIG=/etc/countersign/authproxy.cfg COUNTERSIGN_DATA_DIR=/var/lib/countersign \
        countersign run >/var/log/by-hand.log 2>&1 </dev/null &";
    machine.ok(&["sh", "-c", by_hand]);
    login(&machine, "carol");
    machine.ok(&["pkill", "-TERM", "-u", "countersign", "-o"]);
    wait_until("it ends", LONG, || {
        !machine
            .run(&["pgrep", "-u", "countersign"])
            .status
            .success()
    });
    fs::remove_file(machine.path("/var/log/by-hand.log")).unwrap();

    fs::rename(
        machine.path("/usr/bin/countersign"),
        machine.path("/usr/bin/away"),
    )
    .unwrap();
    is(&["start"], 5, "is not there");
    fs::rename(
        machine.path("/usr/bin/away"),
        machine.path("/usr/bin/countersign"),
    )
    .unwrap();
    is(&["start"], 0, "started as process");
    remove_and_purge(&machine);
}
