//! `id`: what a section is called everywhere but in its file.

use super::severity::{SECOND, expect, file};
use super::*;

#[test]
fn a_section_has_the_id_that_it_names() {
    let report = run("\
[radius_client]
id=upstream.hq
host=192.0.2.1
secret=a
[duo_only_client]
id=radius_server_auto
[radius_server_auto]
id=vpn-Office_2
client=radius_client
api_host=builtin
radius_ip_1=10.0.0.1
radius_secret_1=one
failmode=secure
[radius_server_auto2]
client=duo_only_client
api_host=builtin
radius_ip_1=10.0.0.2
radius_secret_1=one
failmode=secure
");
    assert_eq!(report.diagnostics, []);
    let imported = report.imported.as_ref().unwrap();
    let builtin: Vec<_> = imported.builtin().iter().collect();
    assert_eq!(builtin[0].integration, "vpn-Office_2");
    let snapshot = snapshot(&report);
    let got: Vec<_> = snapshot
        .integrations
        .iter()
        .map(|one| {
            let client = one.authenticator.as_ref().unwrap();
            (one.id.as_str(), client.as_str(), &*one.application.ikey)
        })
        .collect();
    assert_eq!(
        got,
        [
            ("vpn-Office_2", "upstream.hq", "made-for-vpn-Office_2"),
            (
                "radius_server_auto2",
                "radius_server_auto",
                "made-for-radius_server_auto2"
            ),
        ]
    );
}

#[test]
fn an_id_is_one_thing_only_and_looks_like_one() {
    let served = format!("{SECOND}radius_ip_1=::1\nradius_secret_1=x\n");
    let other = "[duo_only_client]\n";
    for (claim, client, server, rest, want) in [
        (
            "a blank",
            "",
            "id=vpn office",
            "",
            "error: [radius_server_auto] id: 'vpn office' is no id; write 1 to 128 letters",
        ),
        (
            "nothing",
            "id=",
            "",
            "",
            "error: [radius_client] id: the value is empty; write 1 to 128 letters",
        ),
        (
            "the name of a later section",
            "",
            "id=radius_server_auto2",
            &*served,
            "error: [radius_server_auto] id: [radius_server_auto2] has this id already; write another id",
        ),
        (
            "the name of an earlier section",
            "",
            "",
            &*format!("{served}id=radius_server_auto\n"),
            "error: [radius_server_auto2] id: [radius_server_auto] has this id already",
        ),
        (
            "the id of another section",
            "",
            "id=vpn",
            &*format!("{served}id=vpn\n"),
            "error: [radius_server_auto2] id: [radius_server_auto] has this id already",
        ),
        (
            "the name of another client section",
            "id=duo_only_client",
            "client=radius_client",
            other,
            "error: [radius_client] id: [duo_only_client] has this id already",
        ),
    ] {
        expect(&run(&file("", client, server, rest)), claim, want);
    }
}
