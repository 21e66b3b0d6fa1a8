//! Faults between options and sections, and of the file as a whole.

use super::severity::{SECOND, expect, file, said};
use super::*;

#[test]
fn what_a_client_option_names_must_exist_although_nobody_follows_it() {
    let duo_only = "[radius_server_duo_only]\nikey=DIZ\nskey=x\napi_host=api.example.com\n\
        failmode=secure\nradius_ip_1=10.0.0.9\nradius_secret_1=x\n";
    for (claim, main, server, rest, want) in [
        (
            "main, with every section naming its own",
            "client=nowhere",
            "client=radius_client",
            String::new(),
            "error: [main] client: there is no client section [nowhere]",
        ),
        (
            "main, with several sections that inherit it",
            "client=nowhere",
            "",
            format!("{SECOND}radius_ip_1=::1\nradius_secret_1=x\n")
                .replace("client=radius_client\n", ""),
            "error: [main] client: there is no client section [nowhere]",
        ),
        (
            "duo_only",
            "",
            "",
            format!("{duo_only}client=nowhere\n"),
            "error: [radius_server_duo_only] client: there is no client section [nowhere]",
        ),
        (
            "duo_only, one that exists",
            "",
            "",
            format!("{duo_only}client=radius_client\n"),
            "warning: [radius_server_duo_only] client: this mode checks no password",
        ),
    ] {
        expect(&run(&file(main, "", server, &rest)), claim, want);
    }
}

#[test]
fn ranges_of_one_length_that_overlap_are_an_error() {
    let two = |first: &str, second: &str| {
        let server = format!("radius_ip_2={first}\nradius_secret_2=x");
        run(&file(
            "",
            "",
            &server,
            &format!("{SECOND}radius_ip_1={second}\nradius_secret_1=x\n"),
        ))
    };
    expect(
        &two("10.0.1.1-10.0.1.4", "10.0.1.3-10.0.1.6"),
        "overlap",
        "error: [radius_server_auto2] radius_ip_1: 10.0.1.3-10.0.1.6 overlaps 10.0.1.1-10.0.1.4, \
         a client on port 1812 on line 13 in [radius_server_auto], and neither is the narrower",
    );
    for (first, second) in [
        ("10.0.1.1-10.0.1.4", "10.0.1.5-10.0.1.8"),
        ("10.0.1.1-10.0.1.4", "10.0.1.3-10.0.1.5"),
    ] {
        assert_eq!(two(first, second).diagnostics, [], "{first} {second}");
    }
}

#[test]
fn a_file_that_others_can_write_gets_a_word() {
    let text = file("", "", "", "");
    let report = run_octets(text.as_bytes(), &files(), Some(0o602));
    let want = "warning: others can write the file, and so say who is let in";
    expect(&report, "others can write", want);
    let both = run_octets(text.as_bytes(), &files(), Some(0o666));
    assert_eq!(said(&both).len(), 2);
}

#[test]
fn options_below_a_refused_header_are_checked_where_its_kind_is_known() {
    for (header, want) in [
        ("[main]", "error: [main]: this section stands on line 1"),
        ("[ main ]", "error: [ main ]: there is no such section"),
    ] {
        let found = said(&run(&file("", "", "", &format!("{header}\ndebug=perhaps"))));
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found[0].starts_with(want), "{found:#?}");
        assert!(
            found[1].starts_with("error: [main] debug: 'perhaps'"),
            "{found:#?}"
        );
    }
}

#[test]
fn exempt_users_without_a_password_get_a_word() {
    let duo_only = "[radius_server_duo_only]\nikey=DIZ\nskey=x\napi_host=api.example.com\n\
        failmode=secure\nradius_ip_1=10.0.0.9\nradius_secret_1=x\nexempt_username_1=svc\n";
    let report = run(&file("", "", "", duo_only));
    expect(
        &report,
        "the password field is the factor",
        "warning: [radius_server_duo_only] exempt_username_1: 'svc' would be let in with any \
         password, so this option has no effect here",
    );
    assert!(snapshot(&report).integrations[1].exempt_users.is_empty());
    let server = "failmode=secure\nclient=duo_only_client\nexempt_username_2=svc";
    let report = run(&file("", "", server, "[duo_only_client]"));
    expect(
        &report,
        "the device has checked the password",
        "warning: [radius_server_auto] exempt_username_2: no password is checked here: 'svc' is \
         let in with any password",
    );
    assert_eq!(snapshot(&report).integrations[0].exempt_users, ["svc"]);
    let checked = run(&file("", "", "exempt_username_1=svc", ""));
    assert_eq!(checked.diagnostics, []);
}

#[test]
fn one_built_in_application_has_one_secret_key() {
    let two = |host: &str, skey: &str| {
        let text = format!(
            "{SECOND}radius_ip_1=10.0.0.2\nradius_secret_1=x\n[radius_server_auto3]\nikey=DIY\n\
             client=radius_client\napi_host={host}\nskey={skey}\nradius_ip_1=10.0.0.3\n\
             radius_secret_1=x\n"
        );
        run(&file("", "", "", &text.replace("api.example.com", host)))
    };
    expect(
        &two("builtin", "hunter2-third"),
        "two secret keys",
        "error: [radius_server_auto3] skey: [radius_server_auto2] has the same ikey on this \
         installation, and another skey on line 17",
    );
    assert_eq!(two("builtin", "hunter2-second").diagnostics, []);
    assert_eq!(two("api.example.com", "hunter2-third").diagnostics, []);
}

#[test]
fn findings_beyond_a_thousand_are_counted_and_errors_come_first() {
    let unknown: String = (0..3_000).map(|n| format!("wibble_{n}=x\n")).collect();
    let report = run(&file("", &unknown, "port=x", ""));
    assert_eq!(count(&report.diagnostics).errors, 1);
    assert_eq!(report.diagnostics.len(), 1_000);
    let last = report.diagnostics.last().unwrap();
    assert_eq!(last.message, "and 2002 more findings");
    assert_eq!(last.severity, Severity::Warning);
    let bad: String = (2..3_000).map(|n| format!("radius_ip_{n}=x\n")).collect();
    let report = run(&file("", &unknown, &bad, ""));
    assert_eq!(count(&report.diagnostics).errors, 1_000);
    assert!(report.imported.is_none());
}

#[test]
fn a_large_bad_file_is_read_in_good_time() {
    let halves: String = (2..20_000)
        .map(|n| format!("radius_ip_{n}=::{n:x}\n"))
        .collect();
    let sections: String = (2..5_000)
        .map(|n| format!("[duo_only_client{n}]\n[radius_server_auto{n}]\nclient=x{n}\n"))
        .collect();
    let report = run(&file("", "", &halves, &sections));
    assert_eq!(report.diagnostics.len(), 1_000);
    assert!(report.imported.is_none());
}
