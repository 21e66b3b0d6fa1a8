//! What looks like a secret wherever it stands: private keys, tokens, passwords of URLs, and in what
//! programs say also values that are named as one. Pure.

use controlplane::authproxy::schema::{self, SectionKind};

use super::redact::SECRET;

/// Private keys, tokens of ours, passwords in URLs.
pub(super) fn anywhere(text: &str) -> String {
    let text = private_keys(text);
    let text = prefixed(&text);
    url_passwords(&text)
}

/// The same for lines of a log: also credentials of HTTP, and `password=…`.
pub(super) fn said(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        out.push_str(&named(&credentials(line)));
    }
    out
}

/// The body of each private key in PEM form (RFC 7468), also where it was cut off.
fn private_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("PRIVATE KEY-----") {
        let (before, key) = rest.split_at(at + "PRIVATE KEY-----".len());
        out.push_str(before);
        if ends_begin(before) {
            out.push_str(SECRET);
            rest = match key.find("-----END") {
                Some(end) => key.get(end..).unwrap_or_default(),
                // Its end was cut off: all that could still be of it goes.
                None => key.trim_start_matches(|c: char| {
                    c.is_ascii_alphanumeric() || "+/=\\\r\n ".contains(c)
                }),
            };
        } else {
            rest = key;
        }
    }
    out.push_str(rest);
    out
}

/// Whether a text ends with the first line of a key, and not with the last.
fn ends_begin(text: &str) -> bool {
    let line = text.rfind("-----BEGIN");
    line.is_some_and(|at| {
        let label = text.get(at + "-----BEGIN".len()..).unwrap_or_default();
        !label.trim_end_matches('-').contains("-----")
    })
}

/// Tokens for the REST API and for joining, sealed values, and what stands behind the # of a link.
fn prefixed(text: &str) -> String {
    let mut out = text.to_owned();
    for prefix in PREFIXES {
        if !out.contains(prefix) {
            continue;
        }
        let mut next = String::with_capacity(out.len());
        let mut rest = out.as_str();
        while let Some(at) = rest.find(prefix) {
            let (before, found) = rest.split_at(at);
            let body = found.get(prefix.len()..).unwrap_or_default();
            let after = body
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-.+/=".contains(c));
            next.push_str(before);
            next.push_str(prefix);
            // Nobody's token is so short.
            match body.len() - after.len() >= 8 {
                true => next.push_str(SECRET),
                false => next.push_str(body.get(..body.len() - after.len()).unwrap_or_default()),
            }
            rest = after;
        }
        next.push_str(rest);
        out = next;
    }
    out
}

/// `scheme://user:password@host` without its password.
fn url_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || "/?#\"'<>,".contains(c))
            .unwrap_or(after.len());
        let authority = after.get(..end).unwrap_or_default();
        match authority
            .rsplit_once('@')
            .and_then(|(user, host)| Some((user.split_once(':')?.0, host)))
        {
            Some((user, host)) => {
                out.push_str(&format!("{user}:{SECRET}@{host}"));
            }
            None => out.push_str(authority),
        }
        rest = after.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// What stands behind each `Bearer` and `Basic`, in any case.
fn credentials(line: &str) -> String {
    let mut out = line.to_owned();
    for scheme in ["bearer ", "basic "] {
        let lower = out.to_ascii_lowercase();
        let mut next = String::with_capacity(out.len());
        let mut from = 0;
        for (at, _) in lower.match_indices(scheme) {
            let begin = at + scheme.len();
            if begin < from {
                continue;
            }
            next.push_str(out.get(from..begin).unwrap_or_default());
            let after = out.get(begin..).unwrap_or_default();
            let rest = after.trim_start_matches(|c: char| !c.is_whitespace() && c != '"');
            from = out.len() - rest.len();
            if from > begin {
                next.push_str(SECRET);
            }
        }
        next.push_str(out.get(from..).unwrap_or_default());
        out = next;
    }
    out
}

/// `NAME=VALUE` and `"NAME": "VALUE"` whose name says that its value is a secret.
fn named(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    if !NAMES.iter().any(|name| lower.contains(name)) {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, value) = rest.split_at(at + 1);
        out.push_str(before);
        let name = before.get(..at).unwrap_or_default();
        let name = name.trim_end().trim_end_matches(['"', '\\', '\'']);
        let start = name
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c)))
            .map_or(0, |at| at + 1);
        let name = name.get(start..).unwrap_or_default().to_ascii_lowercase();
        rest = value;
        if !is_secret(&name) {
            continue;
        }
        let blanks = value.len() - value.trim_start_matches([' ', '\t']).len();
        let (blank, value) = value.split_at(blanks);
        let (body, after) = match before.ends_with('=') && is_option(&name) {
            // A configuration file has nothing to end a value by but the end of its line.
            true => value.split_at(value.find(['\n', '\r']).unwrap_or(value.len())),
            false => value_of(value),
        };
        out.push_str(blank);
        match body.is_empty() {
            true => rest = value,
            false => {
                out.push_str(SECRET);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether what is called so is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|secret| name.contains(secret))
}

/// Whether it is an option of a configuration file.
fn is_option(name: &str) -> bool {
    let mut kinds = SectionKind::ALL.iter();
    kinds.any(|kind| schema::find(*kind, name).is_some())
}

/// A value in quotes, or up to a blank; with what stands behind it. A nested document is none.
fn value_of(text: &str) -> (&str, &str) {
    let end = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let mut escaped = false;
            let closing = text.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == quote && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            closing.map_or(text.len(), |(at, _)| at + 1)
        }
        Some('{' | '[') | None => 0,
        Some(_) => text
            .find([',', ';', ')', '}', ' ', '\n', '\r'])
            .unwrap_or(text.len()),
    };
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Tokens, those for joining, sealed values; the links of a set-up and of an invitation.
const PREFIXES: [&str; 5] = ["cst_", "csj_", "sealed:", "/setup#", "/invitation#"];
/// What names of secrets have in them.
const NAMES: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "skey",
    "passcode",
    "token",
    "authorization",
    "cookie",
    "private_key",
    "credential",
    "countersign-session",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_goes_wherever_it_stands() {
        for (text, want) in [
            ("nothing of it: a=b", "nothing of it: a=b"),
            (
                "x -----BEGIN PRIVATE KEY-----\nMIIE+/=\nabc\n-----END PRIVATE KEY----- y",
                "x -----BEGIN PRIVATE KEY-----[secret]-----END PRIVATE KEY----- y",
            ),
            (
                "-----BEGIN EC PRIVATE KEY-----\\nMIIE\\n-----END EC PRIVATE KEY-----\\n",
                "-----BEGIN EC PRIVATE KEY-----[secret]-----END EC PRIVATE KEY-----\\n",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
                "-----BEGIN RSA PRIVATE KEY-----[secret]",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
                "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
            ),
            ("a cst_0123abcd_4567 b", "a cst_[secret] b"),
            ("\"csj_00aa11bb_22cc\"", "\"csj_[secret]\""),
            ("http://h/setup#0123456789abcdef", "http://h/setup#[secret]"),
            ("cst_ alone", "cst_ alone"),
            (
                "postgres://u:p%40ss@h:5432/db?x=1",
                "postgres://u:[secret]@h:5432/db?x=1",
            ),
            ("https://h/a:b@c", "https://h/a:b@c"),
            ("http://u@h/", "http://u@h/"),
        ] {
            assert_eq!(anywhere(text), want);
        }
    }

    #[test]
    fn in_a_log_a_value_that_is_named_a_secret_goes() {
        for (text, want) in [
            (
                "INFO login user=alice outcome=accept",
                "INFO login user=alice outcome=accept",
            ),
            ("radius_secret_1=abc d\n", "radius_secret_1=[secret]\n"),
            ("skey = \"abc\" d; e\n", "skey = [secret]\n"),
            ("user_password=abc d\n", "user_password=[secret] d\n"),
            (
                "Bearer abc, bearer def and BASIC ghi= Bearer ",
                "Bearer [secret] bearer [secret] and BASIC [secret] Bearer ",
            ),
            (
                "{\"password\": \"a \\\"b\\\" c\", \"x\": 1}",
                "{\"password\": [secret], \"x\": 1}",
            ),
            ("'skey': 'abc', 'a': 1", "'skey': [secret], 'a': 1"),
            (
                "Authorization: Bearer abc.def x",
                "Authorization: [secret] [secret] x",
            ),
            ("got Basic dXNlcjpw==", "got Basic [secret]"),
            ("cookie: __Host-countersign=abc; b", "cookie: [secret]; b"),
            ("\"secret\":{\"set\":true}", "\"secret\":{\"set\":true}"),
            ("password=\n", "password=\n"),
        ] {
            assert_eq!(said(text), want, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[ -~\n\"'é=:{}#@/-]{0,200}") {
            drop(said(&anywhere(&text)));
        }
    }
}
