//! Words that Countersign itself writes into logs, documents and configuration files. Whoever types one of
//! them as a name makes nobody known by it, and to replace it would garble what it stands in. Pure.

use std::collections::HashSet;

use controlplane::authproxy::schema::{self, Kind, SectionKind};
use proto::event::{Ask, Factor, Outcome, Reason, Stage};
use proto::metric::{TABLES, Values};

use crate::logs::levels::OURS;

/// All of them, in lower case.
pub(super) struct OwnWords(HashSet<String>);

impl OwnWords {
    pub(super) fn new() -> Self {
        let mut words = Self(HashSet::new());
        FURTHER.split_whitespace().for_each(|word| words.add(word));
        OURS.iter().for_each(|word| words.add(word));
        SectionKind::ALL
            .iter()
            .for_each(|kind| words.add(kind.name()));
        for option in schema::options() {
            words.add(option.name);
            if let Kind::Choice(values) | Kind::Factors(values) = option.kind {
                values.iter().for_each(|value| words.add(value));
            }
        }
        for metric in TABLES.iter().flat_map(|table| table.metrics) {
            words.add(metric.name);
            for label in metric.labels {
                words.add(label.name);
                if let Values::Of(values) = label.values {
                    values.iter().for_each(|value| words.add(value));
                }
            }
        }
        for labels in [
            Ask::LABELS,
            Factor::LABELS,
            Outcome::LABELS,
            Reason::LABELS,
            Stage::LABELS,
        ] {
            labels.iter().for_each(|label| words.add(label));
        }
        words
    }

    /// A word, and those that it is put together of.
    fn add(&mut self, word: &str) {
        let word = word.to_ascii_lowercase();
        let parts = word.split(['_', '-', '.']).filter(|part| part.len() > 1);
        self.0.extend(parts.map(str::to_owned));
        self.0.insert(word);
    }

    /// Whether it is one of them, in any case and with a number behind it; or a number so short that times,
    /// ports and counts are such.
    pub(super) fn has(&self, word: &str) -> bool {
        let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
        if stem.is_empty() {
            return word.len() <= SHORT_DIGITS;
        }
        let stem = stem.trim_end_matches('_').to_ascii_lowercase();
        self.0.contains(&stem)
    }
}

/// Numbers of people are longer.
const SHORT_DIGITS: usize = 5;
/// What no table has.
const FURTHER: &str = "off error warn warning info debug trace true false null none some yes no on \
    supervisor controlplane dataplane secondfactor countersign authproxy authevents radius duo builtin \
    config configuration configure name names mode octets lines line file files folder path version system \
    user users username login logins event events node nodes revision status check good failed failure \
    admin administrator test demo root nobody localhost local server client service gateway host hostname \
    address port ports socket secret password token key level levels message msg target fields span \
    timestamp time date elapsed answer answers request requests response received sent sending connection \
    connect connected closed timeout timed refused accepted rejected allow deny denied success error errors \
    source sources cause reply state access challenge accept reject discard start started starting stop \
    stopped stopping ready running ended loaded reload applied unchanged changed listen listening served \
    serves integration integrations role roles kind result found what place remedy section sections the \
    and for from with not was are has its this that here there one two at by of to in is it as or if so";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_words_are_told_from_names() {
        let words = OwnWords::new();
        for own in [
            "info",
            "INFO",
            "true",
            "name",
            "config",
            "octets",
            "mode",
            "countersign",
            "radius",
            "radius_server_auto",
            "radius_server_auto2",
            "radius_ip_1",
            "dataplane",
            "failmode",
            "secure",
            "wrong_password",
            "countersign_logins_total",
            "1812",
            "7",
        ] {
            assert!(words.has(own), "{own}");
        }
        for name in [
            "alice",
            "bo",
            "mode.smith",
            "j.auto",
            "104233",
            "infos",
            "ü",
        ] {
            assert!(!words.has(name), "{name}");
        }
    }
}
