//! What an administrator is known by: a password, kept as its argon2id hash, and passcodes (TOTP,
//! RFC 6238). Slow where it must be; neither stores nor answers.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use proto::secret::Secret;
use ring::hmac;
use zeroize::Zeroizing;

/// Hashes a password. Takes some 20 ms and 19 MiB: not for the runtime's threads.
///
/// # Errors
/// [`NoHash`].
pub(crate) fn hash(password: &Secret<String>) -> Result<String, NoHash> {
    let mut salt = [0; SALT_OCTETS];
    getrandom::fill(&mut salt).map_err(|_| NoHash)?;
    let salt = SaltString::encode_b64(&salt).map_err(|_| NoHash)?;
    let hash = argon2id().hash_password(password.expose().as_bytes(), &salt);
    Ok(hash.map_err(|_| NoHash)?.to_string())
}

/// Whether a password is the one of a hash. With no hash it is not, after the same time.
pub(crate) fn is(password: &Secret<String>, kept: Option<&str>) -> bool {
    let hash = PasswordHash::new(kept.unwrap_or(NOBODYS));
    let good = hash.is_ok_and(|hash| {
        argon2id()
            .verify_password(password.expose().as_bytes(), &hash)
            .is_ok()
    });
    good && kept.is_some()
}

/// A password could not be hashed, which is a fault of ours or of the system's random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password cannot be hashed")]
pub(crate) struct NoHash;

/// The parameters that OWASP's cheat sheet on password storage names first for argon2id.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// Whether an administrator may have this name. Others are looked for nowhere. A browser takes `.` and
/// `..` out of an address.
pub(crate) fn is_name(name: &str) -> bool {
    let good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.@".contains(&octet);
    (1..=NAME_CHARACTERS).contains(&name.len())
        && name.bytes().all(good)
        && ![".", ".."].contains(&name)
}

/// Why a password is not taken; none when it is.
pub(crate) fn fault(password: &Secret<String>, name: &str) -> Option<&'static str> {
    let password = password.expose();
    match password.chars().count() {
        0..SHORTEST => Some("has 12 characters at least"),
        LONGER.. => Some("has 256 characters at most"),
        _ if password.to_lowercase().contains(&name.to_lowercase()) => {
            Some("does not contain the name")
        }
        _ => None,
    }
}

/// The secret of an administrator's passcodes.
pub(crate) fn make_totp() -> Result<Zeroizing<Vec<u8>>, getrandom::Error> {
    let mut secret = Zeroizing::new(vec![0; TOTP_OCTETS]);
    getrandom::fill(&mut secret)?;
    Ok(secret)
}

/// The time step that a passcode is of, the present one or one beside it; none when it is of none.
/// All are tried, whichever matches.
pub(crate) fn step(secret: &[u8], passcode: &str, now_ms: u64) -> Option<u64> {
    let well_formed = passcode.len() == 6 && passcode.bytes().all(|octet| octet.is_ascii_digit());
    let given: u32 = well_formed.then(|| passcode.parse().ok())??;
    let present = now_ms / 1_000 / STEP_SECONDS;
    let steps = present.saturating_sub(1)..=present.saturating_add(1);
    steps.fold(None, |found, step| {
        let differs = std::hint::black_box(passcode_of(secret, step) ^ given);
        if differs == 0 { Some(step) } else { found }
    })
}

/// RFC 4226 section 5.3.
fn passcode_of(secret: &[u8], step: u64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
    let word = tag.get(offset..).and_then(|rest| rest.first_chunk::<4>());
    (word.map_or(0, |word| u32::from_be_bytes(*word)) & 0x7fff_ffff) % 1_000_000
}

/// The most administrators of an installation.
pub(crate) const ADMINS: usize = 64;
/// The longest name of one of them.
pub(crate) const NAME_CHARACTERS: usize = 64;
/// The most sessions of one of them; a further one ends the oldest.
pub(crate) const SESSIONS: usize = 8;
/// The most sessions of all people whom a provider named; a further one ends the oldest.
pub(crate) const PERSONS_SESSIONS: usize = 512;
/// Who invites by the set-up link.
pub(crate) const SETUP_LINK: &str = "set-up link";
const SALT_OCTETS: usize = 16;
/// As long as what the HMAC gives (RFC 4226 section 4, R6).
const TOTP_OCTETS: usize = 20;
const STEP_SECONDS: u64 = 30;
const SHORTEST: usize = 12;
const LONGER: usize = 257;
/// A hash of nothing that anybody types, so that a name that is nobody's takes as long.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_password_is_known_by_its_hash_which_is_another_each_time() {
        let password = secret("PLANTED-password");
        let kept = hash(&password).unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        assert!(!kept.contains("PLANTED"));
        assert_ne!(hash(&password).unwrap(), kept);
        assert!(is(&password, Some(&kept)));
        for (other, kept) in [
            ("PLANTED-passwore", Some(kept.as_str())),
            ("", Some(kept.as_str())),
            ("PLANTED-password", None),
            ("PLANTED-password", Some("no hash")),
        ] {
            assert!(!is(&secret(other), kept), "{other} {kept:?}");
        }
        assert!(PasswordHash::new(NOBODYS).is_ok(), "it takes its time");
    }

    #[test]
    fn names_stay_what_they_are_in_an_address() {
        for (name, want) in [
            ("alice", true),
            ("a.b@example.com", true),
            ("...", true),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("", false),
        ] {
            assert_eq!(is_name(name), want, "{name:?}");
        }
    }

    #[test]
    fn short_long_and_obvious_passwords_are_not_taken() {
        let (longest, longer) = ("x".repeat(256), "x".repeat(257));
        for (password, good) in [
            ("elevenchars", false),
            ("twelve chars", true),
            ("my name is Alice B", false),
            (longest.as_str(), true),
            (longer.as_str(), false),
        ] {
            assert_eq!(
                fault(&secret(password), "alice").is_none(),
                good,
                "{password}"
            );
        }
    }

    #[test]
    fn passcodes_are_those_of_rfc_6238_appendix_b_and_of_the_steps_beside() {
        let key = b"12345678901234567890";
        for (seconds, passcode) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            let now = seconds / 30;
            for (at, want) in [
                (seconds, Some(now)),
                (seconds + 30, Some(now)),
                (seconds - 30, Some(now)),
                (seconds + 60, None),
            ] {
                assert_eq!(step(key, passcode, at * 1_000), want, "{passcode} at {at}");
            }
        }
        for bad in ["", "28708", "2870820", "28708a", "+87082", " 287082"] {
            assert_eq!(step(key, bad, 59_000), None, "{bad}");
        }
    }
}
