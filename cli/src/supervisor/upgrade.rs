//! The gateway is upgraded: this process becomes the program that lies on the disk now, without ever
//! ending, and then has each role taken over by a process of it.

use std::convert::Infallible;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::unistd::Pid;
use proto::child::{FromChild, Role};

use super::child::{Child, Start};
use super::heritage::{Heritage, Will};
use super::{News, Supervisor, Turn, signals};
use crate::commands::upgrade::Ask;
use crate::failure::Failure;
use crate::logs;
use crate::notify;
use crate::program::{Program, Tried};

/// A trial of the program on the disk, under way.
pub(super) type Trial = Pin<Box<dyn Future<Output = Result<Tried, Failure>>>>;

/// How far an upgrade came.
enum Upgraded {
    Done,
    /// Why not; the gateway serves on.
    No(String),
    /// A signal asked for the end.
    Stop,
}

/// What waiting for something came to.
enum Waited<T> {
    Came(T),
    /// Not within the limit.
    Late,
    /// A signal asked for the end.
    Stop,
}

impl Supervisor {
    /// Becomes the program on the disk, if that can go on here; comes back where it cannot, or when a
    /// signal asked for the end.
    pub(super) async fn make_place(&mut self, ask: Option<Ask>) -> Result<Turn, Failure> {
        self.door.begins();
        let failure = match self.try_next().await? {
            Waited::Came(Err(failure)) => failure,
            Waited::Came(Ok((program, tried))) => match self.become_next(&program, &tried).await {
                Some(Err(failure)) => failure,
                Some(Ok(never)) => match never {},
                None => return Ok(Turn::Stop),
            },
            Waited::Late | Waited::Stop => return Ok(Turn::Stop),
        };
        notify::status("serving");
        tracing::error!(%failure, "not upgraded");
        let outcome = Err(failure);
        self.door.ends(&outcome);
        // Who asked may have gone.
        drop(ask.map(|ask| ask.send(outcome)));
        Ok(Turn::GoOn)
    }

    /// Tries the program on the disk; meanwhile everything else goes on.
    async fn try_next(&mut self) -> Result<Waited<Result<(Program, Tried), Failure>>, Failure> {
        let Some(program) = self.plan.program.clone() else {
            let why = "this gateway cannot be upgraded while it runs";
            return Ok(Waited::Came(Err(Failure::plain(why))));
        };
        self.trial = Some(Box::pin(program.clone().tried_as_it_is_called()));
        loop {
            match self.turn().await? {
                Turn::Stop => return Ok(Waited::Stop),
                Turn::Upgrade(ask) => self.refuse_upgrade(ask),
                Turn::Tried(tried) => {
                    return Ok(Waited::Came(tried.map(|tried| (program, tried))));
                }
                _ => {}
            }
        }
    }

    /// None when the end was asked for.
    async fn become_next(
        &mut self,
        program: &Program,
        tried: &Tried,
    ) -> Option<Result<Infallible, Failure>> {
        tracing::info!(version = tried.version, program = %program.path(), "upgrading");
        notify::status("upgrading");
        // From here on they wait for the next program.
        let held = self.signals.hold().await;
        if let Ok(true) = held {
            return None;
        }
        let became = match held {
            Ok(_) => self.execute(program, tried),
            Err(error) => Err(Failure::new("cannot hold signals back", &error)),
        };
        if let Err(error) = signals::release() {
            tracing::error!(%error, "this gateway no longer hears signals");
        }
        // It was asked for meanwhile, perhaps.
        Some(match self.start_missing(Role::SecondFactor) {
            Ok(()) => became,
            Err(failure) => Err(failure),
        })
    }

    /// Nothing of this process is left once it is the next: there is no waiting from here on, in which
    /// something could begin that then is lost.
    fn execute(&mut self, program: &Program, tried: &Tried) -> Result<Infallible, Failure> {
        // What was read of the children's words goes on as news or as words, and none of it is lost.
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Line(_, _, FromChild::Login(event)) => self.teller.login(&event),
                News::Line(_, _, FromChild::Log { log, debug }) => self.log(&log, debug),
                News::Line(_, _, FromChild::Setup { token }) => self.setup_link(&token),
                News::Line(_, _, FromChild::Need(_)) => {
                    self.wants_second_factor.store(true, Ordering::Relaxed);
                }
                News::Line(role, pid, FromChild::Ready) => drop(self.readied(role, pid)),
                News::Ended(role, pid, exit) => drop(self.ended(role, pid, exit)),
            }
        }
        let failed =
            |error: std::io::Error| Failure::new("cannot hand over to the next program", &error);
        let (will, files) = self.will(program).map_err(failed)?;
        logs::settle();
        program.is_still(tried)?;
        let error = will.become_next(program, files);
        let tried = format!("cannot become {}; this one serves on", program.path());
        Err(Failure::new(tried, &error).into_unfit())
    }

    fn will(&self, program: &Program) -> std::io::Result<(Will, Vec<OwnedFd>)> {
        let admin = self.admin_fd.try_clone()?;
        let lock: OwnedFd = File::try_clone(&self.lock)?.into();
        let mut will = Will {
            program: program.file().to_owned(),
            arguments: program.arguments().to_vec(),
            standing: self.door.standing(),
            wants_second_factor: self.wants_second_factor.load(Ordering::Relaxed),
            admin: admin.as_raw_fd(),
            lock: lock.as_raw_fd(),
            log: self.log.clone(),
            debug: self.debug,
            children: Vec::new(),
        };
        let mut files = vec![admin, lock];
        let leaving = self.leaving.iter().map(|child| (child, true));
        let children = self.children.iter().map(|child| (child, false));
        for (child, leaving) in leaving.chain(children) {
            if let Some((left, pipes)) = child.left(leaving)? {
                will.children.push(left);
                files.extend(pipes);
            }
        }
        Ok((will, files))
    }

    /// Goes on as the program that took the place of another in this process, or of which another that
    /// had taken its place became this one again.
    pub(super) async fn go_on(&mut self, heritage: Heritage) -> Result<(), Failure> {
        let version = env!("CARGO_PKG_VERSION");
        heritage.open.close();
        self.serving = true;
        if let Some(log) = heritage.log {
            self.log(&log, heritage.debug);
        }
        for heir in heritage.children {
            let (role, leaving) = (heir.role, heir.leaving);
            let mut child = Child::new(role);
            match child.adopt(heir, &self.sender) {
                Ok(()) => self.of_before.extend(child.pid()),
                Err(error) => {
                    // It can be neither watched nor replaced, and is started again.
                    tracing::error!(%role, error = &error as &dyn std::error::Error, "a role is lost");
                    child.ended();
                }
            }
            match leaving {
                true => self.leaving.push(child),
                false => self.children.push(child),
            }
        }
        self.leaving.retain(|child| child.pid().is_some());
        // Those that had just ended by themselves, or waited to be started again. The next program starts
        // its control plane in any case.
        if heritage.back.is_some() {
            self.start_missing(Role::ControlPlane)?;
        }
        self.start_missing(Role::SecondFactor)?;
        self.start_missing(Role::DataPlane)?;
        let upgraded = match heritage.back {
            Some(why) => Upgraded::No(why),
            None => {
                tracing::info!(version, "this is the next program; its roles are next");
                self.replace_roles().await?
            }
        };
        let outcome = match upgraded {
            Upgraded::Stop => return Ok(()),
            Upgraded::Done => match self.children.iter().find(|child| child.pid().is_none()) {
                None => {
                    tracing::info!(version, "upgraded");
                    Ok(version.to_owned())
                }
                Some(child) => {
                    let role = child.role;
                    let why = format!(
                        "the {role} of version {version} has ended again, and is started again; the log \
                         says why"
                    );
                    tracing::error!(why, "not upgraded");
                    Err(Failure::unfit(why))
                }
            },
            Upgraded::No(why) => {
                tracing::error!(why, "not upgraded");
                Err(Failure::unfit(why))
            }
        };
        let stay = self
            .children
            .iter()
            .filter(|child| self.is_of_before(child));
        self.door.stay(stay.map(|child| child.role).collect());
        self.door.ends(&outcome);
        notify::ready("serving");
        self.watch().await
    }

    /// Starts a role that is to be there and is not known of. It had been ready when the gateway began to
    /// serve.
    fn start_missing(&mut self, role: Role) -> Result<(), Failure> {
        let wanted = match role {
            Role::SecondFactor => self.wants_second_factor.load(Ordering::Relaxed),
            Role::ControlPlane | Role::DataPlane => true,
        };
        if !wanted || self.children.iter().any(|child| child.role == role) {
            return Ok(());
        }
        let mut child = Child::new(role);
        child.was_ready = true;
        self.children.push(child);
        self.start(role)
    }

    fn is_of_before(&self, child: &Child) -> bool {
        child.pid().is_some_and(|pid| self.of_before.contains(&pid))
    }

    async fn replace_roles(&mut self) -> Result<Upgraded, Failure> {
        match self.replace_control_plane().await? {
            Upgraded::Done => {}
            other => return Ok(other),
        }
        for role in [Role::SecondFactor, Role::DataPlane] {
            match self.hand_over(role).await? {
                Upgraded::Done => {}
                other => return Ok(other),
            }
        }
        Ok(Upgraded::Done)
    }

    /// Ends the control plane and starts the next: no login needs it.
    async fn replace_control_plane(&mut self) -> Result<Upgraded, Failure> {
        let role = Role::ControlPlane;
        let why = match self.end(role).await? {
            Waited::Stop => return Ok(Upgraded::Stop),
            Waited::Late => "does not end".to_owned(),
            Waited::Came(()) => {
                self.start(role)?;
                let ready = self.until(BEGINS, |turn| match turn {
                    Turn::Ready(ready) if ready == role => Some(Ok(())),
                    Turn::Ended(ended, exit) if ended == role => Some(Err(exit)),
                    _ => None,
                });
                match ready.await? {
                    Waited::Stop => return Ok(Upgraded::Stop),
                    Waited::Came(Ok(())) => return Ok(Upgraded::Done),
                    Waited::Came(Err(exit)) => format!("ended with {exit} before it was ready"),
                    Waited::Late => format!("is not ready after {BEGINS:?}"),
                }
            }
        };
        Ok(Upgraded::No(format!(
            "the control plane of version {} {why}, and is tried again; logins go on with the data \
             plane of before. The log says what it lacks; or put the program of before back, and run \
             `countersign upgrade` again",
            env!("CARGO_PKG_VERSION")
        )))
    }

    /// Ends a role, one way or the other; it is not started again.
    async fn end(&mut self, role: Role) -> Result<Waited<()>, Failure> {
        let of_role = |child: &&mut Child| child.role == role;
        let Some(child) = self.children.iter_mut().find(of_role) else {
            return Ok(Waited::Came(()));
        };
        if !child.signal_to_stop() {
            return Ok(Waited::Came(()));
        }
        child.replaced = true;
        let gone = |turn| matches!(turn, Turn::Gone(gone) if gone == role).then_some(());
        let mut waited = self.until(ENDS, gone).await?;
        if let Waited::Late = waited {
            tracing::warn!(%role, "did not stop in time; killed");
            let child = self.children.iter().find(|child| child.role == role);
            child.into_iter().for_each(Child::kill);
            waited = self.until(ENDS, gone).await?;
        }
        if let Waited::Late = waited
            && let Some(child) = self.children.iter_mut().find(of_role)
        {
            // Should it end after all, it is started again.
            child.replaced = false;
        }
        Ok(waited)
    }

    /// Waits for what `wanted` looks for; meanwhile everything else goes on.
    async fn until<T>(
        &mut self,
        limit: Duration,
        mut wanted: impl FnMut(Turn) -> Option<T>,
    ) -> Result<Waited<T>, Failure> {
        let limit = tokio::time::Instant::now() + limit;
        loop {
            let Ok(turn) = tokio::time::timeout_at(limit, self.turn()).await else {
                return Ok(Waited::Late);
            };
            match turn? {
                Turn::Stop => return Ok(Waited::Stop),
                Turn::Upgrade(ask) => self.refuse_upgrade(ask),
                turn => {
                    if let Some(came) = wanted(turn) {
                        return Ok(Waited::Came(came));
                    }
                }
            }
        }
    }

    /// Starts a process of this program that takes over a role from the one that runs.
    async fn hand_over(&mut self, role: Role) -> Result<Upgraded, Failure> {
        let before = self.children.iter().find(|child| child.role == role);
        let before = before.filter(|child| self.is_of_before(child));
        let Some(before) = before.and_then(Child::pid) else {
            // It ended meanwhile, and is started as this program anyway.
            return Ok(Upgraded::Done);
        };
        let mut successor = Child::new(role);
        let started = successor.start(
            &self.plan,
            self.admin_certificate,
            Start::TakeOver,
            &self.sender,
        );
        if let Err(failure) = started {
            return Ok(Upgraded::No(format!(
                "{failure}. The one of before serves on"
            )));
        }
        self.successor = Some(successor);
        let taken = |turn| match turn {
            Turn::TookOver => Some(Ok(())),
            Turn::NotTaken(exit) => Some(Err(exit)),
            _ => None,
        };
        let mut waited = self.until(BEGINS, taken).await?;
        let late = matches!(waited, Waited::Late);
        if late {
            // All that it said is heard before its end is: if it has taken over after all, that counts.
            self.successor.iter().for_each(Child::kill);
            waited = self.until(ENDS, taken).await?;
        }
        let why = match waited {
            Waited::Stop => return Ok(Upgraded::Stop),
            Waited::Came(Ok(())) => {
                self.took_over(role);
                return Ok(Upgraded::Done);
            }
            _ if late => format!("did not take over within {BEGINS:?}"),
            Waited::Late => "is not heard of".to_owned(),
            Waited::Came(Err(exit)) => format!("ended with {exit}; the log says why"),
        };
        self.successor = None;
        // What the next one did may have ended that of before as well.
        let gone = |turn| matches!(turn, Turn::Ended(ended, _) if ended == role).then_some(());
        if self.runs(before)
            && let Waited::Stop = self.until(ENDS_TOO, gone).await?
        {
            return Ok(Upgraded::Stop);
        }
        let then = match self.runs(before) {
            true => "The one of before serves on",
            false => {
                "The one of before has ended as well, and this version of it is started until it serves"
            }
        };
        Ok(Upgraded::No(format!(
            "the {role} of version {} {why}. {then}",
            env!("CARGO_PKG_VERSION")
        )))
    }

    fn runs(&self, pid: Pid) -> bool {
        self.children.iter().any(|child| child.pid() == Some(pid))
    }

    fn took_over(&mut self, role: Role) {
        let Some(mut successor) = self.successor.take() else {
            return;
        };
        successor.was_ready = true;
        if self.debug {
            self.tell_debug(vec![role]);
        }
        let mut children = self.children.iter_mut();
        match children.find(|child| child.role == role) {
            // One that waits to be started again has nobody to wait for.
            Some(child) => {
                let before = std::mem::replace(child, successor);
                if before.pid().is_some() {
                    self.leaving.push(before);
                }
            }
            None => self.children.push(successor),
        }
    }

    pub(super) fn refuse_upgrade(&self, ask: Option<Ask>) {
        let why = "the gateway starts, or is being upgraded; ask again when it is done";
        match ask {
            Some(ask) => drop(ask.send(Err(Failure::plain(why)))),
            None => tracing::warn!(why, "not upgraded"),
        }
    }
}

const ENDS: Duration = Duration::from_secs(15);
/// How long a role may take to end once a next one has failed, where that is its end too.
const ENDS_TOO: Duration = Duration::from_secs(3);
/// How long a role may take until it serves.
const BEGINS: Duration = Duration::from_secs(90);
