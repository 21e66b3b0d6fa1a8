//! The use cases: what the API, the pages and the admin socket have done. No HTTP, no SQL.

mod addresses;
mod checks;
mod delivery;
mod directory;
mod enroll;
mod enrollments;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod login;
mod notes;
mod offer;
mod passcode;
mod passkeys;
mod people;
mod policies;
mod policy;
mod preauth;
mod reach;
mod resync;
mod risk;
mod self_service;
mod sessions;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use addresses::{AddressError, CodeBy, PendingAddress, Typed};
pub(crate) use delivery::{ChangeError, NotSent, Sending};
pub(crate) use enroll::{EnrollError, NewSecret};
pub(crate) use enrollments::{Begun, Confirmed, ENROLLMENT_PATH, Enrollee, PendingApp};
pub(crate) use login::{
    AuthAnswer, AuthRequest, Choice, Held, LoginError, State, Status, Wait, Who,
};
pub(crate) use offer::Offer;
pub(crate) use passkeys::{PasskeyError, PasskeyKind, Registrant};
pub(crate) use people::PeopleError;
pub(crate) use policies::PolicyError;
pub(crate) use policy::{Allowed, Checked};
pub(crate) use preauth::{Preauth, PreauthRequest};
pub(crate) use reach::SubscribeError;
pub(crate) use resync::ResyncError;
pub(crate) use risk::{Pushing, Shows, Streak, pushing};
pub(crate) use self_service::{OwnChange, Removed, may_serve_oneself};
pub(crate) use sessions::{Purpose, Session};
pub(crate) use tokens::TokenError;

use crate::admin::{IncidentKind, UserStatus};
use crate::certificate::ServedLeaf;
use crate::doors::{Doors, FORMS};
use crate::gate::{Gate, Traffic};
use crate::guesses::Guesses;
use crate::looks::{Looks, Turn};
use crate::metrics::{Factor, Metrics};
use crate::outbound::Outbound;
use crate::proxies::Proxies;
use crate::push::{Push, Pushes};
use crate::rate::Rate;
use crate::sign::VersionOne;
use crate::store::{NewIncident, Store};
use crate::vault::Vault;
use crate::verdict::{Asked, Verdict};
use crate::webauthn::{self, RelyingParty};
use checks::Checks;
use directory::Directory;
use notes::{Notes, Remembering};
use policies::Rulebook;

/// Everything that a request needs.
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) pushes: Pushes,
    pub(crate) metrics: Metrics,
    pub(crate) rules: Rules,
    pub(crate) proxies: Proxies,
    /// The authority's certificate, for callers to trust.
    pub(crate) ca_pem: String,
    /// The certificate that is served.
    pub(crate) leaf: Arc<ServedLeaf>,
    /// What people open, without a slash at the end.
    pub(crate) public_url: String,
    /// For passkeys; none where that address has no name.
    relying_party: Option<RelyingParty>,
    /// Cancelled when the service ends: who waits is answered.
    pub(crate) shutdown: CancellationToken,
    /// What every change goes through, so that none is made here that another process does not know.
    pub(crate) gate: Gate,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) started: Instant,
    /// Work that goes on when its caller has gone: a write and the forgetting of what was kept
    /// in memory belong together.
    pub(crate) tasks: TaskTracker,
    /// As many permits as pages may wait for a change.
    pub(crate) watchers: Semaphore,
    /// As many permits as octets that the bodies being read may have together.
    pub(crate) bodies: Arc<Semaphore>,
    /// What browsers send.
    pub(crate) forms: Arc<Doors>,
    /// Who opens a page, and waits for the database.
    looks: Looks,
    /// Wrong codes of enrollments.
    pub(crate) guesses: Guesses,
    /// Wrong names and passcodes of self-service.
    pub(crate) sign_ins: Guesses,
    directory: Directory,
    checks: Checks,
    passcode_rate: Rate,
    /// How often it is told that a passcode came again.
    replay_rate: Rate,
    resync_rate: Rate,
    sign_in_rate: Rate,
    /// How often it is told that somebody used that up.
    told_rate: Rate,
    own_change_rate: Rate,
    passkey_rate: Rate,
    ask_rate: Rate,
    rulebook: Rulebook,
    notes: Notes,
    /// What goes out to people.
    pub(crate) outbound: Outbound,
}

/// Who answers a push.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    /// Its person, who typed this number, or none.
    Person(Option<&'a str>),
    /// Somebody in the person's place, for this one login.
    Administrator,
}

/// The settings that decide something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) version_one: VersionOne,
    /// Whether version 1 of the API is served.
    pub(crate) legacy_api: bool,
    pub(crate) push_lifetime: Duration,
    pub(crate) poll_hold: Duration,
    pub(crate) lockout_after: u32,
    /// Whether who has the address of a phone approves by that alone.
    pub(crate) approve_by_link: bool,
    /// Whether people may look after their own devices.
    pub(crate) self_service: bool,
}

impl Service {
    /// Puts the parts together, and reads the applications and the policies.
    ///
    /// # Errors
    /// [`crate::store::StoreError`].
    pub(crate) async fn new(parts: Parts) -> Result<Self, crate::store::StoreError> {
        let directory = Directory::default();
        directory.set_applications(parts.store.applications(&parts.vault).await?);
        let rulebook = Rulebook::open(&parts.store).await?;
        let outbound = delivery::opened(&parts.store, &parts.vault, &parts.public_url).await?;
        Ok(Self {
            store: parts.store,
            vault: parts.vault,
            pushes: Pushes::default(),
            metrics: parts.metrics,
            rules: parts.rules,
            proxies: parts.proxies,
            ca_pem: parts.ca_pem,
            leaf: parts.leaf,
            relying_party: RelyingParty::of(&parts.public_url),
            public_url: parts.public_url,
            gate: Gate::new(parts.shutdown.clone()),
            traffic: Arc::default(),
            shutdown: parts.shutdown,
            started: Instant::now(),
            tasks: TaskTracker::new(),
            watchers: Semaphore::new(crate::push::MAX_WATCHERS),
            bodies: Arc::new(Semaphore::new(crate::api::BODIES_OCTETS)),
            forms: Arc::new(Doors::new(FORMS)),
            looks: Looks::default(),
            guesses: Guesses::default(),
            sign_ins: Guesses::default(),
            directory,
            checks: Checks::default(),
            passcode_rate: Rate::new(passcode::PASSCODE_RATE),
            replay_rate: Rate::new(checks::REPLAY_RATE),
            resync_rate: Rate::new(resync::RESYNC_RATE),
            sign_in_rate: Rate::new(self_service::SIGN_IN_RATE),
            told_rate: Rate::new(self_service::TOLD_RATE),
            own_change_rate: Rate::new(self_service::OWN_CHANGE_RATE),
            passkey_rate: Rate::new(passkeys::PASSKEY_RATE),
            ask_rate: Rate::new(sessions::ASK_RATE),
            rulebook,
            notes: Notes::default(),
            outbound,
        })
    }

    /// A turn at the database for somebody who opens a page.
    ///
    /// # Errors
    /// [`crate::store::StoreError::Overloaded`].
    pub(crate) async fn look(
        &self,
        origin: crate::doors::Origin,
    ) -> Result<Turn<'_>, crate::store::StoreError> {
        let turn = self.looks.turn(origin).await;
        turn.ok_or(crate::store::StoreError::Overloaded)
    }

    /// What people cannot do at the address that they are to open.
    pub(crate) fn lacks(&self) -> Option<&'static str> {
        webauthn::lacks(&self.public_url)
    }

    /// The answer to a push, and how it ended; none when it does not wait, or `which` does not take it.
    /// What a user approves who may not log in any more is refused, and so is what a person approves
    /// without the number that the login shows.
    ///
    /// # Errors
    /// [`crate::store::StoreError`]; the push waits on.
    pub(crate) async fn answer_push(
        &self,
        txid: crate::push::Txid,
        answer: Verdict,
        by: By<'_>,
        which: impl FnOnce(&Push) -> bool,
    ) -> Result<Option<Verdict>, crate::store::StoreError> {
        let Some(push) = self.pushes.get(txid).filter(|push| which(push)) else {
            return Ok(None);
        };
        let mut verdict = self.taken_as(answer, &push).await?;
        if answer == Verdict::Fraud {
            // Before the answer: what is remembered would let in again whom this is about.
            self.store.forget_remembered_of(&push.user_id).await?;
        }
        let (mistyped, remembering) = match by {
            By::Person(typed) => (!push.takes(typed), Remembering::ByPolicy),
            By::Administrator => (false, Remembering::Never),
        };
        let mistyped = verdict == Verdict::Allow && mistyped;
        if mistyped {
            verdict = Verdict::Deny;
        }
        let ended = self.pushes.end(txid, verdict, Instant::now(), |_| true);
        Ok(ended.map(|push| {
            if mistyped {
                self.report(of_push(IncidentKind::WrongNumber, &push));
            }
            self.ended_by(&push, verdict, remembering);
            verdict
        }))
    }

    /// What an answer to a push comes to.
    ///
    /// # Errors
    /// [`crate::store::StoreError`].
    pub(crate) async fn taken_as(
        &self,
        answer: Verdict,
        push: &Push,
    ) -> Result<Verdict, crate::store::StoreError> {
        if answer != Verdict::Allow {
            return Ok(answer);
        }
        // As it is now: the push knows the user as it was when it was sent.
        let account = self.store.account_by_id(&push.user_id).await?;
        Ok(match account.map(|account| account.status) {
            Some(UserStatus::Active | UserStatus::Bypass) => Verdict::Allow,
            Some(UserStatus::LockedOut) => Verdict::LockedOut,
            Some(UserStatus::Disabled) | None => Verdict::Disabled,
        })
    }

    /// Ends waiting pushes whose user or device may not answer any more.
    fn refuse_pushes(&self, verdict: Verdict, which: impl Fn(&Push) -> bool) {
        for push in self.pushes.end_all(verdict, Instant::now(), which) {
            self.push_ended(&push, verdict);
        }
    }

    /// A push ended by itself, or with what it rested on.
    pub(crate) fn push_ended(&self, push: &Push, verdict: Verdict) {
        self.ended_by(push, verdict, Remembering::ByPolicy);
    }

    /// Counts, logs and notes a push that ended. With a fraud all of its user's end.
    fn ended_by(&self, push: &Push, verdict: Verdict, remembering: Remembering) {
        if verdict == Verdict::Fraud {
            self.report(of_push(IncidentKind::Fraud, push));
            self.refuse_pushes(Verdict::Deny, |other| other.user_id == push.user_id);
        }
        self.note_end(push, verdict, remembering);
        let factor = match push.asked {
            Asked::Push => Factor::Push,
            Asked::Phone => Factor::Phone,
        };
        self.metrics.ended(factor, verdict);
        tracing::debug!(
            user = &*push.user,
            application = &*push.application,
            device = &*push.device,
            factor = factor.as_str(),
            status = verdict.words().1,
            "authentication ended"
        );
    }
}

/// An incident with a push.
fn of_push(kind: IncidentKind, push: &Push) -> NewIncident {
    NewIncident {
        kind,
        user: push.user.clone(),
        application: push.application.as_ref().into(),
        ip: push.details.ip.clone(),
        detail: match &*push.details.client {
            "" => "".into(),
            client => format!("through {client}").into(),
        },
    }
}

/// What a service is made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) metrics: Metrics,
    pub(crate) rules: Rules,
    pub(crate) proxies: Proxies,
    pub(crate) ca_pem: String,
    pub(crate) leaf: Arc<ServedLeaf>,
    pub(crate) public_url: String,
    pub(crate) shutdown: CancellationToken,
}
