//! Debian's `login_duo` and `pam_duo` 1.11.3, which speak version 1 of the API, against the built-in
//! second factor: at a terminal, without one, and through PAM.
#![cfg(test)]

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use e2e::{
    config::client,
    countersign::{self, Countersign, Start},
    peers::require,
    ports,
};
use serde_json::Value;
use tempfile::TempDir;

const LOGGED_IN: &str = "LOGGED-IN";
const ASKED: &str = "Passcode or option (1-1): ";

/// A gateway with the built-in service, and how the clients are told of it.
struct Site {
    gateway: Countersign,
    folder: TempDir,
}

impl Site {
    fn start(arguments: &[&str]) -> Self {
        let config = format!(
            "[main]\ninterface=127.0.0.1\n[duo_only_client]\n[radius_server_auto]\nport={}\n\
             api_host=builtin\nfailmode=secure\n{}",
            ports::free_udp(),
            client(1, "127.0.0.0/8")
        );
        let listen = ports::loopback(ports::free_tcp()).to_string();
        let start = Start::with(&config).argument("--second-factor-listen");
        let start = arguments
            .iter()
            .fold(start.argument(&listen), |start, one| start.argument(one));
        let site = Self {
            gateway: start.ready(),
            folder: tempfile::tempdir().unwrap(),
        };
        // The clients read the authority as a user of their own.
        fs::set_permissions(site.folder.path(), Permissions::from_mode(0o755)).unwrap();
        let made = site.factor(&["add-application", "shells"]);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let ca = site.file("ca.pem", &text("ca_pem"), 0o644);
        for (name, skey) in [("duo.conf", text("skey")), ("wrong.conf", "0".repeat(40))] {
            let lines = format!(
                "[duo]\nikey = {}\nskey = {skey}\nhost = localhost:{}\ncafile = {}\n\
                 failmode = secure\nprompts = 1\n",
                text("ikey"),
                made["port"],
                ca.display()
            );
            site.file(name, &lines, 0o600);
        }
        site
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn factor(&self, arguments: &[&str]) -> Value {
        let data = self.gateway.data_dir();
        let all = [&["factor"], arguments, &["--json", "--data-dir"]].concat();
        let all = [&all[..], &[data.to_str().unwrap()]].concat();
        let output = countersign::command(&all, &data);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Makes a user with a phone, who does this with every push.
    fn user(&self, name: &str, answer: &str) {
        self.factor(&["add", name]);
        self.factor(&["add-device", name, "phone", "--number", "+15550100"]);
        self.factor(&["script", name, answer]);
    }

    /// `login_duo` for a user, as a command of a shell.
    fn login_duo(&self, config: &str, user: &str) -> String {
        let program = require("login_duo", "login-duo");
        let config = self.folder.path().join(config);
        format!(
            "{} -d -c {} -f {user} -h 198.51.100.7 echo {LOGGED_IN}",
            program.display(),
            config.display()
        )
    }

    /// What it prints where there is no terminal.
    fn without_terminal(&self, config: &str, user: &str) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.login_duo(config, user)]);
        let output = shell.stdin(Stdio::null()).output().unwrap();
        let (said, logged) = (output.stdout, output.stderr);
        String::from_utf8_lossy(&[said, logged].concat()).into_owned()
    }

    /// What it shows at a terminal, where this is typed once it asks.
    fn at_terminal(&self, user: &str, typed: &str) -> String {
        let line = self.login_duo("duo.conf", user);
        conversation(
            &[
                require("script", "bsdutils").to_str().unwrap(),
                "-qec",
                &line,
                "/dev/null",
            ],
            typed,
        )
    }
}

/// What a program shows, to which this is typed once it asks.
fn conversation(line: &[&str], typed: &str) -> String {
    let mut child = Command::new(line[0])
        .args(&line[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (child.stdin.take(), child.stdout.take().unwrap());
    let (mut shown, mut some) = (Vec::new(), [0; 512]);
    loop {
        let octets = screen.read(&mut some).unwrap();
        if octets == 0 {
            break;
        }
        shown.extend_from_slice(&some[..octets]);
        if shown.ends_with(ASKED.as_bytes())
            && let Some(mut keys) = keys.take()
        {
            keys.write_all(format!("{typed}\n").as_bytes()).unwrap();
        }
    }
    child.wait().unwrap();
    String::from_utf8_lossy(&shown).replace('\r', "")
}

/// A service of PAM that is there for a test.
struct Service(PathBuf);

impl Service {
    fn new(site: &Site) -> Self {
        drop(require("pamtester", "pamtester"));
        let path = PathBuf::from(format!("/etc/pam.d/countersign-e2e-{}", std::process::id()));
        let config = site.folder.path().join("duo.conf");
        let lines = format!("auth required pam_duo.so conf={}\n", config.display());
        fs::write(&path, lines).unwrap();
        Self(path)
    }

    fn authenticate(&self, user: &str, typed: &str) -> String {
        let name = self.0.file_name().unwrap().to_str().unwrap();
        let line = format!("pamtester -I rhost=198.51.100.7 {name} {user} authenticate 2>&1");
        conversation(&["sh", "-c", &line], typed)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

#[track_caller]
fn says(site: &Site, shown: &str, texts: &[&str], logged_in: bool) {
    for text in texts {
        assert!(
            shown.contains(text),
            "no {text:?} in {shown}\n{}",
            site.gateway.output()
        );
    }
    assert_eq!(
        shown.contains(LOGGED_IN),
        logged_in,
        "{shown}\n{}",
        site.gateway.output()
    );
}

#[test]
fn debians_login_duo_and_pam_duo_log_in() {
    let site = Site::start(&["--second-factor-legacy-api"]);
    // PAM wants one who is known to the machine, and login_duo logs in who it runs as.
    site.user("daemon", "approve");
    site.user("bin", "deny");
    site.factor(&["add", "games"]);

    let pushed = site.without_terminal("duo.conf", "daemon");
    says(&site, &pushed, &["Successful Duo login for 'daemon'"], true);
    let denied = site.without_terminal("duo.conf", "bin");
    says(&site, &denied, &["Failed Duo login for 'bin'"], false);
    let wrong = site.without_terminal("wrong.conf", "daemon");
    says(&site, &wrong, &["Invalid ikey or skey"], false);

    let menu = [
        "Duo two-factor login for daemon",
        "Enter a passcode or select one of the following options:",
        " 1. Duo Push to XXX-XXX-0100",
        ASKED,
    ];
    let pushed = site.at_terminal("daemon", "1");
    says(
        &site,
        &pushed,
        &[&menu[..], &["Success. Logging you in..."]].concat(),
        true,
    );
    let made = site.factor(&["bypass-codes", "daemon", "--count", "1"]);
    let code = made["codes"][0].as_str().unwrap();
    says(&site, &site.at_terminal("daemon", code), &menu, true);
    let again = site.at_terminal("daemon", code);
    says(
        &site,
        &again,
        &["Invalid passcode, please try again."],
        false,
    );
    says(
        &site,
        &site.at_terminal("bin", "1"),
        &["Login request denied."],
        false,
    );
    let enroll = site.at_terminal("games", "");
    says(
        &site,
        &enroll,
        &["Please enroll at https://localhost:"],
        false,
    );

    let service = Service::new(&site);
    let done = "pamtester: successfully authenticated";
    says(
        &site,
        &service.authenticate("daemon", "1"),
        &[&menu[..], &[done]].concat(),
        false,
    );
    let denied = service.authenticate("bin", "1");
    assert!(!denied.contains(done), "{denied}");
    says(&site, &denied, &["Login request denied."], false);
}

#[test]
fn version_1_is_refused_unless_it_is_asked_for() {
    let site = Site::start(&[]);
    site.user("daemon", "approve");
    let refused = site.without_terminal("duo.conf", "daemon");
    says(&site, &refused, &["HTTP 404"], false);
}
