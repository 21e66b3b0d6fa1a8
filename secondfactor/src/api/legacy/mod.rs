//! What older clients speak: version 1 of the API below `/rest/v1`, in JSON or BSON, and the menus of
//! Duo Unix in version 2.
//!
//! A dialect, and nothing more: requests become those of version 2, its answers are put into other
//! words. Nothing is decided here.

mod bson;
mod menu;

use http::{HeaderValue, header};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use self::menu::Listed;
use super::answer::{Answer, ApiError, success};
use super::endpoints;
use crate::account::Application;
use crate::metrics::Endpoint;
use crate::params::Params;
use crate::service::{Service, Shows};
use crate::sign::VersionOne;

/// How a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Version 2.
    Two,
    /// Version 1.
    One(Format),
}

/// How an answer of version 1 is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Bson,
}

/// What a path below `/rest/v1/` is; none when it is nothing.
pub(super) fn endpoint(path: &str) -> Option<(Endpoint, Format)> {
    let path = path.strip_prefix("/rest/v1/")?;
    let (name, format) = match path.split_once('.') {
        None => (path, Format::Json),
        Some((name, "json")) => (name, Format::Json),
        Some((name, "bson")) => (name, Format::Bson),
        Some(_) => return None,
    };
    let endpoint = match name {
        "ping" => Endpoint::Ping,
        "check" => Endpoint::Check,
        "logo" => Endpoint::Logo,
        "preauth" => Endpoint::Preauth,
        "auth" => Endpoint::Auth,
        "status" => Endpoint::AuthStatus,
        _ => return None,
    };
    Some((endpoint, format))
}

impl Dialect {
    /// Which signatures count: those of version 1 have no date, and clients of that age make no
    /// others.
    pub(super) const fn version_one(self, otherwise: VersionOne) -> VersionOne {
        match self {
            Self::One(_) => VersionOne::Accepted,
            Self::Two => otherwise,
        }
    }

    /// ping's answer.
    pub(super) fn pong(self) -> Answer {
        match self {
            Self::Two => endpoints::time(),
            Self::One(_) => success("pong"),
        }
    }

    /// The parameters by their names of version 2. What is to be chosen of the user's devices is
    /// chosen by [`Dialect::chosen`].
    pub(super) fn read(self, params: Params) -> Params {
        match self {
            Self::Two => params,
            Self::One(_) => params.renamed("username", "user"),
        }
    }

    /// An auth request as version 2 has it: what was typed, and devices that were counted, become a
    /// factor and a device's id.
    ///
    /// # Errors
    /// [`ApiError`] for what names nothing.
    pub(super) async fn chosen(
        self,
        service: &Service,
        application: &Application,
        params: Params,
    ) -> Result<Params, ApiError> {
        let Some(factor) = params.get("factor") else {
            return Ok(params);
        };
        let typed = match (self, factor) {
            (Self::Two, "prompt") => "prompt",
            (Self::Two, _) => return Ok(params),
            (Self::One(_), "auto") => "auto",
            (Self::One(_), "passcode") => "code",
            (Self::One(_), _) => {
                return counted(service, application, params).await;
            }
        };
        let text = params.get(typed).ok_or(ApiError::Missing(typed))?.trim();
        if text.is_empty() {
            return Err(ApiError::invalid(typed));
        }
        let Some((kind, number)) = menu::named(text).filter(|_| typed != "code") else {
            let passcode = text.to_owned();
            return Ok(params.replaced(typed, &[("factor", "passcode"), ("passcode", &passcode)]));
        };
        let devices = devices(service, application, &params).await?;
        let device = match menu::nth(&devices, kind, number) {
            Some(device) => device.device.as_str(),
            // Version 2 says what is wrong with it.
            None if number == 1 => "auto",
            None => return Err(ApiError::invalid(typed)),
        };
        Ok(params.replaced(typed, &[("factor", kind.factor()), ("device", device)]))
    }

    /// An answer of version 2 in the caller's words.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when it is none.
    pub(super) async fn say(
        self,
        endpoint: Endpoint,
        params: &Params,
        answer: Answer,
    ) -> Result<Answer, ApiError> {
        let prompts = endpoint == Endpoint::Preauth && params.get("text_prompt") == Some("1");
        match self {
            Self::Two if !prompts => return Ok(answer),
            // A picture, and the answers that have nothing to say.
            Self::One(_) if endpoint == Endpoint::Check => return Ok(success("valid")),
            Self::One(_) if endpoint == Endpoint::Logo => return Ok(answer),
            _ => {}
        }
        let user = params.get("username").unwrap_or_default();
        Ok(success(match (self, endpoint) {
            (Self::Two, _) => {
                let mut said: Value = response(answer).await?;
                let known: Preauth = read(said.clone())?;
                if let (Some(prompt), Some(members)) = (known.prompt(user), said.as_object_mut()) {
                    members.insert("prompt".to_owned(), prompt);
                }
                said
            }
            (Self::One(_), Endpoint::Preauth) => response::<Preauth>(answer).await?.one(user),
            (Self::One(_), _) => return self.decided(answer).await,
        }))
    }

    /// An answer of auth or auth_status in the caller's words.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when it is none.
    pub(super) async fn decided(self, answer: Answer) -> Result<Answer, ApiError> {
        match self {
            Self::Two => Ok(answer),
            Self::One(_) => Ok(success(response::<Decision>(answer).await?.one())),
        }
    }

    /// An answer or error as the caller reads it.
    pub(super) async fn written(self, answer: Answer) -> Answer {
        if self != Self::One(Format::Bson) {
            return answer;
        }
        let (mut head, body) = answer.into_parts();
        let octets = body.collect().await.unwrap_or_default().to_bytes();
        // What is no document, such as a picture, goes as it is.
        let Ok(document) = serde_json::from_slice::<Map<String, Value>>(&octets) else {
            return Answer::from_parts(head, Full::new(octets));
        };
        let kind = HeaderValue::from_static("application/bson");
        head.headers.insert(header::CONTENT_TYPE, kind);
        Answer::from_parts(head, Full::new(bson::document(&document).into()))
    }
}

/// `phone=phone2` of version 1, for a factor that is named.
async fn counted(
    service: &Service,
    application: &Application,
    params: Params,
) -> Result<Params, ApiError> {
    let phone = params.get("phone").unwrap_or("auto");
    if phone == "auto" {
        return Ok(params.replaced("phone", &[("device", "auto")]));
    }
    let number = phone.strip_prefix("phone").filter(|text| text.len() <= 2);
    let number = number.and_then(|text| text.parse().ok());
    let number: usize = number.ok_or_else(|| ApiError::invalid("phone"))?;
    let devices = devices(service, application, &params).await?;
    let device = menu::phone(&devices, number).ok_or_else(|| ApiError::invalid("phone"))?;
    Ok(params.replaced("phone", &[("device", &device.device)]))
}

/// The user's devices, as preauth lists them; none when it lists none. auth is asked all the same, and
/// says why not.
async fn devices(
    service: &Service,
    application: &Application,
    params: &Params,
) -> Result<Vec<Listed>, ApiError> {
    // Who brings a number's transaction was offered pushes that want one.
    let shows = match params.get("txid").is_some_and(|txid| !txid.is_empty()) {
        true => Shows::Numbers,
        false => Shows::Nothing,
    };
    let answer = endpoints::devices(service, application, params, shows).await?;
    let known: Preauth = response(answer).await?;
    Ok(known.devices)
}

/// preauth's answer, as far as it is put into other words.
#[derive(Deserialize)]
struct Preauth {
    result: String,
    status_msg: String,
    #[serde(default)]
    devices: Vec<Listed>,
    #[serde(default)]
    enroll_portal_url: Option<String>,
    #[serde(default)]
    verification_code: Option<String>,
}

impl Preauth {
    /// Version 2's `prompt`.
    fn prompt(&self, user: &str) -> Option<Value> {
        match self.result.as_str() {
            "auth" => {
                let number = self.verification_code.as_deref();
                let menu = menu::write(user, &self.devices, number);
                Some(json!({ "text": menu.text, "factors": menu.factors }))
            }
            "enroll" => Some(json!({ "text": self.enroll_text() })),
            _ => None,
        }
    }

    fn one(self, user: &str) -> Value {
        match self.result.as_str() {
            "auth" => {
                let menu = menu::write(user, &self.devices, None);
                json!({
                    "result": self.result, "status": self.status_msg,
                    "prompt": menu.text, "factors": menu.factors,
                })
            }
            "enroll" => json!({ "result": self.result, "status": self.enroll_text() }),
            _ => json!({ "result": self.result, "status": self.status_msg }),
        }
    }

    fn enroll_text(&self) -> String {
        match &self.enroll_portal_url {
            Some(url) => format!("Please enroll at {url}"),
            None => self.status_msg.clone(),
        }
    }
}

/// The answer of auth or auth_status.
#[derive(Deserialize)]
struct Decision {
    #[serde(default)]
    txid: Option<String>,
    #[serde(default)]
    result: String,
    #[serde(default)]
    status_msg: String,
}

impl Decision {
    /// In version 1 a result that is absent is what waits.
    fn one(self) -> Value {
        match (self.txid, self.result.as_str()) {
            (Some(txid), _) => json!({ "txid": txid }),
            (None, "waiting") => json!({ "status": self.status_msg }),
            (None, result) => json!({ "result": result, "status": self.status_msg }),
        }
    }
}

/// The `response` of a success of ours.
async fn response<T: DeserializeOwned>(answer: Answer) -> Result<T, ApiError> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        response: T,
    }
    let body = answer.into_body().collect().await.unwrap_or_default();
    let envelope: Result<Envelope<T>, _> = serde_json::from_slice(&body.to_bytes());
    envelope
        .map(|read| read.response)
        .map_err(|error| unread(&error))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|error| unread(&error))
}

/// A fault of ours: the answer is our own.
fn unread(error: &serde_json::Error) -> ApiError {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "an answer cannot be put into an older client's words"
    );
    ApiError::Internal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_version_1_have_three_forms() {
        use Format::{Bson, Json};
        for (path, want) in [
            ("/rest/v1/ping", Some((Endpoint::Ping, Json))),
            ("/rest/v1/check.json", Some((Endpoint::Check, Json))),
            ("/rest/v1/logo", Some((Endpoint::Logo, Json))),
            ("/rest/v1/preauth.bson", Some((Endpoint::Preauth, Bson))),
            ("/rest/v1/auth.bson", Some((Endpoint::Auth, Bson))),
            ("/rest/v1/status.bson", Some((Endpoint::AuthStatus, Bson))),
            ("/rest/v1/auth_status", None),
            ("/rest/v1/auth.xml", None),
            ("/rest/v1/auth.bson.json", None),
            ("/rest/v1/enroll", None),
            ("/rest/v1/", None),
            ("/rest/v2/ping", None),
            ("/auth/v2/ping", None),
        ] {
            assert_eq!(endpoint(path), want, "{path}");
        }
    }

    #[test]
    fn what_waits_has_no_result() {
        let one = |value| read::<Decision>(value).unwrap().one();
        for (two, want) in [
            (json!({"txid": "45f7"}), json!({"txid": "45f7"})),
            (
                json!({"result": "waiting", "status": "pushed", "status_msg": "Pushed…"}),
                json!({"status": "Pushed…"}),
            ),
            (
                json!({"result": "deny", "status": "timeout", "status_msg": "Too late."}),
                json!({"result": "deny", "status": "Too late."}),
            ),
        ] {
            assert_eq!(one(two), want);
        }
    }

    #[test]
    fn preauth_is_told_in_the_words_of_each_version() {
        let known = |value: &Value| read::<Preauth>(value.clone()).unwrap();
        let enroll = json!({
            "result": "enroll", "status_msg": "Enroll an authentication device to proceed",
            "enroll_portal_url": "https://gate/activate/AC1",
        });
        let deny = json!({"result": "deny", "status_msg": "No."});
        let auth = json!({"result": "auth", "status_msg": "Account is active", "devices": [
            {"device": "DP1", "type": "phone", "name": "", "number": "XXX-XXX-0100",
             "display_name": "Phone", "capabilities": ["auto", "push"]},
        ]});
        let text = "Please enroll at https://gate/activate/AC1";
        assert_eq!(
            known(&enroll).one("a"),
            json!({"result": "enroll", "status": text})
        );
        assert_eq!(known(&enroll).prompt("a"), Some(json!({"text": text})));
        assert_eq!(
            known(&deny).one("a"),
            json!({"result": "deny", "status": "No."})
        );
        assert_eq!(known(&deny).prompt("a"), None);
        let menu = "Duo two-factor login for a\n\n\
                    Enter a passcode or select one of the following options:\n\n \
                    1. Duo Push to XXX-XXX-0100\n\nPasscode or option (1-1): ";
        let factors = json!({"default": "push1", "1": "push1"});
        assert_eq!(
            known(&auth).one("a"),
            json!({"result": "auth", "status": "Account is active", "prompt": menu, "factors": factors})
        );
        let prompt = json!({"text": menu, "factors": factors});
        assert_eq!(known(&auth).prompt("a"), Some(prompt));
    }
}
