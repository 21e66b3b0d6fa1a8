//! The files of the app, which are the same for everybody.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;

use crate::api::Answer;

/// A file, what kind it has, and the path that it has.
struct File(&'static str, &'static str, &'static [u8]);

const FILES: &[File] = &[
    File(APP, HTML, include_bytes!("../../assets/app.html")),
    File("/app/app.css", CSS, include_bytes!("../../assets/app.css")),
    File("/app/app.js", SCRIPT, include_bytes!("../../assets/app.js")),
    File("/app/sw.js", SCRIPT, include_bytes!("../../assets/sw.js")),
    File(
        "/app/manifest.webmanifest",
        "application/manifest+json",
        include_bytes!("../../assets/manifest.webmanifest"),
    ),
    File(
        "/app/icon.svg",
        "image/svg+xml",
        include_bytes!("../../assets/icon.svg"),
    ),
    File(
        "/app/icon-192.png",
        PNG,
        include_bytes!("../../assets/icon-192.png"),
    ),
    File(
        "/app/icon-512.png",
        PNG,
        include_bytes!("../../assets/icon-512.png"),
    ),
    File(
        "/assets/webauthn.js",
        SCRIPT,
        include_bytes!("../../assets/webauthn.js"),
    ),
];

/// A file by its path.
pub(super) fn find(path: &str) -> Option<Answer> {
    let File(_, kind, octets) = FILES.iter().find(|file| file.0 == path)?;
    let mut answer = Response::new(Full::new(Bytes::from_static(octets)));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Asked for again each time: they belong together, and to this version of the service.
    let again = HeaderValue::from_static("no-cache");
    headers.insert(header::CACHE_CONTROL, again);
    Some(answer)
}

/// The page itself.
pub(super) fn page() -> Answer {
    find(APP).unwrap_or_default()
}

/// The page's path, below which its service worker works.
pub(super) const APP: &str = "/app/";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PNG: &str = "image/png";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_to_the_policy_that_it_is_sent_with() {
        let File(_, _, page) = FILES.iter().find(|file| file.0 == APP).unwrap();
        let page = std::str::from_utf8(page).unwrap();
        assert!(!page.contains("style=") && !page.contains("<style"));
        assert!(!page.contains("onclick"));
        for script in page.match_indices("<script") {
            let tag = page[script.0..].split('>').next().unwrap();
            assert!(tag.contains("src=\"/app/"), "{tag}");
        }
        // What it names is there.
        let named = page.split(['"', '\'']).filter(|word| {
            ["/app/", "/assets/"]
                .iter()
                .any(|folder| word.starts_with(folder))
        });
        for path in named {
            assert!(find(path).is_some(), "{path}");
        }
    }

    #[test]
    fn files_are_small() {
        let octets: usize = FILES.iter().map(|file| file.2.len()).sum();
        assert!(octets < 128 * 1024, "{octets}");
    }
}
