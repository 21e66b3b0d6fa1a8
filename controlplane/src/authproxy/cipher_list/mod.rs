//! `cipher_list`: OpenSSL's syntax (ciphers(1)), read into the suites that there are here.
//!
//! Pure. What a list chooses, and in which order, is what OpenSSL 3 makes of it, as far as rustls
//! has the suites. Two things are decided here. OpenSSL ignores words that it does not know; here
//! they are faults, because a slip in `!RC4` must not pass. And a list of OpenSSL says nothing of
//! TLS 1.3: here its suites stay as well, unless the list names them or `TLSv1.3`, for which
//! OpenSSL has an option of its own.

mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use proto::config::{CipherSuite, TlsVersion};

use super::nearest::nearest;
use super::values::{ValueFault, shorten};

pub(super) use words::{name, takes};

/// What a list chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The suites, those of TLS 1.3 first, else in order of preference.
    pub(super) suites: Vec<CipherSuite>,
    /// What was to be added and is not there: words, or several joined by `+`, each once.
    pub(super) absent: BTreeSet<String>,
    /// `@SECLEVEL=`, where it is written; 0 to 5.
    pub(super) level: Option<u8>,
}

/// Reads a list.
pub(super) fn parse(list: &str) -> Result<Chosen, ValueFault> {
    let mut rules = Rules::new();
    let mut rest = list.trim_start_matches(is_separator);
    if let Some((word, suites)) = suite_b(rest) {
        for suite in suites {
            rules.add(&[std::slice::from_ref(suite)], word);
        }
        // It replaces the whole list, whatever stands behind it.
        let behind = rest.get(word.len()..).unwrap_or_default();
        let behind = behind.split(is_separator).filter(|one| !one.is_empty());
        rules.absent.extend(behind.map(str::to_owned));
        return Ok(rules.chosen());
    }
    if let Some(behind) = rest.strip_prefix(DEFAULT)
        // What begins with an operator is a rule of its own, also where no separator stands before.
        && !behind.starts_with(|c: char| c != '-' && is_of_word(c))
    {
        rules.apply(Operator::Add, "ALL")?;
        rest = behind;
    }
    loop {
        rest = rest.trim_start_matches(is_separator);
        let Some(first) = rest.chars().next() else {
            return Ok(rules.chosen());
        };
        let operator = match first {
            '!' => Operator::Kill,
            '-' => Operator::Remove,
            '+' => Operator::Last,
            '@' => Operator::Command,
            _ => Operator::Add,
        };
        if operator != Operator::Add {
            rest = rest.get(1..).unwrap_or_default();
        }
        let end = rest
            .find(|c: char| !is_of_word(c) && (c != '+' || operator == Operator::Command))
            .unwrap_or(rest.len());
        let (item, behind) = rest.split_at(end);
        if item.is_empty() {
            return Err(unreadable(first, rest));
        }
        rest = behind;
        if operator == Operator::Command {
            rules.command(item)?;
        } else {
            rules.apply(operator, item)?;
        }
    }
}

const DEFAULT: &str = "DEFAULT";

/// The lists of Suite B (RFC 6460), of which each stands for a whole list.
fn suite_b(list: &str) -> Option<(&'static str, &'static [CipherSuite])> {
    const AES128: CipherSuite = CipherSuite::EcdheEcdsaAes128GcmSha256;
    const AES256: CipherSuite = CipherSuite::EcdheEcdsaAes256GcmSha384;
    const LISTS: [(&str, &[CipherSuite]); 4] = [
        ("SUITEB128ONLY", &[AES128]),
        ("SUITEB128C2", &[AES256]),
        ("SUITEB128", &[AES128, AES256]),
        ("SUITEB192", &[AES256]),
    ];
    LISTS.into_iter().find(|(word, _)| {
        list.strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(is_of_word))
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// Puts suites behind those that are there.
    Add,
    /// `!`: never, whatever comes later.
    Kill,
    /// `-`: removes what may be added again.
    Remove,
    /// `+`: moves what is there to the end.
    Last,
    /// `@`.
    Command,
}

/// The list while it is read. As in OpenSSL a suite that is removed keeps a place, from which it is
/// added again.
struct Rules {
    order: Vec<(CipherSuite, bool)>,
    /// Whether the list says which suites of TLS 1.3 to use; until then all of them are.
    names_newer: bool,
    absent: BTreeSet<String>,
    level: Option<u8>,
}

impl Rules {
    fn new() -> Self {
        Self {
            order: words::in_order().map(|one| (one, is_newer(one))).collect(),
            names_newer: false,
            absent: BTreeSet::new(),
            level: None,
        }
    }

    /// One item: words joined by `+`, which means what is in all of them.
    fn apply(&mut self, operator: Operator, item: &str) -> Result<(), ValueFault> {
        let mut sets = Vec::new();
        for word in item.split('+') {
            if word.is_empty() {
                return Err(ValueFault {
                    message: format!("'{}' lacks a word beside its '+'", shorten(item)),
                    remedy: "write as in ECDHE+AESGCM".to_owned(),
                });
            }
            sets.push(words::meaning(word).ok_or_else(|| unknown(word))?);
        }
        let sets: Vec<&[CipherSuite]> = sets.iter().map(Vec::as_slice).collect();
        let meant = |one: CipherSuite| sets.iter().all(|set| set.contains(&one));
        match operator {
            Operator::Add => self.add(&sets, item),
            Operator::Kill => self.order.retain(|(one, _)| !meant(*one)),
            Operator::Remove => {
                let (gone, mut stay): (Vec<_>, Vec<_>) = self
                    .order
                    .drain(..)
                    .partition(|(one, on)| *on && meant(*one));
                self.order = gone.into_iter().map(|(one, _)| (one, false)).collect();
                self.order.append(&mut stay);
            }
            Operator::Last => {
                self.order.sort_by_key(|(one, on)| *on && meant(*one));
            }
            Operator::Command => {}
        }
        Ok(())
    }

    fn add(&mut self, sets: &[&[CipherSuite]], item: &str) {
        let meant = |one: CipherSuite| sets.iter().all(|set| set.contains(&one));
        if !words::in_order().any(meant) {
            self.absent.insert(item.to_owned());
            return;
        }
        let names_newer = words::in_order().any(|one| is_newer(one) && meant(one));
        if names_newer && !self.names_newer {
            self.names_newer = true;
            for (one, on) in &mut self.order {
                *on = *on && !is_newer(*one);
            }
        }
        let (mut added, stay): (Vec<_>, Vec<_>) = self
            .order
            .drain(..)
            .partition(|(one, on)| !*on && meant(*one));
        self.order = stay;
        for (_, on) in &mut added {
            *on = true;
        }
        self.order.append(&mut added);
    }

    fn command(&mut self, command: &str) -> Result<(), ValueFault> {
        if command == "STRENGTH" {
            self.order.sort_by_key(|(one, on)| {
                std::cmp::Reverse(if *on { words::strength(*one) } else { 0 })
            });
            return Ok(());
        }
        let level = command.strip_prefix("SECLEVEL=").map(str::parse);
        match level {
            Some(Ok(level @ 0..=5)) => {
                self.level = Some(level);
                Ok(())
            }
            _ => Err(ValueFault {
                message: format!("'@{}' is no command of a list of ciphers", shorten(command)),
                remedy: "write @STRENGTH, or @SECLEVEL= and a number from 0 to 5".to_owned(),
            }),
        }
    }

    fn chosen(self) -> Chosen {
        // What each level asks of a cipher (SSL_CTX_set_security_level(3)): 192 bits from 4 on.
        let least = if self.level.is_some_and(|level| level >= 4) {
            192
        } else {
            0
        };
        let on =
            |(one, on): (CipherSuite, bool)| (on && words::strength(one) >= least).then_some(one);
        let mut suites: Vec<_> = self.order.into_iter().filter_map(on).collect();
        suites.sort_by_key(|one| !is_newer(*one));
        Chosen {
            suites,
            absent: self.absent,
            level: self.level,
        }
    }
}

fn is_newer(suite: CipherSuite) -> bool {
    suite.version() == TlsVersion::Tls13
}

fn is_separator(c: char) -> bool {
    matches!(c, ':' | ',' | ';' | ' ' | '\t')
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=')
}

/// What stands where a word should.
fn unreadable(first: char, rest: &str) -> ValueFault {
    let message = match rest.chars().next() {
        Some(c) if c != first && !is_separator(c) => {
            format!("'{c}' has no place in a list of ciphers")
        }
        _ if matches!(first, '!' | '-' | '+' | '@') => format!("'{first}' stands before no word"),
        _ => format!("'{first}' has no place in a list of ciphers"),
    };
    ValueFault {
        message,
        remedy: "write words between colons, as in ECDHE+AESGCM:ECDHE+CHACHA20:!SHA1".to_owned(),
    }
}

fn unknown(word: &str) -> ValueFault {
    let shown = shorten(word);
    let example = "a name such as ECDHE-RSA-AES256-GCM-SHA384, or a group such as ECDHE or AESGCM";
    ValueFault {
        message: format!("'{shown}' is no word of a list of ciphers"),
        remedy: match nearest(word, words::all()) {
            Some(near) => format!("did you mean '{near}'? write {example}"),
            None => format!("write {example}"),
        },
    }
}
