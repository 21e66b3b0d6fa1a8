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
        format!("{:0digits$}", self.number(counter))
    }

    /// The matching counter among `first..first + count`, the last one when several match; none
    /// when none does. Every counter is tried, whichever matches.
    pub(crate) fn find(&self, passcode: &str, first: u64, count: u64) -> Option<u64> {
        let well_formed = usize::try_from(self.digits).ok() == Some(passcode.len())
            && passcode.bytes().all(|octet| octet.is_ascii_digit());
        let given: u32 = if well_formed {
            passcode.parse().ok()?
        } else {
            return None;
        };
        let (mut found, mut at) = (subtle::Choice::from(0), 0);
        for counter in first..first.saturating_add(count) {
            let equal = self.number(counter).ct_eq(&given);
            at = u64::conditional_select(&at, &counter, equal);
            found |= equal;
        }
        bool::from(found).then_some(at)
    }

    fn number(&self, counter: u64) -> u32 {
        let algorithm = match self.algorithm {
            OtpAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            OtpAlgorithm::Sha256 => hmac::HMAC_SHA256,
            OtpAlgorithm::Sha512 => hmac::HMAC_SHA512,
        };
        let key = hmac::Key::new(algorithm, self.secret);
        let tag = hmac::sign(&key, &counter.to_be_bytes());
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

/// How many steps before and after the present one are taken (RFC 6238 section 5.2).
pub(crate) const TOTP_WINDOW: u64 = 1;

/// How many counters ahead are taken (RFC 4226 section 7.4).
pub(crate) const HOTP_LOOK_AHEAD: u64 = 10;

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
                generator.find(passcode, first, HOTP_LOOK_AHEAD),
                want,
                "{name}"
            );
        }
        assert_eq!(generator.find("755224", u64::MAX, 10), None, "no overflow");
    }
}
