//! The pages that people open: approvals, activation, and the QR code. Plain HTML without script.
//!
//! An address with a token is the credential; it goes to no other site, and a change is taken
//! from a page of this service only.

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use qrcode::QrCode;
use qrcode::render::svg;

use crate::account::{Account, Device};
use crate::admin::NewDevice;
use crate::api::{Answer, ApiError, body_of, text, text_of};
use crate::params::{Pairs, Params};
use crate::push::{Push, Txid};
use crate::service::{EnrollError, NewSecret, Service};
use crate::store::StoreError;
use crate::verdict::Verdict;

/// Whether a path is one of the pages.
pub(crate) fn owns(path: &str) -> bool {
    path == "/style.css"
        || path == "/frame/qr"
        || ["/approve/", "/activate/"]
            .iter()
            .any(|prefix| path.starts_with(prefix))
}

/// Answers a request for a page.
pub(crate) async fn respond(service: &Service, request: Request<Incoming>) -> Answer {
    let answer = route(service, request).await;
    let mut answer = answer.unwrap_or_else(|fault| fault.answer());
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    answer
}

async fn route(service: &Service, request: Request<Incoming>) -> Result<Answer, Fault> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let get = head.method == Method::GET;
    if !get && head.method != Method::POST {
        return Err(Fault::Method);
    }
    if let Some(token) = path.strip_prefix("/approve/") {
        let (account, device) = service.approver(token).await?.ok_or(Fault::NotFound)?;
        if get {
            let pushes = service.pushes.of_device(&device.id, SHOWN_PUSHES);
            return Ok(page(
                StatusCode::OK,
                Refresh::Soon,
                &approvals(&account, &device, &pushes),
            ));
        }
        same_origin(&head.headers, &head.uri)?;
        let form = form(service, body).await?;
        let txid = form
            .get("txid")
            .and_then(Txid::parse)
            .ok_or(Fault::BadForm)?;
        let verdict = match form.get("answer") {
            Some("approve") => Verdict::Allow,
            Some("deny") => Verdict::Deny,
            Some("fraud") => Verdict::Fraud,
            _ => return Err(Fault::BadForm),
        };
        let _inside = service.gate.enter().await.ok_or(Fault::TooMany)?;
        service
            .answer_push(txid, verdict, |push| push.device == device.id)
            .await?;
        return Ok(see_other(path));
    }
    if let Some(code) = path.strip_prefix("/activate/") {
        let activation = service.enrollment(code).await?.filter(|found| !found.used);
        let activation = activation.ok_or(Fault::NotFound)?;
        if get {
            return Ok(page(
                StatusCode::OK,
                Refresh::Never,
                &invitation(&activation.user_name),
            ));
        }
        same_origin(&head.headers, &head.uri)?;
        let new = match form(service, body).await?.get("kind") {
            Some("phone") => NewDevice::Phone {
                name: String::new(),
                number: String::new(),
                capabilities: None,
            },
            Some("totp") => NewDevice::Totp {
                name: String::new(),
                algorithm: None,
                digits: None,
                period: None,
                secret: None,
            },
            _ => return Err(Fault::BadForm),
        };
        let _inside = service.gate.enter().await.ok_or(Fault::TooMany)?;
        let made = service.finish_enrollment(code, &new).await?;
        let (_, secret) = made.ok_or(Fault::NotFound)?;
        return Ok(page(StatusCode::OK, Refresh::Never, &enrolled(&secret)));
    }
    if !get {
        return Err(Fault::Method);
    }
    match path {
        "/style.css" => Ok(text(StatusCode::OK, "text/css", STYLE.to_owned())),
        _ => qr(service, head.uri.query().unwrap_or_default()),
    }
}

/// A form of another site is refused: browsers say where a form comes from.
fn same_origin(headers: &HeaderMap, uri: &http::Uri) -> Result<(), Fault> {
    let host = text_of(headers, header::HOST.as_str())
        .or_else(|| uri.authority().map(http::uri::Authority::as_str));
    let own = match (text_of(headers, header::ORIGIN.as_str()), host) {
        (Some(origin), Some(host)) => origin
            .strip_prefix("https://")
            .is_some_and(|origin| origin.eq_ignore_ascii_case(host)),
        (None, _) => text_of(headers, "sec-fetch-site") == Some("same-origin"),
        (Some(_), None) => false,
    };
    if own { Ok(()) } else { Err(Fault::OtherOrigin) }
}

async fn form(service: &Service, body: Incoming) -> Result<Params, Fault> {
    let body = body_of(service, body).await.map_err(|error| match error {
        ApiError::TooMany => Fault::TooMany,
        _ => Fault::BadForm,
    })?;
    Params::from_pairs(&Pairs::parse(&body.octets)).map_err(|_| Fault::BadForm)
}

/// The image of an activation's address, for who was given it. Of nothing else: what stands in an
/// address stands in logs.
fn qr(service: &Service, query: &str) -> Result<Answer, Fault> {
    let params = Params::from_pairs(&Pairs::parse(query.as_bytes())).map_err(|_| Fault::BadForm)?;
    let activation = |value: &&str| {
        let path = value.strip_prefix(service.public_url.as_str());
        value.len() <= QR_OCTETS && path.is_some_and(|path| path.starts_with("/activate/"))
    };
    let value = params.get("value").filter(activation);
    let image = svg_of(value.ok_or(Fault::BadForm)?).ok_or(Fault::BadForm)?;
    Ok(text(StatusCode::OK, "image/svg+xml", image))
}

fn svg_of(value: &str) -> Option<String> {
    let code = QrCode::new(value).ok()?;
    Some(
        code.render::<svg::Color<'_>>()
            .min_dimensions(240, 240)
            .build(),
    )
}

/// An image without the line that says it is a document of its own.
fn element_of(image: &str) -> &str {
    image
        .find("<svg")
        .and_then(|at| image.get(at..))
        .unwrap_or_default()
}

fn approvals(account: &Account, device: &Device, pushes: &[std::sync::Arc<Push>]) -> String {
    let mut html = format!(
        "<h1>{}</h1><p class=\"quiet\">{}</p>",
        escape(&account.name),
        escape(&device.display_name())
    );
    if pushes.is_empty() {
        html.push_str("<p>Nobody waits for your answer. This page looks again by itself.</p>");
    }
    for push in pushes {
        let details = &push.details;
        let kind = if details.kind.is_empty() {
            "Login"
        } else {
            &details.kind
        };
        html.push_str(&format!(
            "<section><h2>{} request</h2><dl><dt>Application</dt><dd>{}</dd>",
            escape(kind),
            escape(&push.application)
        ));
        let mut row = |name: &str, value: &str| {
            if !value.is_empty() {
                html.push_str(&format!(
                    "<dt>{}</dt><dd>{}</dd>",
                    escape(name),
                    escape(value)
                ));
            }
        };
        row("User", &details.display_name);
        row("From", &details.ip);
        for (name, value) in &details.info {
            row(name, value);
        }
        row("Sent", &format!("{} s ago", push.sent.elapsed().as_secs()));
        html.push_str(&format!(
            "</dl><form method=\"post\"><input type=\"hidden\" name=\"txid\" value=\"{}\">\
             <button class=\"yes\" name=\"answer\" value=\"approve\">Approve</button>\
             <button class=\"no\" name=\"answer\" value=\"deny\">Deny</button>\
             <button name=\"answer\" value=\"fraud\">This was not me</button></form></section>",
            push.txid
        ));
    }
    html
}

fn invitation(name: &str) -> String {
    format!(
        "<h1>Set up your second factor</h1><p>This is for <strong>{}</strong>, and works once.</p>\
         <form method=\"post\">\
         <button class=\"yes\" name=\"kind\" value=\"phone\">Approve logins in this browser</button>\
         <button name=\"kind\" value=\"totp\">Use an authenticator app</button></form>",
        escape(name)
    )
}

fn enrolled(secret: &NewSecret) -> String {
    match secret {
        NewSecret::ApprovalUrl(url) => {
            let path = url
                .split_once("//")
                .and_then(|(_, rest)| rest.find('/').map(|at| (rest, at)));
            let path = path
                .and_then(|(rest, at)| rest.get(at..))
                .unwrap_or_default();
            format!(
                "<h1>Done</h1><p>Keep the next page: add it to your bookmarks or your home screen. \
                 It is where you approve your logins, and nobody else should have its address.</p>\
                 <p><a href=\"{}\">Open my approvals</a></p>",
                escape(path)
            )
        }
        NewSecret::Generator { secret, uri } => format!(
            "<h1>Scan this code</h1><p>Open your authenticator app and scan it. \
             It is shown only now.</p><p>{}</p><p>Or type in this key: <code>{}</code></p>",
            // In the page: an address with the secret would stand in logs and histories.
            svg_of(uri).as_deref().map(element_of).unwrap_or_default(),
            escape(secret)
        ),
    }
}

/// Whether a page looks again by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refresh {
    Soon,
    Never,
}

fn page(status: StatusCode, refresh: Refresh, body: &str) -> Answer {
    let refresh = match refresh {
        Refresh::Soon => "<meta http-equiv=\"refresh\" content=\"4\">",
        Refresh::Never => "",
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{refresh}\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Countersign</title><link rel=\"stylesheet\" href=\"/style.css\"></head>\
         <body><main>{body}</main></body></html>"
    );
    text(status, "text/html; charset=utf-8", html)
}

fn see_other(path: &str) -> Answer {
    let mut answer = page(StatusCode::SEE_OTHER, Refresh::Never, "");
    if let Ok(location) = HeaderValue::from_str(path) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Why a page is not shown.
#[derive(Debug)]
enum Fault {
    NotFound,
    Method,
    OtherOrigin,
    BadForm,
    TooMany,
    Internal,
}

impl Fault {
    fn answer(&self) -> Answer {
        let (status, body) = match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "<h1>Not here</h1><p>This address is wrong, was used already, or is too old.</p>",
            ),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "<h1>Not possible</h1>"),
            Self::OtherOrigin => (
                StatusCode::FORBIDDEN,
                "<h1>Refused</h1><p>That form came from another site.</p>",
            ),
            Self::BadForm => (StatusCode::BAD_REQUEST, "<h1>Not possible</h1>"),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "<h1>Too much to do</h1><p>Please try again in a moment.</p>",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "<h1>Something failed</h1><p>Please try again later.</p>",
            ),
        };
        page(status, Refresh::Never, body)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        if error.is_overload() {
            return Self::TooMany;
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "second-factor store failed"
        );
        Self::Internal
    }
}

impl From<EnrollError> for Fault {
    fn from(error: EnrollError) -> Self {
        match error {
            EnrollError::Store(error) => error.into(),
            EnrollError::Invalid(_) | EnrollError::Missing(_) => Self::BadForm,
        }
    }
}

const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    // With "no-referrer" browsers hide the origin of a form, which is checked here.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cache-control", "no-store"),
];

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;margin:0;background:#f4f5f7;\
color:#1b1f24}main{max-width:32rem;margin:0 auto;padding:1.5rem}section{background:#fff;\
border-radius:.75rem;padding:1rem;margin:1rem 0;box-shadow:0 1px 3px #0003}h1,h2{margin:.2rem 0}\
.quiet{color:#57606a;margin:0}dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1rem}\
dd{margin:0;overflow-wrap:anywhere}button{font:inherit;width:100%;padding:.9rem;margin:.3rem 0;\
border:1px solid #8c959f;border-radius:.5rem;background:#fff}.yes{background:#1a7f37;color:#fff;\
border-color:#1a7f37}.no{background:#cf222e;color:#fff;border-color:#cf222e}svg{width:15rem;\
height:15rem}code{overflow-wrap:anywhere}";

const QR_OCTETS: usize = 512;
const SHOWN_PUSHES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_sites_are_refused() {
        for (name, headers, want) in [
            (
                "own",
                &[("host", "gate:8402"), ("origin", "https://gate:8402")][..],
                true,
            ),
            (
                "other",
                &[("host", "gate:8402"), ("origin", "https://evil")][..],
                false,
            ),
            (
                "plain",
                &[("host", "gate:8402"), ("origin", "http://gate:8402")][..],
                false,
            ),
            (
                "null",
                &[("host", "gate:8402"), ("origin", "null")][..],
                false,
            ),
            ("nothing said", &[("host", "gate:8402")][..], false),
            (
                "fetch metadata",
                &[("host", "gate"), ("sec-fetch-site", "same-origin")][..],
                true,
            ),
            (
                "other site",
                &[("host", "gate"), ("sec-fetch-site", "cross-site")][..],
                false,
            ),
            ("no host", &[("origin", "https://gate")][..], false),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, HeaderValue::from_static(value));
            }
            let uri = http::Uri::from_static("/approve/x");
            assert_eq!(same_origin(&map, &uri).is_ok(), want, "{name}");
        }
    }

    #[test]
    fn what_others_wrote_is_escaped() {
        let html = invitation("<script>\"'&");
        assert!(html.contains("&lt;script&gt;&quot;&#39;&amp;"), "{html}");
        assert!(!html.contains("<script>"));
    }

    #[test]
    fn an_approval_address_is_linked_by_its_path() {
        let html = enrolled(&NewSecret::ApprovalUrl(
            "https://gate:8402/approve/ABC".to_owned(),
        ));
        assert!(html.contains("href=\"/approve/ABC\""), "{html}");
    }
}
