//! A document's sections and options, held against the schema.
//!
//! Everything that can be said of one option alone is said here. What is left is well-formed
//! enough for the builders: where a value is bad they fall back to nothing, as the file is
//! refused anyway.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use proto::secret::Secret;
use zeroize::Zeroizing;

use super::context::Context;
use super::diagnostic::Severity;
use super::files::{others_can_read, others_can_write};
use super::reader::{Content, Document, ReadError};
use super::schema::{self, Kind, OptionSpec, SectionKind};
use super::{support, values};
use crate::protected::PREFIX;

/// A section of a known kind.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) kind: SectionKind,
    pub(super) line: u32,
    pub(super) entries: Vec<Entry>,
    clients: OnceCell<Vec<u32>>,
}

/// A known option within it.
pub(super) struct Entry {
    pub(super) line: u32,
    /// As written.
    pub(super) key: String,
    pub(super) spec: &'static OptionSpec,
    pub(super) number: u32,
    /// Opened when it was sealed. May be a secret, so it is wiped.
    pub(super) value: Zeroizing<String>,
    /// Whether it is of its option's kind.
    pub(super) good: bool,
}

impl Section {
    /// The option, with the lowest number where it has several.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        // Of one written twice the later.
        let named = self.entries.iter().rev();
        named
            .filter(|entry| entry.spec.name == name)
            .min_by_key(|entry| entry.number)
    }

    /// What it is called everywhere but in this file.
    pub(super) fn id(&self) -> &str {
        self.value("id").unwrap_or(&self.name)
    }

    /// All of an option, by number.
    pub(super) fn numbered(&self, name: &str) -> BTreeMap<u32, &Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.spec.name == name)
            .map(|entry| (entry.number, entry))
            .collect()
    }

    /// The numbers that have both an address and a secret, in order: each is a client. Of a section that
    /// has all its entries.
    pub(super) fn radius_clients(&self) -> &[u32] {
        self.clients.get_or_init(|| {
            let secrets = self.numbered("radius_secret");
            let addresses = self.numbered("radius_ip").into_keys();
            addresses
                .filter(|number| secrets.contains_key(number))
                .collect()
        })
    }

    /// The value written.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.entry(name).map(|entry| entry.value.as_str())
    }

    /// The value written, or the default.
    pub(super) fn effective(&self, name: &str) -> &str {
        self.value(name).unwrap_or_else(|| {
            schema::options_of(self.kind)
                .find(|option| option.name == name)
                .and_then(|option| option.default)
                .unwrap_or_default()
        })
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.effective(name).to_owned()
    }

    pub(super) fn optional_text(&self, name: &str) -> Option<String> {
        self.value(name).map(str::to_owned)
    }

    pub(super) fn secret(&self, name: &str) -> Secret<String> {
        Secret::from(self.effective(name))
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        values::boolean(self.effective(name)).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> u32 {
        self.effective(name).parse().unwrap_or_default()
    }

    pub(super) fn address(&self, name: &str) -> Option<IpAddr> {
        self.value(name).and_then(values::address)
    }
}

/// Reads the document and says everything that is wrong with single lines and options.
pub(super) fn read(context: &mut Context<'_>) -> Vec<Section> {
    if others_can_read(context.source.mode) {
        context.say(
            Severity::Warning,
            1,
            (None, None),
            "the file holds secrets and others can read it",
            "run 'chmod o-r' on it",
        );
    }
    if others_can_write(context.source.mode) {
        context.say(
            Severity::Warning,
            1,
            (None, None),
            "others can write the file, and so say who is let in",
            "run 'chmod o-w' on it",
        );
    }
    let document = match Document::parse(context.source.octets) {
        Ok(document) => document,
        Err(ReadError::NotUtf8 { lines }) => {
            for line in lines {
                let message = "this line is not UTF-8";
                let remedy = "save the file as UTF-8";
                context.say(Severity::Error, line, (None, None), message, remedy);
            }
            // The file is refused, and what else is wrong with it is told all the same.
            Document::parse_lossy(context.source.octets)
        }
        Err(error) => {
            let remedy = "name the configuration file";
            context.say(Severity::Error, 1, (None, None), error.to_string(), remedy);
            return Vec::new();
        }
    };
    let Collected {
        mut sections,
        mut refused,
    } = collect(&document, context);
    for section in &mut refused {
        check_values(section, context);
    }
    for section in &mut sections {
        check_values(section, context);
        check_required(section, context);
    }
    sections
}

/// What stands in a document.
#[derive(Default)]
struct Collected {
    sections: Vec<Section>,
    /// Those of a known kind whose header was refused.
    refused: Vec<Section>,
}

/// Where the options of the lines below a header go.
enum Place {
    /// Before the first header.
    Top,
    /// Below a header of no known kind: one fault is enough.
    Unknown,
    /// Into the last section that was refused.
    Refused,
    /// Into the last section.
    Last,
}

fn collect(document: &Document, context: &mut Context<'_>) -> Collected {
    let Collected {
        mut sections,
        mut refused,
    } = Collected::default();
    let mut headers: HashMap<String, u32> = HashMap::new();
    let mut seen: HashMap<(String, u32), u32> = HashMap::new();
    let mut place = Place::Top;
    for line in document.lines() {
        let number = line.number();
        match line.content() {
            Content::Blank | Content::Comment => {}
            Content::Fault(fault) => {
                let section = match place {
                    Place::Last => sections.last().map(|section| section.name.clone()),
                    Place::Refused => refused.last().map(|section| section.name.clone()),
                    Place::Top | Place::Unknown => None,
                };
                let place = (section.as_deref(), None);
                context.say(
                    Severity::Error,
                    number,
                    place,
                    fault.to_string(),
                    fault.remedy(),
                );
            }
            Content::Section(name) => {
                seen.clear();
                let good = header(name, number, &mut headers, context);
                let kind = good.or_else(|| SectionKind::parse(name.trim()));
                let section = kind.map(|kind| Section {
                    name: name.trim().to_owned(),
                    kind,
                    line: number,
                    entries: Vec::new(),
                    clients: OnceCell::new(),
                });
                place = match (good, section) {
                    (Some(_), Some(section)) => {
                        sections.push(section);
                        Place::Last
                    }
                    (None, Some(section)) => {
                        refused.push(section);
                        Place::Refused
                    }
                    (_, None) => Place::Unknown,
                };
            }
            Content::Entry { key, value } => {
                let section = match place {
                    Place::Top => {
                        context.say(
                            Severity::Error,
                            number,
                            (None, shown(key, false).as_deref()),
                            "this option stands before the first section",
                            "write a section such as [main] above it",
                        );
                        None
                    }
                    Place::Unknown => None,
                    Place::Refused => refused.last_mut(),
                    Place::Last => sections.last_mut(),
                };
                if let Some(section) = section {
                    option(section, key, value, number, &mut seen, context);
                }
            }
        }
    }
    if headers.is_empty() && !context.refused() {
        let message = "the file is empty";
        let remedy = "write a client section and a server section";
        context.say(Severity::Error, 1, (None, None), message, remedy);
    }
    Collected { sections, refused }
}

fn header(
    name: &str,
    line: u32,
    headers: &mut HashMap<String, u32>,
    context: &mut Context<'_>,
) -> Option<SectionKind> {
    let kind = SectionKind::parse(name);
    let near = schema::suggest_section(name);
    let shown = shown(name, kind.is_some() || near.is_some());
    let place = (shown.as_deref(), None);
    if let Some(first) = headers.get(name) {
        let message = format!("this section stands on line {first} already");
        let remedy = "put all its options into one, or number the second";
        context.say(Severity::Error, line, place, message, remedy);
        return None;
    }
    headers.insert(name.to_owned(), line);
    if kind.is_none() {
        let remedy = match near {
            Some(near) => format!("did you mean [{near}]?"),
            None => {
                "write a section of the documentation, with a number behind it or not".to_owned()
            }
        };
        context.say(
            Severity::Error,
            line,
            place,
            "there is no such section",
            remedy,
        );
    }
    kind
}

fn option(
    section: &mut Section,
    key: &str,
    value: &str,
    line: u32,
    seen: &mut HashMap<(String, u32), u32>,
    context: &mut Context<'_>,
) {
    let named = schema::find(section.kind, key);
    let identity = match &named {
        Some(named) => (named.option.name.to_owned(), named.number),
        None => (key.to_lowercase(), 0),
    };
    let near = match named {
        Some(_) => None,
        // Nobody would be told.
        None if context.hushed() => None,
        None => schema::suggest(section.kind, key),
    };
    let elsewhere = match (&named, &near) {
        (None, None) => schema::section_of(key),
        _ => None,
    };
    let known = named.is_some() || near.is_some() || elsewhere.is_some();
    let shown = shown(key, known);
    let place = (Some(section.name.as_str()), shown.as_deref());
    if let Some(first) = seen.get(&identity) {
        let message = format!("this option is set on line {first} already");
        context.say(Severity::Error, line, place, message, "remove one of them");
        return;
    }
    seen.insert(identity, line);
    let Some(named) = named else {
        let remedy = match (near, elsewhere) {
            (Some(near), _) => format!("did you mean '{near}'?"),
            (None, Some(kind)) => format!("remove it: it is an option of [{}]", kind.name()),
            (None, None) => "remove it, or see the documentation of this section".to_owned(),
        };
        let message = "this section has no such option, it is ignored";
        context.say(Severity::Warning, line, place, message, remedy);
        return;
    };
    let mut entry = Entry {
        line,
        key: key.to_owned(),
        spec: named.option,
        number: named.number,
        value: Zeroizing::new(value.to_owned()),
        good: true,
    };
    // What an editor or `seal` made is good under the clear name too; one that does not open is no secret.
    let sealed = named.protected || named.option.kind == Kind::Secret && value.starts_with(PREFIX);
    if sealed && !support::never_served(section.kind) {
        match (context.source.unseal)(value) {
            Some(clear) => entry.value = Zeroizing::new(clear.expose().clone()),
            None if !named.protected => {
                entry.good = false;
                let message = "this sealed value was made on another machine, or is damaged, and cannot be opened here";
                let remedy = "write the clear value, or make a new one with 'countersign seal'";
                context.error(section, &entry, message, remedy);
            }
            None => {
                entry.good = false;
                let message = "this protected value was made on another machine or on Windows and cannot be opened here";
                let clear = key.to_lowercase().replacen("_protected", "", 1);
                let remedy = format!(
                    "write the clear value as '{clear}', or make a new one with 'countersign seal'"
                );
                context.error(section, &entry, message, remedy);
            }
        }
    }
    section.entries.push(entry);
}

/// What a message shows of a name. One that is no name we know and near none may be a piece of a
/// secret, as of a value that was wrapped: its first characters if it looks like a name, else
/// nothing.
fn shown(name: &str, known: bool) -> Option<String> {
    if known {
        return Some(values::shorten(name));
    }
    let stem = match name.rsplit_once('_') {
        Some((stem, number)) if number.bytes().all(|octet| octet.is_ascii_digit()) => stem,
        _ => name,
    };
    let like_a_name = stem
        .chars()
        .all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '-'));
    like_a_name.then(|| match name.char_indices().nth(UNKNOWN_SHOWN) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    })
}

/// How much is shown of a name that is not known.
const UNKNOWN_SHOWN: usize = 8;

fn check_values(section: &mut Section, context: &mut Context<'_>) {
    let mut entries = std::mem::take(&mut section.entries);
    for entry in &mut entries {
        if entry.value.is_empty() && !entry.spec.may_be_empty {
            entry.good = false;
            let remedy = if entry.spec.required {
                format!("write {}", entry.spec.kind.describe())
            } else {
                format!("write {}, or remove the line", entry.spec.kind.describe())
            };
            context.error(section, entry, "the value is empty", remedy);
        } else if let Some(refused) = refused(entry) {
            entry.good = false;
            context.error(section, entry, refused.message, refused.remedy);
        } else if let Err(fault) = values::check(entry.spec.kind, &entry.value) {
            entry.good = false;
            context.error(section, entry, fault.message, fault.remedy);
        }
    }
    section.entries = entries;
}

/// What is to be said of a value that the replaced product had.
fn refused(entry: &Entry) -> Option<&'static schema::Refused> {
    let mut values = entry.spec.refused.iter();
    values.find(|one| entry.value.eq_ignore_ascii_case(one.value))
}

fn check_required(section: &Section, context: &mut Context<'_>) {
    let directory_without_account = section.effective("auth_type").eq_ignore_ascii_case("sspi");
    for spec in schema::options_of(section.kind) {
        let needed = spec.required
            && !(directory_without_account && spec.name.starts_with("service_account_"));
        let first = section
            .entries
            .iter()
            .any(|entry| entry.spec.name == spec.name && entry.number == 1);
        if needed && !first {
            missing(section, spec.name, spec.kind, context);
        }
    }
}

/// Says that an option must be given.
pub(super) fn missing(section: &Section, option: &str, kind: Kind, context: &mut Context<'_>) {
    context.of_section(
        Severity::Error,
        section,
        Some(option),
        "this option is missing",
        match support::never_served(section.kind) {
            // Whoever wants it served is told beside this that it is not.
            true => format!("remove the section, which is not served, or write '{option}='"),
            false => format!("write '{option}=' and {}", kind.describe()),
        },
    );
}
