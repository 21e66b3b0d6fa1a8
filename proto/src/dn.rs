//! Names of entries of a directory (RFC 4514), as far as two of them are compared. Pure.
//!
//! It knows no schema, so it compares every attribute without regard to case. It never decides that
//! a user may log in by itself: names come from the directory and from the configuration.

/// One form for the spellings of a name: lower case, no blanks around commas and signs, escapes
/// where needed only.
#[must_use]
pub fn comparable(dn: &str) -> String {
    let parts: Vec<String> = parts(dn).into_iter().map(comparable_part).collect();
    parts.join(",")
}

/// The longest name that all of these end with. None when they have nothing in common.
#[must_use]
pub fn common_base<'a>(dns: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut dns = dns.into_iter();
    let mut base = parts(dns.next()?);
    for dn in dns {
        let (ours, theirs) = (base.iter().rev(), parts(dn).into_iter().rev());
        let common = ours
            .zip(theirs)
            .take_while(|(a, b)| comparable_part(a) == comparable_part(b))
            .count();
        base.drain(..base.len() - common);
    }
    // An empty part, as behind a comma at the end, names no entry.
    Some(base.join(",")).filter(|base| !base.trim().is_empty())
}

/// Whether an entry is this one or below it.
#[must_use]
pub fn ends_with(dn: &str, base: &str) -> bool {
    let (ours, theirs) = (parts(dn), parts(base));
    let common = ours.iter().rev().zip(theirs.iter().rev());
    ours.len() >= theirs.len()
        && common
            .into_iter()
            .all(|(a, b)| comparable_part(a) == comparable_part(b))
}

/// The relative names, the entry's own first.
fn parts(dn: &str) -> Vec<&str> {
    if dn.trim().is_empty() {
        return Vec::new();
    }
    let mut escaped = false;
    dn.split(|c| {
        let ends = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })
    .collect()
}

fn comparable_part(part: &str) -> String {
    let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
    let attribute = attribute.trim().to_lowercase();
    format!("{attribute}={}", comparable_value(value))
}

fn comparable_value(value: &str) -> String {
    let mut octets = Vec::with_capacity(value.len());
    // How much of it is no blank at the end.
    let mut kept = 0;
    // Blanks are spaces alone (RFC 4514 section 3), here and at the end.
    let mut rest = value.trim_start_matches(' ').as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            octets.push(first);
            if first != b' ' {
                kept = octets.len();
            }
            continue;
        }
        let octet = match rest {
            [high, low, after @ ..] if let Some(octet) = hexadecimal(*high, *low) => {
                rest = after;
                octet
            }
            [one, after @ ..] => {
                rest = after;
                *one
            }
            [] => b'\\',
        };
        // At the front a number sign says that the rest is encoded.
        if SPECIAL.contains(&octet) || (octet == b'#' && octets.is_empty()) {
            octets.push(b'\\');
        }
        octets.push(octet);
        kept = octets.len();
    }
    octets.truncate(kept);
    let text = octets.utf8_chunks().map(|chunk| {
        let invalid: String = chunk
            .invalid()
            .iter()
            .map(|octet| format!("\\{octet:02x}"))
            .collect();
        chunk.valid().to_lowercase() + &invalid
    });
    text.collect()
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// What stays marked, so that no two names become one: a comma in a value ends no part.
const SPECIAL: &[u8] = b",+\\ ";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_name_compare_equal() {
        for (a, b, same) in [
            (
                "cn=VPN,dc=example,dc=com",
                "CN=vpn, DC=Example ,DC=COM",
                true,
            ),
            ("cn = a b ,dc=x", "cn=a b,dc=x", true),
            ("cn=a\\2cb,dc=x", "cn=a\\,b,dc=x", true),
            ("cn=a\\, b,dc=x", "cn=a, b,dc=x", false),
            ("cn=M\\c3\\bcller", "cn=m\u{fc}ller", true),
            ("cn=a\\\"b", "cn=a\"b", true),
            ("cn=\\\tb", "cn=\tb", true),
            ("cn=\tb", "cn=b", false),
            ("cn=a\\ ,dc=x", "cn=a,dc=x", false),
            ("cn=a\\20,dc=x", "cn=a\\ ,dc=x", true),
            ("cn=a\\\\,dc=x", "cn=a\\,dc=x", false),
            ("cn=a+sn=b", "cn=a\\+sn=b", false),
            ("cn=\\#0401", "cn=#0401", false),
            ("cn=\\23x", "cn=\\#x", true),
            ("cn=a\\#b", "cn=a#b", true),
            ("cn=\\ff", "cn=\\fe", false),
            ("cn=\\FF", "cn=\\ff", true),
            ("cn=a,dc=x", "cn=a,dc=y", false),
            ("cn=a", "cn=a,dc=x", false),
            ("cn=a", "sn=a", false),
        ] {
            assert_eq!(comparable(a) == comparable(b), same, "{a} and {b}");
        }
    }

    #[test]
    fn names_have_the_base_in_common_that_all_end_with() {
        let cases: &[(&[&str], Option<&str>)] = &[
            (
                &[
                    "uid=a\\,b,ou=people,dc=Example,dc=com",
                    "cn=vpn,ou=groups,dc=example, dc=com",
                ],
                Some("dc=Example,dc=com"),
            ),
            (&["uid=a,dc=x", "cn=g,dc=y"], None),
            (&["uid=a,dc=x", "cn=g,dc=x", "cn=h,dc=y"], None),
            (&["uid=a,dc=x", "dc=x"], Some("dc=x")),
            (&["uid=a,dc=x"], Some("uid=a,dc=x")),
            (&["uid=a,dc=x", ""], None),
            (&["uid=a,", "cn=g, "], None),
            (&[], None),
        ];
        for (names, want) in cases {
            let base = common_base(names.iter().copied());
            assert_eq!(base.as_deref(), *want, "{names:?}");
        }
    }

    #[test]
    fn an_entry_is_below_a_base_or_not() {
        for (dn, base, want) in [
            ("cn=a,dc=x,dc=y", "DC=x, dc=Y", true),
            ("dc=x,dc=y", "dc=x,dc=y", true),
            ("dc=y", "dc=x,dc=y", false),
            ("cn=a,dc=xx,dc=y", "dc=x,dc=y", false),
            ("cn=a\\,dc=x", "dc=x", false),
            ("cn=a", "", true),
        ] {
            assert_eq!(ends_with(dn, base), want, "{dn} below {base}");
        }
    }

    proptest! {
        #[test]
        fn every_text_has_a_comparable_form(dn in "[a-c=, \\\\2c+é]{0,24}") {
            let once = comparable(&dn);
            prop_assert_eq!(comparable(&once), once.clone(), "{:?}", once);
        }
    }
}
