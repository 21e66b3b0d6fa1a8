//! The gateway is upgraded: this process becomes the program that lies on the disk now, without ever
//! ending, and then has each role taken over by a process of it.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proto::child::{FromChild, Role};

use super::child::{Child, Start};
use super::heritage::{Heir, KeptOpen, VARIABLE, Will};
use super::{News, Supervisor, Turn};
use crate::commands::upgrade::Ask;
use crate::failure::Failure;
use crate::logs;
use crate::notify;

/// How far an upgrade came.
enum Upgraded {
    Done,
    /// Why not; the gateway serves on.
    No(String),
    /// A signal asked for the end.
    Stop,
}

impl Supervisor {
    /// Becomes the program on the disk, if that can be started; returns where it cannot.
    pub(super) async fn make_place(&mut self, ask: Option<Ask>) {
        self.door.begins();
        let Err(failure) = self.become_next().await;
        notify::status("serving");
        tracing::error!(%failure, "not upgraded");
        let outcome = Err(failure.to_string());
        self.door.ends(&outcome);
        // Who asked may have gone.
        drop(ask.map(|ask| ask.send(outcome)));
    }

    async fn become_next(&mut self) -> Result<std::convert::Infallible, Failure> {
        let none = || Failure::plain("this gateway cannot be upgraded while it runs");
        let program = self.plan.program.clone().ok_or_else(none)?;
        let version = program.tried().await?;
        tracing::info!(version, program = %program.path(), "upgrading");
        notify::status("upgrading");
        // What was read of the children's words goes on as news or as words, and none of it is lost.
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Line(_, _, FromChild::Login(event)) => self.teller.login(&event),
                News::Line(_, _, FromChild::Log { log, debug }) => self.log(&log, debug),
                News::Ended(role, pid, exit) => drop(self.ended(role, pid, exit)),
                News::Line(..) => {}
            }
        }
        let failed =
            |error: std::io::Error| Failure::new("cannot hand over to the next program", &error);
        let (will, files) = self.will().map_err(failed)?;
        let (value, written) = will.write().map_err(failed)?;
        let kept = files.into_iter().chain([written]).collect();
        let kept = KeptOpen::new(kept).map_err(failed)?;
        // Nothing of this process is left once it is the next.
        logs::settle();
        let error = program.again(&[]).env(VARIABLE, value).exec();
        drop(kept);
        Err(Failure::new(
            format!("cannot become {}; this one serves on", program.path()),
            &error,
        ))
    }

    fn will(&self) -> std::io::Result<(Will, Vec<OwnedFd>)> {
        let admin = self.admin_fd.try_clone()?;
        let lock: OwnedFd = File::try_clone(&self.lock)?.into();
        let mut will = Will {
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

    /// Goes on as the program that took the place of another in this process.
    pub(super) async fn go_on(&mut self, children: Vec<Heir>) -> Result<(), Failure> {
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, "this is the next program; its roles are next");
        self.serving = true;
        for heir in children {
            let (role, leaving) = (heir.role, heir.leaving);
            let mut child = Child::new(role);
            if let Err(error) = child.adopt(heir, &self.sender) {
                // It can be neither watched nor replaced, and would be in the way.
                tracing::error!(%role, error = &error as &dyn std::error::Error, "a role is lost");
                continue;
            }
            match leaving {
                true => self.leaving.push(child),
                false => self.children.push(child),
            }
        }
        let outcome = match self.replace_roles().await? {
            Upgraded::Stop => return Ok(()),
            Upgraded::Done => {
                tracing::info!(version, "upgraded");
                Ok(version.to_owned())
            }
            Upgraded::No(why) => {
                tracing::error!(why, "not upgraded");
                Err(why)
            }
        };
        self.door.ends(&outcome);
        notify::ready("serving");
        self.watch().await
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
        let child = self.children.iter_mut().find(|child| child.role == role);
        let ends = child.is_some_and(|child| {
            child.replaced = true;
            child.signal_to_stop()
        });
        let limit = tokio::time::Instant::now() + ENDS;
        loop {
            if !ends {
                break;
            }
            match tokio::time::timeout_at(limit, self.turn()).await {
                Ok(turn) => match turn? {
                    Turn::Stop => return Ok(Upgraded::Stop),
                    Turn::Upgrade(ask) => self.refuse_upgrade(ask),
                    Turn::Gone(gone) if gone == role => break,
                    _ => {}
                },
                Err(_) => {
                    tracing::warn!(%role, "did not stop in time; killed");
                    let child = self.children.iter().find(|child| child.role == role);
                    child.into_iter().for_each(Child::kill);
                    break;
                }
            }
        }
        if !ends
            || self
                .children
                .iter()
                .all(|child| child.role != role || child.pid().is_none())
        {
            self.start(role)?;
        }
        let limit = tokio::time::Instant::now() + BEGINS;
        let why = loop {
            match tokio::time::timeout_at(limit, self.turn()).await {
                Ok(turn) => match turn? {
                    Turn::Stop => return Ok(Upgraded::Stop),
                    Turn::Upgrade(ask) => self.refuse_upgrade(ask),
                    Turn::Gone(gone) if gone == role => self.start(role)?,
                    Turn::Ready(ready) if ready == role => return Ok(Upgraded::Done),
                    Turn::Ended(ended, exit) if ended == role => {
                        break format!("ended with {exit} before it was ready");
                    }
                    _ => {}
                },
                Err(_) => break format!("is not ready after {BEGINS:?}"),
            }
        };
        Ok(Upgraded::No(format!(
            "the control plane of version {} {why}, and is tried again; logins go on with the data \
             plane of before. The log says what it lacks; or put the program of before back, and run \
             `countersign upgrade` again",
            env!("CARGO_PKG_VERSION")
        )))
    }

    /// Starts a process of this program that takes over a role from the one that runs.
    async fn hand_over(&mut self, role: Role) -> Result<Upgraded, Failure> {
        let before = self.children.iter().find(|child| child.role == role);
        if before.and_then(Child::pid).is_none() {
            // It ended meanwhile, and is started as this program anyway.
            return Ok(Upgraded::Done);
        }
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
        let limit = tokio::time::Instant::now() + BEGINS;
        let why = loop {
            match tokio::time::timeout_at(limit, self.turn()).await {
                Ok(turn) => match turn? {
                    Turn::Stop => return Ok(Upgraded::Stop),
                    Turn::Upgrade(ask) => self.refuse_upgrade(ask),
                    Turn::TookOver => {
                        self.took_over(role);
                        return Ok(Upgraded::Done);
                    }
                    Turn::NotTaken(exit) => {
                        self.successor = None;
                        break format!("ended with {exit}; the log says why");
                    }
                    _ => {}
                },
                Err(_) => {
                    // Its end is no news to anybody then.
                    self.successor.take().iter().for_each(Child::kill);
                    break format!("did not take over within {BEGINS:?}");
                }
            }
        };
        Ok(Upgraded::No(format!(
            "the {role} of version {} {why}. The one of before serves on",
            env!("CARGO_PKG_VERSION")
        )))
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
            Some(ask) => drop(ask.send(Err(why.to_owned()))),
            None => tracing::warn!(why, "not upgraded"),
        }
    }
}

const ENDS: Duration = Duration::from_secs(15);
/// How long a role may take until it serves.
const BEGINS: Duration = Duration::from_secs(90);
