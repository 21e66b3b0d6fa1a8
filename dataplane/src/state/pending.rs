//! A [`Pending`] as octets: short, because a State has little room.

use proto::secret::Secret;
use zeroize::Zeroizing;

use crate::flow::Pending;
use crate::primary::Asked;

/// Writes one.
pub(super) fn write(pending: &Pending) -> Zeroizing<Vec<u8>> {
    let Pending::Upstream { asked, typed } = pending;
    let state = asked.state.as_deref();
    let typed = typed.as_ref().map(|typed| typed.expose().as_bytes());
    let octets = |part: Option<&[u8]>| part.map_or(1, |part| LENGTH + part.len());
    // Never grown, so that no copy of a passcode stays behind.
    let mut written = Zeroizing::new(Vec::with_capacity(2 + octets(state) + octets(typed)));
    written.extend_from_slice(&[UPSTREAM, asked.host]);
    for part in [state, typed] {
        match part.map(|part| (u16::try_from(part.len()), part)) {
            Some((Ok(length), part)) => {
                written.push(PRESENT);
                written.extend_from_slice(&length.to_be_bytes());
                written.extend_from_slice(part);
            }
            // Nothing is so long that came in a packet.
            Some((Err(_), _)) | None => written.push(ABSENT),
        }
    }
    written
}

/// Reads one; none when the octets are of another version, or no whole one.
pub(super) fn read(written: &[u8]) -> Option<Pending> {
    let [UPSTREAM, host, rest @ ..] = written else {
        return None;
    };
    let (state, rest) = part(rest)?;
    let (typed, rest) = part(rest)?;
    let typed = match typed {
        None => None,
        Some(typed) => Some(Secret::from(std::str::from_utf8(typed).ok()?)),
    };
    rest.is_empty().then(|| Pending::Upstream {
        asked: Asked {
            host: *host,
            state: state.map(<[u8]>::to_vec),
        },
        typed,
    })
}

/// A part that may be absent, and what follows it.
fn part(octets: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    match octets {
        [ABSENT, rest @ ..] => Some((None, rest)),
        [PRESENT, high, low, rest @ ..] => rest
            .split_at_checked(u16::from_be_bytes([*high, *low]).into())
            .map(|(part, rest)| (Some(part), rest)),
        _ => None,
    }
}

const UPSTREAM: u8 = 1;
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
/// What stands before a part.
const LENGTH: usize = 3;
