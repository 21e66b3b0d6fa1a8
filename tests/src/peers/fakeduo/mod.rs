//! A double of the second factor's service: Auth API v2 over HTTPS, scripted by the test.
//!
//! It checks every signature strictly (version 2, HMAC-SHA512), remembers every request, and fails
//! in each way a service can fail, for one user, one endpoint, or a number of times. HTTP/2 or
//! HTTP/1.1 with keep-alive, as the client prefers.
//!
//! It is no model of the service's accounts: any user exists, as [`FakeDuo::everybody`] describes.

mod answer;
mod script;
mod server;
pub mod signature;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub use script::{Endpoint, Fault, Outcome, Place, Preauth, User};
use server::Order;

use self::script::State;
use super::{DuoAccount, Identity, Pki};
use crate::ports;

/// Which versions of HTTP the double offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// HTTP/2 and HTTP/1.1; the client chooses.
    Both,
    /// HTTP/1.1 only.
    Http1,
}

/// A request that reached the double, whatever became of it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it went.
    pub endpoint: Endpoint,
    /// The path, without the query.
    pub path: String,
    /// The user it is about: `username`, or the one of the transaction.
    pub user: Option<String>,
    /// Its parameters; of one given twice, the last.
    pub params: BTreeMap<String, String>,
    /// When it was complete.
    pub at: Instant,
    /// Counts the connections from 0: equal numbers are one connection.
    pub connection: u64,
    /// Whether it came over HTTP/2.
    pub http2: bool,
    /// What is wrong with its signature, date or form, or `None`.
    pub violation: Option<String>,
}

/// The running double; it ends when dropped.
#[derive(Debug)]
pub struct FakeDuo {
    address: SocketAddr,
    ca: String,
    state: Arc<State>,
    orders: tokio::sync::mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl FakeDuo {
    /// The integration key it knows.
    pub const IKEY: &str = "DIE2EE2EE2EE2EE2EE2E";
    /// The secret key that belongs to it.
    pub const SKEY: &str = "e2e0secret0key0e2e0secret0key0e2e0secret";
    /// The passcode that is good for everybody who has not got another.
    pub const PASSCODE: &str = "123456";

    /// Starts it with the good certificate and both versions of HTTP.
    #[must_use]
    pub fn start(pki: &Pki) -> Self {
        Self::start_with(pki, &pki.server, Offer::Both)
    }

    /// Starts it with this certificate (`pki.expired`, `pki.rogue`, `pki.other_name`).
    #[must_use]
    pub fn start_with(pki: &Pki, identity: &Identity, offer: Offer) -> Self {
        let address = ports::loopback(ports::free_tcp());
        let state = Arc::new(State::new(format!("localhost:{}", address.port())));
        let tls = server::tls(identity, offer);
        let (orders, queue) = tokio::sync::mpsc::unbounded_channel();
        let inner = Arc::clone(&state);
        let thread = thread::spawn(move || server::run(&inner, &tls, address, queue));
        let double = Self {
            address,
            ca: pki.ca.clone(),
            state,
            orders,
            thread: Some(thread),
        };
        double.resume();
        double
    }

    /// `localhost:PORT`, for `api_host`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.state.host()
    }

    /// From now on it is asked by this host and port, which lead to it; once.
    pub fn stand_behind(&self, host: &str) {
        self.state.stand_behind(host.to_owned());
    }

    /// What the official client needs to call it.
    #[must_use]
    pub fn account(&self) -> DuoAccount {
        DuoAccount {
            ikey: Self::IKEY.to_owned(),
            skey: Self::SKEY.to_owned(),
            host: "localhost".to_owned(),
            port: self.address.port(),
            ca: self.ca.clone(),
            sig_version: 2,
        }
    }

    /// Says how everybody behaves who is not named by [`FakeDuo::user`].
    pub fn everybody(&self, user: User) {
        self.state.lock().everybody = user;
    }

    /// Says how one user behaves.
    pub fn user(&self, name: &str, user: User) {
        self.state.lock().users.insert(name.to_owned(), user);
    }

    /// Decides all of a user's pushes and calls that are still open ([`Outcome::Wait`] included).
    pub fn decide(&self, name: &str, outcome: Outcome) {
        self.state.decide(name, outcome);
    }

    /// From now on fails there. Faults are tried in the order they were given.
    pub fn fail(&self, place: Place, fault: Fault) {
        self.state.lock().faults.push((place, fault));
    }

    /// Ends all faults given by [`FakeDuo::fail`]; requests that hang already go on hanging.
    pub fn heal(&self) {
        self.state.lock().faults.clear();
    }

    /// Stops listening and cuts every connection: from now on the port refuses.
    pub fn refuse(&self) {
        self.order(Order::Refuse);
    }

    /// Cuts every connection, and goes on listening.
    pub fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Listens again on the same port after [`FakeDuo::refuse`].
    pub fn resume(&self) {
        self.order(Order::Listen);
    }

    /// Every request so far, in the order of their coming.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().requests.clone()
    }

    /// How many requests came to an endpoint.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.endpoint == endpoint)
            .count()
    }

    /// How many pushes were asked for a user; a factor that the service was to choose counts.
    #[must_use]
    pub fn pushes(&self, user: &str) -> usize {
        let is_push = |request: &Request| {
            request.endpoint == Endpoint::Auth
                && request.user.as_deref() == Some(user)
                && request
                    .params
                    .get("factor")
                    .is_some_and(|factor| factor == "push" || factor == "auto")
        };
        self.requests()
            .iter()
            .filter(|request| is_push(request))
            .count()
    }

    /// What was wrong with requests: signature, date, form.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .filter_map(|request| request.violation)
            .collect()
    }

    fn order(&self, order: fn(mpsc::Sender<()>) -> Order) {
        let (done, wait) = mpsc::channel();
        self.orders.send(order(done)).expect("the double runs");
        wait.recv_timeout(Duration::from_secs(10))
            .expect("the double obeys");
    }
}

impl Drop for FakeDuo {
    fn drop(&mut self) {
        drop(self.orders.send(Order::End));
        self.thread.take().map(JoinHandle::join);
        if thread::panicking() {
            eprintln!("---- requests at the second factor's double ----");
            for request in self.state.lock().requests.iter() {
                eprintln!("{request:?}");
            }
        }
    }
}
