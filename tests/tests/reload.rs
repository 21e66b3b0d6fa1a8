//! Live reloads: none loses a login, a bad file changes nothing, a good one is live at once.
#![cfg(test)]

use std::{collections::HashSet, fs, time::Duration};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start},
    gateway::Site,
    nas::{Nas, code},
    peers::{
        Pki, SECRET,
        fakeduo::{Endpoint, Outcome, User},
    },
    ports,
};
use nix::sys::signal::Signal;

const LONG: Duration = Duration::from_secs(15);
/// Longer than a file needs to be looked at, read, and refused.
const SHORT: Duration = Duration::from_millis(300);

/// The revision that is live by the data plane's own word, without a process being started.
fn live(gateway: &Countersign) -> u64 {
    let metrics = gateway.get("/metrics").body;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("countersign_config_revision{"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0)
}

fn wait_live(gateway: &Countersign, revision: u64) {
    wait_until(&format!("revision {revision} is live"), LONG, || {
        live(gateway) == revision
    });
}

fn login(nas: &Nas, user: &str) -> Option<u8> {
    let answer = nas.exchange(&nas.access(user, "any"), LONG);
    answer.map(|answer| answer.code)
}

#[test]
fn a_hundred_logins_in_flight_outlive_ten_reloads() {
    const LOGINS: usize = 100;
    let site = Site::new();
    site.duo.everybody(User::who(Outcome::Wait));
    let gateway = Countersign::run(&site.config(""));
    let nas = site.nas();
    let requests: Vec<_> = (0..LOGINS)
        .map(|number| nas.access(&format!("user{number}"), "any"))
        .collect();
    for request in &requests {
        nas.send(&request.encode());
    }
    wait_until("every login waits for its push", LONG, || {
        site.duo.count(Endpoint::Auth) == LOGINS
    });
    let probe = site.nas();
    for round in 1..=10_u64 {
        let text = site.config(&format!("exempt_username_2=probe{round}\n"));
        if round % 2 == 0 {
            gateway.rewrite_config(&text);
        } else {
            fs::write(gateway.config(), &text).unwrap();
        }
        wait_live(&gateway, round + 1);
        assert_eq!(
            login(&probe, &format!("probe{round}")),
            Some(code::ACCESS_ACCEPT),
            "reload {round} is what is served"
        );
    }
    for number in 0..LOGINS {
        site.duo.decide(&format!("user{number}"), Outcome::Allow);
    }
    let mut answered = HashSet::new();
    while answered.len() < LOGINS {
        let datagram = nas
            .receive(LONG)
            .unwrap_or_else(|| panic!("only {} of {LOGINS} logins were answered", answered.len()));
        let request = &requests[usize::from(datagram[1])];
        let answer = request.check(&datagram).unwrap();
        assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", answer.message());
        assert!(answered.insert(answer.bytes[1]), "answered twice");
    }
    assert_eq!(nas.receive(SHORT), None, "an answer too many");
    for number in 0..LOGINS {
        let user = format!("user{number}");
        assert_eq!(site.duo.pushes(&user), 1, "pushes of {user}");
    }
    assert_eq!(site.duo.violations(), Vec::<String>::new());
}

#[test]
fn a_bad_file_changes_nothing_and_is_shown_until_a_good_one_comes() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let nas = site.nas();
    let good = site.config("exempt_username_2=later\n");
    let half = good.split_at(good.find("radius_secret_1").unwrap()).0;
    for (name, text, fault) in [
        (
            "a bad value",
            site.config("message_authenticator=perhaps\n"),
            "message_authenticator",
        ),
        ("empty", String::new(), "empty"),
        ("half-written", half.to_owned(), "radius_secret_1"),
        ("no text", "\0\0\0".to_owned(), "control character"),
    ] {
        gateway.rewrite_config(&text);
        wait_until(&format!("{name}: is refused"), LONG, || {
            let output = gateway.command(&["status"]);
            let shown = String::from_utf8(output.stdout).unwrap();
            shown.contains("last reading: refused") && shown.contains(fault)
        });
        let status = gateway.status();
        let load = &status["controlplane"]["last_load"];
        assert_eq!(load["result"], "refused", "{name}");
        let errors = load["diagnostics"].as_array().unwrap().iter();
        let errors = errors.filter(|one| one["severity"] == "error").count();
        assert!(errors > 0, "{name}: {load}");
        assert_eq!(status["dataplane"]["revision"], 1, "{name}");
        assert_eq!(login(&nas, "exempt"), Some(code::ACCESS_ACCEPT), "{name}");
        assert_eq!(gateway.get("/readyz").status, 200, "{name}");
    }
    let reload = gateway.command(&["reload"]);
    assert_eq!(reload.status.code(), Some(2), "{reload:?}");
    gateway.rewrite_config(&good);
    wait_live(&gateway, 2);
    assert_eq!(login(&nas, "later"), Some(code::ACCESS_ACCEPT));
    assert_eq!(site.duo.count(Endpoint::Preauth), 0);
    let shown = gateway.command(&["status"]).stdout;
    assert!(!String::from_utf8(shown).unwrap().contains("refused"));
    let reload = gateway.command(&["reload"]);
    assert!(reload.status.success(), "{reload:?}");
    assert!(
        String::from_utf8(reload.stdout)
            .unwrap()
            .contains("unchanged"),
        "nothing is new"
    );
}

#[test]
fn a_file_that_is_gone_changes_nothing_until_it_is_back() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    fs::remove_file(gateway.config()).unwrap();
    wait_until("its absence is shown", LONG, || {
        let load = gateway.status()["controlplane"]["last_load"]["result"].clone();
        load == "refused" || load == "unavailable"
    });
    let nas = site.nas();
    assert_eq!(login(&nas, "exempt"), Some(code::ACCESS_ACCEPT));
    gateway.rewrite_config(&site.config("exempt_username_2=back\n"));
    wait_live(&gateway, 2);
    assert_eq!(login(&nas, "back"), Some(code::ACCESS_ACCEPT));
}

#[test]
fn a_named_file_that_changes_is_read_again_and_so_on_a_signal() {
    let site = Site::new();
    let pki = Pki::shared();
    fs::write(site.bundle(), &pki.rogue_ca).unwrap();
    let gateway = Countersign::run(&site.config(""));
    let nas = site.nas();
    assert_eq!(
        login(&nas, "alice"),
        Some(code::ACCESS_REJECT),
        "the second factor is not trusted, and failmode is secure"
    );
    assert_eq!(site.duo.requests().len(), 0);
    fs::write(site.bundle(), &pki.ca).unwrap();
    wait_live(&gateway, 2);
    assert_eq!(login(&nas, "alice"), Some(code::ACCESS_ACCEPT));
    gateway.signal(Signal::SIGHUP);
    wait_until("the signal reads the file", LONG, || {
        gateway.output().contains("reloaded")
    });
    assert_eq!(live(&gateway), 2, "nothing was new");
}

#[test]
fn listeners_follow_the_file_and_a_port_of_others_is_refused() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let (old, elsewhere) = (
        site.nas(),
        Nas::new(([127, 0, 0, 2], site.port).into(), SECRET),
    );
    assert_eq!(
        login(&elsewhere, "exempt"),
        Some(code::ACCESS_ACCEPT),
        "all addresses"
    );

    gateway.rewrite_config(&site.config("interface=127.0.0.1\n"));
    wait_live(&gateway, 2);
    assert_eq!(
        login(&old, "exempt"),
        Some(code::ACCESS_ACCEPT),
        "one address"
    );
    elsewhere.send(&elsewhere.access("exempt", "any").encode());
    assert_eq!(elsewhere.receive(SHORT), None, "the others are closed");

    let other_port = ports::free_udp();
    gateway.rewrite_config(&site.config_with(other_port, ""));
    wait_live(&gateway, 3);
    let moved = Nas::new(ports::loopback(other_port), SECRET);
    assert_eq!(
        login(&moved, "exempt"),
        Some(code::ACCESS_ACCEPT),
        "another port"
    );
    old.send(&old.access("exempt", "any").encode());
    assert_eq!(old.receive(SHORT), None, "the old port is closed");

    let taken = ports::free_udp();
    let holder = std::net::UdpSocket::bind(("0.0.0.0", taken)).unwrap();
    gateway.rewrite_config(&site.config_with(taken, ""));
    wait_until("the port is refused", LONG, || {
        let refused = gateway.status()["dataplane"]["refused"].clone();
        refused["revision"] == 4 && refused.to_string().contains(&taken.to_string())
    });
    let shown = String::from_utf8(gateway.command(&["status"]).stdout).unwrap();
    assert!(
        shown.contains("refused revision 4") && shown.contains(&taken.to_string()),
        "{shown}"
    );
    assert_eq!(
        login(&moved, "exempt"),
        Some(code::ACCESS_ACCEPT),
        "the old one serves on"
    );
    drop(holder);

    let second = ports::free_udp();
    let two = format!(
        "\n[radius_server_auto2]\n{}port={second}\nexempt_username_1=second\n",
        site.server()
    );
    gateway.rewrite_config(&site.config_with(other_port, &two));
    wait_live(&gateway, 5);
    let added = Nas::new(ports::loopback(second), SECRET);
    assert_eq!(login(&added, "second"), Some(code::ACCESS_ACCEPT), "added");
    assert_eq!(login(&moved, "exempt"), Some(code::ACCESS_ACCEPT), "kept");
    gateway.rewrite_config(&site.config_with(other_port, ""));
    wait_live(&gateway, 6);
    added.send(&added.access("second", "any").encode());
    assert_eq!(added.receive(SHORT), None, "removed");
    assert_eq!(login(&moved, "exempt"), Some(code::ACCESS_ACCEPT), "kept");
}

#[test]
fn a_second_factor_that_cannot_run_does_not_end_the_gateway() {
    let site = Site::new();
    let taken = ports::loopback(ports::free_tcp());
    let holder = std::net::TcpListener::bind(taken).unwrap();
    let mut gateway = Start::with(&site.config(""))
        .argument("--second-factor-listen")
        .argument(&taken.to_string())
        .ready();
    let port = ports::free_udp();
    let builtin = format!(
        "\n[radius_server_auto2]\napi_host=builtin\nclient=duo_only_client\nfailmode=secure\n\
         port={port}\nexempt_username_1=second\nradius_ip_1=127.0.0.0/8\nradius_secret_1={SECRET}\n"
    );
    gateway.rewrite_config(&site.config(&builtin));
    wait_until("it ended and is told of", LONG, || {
        let output = gateway.output();
        output.contains("a role ended by itself") && output.contains(&taken.to_string())
    });
    let nas = site.nas();
    assert_eq!(login(&nas, "exempt"), Some(code::ACCESS_ACCEPT));
    drop(holder);
    gateway.wait_ready();
    // Whoever asks again once the second factor runs gets what was asked for.
    wait_until("the revision with it is live", LONG, || {
        gateway.command(&["reload"]).status.success() && live(&gateway) == 2
    });
    let added = Nas::new(ports::loopback(port), SECRET);
    assert_eq!(login(&added, "second"), Some(code::ACCESS_ACCEPT));
}
