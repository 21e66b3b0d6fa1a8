//! `compose.yaml` and `deploy/compose/single.yaml`, read by docker-compose, and the command line of each
//! container of ours run as a plain process, with its folders and addresses put elsewhere. What an engine
//! does, namespaces and images, is not tried.
#![cfg(test)]

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use e2e::{
    clock::wait_until,
    config::client,
    countersign::program,
    gateway::Site,
    http,
    nas::{Nas, code},
    peers::{repository, require},
    ports,
    process::Process,
    venv,
};
use serde_json::Value;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(60);
/// Where the data planes of `compose.yaml` listen, unless they are told otherwise.
const ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)),
];

/// A compose file, as docker-compose understands it, the built-in second factor included.
fn understood(file: &str) -> Value {
    understood_with(file, "second-factor")
}

/// With these profiles in `.env`.
fn understood_with(file: &str, profiles: &str) -> Value {
    let output = read_with(file, profiles);
    assert!(output.status.success(), "{file}: {}", said(&output));
    let folder = tempfile::tempdir().unwrap();
    let yaml = folder.path().join("config.yaml");
    fs::write(&yaml, &output.stdout).unwrap();
    let to_json =
        "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let output = Command::new(venv::program("python"))
        .args(["-c", to_json])
        .arg(&yaml)
        .output()
        .unwrap();
    assert!(output.status.success(), "{file}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn read_with(file: &str, profiles: &str) -> Output {
    Command::new(require("docker-compose", "docker-compose"))
        .arg("--file")
        .arg(repository().join(file))
        .arg("config")
        .current_dir(repository())
        .env("COMPOSE_PROFILES", profiles)
        .env_remove("DATAPLANE_1")
        .env_remove("DATAPLANE_2")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

fn words(value: &Value) -> Vec<&str> {
    let words = value.as_array().map(Vec::as_slice).unwrap_or_default();
    words.iter().map(|word| word.as_str().unwrap()).collect()
}

/// The services of ours: those of the image that is built here.
fn ours(compose: &Value) -> Vec<&String> {
    let all = compose["services"].as_object().unwrap().iter();
    let ours = all.filter(|(_, service)| service["build"].is_object());
    ours.map(|(name, _)| name).collect()
}

/// What stands for an engine: folders for volumes, free ports for those of the file.
struct Engine {
    compose: Value,
    folder: TempDir,
    /// What of a command line is put elsewhere.
    ports: BTreeMap<&'static str, String>,
}

impl Engine {
    /// With these profiles and this `authproxy.cfg`.
    fn new(file: &str, profiles: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config_folder = folder.path().join("config");
        private(&config_folder);
        let written = config_folder.join("authproxy.cfg");
        fs::write(&written, config).unwrap();
        fs::set_permissions(&written, fs::Permissions::from_mode(0o600)).unwrap();
        let ports = ["8400", "8402", "8403", "8411", "8412", "8413"];
        let ports = ports.map(|port| (port, ports::free_tcp().to_string()));
        Self {
            compose: understood_with(file, profiles),
            folder,
            ports: BTreeMap::from(ports),
        }
    }

    fn service(&self, name: &str) -> &Value {
        &self.compose["services"][name]
    }

    /// The folders of a container, each with what stands for it here.
    fn mounts(&self, name: &str) -> Vec<(String, PathBuf)> {
        let volumes = words(&self.service(name)["volumes"]);
        let mounts = volumes.into_iter().map(|volume| {
            let (source, rest) = volume.split_once(':').unwrap();
            let (target, _mode) = rest.split_once(':').unwrap();
            let here = match Path::new(source).strip_prefix(repository()) {
                Ok(below) => self.folder.path().join(below),
                Err(_) => self.folder.path().join("volumes").join(source),
            };
            private(&here);
            (target.to_owned(), here)
        });
        mounts.collect()
    }

    /// A word of a command line, with its folder and its port put elsewhere.
    fn moved(&self, name: &str, word: &str) -> String {
        let mut word = word.to_owned();
        for (target, here) in self.mounts(name) {
            word = word.replace(&target, here.to_str().unwrap());
        }
        for (port, free) in &self.ports {
            if let Some(start) = word.strip_suffix(&format!(":{port}")) {
                word = format!("{start}:{free}");
            }
        }
        word
    }

    /// A file that is mounted, with its addresses and folders put elsewhere.
    fn moved_file(&self, name: &str, target: &str) -> PathBuf {
        let volumes = words(&self.service(name)["volumes"]);
        let mut mounts = volumes.iter().filter_map(|volume| volume.split_once(':'));
        let found = mounts.find(|(_, rest)| *rest == format!("{target}:ro"));
        let (source, _) = found.unwrap_or_else(|| panic!("{name} has no {target}"));
        let mut text = fs::read_to_string(source).unwrap();
        for (port, free) in &self.ports {
            text = text.replace(&format!(":{port}\""), &format!(":{free}\""));
        }
        for volume in &volumes {
            let (source, rest) = volume.split_once(':').unwrap();
            let Some(place) = rest.strip_suffix(":ro").filter(|place| *place != target) else {
                continue;
            };
            if Path::new(source).is_dir() {
                text = text.replace(place, source);
            } else if text.contains(place) {
                let moved = self.moved_file(name, place);
                text = text.replace(place, moved.to_str().unwrap());
            }
        }
        let base = Path::new(target).file_name().unwrap().to_str().unwrap();
        let file = self.folder.path().join(format!("{name}-{base}"));
        fs::write(&file, text).unwrap();
        file
    }

    fn command(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(words.iter().map(|word| self.moved(name, word)))
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        for (key, value) in image_environment() {
            command.env(key, self.moved(name, &value));
        }
        command
    }

    /// Starts a service.
    fn start(&self, name: &str) -> Process {
        let command = self.command(name, &words(&self.service(name)["command"]));
        let log = self.folder.path().join(format!("{name}.log"));
        Process::start(name, &command, &log)
    }

    /// Runs a service that ends by itself.
    #[track_caller]
    fn once(&self, name: &str) -> String {
        let mut command = self.command(name, &words(&self.service(name)["command"]));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
        said(&output)
    }

    /// Waits until the service's own health check is good.
    fn wait_healthy(&self, name: &str, process: &mut Process) {
        let check = words(&self.service(name)["healthcheck"]["test"]);
        let ["CMD", "countersign", check @ ..] = &*check else {
            panic!("{name}: {check:?}");
        };
        let mut command = self.command(name, check);
        process.until("it is healthy", LONG, || {
            command.output().unwrap().status.success()
        });
    }

    fn accepts(&self, address: IpAddr, port: u16, user: &str) {
        let nas = Nas::new((address, port).into(), e2e::peers::SECRET);
        let answer = nas.exchange(&nas.access(user, "any"), LONG);
        let logs = || -> String {
            let files = fs::read_dir(self.folder.path()).unwrap().flatten();
            let logs = files.filter(|file| file.path().extension().is_some_and(|it| it == "log"));
            logs.map(|log| fs::read_to_string(log.path()).unwrap())
                .collect()
        };
        let code = answer.map(|answer| answer.code);
        assert_eq!(code, Some(code::ACCESS_ACCEPT), "{address}: {}", logs());
    }
}

/// As the image has folders: for its user alone.
fn private(folder: &Path) {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .unwrap();
}

/// What the image sets in the environment.
fn image_environment() -> Vec<(String, String)> {
    let dockerfile = fs::read_to_string(repository().join("deploy/Dockerfile")).unwrap();
    let lines = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("ENV "));
    let pairs = lines.map(|line| line.split_once('=').unwrap());
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn a_control_plane_and_two_data_planes_come_up_by_themselves_and_log_users_in() {
    let site = Site::new();
    let engine = Engine::new("compose.yaml", "", &site.config(""));
    assert_eq!(image_environment().len(), 1, "it has the data folder");
    let names = [
        "controlplane",
        "dataplane-1",
        "dataplane-2",
        "secondfactor",
        "token-1",
        "token-2",
    ];
    assert_eq!(
        ours(&understood("compose.yaml")),
        names,
        "each is started below"
    );

    // As an engine does: the data planes first, since they wait for nobody; a token when the control plane is
    // healthy.
    let mut planes = [1, 2].map(|number| {
        let plane = format!("dataplane-{number}");
        assert!(engine.service(&plane)["depends_on"].is_null(), "{plane}");
        engine.start(&plane)
    });
    let mut control = engine.start("controlplane");
    engine.wait_healthy("controlplane", &mut control);
    for number in [1, 2] {
        let token = format!("token-{number}");
        let waits = &engine.service(&token)["depends_on"]["controlplane"]["condition"];
        assert_eq!(waits, "service_healthy");
        let told = engine.once(&token);
        assert!(told.contains("a token, good once, is in"), "{told}");
    }
    for ((number, address), plane) in (1..).zip(ADDRESSES).zip(&mut planes) {
        engine.wait_healthy(&format!("dataplane-{number}"), plane);
        engine.accepts(address, site.port, &format!("user{number}"));
    }

    scrapes_all(&engine, 3);

    // Up again: nothing is joined twice.
    for number in [1, 2] {
        let told = engine.once(&format!("token-{number}"));
        assert!(told.contains("has joined: no token was made"), "{told}");
    }
    // As the book says of an upgrade: drained, made anew, let in again.
    let [first, second] = planes;
    let node = |words: &[&str]| {
        let words = [&["node"], words].concat();
        let output = engine.command("controlplane", &words).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    let nas = Nas::new((ADDRESSES[0], site.port).into(), e2e::peers::SECRET);
    let answers = || nas.status(Duration::from_millis(300));
    node(&["drain", "dataplane-1"]);
    wait_until("it takes no login", LONG, || !answers());
    wait_until("nobody is under way there", LONG, || {
        let list = node(&["list"]);
        let line = list.lines().find(|line| line.starts_with("dataplane-1"));
        line.is_some_and(|line| line.contains("draining") && line.contains(" 0 in flight"))
    });
    drop(first);
    let mut again = engine.start("dataplane-1");
    node(&["drain", "dataplane-1", "--undo"]);
    engine.wait_healthy("dataplane-1", &mut again);
    wait_until("it takes logins again", LONG, answers);
    engine.accepts(ADDRESSES[0], site.port, "again");
    assert_eq!(again.output().matches("this node has joined").count(), 1);

    // A changed file reaches both, since a folder is mounted.
    let port = ports::free_udp();
    let config = engine.folder.path().join("config/authproxy.cfg");
    fs::write(&config, site.config_with(port, "")).unwrap();
    for address in ADDRESSES {
        let nas = Nas::new((address, port).into(), e2e::peers::SECRET);
        wait_until("the next revision is served", LONG, || {
            nas.status(Duration::from_millis(300))
        });
    }
    assert_eq!(control.stop().code(), Some(0));
    engine.accepts(ADDRESSES[1], port, "alone");
    // Nor does one that is made anew need a control plane.
    drop(second);
    let mut again = engine.start("dataplane-2");
    engine.wait_healthy("dataplane-2", &mut again);
    engine.accepts(ADDRESSES[1], port, "anew");
}

/// Debian's Prometheus, on the files that the container has, finds these and no others.
fn scrapes_all(engine: &Engine, all: usize) {
    let name = "prometheus";
    let file = engine.moved_file(name, "/etc/prometheus/prometheus.yml");
    let output = Command::new(require("promtool", "prometheus"))
        .args(["check", "config"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("rules found"), "the alerts are there: {told}");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("15s", "1s")).unwrap();

    let listen = ports::loopback(ports::free_tcp());
    let command_line = words(&engine.service(name)["command"]);
    assert!(command_line.contains(&"--config.file=/etc/prometheus/prometheus.yml"));
    let mut command = Command::new(require("prometheus", "prometheus"));
    for word in command_line {
        let (option, value) = word.split_once('=').unwrap();
        let value = match option {
            "--config.file" => file.to_str().unwrap().to_owned(),
            "--web.listen-address" => listen.to_string(),
            _ => engine.moved(name, value),
        };
        command.arg(format!("{option}={value}"));
    }
    let log = engine.folder.path().join("prometheus.log");
    let mut prometheus = Process::start(name, &command, &log);
    let query = |query: &str| {
        let asked = http::get(listen, &format!("/api/v1/query?query={query}"));
        let asked = asked.ok().filter(|answer| answer.status == 200);
        asked.map(|answer| answer.json()["data"]["result"][0]["value"][1].clone())
    };
    let all = Value::from(all.to_string());
    prometheus.until("all are up", LONG, || {
        query("sum(up)").as_ref() == Some(&all)
    });
    assert_eq!(query("count(up)"), Some(all));
}

#[test]
fn prometheus_and_grafana_are_given_what_is_there() {
    let compose = understood("compose.yaml");
    for name in ["prometheus", "grafana"] {
        let service = &compose["services"][name];
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.split_once(':').unwrap();
        assert!(
            tag.starts_with('v') || tag.starts_with(char::is_numeric),
            "{image}"
        );
        assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
        for volume in words(&service["volumes"]) {
            let (source, rest) = volume.split_once(':').unwrap();
            if source.starts_with('/') {
                assert!(Path::new(source).exists(), "{name}: {source}");
                assert!(rest.ends_with(":ro"), "{name}: {volume}");
            }
        }
    }
    // No password in a variable.
    let variables = compose["services"]["grafana"]["environment"]
        .as_object()
        .unwrap();
    for (variable, value) in variables {
        assert!(
            !variable.contains("PASSWORD") || variable.ends_with("__FILE"),
            "{variable}={value}"
        );
    }
    let secrets = compose["secrets"].as_object().unwrap();
    assert!(
        secrets.values().all(|secret| secret["file"].is_string()),
        "{secrets:?}"
    );
}

#[test]
fn a_profile_that_prometheus_has_no_targets_for_is_refused() {
    for profiles in ["x", "second-factor,x"] {
        let output = read_with("compose.yaml", profiles);
        let missing = format!("deploy/compose/targets/{profiles}.env");
        assert!(
            !output.status.success() && said(&output).contains(&missing),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn the_built_in_second_factor_comes_with_its_profile() {
    let port = ports::free_udp();
    let config = format!(
        "[duo_only_client]\n[radius_server_auto]\nport={port}\napi_host=builtin\nfailmode=secure\n{}",
        client(1, "127.0.0.0/8")
    );
    let engine = Engine::new("compose.yaml", "second-factor", &config);
    let profiles = &engine.service("secondfactor")["profiles"];
    assert_eq!(words(profiles), ["second-factor"]);
    let mut running = Vec::new();
    for name in ["controlplane", "secondfactor", "dataplane-1", "dataplane-2"] {
        if let Some(number) = name.strip_prefix("dataplane-") {
            engine.once(&format!("token-{number}"));
        }
        let mut process = engine.start(name);
        engine.wait_healthy(name, &mut process);
        running.push(process);
    }
    scrapes_all(&engine, 4);
    // Told of in the control plane's container.
    let factor = |more: &[&str]| {
        let words = [&["factor"], more].concat();
        let output = engine.command("controlplane", &words).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    factor(&["add", "alice"]);
    let made = factor(&["bypass-codes", "alice", "--count", "1", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let password = format!("any,{}", made["codes"][0].as_str().unwrap());
    let nas = Nas::new((ADDRESSES[0], port).into(), e2e::peers::SECRET);
    let answer = nas.exchange(&nas.access("alice", &password), LONG);
    let code = answer.map(|answer| answer.code);
    assert_eq!(code, Some(code::ACCESS_ACCEPT), "{}", running[2].output());
}

#[test]
fn the_single_container_serves_the_whole_gateway() {
    let site = Site::new();
    let engine = Engine::new("deploy/compose/single.yaml", "", &site.config(""));
    let mut gateway = engine.start("countersign");
    engine.wait_healthy("countersign", &mut gateway);
    engine.accepts(ADDRESSES[0], site.port, "alice");
    assert_eq!(gateway.stop().code(), Some(0));
}

#[test]
fn no_container_of_ours_may_more_than_it_must() {
    for file in ["compose.yaml", "deploy/compose/single.yaml"] {
        let compose = understood(file);
        let all = ours(&compose);
        assert!(!all.is_empty(), "{file}");
        for name in all {
            let service = &compose["services"][name];
            assert_eq!(service["read_only"], true, "{file}: {name}");
            assert_eq!(words(&service["cap_drop"]), ["ALL"], "{file}: {name}");
            assert_eq!(service["user"], "10001:10001", "{file}: {name}");
            let options = words(&service["security_opt"]);
            assert_eq!(options, ["no-new-privileges:true"], "{file}: {name}");
            // Devices are known by their addresses, which NAT would change.
            assert_eq!(service["network_mode"], "host", "{file}: {name}");
            // What is read from a folder must not be written, and no secret is in a variable.
            assert!(service["environment"].is_null(), "{file}: {name}");
            for volume in words(&service["volumes"]) {
                let of_the_host = volume.starts_with('/');
                assert!(!of_the_host || volume.ends_with(":ro"), "{volume}");
            }
        }
    }
}

#[test]
fn every_address_that_is_listened_on_is_loopback_unless_it_is_chosen() {
    for file in ["compose.yaml", "deploy/compose/single.yaml"] {
        let compose = understood(file);
        for (name, service) in compose["services"].as_object().unwrap() {
            assert!(service["ports"].is_null(), "{file}: {name}");
            let command = words(&service["command"]);
            let listens = command.iter().filter(|word| word.contains("listen"));
            for word in listens {
                assert!(word.contains("127.0.0.1:"), "{file}: {name}: {word}");
            }
        }
    }
}
