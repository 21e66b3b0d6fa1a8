//! The manifests of `deploy/kubernetes`: held against Kubernetes' own schemas, against each other, and
//! against the program's arguments. No cluster is here to try them in.
#![cfg(test)]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use e2e::{
    countersign::program,
    gateway::Site,
    nas::code,
    peers::{repository, require},
    ports,
    process::Process,
    venv,
};
use serde_json::Value;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(60);
/// The user and the group of the pods.
const USER: u32 = 10_001;

fn folder() -> PathBuf {
    repository().join("deploy/kubernetes")
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

/// The files that are applied, and the example of what is not.
fn manifests() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.retain(|file| {
        file.file_name()
            .is_none_or(|name| name != "kustomization.yaml")
    });
    files.sort();
    files
}

/// The documents of a file.
fn read(file: &Path) -> Vec<Value> {
    let to_json = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";
    let output = Command::new(venv::program("python"))
        .args(["-c", to_json])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn all() -> Vec<Value> {
    manifests().iter().flat_map(|file| read(file)).collect()
}

#[track_caller]
fn named<'a>(all: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = all.iter();
    let found = found.find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Each workload with its pod.
fn pods(all: &[Value]) -> Vec<(&str, &Value)> {
    let workloads = all.iter().filter(|one| one["kind"] == "StatefulSet");
    let pods = workloads.map(|one| {
        (
            one["metadata"]["name"].as_str().unwrap(),
            &one["spec"]["template"],
        )
    });
    pods.collect()
}

/// Whether a selector's labels are all on the pod.
fn selects(selector: &Value, pod: &Value) -> bool {
    let labels = selector.as_object().unwrap();
    let mut wanted = labels.iter();
    wanted.all(|(key, value)| pod["metadata"]["labels"][key] == *value)
}

/// How the program takes a command line; it does nothing then but print its help.
fn understood(arguments: &[String]) -> Output {
    Command::new(program())
        .args(arguments)
        .arg("--help")
        .output()
        .unwrap()
}

fn words(value: &Value, pod: &str) -> Vec<String> {
    let words = list(value).iter().map(|word| word.as_str().unwrap());
    words
        .map(|word| word.replace("$(POD_NAME)", &format!("{pod}-0")))
        .collect()
}

#[test]
fn each_is_what_kubernetes_has_a_schema_for() {
    for file in manifests() {
        let output = Command::new(venv::program("kubernetes-validate"))
            .arg("--strict")
            .arg(&file)
            .output()
            .unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        assert_eq!(
            said.matches(" passed for resource ").count(),
            read(&file).len(),
            "{said}"
        );
    }
    let scratch = tempfile::tempdir().unwrap();
    let bad = scratch.path().join("bad.yaml");
    let text = fs::read_to_string(folder().join("dataplane.yaml")).unwrap();
    fs::write(
        &bad,
        text.replace("externalTrafficPolicy", "externalTraficPolicy"),
    )
    .unwrap();
    let output = Command::new(venv::program("kubernetes-validate"))
        .arg("--strict")
        .arg(&bad)
        .output()
        .unwrap();
    assert!(!output.status.success(), "{}", said(&output));
}

#[test]
fn kustomize_has_every_file_but_the_example() {
    let kustomization = read(&folder().join("kustomization.yaml"));
    let mut have: Vec<String> = words(&kustomization[0]["resources"], "");
    have.push("secrets.example.yaml".to_owned());
    have.sort();
    let names = manifests();
    let names: Vec<&str> = names
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(have, names);
}

#[test]
fn the_program_understands_every_command_line() {
    let all = all();
    let pods = pods(&all);
    assert_eq!(pods.len(), 2);
    let mut tried = 0;
    for (name, pod) in pods {
        for container in list(&pod["spec"]["containers"]) {
            let mut lines = vec![words(&container["args"], name)];
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let mut command = words(&container[probe]["exec"]["command"], name);
                if !command.is_empty() {
                    assert_eq!(command.remove(0), "countersign", "{name}: {probe}");
                    lines.push(command);
                }
            }
            for line in lines {
                let output = understood(&line);
                assert!(output.status.success(), "{line:?}: {}", said(&output));
                tried += 1;
            }
        }
    }
    assert!(tried >= 5, "{tried}");
    for wrong in [["dataplane", "--no-such"], ["dataplane", "--interface=x"]] {
        let output = understood(&wrong.map(str::to_owned));
        assert!(!output.status.success(), "{wrong:?} is understood");
    }
}

#[test]
fn every_pod_keeps_to_the_restricted_profile() {
    let all = all();
    for (name, pod) in pods(&all) {
        let spec = &pod["spec"];
        let security = &spec["securityContext"];
        assert_eq!(security["runAsNonRoot"], true, "{name}");
        assert_eq!(security["runAsUser"], 10_001, "{name}");
        assert_eq!(
            security["seccompProfile"]["type"], "RuntimeDefault",
            "{name}"
        );
        // Else keys are opened to the group, and refused for that.
        assert_eq!(security["fsGroupChangePolicy"], "OnRootMismatch", "{name}");
        assert_eq!(spec["automountServiceAccountToken"], false, "{name}");
        assert!(spec["hostNetwork"].is_null(), "{name}");
        for container in list(&spec["containers"]) {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(
                words(&security["capabilities"]["drop"], ""),
                ["ALL"],
                "{name}"
            );
            let memory = &container["resources"]["limits"]["memory"];
            assert!(memory.is_string(), "{name}");
        }
    }
}

#[test]
fn devices_reach_the_data_planes_under_their_own_addresses() {
    let all = all();
    let service = &named(&all, "Service", "countersign-radius")["spec"];
    assert_eq!(service["type"], "LoadBalancer");
    assert_eq!(service["externalTrafficPolicy"], "Local");
    assert_eq!(service["sessionAffinity"], "ClientIP");
    assert_eq!(service["ports"][0]["protocol"], "UDP");
    assert_eq!(service["ports"][0]["port"], 1812);
    let disruption = named(&all, "PodDisruptionBudget", "countersign-dataplane");
    assert_eq!(disruption["spec"]["maxUnavailable"], 1);
    let replicas = &named(&all, "StatefulSet", "countersign-dataplane")["spec"]["replicas"];
    assert!(replicas.as_u64().unwrap() >= 2);
}

#[test]
fn every_pod_is_walled_in_both_ways_and_by_either_version_of_ip() {
    let all = all();
    let policies: Vec<&Value> = all
        .iter()
        .filter(|one| one["kind"] == "NetworkPolicy")
        .collect();
    for policy in &policies {
        let name = &policy["metadata"]["name"];
        let types = list(&policy["spec"]["policyTypes"]);
        assert_eq!(types, ["Ingress", "Egress"], "{name}");
        let spec = &policy["spec"];
        for rule in list(&spec["ingress"]).iter().chain(list(&spec["egress"])) {
            let peers = [&rule["from"], &rule["to"]].map(list).concat();
            let blocks: Vec<&str> = peers
                .iter()
                .filter_map(|peer| peer["ipBlock"]["cidr"].as_str())
                .collect();
            assert!(
                blocks.is_empty() || blocks == ["0.0.0.0/0", "::/0"],
                "{name}: {blocks:?}"
            );
        }
    }
    let everybody = named(&all, "NetworkPolicy", "countersign-default");
    assert_eq!(everybody["spec"]["podSelector"], serde_json::json!({}));
    // The control plane has the secrets, and calls nobody but for names.
    let control = named(&all, "NetworkPolicy", "countersign-controlplane");
    let calls = list(&control["spec"]["egress"]);
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(
        list(&calls[0]["ports"])
            .iter()
            .all(|port| port["port"] == 53)
    );
}

#[test]
fn what_names_something_else_names_something_that_is_there() {
    let all = all();
    let pods = pods(&all);
    let port_of = |selector: &Value, port: &Value| {
        let pod = pods.iter().find(|(_, pod)| selects(selector, pod));
        let (_, pod) = pod.unwrap_or_else(|| panic!("nothing has {selector}"));
        let ports = list(&pod["spec"]["containers"][0]["ports"]).iter();
        let number = ports.clone().find(|one| one["name"] == *port);
        number.unwrap_or_else(|| panic!("no port {port} of {selector}"))["containerPort"].clone()
    };
    for one in &all {
        let name = &one["metadata"]["name"];
        if one["kind"] != "Namespace" {
            assert_eq!(one["metadata"]["namespace"], "countersign", "{name}");
        }
        if one["kind"] == "Service" {
            for port in list(&one["spec"]["ports"]) {
                port_of(&one["spec"]["selector"], &port["targetPort"]);
            }
        }
        if one["kind"] == "PodDisruptionBudget" || one["kind"] == "StatefulSet" {
            let labels = &one["spec"]["selector"]["matchLabels"];
            assert!(pods.iter().any(|(_, pod)| selects(labels, pod)), "{name}");
        }
        if one["kind"] == "StatefulSet" {
            let service = one["spec"]["serviceName"].as_str().unwrap();
            named(&all, "Service", service);
        }
        if one["kind"] == "NetworkPolicy" && !list(&one["spec"]["ingress"]).is_empty() {
            let labels = &one["spec"]["podSelector"]["matchLabels"];
            for rule in list(&one["spec"]["ingress"]) {
                port_of(labels, &rule["ports"][0]["port"]);
            }
        }
    }
    for (name, pod) in &pods {
        let volumes = list(&pod["spec"]["volumes"]);
        let claims = &named(&all, "StatefulSet", name)["spec"]["volumeClaimTemplates"];
        for mount in list(&pod["spec"]["containers"][0]["volumeMounts"]) {
            let volume = volumes.iter().any(|one| one["name"] == mount["name"]);
            let mut claims = list(claims).iter();
            let claim = claims.any(|one| one["metadata"]["name"] == mount["name"]);
            assert!(volume || claim, "{name}: {mount}");
        }
        for volume in volumes {
            if let Some(secret) = volume["secret"]["secretName"].as_str() {
                named(&all, "Secret", secret);
            }
        }
        // The port that an option listens on is the one that the container is said to have.
        for word in words(&pod["spec"]["containers"][0]["args"], name) {
            if let Some((_, port)) = word.split_once("listen=0.0.0.0:") {
                let port: u64 = port.parse().unwrap();
                let ports = list(&pod["spec"]["containers"][0]["ports"]);
                assert!(
                    ports.iter().any(|one| one["containerPort"] == port),
                    "{word}"
                );
            }
            if let Some(place) = word.strip_prefix("--join=https://") {
                let (host, port) = place.split_once(':').unwrap();
                let ports = &named(&all, "Service", host)["spec"]["ports"];
                let port: u64 = port.parse().unwrap();
                assert!(list(ports).iter().any(|one| one["port"] == port), "{word}");
            }
        }
    }
    // Each node has its token in the example.
    let tokens = &named(&all, "Secret", "countersign-join")["stringData"];
    let replicas = &named(&all, "StatefulSet", "countersign-dataplane")["spec"]["replicas"];
    for number in 0..replicas.as_u64().unwrap() {
        assert!(tokens[format!("countersign-dataplane-{number}")].is_string());
    }
}

#[test]
fn the_examples_file_is_good_but_for_what_is_to_be_written() {
    let all = all();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("authproxy.cfg");
    let text = &named(&all, "Secret", "countersign-config")["stringData"]["authproxy.cfg"];
    let text = text
        .as_str()
        .unwrap()
        .replace("WRITE-YOURS", "DIXXXXXXXXXXXXXXXXXX");
    fs::write(&file, text).unwrap();
    let output = Command::new(program())
        .arg("validate")
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// What stands for a cluster: a program and folders that the pods' user may use as it may there.
struct Cluster {
    all: Vec<Value>,
    folder: TempDir,
    /// What of a command line is put elsewhere.
    elsewhere: Vec<(&'static str, String)>,
}

impl Cluster {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        // Whose folder may be closed to that user.
        let own = folder.path().join("countersign");
        if fs::hard_link(program(), &own).is_err() {
            fs::copy(program(), &own).unwrap();
        }
        let nodes = ports::free_tcp();
        let elsewhere = vec![
            (
                "countersign-controlplane:8403",
                format!("127.0.0.1:{nodes}"),
            ),
            (":8403", format!(":{nodes}")),
            (":8400", format!(":{}", ports::free_tcp())),
            (":8401", format!(":{}", ports::free_tcp())),
        ];
        Self {
            all: all(),
            folder,
            elsewhere,
        }
    }

    /// A volume as `fsGroup` leaves one: root's, with the pods' group in it.
    fn volume(&self, pod: &str, name: &str, mode: u32) -> PathBuf {
        let volume = self.folder.path().join(format!("{pod}-{name}"));
        if !volume.exists() {
            fs::create_dir(&volume).unwrap();
            chown(&volume, Some(0), Some(USER)).unwrap();
            fs::set_permissions(&volume, Permissions::from_mode(mode)).unwrap();
        }
        volume
    }

    /// A file of a Secret.
    fn secret(&self, pod: &str, name: &str, file: &str, text: &str) {
        let file = self.volume(pod, name, 0o3777).join(file);
        fs::write(&file, text).unwrap();
        chown(&file, Some(0), Some(USER)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o440)).unwrap();
    }

    fn container(&self, pod: &str) -> &Value {
        &named(&self.all, "StatefulSet", pod)["spec"]["template"]["spec"]["containers"][0]
    }

    fn moved(&self, pod: &str, word: &str) -> String {
        let mut word = word.to_owned();
        let mut mounts = list(&self.container(pod)["volumeMounts"]).iter();
        let path = |mount: &Value| mount["mountPath"].as_str().unwrap().to_owned();
        // In one alone: the place of the others may be in the folder for temporary files.
        if let Some(mount) = mounts.find(|mount| word.contains(&path(mount))) {
            let here = self.volume(pod, mount["name"].as_str().unwrap(), 0o2775);
            word = word.replace(&path(mount), here.to_str().unwrap());
        }
        for (from, to) in &self.elsewhere {
            word = word.replace(from, to);
        }
        word
    }

    /// A command in a pod: as its user, without any capability.
    fn command(&self, pod: &str, arguments: &[String]) -> Command {
        let mut command = Command::new(require("setpriv", "util-linux"));
        let id = USER.to_string();
        command
            .args(["--reuid", &id, "--regid", &id, "--groups", &id])
            .args([
                "--no-new-privs",
                "--bounding-set=-all",
                "--inh-caps=-all",
                "--",
            ])
            .arg(self.folder.path().join("countersign"))
            .args(arguments.iter().map(|word| self.moved(pod, word)))
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        for variable in list(&self.container(pod)["env"]) {
            if let Some(value) = variable["value"].as_str() {
                command.env(variable["name"].as_str().unwrap(), self.moved(pod, value));
            }
        }
        command
    }

    fn start(&self, pod: &str) -> Process {
        let command = self.command(pod, &words(&self.container(pod)["args"], pod));
        Process::start(
            pod,
            &command,
            &self.folder.path().join(format!("{pod}.log")),
        )
    }

    fn wait_ready(&self, pod: &str, process: &mut Process) {
        let mut probe = words(
            &self.container(pod)["readinessProbe"]["exec"]["command"],
            pod,
        );
        probe.remove(0);
        let mut probe = self.command(pod, &probe);
        process.until("it is ready", LONG, || {
            probe.output().unwrap().status.success()
        });
    }
}

#[test]
fn the_pods_run_as_their_user_on_volumes_that_are_roots_and_log_users_in() {
    let (site, cluster) = (Site::new(), Cluster::new());
    let (control, data) = ("countersign-controlplane", "countersign-dataplane");
    let bundle = site.bundle();
    let config = site.config("").replace(bundle.to_str().unwrap(), "ca.pem");
    cluster.secret(control, "config", "authproxy.cfg", &config);
    let bundle = fs::read_to_string(bundle).unwrap();
    cluster.secret(control, "config", "ca.pem", &bundle);
    let mut control_process = cluster.start(control);
    cluster.wait_ready(control, &mut control_process);
    let mut data_process = cluster.start(data);
    data_process.until("it waits for its token", LONG, || {
        let log = fs::read_to_string(cluster.folder.path().join(format!("{data}.log")));
        log.is_ok_and(|log| log.contains("cannot read the join token"))
    });

    // As the page has it.
    let node = format!("{data}-0");
    let arguments = ["node", "token", "--node", &node].map(str::to_owned);
    let output = cluster.command(control, &arguments).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let token = String::from_utf8(output.stdout).unwrap();
    cluster.secret(data, "join", &node, &token);
    cluster.wait_ready(data, &mut data_process);
    let nas = site.nas();
    let answer = nas.exchange(&nas.access("alice", "any"), LONG);
    let code = answer.map(|answer| answer.code);
    assert_eq!(code, Some(code::ACCESS_ACCEPT), "{}", data_process.output());
    for mut process in [data_process, control_process] {
        assert_eq!(process.stop().code(), Some(0), "{}", process.output());
    }
}
