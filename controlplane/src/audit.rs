//! Who did what, when, from where: entries that are only added, each bound to the one before by a keyed
//! hash. Who can write to the database and has not the installation's key cannot change, insert or leave
//! out one without being found. Pure.

use ring::hmac;
use schemars::JsonSchema;
use serde::Serialize;

use crate::seal::Key;

/// What somebody did, before it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    /// Milliseconds since 1970, UTC.
    pub(crate) at_ms: u64,
    /// Who: `token ci`, `admin alice`, `file /etc/…/authproxy.cfg`.
    pub(crate) actor: String,
    /// From which address; empty for this machine.
    pub(crate) source: String,
    /// What: `configuration`, `token.create`.
    pub(crate) action: String,
    /// To what: `revision 7`.
    pub(crate) target: String,
    /// What before and after, as JSON; secrets masked.
    pub(crate) detail: String,
}

impl Deed {
    /// As it can be stored and read back: the link is of what is read back.
    pub(crate) fn storable(&self) -> Self {
        let text = |text: &str| text.replace('\0', "\u{fffd}");
        Self {
            at_ms: self.at_ms.min(i64::MAX.unsigned_abs()),
            actor: text(&self.actor),
            source: text(&self.source),
            action: text(&self.action),
            target: text(&self.target),
            detail: text(&self.detail),
        }
    }
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Entry {
    /// Its number, from 1, without gaps.
    pub(crate) seq: u64,
    pub(crate) at_ms: u64,
    pub(crate) actor: String,
    pub(crate) source: String,
    pub(crate) action: String,
    pub(crate) target: String,
    #[serde(serialize_with = "as_json")]
    #[schemars(with = "serde_json::Value")]
    pub(crate) detail: String,
    /// What binds it to those before.
    #[serde(serialize_with = "as_hex")]
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub(crate) link: Link,
}

/// The keyed hash of an entry and of all before it.
pub(crate) type Link = [u8; 32];

/// What the first entry is bound to.
pub(crate) const BEGINNING: Link = [0; 32];

/// Makes and checks links.
#[derive(Clone, Debug)]
pub(crate) struct Chain(hmac::Key);

impl Chain {
    /// That of an installation.
    pub(crate) fn new(key: &Key) -> Self {
        let derived = key.derive(b"chain of the audit", 0);
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.expose()))
    }

    /// The entry of a deed, after one with this number and link.
    pub(crate) fn next(&self, deed: &Deed, seq: u64, previous: &Link) -> Entry {
        let deed = deed.clone();
        let mut entry = Entry {
            seq,
            at_ms: deed.at_ms,
            actor: deed.actor,
            source: deed.source,
            action: deed.action,
            target: deed.target,
            detail: deed.detail,
            link: BEGINNING,
        };
        entry.link = self.link(&entry, previous);
        entry
    }

    fn link(&self, entry: &Entry, previous: &Link) -> Link {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(previous);
        context.update(&entry.seq.to_be_bytes());
        context.update(&entry.at_ms.to_be_bytes());
        let texts = [
            &entry.actor,
            &entry.source,
            &entry.action,
            &entry.target,
            &entry.detail,
        ];
        for text in texts {
            // Its length first: what ends one text cannot begin the next.
            context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(text.as_bytes());
        }
        let tag = context.sign();
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// Takes the next entry in order; gives its link.
    ///
    /// # Errors
    /// It is not the one that was written after those before.
    fn follow(&self, entry: &Entry, seq: u64, previous: &Link) -> Result<Link, Broken> {
        if entry.seq != seq {
            return Err(Broken::Missing { seq });
        }
        match entry.link == self.link(entry, previous) {
            true => Ok(entry.link),
            false => Err(Broken::Changed { seq }),
        }
    }
}

/// The newest entry, as it is noted apart from the entries: without it, nobody could see that the end of
/// the chain was cut off. Kept sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its number; zero before the first.
    pub(crate) seq: u64,
    pub(crate) link: Link,
}

impl Head {
    /// Of a database in which nobody did anything yet.
    pub(crate) const NEW: Self = Self {
        seq: 0,
        link: BEGINNING,
    };

    pub(crate) fn encode(&self) -> [u8; HEAD_OCTETS] {
        let mut octets = [0; HEAD_OCTETS];
        let (seq, link) = octets.split_at_mut(SEQ_OCTETS);
        seq.copy_from_slice(&self.seq.to_be_bytes());
        link.copy_from_slice(&self.link);
        octets
    }

    pub(crate) fn decode(octets: &[u8]) -> Option<Self> {
        let (seq, link) = octets.split_first_chunk()?;
        Some(Self {
            seq: u64::from_be_bytes(*seq),
            link: link.try_into().ok()?,
        })
    }
}

/// Goes over a chain from its beginning, with what was noted of its newest entry before that.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    chain: &'a Chain,
    noted: Option<Head>,
    /// The last entry that was right.
    at: Head,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(chain: &'a Chain, noted: Option<Head>) -> Self {
        Self {
            chain,
            noted,
            at: Head::NEW,
        }
    }

    /// The last entry that was right.
    pub(crate) const fn at(&self) -> Head {
        self.at
    }

    /// Takes the next entry in order.
    ///
    /// # Errors
    /// It is not the one that was written after those before.
    pub(crate) fn step(&mut self, entry: &Entry) -> Result<(), Broken> {
        let seq = self.at.seq.saturating_add(1);
        let link = self.chain.follow(entry, seq, &self.at.link)?;
        self.at = Head { seq, link };
        match self.noted {
            Some(noted) if noted.seq == seq && noted.link != link => Err(Broken::Note),
            _ => Ok(()),
        }
    }

    /// After the last entry; `noted` is what is noted of the newest one now.
    ///
    /// # Errors
    /// There were more entries, or the note is not the one that was made with the last of them.
    pub(crate) fn end(&self, noted: Option<Head>) -> Result<(), Broken> {
        let (Some(before), Some(now)) = (self.noted, noted) else {
            return Err(Broken::Note);
        };
        match (before.seq > self.at.seq, now.seq < self.at.seq) {
            (true, _) => Err(Broken::Cut {
                seq: self.at.seq,
                newest: before.seq,
            }),
            (_, true) => Err(Broken::Note),
            _ => Ok(()),
        }
    }
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// An entry was changed, or one before it put in or taken out.
    #[error("entry {seq} is not the one that was written there")]
    Changed { seq: u64 },
    /// An entry is not there.
    #[error("entry {seq} is missing")]
    Missing { seq: u64 },
    /// The end was cut off.
    #[error("the entries after {seq} are missing, up to {newest} at least")]
    Cut { seq: u64, newest: u64 },
    /// What was noted of the newest entry is gone, or another's.
    #[error("the note of the newest entry is missing, or is not the one that was made with it")]
    Note,
}

fn as_hex<S: serde::Serializer>(link: &Link, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&data_encoding::HEXLOWER.encode(link))
}

/// The document itself; what is none is shown as the text it is.
fn as_json<S: serde::Serializer>(detail: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<serde_json::Value>(detail) {
        Ok(document) => document.serialize(serializer),
        Err(_) => serializer.serialize_str(detail),
    }
}

const SEQ_OCTETS: usize = 8;
const HEAD_OCTETS: usize = SEQ_OCTETS + 32;
/// The longest detail that is kept.
pub(crate) const DETAIL_OCTETS: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(n: u64) -> Deed {
        Deed {
            at_ms: 1_000 + n,
            actor: "token ci".to_owned(),
            source: "192.0.2.1".to_owned(),
            action: "configuration".to_owned(),
            target: format!("revision {n}"),
            detail: "[]".to_owned(),
        }
    }

    fn chain() -> (Chain, Vec<Entry>) {
        let chain = Chain::new(&Key::new([7; 32]));
        let mut link = BEGINNING;
        let entries = (1..=5).map(|seq| {
            let entry = chain.next(&deed(seq), seq, &link);
            link = entry.link;
            entry
        });
        let entries = entries.collect();
        (chain, entries)
    }

    fn head(entry: &Entry) -> Head {
        Head {
            seq: entry.seq,
            link: entry.link,
        }
    }

    fn check_noted(chain: &Chain, entries: &[Entry], noted: Option<Head>) -> Result<(), Broken> {
        let mut walk = Walk::new(chain, noted);
        for entry in entries {
            walk.step(entry)?;
        }
        walk.end(noted)
    }

    fn check(chain: &Chain, entries: &[Entry]) -> Result<(), Broken> {
        check_noted(chain, entries, entries.last().map(head))
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let (_, entries) = chain();
        let noted = head(&entries[4]);
        assert_eq!(Head::decode(&noted.encode()), Some(noted));
        for octets in [&[][..], &[0; HEAD_OCTETS - 1], &[0; HEAD_OCTETS + 1]] {
            assert_eq!(Head::decode(octets), None);
        }
    }

    #[test]
    fn a_chain_that_was_cut_off_or_whose_note_is_another_is_found() {
        let (chain, entries) = chain();
        let noted = Some(head(&entries[4]));
        let cut = |count| check_noted(&chain, &entries[..count], noted);
        assert_eq!(cut(5), Ok(()));
        assert_eq!(cut(4), Err(Broken::Cut { seq: 4, newest: 5 }));
        assert_eq!(cut(0), Err(Broken::Cut { seq: 0, newest: 5 }));
        assert_eq!(check_noted(&chain, &entries, None), Err(Broken::Note));
        let older = Some(head(&entries[2]));
        assert_eq!(check_noted(&chain, &entries, older), Err(Broken::Note));
        let mut other = head(&entries[4]);
        other.link[0] ^= 1;
        assert_eq!(
            check_noted(&chain, &entries, Some(other)),
            Err(Broken::Note)
        );
        assert_eq!(check_noted(&chain, &[], Some(Head::NEW)), Ok(()));
    }

    #[test]
    fn what_is_added_while_it_is_looked_at_is_no_fault() {
        let (chain, entries) = chain();
        let mut walk = Walk::new(&chain, Some(head(&entries[2])));
        for entry in &entries[..4] {
            walk.step(entry).unwrap();
        }
        assert_eq!(walk.end(Some(head(&entries[4]))), Ok(()));
    }

    #[test]
    fn what_was_written_holds() {
        let (chain, entries) = chain();
        assert_eq!(check(&chain, &entries), Ok(()));
        let other = Chain::new(&Key::new([8; 32]));
        assert_eq!(check(&other, &entries), Err(Broken::Changed { seq: 1 }));
    }

    #[test]
    fn what_was_changed_put_in_or_taken_out_is_found() {
        let (chain, entries) = chain();
        let changes: [fn(&mut Entry); 7] = [
            |entry| entry.at_ms += 1,
            |entry| entry.actor.push('x'),
            |entry| entry.source.clear(),
            |entry| entry.action.push('x'),
            |entry| entry.target.push('x'),
            |entry| entry.detail.push(' '),
            |entry| entry.link[0] ^= 1,
        ];
        for change in changes {
            let mut entries = entries.clone();
            change(&mut entries[2]);
            assert_eq!(check(&chain, &entries), Err(Broken::Changed { seq: 3 }));
        }
        let mut moved = entries.clone();
        moved[2].actor.push_str("192");
        moved[2].source = ".0.2.1".to_owned();
        assert_eq!(check(&chain, &moved), Err(Broken::Changed { seq: 3 }));
        let mut gone = entries.clone();
        gone.remove(1);
        assert_eq!(check(&chain, &gone), Err(Broken::Missing { seq: 2 }));
        let mut renumbered = gone;
        for (entry, seq) in renumbered.iter_mut().zip(1..) {
            entry.seq = seq;
        }
        assert_eq!(check(&chain, &renumbered), Err(Broken::Changed { seq: 2 }));
    }
}
