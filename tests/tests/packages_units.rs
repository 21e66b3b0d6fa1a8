//! The units of the packages: what a new version does to logins that wait, a node by itself, what comes at
//! boot, and a gateway that cannot start. Installation and removal are in `packages`.
#![cfg(test)]

use std::{
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use e2e::{
    clock::wait_until,
    config::{MAIN, server},
    nas::{Nas, code},
    packages::{self, ADOPTED, CONFIG, is_of_now, login, login_at, main_pid, make},
    peers::{
        FakeDuo, Pki, SECRET,
        fakeduo::{Outcome, User},
    },
    private_root::{Init, PrivateRoot},
};

const LONG: Duration = Duration::from_secs(60);

/// A machine with the package of this version installed, and that of the next one in /tmp.
fn installed() -> PrivateRoot {
    static MADE: OnceLock<[PathBuf; 2]> = OnceLock::new();
    let [older, newer] = MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages_units");
        // Of a run before, if there was one.
        drop(fs::remove_dir_all(&folder));
        ["1.0.0", "1.1.0"].map(|version| make("deb", version, &folder.join(version)))
    });
    let machine = packages::machine(Init::Systemd, older, newer);
    machine.ok(&["dpkg", "-i", "/tmp/older.deb"]);
    machine
}

/// The folder of a node by itself, which only its own file in /etc/default names.
const NODE_DATA: &str = "/var/lib/countersign/node";

fn state(machine: &PrivateRoot, unit: &str) -> String {
    let shown = machine.ok(&["systemctl", "show", "--property=ActiveState", unit]);
    shown
        .trim()
        .strip_prefix("ActiveState=")
        .unwrap()
        .to_owned()
}

#[test]
fn a_package_upgrade_cuts_no_login_that_waits() {
    let machine = installed();
    let duo = machine.network(|| FakeDuo::start(Pki::shared()));
    duo.user("slow", User::who(Outcome::Wait));
    Pki::shared().write(&machine.path("/etc/countersign"));
    let config = format!(
        "{MAIN}log_dir=/var/log/countersign\n[duo_only_client]\n{}client=duo_only_client\nfailmode=secure\n",
        server("radius_server_auto", 812, &duo)
    );
    fs::write(machine.path(ADOPTED), config).unwrap();
    let (code, told) = machine.exit(&["authproxyctl", "start"]);
    assert_eq!(code, Some(0), "{told}");
    let nas = machine.network(|| Nas::new(([127, 0, 0, 1], 812).into(), SECRET));
    let request = nas.access("slow", "any");
    nas.send(&request.encode());
    wait_until("it waits", LONG, || duo.pushes("slow") == 1);
    let pid = main_pid(&machine, "countersign");
    let told = machine.ok(&["dpkg", "-i", "/tmp/newer.deb"]);
    assert!(told.contains("has handed over"), "{told}");
    assert_eq!(main_pid(&machine, "countersign"), pid);
    assert!(is_of_now(&machine, &pid));
    duo.decide("slow", Outcome::Allow);
    let answer = nas.receive(LONG).expect("the login was lost");
    assert_eq!(
        request.check(&answer).unwrap().code,
        code::ACCESS_ACCEPT,
        "{}",
        machine.ok(&["journalctl", "--no-pager", "--unit=countersign"])
    );
    assert_eq!(duo.pushes("slow"), 1);

    // A version whose control plane comes to nothing here: logins go on, and it is not stopped for it.
    let database = "$(find /var/lib/countersign -name controlplane.db)";
    machine.ok(&["sh", "-c", &format!("chmod 0 {database}")]);
    let told = machine.ok(&["dpkg", "-i", "/tmp/older.deb"]);
    assert!(told.contains("the control plane of version"), "{told}");
    assert!(told.contains("cannot take over here"), "{told}");
    assert!(told.contains("then: authproxyctl upgrade\n"), "{told}");
    assert_eq!(main_pid(&machine, "countersign"), pid);
    duo.user("later", User::who(Outcome::Wait));
    let request = nas.access("later", "any");
    nas.send(&request.encode());
    wait_until("it waits", LONG, || duo.pushes("later") == 1);
    let (code, _) = machine.exit(&["authproxyctl", "upgrade"]);
    assert_eq!(code, Some(3));
    machine.ok(&["sh", "-c", &format!("chmod 600 {database}")]);
    wait_until("the control plane is there again", LONG, || {
        machine.exit(&["countersign", "healthcheck"]).0 == Some(0)
    });
    machine.ok(&["authproxyctl", "upgrade"]);
    duo.decide("later", Outcome::Allow);
    let answer = nas.receive(LONG).expect("the login was lost");
    assert_eq!(request.check(&answer).unwrap().code, code::ACCESS_ACCEPT);

    // What is for the group is the log, and no key or database.
    let open = "find /var/lib/countersign -type f -perm /077";
    assert_eq!(machine.ok(&["sh", "-c", open]), "");
    let log = "/var/log/countersign/authproxy.log";
    let is = machine.ok(&["stat", "-c", "%U:%G %a", log]);
    assert_eq!(is.trim(), "countersign:countersign 640");
}

#[test]
fn a_node_by_itself_is_upgraded_by_its_package_and_comes_at_boot() {
    let machine = installed();
    // Its control plane is on another machine, as it were.
    fs::create_dir(machine.path("/srv/other")).unwrap();
    let config = machine.path("/srv/other/authproxy.cfg");
    fs::write(config, format!("[main]\ninterface=127.0.0.1\n{CONFIG}")).unwrap();
    machine.ok(&[
        "systemd-run",
        "--unit=other",
        "--property=Type=notify",
        "countersign",
        "run",
        "--config=/srv/other/authproxy.cfg",
        "--data-dir=/srv/other/data",
        "--node-listen=127.0.0.1:8403",
    ]);
    let token =
        "countersign node token --node b --for 1h --data-dir /srv/other/data >/root/b.token";
    machine.ok(&["sh", "-c", token]);
    let join = format!(
        "install -o countersign -m 400 /root/b.token /run/countersign/b.token && \
         setpriv --reuid=countersign --regid=countersign --init-groups \
         countersign node join https://127.0.0.1:8403 --data-dir {NODE_DATA} \
         --token-file /run/countersign/b.token"
    );
    machine.ok(&["sh", "-c", &join]);
    // Variables of its own come after those of all.
    let all = machine.path("/etc/default/countersign");
    let text = fs::read_to_string(&all).unwrap();
    fs::write(&all, format!("{text}COUNTERSIGN_INTERFACE=192.0.2.99\n")).unwrap();
    let own = machine.path("/etc/default/countersign-dataplane");
    let text = format!("COUNTERSIGN_INTERFACE=127.0.0.2\nCOUNTERSIGN_DATA_DIR={NODE_DATA}\n");
    fs::write(own, text).unwrap();
    machine.ok(&["systemctl", "enable", "--now", "countersign-dataplane"]);
    let ready = || {
        let folder = format!("--data-dir={NODE_DATA}");
        let line = ["countersign", "healthcheck", "--role=dataplane", &folder];
        wait_until("the node serves", LONG, || {
            machine.run(&line).status.success()
        });
    };
    ready();
    let login = |user| login_at(&machine, "/srv/other/data", "127.0.0.2:812", user);
    login("alice");

    // The sample that lies there is not its configuration, and keeps nothing from being renewed.
    let unit = "countersign-dataplane";
    let old = main_pid(&machine, unit);
    let told = machine.ok(&["dpkg", "-i", "/tmp/newer.deb"]);
    assert!(
        told.contains("the dataplane that ran has handed over"),
        "{told}"
    );
    assert!(told.contains("will not start at boot"), "{told}");
    wait_until("the old one has ended", LONG, || {
        !machine.path(&format!("/proc/{old}/exe")).exists()
    });
    let new = main_pid(&machine, unit);
    assert_ne!(new, old);
    assert!(is_of_now(&machine, &new));
    login("bob");
    assert_eq!(state(&machine, unit), "active");
    assert_eq!(main_pid(&machine, unit), new, "it was not started again");

    // A machine may let groups read new files: those with keys and users are for nobody.
    let open = "find /var/lib/countersign /srv/other/data -type f -perm /077 -not -path '*/log/*'";
    assert_eq!(machine.ok(&["sh", "-c", open]), "");

    // By hand it is the same, in the folder that the node's own file names.
    machine.ok(&["authproxyctl", "upgrade"]);
    wait_until("it has ended, too", LONG, || {
        !machine.path(&format!("/proc/{new}/exe")).exists()
    });
    login("carol");
    assert_eq!(state(&machine, unit), "active");

    // A bundle is of that folder, whose keys it has to know in order to leave them out; of one that is down, too.
    for (bundle, verb) in [("runs", "start"), ("down", "stop")] {
        machine.ok(&["systemctl", verb, unit]);
        let file = format!("/root/{bundle}.tar.gz");
        let (code, told) = machine.exit(&["authproxyctl", "support", &file]);
        assert_eq!(code, Some(0), "{bundle}: {told}");
        let all = machine.ok(&["tar", "-xzOf", &file]);
        assert!(all.contains("\"dataplane/node.key\""), "{bundle}: {all}");
    }
    machine.ok(&["systemctl", "start", unit]);

    let (code, told) = machine.exit(&["authproxyctl", "start"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("countersign-dataplane.service runs here"),
        "{told}"
    );

    // Both enabled, as after an installation: the node comes.
    fs::write(
        machine.path("/etc/systemd/system/boot.target"),
        "[Unit]\nWants=countersign.service countersign-dataplane.service\n",
    )
    .unwrap();
    fs::write(machine.path(ADOPTED), CONFIG).unwrap();
    machine.ok(&["systemctl", "daemon-reload"]);
    for _ in 0..3 {
        machine.ok(&["systemctl", "stop", "countersign", unit]);
        machine.ok(&["systemctl", "start", "boot.target"]);
        assert_eq!(state(&machine, unit), "active");
        assert_eq!(state(&machine, "countersign"), "inactive");
        machine.ok(&["systemctl", "stop", "boot.target"]);
    }
    ready();
    login("dave");
    // Who starts the other one by hand gets it.
    machine.ok(&["systemctl", "stop", "other"]);
    machine.ok(&["systemctl", "start", "countersign"]);
    assert_eq!(state(&machine, unit), "inactive");
    assert_eq!(state(&machine, "countersign"), "active");

    // Removed and installed again, what was enabled of it comes.
    machine.ok(&["dpkg", "--remove", "countersign"]);
    assert_eq!(state(&machine, "countersign"), "inactive");
    machine.ok(&["dpkg", "-i", "/tmp/older.deb"]);
    assert_eq!(state(&machine, unit), "active");
    assert_eq!(state(&machine, "countersign"), "inactive");

    let told = machine.ok(&["dpkg", "--purge", "countersign"]);
    assert!(told.contains("are deleted"), "{told}");
    let left = "find /etc /usr -path '*countersign*' -not -name 'cache*'";
    assert_eq!(machine.ok(&["sh", "-c", left]), "");
}

#[test]
fn the_roles_by_themselves_share_a_machine_with_variables_of_their_own_and_are_upgraded() {
    let machine = installed();
    fs::write(machine.path(ADOPTED), CONFIG).unwrap();
    let roles = ["secondfactor", "controlplane", "dataplane"];
    // One of the common file's is not for three.
    let common = machine.path("/etc/default/countersign");
    let text = fs::read_to_string(&common).unwrap();
    let text = format!("{text}COUNTERSIGN_ADMIN_LISTEN=127.0.0.1:8400\n");
    fs::write(&common, text).unwrap();
    for (role, port) in [("secondfactor", 8413), ("dataplane", 8410)] {
        let own = machine.path(&format!("/etc/default/countersign-{role}"));
        fs::write(own, format!("COUNTERSIGN_ADMIN_LISTEN=127.0.0.1:{port}\n")).unwrap();
    }
    // The control plane's own file names its configuration; the common one is no longer to be served.
    let own = machine.path("/etc/default/countersign-controlplane");
    let mine = "/etc/countersign/mine.cfg";
    fs::write(own, format!("COUNTERSIGN_CONFIG={mine}\n")).unwrap();
    fs::rename(machine.path(ADOPTED), machine.path(mine)).unwrap();
    fs::write(machine.path(ADOPTED), "rubbish\n").unwrap();
    let units = roles.map(|role| format!("countersign-{role}"));
    for unit in &units {
        let (code, told) = machine.exit(&["systemctl", "enable", "--now", unit]);
        assert_eq!(code, Some(0), "{unit}: {told}");
    }
    login(&machine, "alice");
    let told = machine.ok(&["dpkg", "-i", "/tmp/newer.deb"]);
    let handed =
        ["secondfactor", "dataplane"].map(|role| format!("the {role} that ran has handed over"));
    for one in &handed {
        assert!(told.contains(one), "{told}");
    }
    for unit in &units {
        assert_eq!(state(&machine, unit), "active", "{unit}");
        assert!(is_of_now(&machine, &main_pid(&machine, unit)), "{unit}");
    }
    login(&machine, "bob");

    // A configuration that would be refused is the control plane's alone.
    fs::write(machine.path(mine), "rubbish\n").unwrap();
    let old = main_pid(&machine, &units[1]);
    let told = machine.ok(&["dpkg", "-i", "/tmp/older.deb"]);
    assert!(told.contains("NOT restarted"), "{told}");
    let next = "then: systemctl restart countersign-controlplane\n";
    assert!(told.contains(next), "{told}");
    assert!(!told.contains("then: authproxyctl upgrade"), "{told}");
    for one in &handed {
        assert!(told.contains(one), "{told}");
    }
    assert_eq!(main_pid(&machine, &units[1]), old);
    for unit in [&units[0], &units[2]] {
        assert!(is_of_now(&machine, &main_pid(&machine, unit)), "{unit}");
    }
}

#[test]
fn authproxyctl_says_started_only_of_a_gateway_that_serves() {
    let machine = installed();
    fs::write(machine.path(ADOPTED), CONFIG).unwrap();
    let taken = machine.network(|| UdpSocket::bind("0.0.0.0:812").unwrap());
    let (code, told) = machine.exit(&["authproxyctl", "start"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("it did not start"), "{told}");
    assert!(told.contains("address in use"), "the journal: {told}");
    assert!(!told.contains("started;"), "{told}");
    // Nor of one whose file this shell sees, and the service does not.
    machine.ok(&["systemctl", "stop", "countersign"]);
    fs::create_dir_all(machine.path("/home/admin")).unwrap();
    fs::write(machine.path("/home/admin/ca.pem"), &Pki::shared().ca).unwrap();
    let config = format!("[main]\nhttp_ca_certs_file=/home/admin/ca.pem\n{CONFIG}");
    fs::write(machine.path(ADOPTED), config).unwrap();
    let (code, told) = machine.exit(&["authproxyctl", "start"]);
    assert_eq!(code, Some(1), "{told}");
    let warned = "/home/admin/ca.pem is where the service does not see it";
    assert!(told.contains(warned), "{told}");

    fs::write(machine.path(ADOPTED), CONFIG).unwrap();
    let (code, told) = machine.exit(&["authproxyctl", "start"]);
    assert_eq!(code, Some(1), "{told}");
    // systemd tries on, and has it as soon as the port is free.
    drop(taken);
    wait_until("it runs", LONG, || {
        state(&machine, "countersign") == "active"
    });
    login(&machine, "alice");
}
