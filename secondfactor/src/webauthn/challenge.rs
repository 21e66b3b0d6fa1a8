//! Challenges that need no memory: random octets, the time, and a keyed tag over both and over what the
//! answer is for. Who restarts or takes over knows his predecessor's.

use subtle::ConstantTimeEq;

use super::Fault;
use crate::vault::Vault;

/// Makes a challenge for one purpose.
pub(crate) fn make(vault: &Vault, purpose: &str, now_ms: u64, random: [u8; RANDOM]) -> Vec<u8> {
    let mut challenge = [&random[..], &now_ms.to_be_bytes()].concat();
    challenge.extend(tag(vault, purpose, &challenge));
    challenge
}

/// Whether a challenge was made here, for that purpose, and not too long ago.
///
/// # Errors
/// [`Fault::Challenge`] or [`Fault::Stale`].
pub(crate) fn check(
    vault: &Vault,
    purpose: &str,
    challenge: &[u8],
    now_ms: u64,
) -> Result<(), Fault> {
    let (head, given) = challenge
        .split_at_checked(RANDOM + 8)
        .ok_or(Fault::Challenge)?;
    let made_ms = made_ms(challenge).ok_or(Fault::Challenge)?;
    if !bool::from(tag(vault, purpose, head).ct_eq(given)) {
        return Err(Fault::Challenge);
    }
    // A clock that was put back makes them no younger.
    if now_ms.abs_diff(made_ms) > LIFE_MS {
        return Err(Fault::Stale);
    }
    Ok(())
}

/// When a challenge says that it was made; it is true of one that was checked.
pub(crate) fn made_ms(challenge: &[u8]) -> Option<u64> {
    let time = challenge.get(RANDOM..)?.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*time))
}

fn tag(vault: &Vault, purpose: &str, head: &[u8]) -> Vec<u8> {
    let head = data_encoding::HEXLOWER.encode(head);
    vault.hash(&format!("challenge/{purpose}"), &head)
}

/// How many random octets there are.
pub(crate) const RANDOM: usize = 16;

/// How long a challenge may be answered.
pub(crate) const LIFE_MS: u64 = 5 * 60 * 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_for_one_purpose_and_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let vault = |name: &str| {
            let key = folder.path().join(name);
            Vault::open(&key, &folder.path().join("none")).unwrap()
        };
        let (own, other) = (vault("a"), vault("b"));
        let at = 1_000_000_000;
        let made = make(&own, "sign in", at, [5; RANDOM]);
        assert!(made.len() >= 16, "section 13.4.3");
        assert_eq!(made_ms(&made), Some(at));
        assert_eq!(made_ms(&made[..RANDOM + 7]), None);
        for (name, vault, purpose, now_ms, want) in [
            ("at once", &own, "sign in", at, Ok(())),
            ("at its end", &own, "sign in", at + LIFE_MS, Ok(())),
            (
                "too late",
                &own,
                "sign in",
                at + LIFE_MS + 1,
                Err(Fault::Stale),
            ),
            (
                "before its time",
                &own,
                "sign in",
                at - LIFE_MS - 1,
                Err(Fault::Stale),
            ),
            (
                "for something else",
                &own,
                "approve x",
                at,
                Err(Fault::Challenge),
            ),
            (
                "of somebody else",
                &other,
                "sign in",
                at,
                Err(Fault::Challenge),
            ),
        ] {
            assert_eq!(check(vault, purpose, &made, now_ms), want, "{name}");
        }
        for at_octet in 0..made.len() {
            let mut changed = made.clone();
            changed[at_octet] ^= 1;
            let refused = check(&own, "sign in", &changed, at);
            assert_eq!(refused, Err(Fault::Challenge), "{at_octet}");
            let cut = check(&own, "sign in", &made[..at_octet], at);
            assert_eq!(cut, Err(Fault::Challenge), "{at_octet}");
        }
    }
}
