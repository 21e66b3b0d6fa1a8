//! The new process's end: it asks for what the old one serves, reads its sockets from then on, and
//! passes on what only the old one can answer.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::giving::{Offer, PROTOCOL};
use super::{Frame, Moved, Predecessor, QUEUED, STEP, Which, abandon, deliver, fds, link, take_in};
use crate::clock;
use crate::server::receive::Shared;
use crate::server::served::Site;
use crate::server::sites::Place;
use crate::server::socket::Bound;

/// What the old process offered. It reads its sockets still.
pub(crate) struct Taken {
    stream: UnixStream,
    pub(crate) offer: Offer,
    pub(crate) sockets: Vec<(Place, Bound)>,
}

/// What is left to do with the old process after it was taken over from.
#[derive(Debug)]
pub(crate) struct Following {
    stream: UnixStream,
    queue: mpsc::Receiver<Frame>,
    predecessor: Arc<Predecessor>,
    sites: HashMap<SocketAddr, Arc<Site>>,
}

/// Asks the process that serves this node. None when there is none.
///
/// # Errors
/// It is another user's, another version's, or says what cannot be understood.
pub(crate) async fn ask(path: &Path) -> Result<Option<Taken>, TakeError> {
    let Some(mut stream) = connect(path).await? else {
        return Ok(None);
    };
    if !local::is_ours(&stream) {
        return Err(TakeError::Foreign);
    }
    let asked = async {
        let Frame::Offer(offer) = link::read(&mut stream).await? else {
            return Err(TakeError::Unexpected);
        };
        let spoken: Spoken = serde_json::from_slice(&offer).map_err(|_| TakeError::Unexpected)?;
        if spoken.protocol != PROTOCOL {
            return Err(TakeError::Version(spoken.version));
        }
        // What it holds is secret, so its fault is not told.
        let offer: Offer =
            serde_json::from_slice(&offer).map_err(|_| TakeError::Version(spoken.version))?;
        let mut sockets = Vec::new();
        for one in &offer.sockets {
            let bound = Bound::inherited(fds::receive(&stream).await?)?;
            sockets.push(((one.listen, one.port), bound));
        }
        Ok((offer, sockets))
    };
    let (offer, sockets) = timeout(STEP, asked)
        .await
        .map_err(|_| TakeError::Io(io::ErrorKind::TimedOut.into()))??;
    Ok(Some(Taken {
        stream,
        offer,
        sockets,
    }))
}

/// None when nobody listens there. A process whose successor has just ended takes its place back in a
/// moment, so a socket that was left behind is looked at for some time.
async fn connect(path: &Path) -> io::Result<Option<UnixStream>> {
    let mut tick = tokio::time::interval(LOOK);
    let listens = async {
        loop {
            tick.tick().await;
            match UnixStream::connect(path).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                connected => return connected.map(Some),
            }
        }
    };
    timeout(LEFT_BEHIND, listens).await.unwrap_or(Ok(None))
}

/// As much of an offer as any version can read.
#[derive(serde::Deserialize)]
struct Spoken {
    protocol: u32,
    version: String,
}

/// What came with the offer, for [`Taking::take`].
#[derive(Debug)]
pub(crate) struct Taking {
    stream: UnixStream,
    sockets: usize,
}

impl Taken {
    /// Parts what is to be served from how it goes on.
    pub(crate) fn split(self) -> (Offer, Vec<(Place, Bound)>, Taking) {
        let taking = Taking {
            stream: self.stream,
            sockets: self.sockets.len(),
        };
        (self.offer, self.sockets, taking)
    }
}

impl Offer {
    /// The keys of States, before any is sealed here.
    pub(crate) fn keys_to(&self, shared: &Shared) {
        if shared.states.inherit_keys(&self.keys).is_err() {
            tracing::error!(
                "the old process handed over no usable keys: answers to its challenges will be refused"
            );
        }
    }
}

impl Taking {
    /// Takes over: when this returns, the gate is open and the old process reads no more.
    ///
    /// # Errors
    /// Nothing was taken over: the old process serves on, if it is there.
    pub(crate) async fn take(
        self,
        shared: &Arc<Shared>,
        sites: HashMap<SocketAddr, Arc<Site>>,
    ) -> Result<Following, TakeError> {
        let Self {
            mut stream,
            sockets,
        } = self;
        let mut moved = Moved {
            sockets,
            ..Moved::default()
        };
        let mut under_way: HashSet<Which> = HashSet::new();
        let state = async {
            link::write(&mut stream, [Frame::Take]).await?;
            let mut from = tokio::io::BufReader::new(&mut stream);
            loop {
                match take_in(shared, link::read(&mut from).await?, &mut moved) {
                    Ok(which) => under_way.extend(which),
                    Err(Frame::Complete) => break,
                    Err(_) => return Err(TakeError::Unexpected),
                }
            }
            // It says nothing before it was told that this one serves.
            link::write(&mut stream, [Frame::Serving]).await?;
            Ok(())
        };
        timeout(STEP, state)
            .await
            .map_err(|_| TakeError::Io(io::ErrorKind::TimedOut.into()))??;
        let (sender, queue) = mpsc::channel(QUEUED);
        let predecessor = Arc::new(Predecessor {
            queue: sender,
            under_way: Mutex::new(under_way),
        });
        shared.set_predecessor(Some(Arc::clone(&predecessor)));
        shared.gate.open();
        tracing::info!(
            sockets = moved.sockets,
            under_way = moved.under_way,
            answers = moved.answers,
            "took over from the old process"
        );
        Ok(Following {
            stream,
            queue,
            predecessor,
            sites,
        })
    }
}

impl Following {
    /// Sends what the old process answers, and hands back what belongs to it, until it has ended; tells it
    /// when `shutdown` comes.
    pub(crate) async fn run(self, shared: &Arc<Shared>, shutdown: &CancellationToken) {
        let Self {
            stream,
            mut queue,
            predecessor,
            sites,
        } = self;
        let (read, mut write) = stream.into_split();
        let mut read = tokio::io::BufReader::new(read);
        let handing_back = async {
            let mut told = false;
            loop {
                let frame = tokio::select! {
                    frame = queue.recv() => frame,
                    () = shutdown.cancelled(), if !told => {
                        told = true;
                        Some(Frame::Stops)
                    }
                };
                let Some(frame) = frame else {
                    return Ok::<(), io::Error>(());
                };
                link::write(&mut write, [frame]).await?;
            }
        };
        let hearing = async {
            loop {
                match link::read(&mut read).await? {
                    Frame::Answer(reply) => {
                        predecessor.under_way().remove(&reply.which);
                        match sites.get(&reply.local) {
                            Some(site) => deliver(shared, site, clock::now(), reply),
                            None => abandon(shared, &reply.which),
                        }
                    }
                    Frame::Abandoned(which) => {
                        predecessor.under_way().remove(&which);
                        abandon(shared, &which);
                    }
                    other => {
                        let news = take_in(shared, other, &mut Moved::default());
                        news.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                    }
                }
            }
        };
        let ended: io::Result<()> = tokio::select! {
            ended = handing_back => ended,
            ended = hearing => ended,
        };
        shared.set_predecessor(None);
        // What it did not answer is served anew when it is asked again.
        let left = std::mem::take(&mut *predecessor.under_way());
        for which in &left {
            abandon(shared, which);
        }
        match ended {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => tracing::warn!(
                error = &error as &dyn std::error::Error,
                left = left.len(),
                "the old process is no longer heard of"
            ),
            _ => tracing::info!(left = left.len(), "the old process has ended"),
        }
    }
}

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The other process is of somebody else.
    #[error("the program that serves is another user's")]
    Foreign,
    /// It speaks another version.
    #[error(
        "the program that serves, version {0}, hands over in a way that this one does not know; \
         restart it"
    )]
    Version(String),
    /// It said what was not its turn.
    #[error("the program that serves said what is not understood")]
    Unexpected,
    /// What it serves cannot be served by this one.
    #[error("revision {0}, which is served, cannot be served by this program: {1}")]
    Refused(u64, String),
    /// The socket failed, or the other process ended.
    #[error("the program that serves did not hand over")]
    Io(#[from] io::Error),
}

/// How long a socket that nobody listens at is looked at, and how often.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;
    use zeroize::Zeroizing;

    use super::*;

    /// An old process that offers this, and then waits for what the new one says.
    async fn asked(offer: &str) -> Result<Option<Taken>, TakeError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.next");
        let old = UnixListener::bind(&path).unwrap();
        let offers = async {
            let (mut stream, _) = old.accept().await.unwrap();
            let offer = Frame::Offer(Zeroizing::new(offer.as_bytes().to_vec()));
            link::write(&mut stream, [offer]).await.unwrap();
            // It hears that nobody takes anything, and serves on.
            link::read(&mut stream).await.unwrap_err().kind()
        };
        let (asked, heard) = tokio::join!(async { ask(&path).await }, offers);
        assert_eq!(heard, io::ErrorKind::UnexpectedEof);
        asked
    }

    #[tokio::test]
    async fn a_program_that_hands_over_in_another_way_is_left_alone() {
        let next = PROTOCOL + 1;
        for (what, offer) in [
            (
                "a later protocol",
                format!(r#"{{"protocol":{next},"version":"9.8.7"}}"#),
            ),
            (
                "an earlier one",
                r#"{"protocol":0,"version":"9.8.7","sockets":1}"#.to_owned(),
            ),
            (
                "this one, with less in it",
                format!(r#"{{"protocol":{PROTOCOL},"version":"9.8.7"}}"#),
            ),
        ] {
            let refused = asked(&offer).await.map(|_| ()).unwrap_err();
            let TakeError::Version(version) = &refused else {
                panic!("{what}: {refused}");
            };
            assert_eq!(version, "9.8.7", "{what}");
            assert!(refused.to_string().contains("restart it"), "{refused}");
        }
        let refused = asked("{}").await.map(|_| ()).unwrap_err();
        assert!(matches!(refused, TakeError::Unexpected), "{refused}");
    }

    #[tokio::test]
    async fn nobody_is_asked_where_nobody_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.next");
        assert!(ask(&path).await.unwrap().is_none(), "no socket");
        // One that was left behind is looked at for a moment: whoever it was of may come back.
        drop(UnixListener::bind(&path).unwrap());
        assert!(ask(&path).await.unwrap().is_none(), "a dead socket");
    }
}
