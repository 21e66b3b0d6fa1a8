//! The endpoints: parameters in, answers out. What is decided is decided in `service`.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Serialize;

use super::answer::{Answer, ApiError, success};
use crate::account::{Account, Application, Device, bare_name, is_user_name};
use crate::admin::{Capabilities, DeviceKind, UsernameNormalization};
use crate::clock;
use crate::gate::{self, Inside, Talk};
use crate::metrics::Factor;
use crate::params::{Pairs, Params, encode};
use crate::push::Details;
use crate::service::{
    AuthAnswer, AuthRequest, Choice, Enrollee, Held, Offer, Preauth, PreauthRequest, Service,
    Shows, State, Status, Wait, Who,
};
use crate::short_code::ShortCode;
use crate::store::Attempt;
use crate::verdict::Verdict;

/// What is said, or will be.
pub(super) enum Reply {
    Now(Answer),
    Later(Later),
}

/// An answer that waits for a person. Small: it is all that is kept of a request meanwhile.
pub(super) struct Later {
    held: Held,
    how: Wait,
    #[expect(dead_code, reason = "noted at the connection until it is answered")]
    noted: Option<gate::Held>,
}

impl Later {
    pub(super) async fn answer(self, service: &Service) -> Answer {
        match self.how {
            Wait::Hold => ended(service.held(self.held).await),
            Wait::Poll => told(service.polled(self.held).await),
        }
    }
}

/// ping and check.
pub(super) fn time() -> Answer {
    #[derive(Serialize)]
    struct Time {
        time: u64,
    }
    success(Time {
        time: clock::unix_ms() / 1_000,
    })
}

pub(super) async fn preauth(
    service: &Service,
    application: &Application,
    params: &Params,
) -> Result<Answer, ApiError> {
    let request = PreauthRequest {
        who: who(params)?,
        ip: short(params, "ipaddr")?,
        client: short(params, "hostname")?,
        shows: match params.get("client_supports_verified_push") {
            Some("1" | "true") => Shows::Numbers,
            None | Some("0" | "false" | "") => Shows::Nothing,
            Some(_) => return Err(ApiError::invalid("client_supports_verified_push")),
        },
    };
    Ok(said(&service.preauth(application, request).await?))
}

/// The devices that preauth lists, for whoever has asked it already.
pub(super) async fn devices(
    service: &Service,
    application: &Application,
    params: &Params,
    shows: Shows,
) -> Result<Answer, ApiError> {
    let offer = service.offered_devices(application, who(params)?, shows);
    Ok(said(&Preauth::Auth(offer.await?)))
}

fn said(preauth: &Preauth) -> Answer {
    match preauth {
        Preauth::Auth(Offer { devices, shown }) => success(PreauthAnswer {
            devices: Some(
                devices
                    .iter()
                    .map(|(device, can)| device_of(device, *can))
                    .filter(DeviceAnswer::is_of_use)
                    .collect(),
            ),
            txid: shown.map(|shown| shown.txid.to_string()),
            verification_code: shown.map(|shown| shown.number.to_string()),
            expiration: shown.map(|shown| shown.expires_at_s),
            ..PreauthAnswer::new("auth", "Account is active")
        }),
        Preauth::Allow(text) => success(PreauthAnswer::new("allow", text)),
        Preauth::Deny(text) => success(PreauthAnswer::new("deny", text)),
        Preauth::Enroll { portal_url } => success(PreauthAnswer {
            enroll_portal_url: Some(portal_url),
            ..PreauthAnswer::new("enroll", "Enroll an authentication device to proceed")
        }),
    }
}

pub(super) async fn auth(
    service: &Service,
    application: &Arc<Application>,
    params: &Params,
    (inside, talk): (Inside, &Arc<Talk>),
) -> Result<Reply, ApiError> {
    let request = AuthRequest {
        who: who(params)?,
        choice: choice(params)?,
        wait: match params.get("async") {
            Some("1" | "true") => Wait::Poll,
            None | Some("0" | "false" | "") => Wait::Hold,
            Some(_) => return Err(ApiError::invalid("async")),
        },
        details: details(params)?,
        txid: params.get("txid").filter(|txid| !txid.is_empty()),
    };
    Ok(Reply::Now(
        match service.auth(application, request).await? {
            AuthAnswer::Ended(verdict) => ended(verdict),
            AuthAnswer::Held(held) => {
                let noted = Some(talk.holds());
                // What waits changes nothing any more, whoever decides about it.
                drop(inside);
                return Ok(Reply::Later(Later {
                    held,
                    how: Wait::Hold,
                    noted,
                }));
            }
            AuthAnswer::Sending(sending) => {
                let _held = talk.holds();
                drop(inside);
                let verdict = service.passcode_sent(sending).await;
                service.metrics.ended(Factor::Sms, verdict);
                ended(verdict)
            }
            AuthAnswer::Txid(txid) => {
                #[derive(Serialize)]
                struct Begun {
                    txid: String,
                }
                success(Begun {
                    txid: txid.to_string(),
                })
            }
        },
    ))
}

pub(super) fn auth_status(
    service: &Service,
    application: &Application,
    params: &Params,
) -> Result<Reply, ApiError> {
    let txid = params.get("txid").ok_or(ApiError::Missing("txid"))?;
    Ok(match service.auth_status(application, txid)? {
        Status::Now(state) => Reply::Now(told(state)),
        Status::Later(held) => Reply::Later(Later {
            held,
            how: Wait::Poll,
            noted: None,
        }),
    })
}

fn told(state: State) -> Answer {
    match state {
        State::Ended(verdict) => ended(verdict),
        State::Waiting(status, status_msg) => success(Ended {
            result: "waiting",
            status,
            status_msg,
        }),
    }
}

pub(super) async fn enroll(
    service: &Service,
    application: &Application,
    params: &Params,
) -> Result<Answer, ApiError> {
    let normalization = application.rules.username_normalization;
    let name = match params.get("username").filter(|name| !name.is_empty()) {
        Some(name) if is_user_name(name) && is_user_name(&bare_name(name, normalization)) => {
            name.to_owned()
        }
        Some(_) => return Err(ApiError::invalid("username")),
        None => format!("user-{:016x}", u64::from_be_bytes(random()?)),
    };
    let valid_s: u64 = match params.get("valid_secs") {
        None | Some("") => DAY_SECONDS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| (1..=MONTH_SECONDS).contains(seconds))
            .ok_or_else(|| ApiError::invalid("valid_secs"))?,
    };
    let account = service.open_user(&name, normalization).await?;
    if account.is_enrolled(service.reach_of()) {
        return Err(ApiError::invalid("username"));
    }
    let enrollee = Enrollee {
        name: &account.name,
        user_id: Some(&account.id),
        may_add: false,
        signed_in_at_ms: None,
    };
    let begun = service
        .begin_enrollment(enrollee, Duration::from_secs(valid_s))
        .await?;
    let base = &service.public_url;
    let host = base
        .split_once("//")
        .map_or(base.as_str(), |(_, host)| host);
    Ok(success(Enrolled {
        activation_barcode: format!("{base}/frame/qr?value={}", encode(begun.url.as_bytes())),
        activation_code: format!("duo://{}-{}", begun.code, BASE64.encode(host.as_bytes())),
        activation_url: &begun.url,
        expiration: begun.expires_at_s,
        user_id: &account.id,
        username: &account.name,
    }))
}

pub(super) async fn enroll_status(service: &Service, params: &Params) -> Result<Answer, ApiError> {
    let user_id = params.get("user_id").ok_or(ApiError::Missing("user_id"))?;
    let code = params
        .get("activation_code")
        .ok_or(ApiError::Missing("activation_code"))?;
    let code = code.strip_prefix("duo://").unwrap_or(code);
    let code = code.split_once('-').map_or(code, |(code, _)| code);
    let activation = match ShortCode::parse(code) {
        Some(code) => service.enrollment(&code).await?,
        None => None,
    };
    let own = activation.filter(|found| found.user_id.as_deref() == Some(user_id));
    Ok(success(match own {
        Some(found) if found.used => "success",
        Some(_) => "waiting",
        None => "invalid",
    }))
}

impl Service {
    /// The user of a name as an application gives it, made when it is not there.
    async fn open_user(
        &self,
        name: &str,
        normalization: UsernameNormalization,
    ) -> Result<Arc<Account>, ApiError> {
        if let Some(account) = self.account_named(name, normalization).await? {
            return Ok(account);
        }
        let new = crate::admin::NewUser::named(bare_name(name, normalization));
        let (account, _) = self.create_user(&new, Attempt::Real).await?;
        Ok(Arc::new(account))
    }
}

fn random() -> Result<[u8; 8], ApiError> {
    clock::random().map_err(|_| ApiError::Internal)
}

fn who(params: &Params) -> Result<Who<'_>, ApiError> {
    match (params.get("username"), params.get("user_id")) {
        (Some(name), None) if is_user_name(name) => Ok(Who::Name(name)),
        (Some(_), None) => Err(ApiError::invalid("username")),
        (None, Some(id)) => Ok(Who::Id(id)),
        (None, None) => Err(ApiError::Missing("username")),
        (Some(_), Some(_)) => Err(ApiError::invalid("user_id")),
    }
}

fn choice(params: &Params) -> Result<Choice<'_>, ApiError> {
    let device = || params.get("device").ok_or(ApiError::Missing("device"));
    let by_id = |device| (device != "auto").then_some(device);
    match params.get("factor").ok_or(ApiError::Missing("factor"))? {
        "auto" => Ok(Choice::Auto(params.get("device").and_then(by_id))),
        "push" => Ok(Choice::Push(by_id(device()?))),
        "phone" => Ok(Choice::Phone(by_id(device()?))),
        "sms" => Ok(Choice::Sms(by_id(device()?))),
        "passcode" if params.get("device").is_some() => Err(ApiError::invalid("device")),
        "passcode" => match params.get("passcode") {
            None => Err(ApiError::Missing("passcode")),
            Some(passcode) if (1..=PASSCODE_OCTETS).contains(&passcode.len()) => {
                Ok(Choice::Passcode(passcode))
            }
            Some(_) => Err(ApiError::invalid("passcode")),
        },
        _ => Err(ApiError::invalid("factor")),
    }
}

fn details(params: &Params) -> Result<Details, ApiError> {
    let info = params.get("pushinfo").unwrap_or_default();
    if info.len() >= PUSHINFO_OCTETS {
        return Err(ApiError::invalid("pushinfo"));
    }
    Ok(Details {
        ip: short(params, "ipaddr")?.into(),
        client: short(params, "hostname")?.into(),
        kind: short(params, "type")?.into(),
        display_name: short(params, "display_username")?.into(),
        info: Pairs::parse(info.as_bytes()).shown(SHOWN_PAIRS, SHOWN_CHARACTERS),
    })
}

/// A text that is kept; empty when it is absent.
fn short<'a>(params: &'a Params, name: &'static str) -> Result<&'a str, ApiError> {
    match params.get(name) {
        Some(text) if text.len() > DETAIL_OCTETS => Err(ApiError::invalid(name)),
        text => Ok(text.unwrap_or_default()),
    }
}

fn ended(verdict: Verdict) -> Answer {
    let (result, status, status_msg) = verdict.words();
    success(Ended {
        result,
        status,
        status_msg,
    })
}

#[derive(Serialize)]
struct Ended {
    result: &'static str,
    status: &'static str,
    status_msg: &'static str,
}

#[derive(Serialize)]
struct PreauthAnswer<'a> {
    result: &'static str,
    status_msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<Vec<DeviceAnswer<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enroll_portal_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<u64>,
}

impl<'a> PreauthAnswer<'a> {
    const fn new(result: &'static str, status_msg: &'a str) -> Self {
        Self {
            result,
            status_msg,
            devices: None,
            enroll_portal_url: None,
            txid: None,
            verification_code: None,
            expiration: None,
        }
    }
}

#[derive(Serialize)]
struct DeviceAnswer<'a> {
    device: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sms_nextcode: Option<&'a str>,
}

impl DeviceAnswer<'_> {
    /// Whether anything can be done with it: not with an address that no e-mail goes to now.
    fn is_of_use(&self) -> bool {
        let capabilities = self.capabilities.as_ref();
        capabilities.is_none_or(|capabilities| !capabilities.is_empty())
    }
}

fn device_of(device: &Device, can: Capabilities) -> DeviceAnswer<'_> {
    if matches!(device.kind, DeviceKind::Totp | DeviceKind::Hotp) {
        return DeviceAnswer {
            device: &device.id,
            kind: "token",
            name: &device.name,
            number: None,
            display_name: None,
            capabilities: None,
            sms_nextcode: None,
        };
    }
    let capabilities = [
        ("auto", can.push || can.phone),
        ("push", can.push),
        ("sms", can.sms),
        ("phone", can.phone),
    ];
    let capabilities = capabilities
        .into_iter()
        .filter(|(_, can)| *can)
        .map(|(name, _)| name);
    DeviceAnswer {
        device: &device.id,
        kind: "phone",
        name: &device.name,
        number: Some(match device.kind {
            DeviceKind::Email => String::new(),
            _ => device.masked_number(),
        }),
        display_name: Some(device.display_name()),
        capabilities: Some(capabilities.collect()),
        sms_nextcode: device.sms_next.as_deref().filter(|_| can.sms),
    }
}

#[derive(Serialize)]
struct Enrolled<'a> {
    activation_barcode: String,
    activation_code: String,
    activation_url: &'a str,
    expiration: u64,
    user_id: &'a str,
    username: &'a str,
}

const DAY_SECONDS: u64 = 86_400;
const MONTH_SECONDS: u64 = 30 * DAY_SECONDS;
const PASSCODE_OCTETS: usize = 64;
const DETAIL_OCTETS: usize = 256;
const PUSHINFO_OCTETS: usize = 20_000;
/// What of `pushinfo` is kept to be shown, so that waiting pushes stay small.
const SHOWN_PAIRS: usize = 8;
const SHOWN_CHARACTERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &'static str) -> Params {
        Params::from_pairs(&Pairs::parse(query.as_bytes())).unwrap()
    }

    #[test]
    fn a_request_names_exactly_one_user() {
        for (query, want) in [
            ("username=a", None),
            ("user_id=DU1", None),
            ("", Some(ApiError::Missing("username"))),
            ("username=", Some(ApiError::invalid("username"))),
            ("username=%0a", Some(ApiError::invalid("username"))),
            ("username=a&user_id=DU1", Some(ApiError::invalid("user_id"))),
        ] {
            assert_eq!(who(&read(query)).err(), want, "{query}");
        }
    }

    #[test]
    fn factors_and_devices_go_together() {
        for (query, want) in [
            ("factor=auto", None),
            ("factor=auto&device=auto", None),
            ("factor=push&device=auto", None),
            ("factor=phone&device=DP1", None),
            ("factor=sms&device=auto", None),
            ("factor=passcode&passcode=123456", None),
            ("", Some(ApiError::Missing("factor"))),
            ("factor=magic", Some(ApiError::invalid("factor"))),
            ("factor=push", Some(ApiError::Missing("device"))),
            ("factor=phone", Some(ApiError::Missing("device"))),
            ("factor=sms", Some(ApiError::Missing("device"))),
            ("factor=passcode", Some(ApiError::Missing("passcode"))),
            (
                "factor=passcode&passcode=",
                Some(ApiError::invalid("passcode")),
            ),
            (
                "factor=passcode&passcode=1&device=auto",
                Some(ApiError::invalid("device")),
            ),
        ] {
            assert_eq!(choice(&read(query)).err(), want, "{query}");
        }
    }

    #[test]
    fn details_are_bounded() {
        let params =
            read("ipaddr=192.0.2.7&type=Login&pushinfo=Group%3DVPN%2520Users%26From%3Dgw%252F1");
        let found = details(&params).unwrap();
        assert_eq!(&*found.ip, "192.0.2.7");
        let info: Vec<_> = found
            .info
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(info, [("Group", "VPN Users"), ("From", "gw/1")]);
        for (name, length) in [
            ("ipaddr", 257),
            ("hostname", 257),
            ("type", 257),
            ("display_username", 257),
            ("pushinfo", 20_000),
        ] {
            let query = format!("{name}={}", "a".repeat(length));
            let params = Params::from_pairs(&Pairs::parse(query.as_bytes())).unwrap();
            assert_eq!(
                details(&params).err(),
                Some(ApiError::invalid(name)),
                "{name}"
            );
        }
    }
}
