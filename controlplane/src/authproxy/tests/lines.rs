//! What each line is said to have become is what it became.

use serde_json::Value;

use super::super::lines::{Fate, Line, Shown};
use super::*;

/// The lines of a good file, with the places that its configuration has.
fn told(text: &str) -> (Vec<Line>, Value) {
    let report = run(text);
    let imported = report
        .imported
        .unwrap_or_else(|| panic!("{}", super::super::text(&report.diagnostics)));
    let document = serde_json::to_value(imported.resolve(1, made)).unwrap();
    let mut lines = report.lines.told;
    let shown = Shown::new(&document);
    for line in &mut lines {
        line.settle(&shown);
    }
    (lines, document)
}

fn row(line: &Line, document: &Value) -> String {
    let shown = Shown::new(document);
    let places = line.places.iter().map(|place| {
        let value = place.find(&shown).unwrap().to_string();
        format!(" {place}={}", &value[..value.len().min(40)])
    });
    let places: String = places.collect();
    let default = if line.is_default { " (default)" } else { "" };
    let option = line.option.as_deref().unwrap_or("[]");
    format!("{} {option}: {:?}{default}{places}", line.number, line.fate)
}

#[test]
fn each_line_is_told_with_its_place_and_value() {
    let (lines, document) = told(
        "; comment\n\
         [main]\ninterface=192.0.2.7\ndebug=true\nlog_max_size=9\n\n\
         [radius_client]\nid=campus\nhost=10.1.0.1\nhost_3=10.1.0.3\nport_3=1645\nsecret=upstream\n\
         [radius_server_auto]\napi_host=api.example.com:8443\nikey=DI\nskey=sk\nport=1812\n\
         radius_ip_7=10.0.0.7\nradius_secret_7=seven\nradius_ip_2=10.0.0.2\nradius_secret_2=two\n\
         message_authenticator_7=require\nprot=1\nexempt_username_3=svc\nclient_ip_attr=Class\n",
    );
    let shown: Vec<_> = lines.iter().map(|line| row(line, &document)).collect();
    let server = "integrations[radius_server_auto]";
    let host = "authenticators[campus].kind.radius";
    let want = [
        "2 []: Set".to_owned(),
        format!("3 interface: Set {server}.listen=\"192.0.2.7\""),
        "4 debug: Set settings.debug=true".to_owned(),
        "5 log_max_size: Set settings.log.max_size_octets=9".to_owned(),
        "7 []: Set authenticators[campus].kind={\"radius\":{\"hosts\":[{\"name\":\"10.1.0.1\",\""
            .to_owned(),
        "8 id: Set authenticators[campus].id=\"campus\"".to_owned(),
        format!("9 host: Set {host}.hosts[0].name=\"10.1.0.1\""),
        format!("10 host_3: Set {host}.hosts[1].name=\"10.1.0.3\""),
        format!("11 port_3: Set {host}.hosts[1].port=1645"),
        format!("12 secret: Set {host}.secret=\"upstream\""),
        format!("13 []: Set {server}.mode=\"auto\""),
        format!(
            "14 api_host: Set {server}.application.host=\"api.example.com\" {server}.application.port=8443"
        ),
        format!("15 ikey: Set {server}.application.ikey=\"DI\""),
        format!("16 skey: Set {server}.application.skey=\"sk\""),
        format!("17 port: Set (default) {server}.port=1812"),
        format!("18 radius_ip_7: Set {server}.clients[1].address=\"10.0.0.7\""),
        format!("19 radius_secret_7: Set {server}.clients[1].secret=\"seven\""),
        format!("20 radius_ip_2: Set {server}.clients[0].address=\"10.0.0.2\""),
        format!("21 radius_secret_2: Set {server}.clients[0].secret=\"two\""),
        format!(
            "22 message_authenticator_7: Set {server}.clients[1].message_authenticator=\"require\""
        ),
        "23 prot: Ignored".to_owned(),
        format!("24 exempt_username_3: Set {server}.exempt_users[0]=\"svc\""),
        format!(
            "25 client_ip_attr: Set {server}.client_ip_attribute={{\"data_type\":\"octets\",\"name\":\"Class\",\"nu"
        ),
    ];
    for (shown, want) in shown.iter().zip(&want) {
        assert_eq!(shown, want);
    }
    assert_eq!(shown.len(), want.len());
    let header = &lines[10];
    assert_eq!(header.defaults.get("failmode"), Some(&"safe"));
    assert_eq!(header.defaults.get("port"), None, "it is written");
    assert_eq!(run("; c\n\n[main]\n").lines.silent, 2);
}

#[test]
fn a_bad_line_is_refused_and_what_may_be_a_secret_is_not_named() {
    let report = run(
        "stray=1\n[radius_server_auto]\nport=0\napi_host=builtin\nhunter2Hunter3==\n[nonsense]\nx=1\n\
         [cloud]\nikey=a\nskey=b\napi_host=c\n",
    );
    assert!(report.imported.is_none());
    let fates: Vec<_> = report
        .lines
        .told
        .iter()
        .map(|line| (line.number, line.fate))
        .collect();
    use Fate::{Ignored, Refused, Set};
    assert_eq!(
        fates,
        [
            (1, Refused),
            (2, Refused),
            (3, Refused),
            (4, Set),
            (5, Ignored),
            (6, Refused),
            (7, Refused),
            (8, Ignored),
            (9, Ignored),
            (10, Ignored),
            (11, Ignored),
        ],
        "{:#?}",
        report.lines.told
    );
    assert!(!format!("{:?}", report.lines).contains("unter2"));
    for line in &report.lines.told {
        assert_eq!(line.fate != Set, !line.why.is_empty(), "{line:?}");
    }
}

/// A line that is ignored could be left out; one that is set, and says not the default, could not.
#[track_caller]
fn holds(text: &str) {
    let (lines, document) = told(text);
    for line in lines.iter().filter(|line| line.option.is_some()) {
        let without: String = text
            .lines()
            .zip(1_u32..)
            .filter(|(_, number)| *number != line.number)
            .map(|(line, _)| format!("{line}\n"))
            .collect();
        let imported = run(&without).imported;
        let same = imported.as_ref().is_some_and(|imported| {
            serde_json::to_value(imported.resolve(1, made)).unwrap() == document
        });
        match line.fate {
            // What is needed in its section changes nothing in one that is not served.
            Fate::Ignored => assert!(same || imported.is_none(), "{line:?} in\n{text}"),
            Fate::Set if line.is_default || line.places.is_empty() => {}
            Fate::Set => {
                let redundant = redundant(line, &document);
                assert!(!same || redundant, "{line:?} in\n{text}");
            }
            fate => panic!("{fate:?}"),
        }
    }
}

/// A value that holds without its line for a reason that is not the option's own default.
fn redundant(line: &Line, document: &Value) -> bool {
    let option = line.option.as_deref().unwrap_or_default();
    let value = line.places[0].find(&Shown::new(document)).unwrap();
    match option {
        // The section's own name, and the only client section.
        "id" | "client" => true,
        // The default hangs on something else, or several spellings say the same.
        "port" => [389, 636, 1812].iter().any(|port| value == port),
        "interface" | "cipher_list" | "minimum_tls_version" => true,
        "factors" => value == &serde_json::json!(["auto"]),
        // What names nothing.
        "pass_through_attr_names" => value.as_array().is_some_and(Vec::is_empty),
        option if option.starts_with("message_authenticator") => value == "require",
        option => option.starts_with("ntlm_") || option.starts_with("host"),
    }
}

#[test]
fn no_line_of_the_examples_is_told_wrongly() {
    for text in [
        "[main]\ninterface=127.0.0.1\nclient=radius_client\nhttp_proxy_host=p\nhttp_proxy_port=3128\n\
         http_ca_certs_file=server.pem\nlog_stdout=true\nfips_mode=true\n[radius_client]\nhost=10.9.9.9\n\
         host_2=10.9.9.8\nport=1645\nport_2=1646\nport_5=9\nsecret=x\nretries=7\nretry_wait=3\n\
         nas_ip=192.0.2.5\npass_through_all=true\npw_codec=latin-1\nforce_message_authenticator=true\n\
         [radius_server_challenge]\napi_host=builtin\nradius_ip_1=10.0.0.1\nradius_secret_1=x\n\
         failmode=secure\nfactors=push,passcode\nprompt_format=html\nprompt_split=true\n\
         enroll_challenge=false\npasscode_retries=3\napi_timeout=20\npass_through_attr_names=Class\n\
         [radius_server_concat]\nport=1813\napi_host=builtin\nradius_ip_1=10.0.0.1\nradius_secret_1=x\n\
         delimiter=;\ndelimited_password_length=8\nforce_message_authenticator=true\n",
        "[ad_client]\nhost=dc1\nhost_2=dc2\nport=3269\nservice_account_username=u\n\
         service_account_password=p\nsearch_dn=DC=x\nsecurity_group_dn_2=CN=a,DC=x\n\
         security_group_dn_4=CN=b,DC=x\nnested_groups=true\nldap_filter=(a=b)\nusername_attribute=uid\n\
         at_attribute=mail\nauth_type=plain\nbind_dn=CN=u,DC=x\ntransport=ldaps\n\
         ssl_ca_certs_file=server.pem\nssl_verify_hostname=false\nssl_verify_depth=3\ntimeout=3\n\
         ntlm_domain=LAB\n[duo_only_client]\n[radius_server_eap]\nclient=ad_client\n\
         api_host=api.example.com\nikey=DI\nskey=s\nradius_ip_1=10.0.0.1\nradius_secret_1=x\n\
         certs=server.pem\npkey=server.key\nminimum_tls_version=tls1.3\nallow_concat=true\n\
         exempt_username_1=a\nexempt_username_9=b\ninterface=127.0.0.9\n\
         [radius_server_duo_only]\nport=1814\nclient=ad_client\napi_host=builtin\nradius_ip_1=10.0.0.1\n\
         radius_secret_1=x\nexempt_username_1=a\npass_through_all=true\n\
         [http_proxy]\napi_host=x\n",
    ] {
        holds(text);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_line_of_any_good_file_is_told_wrongly(
        sections in proptest::collection::vec(properties::section(), 0..3),
        options in proptest::collection::vec((0_usize..64, properties::value()), 0..8),
    ) {
        let known: Vec<_> = schema::options_of(schema::SectionKind::RadiusServerAuto)
            .filter(|option| !["ikey", "skey", "api_host", "radius_ip", "radius_secret"].contains(&option.name))
            .collect();
        let mut text = "[duo_only_client9]\n[radius_server_auto9]\nport=999\nclient=duo_only_client9\n\
            api_host=builtin\nradius_ip_1=10.0.0.1\nradius_secret_1=x\n".to_owned();
        for (index, value) in options {
            let name = known[index % known.len()].name;
            if !text.contains(&format!("\n{name}=")) {
                text.push_str(&format!("{name}={value}\n"));
            }
        }
        // As many of the others as make a good file.
        for section in sections {
            let more = format!("{text}{section}");
            if run(&more).imported.is_some() {
                text = more;
            }
        }
        if run(&text).imported.is_some() {
            holds(&text);
        }
    }
}
