//! `authproxyctl adopt`: whose rights files are read with, what is copied, what is kept, and that one that
//! fails leaves nothing behind. And what a program of another user sees of root's terminal: none.
#![cfg(test)]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use e2e::{
    packages::{self, ADOPTED, CONFIG, REPLACED, login, make},
    peers::require,
    private_root::{Init, PrivateRoot},
};

/// A machine with the package installed, and nobody's configuration of the replaced product.
fn installed(init: Init) -> PrivateRoot {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let deb = MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages_adopt");
        // Of a run before, if there was one.
        drop(fs::remove_dir_all(&folder));
        make("deb", "1.0.0", &folder)
    });
    let machine = packages::machine(init, deb, deb);
    machine.ok(&["dpkg", "-i", "/tmp/older.deb"]);
    machine
}

/// Runs `authproxyctl adopt` with these arguments, and compares its exit code and words.
fn adopt(machine: &PrivateRoot, arguments: &[&str], code: i32, says: &str) -> String {
    let line: Vec<&str> = ["authproxyctl", "adopt"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    let (is, told) = machine.exit(&line);
    assert_eq!(is, Some(code), "{arguments:?}: {told}");
    assert!(told.contains(says), "{says}: {told}");
    told
}

/// Everything in the folder of the configuration, with what is in it.
fn all(machine: &PrivateRoot) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(machine.path("/etc/countersign"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let content = fs::read(entry.path()).unwrap_or_else(|_| panic!("{name} is no file"));
            (name, content)
        })
        .collect();
    found.sort();
    found
}

fn names(machine: &PrivateRoot) -> Vec<String> {
    all(machine).into_iter().map(|(name, _)| name).collect()
}

/// Writes a file of this user.
fn write(machine: &PrivateRoot, path: &str, text: &[u8], owner: u32, mode: u32) {
    let path = machine.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    chown(&path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}

/// A configuration that trusts these two authorities.
fn trusting(one: &str, other: &str) -> String {
    let config = CONFIG.replace(
        "[duo_only_client]\n",
        &format!(
            "[ad_client]\nhost=127.0.0.1\nservice_account_username=a\nservice_account_password=b\n\
             search_dn=dc=x\ntransport=ldaps\nssl_ca_certs_file={other}\n"
        ),
    );
    let config = config.replace("client=duo_only_client", "client=ad_client");
    format!("[main]\nhttp_ca_certs_file={one}\nlog_dir=/opt/duo/log\n{config}")
}

const NOBODY: u32 = 65534;

#[test]
fn what_fails_leaves_nothing_behind_and_what_is_replaced_is_kept() {
    let machine = installed(Init::Systemd);
    let told = adopt(&machine, &[], 0, "adopted:");
    assert!(!told.contains("at boot"), "it is enabled: {told}");
    let bundle = fs::read(machine.path("/etc/countersign/bundle.pem")).unwrap();
    let other = e2e::peers::Pki::shared().rogue_ca.clone().into_bytes();
    assert_ne!(bundle, other);
    let before = all(&machine);
    assert_eq!(names(&machine), ["authproxy.cfg", "bundle.pem"]);

    // The second of two files fails; the first one is another than the one in use.
    let from = format!("{REPLACED}/second.cfg");
    write(
        &machine,
        &format!("{REPLACED}/new/bundle.pem"),
        &other,
        NOBODY,
        0o400,
    );
    write(
        &machine,
        &format!("{REPLACED}/newer/bundle.pem"),
        &other,
        NOBODY,
        0o400,
    );
    let text = trusting("new/bundle.pem", "newer/bundle.pem");
    write(&machine, &from, text.as_bytes(), NOBODY, 0o400);
    adopt(
        &machine,
        &["--replace", &from],
        1,
        "two files are called bundle.pem",
    );
    assert_eq!(all(&machine), before);
    write(&machine, &from, b"rubbish\n", NOBODY, 0o400);
    adopt(&machine, &["--replace", &from], 6, "nothing was changed");
    assert_eq!(all(&machine), before);
    adopt(&machine, &[&from], 1, "--replace");

    // What only the shell sees is copied; where the service cannot write is said.
    write(&machine, "/home/admin/ca.pem", &other, 0, 0o644);
    symlink("/home/admin/ca.pem", machine.path("/srv/linked.pem")).unwrap();
    let text = trusting("new/bundle.pem", "/srv/linked.pem");
    write(&machine, &from, text.as_bytes(), NOBODY, 0o400);
    machine.ok(&["systemctl", "disable", "countersign"]);
    let told = adopt(
        &machine,
        &["--replace", &from],
        0,
        "copied: /srv/linked.pem",
    );
    let to_boot = "it will not start at boot; to have it do so: systemctl enable countersign\n";
    assert!(told.contains(to_boot), "{told}");
    assert!(told.contains("ReadWritePaths=/opt/duo/log"), "{told}");
    let kept = [
        "authproxy.cfg",
        "authproxy.cfg.old",
        "bundle.pem",
        "bundle.pem.old",
        "linked.pem",
    ];
    assert_eq!(names(&machine), kept);
    let now = all(&machine);
    assert_eq!((&now[1].1, &now[3].1), (&before[0].1, &before[1].1));
    assert_eq!((&now[2].1, &now[4].1), (&other, &other));
    let adopted = String::from_utf8(now[0].1.clone()).unwrap();
    assert!(
        adopted.contains("ssl_ca_certs_file=linked.pem")
            && adopted.contains("http_ca_certs_file=bundle.pem"),
        "{adopted}"
    );
    let is = machine.ok(&[
        "sh",
        "-c",
        "cd /etc/countersign && stat -c '%U:%G %a' authproxy.cfg *.pem",
    ]);
    assert!(
        is.lines().all(|line| line == "root:countersign 640"),
        "{is}"
    );

    // What was kept before is not lost by the next one.
    write(&machine, &from, CONFIG.as_bytes(), NOBODY, 0o400);
    adopt(
        &machine,
        &["--replace", &from],
        1,
        "authproxy.cfg.old is there from before",
    );
    assert_eq!(all(&machine), now);

    // Back to what was before.
    let back =
        "cd /etc/countersign && mv authproxy.cfg.old authproxy.cfg && mv bundle.pem.old bundle.pem";
    machine.ok(&["sh", "-c", back]);
    let told = machine.ok(&["authproxyctl", "start"]);
    assert!(told.contains(to_boot), "{told}");
    machine.ok(&["systemctl", "enable", "countersign"]);
    let told = machine.ok(&["authproxyctl", "restart"]);
    assert!(!told.contains("at boot"), "{told}");
    login(&machine, "alice");
}

#[test]
fn files_are_read_with_the_rights_of_who_could_have_put_them_there() {
    let machine = installed(Init::None);
    // Whoever may read them may serve them.
    let secret = e2e::peers::Pki::shared().ca.as_bytes();
    write(&machine, "/srv/group", secret, 0, 0o640);
    write(&machine, "/srv/secret", secret, 0, 0o600);
    let before = all(&machine);
    let from = format!("{REPLACED}/authproxy.cfg");
    let config = machine.path(&from);

    // A file of root's group does not lend that group.
    write(
        &machine,
        &from,
        trusting("/srv/group", "/srv/group").as_bytes(),
        NOBODY,
        0o400,
    );
    chown(&config, Some(NOBODY), Some(0)).unwrap();
    let (code, told) = machine.exit(&["authproxyctl", "adopt"]);
    assert_ne!(code, Some(0), "{told}");
    assert_eq!(all(&machine), before, "{told}");

    // One that root wrote into nobody's folder, with a link that nobody put there.
    symlink("/srv/secret", machine.path(&format!("{REPLACED}/ca.pem"))).unwrap();
    let ca = format!("{REPLACED}/certs/bundle.pem");
    let text = format!("[main]\nhttp_ca_certs_file=ca.pem\n{CONFIG}");
    write(&machine, &from, text.as_bytes(), 0, 0o644);
    let (code, told) = machine.exit(&["authproxyctl", "adopt"]);
    assert_ne!(code, Some(0), "{told}");
    assert_eq!(all(&machine), before, "{told}");

    // root's link to a file of nobody's, which names what only root reads.
    let text = format!("[main]\nhttp_ca_certs_file=/srv/link.pem\n{CONFIG}");
    write(&machine, &from, text.as_bytes(), NOBODY, 0o400);
    symlink(&from, machine.path("/srv/authproxy.cfg")).unwrap();
    fs::copy(machine.path(&ca), machine.path("/srv/link.pem")).unwrap();
    fs::set_permissions(machine.path("/srv/link.pem"), Permissions::from_mode(0o600)).unwrap();
    let (code, told) = machine.exit(&["authproxyctl", "adopt", "/srv/authproxy.cfg"]);
    assert_ne!(code, Some(0), "{told}");
    assert_eq!(all(&machine), before, "{told}");

    // root's file in a folder that a group may write to, with a link that one of it put there.
    let text = format!("[main]\nhttp_ca_certs_file=ca.pem\n{CONFIG}");
    write(
        &machine,
        "/srv/shared/authproxy.cfg",
        text.as_bytes(),
        0,
        0o644,
    );
    symlink("/srv/secret", machine.path("/srv/shared/ca.pem")).unwrap();
    fs::set_permissions(machine.path("/srv/shared"), Permissions::from_mode(0o775)).unwrap();
    let (code, told) = machine.exit(&["authproxyctl", "adopt", "/srv/shared/authproxy.cfg"]);
    assert_ne!(code, Some(0), "{told}");
    assert!(told.contains("namei -l /srv/shared"), "{told}");
    assert_eq!(all(&machine), before, "{told}");

    // What is root's all the way is read as root.
    let text = format!("[main]\nhttp_ca_certs_file=/srv/link.pem\n{CONFIG}");
    write(
        &machine,
        "/srv/own/authproxy.cfg",
        text.as_bytes(),
        0,
        0o600,
    );
    adopt(
        &machine,
        &["/srv/own/authproxy.cfg"],
        0,
        "copied: /srv/link.pem",
    );
    assert_eq!(names(&machine), ["authproxy.cfg", "link.pem"]);
}

#[test]
fn no_program_of_another_user_has_the_terminal_of_root() {
    drop(require("script", "bsdutils"));
    let machine = installed(Init::None);
    fs::write(machine.path(ADOPTED), CONFIG).unwrap();
    // In the place of the program: it says what it has, in its words and by its exit code.
    let program = "#!/bin/sh\n\
        exec 2>&1\n\
        echo \"as $(id -un)\"\n\
        for one in 0 1 2; do [ -t $one ] && echo \"$one is a terminal\"; done\n\
        (exec </dev/tty) 2>/dev/null && echo 'has a terminal'\n\
        exit 7\n";
    fs::write(machine.path("/usr/bin/countersign"), program).unwrap();
    // `script` gives it a terminal.
    let line = [
        "script",
        "-qec",
        "authproxyctl upgrade; echo \"code $?\"",
        "/dev/null",
    ];
    let told = machine.ok(&line).replace('\r', "");
    assert_eq!(told.trim(), "as countersign\ncode 7");
    // Where there is one, it would be seen.
    let line = ["script", "-qec", "/usr/bin/countersign; echo", "/dev/null"];
    let told = machine.ok(&line);
    assert!(
        told.contains("1 is a terminal") && told.contains("has a terminal"),
        "{told}"
    );
}
