//! Names of entries, of a directory or of an administrator.

use crate::dn::{common_base, comparable, ends_with};

/// Compares names, one a line, with each other.
///
/// Holds: nothing panics; what is compared of a name is compared of itself; a name is below another
/// exactly when that is the end of it, from a comma on that separates; what names have in common, all
/// of them end with, and more of it there is not.
///
/// # Panics
/// One of these does not hold.
pub fn dn(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let names: Vec<&str> = text.lines().take(NAMES).collect();
    for name in &names {
        let form = comparable(name);
        assert_eq!(comparable(&form), form, "{name:?}");
        assert!(ends_with(name, name) && ends_with(name, ""));
        assert!(ends_with(name, &form) && ends_with(&form, name));
        for other in &names {
            let base = comparable(other);
            assert_eq!(
                ends_with(name, other),
                below(&form, &base),
                "{name:?} below {other:?}"
            );
        }
    }
    let Some(base) = common_base(names.iter().copied()) else {
        let mut lasts = names.iter().map(|name| last(&comparable(name)).to_owned());
        let first = lasts.next();
        // An empty part, which is compared as one that is empty on both sides of its sign, counts for
        // none.
        let blank = |one: &str| matches!(one, "" | "=");
        assert!(
            first.as_deref().is_none_or(blank) || lasts.any(|one| Some(one) != first),
            "all have their last part in common"
        );
        return;
    };
    assert!(!base.is_empty());
    assert!(names.iter().all(|name| ends_with(name, &base)));
    let longer = |name: &&str| {
        let form = comparable(name);
        let rest = form.strip_suffix(&comparable(&base))?;
        rest.strip_suffix(',').map(|rest| last(rest).to_owned())
    };
    let more: Vec<Option<String>> = names.iter().map(longer).collect();
    assert!(
        more.first().is_some_and(Option::is_none) || more.windows(2).any(|two| two[0] != two[1]),
        "they have more in common than {base:?}"
    );
}

/// Of forms that are compared.
fn below(form: &str, base: &str) -> bool {
    match form.strip_suffix(base) {
        _ if base.is_empty() => true,
        Some("") => true,
        Some(rest) => rest.strip_suffix(',').is_some_and(ends_free),
        None => false,
    }
}

/// Whether what comes behind is not escaped.
fn ends_free(text: &str) -> bool {
    let backslashes = text.bytes().rev().take_while(|octet| *octet == b'\\');
    backslashes.count().is_multiple_of(2)
}

/// The last part of a form.
fn last(form: &str) -> &str {
    let mut commas = form.rmatch_indices(',');
    let at = commas.find(|(at, _)| ends_free(&form[..*at]));
    at.map_or(form, |(at, _)| &form[at + 1..])
}

/// How many are compared, each with each.
const NAMES: usize = 8;
