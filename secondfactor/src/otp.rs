//! One-time passcodes: HOTP (RFC 4226) and TOTP (RFC 6238). Pure.

use ring::hmac;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::admin::OtpAlgorithm;

/// The secret and shape of one generator.
#[derive(Clone, Copy)]
pub(crate) struct Generator<'a> {
    /// The shared secret, at least 128 bits (RFC 4226 section 4, R6).
    pub(crate) secret: &'a [u8],
    /// The hash below the HMAC.
    pub(crate) algorithm: OtpAlgorithm,
    /// 6 to 8.
    pub(crate) digits: u32,
}

impl Generator<'_> {
    /// The passcode of one counter (RFC 4226 section 5.3).
    #[cfg(test)]
    pub(crate) fn passcode(&self, counter: u64) -> String {
        let digits = usize::try_from(self.digits).unwrap_or(0);
        format!("{:0digits$}", self.number_of(&self.key(), counter))
    }

    /// The matching one of some counters, the last one when several match; none when none does. Every
    /// counter is tried, whichever matches.
    pub(crate) fn find(
        &self,
        passcode: &str,
        counters: impl IntoIterator<Item = u64>,
    ) -> Option<u64> {
        let given = self.read(passcode)?;
        let key = self.key();
        let (mut found, mut at) = (subtle::Choice::from(0), 0);
        for counter in counters {
            let equal = self.number_of(&key, counter).ct_eq(&given);
            at = u64::conditional_select(&at, &counter, equal);
            found |= equal;
        }
        bool::from(found).then_some(at)
    }

    /// The first of two counters in a row whose passcodes these are, among `first..first + count`: the
    /// last one when several are. Every counter is tried.
    pub(crate) fn find_two(&self, (one, two): (&str, &str), first: u64, count: u64) -> Option<u64> {
        let (one, two) = (self.read(one)?, self.read(two)?);
        let key = self.key();
        let (mut found, mut at) = (subtle::Choice::from(0), 0);
        let mut here = self.number_of(&key, first);
        for counter in first..first.saturating_add(count) {
            let next = self.number_of(&key, counter.saturating_add(1));
            let equal = here.ct_eq(&one) & next.ct_eq(&two);
            at = u64::conditional_select(&at, &counter, equal);
            found |= equal;
            here = next;
        }
        bool::from(found).then_some(at)
    }

    /// A passcode's number; none when it is not of this generator's shape.
    fn read(&self, passcode: &str) -> Option<u32> {
        let well_formed = usize::try_from(self.digits).ok() == Some(passcode.len())
            && passcode.bytes().all(|octet| octet.is_ascii_digit());
        well_formed.then(|| passcode.parse().ok()).flatten()
    }

    fn key(&self) -> hmac::Key {
        let algorithm = match self.algorithm {
            OtpAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            OtpAlgorithm::Sha256 => hmac::HMAC_SHA256,
            OtpAlgorithm::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::Key::new(algorithm, self.secret)
    }

    fn number_of(&self, key: &hmac::Key, counter: u64) -> u32 {
        let tag = hmac::sign(key, &counter.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
        let word = tag.get(offset..).and_then(|rest| rest.first_chunk::<4>());
        let number = word.map_or(0, |word| u32::from_be_bytes(*word)) & 0x7fff_ffff;
        number % 10_u32.pow(self.digits.min(9))
    }
}

/// The time step of a time (RFC 6238 section 4.2). `period_s` of 0 counts as 1.
pub(crate) fn time_step(unix_s: u64, period_s: u64) -> u64 {
    unix_s / period_s.max(1)
}

/// The steps whose passcodes are taken: those about the present one (RFC 6238 section 5.2), and those
/// about where the generator's clock is as far as it is known (section 6). Both, as a phone's clock
/// is set right without anybody being told. None comes twice, so that each is tried once.
pub(crate) fn steps_taken(now: u64, drift: i64) -> impl Iterator<Item = u64> {
    let about = |step: u64| step.saturating_sub(TOTP_WINDOW)..=step.saturating_add(TOTP_WINDOW);
    let own = about(now);
    let learnt = about(now.saturating_add_signed(drift));
    let more = learnt.filter({
        let own = own.clone();
        move |step| !own.contains(step)
    });
    own.chain(more)
}

/// How many steps the clock of a generator is ahead that had a step's passcode. Logins teach no more
/// than [`MAX_DRIFT`] either way, or as much as is known already: beyond it, it must be found again.
pub(crate) fn drift_learnt(now: u64, step: u64, known: i64) -> i64 {
    let most = known.saturating_abs().max(MAX_DRIFT);
    drift(now, step).clamp(-most, most)
}

/// Where a generator is, by two passcodes in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// TOTP: the last step used. HOTP: the next counter.
    pub(crate) position: u64,
    /// TOTP: how many steps its clock is ahead.
    pub(crate) drift: i64,
}

/// Why a generator was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// They are no two passcodes in a row of it, anywhere near.
    Nowhere,
    /// They are, but of a time whose passcodes may have been used: none of them is good again.
    Behind,
}

/// Finds a counter up to [`RESYNC_COUNTERS`] ahead of the next one.
pub(crate) fn find_counter(
    generator: &Generator<'_>,
    passcodes: (&str, &str),
    next: u64,
) -> Result<Found, Lost> {
    let found = generator.find_two(passcodes, next, RESYNC_COUNTERS);
    let counter = found.ok_or(Lost::Nowhere)?;
    Ok(Found {
        position: counter.saturating_add(2),
        drift: 0,
    })
}

/// Finds a clock up to [`RESYNC_SECONDS`] off.
pub(crate) fn find_clock(
    generator: &Generator<'_>,
    passcodes: (&str, &str),
    (now_s, period_s): (u64, u64),
    last: Option<u64>,
) -> Result<Found, Lost> {
    let now = time_step(now_s, period_s);
    let first = time_step(now_s.saturating_sub(RESYNC_SECONDS), period_s);
    let end = time_step(now_s.saturating_add(RESYNC_SECONDS), period_s);
    let found = generator.find_two(passcodes, first, end.saturating_sub(first));
    let position = found.ok_or(Lost::Nowhere)?.saturating_add(1);
    if last.is_some_and(|last| position <= last) {
        return Err(Lost::Behind);
    }
    Ok(Found {
        position,
        drift: drift(now, position),
    })
}

fn drift(now: u64, step: u64) -> i64 {
    let off = i64::try_from(step.abs_diff(now)).unwrap_or(i64::MAX);
    if step < now { -off } else { off }
}

/// How many steps before and after one are taken (RFC 6238 section 5.2).
const TOTP_WINDOW: u64 = 1;

/// The most steps of drift that logins teach.
const MAX_DRIFT: i64 = 20;

/// How many counters ahead are taken (RFC 4226 section 7.4).
pub(crate) const HOTP_LOOK_AHEAD: u64 = 10;

/// How many counters ahead two passcodes in a row are looked for.
const RESYNC_COUNTERS: u64 = 1_000;

/// How far off a clock two passcodes in a row are looked for.
const RESYNC_SECONDS: u64 = 2 * 3_600;

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET_64: &[u8; 64] =
        b"1234567890123456789012345678901234567890123456789012345678901234";

    fn generator(length: usize, algorithm: OtpAlgorithm, digits: u32) -> Generator<'static> {
        Generator {
            secret: &SECRET_64[..length],
            algorithm,
            digits,
        }
    }

    #[test]
    fn hotp_gives_the_values_of_rfc_4226_appendix_d() {
        let generator = generator(20, OtpAlgorithm::Sha1, 6);
        let want = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (counter, want) in (0..).zip(want) {
            assert_eq!(generator.passcode(counter), want, "{counter}");
        }
    }

    #[test]
    fn totp_gives_the_values_of_rfc_6238_appendix_b() {
        for (unix_s, sha1, sha256, sha512) in [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ] {
            let step = time_step(unix_s, 30);
            let code = |length, algorithm| generator(length, algorithm, 8).passcode(step);
            assert_eq!(code(20, OtpAlgorithm::Sha1), sha1, "{unix_s}");
            assert_eq!(code(32, OtpAlgorithm::Sha256), sha256, "{unix_s}");
            assert_eq!(code(64, OtpAlgorithm::Sha512), sha512, "{unix_s}");
        }
    }

    #[test]
    fn a_passcode_is_found_inside_the_window_only() {
        let generator = generator(20, OtpAlgorithm::Sha1, 6);
        for (name, passcode, first, want) in [
            ("first", "755224", 0, Some(0)),
            ("last", "520489", 0, Some(9)),
            ("behind", "755224", 1, None),
            ("ahead", "520489", 10, None),
            ("short", "75522", 0, None),
            ("long", "0755224", 0, None),
            ("sign", "+55224", 0, None),
            ("empty", "", 0, None),
            ("letters", "75522a", 0, None),
        ] {
            assert_eq!(
                generator.find(passcode, first..first + HOTP_LOOK_AHEAD),
                want,
                "{name}"
            );
        }
    }

    /// What oathtool prints, which counts by itself.
    fn oathtool(arguments: &[&str]) -> String {
        let output = std::process::Command::new("oathtool")
            .args(arguments)
            .output()
            .expect("oathtool of the package oathtool (scripts/setup test)");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn oathtool_shows_the_same_passcodes() {
        let secret = data_encoding::HEXLOWER.encode(SECRET_64);
        for digits in 6..=8 {
            let width = digits.to_string();
            for (name, algorithm) in [
                ("SHA1", OtpAlgorithm::Sha1),
                ("SHA256", OtpAlgorithm::Sha256),
                ("SHA512", OtpAlgorithm::Sha512),
            ] {
                let generator = generator(64, algorithm, digits);
                for unix_s in [59, 1_790_000_001, 4_000_000_000] {
                    let (kind, now) = (format!("--totp={name}"), format!("@{unix_s}"));
                    let want = oathtool(&[&kind, "-d", &width, "-N", &now, &secret]);
                    let step = time_step(unix_s, 30);
                    assert_eq!(generator.passcode(step), want, "{name} {digits} {unix_s}");
                    assert_eq!(generator.find(&want, steps_taken(step, 0)), Some(step));
                }
            }
            let generator = generator(64, OtpAlgorithm::Sha1, digits);
            for counter in [0, 7, 1_000_000] {
                let at = counter.to_string();
                let want = oathtool(&["--hotp", "-c", &at, "-d", &width, &secret]);
                assert_eq!(generator.passcode(counter), want, "{digits} {counter}");
            }
        }
    }

    #[test]
    fn steps_are_those_about_the_time_and_about_the_drift() {
        for (now, drift, want) in [
            (100, 0, vec![99, 100, 101]),
            (100, 1, vec![99, 100, 101, 102]),
            (100, -2, vec![99, 100, 101, 97, 98]),
            (100, 5, vec![99, 100, 101, 104, 105, 106]),
            (0, -20, vec![0, 1]),
            (0, 0, vec![0, 1]),
            (u64::MAX, 3, vec![u64::MAX - 1, u64::MAX]),
        ] {
            let steps: Vec<_> = steps_taken(now, drift).collect();
            assert_eq!(steps, want, "{now} {drift}");
        }
    }

    #[test]
    fn drift_is_learnt_up_to_a_bound() {
        for (now, step, known, want) in [
            (100, 100, 0, 0),
            (100, 101, 0, 1),
            (100, 97, -2, -3),
            (100, 121, 20, 20),
            (100, 0, -20, -20),
            (0, u64::MAX, 0, 20),
            (u64::MAX, 0, 0, -20),
            // Found by two passcodes in a row.
            (1_000, 1_200, 200, 200),
            (1_000, 1_199, 200, 199),
            (1_000, 1_201, 200, 200),
            (1_000, 799, -200, -200),
            (1_000, 1_000, 200, 0),
        ] {
            assert_eq!(drift_learnt(now, step, known), want, "{now} {step} {known}");
        }
    }

    #[test]
    fn a_clock_that_runs_away_is_followed_a_step_a_login_and_no_further_than_the_bound() {
        let generator = generator(20, OtpAlgorithm::Sha1, 8);
        let (mut drift, mut now) = (0, 1_000_000);
        for ahead in 1..=21 {
            now += 2_880;
            let code = generator.passcode(now + ahead);
            let step = generator.find(&code, steps_taken(now, drift));
            assert_eq!(step, Some(now + ahead), "{ahead}");
            drift = drift_learnt(now, now + ahead, drift);
        }
        assert_eq!(drift, 20);
        let code = generator.passcode(now + 22);
        assert_eq!(generator.find(&code, steps_taken(now, drift)), None);
    }

    #[test]
    fn two_passcodes_in_a_row_find_a_counter() {
        let generator = generator(20, OtpAlgorithm::Sha1, 6);
        let two = |counter| (generator.passcode(counter), generator.passcode(counter + 1));
        for (name, next, at, want) in [
            ("where it is", 5, 5, Ok(7)),
            ("ahead", 5, 900, Ok(902)),
            ("the last one looked for", 5, 1_004, Ok(1_006)),
            ("too far ahead", 5, 1_005, Err(Lost::Nowhere)),
            ("behind", 5, 4, Err(Lost::Nowhere)),
        ] {
            let (one, two) = two(at);
            let found = find_counter(&generator, (&one, &two), next);
            assert_eq!(found.map(|found| found.position), want, "{name}");
        }
        let (one, other) = (generator.passcode(5), generator.passcode(7));
        for (name, passcodes) in [
            ("not in a row", (&one, &other)),
            ("the same", (&one, &one)),
            ("no passcode", (&one, &String::from("12345"))),
        ] {
            let found = find_counter(&generator, (passcodes.0, passcodes.1), 0);
            assert_eq!(found, Err(Lost::Nowhere), "{name}");
        }
        let (one, two) = two(u64::MAX - 1);
        assert!(
            find_counter(&generator, (&one, &two), u64::MAX - 1).is_ok(),
            "no overflow"
        );
    }

    #[test]
    fn two_passcodes_in_a_row_find_a_clock_that_has_not_gone_back() {
        let generator = generator(32, OtpAlgorithm::Sha256, 6);
        let (now_s, now) = (3_000_000, 100_000);
        for (name, off, last, want) in [
            ("right", 0, None, Ok((100_001, 1))),
            ("fast", 200, None, Ok((100_201, 201))),
            ("slow", -200, None, Ok((99_801, -199))),
            ("the slowest", -240, None, Ok((99_761, -239))),
            ("the fastest", 239, None, Ok((100_240, 240))),
            ("too slow", -241, None, Err(Lost::Nowhere)),
            ("too fast", 240, None, Err(Lost::Nowhere)),
            ("the first was used", -200, Some(99_800), Ok((99_801, -199))),
            ("both were used", -200, Some(99_801), Err(Lost::Behind)),
            ("set back since", -200, Some(100_000), Err(Lost::Behind)),
        ] {
            let step = 100_000_u64.saturating_add_signed(off);
            let (one, two) = (generator.passcode(step), generator.passcode(step + 1));
            let found = find_clock(&generator, (&one, &two), (now_s, 30), last);
            let found = found.map(|found| (found.position, found.drift));
            assert_eq!(found, want, "{name}");
            assert_eq!(time_step(now_s, 30), now);
        }
    }
}
