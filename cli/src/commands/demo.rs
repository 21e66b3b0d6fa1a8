//! `countersign demo`: a gateway with sample users, and logins to paste.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use controlplane::Retention;
use nix::unistd::Uid;
use secondfactor::admin::{Script, ScriptAnswer};

use crate::args::{DemoArgs, LogArgs, NodeListenArgs, SecondFactorPublicArgs};
use crate::commands::factor::Service;
use crate::commands::run::only_one;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;
use crate::supervisor::{self, Plan, Teller};

pub(crate) async fn run(args: DemoArgs, log: LogArgs) -> Result<(), Failure> {
    let folder = args.data_dir.unwrap_or_else(|| {
        std::env::temp_dir().join(format!("countersign-demo-{}", Uid::effective()))
    });
    let data = DataDir::new(Some(folder))?;
    data.make()?;
    let lock = only_one(&data)?;
    empty(&data)?;
    let ports = free_ports(args.port);
    let config = data.path().join("authproxy.cfg");
    write_config(&config, ports)?;
    let plan = Plan {
        data: data.clone(),
        config: None,
        seed: Some(config.clone()),
        database: None,
        node: None,
        admin_listen: args.admin_listen,
        admin_certificate: None,
        second_factor_listen: args.second_factor_listen,
        second_factor_public: SecondFactorPublicArgs {
            second_factor_approve_by_link: true,
            ..SecondFactorPublicArgs::default()
        },
        nodes: NodeListenArgs::default(),
        retention: Retention::default(),
        traces: None,
        grace: Duration::from_secs(1),
        last_good: false,
        log: log.log,
        program: None,
    };
    let ready = async |admin: &str| {
        let codes = make_users(&Service::new(&data)?).await?;
        introduce(&data, &config, ports.auto, admin, &codes);
        Ok(())
    };
    supervisor::run(plan, Teller::Timeline, lock, None, ready).await
}

/// What an earlier demo left.
fn empty(data: &DataDir) -> Result<(), Failure> {
    for name in ["controlplane", "dataplane", "secondfactor"] {
        let path = data.path().join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::new(
                    format!("cannot empty {}", path.display()),
                    &error,
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The RADIUS ports of the two sections.
#[derive(Clone, Copy)]
struct Ports {
    auto: u16,
    challenge: u16,
}

/// The port asked for and one near it, or any others where these are taken.
fn free_ports(wanted: u16) -> Ports {
    let bind = |port| UdpSocket::bind(("::", port)).or_else(|_| UdpSocket::bind(("0.0.0.0", port)));
    let free = |port| {
        let socket = bind(port).or_else(|_| bind(0)).ok()?;
        let port = socket.local_addr().ok()?.port();
        Some((port, socket))
    };
    // Held until both are known: any two would else be able to be the same.
    let first = free(wanted);
    let auto = first.as_ref().map_or(wanted, |(port, _)| *port);
    let near = auto.saturating_add(APART);
    let challenge = free(near).map_or(near, |(port, _)| port);
    Ports { auto, challenge }
}

fn write_config(path: &Path, ports: Ports) -> Result<(), Failure> {
    let Ports { auto, challenge } = ports;
    let text = format!(
        "; What `countersign demo` begins with. `countersign import` brings a changed one in.\n\
         [duo_only_client]\n\n\
         ; A push, without a question.\n\
         [radius_server_auto]\n\
         ; The second factor is this program's own. Duo's would be api-XXXXXXXX.duosecurity.com,\n\
         ; with the ikey and skey of an application.\n\
         api_host=builtin\n\
         client=duo_only_client\n\
         failmode=secure\n\
         port={auto}\n\
         radius_ip_1=127.0.0.0/8\n\
         radius_secret_1={SECRET}\n\n\
         ; A menu to choose a factor from.\n\
         [radius_server_challenge]\n\
         api_host=builtin\n\
         client=duo_only_client\n\
         failmode=secure\n\
         port={challenge}\n\
         radius_ip_1=127.0.0.0/8\n\
         radius_secret_1={SECRET}\n"
    );
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        std::io::Write::write_all(&mut file, text.as_bytes())
    };
    write().map_err(|error| Failure::new(format!("cannot write {}", path.display()), &error))
}

/// alice approves after a moment, bob has codes, carol denies.
async fn make_users(service: &Service) -> Result<Vec<String>, Failure> {
    let answers = |answer| {
        Some(Script {
            answer,
            after_ms: ANSWER_MS,
        })
    };
    for (name, script, number) in [
        ("alice", answers(ScriptAnswer::Approve), "+1 555 010 0100"),
        ("bob", None, "+1 555 010 0101"),
        ("carol", answers(ScriptAnswer::Deny), "+1 555 010 0102"),
    ] {
        service.add_user(name, script).await?;
        service.add_phone(name, number).await?;
    }
    let codes = service.bypass_codes("bob", 3).await?;
    Ok(codes
        .codes
        .iter()
        .map(|code| code.expose().clone())
        .collect())
}

fn introduce(data: &DataDir, config: &Path, port: u16, admin: &str, codes: &[String]) {
    let program = program();
    let folder = data.path().display();
    let login = |typed: &str, user: &str, section: &str| {
        format!(
            "{typed} | {program} login {user} --data-dir {folder} \
             --integration radius_server_{section}"
        )
    };
    let dashboard = match controlplane::has_dashboard() {
        true => format!(
            "Dashboard      {admin}  (first the set-up link above: it makes you the administrator)"
        ),
        false => format!("Admin address  {admin}  (the REST API; built without the dashboard)"),
    };
    let mut codes_left = codes.iter().map(String::as_str);
    let [appended, with_radclient, asked] =
        std::array::from_fn(|_| codes_left.next().unwrap_or("CODE"));
    output::line(format_args!(
        "\nCountersign is running. Paste these into another terminal:\n\
         \n  alice gets a push and approves it after {ANSWER_MS} ms:\n    {}\n\
         \n  bob types a passcode behind his password (each works once: {}):\n    {}\n\
         \n  carol denies her push:\n    {}\n\
         \n  Where a menu is shown, alice chooses option 1 and bob types a passcode:\n    {}\n    {}\n\
         \n  The same with radclient, as a VPN would:\n    \
         echo 'User-Name=alice,User-Password=anything,Message-Authenticator=0x00' | radclient -x -t 60 127.0.0.1:{port} auth {SECRET}\n    \
         echo 'User-Name=bob,User-Password=\"anything,{with_radclient}\",Message-Authenticator=0x00' | radclient -x -t 60 127.0.0.1:{port} auth {SECRET}\n\
         \n  bob's push waits for you. Answer it from a third terminal:\n    {}\n    {program} factor approve bob --data-dir {folder}\n\
         \nPasswords are not checked here (duo_only_client): any will do.\n\
         Configuration  on the dashboard; or edit {config} and bring it in, live in under a second:\n\
         \x20              {program} import {config} --data-dir {folder}\n\
         Status         {program} status --data-dir {folder}\n\
         {dashboard}\n\
         Also there     /api/docs, /healthz, /readyz, /metrics\n\
         Stop           Ctrl-C\n\n\
         Each login is explained here as it happens:\n",
        login("echo anything", "alice", "auto"),
        codes.join(", "),
        login(&format!("echo anything,{appended}"), "bob", "auto"),
        login("echo anything", "carol", "auto"),
        login(r"printf 'anything\n1\n'", "alice", "challenge"),
        login(
            &format!(r"printf 'anything\n{asked}\n'"),
            "bob",
            "challenge"
        ),
        login("echo anything", "bob", "auto"),
        config = config.display(),
    ));
}

/// How this program was called, so that what is pasted finds it from any folder.
fn program() -> String {
    let called = std::env::args_os()
        .next()
        .map(PathBuf::from)
        .unwrap_or_default();
    // A bare name was found on the path, and will be again.
    let whole = match called.components().count() {
        0 | 1 => called,
        _ => std::path::absolute(&called).unwrap_or(called),
    };
    whole.display().to_string()
}

const SECRET: &str = "demo-secret";
/// From the first RADIUS port to the second: not 1, which would be that of accounting.
const APART: u16 = 10;
/// How long the sample users take to answer.
const ANSWER_MS: u32 = 1_500;
