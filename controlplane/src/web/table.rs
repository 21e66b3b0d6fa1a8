//! The files of the dashboard that `build.rs` found, and each as it is answered: its type, its packed
//! forms, their tags. A name that is not in the table is no file, whatever stands in it.

use std::collections::HashMap;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};

use super::encoding::{self, Encoding};

/// A file as it was built in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embedded {
    /// Its name in the folder, such as `assets/index-B2xq.js`.
    pub(super) path: &'static str,
    pub(super) octets: &'static [u8],
    /// Packed by brotli (RFC 7932); none when there is no such file beside it.
    pub(super) brotli: Option<&'static [u8]>,
    /// Packed by gzip (RFC 1952); none likewise.
    pub(super) gzip: Option<&'static [u8]>,
}

/// What this program was built with; nothing without a dashboard.
pub(super) static BUILT_IN: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// The files, by name. [`super::INDEX`] is not among them.
#[derive(Debug)]
pub(super) struct Files(HashMap<&'static str, File>);

impl Files {
    pub(super) fn of(embedded: &[Embedded]) -> Self {
        let files = embedded.iter().filter(|one| one.path != super::INDEX);
        Self(files.map(|one| (one.path, File::of(one))).collect())
    }

    pub(super) fn find(&self, name: &str) -> Option<&File> {
        self.0.get(name)
    }
}

/// A file as it is answered.
#[derive(Debug)]
pub(super) struct File {
    kind: &'static str,
    keeps: &'static str,
    plain: Form,
    /// The best first.
    packed: Vec<Form>,
}

/// What is sent of a file.
#[derive(Debug)]
struct Form {
    encoding: Encoding,
    octets: &'static [u8],
    /// Strong (RFC 9110 section 8.8.3): each form has its own.
    tag: Option<HeaderValue>,
}

impl File {
    fn of(embedded: &Embedded) -> Self {
        let brotli = embedded.brotli.map(|octets| (Encoding::Brotli, octets));
        let gzip = embedded.gzip.map(|octets| (Encoding::Gzip, octets));
        let packed = brotli.into_iter().chain(gzip);
        let hashed = embedded.path.starts_with(super::HASHED);
        Self {
            kind: kind(embedded.path),
            keeps: if hashed { FOR_EVER } else { ASKED_AGAIN },
            plain: Form::of(Encoding::Identity, embedded.octets),
            packed: packed
                .map(|(encoding, octets)| Form::of(encoding, octets))
                .collect(),
        }
    }

    /// The form that the caller likes best, or that it has that one already.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Response {
        let there: Vec<Encoding> = self.packed.iter().map(|form| form.encoding).collect();
        let chosen = encoding::choose(headers, &there);
        let packed = self.packed.iter().find(|form| form.encoding == chosen);
        let form = packed.unwrap_or(&self.plain);
        let mut response = match form.tag.as_ref().is_some_and(|tag| has(headers, tag)) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => {
                let mut response = Response::new(Body::from(form.octets));
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
                if let Some(name) = form.encoding.name() {
                    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
                }
                response
            }
        };
        let told = response.headers_mut();
        told.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.keeps));
        if let Some(tag) = &form.tag {
            told.insert(header::ETAG, tag.clone());
        }
        if !self.packed.is_empty() {
            told.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        response
    }
}

impl Form {
    fn of(encoding: Encoding, octets: &'static [u8]) -> Self {
        let digest = digest(&SHA256, octets);
        let digest = digest.as_ref().get(..TAG_OCTETS).unwrap_or_default();
        let tag = format!("\"{}\"", BASE64URL_NOPAD.encode(digest));
        Self {
            encoding,
            octets,
            tag: HeaderValue::from_str(&tag).ok(),
        }
    }
}

/// `If-None-Match`, which compares weakly (RFC 9110 section 13.1.2).
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH);
    let given = given.iter().filter_map(|given| given.to_str().ok());
    let mut tags = given.flat_map(|given| given.split(','));
    tags.any(|given| {
        let given = given.trim();
        given == "*" || given.strip_prefix("W/").unwrap_or(given).as_bytes() == tag.as_bytes()
    })
}

/// The type of a file, by the end of its name.
fn kind(path: &str) -> &'static str {
    let end = path.rsplit_once('.').map_or("", |(_, end)| end);
    match end {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "jpg" | "jpeg" => "image/jpeg",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "webp" => "image/webp",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Of the digest that is a tag: no two files are alike in as many.
const TAG_OCTETS: usize = 16;
/// The name changes with what is in it.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASKED_AGAIN: &str = "no-cache";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_type_of_its_name() {
        for (path, want) in [
            ("assets/a-1.js", "text/javascript; charset=utf-8"),
            ("assets/a.b-1.css", "text/css; charset=utf-8"),
            ("favicon.svg", "image/svg+xml"),
            ("fonts/x.woff2", "font/woff2"),
            ("site.webmanifest", "application/manifest+json"),
            ("LICENSE", "application/octet-stream"),
            ("x.js.unknown", "application/octet-stream"),
        ] {
            assert_eq!(kind(path), want, "{path}");
        }
    }

    #[test]
    fn whoever_names_the_tag_has_it_already() {
        let form = Form::of(Encoding::Identity, b"octets");
        let tag = form.tag.unwrap();
        let text = tag.to_str().unwrap();
        for (given, want) in [
            (vec![text.to_owned()], true),
            (vec![format!("W/{text}")], true),
            (vec![format!("\"x\", {text} ,\"y\"")], true),
            (vec!["\"x\"".to_owned(), text.to_owned()], true),
            (vec!["*".to_owned()], true),
            (vec!["\"x\"".to_owned()], false),
            (vec![text.trim_matches('"').to_owned()], false),
            (vec![String::new()], false),
            (vec![], false),
        ] {
            let mut headers = HeaderMap::new();
            for one in &given {
                headers.append(header::IF_NONE_MATCH, one.parse().unwrap());
            }
            assert_eq!(has(&headers, &tag), want, "{given:?}");
        }
    }

    #[test]
    fn what_is_built_in_has_a_page_or_nothing() {
        let pages = BUILT_IN.iter().filter(|one| one.path == crate::web::INDEX);
        assert_eq!(pages.count(), usize::from(!BUILT_IN.is_empty()));
        for one in BUILT_IN {
            assert!(!one.path.starts_with('.'), "{}", one.path);
            assert!(!one.path.ends_with(".br") && !one.path.ends_with(".gz"));
        }
    }
}
