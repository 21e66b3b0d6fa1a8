//! The queues and their workers: what is handed to them goes out, or is counted and told as a failure.
//! Who waits is told; nobody has to wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::rate::{Limited, Rates};
use super::{Filling, Letter, NoticeError, Routes};
use crate::admin::{Channel, DeliveryFailure};
use crate::clock;
use crate::push::Txid;
use crate::service::Service;

/// Something to be sent, over the routes as they were when it was decided.
pub(crate) struct Job {
    pub(crate) routes: Arc<Routes>,
    /// Whom it is for.
    pub(crate) user: String,
    /// From when on it says nothing that is good; none is never.
    pub(crate) until: Option<Instant>,
    pub(crate) what: What,
}

/// What is to be sent.
pub(crate) enum What {
    Mail(Letter),
    Text { number: String, text: String },
    Call(Call),
    Notice(Notice),
}

/// A call that asks for an approval, or a test.
pub(crate) struct Call {
    pub(crate) number: String,
    pub(crate) text: String,
    pub(crate) callback: String,
    /// The push that ends when nobody can be called.
    pub(crate) txid: Option<Txid>,
}

/// A notice that a push waits.
pub(crate) struct Notice {
    /// The push.
    pub(crate) txid: Txid,
    /// The device's id.
    pub(crate) device: Arc<str>,
    /// What the user is found by.
    pub(crate) lookup: String,
    /// Notices of one topic replace each other.
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

impl What {
    const fn channel(&self) -> Channel {
        match self {
            Self::Mail(_) => Channel::Email,
            Self::Text { .. } => Channel::Sms,
            Self::Call(_) => Channel::Voice,
            Self::Notice(_) => Channel::WebPush,
        }
    }

    /// The push that it tells of; nobody wants to hear of one that has ended.
    const fn tells_of(&self) -> Option<Txid> {
        match self {
            Self::Call(call) => call.txid,
            Self::Notice(notice) => Some(notice.txid),
            Self::Mail(_) | Self::Text { .. } => None,
        }
    }
}

/// Why something did not go out, for a person. No secret, and nothing of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Whether it may go well a moment later.
    passing: bool,
    pub(crate) why: String,
}

impl Fault {
    pub(crate) fn lasting(why: impl Into<String>) -> Self {
        Self {
            passing: false,
            why: why.into(),
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was taken.
    Taken,
    /// It was not taken.
    Failed,
    /// The queue is full, or ended.
    Dropped,
    /// There were too many.
    Limited,
}

impl Outcome {
    /// Its name in labels.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Taken => "sent",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Limited => "limited",
        }
    }

    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::Taken, Self::Failed, Self::Dropped, Self::Limited];
}

/// Told when a message was taken, or why not.
pub(crate) type Done = oneshot::Receiver<Result<(), Fault>>;

type Queued = (Job, oneshot::Sender<Result<(), Fault>>);

/// Everything that goes out.
pub(crate) struct Outbound {
    routes: RwLock<Arc<Routes>>,
    /// Held over a change of the settings.
    pub(crate) changes: tokio::sync::Mutex<()>,
    lanes: Vec<(Channel, mpsc::Sender<Queued>)>,
    /// Taken by who runs them.
    ends: Mutex<Vec<mpsc::Receiver<Queued>>>,
    rates: Mutex<Rates>,
    /// What users were told of their own changes.
    told: Mutex<Rates>,
    failures: Mutex<VecDeque<DeliveryFailure>>,
}

impl Outbound {
    /// With routes, and nothing to do.
    pub(crate) fn new(routes: Routes) -> Self {
        let (lanes, ends) = Channel::ALL
            .iter()
            .map(|channel| {
                let (sender, receiver) = mpsc::channel(QUEUE);
                ((*channel, sender), receiver)
            })
            .unzip();
        Self {
            routes: RwLock::new(Arc::new(routes)),
            changes: tokio::sync::Mutex::default(),
            lanes,
            ends: Mutex::new(ends),
            rates: Mutex::default(),
            told: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// The routes as they are now.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&routes)
    }

    /// Puts routes in the place of those before.
    pub(crate) fn set_routes(&self, routes: Routes) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
    }

    /// What did not go out lately, newest first.
    pub(crate) fn failures(&self) -> Vec<DeliveryFailure> {
        locked(&self.failures).iter().rev().cloned().collect()
    }

    fn enqueue(&self, job: Job) -> Option<Done> {
        let channel = job.what.channel();
        let (sender, done) = oneshot::channel();
        let (_, lane) = self.lanes.iter().find(|(found, _)| *found == channel)?;
        lane.try_send((job, sender)).ok().map(|()| done)
    }
}

impl Service {
    /// Hands a message to its queue; none when the queue is full.
    pub(crate) fn send(&self, job: Job) -> Option<Done> {
        let (channel, user) = (job.what.channel(), job.user.clone());
        let done = self.outbound.enqueue(job);
        if done.is_none() {
            let fault = Fault::lasting(format!("{QUEUE} messages wait to be sent already"));
            self.not_sent(channel, &user, Outcome::Dropped, &fault);
        }
        done
    }

    /// Counts a message that a login causes, unless the user or the installation had too many.
    ///
    /// # Errors
    /// [`Limited`].
    pub(crate) fn may_send(&self, channel: Channel, user: &str) -> Result<(), Limited> {
        let rates = &self.outbound.rates;
        self.within(rates, channel, user, "logins and enrollments cause")
    }

    /// Counts an e-mail about a user's own changes, apart from what logins cause: nobody keeps it away
    /// by those.
    ///
    /// # Errors
    /// [`Limited`].
    pub(crate) fn may_tell(&self, user: &str) -> Result<(), Limited> {
        let rates = &self.outbound.told;
        self.within(rates, Channel::Email, user, "changes of one's own cause")
    }

    fn within(
        &self,
        rates: &Mutex<Rates>,
        channel: Channel,
        user: &str,
        causes: &str,
    ) -> Result<(), Limited> {
        let taken = locked(rates).take(user, Instant::now());
        if let Err(limited) = taken {
            let why = match limited {
                Limited::User => format!(
                    "{} messages went to this user within ten minutes; {causes} no more",
                    super::rate::OF_A_USER
                ),
                Limited::All => format!(
                    "{} messages went out within an hour; {causes} no more until it is over",
                    super::rate::AN_HOUR
                ),
            };
            self.not_sent(channel, user, Outcome::Limited, &Fault::lasting(why));
        }
        taken
    }

    /// Sends a message at once, for somebody who waits for it.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) async fn send_now(&self, job: &Job) -> Result<(), Fault> {
        let sent = send(self, job).await;
        let sent = sent.map(drop);
        self.count(job, &sent);
        sent
    }

    fn count(&self, job: &Job, sent: &Result<(), Fault>) {
        let channel = job.what.channel();
        match sent {
            Ok(()) => self.metrics.message(channel, Outcome::Taken),
            Err(fault) => self.not_sent(channel, &job.user, Outcome::Failed, fault),
        }
    }

    fn not_sent(&self, channel: Channel, user: &str, outcome: Outcome, fault: &Fault) {
        self.metrics.message(channel, outcome);
        let why = shown(&fault.why);
        tracing::warn!(
            channel = channel.as_str(),
            user,
            why = &*why,
            "a message did not go out"
        );
        let mut failures = locked(&self.outbound.failures);
        if failures.len() >= MAX_FAILURES {
            failures.pop_front();
        }
        failures.push_back(DeliveryFailure {
            at: clock::unix_ms() / 1_000,
            channel,
            user: user.to_owned(),
            why,
        });
    }
}

/// Sends what is queued until the shutdown; then what waits still, for a while.
pub(crate) async fn run(service: &Arc<Service>, gone: &CancellationToken) {
    let ends = std::mem::take(&mut *locked(&service.outbound.ends));
    let mut lanes = JoinSet::new();
    for end in ends {
        lanes.spawn(lane(Arc::clone(service), end, gone.clone()));
    }
    while lanes.join_next().await.is_some() {}
}

async fn lane(service: Arc<Service>, mut queue: mpsc::Receiver<Queued>, gone: CancellationToken) {
    let mut working = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = gone.cancelled() => break,
            Some(_) = working.join_next() => {}
            Some(job) = queue.recv(), if working.len() < WORKERS => {
                working.spawn(deliver(Arc::clone(&service), job, gone.clone()));
            }
            else => break,
        }
    }
    queue.close();
    let rest = async {
        loop {
            tokio::select! {
                biased;
                Some(_) = working.join_next(), if working.len() >= WORKERS => {}
                job = queue.recv() => match job {
                    Some(job) => {
                        working.spawn(deliver(Arc::clone(&service), job, gone.clone()));
                    }
                    None => break,
                },
            }
        }
        while working.join_next().await.is_some() {}
    };
    if tokio::time::timeout(LAST, rest).await.is_err() {
        tracing::warn!("messages were left when the service ended");
    }
}

async fn deliver(service: Arc<Service>, (job, waits): Queued, gone: CancellationToken) {
    let mut pauses = PAUSES.iter();
    let outcome = loop {
        match send(&service, &job).await {
            Err(fault) if fault.passing => {
                let Some(pause) = pauses.next() else {
                    break Err(fault);
                };
                tokio::select! {
                    () = tokio::time::sleep(*pause) => {}
                    () = gone.cancelled() => break Err(fault),
                }
            }
            other => break other,
        }
    };
    if let Ok(Went::Nowhere) = outcome {
        return;
    }
    let outcome = outcome.map(drop);
    service.count(&job, &outcome);
    if let (
        Err(_),
        What::Call(Call {
            txid: Some(txid), ..
        }),
    ) = (&outcome, &job.what)
    {
        service.call_failed(*txid).await;
    }
    // Who waited may have gone.
    drop(waits.send(outcome));
}

enum Went {
    Out,
    /// Nobody wants it any more.
    Nowhere,
}

async fn send(service: &Service, job: &Job) -> Result<Went, Fault> {
    let ended = |txid| service.pushes.get(txid).is_none();
    if job.what.tells_of().is_some_and(ended) {
        return Ok(Went::Nowhere);
    }
    if job.until.is_some_and(|until| until <= Instant::now()) {
        return Err(Fault::lasting(TOO_LATE));
    }
    let routes = &job.routes;
    let none = || Fault::lasting("it is not configured any more");
    let by_gateway = |error: super::http::PostError| Fault {
        passing: error.is_passing(),
        why: error.why(),
    };
    match &job.what {
        What::Mail(letter) => {
            let route = routes.smtp.as_ref().ok_or_else(none)?;
            route.send(letter).await.map_err(|error| Fault {
                passing: error.is_passing(),
                why: error.why(),
            })?;
        }
        What::Text { number, text } => {
            let route = routes.sms.as_ref().ok_or_else(none)?;
            let callback = "";
            let filling = Filling {
                number,
                text,
                callback,
            };
            route.send(filling).await.map_err(by_gateway)?;
        }
        What::Call(call) => {
            let route = routes.voice.as_ref().ok_or_else(none)?;
            let filling = Filling {
                number: &call.number,
                text: &call.text,
                callback: &call.callback,
            };
            route.send(filling).await.map_err(by_gateway)?;
        }
        What::Notice(notice) => return notify(service, routes, notice).await,
    }
    Ok(Went::Out)
}

async fn notify(service: &Service, routes: &Routes, notice: &Notice) -> Result<Went, Fault> {
    let none = || Fault::lasting("it is not configured any more");
    let route = routes.web_push.as_ref().ok_or_else(none)?;
    let found = service.subscription(&notice.device).await;
    let found = found.map_err(|error| Fault::lasting(error.to_string()))?;
    let Some(subscription) = found else {
        return Ok(Went::Nowhere);
    };
    let now_s = clock::unix_ms() / 1_000;
    let sent = route.send(&subscription, &notice.topic, &notice.payload, now_s);
    match sent.await {
        Ok(()) => Ok(Went::Out),
        Err(error) if error.is_gone() => {
            service
                .subscription_ended(&notice.device, &notice.lookup, &subscription.endpoint)
                .await;
            Err(Fault::lasting(
                "the browser takes no notices any more; it asks again when its page is opened",
            ))
        }
        Err(NoticeError::Post(error)) => Err(Fault {
            passing: error.is_passing(),
            why: error.why(),
        }),
        Err(error) => Err(Fault::lasting(error.to_string())),
    }
}

/// What others said, short and without what a terminal would take for its own.
fn shown(why: &str) -> String {
    let seen = why.chars().map(|c| if c.is_control() { ' ' } else { c });
    seen.take(WHY_CHARACTERS).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most messages of a channel that wait; the next one is dropped and counted.
const QUEUE: usize = 2_000;

/// The most messages of a channel that are being sent.
const WORKERS: usize = 16;

/// How long what passes is waited for, time after time.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// How long messages may take when the service ends.
const LAST: Duration = Duration::from_secs(8);

/// What is sent no more.
const TOO_LATE: &str = "it waited until what it says was good no more";

/// The most failures that are shown.
const MAX_FAILURES: usize = 20;
const WHY_CHARACTERS: usize = 300;
