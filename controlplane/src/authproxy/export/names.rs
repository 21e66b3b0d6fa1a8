//! Which name the section of each thing gets.

use std::collections::{BTreeSet, HashMap};

use proto::config::{Mode, raw};

use super::super::schema::SectionKind;

/// The names of the sections, by id.
pub(super) struct Names {
    authenticators: HashMap<String, String>,
    integrations: HashMap<String, String>,
}

impl Names {
    /// An id that is a name for its kind of section is its name. The others get the first free ones,
    /// none of which is anything's id: `[radius_server_auto2]` is never a thing that has another id
    /// while one with that id stands elsewhere.
    pub(super) fn of(snapshot: &raw::Snapshot) -> Self {
        let authenticators = snapshot.authenticators.iter();
        let authenticators = authenticators.map(|one| (&one.id, kind_of(&one.kind)));
        let integrations = snapshot.integrations.iter();
        let integrations = integrations.map(|one| (&one.id, kind_of_mode(one.mode)));
        let ids = authenticators.clone().chain(integrations.clone());
        let mut free = Free {
            taken: ids.map(|(id, _)| id.as_str()).collect(),
            last: HashMap::new(),
        };
        let mut name = |(id, kind): (&String, SectionKind)| {
            let fits = SectionKind::parse(id) == Some(kind);
            let name = if fits { id.clone() } else { free.next(kind) };
            (id.clone(), name)
        };
        Self {
            authenticators: authenticators.map(&mut name).collect(),
            integrations: integrations.map(&mut name).collect(),
        }
    }

    /// The section of an authenticator; empty for an id that nothing has.
    pub(super) fn of_authenticator(&self, id: &str) -> &str {
        self.authenticators.get(id).map_or("", String::as_str)
    }

    /// The section of an integration; empty for an id that nothing has.
    pub(super) fn of_integration(&self, id: &str) -> &str {
        self.integrations.get(id).map_or("", String::as_str)
    }

    /// Whether there is no authenticator to choose from.
    pub(super) fn only_one(&self) -> bool {
        self.authenticators.len() == 1
    }
}

struct Free<'a> {
    taken: BTreeSet<&'a str>,
    last: HashMap<SectionKind, u32>,
}

impl Free<'_> {
    fn next(&mut self, kind: SectionKind) -> String {
        let number = self.last.entry(kind).or_default();
        loop {
            *number += 1;
            let name = match *number {
                1 => kind.name().to_owned(),
                number => format!("{}{number}", kind.name()),
            };
            if !self.taken.contains(name.as_str()) {
                return name;
            }
        }
    }
}

/// The kind of an authenticator's section.
pub(super) const fn kind_of(kind: &raw::AuthenticatorKind) -> SectionKind {
    match kind {
        raw::AuthenticatorKind::DuoOnly => SectionKind::DuoOnlyClient,
        raw::AuthenticatorKind::Radius(_) => SectionKind::RadiusClient,
        raw::AuthenticatorKind::Ad(_) => SectionKind::AdClient,
    }
}

/// The kind of an integration's section.
pub(super) const fn kind_of_mode(mode: Mode) -> SectionKind {
    match mode {
        Mode::Auto => SectionKind::RadiusServerAuto,
        Mode::Challenge => SectionKind::RadiusServerChallenge,
        Mode::Eap => SectionKind::RadiusServerEap,
        Mode::Concat => SectionKind::RadiusServerConcat,
        Mode::DuoOnly => SectionKind::RadiusServerDuoOnly,
    }
}
