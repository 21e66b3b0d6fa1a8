//! A second data plane of one control plane, on an address of its own.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    clock::wait_until,
    config::{MAIN, client, server},
    countersign::Countersign,
    gateway::on_data_dir,
    nas::{Nas, code},
    nodes::{Node, Nodes},
    peers::{FakeDuo, Pki, SECRET},
    ports,
};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

fn accepts(nas: &Nas, user: &str) -> bool {
    nas.exchange(&nas.access(user, "any"), LONG)
        .is_some_and(|answer| answer.code == code::ACCESS_ACCEPT)
}

fn section(duo: &FakeDuo, name: &str, port: u16, interface: &str) -> String {
    server(name, port, duo) + &format!("interface={interface}\nclient=duo_only_client\n")
}

/// What the node refused last, as its status shows it.
fn refusal(node: &Node) -> String {
    node.status()["refused"]["faults"].to_string()
}

#[test]
fn a_second_node_serves_the_same_sections_on_its_own_address() {
    let duo = FakeDuo::start(Pki::shared());
    let ports: [u16; 2] = std::array::from_fn(|_| ports::free_udp());
    let sections = |ports: &[u16]| -> String {
        let names = ["radius_server_auto", "radius_server_auto2"];
        let each = names.iter().zip(ports);
        let sections = each.map(|(name, port)| section(&duo, name, *port, "127.0.0.1"));
        format!("{MAIN}[duo_only_client]\n{}", sections.collect::<String>())
    };
    let mut nodes = Nodes::start(&sections(&ports[..1]));
    assert!(
        accepts(&nodes.nas_a(ports[0]), "alice"),
        "{}",
        nodes.a.output()
    );
    assert!(
        accepts(&nodes.nas_b(ports[0]), "bob"),
        "{}",
        nodes.b.output()
    );
    for (user, node) in [("alice", "local"), ("bob", "b")] {
        let event = nodes.a.event_of(user, 1);
        assert_eq!(event["node"], node, "{event:#}");
    }
    let status = on_data_dir(&["status"], &nodes.b.data_dir(), "");
    let shown = String::from_utf8(status.stdout).unwrap();
    let line = format!("127.0.0.2:{}  radius_server_auto\n", ports[0]);
    assert!(shown.contains(&line), "{shown}");

    nodes.reconfigure(&sections(&ports));
    assert!(
        accepts(&nodes.nas_b(ports[1]), "carol"),
        "{}",
        nodes.b.output()
    );

    // Without the control plane it starts from its sealed copy, at the same address.
    nodes.a.stop();
    nodes.b.stop();
    nodes.b.restart();
    nodes.b.until("it serves its sealed copy", |status| {
        status["source"] == "sealed_copy" && status["revision"] == 2
    });
    assert!(
        accepts(&nodes.nas_b(ports[1]), "dave"),
        "{}",
        nodes.b.output()
    );
    assert!(
        !nodes.nas_a(ports[1]).status(SHORT),
        "nobody is on the other"
    );
}

#[test]
fn an_address_of_ipv6_will_do() {
    let (duo, port) = (FakeDuo::start(Pki::shared()), ports::free_udp());
    let one = section(&duo, "radius_server_auto", port, "127.0.0.1") + &client(2, "::1");
    let gateway = Countersign::run(&format!("{MAIN}[duo_only_client]\n{one}"));
    let here = "::1".parse().unwrap();
    let mut node = Node::launch("b", here, &gateway.control_socket(), &[]);
    node.wait_follows();
    let nas = Nas::from_address(here, (here, port).into(), SECRET);
    assert!(accepts(&nas, "alice"), "{}", node.output());
    let listeners = &node.status()["listeners"];
    assert_eq!(
        listeners[0]["address"],
        format!("[::1]:{port}"),
        "{listeners}"
    );
}

#[test]
fn an_address_that_the_machine_does_not_have_is_refused_by_the_name_of_the_option() {
    let (duo, port) = (FakeDuo::start(Pki::shared()), ports::free_udp());
    let one = section(&duo, "radius_server_auto", port, "127.0.0.1");
    let gateway = Countersign::run(&format!("{MAIN}[duo_only_client]\n{one}"));
    let elsewhere = "192.0.2.1".parse().unwrap();
    let node = Node::launch("b", elsewhere, &gateway.control_socket(), &[]);
    let said = "[radius_server_auto] --interface 192.0.2.1: this machine has no such address";
    wait_until("the refusal is in the status", LONG, || {
        refusal(&node).contains(said)
    });
    assert_eq!(node.status()["revision"], serde_json::Value::Null);
    wait_until("the refusal is in the log", LONG, || {
        node.output().contains(said)
    });
    assert!(accepts(&Nas::new(ports::loopback(port), SECRET), "alice"));
}

#[test]
fn sections_that_only_their_addresses_kept_apart_are_refused_on_one() {
    let (duo, port) = (FakeDuo::start(Pki::shared()), ports::free_udp());
    let file = |second: u16| {
        format!(
            "{MAIN}[duo_only_client]\n{}{}",
            section(&duo, "radius_server_auto", port, "127.0.0.1"),
            section(&duo, "radius_server_auto2", second, "127.0.0.3"),
        )
    };
    let gateway = Countersign::run(&file(port));
    let mut node = Node::launch("b", Nodes::B, &gateway.control_socket(), &[]);
    let said = "[radius_server_auto2] --interface 127.0.0.2 puts it on one address with [radius_server_auto]";
    wait_until("the refusal is in the status", LONG, || {
        refusal(&node).contains(said)
    });
    assert!(
        !node.nas(port).status(SHORT),
        "neither of the two is served: {}",
        node.output()
    );
    // With a port for each it serves both.
    let second = ports::free_udp();
    gateway.rewrite_config(&file(second));
    node.wait_serves(2);
    for port in [port, second] {
        assert!(accepts(&node.nas(port), "alice"), "{}", node.output());
    }
}
