//! `[radius_server_challenge]`, and the options that say how a factor is asked for, wherever they
//! stand.

use proto::config::{FactorChoice, Prompt, PromptFormat};

use super::severity::{EAP, expect, file, said};
use super::*;

/// A file with a section `[radius_server_challenge]` that has these lines besides.
fn challenge(lines: &str) -> String {
    format!(
        "[radius_client]\nhost=192.0.2.1\nsecret=hunter2-upstream\n[radius_server_challenge]\n\
         ikey=DIX\nskey=hunter2-skey\napi_host=api.example.com\nradius_ip_1=10.0.0.1\n\
         radius_secret_1=hunter2-nas\n{lines}\n"
    )
}

fn integration(text: &str) -> std::sync::Arc<proto::config::Integration> {
    snapshot(&run(text)).integrations[0].clone()
}

#[test]
fn a_section_of_defaults_is_served_and_splits_nothing() {
    assert_eq!(run(&challenge("")).diagnostics, []);
    let one = integration(&challenge(""));
    assert_eq!(one.id.as_str(), "radius_server_challenge");
    assert_eq!(one.mode, Mode::Challenge);
    assert_eq!(
        one.authenticator.as_ref().unwrap().as_str(),
        "radius_client"
    );
    assert_eq!(one.append, Append::Never);
    assert_eq!(one.factors, [FactorChoice::Auto]);
    assert_eq!(one.prompt, Prompt::default());
}

#[test]
fn every_option_of_the_section_arrives() {
    let text = challenge(
        "port=1645\ninterface=192.0.2.7\nfailmode=Secure\napi_timeout=30\npw_codec=latin-1\n\
         client_ip_attr=paloalto\npass_through_attr_names=Class\nexempt_username_1=svc\n\
         force_message_authenticator=yes\nfactors= Push, SMS,passcode,push\nprompt_format=HTML\n\
         enroll_challenge=off\nprompt_split=1\npasscode_retries=2",
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
    assert_eq!(
        one.factors,
        [
            FactorChoice::Push,
            FactorChoice::Sms,
            FactorChoice::Passcode
        ]
    );
    let want = Prompt {
        format: PromptFormat::Html,
        enroll_challenge: false,
        split: true,
        passcode_retries: 2,
    };
    assert_eq!(one.prompt, want);
}

#[test]
fn bad_values_are_errors() {
    for (lines, want) in [
        (
            "factors=push,smss",
            "factors: 'smss' is no factor; did you mean 'sms'? write auto, push, phone, sms, \
             passcode, between commas",
        ),
        (
            "factors=,",
            "factors: names no factor; write auto, push, phone, sms, passcode, between commas",
        ),
        (
            "prompt_format=htlm",
            "prompt_format: 'htlm' is no value of this option; did you mean 'html'?",
        ),
        (
            "prompt_split=perhaps",
            "prompt_split: 'perhaps' is neither true nor false",
        ),
        (
            "enroll_challenge=perhaps",
            "enroll_challenge: 'perhaps' is neither true nor false",
        ),
        (
            "passcode_retries=256",
            "passcode_retries: '256' is out of range; write a whole number from 0 to 255",
        ),
        (
            "passcode_retries=-1\nfactors=push",
            "passcode_retries: '-1' is out of range",
        ),
    ] {
        let report = run(&challenge(lines));
        let want = format!("error: [radius_server_challenge] {want}");
        expect(&report, lines, &want);
    }
}

#[test]
fn sms_is_a_factor_of_no_other_section_and_the_fault_says_of_which() {
    let ldap = "[ad_client]\nhost=dc\nservice_account_username=u\nservice_account_password=p\n\
        search_dn=DC=x\n[ldap_server_auto]\nikey=x\nskey=y\napi_host=a.example.com\n\
        client=ad_client\nfactors=SMS\n";
    for (section, server, rest) in [
        ("radius_server_auto", "factors=push, Sms", String::new()),
        (
            "radius_server_eap",
            "",
            format!("{EAP}certs=server.pem\npkey=server.key\nfactors=sms,passcode"),
        ),
        ("ldap_server_auto", "client=radius_client", ldap.to_owned()),
    ] {
        let report = run(&file("", "", server, &rest));
        let errors: Vec<_> = said(&report)
            .into_iter()
            .filter(|one| one.starts_with("error"))
            .collect();
        assert_eq!(errors.len(), 1, "{section}: {errors:#?}");
        let (before, after) = errors[0].split_once("' is ").unwrap();
        assert!(
            before.eq_ignore_ascii_case(&format!("error: [{section}] factors: 'sms")),
            "{before}"
        );
        assert_eq!(
            after,
            "a factor of [radius_server_challenge] only, where the code that it brings is asked \
             for; write auto, push, phone, passcode, between commas, or use \
             [radius_server_challenge]"
        );
        assert!(report.imported.is_none());
    }
}

#[test]
fn what_changes_nothing_gets_a_word() {
    for (lines, want) in [
        (
            "factors=push,auto,sms",
            "factors: auto offers every factor, so it changes nothing to write push,sms beside \
             it; write factors=auto, or to offer nothing else, leave auto out: push,sms",
        ),
        (
            "factors=push,sms",
            "factors: sms sends passcodes, and without passcode none of them is accepted; write \
             passcode too, or remove sms",
        ),
        (
            "factors=push,phone\npasscode_retries=1",
            "passcode_retries: no passcode is accepted here, so this option has no effect; write \
             passcode among the factors, or remove this line",
        ),
        (
            "delimiter=:",
            "delimiter: this section has no such option, it is ignored; remove it: it is \
             an option of [radius_server_auto]",
        ),
        (
            "allow_concat=false",
            "allow_concat: this section has no such option, it is ignored; remove it: it is \
             an option of [radius_server_auto]",
        ),
        (
            "delimited_password_length=8",
            "delimited_password_length: this section has no such option, it is ignored; remove it: it is \
             an option of [radius_server_auto]",
        ),
    ] {
        let report = run(&challenge(lines));
        let want = format!("warning: [radius_server_challenge] {want}");
        expect(&report, lines, &want);
    }
    for (lines, want) in [
        (
            "factors=push,passcode,auto,phone",
            "factors: a passcode can be asked of every user, so what stands behind it is never \
             used: auto,phone; write passcode as the last one, or remove what stands behind it",
        ),
        (
            "passcode_retries=3",
            "passcode_retries: nobody is asked for a passcode here, so this option has no effect; \
             write passcode among the factors, as in factors=auto,passcode, or remove this line",
        ),
        (
            "factors=push,phone\npasscode_retries=3",
            "passcode_retries: nobody is asked for a passcode here",
        ),
    ] {
        let report = run(&file("", "", lines, ""));
        expect(
            &report,
            lines,
            &format!("warning: [radius_server_auto] {want}"),
        );
    }
}

#[test]
fn what_has_an_effect_needs_no_word() {
    for lines in [
        "factors=auto",
        "factors=passcode,push",
        "factors=sms,passcode\npasscode_retries=1",
        "factors=passcode\npasscode_retries=255",
        "factors=push\npasscode_retries=0",
        "passcode_retries=1",
        "prompt_split=true\nprompt_format=html",
        "prompt_split=true\nprompt_format=short",
    ] {
        assert_eq!(run(&challenge(lines)).diagnostics, [], "{lines}");
    }
    for lines in [
        "factors=passcode",
        "factors=auto,passcode\npasscode_retries=2",
        "factors=push,phone,passcode",
        "passcode_retries=0",
    ] {
        assert_eq!(run(&file("", "", lines, "")).diagnostics, [], "{lines}");
    }
}

#[test]
fn where_nobody_checks_a_password_safe_admits_everybody() {
    for (failmode, told) in [
        ("", true),
        ("failmode=safe", true),
        ("failmode=secure", false),
    ] {
        let text = challenge(&format!(
            "{failmode}\nclient=duo_only_client\n[duo_only_client]"
        ));
        let report = run(&text);
        if told {
            expect(
                &report,
                failmode,
                "warning: [radius_server_challenge] failmode: no password is checked here, so \
                 failmode=safe admits everybody while the second factor is away; write \
                 failmode=secure",
            );
        } else {
            assert_eq!(report.diagnostics, [], "{failmode}");
        }
    }
}

#[test]
fn sections_that_ask_show_what_is_new_about_asking() {
    let asking = [
        "sms as an answer to a prompt",
        "an empty answer to a prompt",
        "blanks and case in an answer to a prompt",
        "an answer naming a factor that no device of the user can do",
        "State of a challenge",
    ];
    let menu = "wording of the menu";
    let options = [
        "factors in [radius_server_challenge]",
        "prompt_split",
        "passcode_retries",
    ];
    let none: &[&str] = &[];
    let (all, first) = (&options[..], &options[..1]);
    for (claim, text, asks, has_menu, want) in [
        ("auto", file("", "", "", ""), false, false, none),
        (
            "auto without passcode",
            file("", "", "factors=push,phone", ""),
            false,
            false,
            none,
        ),
        (
            "auto with passcode",
            file("", "", "factors=push, Passcode", ""),
            true,
            false,
            none,
        ),
        ("challenge", challenge(""), true, true, none),
        ("a filter", challenge("factors=push"), true, true, first),
        (
            "all options",
            challenge("factors=passcode\nprompt_split=true\npasscode_retries=1"),
            true,
            true,
            all,
        ),
    ] {
        let found: Vec<_> = run(&text)
            .differences
            .iter()
            .map(|one| one.subject)
            .collect();
        for subject in asking {
            assert_eq!(found.contains(&subject), asks, "{claim}: {subject}");
        }
        assert_eq!(found.contains(&menu), has_menu, "{claim}");
        let told: Vec<_> = found
            .into_iter()
            .filter(|subject| options.contains(subject))
            .collect();
        assert_eq!(told, want, "{claim}");
    }
}
