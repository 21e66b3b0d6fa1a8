//! `[radius_server_eap]`: what arrives of its options, and which lists of ciphers it can be served
//! with.

use proto::config::{CipherSuite, FactorChoice, PassThrough, TlsVersion};

use super::severity::{DIRECTORY, expect, said};
use super::*;

/// A file with a section `[radius_server_eap]` that has these lines besides.
pub(super) fn eap(lines: &str) -> String {
    format!(
        "[radius_client]\nhost=192.0.2.1\nsecret=hunter2-upstream\n[radius_server_eap]\n\
         ikey=DIX\nskey=hunter2-skey\napi_host=api.example.com\nradius_ip_1=10.0.0.1\n\
         radius_secret_1=hunter2-nas\ncerts=server.pem\npkey=server.key\n{lines}\n"
    )
}

fn integration(text: &str) -> std::sync::Arc<proto::config::Integration> {
    snapshot(&run(text)).integrations[0].clone()
}

#[test]
fn a_section_of_defaults_is_served_splits_nothing_and_lets_the_user_choose() {
    assert_eq!(run(&eap("")).diagnostics, []);
    let one = integration(&eap(""));
    assert_eq!(one.id.as_str(), "radius_server_eap");
    assert_eq!(one.mode, Mode::Eap);
    let authenticator = one.authenticator.as_ref().unwrap();
    assert_eq!(authenticator.as_str(), "radius_client");
    assert_eq!(one.append, Append::Never);
    assert_eq!(one.factors, []);
    let tls = one.eap.as_ref().unwrap();
    assert_eq!(tls.certificates, include_str!("server.pem"));
    assert_eq!(tls.private_key.expose(), include_str!("server.key"));
    assert_eq!(tls.minimum_tls, TlsVersion::Tls12);
    assert_eq!(tls.cipher_suites, []);
}

#[test]
fn of_a_file_with_the_key_in_it_the_certificates_alone_are_shown() {
    let (chain, key) = (include_str!("server.pem"), include_str!("server.key"));
    let both = format!("A comment\n{key}{chain}{key}");
    let files = files().with("conf/both.pem", both.as_str());
    let text = eap("").replace(
        "certs=server.pem\npkey=server.key",
        "certs=both.pem\npkey=both.pem",
    );
    let report = run_with(&text, &files);
    let tls = snapshot(&report).integrations[0].eap.clone().unwrap();
    assert_eq!(tls.certificates, chain);
    assert!(tls.private_key.expose().contains("PRIVATE KEY"));
}

#[test]
fn every_option_of_the_section_arrives() {
    let text = eap(
        "port=1645\ninterface=192.0.2.7\nfailmode=Secure\napi_timeout=30\npw_codec=latin-1\n\
         client_ip_attr=paloalto\npass_through_attr_names=Class\nexempt_username_1=svc\n\
         force_message_authenticator=yes\nfactors=Push,passcode,push\npasscode_retries=2\n\
         allow_concat=on\ndelimiter=;\ndelimited_password_length=8\nminimum_tls_version=TLS1.3\n\
         cipher_list=TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:HIGH",
    );
    assert_eq!(super::super::text(&run(&text).diagnostics), "");
    let one = integration(&text);
    assert_eq!(
        (one.port, one.listen, one.fail_mode),
        (1645, Some("192.0.2.7".parse().unwrap()), FailMode::Secure)
    );
    assert_eq!(one.api_timeout.unwrap().as_secs(), 30);
    assert_eq!(one.password_codec, proto::config::PasswordCodec::Latin1);
    assert_eq!(one.client_ip_attribute.as_ref().unwrap().number, 7);
    assert_eq!(one.pass_through.attributes[0].name, "Class");
    assert_eq!(one.exempt_users, ["svc"]);
    assert_eq!(
        one.clients[0].message_authenticator,
        MessageAuthenticator::Require
    );
    assert_eq!(one.factors, [FactorChoice::Push, FactorChoice::Passcode]);
    assert_eq!(one.prompt.passcode_retries, 2);
    let want = Append::FixedLength {
        password_length: 8.try_into().unwrap(),
        delimiter: ";".to_owned(),
    };
    assert_eq!(one.append, want);
    let tls = one.eap.as_ref().unwrap();
    assert_eq!(tls.minimum_tls, TlsVersion::Tls13);
    assert_eq!(
        tls.cipher_suites,
        [CipherSuite::Aes128GcmSha256, CipherSuite::Aes256GcmSha384],
        "of the versions that are offered"
    );
}

#[test]
fn factors_that_are_written_are_told_from_those_that_are_not() {
    for (lines, want) in [
        ("", &[][..]),
        ("allow_concat=true", &[]),
        ("factors=auto", &[FactorChoice::Auto]),
        ("factors=passcode", &[FactorChoice::Passcode]),
    ] {
        assert_eq!(integration(&eap(lines)).factors, want, "{lines}");
    }
}

#[test]
fn only_a_client_section_that_checks_passwords_will_do() {
    let report = run(&eap("client=duo_only_client\n[duo_only_client]"));
    let want = "error: [radius_server_eap] client: EAP needs a client section that checks \
                passwords; name an [ad_client] or a [radius_client]";
    expect(&report, "duo_only_client", want);
    let text = eap(&format!("client=ad_client\n{DIRECTORY}"));
    assert_eq!(run(&text).diagnostics, []);
    let one = integration(&text);
    assert_eq!(one.authenticator.as_ref().unwrap().as_str(), "ad_client");
}

#[test]
fn both_files_are_needed() {
    for (missing, line) in [
        ("certs", "certs=server.pem\n"),
        ("pkey", "pkey=server.key\n"),
    ] {
        let report = run(&eap("").replace(line, ""));
        let want = format!("error: [radius_server_eap] {missing}: this option is missing");
        expect(&report, missing, &want);
    }
}

#[test]
fn what_changes_nothing_gets_a_word() {
    for (lines, want) in [
        (
            "delimiter=:",
            "delimiter: without allow_concat=true nothing is split here, and this option has no \
             effect; remove it, or write allow_concat=true",
        ),
        (
            "delimited_password_length=8",
            "delimited_password_length: without allow_concat=true nothing is split here",
        ),
        (
            "allow_concat=false\ndelimited_password_length=8",
            "delimited_password_length: allow_concat=false: nothing is split",
        ),
        (
            "factors=push\npasscode_retries=1",
            "passcode_retries: nobody is asked for a passcode here, so this option has no effect; \
             write passcode among the factors, as in factors=push,passcode, or remove this line",
        ),
        (
            "allow_concat=true\npasscode_retries=1",
            "passcode_retries: nobody is asked for a passcode here",
        ),
        (
            "prompt_format=short",
            "prompt_format: this section has no such option, it is ignored; remove it: it is an \
             option of [radius_server_challenge]",
        ),
        (
            "client=ad_client\npass_through_all=true",
            "pass_through_all: this option has no effect without a [radius_client]",
        ),
        (
            "minimum_tls_version=TLS1.0",
            "minimum_tls_version: tls1.0 is broken, tls1.2 is the lowest version that is offered; \
             write tls1.2 or tls1.3",
        ),
        (
            "message_authenticator_1=off",
            "message_authenticator_1: EAP always needs a Message-Authenticator, so 'off' admits \
             nothing here; remove it",
        ),
    ] {
        let directory = if lines.contains("ad_client") {
            DIRECTORY
        } else {
            ""
        };
        let report = run(&eap(&format!("{lines}\n{directory}")));
        let want = format!("warning: [radius_server_eap] {want}");
        expect(&report, lines, &want);
    }
    for lines in [
        "passcode_retries=1",
        "factors=passcode\npasscode_retries=1",
        "factors=passcode,push",
        "allow_concat=true\nfactors=passcode\npasscode_retries=1\ndelimiter=:",
        "pass_through_all=true",
        "message_authenticator_1=require",
    ] {
        assert_eq!(run(&eap(lines)).diagnostics, [], "{lines}");
    }
    assert_eq!(
        integration(&eap("pass_through_all=true")).pass_through,
        PassThrough {
            all: true,
            attributes: Vec::new()
        }
    );
}

const ECDSA: &str = "write some of ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:\
    ECDHE-ECDSA-CHACHA20-POLY1305; or minimum_tls_version=tls1.3 to do without TLS 1.2";

#[test]
fn of_versions_that_are_as_near_the_highest_is_named() {
    let want = "error: [radius_server_eap] minimum_tls_version: 'tls1.4' is no value of this option; \
                did you mean 'tls1.3'? write one of tls1.3, tls1.2, tls1.1, tls1.0, ssl3";
    expect(&run(&eap("minimum_tls_version=tls1.4")), "tls1.4", want);
}

#[test]
fn a_list_of_ciphers_must_leave_a_suite_of_the_lowest_version_for_the_key() {
    for (lines, want) in [
        (
            "cipher_list=HIHG:!MD5",
            "'HIHG' is no word of a list of ciphers; did you mean 'HIGH'?".to_owned(),
        ),
        (
            "cipher_list=TLSv1.3",
            format!("it leaves no suite of TLS 1.2; {ECDSA}"),
        ),
        (
            "cipher_list=ALL:!ECDHE",
            format!("it leaves no suite of TLS 1.2; {ECDSA}"),
        ),
        (
            "cipher_list=ECDHE-RSA-AES256-GCM-SHA384:ECDHE+aRSA",
            format!(
                "none of its suites of TLS 1.2 can be used with the certificate, which has an \
                 ECDSA key; {ECDSA}"
            ),
        ),
        (
            "cipher_list=ALL:!TLSv1.3\nminimum_tls_version=tls1.3",
            "no suite of TLS 1.3 is left, and minimum_tls_version=tls1.3 allows no others; remove \
             what rules them out, or write TLSv1.3"
                .to_owned(),
        ),
    ] {
        let want = format!("error: [radius_server_eap] cipher_list: {want}");
        expect(&run(&eap(lines)), lines, &want);
    }
    // Without a certificate any suite might do.
    let report = run(&eap("cipher_list=aRSA").replace("certs=server.pem", "certs=gone"));
    assert_eq!(said(&report).len(), 1, "{:#?}", said(&report));
}

#[test]
fn a_list_of_ciphers_arrives_resolved() {
    use CipherSuite as C;
    let newer = [
        C::Aes256GcmSha384,
        C::Chacha20Poly1305Sha256,
        C::Aes128GcmSha256,
    ];
    for (lines, want) in [
        (
            "cipher_list=ECDSA+AES128:ECDSA+AES256:!RC4",
            [
                &newer[..],
                &[C::EcdheEcdsaAes128GcmSha256, C::EcdheEcdsaAes256GcmSha384],
            ]
            .concat(),
        ),
        (
            "cipher_list=ECDSA+AES128:!TLSv1.3",
            vec![C::EcdheEcdsaAes128GcmSha256],
        ),
        (
            "cipher_list=TLSv1.3\nminimum_tls_version=tls1.3",
            newer.to_vec(),
        ),
        (
            "cipher_list=aRSA\nminimum_tls_version=tls1.3",
            newer.to_vec(),
        ),
    ] {
        assert_eq!(run(&eap(lines)).diagnostics, [], "{lines}");
        let one = integration(&eap(lines));
        assert_eq!(one.eap.as_ref().unwrap().cipher_suites, want, "{lines}");
    }
}

#[test]
fn words_without_a_counterpart_are_named_and_the_rest_is_served() {
    let other = "EXP-RC4-MD5:RC4-SHA:RC4-MD5:NULL-MD5:SEED-SHA:IDEA-CBC-SHA:DES-CBC-SHA:PSK-NULL-SHA:\
                 AES256-CCM:AES128-CCM:AES256-SHA";
    for (lines, want) in [
        (
            "cipher_list=HIGH:AES256-SHA:kRSA:!aNULL".to_owned(),
            "no suite that there is here is meant by: AES256-SHA, kRSA; remove them, and see that \
             no supplicant needs them",
        ),
        (
            format!("cipher_list=ALL:{other}"),
            "no suite that there is here is meant by: AES128-CCM, AES256-CCM, AES256-SHA, \
             DES-CBC-SHA, EXP-RC4-MD5, IDEA-CBC-SHA, NULL-MD5, PSK-NULL-SHA, RC4-MD5, RC4-SHA, \
             and 1 more;",
        ),
        (
            "cipher_list=HIGH:@SECLEVEL=3".to_owned(),
            "@SECLEVEL=3 only chooses suites here: no key is held to its sizes; see to",
        ),
    ] {
        let want = format!("warning: [radius_server_eap] cipher_list: {want}");
        expect(&run(&eap(&lines)), &lines, &want);
    }
    assert_eq!(run(&eap("cipher_list=DEFAULT@SECLEVEL=2")).diagnostics, []);
}

#[test]
fn a_section_shows_what_is_new_about_eap() {
    let always = [
        "allow_concat in [radius_server_eap]",
        "method of EAP",
        "TLS of EAP",
        "user of EAP",
        "fragments of EAP",
        "a failed login over EAP",
        "duplicates during EAP",
    ];
    for (lines, menu, asks, factors, ciphers) in [
        ("", true, true, false, false),
        ("cipher_list=HIGH", true, true, false, true),
        ("factors=push", false, false, true, false),
        ("factors=push,passcode", false, true, true, false),
        ("allow_concat=true", false, false, false, false),
    ] {
        let found = run(&eap(lines)).differences;
        let has = |subject| found.iter().any(|one| one.subject == subject);
        for subject in always {
            assert!(has(subject), "{lines}: {subject}");
        }
        assert_eq!(has("menu of [radius_server_eap]"), menu, "{lines}");
        assert_eq!(has("an empty answer to a prompt"), asks, "{lines}");
        assert_eq!(has("factors in [radius_server_eap]"), factors, "{lines}");
        assert_eq!(has("cipher_list"), ciphers, "{lines}");
        assert!(!has("State of a challenge"), "{lines}");
    }
}
