//! Answers as directories give them.

use super::*;

const SEALED: Tried = Tried::Ntlm(Layer::Seal);
const OVER_TLS: Tried = Tried::Ntlm(Layer::None);

fn outcome(code: u32, text: &str) -> Outcome {
    Outcome {
        code,
        text: text.to_owned(),
    }
}

fn ad(data: &str) -> String {
    format!(
        "8009030C: LdapErr: DSID-0C0904DC, comment: AcceptSecurityContext error, data {data}, v1db1\0"
    )
}

#[test]
fn a_refused_bind_says_why() {
    for (name, code, text, want) in [
        ("plain", 49, "", Reason::WrongPassword),
        ("wrong", 49, &*ad("52e"), Reason::WrongPassword),
        ("unknown", 49, &ad("525"), Reason::UnknownUser),
        ("protected user", 49, &ad("52f"), Reason::NotPermitted),
        ("hour", 49, &ad("530"), Reason::NotPermitted),
        ("workstation", 49, &ad("531"), Reason::NotPermitted),
        ("network", 49, &ad("569"), Reason::NotPermitted),
        ("disabled", 49, &ad("533"), Reason::AccountDisabled),
        ("expired", 49, &ad("701"), Reason::AccountExpired),
        ("password expired", 49, &ad("532"), Reason::PasswordExpired),
        ("must change", 49, &ad("773"), Reason::PasswordMustChange),
        ("locked", 49, &ad("775"), Reason::AccountLocked),
        ("another code", 49, &ad("999"), Reason::WrongPassword),
        ("not hexadecimal", 49, ", data xyz", Reason::WrongPassword),
        (
            "by name",
            49,
            "SASL:[GSS-SPNEGO]: NT_STATUS_ACCOUNT_LOCKED_OUT (0xc0000234)",
            Reason::AccountLocked,
        ),
        (
            "last",
            49,
            "NT_STATUS_PASSWORD_MUST_CHANGE",
            Reason::PasswordMustChange,
        ),
        ("name unknown", 49, "NT_STATUS_", Reason::WrongPassword),
        ("gone", 32, "", Reason::UnknownUser),
        (
            "deactivated",
            53,
            "Account inactivated. Contact system administrator.",
            Reason::AccountDisabled,
        ),
        (
            "too many tries",
            19,
            "Exceed password retry limit.",
            Reason::AccountLocked,
        ),
        ("no access", 50, "", Reason::PrimaryRejected),
    ] {
        let tried: &[Tried] = match code {
            49 => &[Tried::Plain, SEALED, OVER_TLS],
            _ => &[Tried::Plain],
        };
        for tried in tried {
            let Ok(Bound::Rejected(reason, said)) = user_bind(&outcome(code, text), *tried) else {
                panic!("{name} is a rejection");
            };
            assert_eq!(reason, want, "{name}");
            assert!(!said.contains('\0'), "{name}");
        }
    }
    for tried in [Tried::Plain, SEALED, OVER_TLS] {
        assert_eq!(user_bind(&outcome(0, ""), tried), Ok(Bound::Accepted));
    }
    let unwilling = user_bind(&outcome(53, "no, thanks"), Tried::Plain);
    assert!(matches!(
        unwilling,
        Ok(Bound::Rejected(Reason::PrimaryRejected, _))
    ));
}

#[test]
fn a_host_that_cannot_serve_is_no_rejection() {
    for code in [3, 11, 51, 52, 80] {
        let answer = outcome(code, "");
        for tried in [Tried::Plain, SEALED, OVER_TLS] {
            for fault in [
                user_bind(&answer, tried).err(),
                service_bind(&answer, tried, "x").err(),
                ntlm_begun(&answer, Layer::None).err(),
            ] {
                assert!(
                    matches!(fault, Some(Fault::Unwilling(_))),
                    "{code} {tried:?}"
                );
            }
        }
    }
}

#[test]
fn a_setting_that_the_directory_refuses_is_named_with_its_remedy() {
    let sign = "SASL:[GSS-SPNEGO]: Sign or Seal are required.";
    for (name, code, text, tried, want) in [
        (
            "simple over clear",
            8,
            "",
            Tried::Plain,
            "set transport to starttls or ldaps",
        ),
        (
            "confidentiality",
            13,
            "",
            Tried::Plain,
            "set transport to starttls or ldaps",
        ),
        ("sealed", 8, sign, SEALED, "set transport to ldaps"),
        ("over TLS", 8, sign, OVER_TLS, "allow_sasl_over_tls"),
        (
            "layers",
            53,
            "SASL:[GSS-SPNEGO]: Sign or Seal are not allowed if TLS is used",
            OVER_TLS,
            "unwilling to take NTLM over this transport (result 53: SASL",
        ),
        ("no simple bind", 7, "", Tried::Plain, "auth_type=ntlm2"),
        (
            "no NTLM",
            7,
            "SASL(-4): no mechanism available",
            SEALED,
            "knows no NTLM (result 7: SASL(-4): no mechanism available); write \
             auth_type=plain with transport=ldaps (or starttls)",
        ),
        (
            "no NTLM over TLS",
            7,
            "",
            OVER_TLS,
            "(result 7); write auth_type=plain",
        ),
        ("blocked", 49, &*ad("418"), OVER_TLS, "knows no NTLM"),
        ("blocked", 49, &ad("791"), SEALED, "knows no NTLM"),
        (
            "proxy",
            49,
            &ad("80090346"),
            OVER_TLS,
            "something in between ends TLS",
        ),
        (
            "proxy",
            49,
            &ad("80090346"),
            Tried::Plain,
            "something in between ends TLS",
        ),
    ] {
        let answer = outcome(code, text);
        for fault in [
            user_bind(&answer, tried).unwrap_err(),
            service_bind(&answer, tried, "svc").unwrap_err(),
        ] {
            assert!(
                matches!(fault, Fault::Misconfigured(_)),
                "{name}: {fault:?}"
            );
            assert!(fault.to_string().contains(want), "{name}: {fault}");
        }
    }
    for (name, answer) in [
        ("unreadable", outcome(49, &ad("57"))),
        ("unreadable", outcome(49, "NT_STATUS_INVALID_PARAMETER")),
    ] {
        let fault = user_bind(&answer, SEALED).unwrap_err();
        assert!(matches!(fault, Fault::Internal(_)), "{name}: {fault:?}");
    }
}

#[test]
fn a_service_account_is_refused_as_it_was_tried() {
    for (tried, text, want) in [
        (
            Tried::Plain,
            &*ad("775"),
            "service account refused by simple bind as 'svc' (account_locked); check \
             service_account_username, bind_dn and service_account_password",
        ),
        (
            OVER_TLS,
            "no",
            "service account refused by NTLM as 'svc' (result 49: no); check \
             service_account_username, ntlm_domain and service_account_password; if it is no \
             Active Directory, write auth_type=plain",
        ),
        (
            SEALED,
            &*ad("52e"),
            "service account refused by NTLM as 'svc' (wrong_password); check \
             service_account_username, ntlm_domain and service_account_password",
        ),
    ] {
        let fault = service_bind(&outcome(49, text), tried, "svc").unwrap_err();
        assert_eq!(fault.to_string(), want);
    }
    assert_eq!(service_bind(&outcome(0, ""), SEALED, "svc"), Ok(()));
}

#[test]
fn ntlm_begins_with_a_challenge_and_nothing_else() {
    assert_eq!(ntlm_begun(&outcome(14, ""), Layer::Seal), Ok(()));
    for (name, answer, want) in [
        (
            "accepted at once",
            outcome(0, ""),
            "before a password was shown",
        ),
        (
            "slapd",
            outcome(7, "SASL(-4)"),
            "knows no NTLM (result 7: SASL(-4))",
        ),
        ("Samba", outcome(1, "SASL: Failed"), "knows no NTLM"),
        ("refused", outcome(49, &ad("52e")), "knows no NTLM"),
        ("stronger", outcome(8, ""), "takes no NTLM without TLS"),
    ] {
        let fault = ntlm_begun(&answer, Layer::Seal).unwrap_err().to_string();
        assert!(fault.contains(want), "{name}: {fault}");
    }
    let again = user_bind(&outcome(14, ""), SEALED);
    assert!(matches!(again, Err(Fault::Lost(_))), "{again:?}");
}

#[test]
fn what_stops_ntlm_here_is_sorted() {
    let weak = ntlm_fault(&NtlmError::Weak("sealing")).to_string();
    assert!(weak.starts_with("the directory offers no sealing; write auth_type=plain"));
    for error in [NtlmError::Forged, NtlmError::Malformed("x")] {
        assert!(matches!(ntlm_fault(&error), Fault::Lost(_)), "{error}");
    }
    for error in [NtlmError::Anonymous, NtlmError::TooLong("x")] {
        assert!(matches!(ntlm_fault(&error), Fault::Internal(_)), "{error}");
    }
}

#[test]
fn what_a_directory_says_is_one_short_line() {
    let long = format!("a\r\nb\0{}", "x".repeat(1000));
    let shown = diagnostic(&long);
    assert!(shown.starts_with("abxx") && shown.chars().count() == DIAGNOSTIC_CHARACTERS);
}
