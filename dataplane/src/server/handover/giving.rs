//! The old process's end: it offers what it serves, lets go of the sockets, and ends its logins.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use proto::config::raw;
use proto::rpc::{ConfigSource, PrimaryOnlyGrant, StateKey};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{Frame, Moved, PREPARES, QUEUED, STEP, fds, link, send_reply};
use crate::clock;
use crate::server::receive::{self, Arrival, Shared};
use crate::server::served::Site;
use crate::server::sites::Place;

/// What the old process serves, as it says it to the new one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(super) protocol: u32,
    pub(super) version: String,
    pub(crate) snapshot: Option<raw::Snapshot>,
    pub(crate) source: ConfigSource,
    pub(crate) grants: Vec<PrimaryOnlyGrant>,
    /// Whether the control plane drains the node.
    pub(crate) draining: bool,
    pub(super) keys: Vec<StateKey>,
    pub(super) sockets: Vec<Offered>,
}

/// A socket, in the order in which they follow.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Offered {
    pub(super) listen: Option<IpAddr>,
    pub(super) port: u16,
}

/// What is offered, by who knows it. While it is held nothing else is applied.
pub(crate) trait Estate {
    /// What is served; none while that is nothing.
    fn snapshot(&self) -> (Option<raw::Snapshot>, ConfigSource);
    /// All sockets that a login may have to be answered from.
    fn sites(&self) -> Vec<(Place, Arc<Site>)>;
}

/// Listens for a process that wants to take over.
#[derive(Debug)]
pub(crate) struct Giver(tokio::net::UnixListener);

/// What remains to be done by a process that was taken over from.
#[derive(Debug)]
pub(crate) struct Given {
    stream: UnixStream,
    words: Words,
}

/// What the new process is told, and has not heard yet.
#[derive(Debug)]
struct Words {
    queue: mpsc::Receiver<Frame>,
    /// Taken out of the queue.
    next: Vec<Frame>,
    sites: HashMap<SocketAddr, Arc<Site>>,
}

impl Giver {
    /// In the place of whoever listened there before.
    pub(crate) fn bind(path: &Path) -> Result<Self, local::ServeError> {
        local::listen_over(path).map(Self)
    }

    /// Listens at the place of a process that was taken over from.
    pub(crate) fn put(aside: local::Aside) -> Self {
        Self(aside.put())
    }

    /// Waits until another process has taken over. What comes in between is only told in the log.
    pub(crate) async fn given<E: Estate>(
        &self,
        shared: &Arc<Shared>,
        hold: impl AsyncFn() -> E,
    ) -> (Given, E) {
        loop {
            let stream = match self.0.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a program that would take over could not be let in"
                    );
                    tokio::time::sleep(STEP / 100).await;
                    continue;
                }
            };
            if !local::is_ours(&stream) {
                tracing::warn!("a program of another user would take over: refused");
                continue;
            }
            let estate = hold().await;
            match give(shared, &estate, stream).await {
                Ok(given) => return (given, estate),
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the program that would take over did not; this one serves on"
                ),
            }
        }
    }
}

async fn give(
    shared: &Arc<Shared>,
    estate: &impl Estate,
    mut stream: UnixStream,
) -> io::Result<Given> {
    let sites = estate.sites();
    let (snapshot, source) = estate.snapshot();
    let offer = Offer {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        snapshot,
        source,
        grants: shared.primary_only.held(clock::moment()),
        draining: shared.is_draining(),
        keys: shared.states.keys(),
        sockets: sites
            .iter()
            .map(|((listen, port), _)| Offered {
                listen: *listen,
                port: *port,
            })
            .collect(),
    };
    let offer = Zeroizing::new(serde_json::to_vec(&offer)?);
    let offered = async {
        link::write(&mut stream, [Frame::Offer(offer)]).await?;
        for (_, site) in &sites {
            fds::send(&stream, site.socket.fd()).await?;
        }
        link::read(&mut stream).await
    };
    match timeout(PREPARES, offered).await {
        Ok(Ok(Frame::Take)) => {}
        Ok(Ok(_)) => return Err(io::ErrorKind::InvalidData.into()),
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    }
    let socket = stream.as_fd().try_clone_to_owned()?;
    let (sender, queue) = mpsc::channel(QUEUED);
    let (state, moved) = freeze(shared, sender).await;
    let taken = async {
        link::write(&mut stream, state.into_iter().chain([Frame::Complete])).await?;
        link::read(&mut stream).await
    };
    // After it, it cannot say any more that it serves; it may have in that moment.
    let taken = local::last_word(&socket, Instant::now() + STEP, taken).await;
    let sites: HashMap<SocketAddr, Arc<Site>> = sites
        .into_iter()
        .map(|(_, site)| (site.socket.address(), site))
        .collect();
    let words = Words {
        queue,
        next: Vec::new(),
        sites,
    };
    match taken {
        Ok(Frame::Serving) => {
            let Moved {
                sockets: _,
                under_way,
                answers,
            } = moved;
            tracing::info!(under_way, answers, "another program has taken over");
            Ok(Given { stream, words })
        }
        taken => {
            thaw(shared, words);
            taken.and(Err(io::ErrorKind::InvalidData.into()))
        }
    }
}

/// Stops reading, and gives what the new process has to know. What comes after it goes to the queue.
async fn freeze(shared: &Arc<Shared>, queue: mpsc::Sender<Frame>) -> (Vec<Frame>, Moved) {
    shared.gate.close().await;
    let mut state = Vec::new();
    let mut moved = Moved::default();
    {
        // Both at once: an answer is either here already, or goes to the queue.
        let (others, eap) = (
            shared.duplicates.of_eap(false),
            shared.duplicates.of_eap(true),
        );
        shared.heir().set(Some(queue));
        let now = clock::now();
        for (is_eap, cache) in [(false, &others), (true, &eap)] {
            let kept = cache.kept(now);
            moved.under_way += kept.iter().filter(|one| one.answer.is_none()).count();
            moved.answers += kept.len();
            state.extend(kept.into_iter().map(|one| Frame::Kept(is_eap, one)));
        }
    }
    moved.answers -= moved.under_way;
    shared.states.hand_over(&mut |frame| state.push(frame));
    (state, moved)
}

/// Serves on: nobody took over, or nobody is there any more who did.
fn thaw(shared: &Shared, words: Words) {
    words.said_here(shared);
    shared.gate.open();
}

impl Words {
    /// What nobody else says is said by this process, from now on.
    fn said_here(self, shared: &Shared) {
        let Self {
            mut queue,
            next,
            sites,
        } = self;
        shared.heir().set(None);
        queue.close();
        let queued = std::iter::from_fn(|| queue.try_recv().ok());
        for frame in next.into_iter().chain(queued) {
            if let Frame::Answer(reply) = frame
                && let Some(site) = sites.get(&reply.local)
            {
                send_reply(site, clock::now(), &reply);
            }
        }
    }
}

impl Given {
    /// Tells the new process of each answer, and takes what it hands back. Ends when [`Given::over`]
    /// was called and all is told, or when the new process is gone.
    /// Cancels `stops` when that one was told to stop.
    pub(crate) async fn run(&mut self, shared: &Arc<Shared>, stops: &CancellationToken) {
        let Self {
            stream,
            words: Words { queue, next, sites },
        } = self;
        let (read, mut write) = stream.split();
        let mut read = tokio::io::BufReader::new(read);
        let telling = async {
            while queue.recv_many(next, FRAMES_AT_ONCE).await > 0 {
                link::write(&mut write, &*next).await?;
                next.clear();
            }
            Ok::<(), io::Error>(())
        };
        let hearing = async {
            loop {
                let forward = match link::read(&mut read).await? {
                    Frame::Forward(forward) => forward,
                    Frame::Stops => {
                        stops.cancel();
                        continue;
                    }
                    _ => return Err::<(), _>(io::Error::from(io::ErrorKind::InvalidData)),
                };
                let arrival = Arrival {
                    now: clock::now(),
                    source: forward.source,
                    asked: forward.asked,
                };
                if let Some(site) = sites.get(&forward.local) {
                    receive::handed_back(shared, site, &forward.datagram, arrival);
                }
            }
        };
        let ended = tokio::select! {
            ended = telling => ended,
            ended = hearing => ended,
        };
        if let Err(error) = ended {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the program that took over is gone"
            );
        }
    }

    /// Nothing more is told: what is answered now is sent by this process.
    pub(crate) fn over(shared: &Shared) {
        shared.heir().set(None);
    }

    /// The new process is gone, and yet another one serves: what it did not hear is said here.
    pub(crate) fn bereft(self, shared: &Shared) {
        self.words.said_here(shared);
    }

    /// The new process is gone, and nobody serves: this one reads its sockets again.
    pub(crate) fn taken_back(self, shared: &Shared) {
        thaw(shared, self.words);
    }
}

pub(super) const PROTOCOL: u32 = 1;
const FRAMES_AT_ONCE: usize = 256;
