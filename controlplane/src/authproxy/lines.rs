//! What each line of a file became: the places of the configuration that it says something of, or why
//! it says nothing. Pure; values are looked up in a document by whoever has one, masked.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::context::Context;
use super::diagnostic::{Diagnostic, Severity};
use super::reader::{Content, Document};
use super::schema::{self, SectionKind};
use super::sections::{Entry, Section};
use super::support;

/// The most lines of one file that are told of.
const LINES: usize = 50_000;

/// The lines of a file, those that say something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// In the order of the file; `LINES` at the most.
    pub told: Vec<Line>,
    /// Blank lines and comments.
    pub silent: usize,
    /// Lines that are not told of, as there are too many.
    pub left_out: usize,
}

/// One line: a section's header, an option, or what is neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u32,
    /// The section it stands in; none before the first.
    pub section: Option<String>,
    /// The option as it is written; none of a header, and of what may be a piece of a secret.
    pub option: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// What it says something of; none when it is ignored or refused.
    pub places: Vec<Place>,
    /// Whether it says what holds without it.
    pub is_default: bool,
    /// Of a header: the options that the section leaves out, with the defaults that hold.
    pub defaults: BTreeMap<&'static str, &'static str>,
    /// What is to be said of it.
    pub why: Vec<String>,
    /// Whether it was found to have no effect, and what holds without it.
    idle: Option<&'static str>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LineResult")]
pub enum Fate {
    /// It is in the configuration.
    Set,
    /// It was read and changes nothing.
    Ignored,
    /// It is wrong, so the file is not taken.
    Refused,
    /// There is something in its place already, which stays.
    Kept,
}

/// A place in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    list: List,
    id: String,
    /// Below that, as a JSON pointer.
    pointer: String,
}

/// Where in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Settings,
    Authenticators,
    Integrations,
}

/// A document of a configuration in which places are found quickly.
#[derive(Debug)]
pub struct Shown<'a> {
    settings: Option<&'a Value>,
    authenticators: HashMap<&'a str, &'a Value>,
    integrations: HashMap<&'a str, &'a Value>,
}

impl<'a> Shown<'a> {
    /// Of the JSON form of a configuration.
    #[must_use]
    pub fn new(document: &'a Value) -> Self {
        let by_id = |list: &str| {
            let elements = document.get(list).and_then(Value::as_array);
            let named = |one: &'a Value| Some((one.get("id")?.as_str()?, one));
            elements.into_iter().flatten().filter_map(named).collect()
        };
        Self {
            settings: document.get("settings"),
            authenticators: by_id("authenticators"),
            integrations: by_id("integrations"),
        }
    }
}

impl Place {
    /// What is there; none where nothing is.
    #[must_use]
    pub fn find<'a>(&self, shown: &Shown<'a>) -> Option<&'a Value> {
        let whole = match self.list {
            List::Settings => shown.settings?,
            List::Authenticators => shown.authenticators.get(self.id.as_str())?,
            List::Integrations => shown.integrations.get(self.id.as_str())?,
        };
        whole.pointer(&self.pointer)
    }

    /// Whether it is one of the settings, of which there is one set.
    #[must_use]
    pub const fn is_setting(&self) -> bool {
        matches!(self.list, List::Settings)
    }
}

impl fmt::Display for Place {
    /// As a fault names it: `integrations[radius_server_auto].clients[0].secret`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.list {
            List::Settings => f.write_str("settings")?,
            List::Authenticators => write!(f, "authenticators[{}]", self.id)?,
            List::Integrations => write!(f, "integrations[{}]", self.id)?,
        }
        for step in self.pointer.split('/').skip(1) {
            match step.bytes().all(|octet| octet.is_ascii_digit()) {
                true => write!(f, "[{step}]")?,
                false => write!(f, ".{step}")?,
            }
        }
        Ok(())
    }
}

impl Line {
    /// Leaves the places that the configuration has. A line without any is ignored.
    pub fn settle(&mut self, shown: &Shown<'_>) {
        if self.fate != Fate::Set || self.places.is_empty() {
            return;
        }
        let there = |place: &Place| match (place.find(shown), self.idle) {
            (None, _) => false,
            (Some(_), None) => true,
            // It may stand in the configuration all the same.
            (Some(value), Some(default)) => !is_unset(value, default),
        };
        self.places.retain(there);
        if self.places.is_empty() {
            self.ignore("it has nothing to change here");
        }
    }

    fn ignore(&mut self, why: &str) {
        self.fate = Fate::Ignored;
        self.places.clear();
        if self.why.is_empty() {
            self.why.push(why.to_owned());
        }
    }
}

/// What became of each line, as far as can be told without a document: see [`Line::settle`].
pub(super) fn of(context: &Context<'_>, sections: &[Section]) -> Lines {
    let document = Document::parse(context.source.octets)
        .unwrap_or_else(|_| Document::parse_lossy(context.source.octets));
    let teller = Teller::new(context, sections);
    let mut lines = Lines::default();
    let mut section = None;
    for line in document.lines() {
        let told = match line.content() {
            Content::Blank | Content::Comment => {
                lines.silent += 1;
                continue;
            }
            Content::Section(_) => {
                section = teller.headers.get(&line.number()).copied();
                teller.header(line.number(), section)
            }
            Content::Entry { .. } | Content::Fault(_) => teller.option(line.number(), section),
        };
        match lines.told.len() < LINES {
            true => lines.told.push(told),
            false => lines.left_out += 1,
        }
    }
    lines
}

/// What is known of the lines, by their numbers.
struct Teller<'a> {
    sections: &'a [Section],
    headers: HashMap<u32, &'a Section>,
    entries: HashMap<u32, &'a Entry>,
    findings: HashMap<u32, Vec<&'a Diagnostic>>,
}

impl<'a> Teller<'a> {
    fn new(context: &'a Context<'_>, sections: &'a [Section]) -> Self {
        let mut findings: HashMap<u32, Vec<&Diagnostic>> = HashMap::new();
        let name = context.source.name();
        for one in context.diagnostics.iter().filter(|one| one.file == name) {
            findings.entry(one.line).or_default().push(one);
        }
        let entries = sections.iter().flat_map(|section| &section.entries);
        Self {
            sections,
            headers: sections.iter().map(|one| (one.line, one)).collect(),
            entries: entries.map(|entry| (entry.line, entry)).collect(),
            findings,
        }
    }

    /// With what was found on the line.
    fn line(&self, number: u32) -> Line {
        let found = self.findings.get(&number).map_or(&[][..], Vec::as_slice);
        let bad = found.iter().any(|one| one.severity == Severity::Error);
        Line {
            number,
            section: found.iter().find_map(|one| one.section.clone()),
            option: found.iter().find_map(|one| one.option.clone()),
            fate: if bad { Fate::Refused } else { Fate::Set },
            places: Vec::new(),
            is_default: false,
            defaults: BTreeMap::new(),
            why: found.iter().map(|one| one.message.clone()).collect(),
            idle: None,
        }
    }

    fn header(&self, number: u32, section: Option<&Section>) -> Line {
        let mut line = self.line(number);
        line.option = None;
        let Some(section) = section else {
            line.fate = Fate::Refused;
            return line;
        };
        line.section = Some(section.name.clone());
        if line.fate == Fate::Refused {
            return line;
        }
        if support::never_served(section.kind) {
            line.ignore("sections of this kind are not served");
            return line;
        }
        line.places = match list_of(section.kind) {
            Some(List::Integrations) => vec![place(List::Integrations, section, "/mode")],
            Some(List::Authenticators) => vec![place(List::Authenticators, section, "/kind")],
            Some(List::Settings) | None => Vec::new(),
        };
        let unset = |name| section.numbered(name).is_empty();
        line.defaults = schema::options_of(section.kind)
            .filter(|option| unset(option.name))
            .filter_map(|option| Some((option.name, option.default?)))
            .collect();
        line
    }

    fn option(&self, number: u32, section: Option<&Section>) -> Line {
        let mut line = self.line(number);
        if let Some(section) = section {
            line.section = Some(section.name.clone());
        }
        let Some(section) = section else {
            line.fate = Fate::Refused;
            if line.why.is_empty() {
                line.why.push("its section is not taken".to_owned());
            }
            return line;
        };
        let Some(entry) = self.entries.get(&number) else {
            if line.fate != Fate::Refused {
                line.ignore("this section has no such option");
            }
            return line;
        };
        line.option = Some(entry.key.clone());
        if line.fate == Fate::Refused {
            return line;
        }
        line.is_default = entry
            .spec
            .default
            .is_some_and(|default| support::normal(default) == support::normal(&entry.value));
        let idle = line.why.iter().any(|why| says_idle(why));
        line.idle = idle.then(|| entry.spec.default.unwrap_or_default());
        if support::never_served(section.kind) {
            line.ignore("sections of this kind are not served");
        } else if entry.spec.name == "dictionary" {
            line.why
                .push("the attributes in it can be named in this file".to_owned());
        } else {
            line.places = self.places(section, entry);
            if line.places.is_empty() {
                line.ignore(match section.kind {
                    SectionKind::Main => "nothing in this file takes it from here",
                    _ => "it has nothing to change here",
                });
            }
        }
        line
    }

    /// Where an option of a section that is served goes.
    fn places(&self, section: &Section, entry: &Entry) -> Vec<Place> {
        let Some(list) = list_of(section.kind) else {
            return Vec::new();
        };
        let pointers = match list {
            List::Settings => return self.of_main(section, entry),
            List::Authenticators => of_client(section, entry),
            List::Integrations => of_server(section, entry),
        };
        pointers
            .into_iter()
            .map(|pointer| place(list, section, &pointer))
            .collect()
    }

    /// `[main]` has settings, and what sections take that say nothing themselves.
    fn of_main(&self, main: &Section, entry: &Entry) -> Vec<Place> {
        let served = || self.sections.iter().filter(|one| one.kind.mode().is_some());
        let inherited = |option: &str, pointer: &str| -> Vec<Place> {
            served()
                .filter(|section| section.entry(option).is_none())
                .map(|section| place(List::Integrations, section, pointer))
                .collect()
        };
        let setting = |pointer| vec![place(List::Settings, main, pointer)];
        match entry.spec.name {
            "debug" => setting("/debug"),
            "log_dir" => setting("/log/dir"),
            "log_file" => setting("/log/file"),
            "log_stdout" => setting("/log/stdout"),
            "log_auth_events" => setting("/log/auth_events"),
            "log_max_size" => setting("/log/max_size_octets"),
            "log_max_files" => setting("/log/max_files"),
            "log_syslog" => setting("/log/syslog"),
            "syslog_facility" => setting("/log/syslog_facility"),
            "test_connectivity_on_startup" => setting("/test_connectivity_on_startup"),
            "http_ca_certs_file" => setting("/http_ca_certs"),
            "http_proxy_host" => setting("/http_proxy/host"),
            "http_proxy_port" => setting("/http_proxy/port"),
            "interface" => inherited("interface", "/listen"),
            "client" => inherited("client", "/authenticator"),
            _ => Vec::new(),
        }
    }
}

/// Whether a finding says that its line changes nothing. These are the words of all that do; that no
/// other line changes nothing is a test.
fn says_idle(why: &str) -> bool {
    why.contains("no effect")
}

/// Whether a value is what holds without its option.
fn is_unset(value: &Value, default: &str) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => truth.to_string() == support::normal(default),
        Value::Number(number) => number.to_string() == default,
        Value::String(text) => support::normal(text) == support::normal(default),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn list_of(kind: SectionKind) -> Option<List> {
    match kind {
        SectionKind::Main => Some(List::Settings),
        kind if kind.is_client() => Some(List::Authenticators),
        kind if kind.mode().is_some() => Some(List::Integrations),
        _ => None,
    }
}

fn place(list: List, section: &Section, pointer: &str) -> Place {
    Place {
        list,
        id: section.id().to_owned(),
        pointer: pointer.to_owned(),
    }
}

/// Which one of all of an option this is, from 0.
fn rank(section: &Section, entry: &Entry) -> usize {
    let all = section.numbered(entry.spec.name);
    all.range(..entry.number).count()
}

fn of_client(section: &Section, entry: &Entry) -> Vec<String> {
    let name = entry.spec.name;
    if name == "id" {
        return vec!["/id".to_owned()];
    }
    match section.kind {
        SectionKind::AdClient => of_directory(section, entry),
        SectionKind::RadiusClient => {
            let hosts = section.numbered("host");
            let within = match name {
                "host" => format!("hosts/{}/name", rank(section, entry)),
                "port" if !hosts.contains_key(&entry.number) => return Vec::new(),
                "port" => format!("hosts/{}/port", hosts.range(..entry.number).count()),
                "retry_wait" => "retry_wait_seconds".to_owned(),
                "pass_through_attr_names" => "pass_through/attributes".to_owned(),
                "pass_through_all" => "pass_through/all".to_owned(),
                "pw_codec" => "password_codec".to_owned(),
                "force_message_authenticator" => "require_message_authenticator".to_owned(),
                same => same.to_owned(),
            };
            vec![format!("/kind/radius/{within}")]
        }
        _ => Vec::new(),
    }
}

fn of_directory(section: &Section, entry: &Entry) -> Vec<String> {
    let within = match entry.spec.name {
        "port" => {
            let hosts = section.numbered("host").len();
            let ports = (0..hosts).map(|index| format!("/kind/ad/hosts/{index}/port"));
            return ports.collect();
        }
        "host" => format!("hosts/{}/name", rank(section, entry)),
        "security_group_dn" => format!("security_groups/{}", rank(section, entry)),
        "ssl_ca_certs_file" => "ca_certs".to_owned(),
        "ssl_verify_hostname" => "verify_hostname".to_owned(),
        "timeout" => "timeout_seconds".to_owned(),
        same => same.to_owned(),
    };
    vec![format!("/kind/ad/{within}")]
}

fn of_server(section: &Section, entry: &Entry) -> Vec<String> {
    let pointer = match entry.spec.name {
        "radius_ip" => return of_radius_client(section, entry, "address"),
        "radius_secret" => return of_radius_client(section, entry, "secret"),
        "message_authenticator" => {
            return of_radius_client(section, entry, "message_authenticator");
        }
        "force_message_authenticator" => {
            let clients = 0..section.radius_clients().len();
            return clients
                .map(|index| format!("/clients/{index}/message_authenticator"))
                .collect();
        }
        "api_host" => {
            return vec![
                "/application/host".to_owned(),
                "/application/port".to_owned(),
            ];
        }
        "exempt_username" => return vec![format!("/exempt_users/{}", rank(section, entry))],
        "ikey" => "/application/ikey",
        "skey" => "/application/skey",
        "client" => "/authenticator",
        "interface" => "/listen",
        "failmode" => "/fail_mode",
        "api_timeout" => "/api_timeout_seconds",
        "pw_codec" => "/password_codec",
        "client_ip_attr" => "/client_ip_attribute",
        "pass_through_attr_names" => "/pass_through/attributes",
        "pass_through_all" => "/pass_through/all",
        "allow_concat" => "/append/allow",
        "delimiter" => "/append/delimiter",
        "delimited_password_length" => "/append/password_length",
        "prompt_format" => "/prompt/format",
        "enroll_challenge" => "/prompt/enroll_challenge",
        "prompt_split" => "/prompt/split",
        "passcode_retries" => "/prompt/passcode_retries",
        "certs" => "/eap/certificates",
        "pkey" => "/eap/private_key",
        "minimum_tls_version" => "/eap/minimum_tls",
        "cipher_list" => "/eap/cipher_suites",
        same => return vec![format!("/{same}")],
    };
    vec![pointer.to_owned()]
}

fn of_radius_client(section: &Section, entry: &Entry, field: &str) -> Vec<String> {
    let index = section.radius_clients().binary_search(&entry.number);
    index
        .ok()
        .map(|index| format!("/clients/{index}/{field}"))
        .into_iter()
        .collect()
}
