use proptest::prelude::*;

use super::*;

fn sample() -> serde_json::Value {
    serde_json::json!({
        "revision": 3,
        "authenticators": [
            {"id": "duo_only_client", "kind": "duo_only"},
            {"id": "radius_client", "kind": {"radius": {
                "hosts": [{"name": "192.0.2.1", "port": 1812}], "secret": "upstream"}}},
        ],
        "integrations": [{
            "id": "radius_server_auto", "mode": "auto", "authenticator": "duo_only_client",
            "application": {"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "key", "host": "API.example.com"},
            "clients": [{"address": "10.0.0.0/24", "secret": "s"}],
        }],
    })
}

fn check(json: serde_json::Value) -> Result<Snapshot, Faults> {
    Snapshot::try_from(serde_json::from_value::<raw::Snapshot>(json).unwrap())
}

#[test]
fn fills_in_the_documented_defaults() {
    let snapshot = check(sample()).unwrap();
    let one = &snapshot.integrations[0];
    assert_eq!(
        (one.port, one.fail_mode, one.listen),
        (1812, FailMode::Safe, None)
    );
    assert_eq!(one.factors, [FactorChoice::Auto]);
    assert_eq!(
        one.append,
        Append::Delimited {
            delimiter: ",".to_owned()
        }
    );
    assert_eq!(
        (one.application.host.as_str(), one.application.port),
        ("api.example.com", 443)
    );
    assert_eq!(one.api_timeout, None);
    let AuthenticatorKind::Radius(upstream) = &snapshot.authenticators[1].kind else {
        panic!("a RADIUS upstream")
    };
    assert_eq!((upstream.retries, upstream.retry_wait.as_secs()), (3, 2));
}

#[test]
fn a_key_among_certificates_is_a_fault() {
    let key = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n";
    let mut json = sample();
    json["settings"] = serde_json::json!({ "http_ca_certs": key });
    json["integrations"][0]["application"]["pinned_ca"] = key.into();
    let faults = check(json).unwrap_err().to_string();
    for path in [
        "settings.http_ca_certs",
        "integrations[0].application.pinned_ca",
    ] {
        assert!(
            faults.contains(&format!("{path}: there is a private key in it")),
            "{faults}"
        );
    }
}

#[test]
fn a_log_that_cannot_be_written_is_a_fault() {
    let long = format!("/{}", "x".repeat(4_000));
    for (log, want) in [
        (serde_json::json!({}), None),
        (
            serde_json::json!({"dir": "/var/log/cs", "max_files": 1_000}),
            None,
        ),
        (
            serde_json::json!({"dir": ""}),
            Some("settings.log.dir: it is empty"),
        ),
        (
            serde_json::json!({"dir": "/var/log\n"}),
            Some("settings.log.dir: a folder's name has no control characters"),
        ),
        (
            serde_json::json!({"dir": long}),
            Some("settings.log.dir: it has 4001 octets, more than 3000"),
        ),
        (
            serde_json::json!({"max_files": 1_001}),
            Some("settings.log.max_files: 1001 is more than 1000"),
        ),
    ] {
        let mut json = sample();
        json["settings"] = serde_json::json!({ "log": log });
        match (check(json), want) {
            (Ok(_), None) => {}
            (Err(faults), Some(want)) => assert!(faults.to_string().contains(want), "{faults}"),
            (checked, want) => panic!("{want:?}: {checked:?}"),
        }
    }
}

#[test]
fn names_every_fault_by_its_path() {
    let mut json = sample();
    json["revision"] = 0.into();
    json["authenticators"][1]["kind"]["radius"]["hosts"] = serde_json::json!([]);
    json["integrations"][0]["port"] = 0.into();
    json["integrations"][0]["clients"][0]["address"] = "vpn".into();
    json["integrations"][0]["append"] =
        serde_json::json!({"allow": true, "delimiter": "a", "password_length": 0});
    let faults = check(json).unwrap_err();
    let paths: Vec<_> = faults.0.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "revision",
            "authenticators[1].hosts",
            "integrations[0].port",
            "integrations[0].clients[0].address",
            "integrations[0].append.delimiter",
            "integrations[0].append.password_length",
        ]
    );
}

#[test]
fn refuses_what_cannot_be_served() {
    type Change = fn(&mut serde_json::Value);
    let cases: &[(&str, Change, &str)] = &[
        (
            "an authenticator that is not there",
            |j| j["integrations"][0]["authenticator"] = "ad_client".into(),
            "integrations[0].authenticator: there is no authenticator 'ad_client'",
        ),
        (
            "eap over duo_only_client",
            |j| {
                j["integrations"][0]["mode"] = "eap".into();
                j["integrations"][0]["eap"] =
                    serde_json::json!({"certificates": "c", "private_key": "k"});
            },
            "integrations[0].authenticator: mode eap needs a directory or a RADIUS server to check passwords",
        ),
        (
            "no factor",
            |j| j["integrations"][0]["factors"] = serde_json::json!([]),
            "integrations[0].factors: at least one of auto, push, phone, sms, passcode",
        ),
        (
            "suites of TLS 1.2 over a floor of 1.3",
            |j| {
                j["integrations"][0]["mode"] = "eap".into();
                j["integrations"][0]["authenticator"] = "radius_client".into();
                j["integrations"][0]["eap"] = serde_json::json!({
                    "certificates": "c", "private_key": "k", "minimum_tls": "tls1.3",
                    "cipher_suites": ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]});
            },
            "integrations[0].eap.cipher_suites: none of them is of tls1.3 or later",
        ),
        (
            "sms where nothing is asked",
            |j| {
                j["integrations"][0]["mode"] = "duo_only".into();
                j["integrations"][0]["factors"] = serde_json::json!(["sms"]);
            },
            "integrations[0].factors: mode duo_only cannot ask for the code that an SMS brings; \
             leave sms out, or use mode challenge",
        ),
        (
            "sms in mode auto",
            |j| j["integrations"][0]["factors"] = serde_json::json!(["push", "sms"]),
            "integrations[0].factors: mode auto cannot ask for the code that an SMS brings; leave \
             sms out, or use mode challenge",
        ),
        (
            "one client address twice on a port",
            |j| {
                let mut second = j["integrations"][0].clone();
                second["id"] = "radius_server_auto2".into();
                second["listen"] = "127.0.0.1".into();
                j["integrations"].as_array_mut().unwrap().push(second);
            },
            "integrations[1].clients[0].address: 10.0.0.0/24 is integrations[0].clients[0] on port 1812 already",
        ),
        (
            "ranges of one length that overlap",
            |j| {
                j["integrations"][0]["clients"] = serde_json::json!([
                    {"address": "10.0.0.3-10.0.0.6", "secret": "s"},
                    {"address": "10.0.0.1-10.0.0.4", "secret": "s"},
                    {"address": "10.0.0.3", "secret": "s"},
                    {"address": "10.0.0.0/24", "secret": "s"},
                ]);
            },
            "integrations[0].clients[1].address: 10.0.0.1-10.0.0.4 overlaps 10.0.0.3-10.0.0.6 of \
             integrations[0].clients[0] on port 1812, and neither is the narrower",
        ),
        (
            "one id twice",
            |j| {
                let mut second = j["integrations"][0].clone();
                second["port"] = 1813.into();
                j["integrations"].as_array_mut().unwrap().push(second);
            },
            "integrations[1].id: 'radius_server_auto' is integrations[0] already",
        ),
    ];
    for (name, change, want) in cases {
        let mut json = sample();
        change(&mut json);
        assert_eq!(check(json).unwrap_err().to_string(), *want, "{name}");
    }
}

#[test]
fn mode_challenge_takes_every_factor() {
    let mut json = sample();
    json["integrations"][0]["mode"] = "challenge".into();
    json["integrations"][0]["factors"] =
        serde_json::json!(["passcode", "sms", "phone", "push", "auto"]);
    let snapshot = check(json).unwrap();
    let want: Vec<_> = FactorChoice::ALL.iter().rev().copied().collect();
    assert_eq!(snapshot.integrations[0].factors, want);
}

#[test]
fn mode_eap_tells_factors_not_written_from_auto_and_has_suites_of_a_version_it_may_use() {
    let suites = |suites: serde_json::Value, floor: &str| {
        let mut json = sample();
        let one = &mut json["integrations"][0];
        one["mode"] = "eap".into();
        one["authenticator"] = "radius_client".into();
        one["factors"] = serde_json::json!([]);
        one["eap"] = serde_json::json!({"certificates": "c", "private_key": "k",
            "minimum_tls": floor, "cipher_suites": suites});
        let snapshot = check(json).unwrap();
        assert!(snapshot.integrations[0].factors.is_empty());
        snapshot.integrations[0].eap.clone().unwrap().cipher_suites
    };
    let [first, .., last] = CipherSuite::ALL else {
        panic!("several suites")
    };
    assert_eq!(suites(serde_json::json!([]), "tls1.3"), []);
    assert_eq!(suites(serde_json::json!([last]), "tls1.2"), [*last]);
    let both = serde_json::json!([last, first]);
    assert_eq!(
        suites(both, "tls1.3"),
        [*last, *first],
        "in the order given"
    );
}

#[test]
fn debug_output_holds_no_secret() {
    let mut json = sample();
    json["integrations"][0]["clients"][0]["secret"] = "PLANTED-1".into();
    json["integrations"][0]["application"]["skey"] = "PLANTED-2".into();
    json["authenticators"][1]["kind"]["radius"]["secret"] = "PLANTED-3".into();
    let raw: raw::Snapshot = serde_json::from_value(json.clone()).unwrap();
    let text = format!("{raw:?} {:?}", check(json).unwrap());
    assert!(!text.contains("PLANTED"), "{text}");
}

#[test]
fn an_unknown_field_is_refused_not_ignored() {
    let mut json = sample();
    json["integrations"][0]["require_blood_sample"] = true.into();
    assert!(serde_json::from_value::<raw::Snapshot>(json).is_err());
}

#[test]
fn many_clients_are_compared_in_good_time() {
    let place = |number: u32| ClientPlace {
        port: 1812,
        listen: None,
        address: AddressRange::single(std::net::Ipv4Addr::from(number).into()),
    };
    let mut places: Vec<_> = (0..100_000).map(place).collect();
    assert!(ambiguous_clients(&places).is_empty());
    places.push(place(7));
    assert_eq!(ambiguous_clients(&places), BTreeMap::from([(100_000, 7)]));
}

proptest! {
    #[test]
    fn a_client_is_ambiguous_exactly_when_comparing_all_pairs_says_so(
        clients in proptest::collection::vec((0_u8..2, 0_u8..3, 0_u8..12, 0_u8..4), 0..12),
    ) {
        let places: Vec<_> = clients
            .into_iter()
            .map(|(port, listen, first, span)| ClientPlace {
                port: 1812 + u16::from(port),
                listen: (listen > 0).then(|| IpAddr::from([127, 0, 0, listen])),
                address: format!("10.0.0.{first}-10.0.0.{}", first + span).parse().unwrap(),
            })
            .collect();
        let clash = |a: &ClientPlace, b: &ClientPlace| {
            a.port == b.port
                && (a.listen.is_none() || b.listen.is_none() || a.listen == b.listen)
                && a.address.span() == b.address.span()
                && a.address.overlaps(&b.address)
        };
        let found = ambiguous_clients(&places);
        for (later, first) in &found {
            prop_assert!(first < later && clash(&places[*first], &places[*later]));
        }
        let any = (0..places.len()).any(|b| (0..b).any(|a| clash(&places[a], &places[b])));
        prop_assert_eq!(found.is_empty(), !any);
    }
}
