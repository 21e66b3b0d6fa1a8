use super::*;

const NOW_MS: u64 = 1_700_000_000_000;
const LOCKOUT: u32 = 3;

fn generator(kind: DeviceKind, device_id: &str, position: Option<u64>) -> Generator {
    Generator {
        device_id: device_id.to_owned(),
        kind,
        secret: Zeroizing::new(format!("{device_id:-<20}").into_bytes()),
        algorithm: OtpAlgorithm::Sha1,
        digits: 6,
        period_s: 30,
        position,
        drift: 0,
    }
}

fn code_of(generator: &Generator, counter: u64) -> String {
    let generator = otp::Generator {
        secret: &generator.secret,
        algorithm: generator.algorithm,
        digits: generator.digits,
    };
    generator.passcode(counter)
}

fn sent(id: i64, kind: DeviceKind, code: &str, expires_at_ms: Option<u64>) -> SentCode {
    SentCode {
        id,
        device_id: format!("D{id}"),
        kind,
        code: Zeroizing::new(code.as_bytes().to_vec()),
        expires_at_ms,
    }
}

/// The hash of a bypass code, for these tests.
fn hash(passcode: &str) -> Vec<u8> {
    format!("hash of {passcode}").into_bytes()
}

fn holdings() -> Holdings {
    Holdings {
        user: Holder {
            id: "DU1".to_owned(),
            lookup: "alice".to_owned(),
            status: UserStatus::Active,
            bypass_until_ms: None,
            failures: 1,
            unanswered: 2,
            last_login_ms: None,
        },
        generators: vec![
            generator(DeviceKind::Totp, "T", None),
            generator(DeviceKind::Hotp, "H", Some(5)),
        ],
        sent: vec![
            sent(1, DeviceKind::Phone, "1000001", None),
            sent(2, DeviceKind::Email, "2000002", Some(NOW_MS + 1)),
            sent(3, DeviceKind::Phone, "3000003", Some(NOW_MS)),
        ],
        bypass_codes: vec![
            BypassCode {
                id: 11,
                hash: hash("111111111"),
                expires_at_ms: None,
            },
            BypassCode {
                id: 12,
                hash: hash("222222222"),
                expires_at_ms: Some(NOW_MS),
            },
        ],
    }
}

fn tried(holdings: &mut Holdings, passcode: &str, accepted: Allowed) -> (Checked, Changes) {
    let mut changes = Changes::default();
    let attempt = Attempt {
        passcode,
        hash: &hash(passcode),
        accepted,
        now_ms: NOW_MS,
        lockout_after: Some(LOCKOUT),
    };
    let checked = holdings.check(&attempt, &mut changes);
    (checked, changes)
}

#[test]
fn a_good_passcode_is_used_up_and_a_wrong_one_is_counted() {
    use AllowedFactor::{BypassCode, Email, Passcode, Sms};
    let all = holdings();
    let step = otp::time_step(NOW_MS / 1_000, 30);
    let totp = code_of(&all.generators[0], step);
    let hotp = code_of(&all.generators[1], 9);
    let behind = code_of(&all.generators[1], 4);
    let only = |factor| Allowed::of(&[factor]);
    for (name, passcode, accepted, used, again) in [
        (
            "totp",
            totp.as_str(),
            Allowed::ALL,
            Some(Passcode),
            Verdict::UsedPasscode,
        ),
        (
            "hotp",
            &hotp,
            only(Passcode),
            Some(Passcode),
            Verdict::WrongPasscode,
        ),
        (
            "hotp behind",
            &behind,
            Allowed::ALL,
            None,
            Verdict::LockedOut,
        ),
        (
            "sms",
            "1000001",
            Allowed::ALL,
            Some(Sms),
            Verdict::WrongPasscode,
        ),
        (
            "e-mail",
            "2000002",
            only(Email),
            Some(Email),
            Verdict::WrongPasscode,
        ),
        (
            "sms too old",
            "3000003",
            Allowed::ALL,
            None,
            Verdict::LockedOut,
        ),
        (
            "bypass",
            "111111111",
            Allowed::ALL,
            Some(BypassCode),
            Verdict::WrongPasscode,
        ),
        (
            "bypass too old",
            "222222222",
            Allowed::ALL,
            None,
            Verdict::LockedOut,
        ),
        ("wrong", "999999", Allowed::ALL, None, Verdict::LockedOut),
        ("totp not taken", &totp, only(Sms), None, Verdict::LockedOut),
        (
            "sms not taken",
            "1000001",
            only(Email),
            None,
            Verdict::LockedOut,
        ),
        (
            "e-mail not taken",
            "2000002",
            only(Sms),
            None,
            Verdict::LockedOut,
        ),
        (
            "bypass not taken",
            "111111111",
            only(Passcode),
            None,
            Verdict::LockedOut,
        ),
    ] {
        let mut holdings = all.clone();
        let (checked, changes) = tried(&mut holdings, passcode, accepted);
        assert_eq!(checked.used, used, "{name}");
        let written = &changes.holders[0];
        if used.is_some() {
            assert_eq!(checked.verdict, Verdict::Allow, "{name}");
            let want = (0, 0, Some(NOW_MS));
            let found = (written.failures, written.unanswered, written.last_login_ms);
            assert_eq!(found, want, "{name}");
            let used_up =
                changes.generators.len() + changes.sent.len() + changes.bypass_codes.len();
            assert_eq!(used_up, 1, "{name}");
        } else {
            assert_eq!(checked.verdict, Verdict::WrongPasscode, "{name}");
            assert_eq!(changes.holders.len(), 1, "{name}");
            assert_eq!(written.failures, 2, "{name}");
            assert_eq!(
                (changes.generators.len(), changes.sent.len()),
                (0, 0),
                "{name}"
            );
        }
        let (second, _) = tried(&mut holdings, passcode, accepted);
        assert_eq!(second.verdict, again, "{name}, again");
    }
}

#[test]
fn what_a_user_may_do_goes_first() {
    for (name, status, until_ms, want) in [
        ("disabled", UserStatus::Disabled, None, Verdict::Disabled),
        (
            "locked out",
            UserStatus::LockedOut,
            None,
            Verdict::LockedOut,
        ),
        ("bypass", UserStatus::Bypass, None, Verdict::Bypass),
        (
            "bypass until later",
            UserStatus::Bypass,
            Some(NOW_MS + 1),
            Verdict::Bypass,
        ),
        (
            "bypass that is over",
            UserStatus::Bypass,
            Some(NOW_MS),
            Verdict::Allow,
        ),
    ] {
        let mut holdings = holdings();
        holdings.user.status = status;
        holdings.user.bypass_until_ms = until_ms;
        let (checked, changes) = tried(&mut holdings, "111111111", Allowed::ALL);
        assert_eq!(checked.verdict, want, "{name}");
        let kept = changes == Changes::default();
        assert_eq!(kept, want != Verdict::Allow, "{name}");
    }
}

#[test]
fn who_has_a_bypass_proves_who_they_are_where_no_login_is_asked_for() {
    for (name, passcode, want) in [
        ("right", "111111111", Verdict::Allow),
        ("wrong", "000000000", Verdict::WrongPasscode),
    ] {
        let mut holdings = holdings();
        holdings.user.status = UserStatus::Bypass;
        let attempt = Attempt {
            passcode,
            hash: &hash(passcode),
            accepted: Allowed::ALL,
            now_ms: NOW_MS,
            lockout_after: None,
        };
        let mut changes = Changes::default();
        let checked = holdings.check(&attempt, &mut changes);
        assert_eq!(checked.verdict, want, "{name}");
        assert_eq!(holdings.user.status, UserStatus::Bypass, "{name}");
        let used = changes.bypass_codes.len();
        assert_eq!(used, usize::from(want == Verdict::Allow), "{name}");
    }
}

#[test]
fn an_older_step_than_the_last_used_is_never_good() {
    let mut holdings = holdings();
    let step = otp::time_step(NOW_MS / 1_000, 30);
    for (at, want) in [
        (step, Verdict::Allow),
        (step, Verdict::UsedPasscode),
        (step - 1, Verdict::UsedPasscode),
        (step + 1, Verdict::Allow),
        (step, Verdict::UsedPasscode),
    ] {
        let code = code_of(&holdings.generators[0], at);
        let (checked, changes) = tried(&mut holdings, &code, Allowed::ALL);
        assert_eq!(checked.verdict, want, "{at}");
        assert_eq!(changes.holders.is_empty(), want == Verdict::UsedPasscode);
    }
    assert_eq!(holdings.generators[0].drift, 1, "learnt");
}
