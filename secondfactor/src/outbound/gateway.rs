//! A gateway for SMS or calls: what a message looks like on its way there. Pure, but for the sending.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use rustls::ClientConfig;

use super::address::{Address, Reach};
use super::http::{Post, PostError, post};
use crate::admin::{Gateway, GatewayFormat};

/// A gateway that can be asked.
pub(crate) struct Route {
    pub(crate) address: Address,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) settings: Gateway,
}

/// What a message is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling<'a> {
    pub(crate) number: &'a str,
    pub(crate) text: &'a str,
    /// Empty for an SMS.
    pub(crate) callback: &'a str,
}

impl Route {
    /// Hands a message to the gateway.
    ///
    /// # Errors
    /// [`PostError`].
    pub(crate) async fn send(&self, filling: Filling<'_>) -> Result<(), PostError> {
        let mut headers = HeaderMap::new();
        let kind = match self.settings.format {
            GatewayFormat::Form => "application/x-www-form-urlencoded",
            GatewayFormat::Json => "application/json",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(authorization) = &self.settings.authorization {
            let mut value =
                HeaderValue::from_str(authorization.expose()).map_err(::http::Error::from)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let body = body(self.settings.format, &self.settings.fields, filling);
        post(Post {
            address: &self.address,
            tls: &self.tls,
            reach: Reach::Any,
            headers,
            body: Bytes::from(body),
        })
        .await
    }
}

fn body(format: GatewayFormat, fields: &BTreeMap<String, String>, filling: Filling<'_>) -> String {
    let filled = fields
        .iter()
        .map(|(name, value)| (name, filled(value, filling)));
    match format {
        GatewayFormat::Form => form_urlencoded::Serializer::new(String::new())
            .extend_pairs(filled)
            .finish(),
        GatewayFormat::Json => {
            let object: serde_json::Map<_, _> = filled
                .map(|(name, value)| (name.clone(), serde_json::Value::String(value)))
                .collect();
            serde_json::Value::Object(object).to_string()
        }
    }
}

/// Puts the message in the places that the value has for it. What was put in is not looked at again.
fn filled(value: &str, filling: Filling<'_>) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, name, after)) = next_place(rest) {
        out.push_str(before);
        match name {
            "number" => out.push_str(filling.number),
            "text" => out.push_str(filling.text),
            "callback" => out.push_str(filling.callback),
            _ => {}
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The first `{name}` of a text, with what is before and behind it. Other braces are braces.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find('{') {
        let open = from + at;
        let rest = text.get(open + 1..)?;
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic() && c != '_')
            .unwrap_or(rest.len());
        if letters > 0 && rest.get(letters..)?.starts_with('}') {
            let after = rest.get(letters + 1..)?;
            return Some((text.get(..open)?, rest.get(..letters)?, after));
        }
        from = open + 1;
    }
    None
}

/// Checks the fields of a gateway that must be told these.
///
/// # Errors
/// What is wrong, and what to do.
pub(crate) fn check_fields(
    fields: &BTreeMap<String, String>,
    needed: &[&str],
) -> Result<(), String> {
    if fields.is_empty() || fields.len() > MAX_FIELDS {
        return Err(format!("fields: there are 1 to {MAX_FIELDS} of them"));
    }
    let mut named = Vec::new();
    for (name, value) in fields {
        if !(1..=NAME_CHARACTERS).contains(&name.chars().count())
            || name.chars().any(char::is_control)
        {
            return Err(format!(
                "fields: a name has 1 to {NAME_CHARACTERS} characters, none of them a control \
                 character"
            ));
        }
        if value.chars().count() > VALUE_CHARACTERS {
            return Err(format!(
                "fields.{name}: a value has at most {VALUE_CHARACTERS} characters"
            ));
        }
        let mut rest = value.as_str();
        while let Some((_, place, after)) = next_place(rest) {
            if !needed.contains(&place) {
                return Err(format!(
                    "fields.{name}: there is no {{{place}}}; there are {}",
                    places(needed)
                ));
            }
            named.push(place.to_owned());
            rest = after;
        }
    }
    match needed
        .iter()
        .find(|place| !named.iter().any(|found| found == *place))
    {
        Some(place) => Err(format!(
            "fields: none has {{{place}}} in its value, but the gateway must be told {}",
            places(needed)
        )),
        None => Ok(()),
    }
}

fn places(needed: &[&str]) -> String {
    let all: Vec<_> = needed.iter().map(|place| format!("{{{place}}}")).collect();
    all.join(", ")
}

/// What a gateway for SMS is told.
pub(crate) const SMS_PLACES: &[&str] = &["number", "text"];

/// What a gateway for calls is told.
pub(crate) const VOICE_PLACES: &[&str] = &["number", "text", "callback"];

/// The most fields of a message.
const MAX_FIELDS: usize = 32;
const NAME_CHARACTERS: usize = 64;
const VALUE_CHARACTERS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    const FILLING: Filling<'static> = Filling {
        number: "+1555",
        text: "code {number} & \"more\"",
        callback: "https://gate/voice/x",
    };

    fn fields(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn places_are_filled_once() {
        for (value, want) in [
            ("{number}", "+1555"),
            ("to:{number}.", "to:+1555."),
            ("{text}", "code {number} & \"more\""),
            ("{{text}}", "{code {number} & \"more\"}"),
            ("{", "{"),
            ("{}", "{}"),
            ("{a b}{number}", "{a b}+1555"),
            ("plain", "plain"),
            ("{callback}{callback", "https://gate/voice/x{callback"),
        ] {
            assert_eq!(filled(value, FILLING), want, "{value}");
        }
    }

    #[test]
    fn a_body_says_what_the_fields_say() {
        let all = fields(&[("To", "{number}"), ("Body", "{text}"), ("From", "+1 & co")]);
        assert_eq!(
            body(GatewayFormat::Form, &all, FILLING),
            "Body=code+%7Bnumber%7D+%26+%22more%22&From=%2B1+%26+co&To=%2B1555"
        );
        assert_eq!(
            body(GatewayFormat::Json, &all, FILLING),
            r#"{"Body":"code {number} & \"more\"","From":"+1 & co","To":"+1555"}"#
        );
    }

    #[test]
    fn fields_are_checked() {
        let long = "a".repeat(1_025);
        for (name, all, needed, want) in [
            (
                "good",
                &[("a", "{number}"), ("b", "{text}")][..],
                SMS_PLACES,
                None,
            ),
            ("none", &[], SMS_PLACES, Some("1 to 32")),
            (
                "no name",
                &[("", "{number}{text}")],
                SMS_PLACES,
                Some("1 to 64"),
            ),
            (
                "name",
                &[("a\r\nb", "{number}{text}")],
                SMS_PLACES,
                Some("control"),
            ),
            ("long", &[("a", &long)], SMS_PLACES, Some("at most 1024")),
            (
                "unknown",
                &[("a", "{number}{text}{code}")],
                SMS_PLACES,
                Some("fields.a: there is no {code}; there are {number}, {text}"),
            ),
            (
                "no callback in an SMS",
                &[("a", "{number}{text}{callback}")],
                SMS_PLACES,
                Some("no {callback}"),
            ),
            (
                "no text",
                &[("a", "{number}")],
                SMS_PLACES,
                Some("none has {text}"),
            ),
            (
                "no callback in a call",
                &[("a", "{number}{text}")],
                VOICE_PLACES,
                Some("none has {callback}"),
            ),
        ] {
            let found = check_fields(&fields(all), needed).err();
            match (found, want) {
                (None, None) => {}
                (Some(found), Some(want)) => assert!(found.contains(want), "{name}: {found}"),
                (found, want) => panic!("{name}: {found:?} {want:?}"),
            }
        }
        let many: BTreeMap<_, _> = (0..33).map(|n| (n.to_string(), String::new())).collect();
        assert!(check_fields(&many, SMS_PLACES).is_err());
    }
}
