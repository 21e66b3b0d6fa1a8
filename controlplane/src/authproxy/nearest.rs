//! The nearest name to a misspelt one.

/// The candidate with the fewest edits (insert, delete, replace, swap of neighbours), when those
/// are few for the length of the word: one in three characters, three at the most. Letter case
/// does not count.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word
        .chars()
        .take(LONGEST)
        .flat_map(char::to_lowercase)
        .collect();
    let limit = (word.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit * 2)
        .map(|candidate| {
            let other: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            (edits(&word, &other), candidate)
        })
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The candidate that shares most words (between `_`) with this name, when these are two at the
/// least and no other shares as many: `verify_hostname` is a part of one name only.
pub(crate) fn sharing_words<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split('_').take(WORDS).collect();
    let mut best: Option<(usize, &str)> = None;
    let mut tied = false;
    for candidate in candidates {
        let shared = candidate
            .split('_')
            .filter(|word| words.contains(word))
            .count();
        match best {
            Some((most, _)) if shared < most => {}
            Some((most, _)) if shared == most => tied = true,
            _ => (best, tied) = (Some((shared, candidate)), false),
        }
    }
    let (shared, candidate) = best?;
    (shared >= 2 && !tied).then_some(candidate)
}

/// Names of more words than this are nobody's option.
const WORDS: usize = 16;

/// Words longer than this are cut before they are compared: nobody's option is longer.
const LONGEST: usize = 128;

fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut above = None;
    for (row, &left) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut previous = None;
        for (column, &right) in b.iter().enumerate() {
            let at =
                |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, column) + usize::from(left != right))
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            if column > 0 && above == Some(right) && previous == Some(left) {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
            previous = Some(right);
        }
        before = std::mem::replace(&mut last, current);
        above = Some(left);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_keyboard_are_recognised() {
        let names = ["failmode", "factors", "port", "radius_ip", "api_host"];
        for (word, want) in [
            ("fail_mode", Some("failmode")),
            ("FAILMODE", Some("failmode")),
            ("failmdoe", Some("failmode")),
            ("prot", Some("port")),
            ("radius-ip", Some("radius_ip")),
            ("apihost", Some("api_host")),
            ("wibble", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), want, "{word}");
        }
    }

    #[test]
    fn parts_of_one_name_are_recognised() {
        let names = [
            "ssl_verify_hostname",
            "security_group_dn",
            "service_account_username",
            "service_account_password",
            "force_message_authenticator",
        ];
        for (name, want) in [
            ("Verify_Hostname", Some("ssl_verify_hostname")),
            ("group_dn", Some("security_group_dn")),
            (
                "require_message_authenticator",
                Some("force_message_authenticator"),
            ),
            ("service_account", None),
            ("dn", None),
            ("", None),
        ] {
            assert_eq!(sharing_words(name, names), want, "{name}");
        }
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, want) in [
            ("", "abc", 3),
            ("abc", "acb", 1),
            ("abc", "abc", 0),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
        ] {
            let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
            assert_eq!(edits(&a, &b), want, "{a:?} {b:?}");
        }
    }
}
