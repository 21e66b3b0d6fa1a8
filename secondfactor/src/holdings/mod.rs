//! All that passcodes of one user are made of or kept as, and what becomes of it when one is tried.
//! Pure: no SQL, no clock. Everything is compared whatever was found before, so that the time that
//! it takes says nothing.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::admin::{AllowedFactor, DeviceKind, OtpAlgorithm, UserStatus};
use crate::otp::{self, HOTP_LOOK_AHEAD};
use crate::service::Allowed;
use crate::verdict::Verdict;

/// A user and what passcodes are good for it.
#[derive(Clone, Debug)]
pub(crate) struct Holdings {
    pub(crate) user: Holder,
    pub(crate) generators: Vec<Generator>,
    /// Passcodes by SMS or e-mail that were not used, oldest first.
    pub(crate) sent: Vec<SentCode>,
    pub(crate) bypass_codes: Vec<BypassCode>,
}

/// What of a user counts here, and is written back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: String,
    pub(crate) lookup: String,
    pub(crate) status: UserStatus,
    pub(crate) bypass_until_ms: Option<u64>,
    /// Wrong passcodes since the last good one.
    pub(crate) failures: u32,
    /// Pushes in a row that nobody approved.
    pub(crate) unanswered: u32,
    pub(crate) last_login_ms: Option<u64>,
}

/// A generator of passcodes.
#[derive(Clone)]
pub(crate) struct Generator {
    pub(crate) device_id: String,
    pub(crate) kind: DeviceKind,
    pub(crate) secret: Zeroizing<Vec<u8>>,
    pub(crate) algorithm: OtpAlgorithm,
    pub(crate) digits: u32,
    pub(crate) period_s: u64,
    /// TOTP: the last step used, none before the first. HOTP: the next counter.
    pub(crate) position: Option<u64>,
    /// TOTP: how many steps its clock is ahead.
    pub(crate) drift: i64,
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator")
            .field("device_id", &self.device_id)
            .finish_non_exhaustive()
    }
}

/// A passcode that was sent.
#[derive(Clone)]
pub(crate) struct SentCode {
    pub(crate) id: i64,
    pub(crate) device_id: String,
    /// The kind of the device that it went to.
    pub(crate) kind: DeviceKind,
    pub(crate) code: Zeroizing<Vec<u8>>,
    pub(crate) expires_at_ms: Option<u64>,
}

impl std::fmt::Debug for SentCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentCode")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A bypass code, hashed.
#[derive(Clone, Debug)]
pub(crate) struct BypassCode {
    pub(crate) id: i64,
    pub(crate) hash: Vec<u8>,
    pub(crate) expires_at_ms: Option<u64>,
}

/// A passcode that is tried, and when.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) passcode: &'a str,
    /// Its hash as a bypass code of this user.
    pub(crate) hash: &'a [u8],
    pub(crate) accepted: Allowed,
    pub(crate) now_ms: u64,
    /// After how many wrong ones in a row the user is locked out; none where wrong ones are not counted.
    pub(crate) lockout_after: Option<u32>,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) verdict: Verdict,
    /// What a good one was.
    pub(crate) used: Option<AllowedFactor>,
}

impl Checked {
    pub(crate) const fn ended(verdict: Verdict) -> Self {
        Self {
            verdict,
            used: None,
        }
    }
}

/// What is to be written, after one attempt or many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) holders: Vec<Holder>,
    pub(crate) generators: Vec<Moved>,
    /// Devices whose sent passcode was used, and when.
    pub(crate) devices: Vec<(String, u64)>,
    /// Passcodes that were sent and used.
    pub(crate) sent: Vec<i64>,
    pub(crate) bypass_codes: Vec<i64>,
}

/// A generator of which a passcode was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) device_id: String,
    pub(crate) position: u64,
    pub(crate) drift: i64,
    /// When a login used it; none when it was only found again.
    pub(crate) used_ms: Option<u64>,
}

impl Holdings {
    /// Tries a passcode: what is good is used up, what is wrong is counted.
    pub(crate) fn check(&mut self, attempt: &Attempt<'_>, changes: &mut Changes) -> Checked {
        let now_ms = attempt.now_ms;
        match self.user.status {
            UserStatus::Active => {}
            // What is over is none.
            UserStatus::Bypass if self.user.bypass_until_ms.is_some_and(|end| end <= now_ms) => {}
            // Where wrong ones are not counted somebody proves who they are, and no login is asked for.
            UserStatus::Bypass if attempt.lockout_after.is_none() => {}
            UserStatus::Bypass => return Checked::ended(Verdict::Bypass),
            UserStatus::Disabled => return Checked::ended(Verdict::Disabled),
            UserStatus::LockedOut => return Checked::ended(Verdict::LockedOut),
        }
        let (generated, used_before) = self.matching_generator(attempt);
        let sent = self.matching_sent(attempt);
        let bypass = self.matching_bypass_code(attempt);
        let used = match (generated, sent, bypass) {
            (Some((at, moved)), ..) => {
                if let Some(generator) = self.generators.get_mut(at) {
                    generator.position = Some(moved.position);
                    generator.drift = moved.drift;
                }
                let other = |old: &Moved| old.device_id != moved.device_id;
                changes.generators.retain(other);
                changes.generators.push(moved);
                Some(AllowedFactor::Passcode)
            }
            (_, Some(at), _) => {
                let code = self.sent.remove(at);
                let factor = code.factor();
                changes.devices.push((code.device_id, now_ms));
                changes.sent.push(code.id);
                Some(factor)
            }
            (.., Some(at)) => {
                changes.bypass_codes.push(self.bypass_codes.remove(at).id);
                Some(AllowedFactor::BypassCode)
            }
            _ => None,
        };
        let user = &mut self.user;
        let verdict = if used.is_some() {
            user.failures = 0;
            user.unanswered = 0;
            user.last_login_ms = Some(now_ms);
            Verdict::Allow
        } else if used_before {
            return Checked::ended(Verdict::UsedPasscode);
        } else {
            let Some(lockout_after) = attempt.lockout_after else {
                return Checked::ended(Verdict::WrongPasscode);
            };
            user.failures = user.failures.saturating_add(1);
            if user.failures >= lockout_after {
                user.status = UserStatus::LockedOut;
                Verdict::LockedOut
            } else {
                Verdict::WrongPasscode
            }
        };
        changes.holders.retain(|old| old.id != user.id);
        changes.holders.push(user.clone());
        Checked { verdict, used }
    }

    /// The first generator that has the passcode, and what then becomes of it; and whether one had it
    /// before.
    fn matching_generator(&self, attempt: &Attempt<'_>) -> (Option<(usize, Moved)>, bool) {
        let (mut good, mut used_before) = (None, false);
        let accepted = attempt.accepted.has(AllowedFactor::Passcode);
        for (at, generator) in self.generators.iter().enumerate() {
            match generator.tried(attempt.passcode, attempt.now_ms) {
                Tried::UsedBefore => used_before |= accepted,
                Tried::Good(moved) if accepted && good.is_none() => good = Some((at, moved)),
                Tried::Good(_) | Tried::Wrong => {}
            }
        }
        (good, used_before)
    }

    fn matching_sent(&self, attempt: &Attempt<'_>) -> Option<usize> {
        let good = |code: &SentCode| {
            let same = code.code.ct_eq(attempt.passcode.as_bytes());
            let accepted = attempt.accepted.has(code.factor());
            same & choice(accepted && lasts(code.expires_at_ms, attempt.now_ms))
        };
        last_of(self.sent.iter().map(good))
    }

    fn matching_bypass_code(&self, attempt: &Attempt<'_>) -> Option<usize> {
        let accepted = attempt.accepted.has(AllowedFactor::BypassCode);
        let good = |code: &BypassCode| {
            let same = code.hash.ct_eq(attempt.hash);
            same & choice(accepted && lasts(code.expires_at_ms, attempt.now_ms))
        };
        last_of(self.bypass_codes.iter().map(good))
    }
}

enum Tried {
    Wrong,
    /// It was good, and is no more.
    UsedBefore,
    Good(Moved),
}

impl Generator {
    fn tried(&self, passcode: &str, now_ms: u64) -> Tried {
        let generator = otp::Generator {
            secret: &self.secret,
            algorithm: self.algorithm,
            digits: self.digits,
        };
        let moved = |position, drift| {
            Tried::Good(Moved {
                device_id: self.device_id.clone(),
                position,
                drift,
                used_ms: Some(now_ms),
            })
        };
        match self.kind {
            DeviceKind::Totp => {
                let now = otp::time_step(now_ms / 1_000, self.period_s);
                match generator.find(passcode, otp::steps_taken(now, self.drift)) {
                    None => Tried::Wrong,
                    Some(step) if self.position.is_some_and(|last| step <= last) => {
                        Tried::UsedBefore
                    }
                    Some(step) => moved(step, otp::drift_learnt(now, step, self.drift)),
                }
            }
            DeviceKind::Hotp => {
                let next = self.position.unwrap_or(0);
                let ahead = next..next.saturating_add(HOTP_LOOK_AHEAD);
                match generator.find(passcode, ahead) {
                    None => Tried::Wrong,
                    Some(counter) => moved(counter.saturating_add(1), 0),
                }
            }
            DeviceKind::Phone | DeviceKind::SecurityKey | DeviceKind::Email => Tried::Wrong,
        }
    }
}

impl Generator {
    /// Finds it again by two passcodes in a row. What was used stays used.
    pub(crate) fn found(&self, passcodes: (&str, &str), now_s: u64) -> Result<Moved, otp::Lost> {
        let generator = otp::Generator {
            secret: &self.secret,
            algorithm: self.algorithm,
            digits: self.digits,
        };
        let found = match self.kind {
            DeviceKind::Totp => {
                otp::find_clock(&generator, passcodes, (now_s, self.period_s), self.position)?
            }
            _ => otp::find_counter(&generator, passcodes, self.position.unwrap_or(0))?,
        };
        Ok(Moved {
            device_id: self.device_id.clone(),
            position: found.position,
            drift: found.drift,
            used_ms: None,
        })
    }
}

impl SentCode {
    const fn factor(&self) -> AllowedFactor {
        match self.kind {
            DeviceKind::Email => AllowedFactor::Email,
            _ => AllowedFactor::Sms,
        }
    }
}

/// Where a generator's secret is sealed for.
pub(crate) fn generator_place(device_id: &str) -> String {
    format!("generators/{device_id}")
}

/// Where the passcodes sent to a device are sealed for.
pub(crate) fn sent_place(device_id: &str) -> String {
    format!("sms/{device_id}")
}

/// Where a user's bypass codes are hashed for.
pub(crate) fn bypass_place(user_id: &str) -> String {
    format!("bypass/{user_id}")
}

fn lasts(expires_at_ms: Option<u64>, now_ms: u64) -> bool {
    expires_at_ms.is_none_or(|end| now_ms < end)
}

fn choice(yes: bool) -> Choice {
    Choice::from(u8::from(yes))
}

/// Where the last one of those that are good is, when all were looked at.
fn last_of(good: impl Iterator<Item = Choice>) -> Option<usize> {
    let mut found = None;
    for (at, good) in good.enumerate() {
        if bool::from(good) {
            found = Some(at);
        }
    }
    found
}

#[cfg(test)]
mod tests;
