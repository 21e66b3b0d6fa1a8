//! Failed sign-ins: who waits, and what the audit is told of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use serde_json::json;

use super::cookies::{Cookie, Way};
use super::door::From;
use super::problem::{Kind, Problem};
use crate::access::known::{BROWSER_OCTETS, GOOD_SECONDS, Marks};
use crate::access::throttle::{Throttle, Whose};
use crate::app::App;
use crate::audit::Deed;
use crate::clock::now_ms;

/// Failed sign-ins of all addresses, names and browsers.
#[derive(Debug)]
pub(crate) struct SignIns {
    throttle: Mutex<Throttle>,
    told: Mutex<Told>,
    /// Whose second factor is asked now, by a node.
    asking: Mutex<BTreeSet<String>>,
    marks: Marks,
}

/// How many lock-outs the audit was told of in an hour.
#[derive(Debug, Default)]
struct Told {
    hour: u64,
    times: u32,
}

impl SignIns {
    pub(crate) fn new(key: &crate::seal::Key) -> Self {
        Self {
            throttle: Mutex::default(),
            told: Mutex::default(),
            asking: Mutex::default(),
            marks: Marks::new(&key.derive(b"browsers that somebody signed in with", 0)),
        }
    }

    fn with<T>(&self, what: impl FnOnce(&mut Throttle) -> T) -> T {
        what(&mut self.throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn asking<T>(&self, what: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        what(&mut self.asking.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the audit is to be told of one more lock-out: strangers cannot fill it.
    fn worth_telling(&self, now_ms: u64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = now_ms / 3_600_000;
        if told.hour != hour {
            *told = Told { hour, times: 0 };
        }
        told.times = told.times.saturating_add(1);
        told.times <= TOLD_AN_HOUR
    }
}

/// Somebody who wants to sign in.
#[derive(Clone, Debug)]
pub(super) struct Guest<'a> {
    from: IpAddr,
    /// With what name; none where none is given.
    name: Option<&'a str>,
    /// The browser, if somebody signed in with it under that name before.
    browser: Option<String>,
}

impl<'a> Guest<'a> {
    pub(super) fn named(
        app: &App,
        from: From,
        name: &'a str,
        headers: &HeaderMap,
        now: u64,
    ) -> Self {
        let mark = Cookie::Known.read(headers);
        Self {
            from: from.0,
            name: Some(name),
            browser: mark.and_then(|mark| app.sign_ins.marks.read(name, mark, now)),
        }
    }

    /// One who has something else than a name and a password.
    pub(super) const fn unnamed(from: From) -> Self {
        Self {
            from: from.0,
            name: None,
            browser: None,
        }
    }

    /// Whose failures count: of a known browser those of itself alone, so that nobody elsewhere can
    /// keep its owner out.
    fn whose(&self) -> Vec<Whose> {
        match &self.browser {
            Some(browser) => vec![Whose::browser(browser)],
            None => {
                let name = self.name.map(Whose::name);
                std::iter::once(Whose::address(self.from))
                    .chain(name)
                    .collect()
            }
        }
    }

    /// Refuses who failed too often, before anything slow is done.
    pub(super) fn enough(&self, app: &App, now_ms: u64) -> Result<(), Problem> {
        let wait = app.sign_ins.with(|throttle| {
            let waits = self.whose();
            waits
                .iter()
                .filter_map(|whose| throttle.wait(whose, now_ms))
                .max()
        });
        match wait {
            None => Ok(()),
            Some(seconds) => Err(too_often(seconds)),
        }
    }

    /// Notes that a password, a passcode or an invitation was wrong. `known` is whether the name is
    /// somebody's: others are not repeated, since some type their password there.
    pub(super) async fn guessed(&self, app: &App, known: bool, now_ms: u64) {
        let begins = self.count(app, known, now_ms);
        tracing::warn!(from = %self.from, "sign-in failed");
        if begins {
            let name = self.name.filter(|_| known);
            locked_out(app, self.from, name, now_ms).await;
        }
    }

    /// Refuses what was wrong, and counts it: who failed too often hears that they have to wait.
    ///
    /// For what nobody can guess: it is looked at first, and lets its holder in whoever else failed
    /// at the same address.
    pub(super) async fn refused(&self, app: &App, problem: Problem, now_ms: u64) -> Problem {
        match self.enough(app, now_ms) {
            Err(waits) => waits,
            Ok(()) => {
                self.guessed(app, false, now_ms).await;
                problem
            }
        }
    }

    /// Counts a failure. Whether somebody begins to wait.
    fn count(&self, app: &App, known: bool, now_ms: u64) -> bool {
        app.sign_ins.with(|throttle| {
            let whose = self.whose().into_iter();
            // Each is counted, whichever begins to wait.
            let begun = whose.filter(|whose| throttle.failed(whose.clone(), known, now_ms));
            begun.count() > 0
        })
    }

    /// From where, as the audit has it.
    pub(super) fn source(&self) -> String {
        self.from.to_canonical().to_string()
    }

    /// Begins to ask for an administrator's second factor: for one at a time, so that nobody approves
    /// what somebody else asked for.
    pub(super) fn asks<'g>(
        &'g self,
        app: &'g App,
        name: &'g str,
    ) -> Result<Asking<'g, 'a>, Problem> {
        if !app.sign_ins.asking(|all| all.insert(name.to_owned())) {
            let detail = "this administrator's second factor is asked already; answer that first";
            return Err(Problem::new(Kind::TooMany, detail).again_in(1));
        }
        Ok(Asking {
            app,
            guest: self,
            name,
            answered: false,
        })
    }

    /// Notes that somebody signed in, and gives what tells their browser the next time.
    pub(super) fn good(
        &self,
        app: &App,
        way: Way,
        now_ms: u64,
    ) -> Result<Option<http::HeaderValue>, Problem> {
        app.sign_ins.with(|throttle| {
            for whose in self.whose() {
                throttle.succeeded(&whose);
            }
        });
        let Some(name) = self.name else {
            return Ok(None);
        };
        let mut browser = [0; BROWSER_OCTETS];
        getrandom::fill(&mut browser).map_err(|error| Problem::internal(&error))?;
        let mark = app.sign_ins.marks.make(name, browser, now_ms);
        Cookie::Known.set(&mark, GOOD_SECONDS, way).map(Some)
    }
}

/// A second factor that is asked. Who goes before it is answered counts as one who failed: else nobody
/// would be kept from asking again and again.
pub(super) struct Asking<'g, 'a> {
    app: &'g App,
    guest: &'g Guest<'a>,
    name: &'g str,
    answered: bool,
}

impl Asking<'_, '_> {
    /// There is an answer, which is counted elsewhere.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Asking<'_, '_> {
    fn drop(&mut self) {
        self.app.sign_ins.asking(|all| all.remove(self.name));
        if !self.answered {
            self.guest.count(self.app, true, now_ms());
            tracing::warn!(from = %self.guest.from, "sign-in broken off");
        }
    }
}

/// Counts a bad token of an address; gives the seconds to wait, if it has to.
pub(super) async fn bad_token(app: &App, from: IpAddr, now_ms: u64) -> Option<u64> {
    let whose = Whose::address(from);
    let (wait, begins) = app.sign_ins.with(|throttle| {
        let wait = throttle.wait(&whose, now_ms);
        (
            wait,
            wait.is_none() && throttle.failed(whose, false, now_ms),
        )
    });
    if wait.is_none() {
        tracing::warn!(%from, "sign-in with a bad token");
    }
    if begins {
        locked_out(app, from, None, now_ms).await;
    }
    wait
}

pub(super) fn too_often(seconds: u64) -> Problem {
    let detail = format!("too many sign-ins failed; wait {seconds} seconds");
    Problem::new(Kind::TooMany, detail).again_in(seconds)
}

/// Tells the audit that somebody has to wait from now on.
async fn locked_out(app: &App, from: IpAddr, name: Option<&str>, now_ms: u64) {
    if !app.sign_ins.worth_telling(now_ms) {
        tracing::warn!(%from, "too many lock-outs in this hour for the audit");
        return;
    }
    let deed = Deed {
        at_ms: now_ms,
        actor: "stranger".to_owned(),
        source: from.to_canonical().to_string(),
        action: "session.lock".to_owned(),
        target: name.map_or_else(|| "address".to_owned(), |name| format!("admin {name}")),
        detail: json!({ "why": "too many sign-ins failed" }).to_string(),
    };
    if let Err(error) = app.store.insert_audit(&deed).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a lock-out is not in the audit"
        );
    }
}

/// The most lock-outs in an hour that the audit is told of.
const TOLD_AN_HOUR: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_fill_the_audit() {
        let sign_ins = SignIns::new(&crate::seal::Key::new([1; 32]));
        for _ in 0..TOLD_AN_HOUR {
            assert!(sign_ins.worth_telling(0));
        }
        assert!(!sign_ins.worth_telling(3_599_999));
        assert!(sign_ins.worth_telling(3_600_000));
    }
}
