//! What all pages are made of: the frame, escaping, the code to scan. Pure.

use http::{HeaderValue, StatusCode, header};
use qrcode::QrCode;
use qrcode::render::svg;

use crate::api::{Answer, text};

/// Whether a page looks again by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refresh {
    Soon,
    Never,
}

/// A page that stays as it is.
pub(super) fn titled(status: StatusCode, title: &str, body: &str) -> Answer {
    framed(status, Refresh::Never, title, body)
}

/// A page without a title of its own.
pub(super) fn page(status: StatusCode, refresh: Refresh, body: &str) -> Answer {
    framed(status, refresh, "", body)
}

fn framed(status: StatusCode, refresh: Refresh, title: &str, body: &str) -> Answer {
    let title = match title {
        "" => "Countersign".to_owned(),
        title => format!("{} – Countersign", escape(title)),
    };
    let refresh = match refresh {
        Refresh::Soon => "<meta http-equiv=\"refresh\" content=\"4\">",
        Refresh::Never => "",
    };
    // What people write is escaped, and cannot look like it.
    let script = if body.contains(" data-passkey=\"") {
        "<script type=\"module\" src=\"/assets/portal.js\"></script>"
    } else {
        ""
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{refresh}\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\
         <link rel=\"icon\" href=\"/app/icon.svg\" type=\"image/svg+xml\"><link rel=\"stylesheet\" href=\"/style.css\">{script}</head>\
         <body><main><p class=\"brand\"><img src=\"/app/icon.svg\" alt=\"\" width=\"32\" height=\"32\"> Countersign</p>{body}</main></body></html>"
    );
    text(status, "text/html; charset=utf-8", html)
}

pub(super) fn see_other(path: &str) -> Answer {
    let mut answer = page(StatusCode::SEE_OTHER, Refresh::Never, "");
    if let Ok(location) = HeaderValue::from_str(path) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

pub(super) fn escape(text: &str) -> String {
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

/// A code to scan, for a page: the element itself, so that what is in it stands in no address.
pub(super) fn scannable(value: &str, of: &str) -> String {
    let image = svg_of(value).unwrap_or_default();
    format!(
        "<div class=\"qr\" role=\"img\" aria-label=\"{}\">{}</div>",
        escape(of),
        element_of(&image)
    )
}

pub(super) fn svg_of(value: &str) -> Option<String> {
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

/// How long is left, in the unit that a person would say.
pub(super) fn duration(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..=90 => (seconds, "second"),
        91..=5_400 => (seconds.div_ceil(60), "minute"),
        5_401..=172_800 => ((seconds + 1_800) / 3_600, "hour"),
        _ => ((seconds + 43_200) / 86_400, "day"),
    };
    match number {
        1 => format!("1 {unit}"),
        _ => format!("{number} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_escaped() {
        let html = escape("<script>\"'&");
        assert_eq!(html, "&lt;script&gt;&quot;&#39;&amp;");
    }

    #[test]
    fn time_is_told_as_people_do() {
        for (seconds, want) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (91, "2 minutes"),
            (300, "5 minutes"),
            (3_600, "60 minutes"),
            (86_399, "24 hours"),
            (86_400, "24 hours"),
            (172_801, "2 days"),
            (604_799, "7 days"),
        ] {
            assert_eq!(duration(seconds), want, "{seconds}");
        }
    }
}
