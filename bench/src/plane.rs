//! The control plane under a large configuration: brought in, pushed to three nodes, listed, changed.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use e2e::{
    clock,
    controlplane::ControlPlane,
    nodes::Node,
    peers::{FakeDuo, Pki, Postgres},
    ports,
};

use crate::{
    report::{Row, Verdict},
    scenarios::{Bench, mib},
    statistics::{Latencies, count, number, span},
    usage,
};

/// Rows of either engine.
pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let integrations = if bench.quick { 100 } else { 1000 };
    let text = configuration(integrations);
    let mut rows = measured("SQLite", None, integrations, &text);
    let server = Postgres::start();
    let url = server.url(&server.database());
    rows.extend(measured("PostgreSQL", Some(&url), integrations, &text));
    rows
}

/// A file of so many sections, each with a port and ten clients of its own, their secrets all different.
fn configuration(integrations: usize) -> String {
    let mut text = "[main]\nhttp_ca_certs_file=ca.pem\n\n[duo_only_client]\n\n".to_owned();
    for section in 1..=integrations {
        let (ikey, skey, port) = (FakeDuo::IKEY, FakeDuo::SKEY, ports::free_udp());
        writeln!(
            text,
            "[radius_server_auto{section}]\nikey={ikey}\nskey={skey}\napi_host=127.0.0.1:9\n\
             failmode=secure\nclient=duo_only_client\nport={port}"
        )
        .unwrap();
        for client in 1..=CLIENTS {
            writeln!(
                text,
                "radius_ip_{client}=10.{}.{}.{client}\nradius_secret_{client}=secret-{section:05}-{client:05}-0123456789",
                section / 256,
                section % 256,
            )
            .unwrap();
        }
    }
    text
}

fn measured(engine: &str, url: Option<&str>, integrations: usize, text: &str) -> Vec<Row> {
    let mut plane = ControlPlane::with(url, START);
    plane.start();
    let mut nodes: Vec<Node> = (1..=NODES)
        .map(|last| {
            let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
            Node::launch(&format!("n{last}"), address, &plane.socket(), &[])
        })
        .collect();
    for node in &mut nodes {
        node.until("it listens to the control plane", |status| {
            status["connected"] == true
        });
    }
    let what = |work: &str| {
        let integrations = count(number(integrations));
        format!("{engine}, {integrations} integrations of {CLIENTS} clients: {work}")
    };
    let mut rows = Vec::new();
    let mut row = |work: &str, figure: String, budget: &str, holds: &[bool]| {
        rows.push(Row {
            work: what(work),
            figure,
            peer: String::new(),
            ratio: None,
            budget: budget.to_owned(),
            verdict: match budget {
                "" => Verdict::Reference,
                _ => Verdict::of(holds),
            },
        });
    };

    let sent = sent(text);
    let validated = timed(|| drop(plane.call("POST", "/config/validate", &sent)));
    let began = clock::now();
    let imported = timed(|| drop(plane.call("POST", "/config/import", &sent)));
    live(&nodes, 1);
    let all = began.elapsed();
    row(
        "validate",
        format!("{}, {} of text", span(validated), mib_tenths(text.len())),
        "",
        &[],
    );
    row(
        "import, and live on three nodes",
        format!(
            "answered after {}, live after {}",
            span(imported),
            span(all)
        ),
        "< 1 s",
        &[all < Duration::from_secs(1)],
    );

    let (mut answered, mut lived) = (Vec::new(), Vec::new());
    let cpu = usage::of(plane.pid()).cpu;
    for change in 1..=CHANGES {
        let began = clock::now();
        patch(&plane, change % integrations + 1, change);
        answered.push(began.elapsed());
        live(&nodes, u64::try_from(change).unwrap() + 1);
        lived.push(began.elapsed());
    }
    let cpu = (usage::of(plane.pid()).cpu - cpu) / u32::try_from(CHANGES).unwrap();
    let lived = Latencies::new(lived);
    row(
        "one change, answered",
        format!("{}, {} CPU each", Latencies::new(answered), span(cpu)),
        "",
        &[],
    );
    row(
        "one change, live on three nodes",
        lived.to_string(),
        "p99 < 1 s",
        &[lived.quantile(990) < Duration::from_secs(1)],
    );
    let began = clock::now();
    for change in 1..=CHANGES {
        patch(&plane, change % integrations + 1, CHANGES + change);
    }
    let answered = began.elapsed();
    live(&nodes, u64::try_from(2 * CHANGES).unwrap() + 1);
    row(
        "changes one after the other",
        format!(
            "{}/s, the last one live {} after its answer",
            count(number(CHANGES) / answered.as_secs_f64()),
            span(began.elapsed() - answered)
        ),
        "",
        &[],
    );

    for (name, path) in READS {
        let took = (0..ASKED).map(|_| timed(|| drop(plane.call("GET", path, ""))));
        let took = Latencies::new(took.collect());
        row(
            name,
            took.to_string(),
            "p99 < 100 ms",
            &[took.quantile(990) < Duration::from_millis(100)],
        );
    }
    let of = |pid| {
        let used = usage::of(pid);
        format!("{} (peak {})", mib(used.resident), mib(used.peak))
    };
    let resident: Vec<String> = nodes.iter().map(|node| of(node.pid())).collect();
    row(
        "resident memory",
        format!(
            "control plane {}; nodes {}",
            of(plane.pid()),
            resident.join(", ")
        ),
        "",
        &[],
    );
    plane.stop();
    let begin = timed(|| plane.start());
    row("start of the control plane", span(begin), "", &[]);
    rows
}

/// The file and what it names, as JSON.
fn sent(text: &str) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\n', "\\n");
    let ca = quoted(&Pki::shared().ca);
    format!(
        "{{\"text\":\"{}\",\"files\":{{\"ca.pem\":\"{ca}\"}}}}",
        quoted(text)
    )
}

fn patch(plane: &ControlPlane, section: usize, change: usize) {
    let path = format!("/integrations/radius_server_auto{section}");
    let body = format!("{{\"exempt_users\":[\"user{change}\"]}}");
    drop(plane.call("PATCH", &path, &body));
}

/// Waits until each node serves a revision.
fn live(nodes: &[Node], revision: u64) {
    clock::wait_until("it is live everywhere", LIVE, || {
        let mut nodes = nodes.iter();
        nodes.all(|node| node.status()["revision"] == revision)
    });
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = clock::now();
    work();
    began.elapsed()
}

fn mib_tenths(octets: usize) -> String {
    let tenths = octets * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// What is read, and what it is called.
const READS: [(&str, &str); 9] = [
    ("list, first page of 100", "/integrations"),
    ("list, 1,000 in one page", "/integrations?limit=1000"),
    ("list, ordered by port", "/integrations?sort=-port"),
    ("list, searched", "/integrations?q=auto99"),
    ("one integration", "/integrations/radius_server_auto50"),
    ("its clients", "/integrations/radius_server_auto50/clients"),
    ("revisions", "/revisions"),
    ("difference of two revisions", "/revisions/3/diff"),
    ("export as a file", "/config"),
];
const CLIENTS: usize = 10;
const NODES: u8 = 3;
const CHANGES: usize = 50;
const ASKED: usize = 50;
const LIVE: Duration = Duration::from_secs(30);
const START: Duration = Duration::from_secs(60);
