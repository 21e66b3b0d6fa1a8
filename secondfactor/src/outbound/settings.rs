//! How people are reached: settings that are checked, and the routes that are made of them.

use http::HeaderValue;
use proto::secret::Secret;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::trust::{self, Roots};
use super::web_push::{self, Signer};
use super::{gateway, smtp};
use crate::admin::{ChangeDelivery, Delivery, Gateway, Set, Smtp, WebPush};

/// The settings with their secrets, as they are kept.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Stored {
    smtp: Option<Smtp>,
    sms: Option<Gateway>,
    voice: Option<Gateway>,
    web_push: Option<WebPush>,
}

/// What can be asked to send something.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) stored: Stored,
    pub(crate) smtp: Option<smtp::Route>,
    pub(crate) sms: Option<gateway::Route>,
    pub(crate) voice: Option<gateway::Route>,
    pub(crate) web_push: Option<web_push::Route>,
}

impl Stored {
    /// These settings with a change. A secret that is not given stays, unless it would go to another
    /// host than it was given for; an empty one is none.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(crate) fn changed(&self, change: ChangeDelivery) -> Result<Self, String> {
        let mut new = self.clone();
        match change.smtp {
            Some(Set::Set(wanted)) => {
                new.smtp = Some(mail(wanted, self.smtp.as_ref()).map_err(named("smtp"))?);
            }
            Some(Set::Clear) => new.smtp = None,
            None => {}
        }
        for (name, change, old, new, places) in [
            (
                "sms",
                change.sms,
                &self.sms,
                &mut new.sms,
                gateway::SMS_PLACES,
            ),
            (
                "voice",
                change.voice,
                &self.voice,
                &mut new.voice,
                gateway::VOICE_PLACES,
            ),
        ] {
            match change {
                Some(Set::Set(wanted)) => {
                    let checked = gateway(wanted, old.as_ref(), places);
                    *new = Some(checked.map_err(named(name))?);
                }
                Some(Set::Clear) => *new = None,
                None => {}
            }
        }
        match change.web_push {
            Some(Set::Set(wanted)) => {
                new.web_push = Some(notices(wanted).map_err(named("web_push"))?);
            }
            Some(Set::Clear) => new.web_push = None,
            None => {}
        }
        Ok(new)
    }

    /// Whether notices are sent, so that a key is needed.
    pub(crate) fn has_web_push(&self) -> bool {
        self.web_push.is_some()
    }

    /// What is shown of them.
    pub(crate) fn shown(&self) -> Delivery {
        let mut shown = Delivery {
            smtp: self.smtp.clone(),
            sms: self.sms.clone(),
            voice: self.voice.clone(),
            web_push: self.web_push.clone(),
            ..Delivery::default()
        };
        let mut secrets = Vec::new();
        if shown
            .smtp
            .as_mut()
            .and_then(|smtp| smtp.password.take())
            .is_some()
        {
            secrets.push("smtp.password".to_owned());
        }
        for (name, gateway) in [
            ("sms.authorization", &mut shown.sms),
            ("voice.authorization", &mut shown.voice),
        ] {
            let taken = gateway
                .as_mut()
                .and_then(|found| found.authorization.take());
            if taken.is_some() {
                secrets.push(name.to_owned());
            }
        }
        shown.secrets = secrets;
        shown
    }
}

impl Routes {
    /// Makes the routes of settings, and says why one was not made. Reads the system's certificates, so
    /// it belongs on a thread that may block.
    pub(crate) fn new(stored: Stored, key: Option<&[u8]>, our_name: &str) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let smtp = stored.smtp.as_ref().map(|smtp| {
            let made = smtp::Route::new(smtp, our_name);
            made.map_err(named("smtp"))
        });
        let gateway = |name, settings: &Option<Gateway>| {
            let made = settings.as_ref().map(gateway_route);
            made.map(|made| made.map_err(named(name)))
        };
        let sms = gateway("sms", &stored.sms);
        let voice = gateway("voice", &stored.voice);
        let web_push = stored.web_push.as_ref().map(|settings| {
            let made = notices_route(settings, key);
            made.map_err(named("web_push"))
        });
        let routes = Self {
            smtp: kept(smtp, &mut problems),
            sms: kept(sms, &mut problems),
            voice: kept(voice, &mut problems),
            web_push: kept(web_push, &mut problems),
            stored,
        };
        (routes, problems)
    }

    /// Checks what a browser says of itself.
    ///
    /// # Errors
    /// [`web_push::BadSubscription`].
    pub(crate) fn check_subscription(
        &self,
        subscription: &web_push::Subscription,
    ) -> Result<(), web_push::BadSubscription> {
        let hosts = self.web_push.as_ref();
        let hosts = hosts.map_or(&[][..], |route| &route.settings.hosts);
        web_push::check(hosts, subscription)
    }
}

fn kept<T>(made: Option<Result<T, String>>, problems: &mut Vec<String>) -> Option<T> {
    match made? {
        Ok(route) => Some(route),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn named(name: &str) -> impl Fn(String) -> String {
    move |problem| format!("{name}.{problem}")
}

fn mail(mut wanted: Smtp, old: Option<&Smtp>) -> Result<Smtp, String> {
    let given = wanted.password.take();
    wanted.password = match given {
        Some(password) => Some(password).filter(|password| !password.expose().is_empty()),
        None if wanted.user.is_none() => None,
        None => match old.filter(|old| old.password.is_some()) {
            Some(old) if old.host == wanted.host && old.user == wanted.user => old.password.clone(),
            Some(_) => {
                return Err(
                    "password: it was given for another host or user; give it again".to_owned(),
                );
            }
            None => None,
        },
    };
    smtp::check(&wanted)?;
    Ok(wanted)
}

fn gateway(mut wanted: Gateway, old: Option<&Gateway>, places: &[&str]) -> Result<Gateway, String> {
    let address = Address::parse(&wanted.url).map_err(|error| format!("url: it {error}"))?;
    let given = wanted.authorization.take();
    wanted.authorization = match given {
        Some(secret) => Some(secret).filter(|secret| !secret.expose().is_empty()),
        None => match old.and_then(|old| Some((old, old.authorization.clone()?))) {
            None => None,
            Some((old, secret)) => {
                let before = Address::parse(&old.url).ok();
                if before.is_none_or(|before| before.origin() != address.origin()) {
                    return Err(
                        "authorization: it was given for another host; give it again, or \"\" for none"
                            .to_owned(),
                    );
                }
                Some(secret)
            }
        },
    };
    if wanted.authorization.as_ref().is_some_and(is_no_header) {
        return Err(
            "authorization: it is a header's value of at most 4,096 printable ASCII characters, such \
             as 'Bearer …' or 'Basic …'"
                .to_owned(),
        );
    }
    gateway::check_fields(&wanted.fields, places)?;
    check_pem(wanted.ca_pem.as_deref())?;
    Ok(wanted)
}

fn is_no_header(secret: &Secret<String>) -> bool {
    let text = secret.expose();
    text.len() > 4_096
        || HeaderValue::from_str(text).is_err()
        || !text.bytes().all(|octet| (b' '..=b'~').contains(&octet))
}

fn gateway_route(settings: &Gateway) -> Result<gateway::Route, String> {
    let roots = settings.ca_pem.as_deref();
    let roots = roots.map_or(Roots::System, Roots::Only);
    Ok(gateway::Route {
        address: Address::parse(&settings.url).map_err(|error| format!("url: it {error}"))?,
        tls: trust::client(roots).map_err(|error| format!("ca_pem: {error}"))?,
        settings: settings.clone(),
    })
}

fn notices(mut wanted: WebPush) -> Result<WebPush, String> {
    web_push::check_contact(&wanted.contact)?;
    wanted.hosts = web_push::check_hosts(&wanted.hosts)?;
    check_pem(wanted.ca_pem.as_deref())?;
    Ok(wanted)
}

fn notices_route(settings: &WebPush, key: Option<&[u8]>) -> Result<web_push::Route, String> {
    let roots = settings.ca_pem.as_deref();
    let roots = roots.map_or(Roots::System, Roots::And);
    let key = key.ok_or_else(|| "contact: there is no key to sign with".to_owned())?;
    Ok(web_push::Route {
        tls: trust::client(roots).map_err(|error| format!("ca_pem: {error}"))?,
        signer: Signer::new(key).map_err(|error| format!("contact: {error}"))?,
        settings: settings.clone(),
    })
}

fn check_pem(pem: Option<&str>) -> Result<(), String> {
    let checked = pem.map_or(Ok(()), |pem| trust::certificates(pem).map(drop));
    checked.map_err(|error| format!("ca_pem: it {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{GatewayFormat, SmtpSecurity};

    fn sms(url: &str, authorization: Option<&str>) -> ChangeDelivery {
        let fields = [("to", "{number}"), ("text", "{text}")];
        ChangeDelivery {
            sms: Some(Set::Set(Gateway {
                url: url.to_owned(),
                format: GatewayFormat::Json,
                fields: fields
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                authorization: authorization.map(Into::into),
                ca_pem: None,
            })),
            ..ChangeDelivery::default()
        }
    }

    fn smtp(host: &str, password: Option<&str>) -> ChangeDelivery {
        ChangeDelivery {
            smtp: Some(Set::Set(Smtp {
                host: host.to_owned(),
                port: None,
                security: SmtpSecurity::Tls,
                from: "a@b.example".to_owned(),
                user: Some("u".to_owned()),
                password: password.map(Into::into),
                ca_pem: None,
            })),
            ..ChangeDelivery::default()
        }
    }

    #[test]
    fn a_secret_stays_with_its_host_and_is_never_shown() {
        let first = Stored::default();
        let set = first
            .changed(sms("https://a.example/1", Some("Bearer x")))
            .unwrap();
        let shown = set.shown();
        assert_eq!(shown.secrets, ["sms.authorization"]);
        assert_eq!(shown.sms.unwrap().authorization, None);
        let moved = set.changed(sms("https://a.example/2", None)).unwrap();
        assert_eq!(moved.shown().secrets, ["sms.authorization"]);
        for other in ["https://b.example/1", "https://a.example:444/1"] {
            let error = set.changed(sms(other, None)).err().unwrap();
            assert!(error.starts_with("sms.authorization: "), "{error}");
        }
        let none = set.changed(sms("https://b.example/1", Some(""))).unwrap();
        assert!(none.shown().secrets.is_empty());
        let bad = set.changed(sms("https://a.example/", Some("a\r\nb: c")));
        assert!(bad.err().unwrap().starts_with("sms.authorization: "));

        let set = first.changed(smtp("a.example", Some("pw"))).unwrap();
        assert_eq!(set.shown().secrets, ["smtp.password"]);
        assert_eq!(set.shown().smtp.unwrap().password, None);
        assert!(set.changed(smtp("a.example", None)).is_ok());
        let error = set.changed(smtp("b.example", None)).err().unwrap();
        assert!(error.starts_with("smtp.password: "), "{error}");
        let error = first.changed(smtp("a.example", None)).err().unwrap();
        assert!(error.starts_with("smtp.user: "), "{error}");
    }

    #[test]
    fn what_is_absent_stays_and_what_is_cleared_goes() {
        let first = Stored::default();
        let set = first.changed(sms("https://a.example/1", None)).unwrap();
        let both = set.changed(smtp("a.example", Some("pw"))).unwrap();
        assert!(both.sms.is_some() && both.smtp.is_some());
        let change = ChangeDelivery {
            sms: Some(Set::Clear),
            ..ChangeDelivery::default()
        };
        let one = both.changed(change).unwrap();
        assert!(one.sms.is_none() && one.smtp.is_some());
    }

    #[test]
    fn bad_values_name_their_option() {
        let first = Stored::default();
        for (change, want) in [
            (
                sms("http://a.example/", None),
                "sms.url: it goes over the network",
            ),
            (sms("a.example", None), "sms.url: it is no address"),
        ] {
            let error = first.changed(change).err().unwrap();
            assert!(error.starts_with(want), "{error}");
        }
        let web_push = |contact: &str, hosts: &[&str]| ChangeDelivery {
            web_push: Some(Set::Set(WebPush {
                contact: contact.to_owned(),
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                ca_pem: None,
            })),
            ..ChangeDelivery::default()
        };
        for (change, want) in [
            (web_push("x", &[]), "web_push.contact: "),
            (web_push("mailto:a@b.example", &["*"]), "web_push.hosts: "),
        ] {
            let error = first.changed(change).err().unwrap();
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again_with_its_secrets() {
        let set = Stored::default()
            .changed(sms("https://a.example/1", Some("Bearer x")))
            .unwrap();
        let kept = serde_json::to_vec(&set).unwrap();
        let read: Stored = serde_json::from_slice(&kept).unwrap();
        assert_eq!(read.sms, set.sms);
    }
}
