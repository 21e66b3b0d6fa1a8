//! A text as programs write it: quoted, encoded, within longer encodings. Pure.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// The octets as they are, and every other writing that holds all or nearly all of them.
pub(super) fn writings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec()];
    for form in encodings(secret) {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// Every writing but the octets as they are, unless they need none.
pub(super) fn encodings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    let mut add = |form: String| {
        let form = form.into_bytes();
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    if let Ok(text) = std::str::from_utf8(secret) {
        let json = serde_json::to_string(text).unwrap_or_default();
        let json = json.trim_matches('"').to_owned();
        // JSON within JSON, as a log line of a program that logs a document.
        let twice = serde_json::to_string(&json).unwrap_or_default();
        add(twice.trim_matches('"').to_owned());
        add(json);
        add(text.escape_default().to_string());
        add(text.escape_debug().to_string());
        add(text.replace('%', "%%"));
    }
    add(hex(secret, false));
    add(hex(secret, true));
    for kept in [&b"-_.~"[..], b"-_.", b"-_.!~*'()"] {
        for upper in [true, false] {
            let percent = percent(secret, kept, upper);
            add(percent.replace("%20", "+"));
            add(percent);
        }
    }
    // By itself base64 holds it whole, short as it may be.
    for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
        add(engine.encode(secret));
    }
    // Within a longer text base64 depends on what stands before: three writings, without their edges.
    for before in 0..3 {
        let shifted = [[0; 3].get(..before).unwrap_or_default(), secret].concat();
        let whole = shifted.get(..shifted.len() / 3 * 3).unwrap_or_default();
        let skipped = if before == 0 { 0 } else { 4 };
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(whole);
            add(text.get(skipped..).unwrap_or_default().to_owned());
        }
    }
    forms.retain(|form| !form.is_empty());
    forms
}

fn hex(octets: &[u8], upper: bool) -> String {
    let one = |octet: &u8| match upper {
        true => format!("{octet:02X}"),
        false => format!("{octet:02x}"),
    };
    octets.iter().map(one).collect()
}

/// Percent-encoding (RFC 3986 section 2.1), which programs differ in.
fn percent(octets: &[u8], kept: &[u8], upper: bool) -> String {
    let one = |octet: &u8| match octet {
        octet if octet.is_ascii_alphanumeric() || kept.contains(octet) => {
            char::from(*octet).to_string()
        }
        octet if upper => format!("%{octet:02X}"),
        octet => format!("%{octet:02x}"),
    };
    octets.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_writing_is_there_once() {
        let forms = writings(b"a b/\"c\"&1");
        let texts: Vec<_> = forms
            .iter()
            .map(|one| String::from_utf8_lossy(one).into_owned())
            .collect();
        for want in [
            "a b/\"c\"&1",
            "a b/\\\"c\\\"&1",
            "a b/\\\\\\\"c\\\\\\\"&1",
            "6120622f22632226",
            "6120622F22632226",
            "a%20b%2F%22c%22%261",
            "a+b%2f%22c%22%261",
            "YSBiLyJjIiYx",
        ] {
            assert!(
                texts.iter().any(|text| text.starts_with(want)),
                "{want}: {texts:?}"
            );
        }
        let mut sorted = texts.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), texts.len());
        assert_eq!(writings(&[0xff, 0xfe]).first(), Some(&vec![0xff, 0xfe]));
    }
}
