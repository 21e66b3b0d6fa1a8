//! What a user may use at a login: devices and what of each is left by a policy. Pure.

use std::sync::Arc;

use super::policy::{Allowed, Conditions};
use super::risk::Pushing;
use crate::account::{Account, Device, Reach};
use crate::admin::{AllowedFactor, Capabilities, DeviceKind};
use crate::push::{Number, Txid};
use crate::verdict::Verdict;

/// What a login may go on with.
#[derive(Debug)]
pub(crate) struct Offer {
    /// With what each can do now. A generator can do nothing by itself.
    pub(crate) devices: Vec<(Arc<Device>, Capabilities)>,
    /// The number that it shows, where a push needs one.
    pub(crate) shown: Option<Shown>,
}

/// A number that a login shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) txid: Txid,
    pub(crate) number: Number,
    /// Seconds since 1970, UTC.
    pub(crate) expires_at_s: u64,
}

/// What is left at a login of what a device can do, by what is allowed.
pub(crate) fn permitted(device: &Device, can: Capabilities, allowed: Allowed) -> Capabilities {
    let codes = match device.kind {
        DeviceKind::Email => AllowedFactor::Email,
        _ => AllowedFactor::Sms,
    };
    Capabilities {
        push: can.push && allowed.has(AllowedFactor::Push),
        phone: can.phone && allowed.has(AllowedFactor::Phone),
        sms: can.sms && allowed.has(codes),
    }
}

/// The devices that a login may go on with, or why there is nothing that it may.
///
/// # Errors
/// A verdict that says why.
pub(crate) fn offered(
    account: &Account,
    conditions: &Conditions,
    pushing: Pushing,
    can_do: impl Fn(&Device) -> Capabilities,
) -> Result<Vec<(Arc<Device>, Capabilities)>, Verdict> {
    let allowed = conditions.allowed;
    let mut without_pushes = None;
    let mut devices = Vec::with_capacity(account.devices.len());
    for device in &account.devices {
        let could = can_do(device);
        let mut can = permitted(device, could, allowed);
        if matches!(device.kind, DeviceKind::Totp | DeviceKind::Hotp) {
            if allowed.has(AllowedFactor::Passcode) {
                devices.push((Arc::clone(device), can));
            }
            continue;
        }
        if can.push
            && let Some(why) = refusal(pushing)
        {
            can.push = false;
            without_pushes = Some(why);
        }
        // One that could do nothing before is listed as ever, but for one of which nobody answers the pushes.
        let as_ever = could == Capabilities::default() && !device.capabilities.push;
        if can != Capabilities::default() || as_ever {
            devices.push((Arc::clone(device), can));
        }
    }
    let usable = |(device, can): &(Arc<Device>, Capabilities)| {
        *can != Capabilities::default()
            || matches!(device.kind, DeviceKind::Totp | DeviceKind::Hotp)
    };
    let codes = account.bypass_codes > 0 && allowed.has(AllowedFactor::BypassCode);
    if codes || devices.iter().any(usable) {
        return Ok(devices);
    }
    match without_pushes {
        Some(why) => Err(why),
        // Nobody took it away: who has only that is shown what there is, as ever.
        None if allowed == Allowed::ALL => Ok(devices),
        None => Err(Verdict::NothingAllowed),
    }
}

/// Where a device answers pushes at once, those that a passkey has to bind before come after all others:
/// clients take the first.
pub(crate) fn sure_ones_first(
    mut devices: Vec<(Arc<Device>, Capabilities)>,
    reach: Reach,
) -> Vec<(Arc<Device>, Capabilities)> {
    let later =
        |(device, can): &(Arc<Device>, Capabilities)| can.push && device.waits_for_passkey(reach);
    if devices.iter().any(|row| row.1.push && !later(row)) {
        devices.sort_by_key(later);
    }
    devices
}

/// Why a push is not sent; none when it may be.
pub(crate) const fn refusal(pushing: Pushing) -> Option<Verdict> {
    match pushing {
        Pushing::Plain | Pushing::Numbered => None,
        Pushing::TooMany => Some(Verdict::TooManyPushes),
        Pushing::Blind => Some(Verdict::NumberNeeded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::NewUserPolicy;
    use crate::service::policy::Policies;

    fn device(kind: DeviceKind, can: &str) -> Arc<Device> {
        Arc::new(Device {
            capabilities: Capabilities {
                push: can.contains("push"),
                phone: can.contains("phone"),
                sms: can.contains("sms"),
            },
            ..Device::new("D", kind, "")
        })
    }

    fn said(offered: Result<Vec<(Arc<Device>, Capabilities)>, Verdict>) -> String {
        let devices = match offered {
            Err(verdict) => return format!("{verdict:?}"),
            Ok(devices) => devices,
        };
        let device = |(device, can): &(Arc<Device>, Capabilities)| {
            let can = [("push", can.push), ("phone", can.phone), ("sms", can.sms)];
            let can: Vec<_> = can
                .iter()
                .filter(|(_, can)| *can)
                .map(|(name, _)| *name)
                .collect();
            format!("{}:{}", device.kind.as_str(), can.join("+"))
        };
        devices.iter().map(device).collect::<Vec<_>>().join(" ")
    }

    const OVER: &str = "over";

    #[test]
    fn who_answers_at_once_comes_before_who_has_to_be_bound() {
        let (link, late) = (Some(2_000), Some(1_000));
        for (name, devices, by_link, want) in [
            ("one", &[("a", "push", link)][..], false, "a"),
            (
                "before others",
                &[("a", "push", link), ("b", "", late)],
                false,
                "a b",
            ),
            (
                "bound",
                &[("a", "push", link), ("b", "sms", link), ("c", "push", None)],
                false,
                "b c a",
            ),
            (
                "approved by link",
                &[("a", "push", link), ("c", "push", None)],
                true,
                "a c",
            ),
            (
                "not pushed to",
                &[("a", "sms", link), ("c", "push", None)],
                false,
                "a c",
            ),
        ] {
            let reach = Reach {
                by_link,
                now_ms: 1_000,
                ..Reach::default()
            };
            let devices = devices.iter().map(|(id, can, answered_until_ms)| {
                let device = Device {
                    id: (*id).into(),
                    answered_until_ms: *answered_until_ms,
                    ..(*device(DeviceKind::Phone, can)).clone()
                };
                let can = device.capabilities;
                (Arc::new(device), can)
            });
            let sorted = sure_ones_first(devices.collect(), reach);
            let ids: Vec<&str> = sorted.iter().map(|(device, _)| &*device.id).collect();
            assert_eq!(ids.join(" "), want, "{name}");
        }
    }

    #[test]
    fn what_is_left_of_devices_is_listed() {
        use AllowedFactor::{BypassCode, Email, Passcode, Phone, Push, Sms};
        use DeviceKind::{Hotp, SecurityKey, Totp};
        let all = AllowedFactor::ALL;
        let phone = device(DeviceKind::Phone, "push phone sms");
        let pushes = device(DeviceKind::Phone, "push");
        let mail = device(DeviceKind::Email, "sms");
        let key = device(SecurityKey, "push");
        let (totp, hotp) = (device(Totp, ""), device(Hotp, ""));
        let none = device(DeviceKind::Phone, "");
        // As the service says what it can: nobody answers its pushes.
        let over = Arc::new(Device {
            name: OVER.to_owned(),
            ..(*pushes).clone()
        });
        let can = |device: &Device| match device.name == OVER {
            true => Capabilities::default(),
            false => device.capabilities,
        };
        for (name, devices, codes, allowed, pushing, want) in [
            (
                "all",
                vec![&phone, &totp],
                0,
                all,
                Pushing::Plain,
                "phone:push+phone+sms totp:",
            ),
            (
                "numbered",
                vec![&pushes],
                0,
                all,
                Pushing::Numbered,
                "phone:push",
            ),
            (
                "no pushes",
                vec![&phone, &key, &totp],
                0,
                &[Passcode, Phone][..],
                Pushing::Plain,
                "phone:phone totp:",
            ),
            (
                "no passcodes",
                vec![&pushes, &totp, &hotp],
                0,
                &[Push],
                Pushing::Plain,
                "phone:push",
            ),
            (
                "mail is not sms",
                vec![&phone, &mail],
                0,
                &[Sms],
                Pushing::Plain,
                "phone:sms",
            ),
            (
                "sms is not mail",
                vec![&phone, &mail],
                0,
                &[Email],
                Pushing::Plain,
                "email:sms",
            ),
            (
                "nothing left",
                vec![&pushes],
                0,
                &[Passcode],
                Pushing::Plain,
                "NothingAllowed",
            ),
            (
                "codes alone",
                vec![&pushes],
                3,
                &[BypassCode],
                Pushing::Plain,
                "",
            ),
            (
                "codes not allowed",
                vec![],
                3,
                &[Passcode],
                Pushing::Plain,
                "NothingAllowed",
            ),
            (
                "too many",
                vec![&pushes, &totp],
                0,
                all,
                Pushing::TooMany,
                "totp:",
            ),
            (
                "too many and else",
                vec![&phone],
                0,
                all,
                Pushing::TooMany,
                "phone:phone+sms",
            ),
            (
                "too many and nothing",
                vec![&pushes],
                0,
                all,
                Pushing::TooMany,
                "TooManyPushes",
            ),
            (
                "blind and nothing",
                vec![&key],
                0,
                all,
                Pushing::Blind,
                "NumberNeeded",
            ),
            ("blind but codes", vec![&key], 1, all, Pushing::Blind, ""),
            ("can nothing", vec![&none], 0, all, Pushing::Plain, "phone:"),
            ("over", vec![&over, &totp], 0, all, Pushing::Plain, "totp:"),
        ] {
            let account = Account {
                devices: devices.into_iter().map(Arc::clone).collect(),
                bypass_codes: codes,
                ..Account::new("DU".to_owned(), "alice")
            };
            let conditions = Conditions {
                allowed: Allowed::of(allowed),
                ..Policies::default().conditions("vpn", &[], NewUserPolicy::Enroll)
            };
            assert_eq!(
                said(offered(&account, &conditions, pushing, can)),
                want,
                "{name}"
            );
        }
    }
}
