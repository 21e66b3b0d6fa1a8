//! The conversations of this node that are not over: bounded in number, for each client, and in
//! octets, and let go of when nobody goes on with them. A TLS handshake cannot be sealed into a
//! State, so they end with the node.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::last_words::{LastWord, LastWords};
use super::session::Session;
use super::sparingly::{Sparingly, Untold};

/// What a conversation is found by. Random, so that nobody guesses another's.
pub(super) type Token = [u8; TOKEN_OCTETS];

/// The conversations, by their tokens.
#[derive(Debug)]
pub(crate) struct Sessions<S = Session> {
    entries: HashMap<Token, Entry<S>>,
    /// When each is to be let go of.
    expiries: BTreeSet<(Instant, Token)>,
    clients: HashMap<IpAddr, OfClient>,
    /// How many have no tunnel yet.
    handshakes: usize,
    octets: usize,
    refusals: Sparingly,
    silences: Sparingly,
    last_words: LastWords,
}

/// What one client has under way.
#[derive(Clone, Copy, Debug, Default)]
struct OfClient {
    sessions: usize,
    handshakes: usize,
}

#[derive(Debug)]
struct Entry<S> {
    session: Arc<S>,
    client: IpAddr,
    expires: Instant,
    handshake: bool,
    answered: bool,
    octets: usize,
}

/// What a conversation is at, after a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Until when its next step may take.
    pub(super) expires: Instant,
    /// Whether its tunnel is still being made.
    pub(super) handshake: bool,
    /// Whether our side of it was said.
    pub(super) answered: bool,
    /// What it keeps.
    pub(super) octets: usize,
}

/// What came of noting where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// It goes on.
    Fits,
    /// There is no room for what it keeps.
    Full,
    /// It was let go of in this moment, and who did that tells of it.
    Gone,
}

/// Why no conversation can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    /// All clients together.
    #[error("{MAX_SESSIONS} EAP conversations are under way")]
    Sessions,
    /// Those whose handshake is not over.
    #[error("{MAX_HANDSHAKES} EAP handshakes are under way")]
    Handshakes,
    /// One client.
    #[error("{MAX_PER_CLIENT} EAP conversations of this client are under way")]
    Client,
    /// Those of one client whose handshake is not over.
    #[error("{MAX_HANDSHAKES_PER_CLIENT} EAP handshakes of this client are under way")]
    ClientHandshakes,
    /// What they keep.
    #[error("EAP conversations under way keep {MAX_OCTETS} octets")]
    Octets,
}

impl Full {
    /// Its name in metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Handshakes => "handshakes",
            Self::Client => "client",
            Self::ClientHandshakes => "client_handshakes",
            Self::Octets => "octets",
        }
    }
}

impl<S> Default for Sessions<S> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            expiries: BTreeSet::new(),
            clients: HashMap::new(),
            handshakes: 0,
            octets: 0,
            refusals: Sparingly::default(),
            silences: Sparingly::default(),
            last_words: LastWords::default(),
        }
    }
}

impl<S> Sessions<S> {
    /// Takes in one that begins.
    ///
    /// # Errors
    /// [`Full`]: those that are under way go on.
    pub(super) fn begin(
        &mut self,
        token: Token,
        session: Arc<S>,
        client: IpAddr,
        standing: Standing,
    ) -> Result<(), Full> {
        let OfClient {
            sessions: of_client,
            handshakes: begun,
        } = self.clients.get(&client).copied().unwrap_or_default();
        if self.entries.len() >= MAX_SESSIONS {
            return Err(Full::Sessions);
        }
        if self.handshakes >= MAX_HANDSHAKES {
            return Err(Full::Handshakes);
        }
        if of_client >= MAX_PER_CLIENT {
            return Err(Full::Client);
        }
        if begun >= MAX_HANDSHAKES_PER_CLIENT {
            return Err(Full::ClientHandshakes);
        }
        if self.octets >= MAX_OCTETS {
            return Err(Full::Octets);
        }
        let of_client = OfClient {
            sessions: of_client + 1,
            handshakes: begun + usize::from(standing.handshake),
        };
        self.clients.insert(client, of_client);
        self.handshakes += usize::from(standing.handshake);
        self.octets += standing.octets;
        self.expiries.insert((standing.expires, token));
        let Standing {
            expires,
            handshake,
            answered,
            octets,
        } = standing;
        let entry = Entry {
            session,
            client,
            expires,
            handshake,
            answered,
            octets,
        };
        self.entries.insert(token, entry);
        Ok(())
    }

    /// Whether this refusal is told as an event, and not only counted.
    pub(super) fn tells_refusal(&mut self, now: Instant) -> Option<Untold> {
        self.refusals.tells(now)
    }

    /// Whether it is told as an event, and not only counted, that nobody went on with a handshake.
    pub(super) fn tells_silence(&mut self, now: Instant) -> Option<Untold> {
        self.silences.tells(now)
    }

    /// Finds one.
    pub(super) fn find(&self, token: &Token) -> Option<Arc<S>> {
        self.entries
            .get(token)
            .map(|entry| Arc::clone(&entry.session))
    }

    /// Whether one's handshake was answered, or it has its end; none where nothing is known of it.
    pub(super) fn is_answered(&self, token: &Token) -> Option<bool> {
        match self.entries.get(token) {
            Some(entry) => Some(entry.answered),
            None => self.last_words.has(token).then_some(true),
        }
    }

    /// Notes where one stands after a step.
    pub(super) fn note(&mut self, token: &Token, standing: Standing) -> Noted {
        let Some(entry) = self.entries.get_mut(token) else {
            return Noted::Gone;
        };
        self.expiries.remove(&(entry.expires, *token));
        self.expiries.insert((standing.expires, *token));
        let (was, is) = (
            usize::from(entry.handshake),
            usize::from(standing.handshake),
        );
        self.handshakes = self.handshakes - was + is;
        if let Some(of_client) = self.clients.get_mut(&entry.client) {
            of_client.handshakes = of_client.handshakes - was + is;
        }
        self.octets = self.octets - entry.octets + standing.octets;
        entry.expires = standing.expires;
        entry.handshake = standing.handshake;
        entry.answered = standing.answered;
        entry.octets = standing.octets;
        // Whoever keeps no more than is usual goes on.
        match self.octets <= MAX_OCTETS || standing.octets <= USUAL_OCTETS {
            true => Noted::Fits,
            false => Noted::Full,
        }
    }

    /// Lets one go.
    pub(super) fn end(&mut self, token: &Token) -> Option<Arc<S>> {
        let entry = self.entries.remove(token)?;
        self.expiries.remove(&(entry.expires, *token));
        self.handshakes -= usize::from(entry.handshake);
        self.octets -= entry.octets;
        if let Some(of_client) = self.clients.get_mut(&entry.client) {
            of_client.sessions -= 1;
            of_client.handshakes -= usize::from(entry.handshake);
            if of_client.sessions == 0 {
                self.clients.remove(&entry.client);
            }
        }
        Some(entry.session)
    }

    /// Lets one go that has its answer, which is kept for a device that did not hear it.
    pub(super) fn end_with(&mut self, now: Instant, token: &Token, word: LastWord) {
        if self.end(token).is_some() {
            self.last_words.keep(now, *token, word);
        }
    }

    /// How those ended that are over.
    pub(super) const fn last_words(&self) -> &LastWords {
        &self.last_words
    }

    /// Lets one go, whichever, if there is one.
    pub(super) fn pop(&mut self) -> Option<Arc<S>> {
        let (_, token) = *self.expiries.first()?;
        self.end(&token)
    }

    /// Lets one go that nobody goes on with, if there is one.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Arc<S>> {
        self.last_words.expire(now);
        let (expires, token) = *self.expiries.first()?;
        (expires <= now).then(|| self.end(&token)).flatten()
    }

    pub(in crate::server) fn len(&self) -> usize {
        self.entries.len()
    }
}

pub(super) const TOKEN_OCTETS: usize = 16;

/// Conversations at a time.
pub(crate) const MAX_SESSIONS: usize = 20_000;
/// Of these, those whose handshake is not over: whoever only begins leaves room for others.
pub(crate) const MAX_HANDSHAKES: usize = 10_000;
/// Of one client's address.
pub(crate) const MAX_PER_CLIENT: usize = 10_000;
/// Of these, those whose handshake is not over: whoever only begins through one client leaves room
/// for what comes through others.
pub(crate) const MAX_HANDSHAKES_PER_CLIENT: usize = 5_000;
/// What all of them keep.
pub(crate) const MAX_OCTETS: usize = 512 * 1024 * 1024;
/// What one keeps beside its buffers: the tunnel, the record, names.
pub(super) const SESSION_OCTETS: usize = 12 * 1024;
/// What one keeps that does nothing unusual.
const USUAL_OCTETS: usize = SESSION_OCTETS + 16 * 1024;

/// How long a handshake may take in all: whoever sends little by little holds no place for long.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(60);
/// How long it may take until a password is there, from the beginning.
pub(super) const UNPROVEN: Duration = Duration::from_secs(180);
/// How long a supplicant may take for a step of the handshake, and to confirm the end.
pub(super) const MACHINE_ANSWERS: Duration = Duration::from_secs(30);
/// How long the password may take, which nobody has proven anything before.
pub(super) const PASSWORD_ANSWERS: Duration = Duration::from_secs(120);
/// How long a person may take who is asked for a factor.
pub(super) const PERSON_ANSWERS: Duration = Duration::from_secs(300);
/// How long a conversation may last, when the supplicant is waited for.
pub(super) const LONGEST: Duration = Duration::from_secs(1_800);
/// How long a decision may take. The flow's own limits end it long before.
pub(super) const DECIDING: Duration = Duration::from_secs(86_400);

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
