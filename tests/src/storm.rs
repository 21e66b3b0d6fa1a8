//! Devices that repeat a request until it is answered, while something happens to what answers.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    clock,
    nas::{Answer, Nas, Request, code},
    peers::SECRET,
};

/// How long a device waits before it sends a request again.
const PAUSE: Duration = Duration::from_millis(400);
/// How often it does, at the most: for half a minute.
const REPEATS: usize = 75;
/// How long something may take to come about.
const LONG: Duration = Duration::from_secs(60);

/// So many logins at a gateway.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// Where.
    pub server: SocketAddr,
    /// How many devices log in at once, each with a socket of its own.
    pub devices: usize,
    /// How many logins in all; at most 256 for each device, that no identifier comes twice.
    pub logins: usize,
    /// How often a user who is rejected tries again, each time after a moment.
    pub tries: usize,
}

/// How far a storm is.
#[derive(Debug, Default)]
pub struct Progress {
    begun: AtomicUsize,
    answered: AtomicUsize,
}

/// What became of a login.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Whose it was.
    pub user: String,
    /// How often its requests were sent, in all.
    pub sent: usize,
    /// What was told to the user each time before, when the answer was a reject and the user tried again.
    pub rejected: Vec<String>,
    /// What came in the end, or nothing at all.
    pub answer: Option<Answer>,
    /// Whether another answer to the same request came later, with other octets.
    pub contradicted: bool,
}

impl Ended {
    /// The code of its answer; 0 when there was none.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.answer.as_ref().map_or(0, |answer| answer.code)
    }

    /// What was told to the user.
    #[must_use]
    pub fn message(&self) -> String {
        self.answer
            .as_ref()
            .map(Answer::message)
            .unwrap_or_default()
    }
}

impl Progress {
    /// How many logins were answered.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Waits until so many were.
    pub fn until(&self, answered: usize) {
        clock::wait_until(&format!("{answered} answers"), LONG, || {
            self.answered() >= answered
        });
    }
}

impl Storm {
    /// Logs in, with the number of each login made into its user and password, while `meanwhile` runs.
    pub fn rage(
        self,
        who: impl Fn(usize) -> (String, String) + Sync,
        meanwhile: impl FnOnce(&Progress),
    ) -> Vec<Ended> {
        let (progress, all) = (Progress::default(), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..self.devices {
                scope.spawn(|| {
                    let mut device = Device::new(self.server);
                    loop {
                        let number = progress.begun.fetch_add(1, Ordering::SeqCst);
                        if number >= self.logins {
                            break;
                        }
                        let (user, password) = who(number);
                        let ended = device.log_in(user, &password, self.tries);
                        all.lock().unwrap().push(ended);
                        progress.answered.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            meanwhile(&progress);
        });
        all.into_inner().unwrap()
    }
}

/// One that repeats itself until it is answered.
#[derive(Debug)]
pub struct Device {
    /// Its socket.
    pub nas: Nas,
    answered: HashMap<u8, Vec<u8>>,
    contradicted: bool,
}

impl Device {
    /// A device of its own on 127.0.0.1.
    #[must_use]
    pub fn new(server: SocketAddr) -> Self {
        Self {
            nas: Nas::new(server, SECRET),
            answered: HashMap::new(),
            contradicted: false,
        }
    }

    /// Whether a request was ever answered again with other octets.
    #[must_use]
    pub fn contradicted(&self) -> bool {
        self.contradicted
    }

    /// Logs in, and so often again as the user is rejected.
    fn log_in(&mut self, user: String, password: &str, tries: usize) -> Ended {
        let (mut rejected, mut all) = (Vec::new(), 0);
        loop {
            let request = self.nas.access(&user, password);
            let (answer, sent) = self.ask(&request);
            all += sent;
            match answer {
                Some(answer) if answer.code == code::ACCESS_REJECT && rejected.len() < tries => {
                    rejected.push(answer.message());
                    // Until the user has typed it again, nothing new may come.
                    if let Some(came) = self.nas.receive(PAUSE) {
                        self.contradicted |= self.answered.get(&came[1]) != Some(&came);
                    }
                }
                answer => {
                    return Ended {
                        user,
                        sent: all,
                        rejected,
                        answer,
                        contradicted: self.contradicted,
                    };
                }
            }
        }
    }

    /// The answer to a request, or none in half a minute, and how often the request was sent.
    ///
    /// # Panics
    /// When what comes is forged.
    pub fn ask(&mut self, request: &Request) -> (Option<Answer>, usize) {
        let datagram = request.encode();
        for sent in 1..=REPEATS {
            self.nas.send(&datagram);
            let until = clock::now() + PAUSE;
            loop {
                let left = until.saturating_duration_since(clock::now());
                if left.is_zero() {
                    break;
                }
                // A port that refuses says so at once, and may be there a moment later.
                let Some(came) = self.nas.receive(left) else {
                    continue;
                };
                if came[1] == request.id {
                    let answer = request.check(&came).unwrap();
                    self.answered.insert(request.id, came);
                    return (Some(answer), sent);
                }
                // A late one to an earlier request: it must be what came then.
                self.contradicted |= self.answered.get(&came[1]) != Some(&came);
            }
        }
        (None, REPEATS)
    }
}
