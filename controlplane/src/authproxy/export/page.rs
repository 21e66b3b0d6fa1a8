//! The sections, options and files of an export, and how they look as text.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use proto::config::{Faults, raw};
use proto::secret::Secret;

use super::super::schema::{self, Numbering, OptionSpec, SectionKind};
use crate::protected::PREFIX;

/// A configuration file in the making.
pub(super) struct Page {
    sections: Vec<Part>,
    faults: Faults,
    /// Whether secrets are written as they are, so that not each can be.
    clear: bool,
}

/// A section in the making.
pub(super) struct Part {
    kind: SectionKind,
    name: String,
    /// Of what it is made of, within the snapshot.
    path: String,
    values: BTreeMap<(&'static str, u32), Value>,
    files: Vec<Beside>,
    faults: Faults,
    clear: bool,
}

struct Value {
    /// Where it is within the snapshot.
    path: String,
    content: Content,
    /// Whether it is written although it is the default.
    always: bool,
}

enum Content {
    Text(String),
    Secret(Secret<String>),
}

/// A file beside the configuration file.
pub(super) struct Beside {
    pub(super) name: String,
    pub(super) content: Secret<String>,
    /// Whether it is a secret as a whole.
    pub(super) private: bool,
}

/// A secret as it is written.
pub(super) enum Rendered {
    /// As it is.
    Clear(Secret<String>),
    /// In the option's `_protected` form.
    Protected(String),
}

/// The text, with the path of what each line was made of.
pub(super) struct Text {
    pub(super) text: Secret<String>,
    /// By line, from the first.
    pub(super) paths: Vec<String>,
}

impl Page {
    pub(super) const fn new(clear: bool) -> Self {
        Self {
            sections: Vec::new(),
            faults: Faults(Vec::new()),
            clear,
        }
    }

    /// Begins a section, which [`Self::push`] ends.
    pub(super) fn part(&self, kind: SectionKind, name: &str, path: String) -> Part {
        Part {
            kind,
            name: name.to_owned(),
            path,
            values: BTreeMap::new(),
            files: Vec::new(),
            faults: Faults::default(),
            clear: self.clear,
        }
    }

    pub(super) fn push(&mut self, mut part: Part) {
        self.faults.0.append(&mut part.faults.0);
        self.sections.push(part);
    }

    /// Notes what no file can hold.
    pub(super) fn fault(&mut self, path: impl Into<String>, message: &str) {
        self.faults.add(path, message);
    }

    pub(super) fn take_faults(&mut self) -> Faults {
        std::mem::take(&mut self.faults)
    }

    /// `[main]`, where it says something.
    pub(super) fn settings(&mut self, settings: &raw::Settings, dictionary: Option<String>) {
        let kind = SectionKind::Main;
        let mut main = self.part(kind, kind.name(), "settings".to_owned());
        main.set("debug", "debug", settings.debug);
        let log = &settings.log;
        if let Some(dir) = &log.dir {
            main.set("log_dir", "log.dir", dir);
        }
        main.set("log_file", "log.file", log.file);
        main.set("log_stdout", "log.stdout", log.stdout);
        main.set("log_auth_events", "log.auth_events", log.auth_events);
        main.set("log_max_size", "log.max_size_octets", log.max_size_octets);
        main.set("log_max_files", "log.max_files", log.max_files);
        main.set("log_syslog", "log.syslog", log.syslog);
        main.set(
            "syslog_facility",
            "log.syslog_facility",
            log.syslog_facility,
        );
        if let Some(text) = &settings.http_ca_certs {
            main.file(
                "http_ca_certs_file",
                "http_ca_certs",
                "http_ca_certs.pem",
                text,
            );
        }
        if let Some(proxy) = &settings.http_proxy {
            main.set("http_proxy_host", "http_proxy.host", &proxy.host);
            main.set("http_proxy_port", "http_proxy.port", proxy.port);
        }
        if let Some(text) = dictionary {
            main.file("dictionary", "dictionary", "dictionary", &text);
        }
        if !main.is_idle() {
            self.push(main);
        }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Beside> {
        self.sections.iter().flat_map(|section| &section.files)
    }

    /// The text. `write` says how a secret looks.
    pub(super) fn render<E>(
        &self,
        mut write: impl FnMut(&Secret<String>) -> Result<Rendered, E>,
    ) -> Result<Text, E> {
        // A text that grows leaves what it was behind.
        let mut text = String::with_capacity(self.sections.iter().map(Part::octets).sum());
        let mut paths = Vec::new();
        for section in &self.sections {
            if !paths.is_empty() {
                text.push('\n');
                paths.push(String::new());
            }
            let _ = writeln!(text, "[{}]", section.name);
            paths.push(section.path.clone());
            for (spec, number, value) in section.in_order() {
                let number = match (spec.numbering, number) {
                    (Numbering::Single, _) | (Numbering::FromTwo, 1) => String::new(),
                    (Numbering::FromOne, 1) if PLAIN_FIRST.contains(&spec.name) => String::new(),
                    (_, number) => format!("_{number}"),
                };
                let name = spec.name;
                let _ = match &value.content {
                    Content::Text(value) => writeln!(text, "{name}{number}={value}"),
                    Content::Secret(secret) => match write(secret)? {
                        Rendered::Clear(secret) => {
                            writeln!(text, "{name}{number}={}", secret.expose())
                        }
                        Rendered::Protected(value) => {
                            writeln!(text, "{name}_protected{number}={value}")
                        }
                    },
                };
                paths.push(value.path.clone());
            }
        }
        let text = Secret::new(text);
        Ok(Text { text, paths })
    }
}

/// Options that the replaced product has once, and that are numbered here: the first one is written
/// as it knows them.
const PLAIN_FIRST: &[&str] = &["security_group_dn"];

impl Part {
    /// Notes what no file can hold.
    pub(super) fn fault(&mut self, field: &str, message: &str) {
        self.faults.add(format!("{}.{field}", self.path), message);
    }

    /// An option, written unless it has its default. `field` is its place below the section's path.
    pub(super) fn set(&mut self, option: &'static str, field: &str, value: impl Display) {
        self.put(option, 1, field, Content::Text(value.to_string()), false);
    }

    /// An option that means something by being there.
    pub(super) fn say(&mut self, option: &'static str, field: &str, value: impl Display) {
        self.put(option, 1, field, Content::Text(value.to_string()), true);
    }

    /// One of a numbered option, from 1.
    pub(super) fn set_nth(
        &mut self,
        (option, number): (&'static str, u32),
        field: &str,
        value: impl Display,
    ) {
        let content = Content::Text(value.to_string());
        self.put(option, number, field, content, false);
    }

    pub(super) fn secret(
        &mut self,
        (option, number): (&'static str, u32),
        field: &str,
        secret: &Secret<String>,
    ) {
        self.put(option, number, field, Content::Secret(secret.clone()), true);
    }

    /// An option that names a file with this text, which gets the section's name and `suffix`.
    pub(super) fn file(&mut self, option: &'static str, field: &str, suffix: &str, text: &str) {
        self.name_file(option, field, suffix, Secret::from(text), false);
    }

    /// The same with a private key in it.
    pub(super) fn private_file(
        &mut self,
        option: &'static str,
        field: &str,
        suffix: &str,
        text: &Secret<String>,
    ) {
        self.name_file(option, field, suffix, text.clone(), true);
    }

    fn name_file(
        &mut self,
        option: &'static str,
        field: &str,
        suffix: &str,
        content: Secret<String>,
        private: bool,
    ) {
        let name = format!("{}.{suffix}", self.name);
        self.say(option, field, &name);
        self.files.push(Beside {
            name,
            content,
            private,
        });
    }

    fn put(
        &mut self,
        option: &'static str,
        number: u32,
        field: &str,
        content: Content,
        always: bool,
    ) {
        let path = format!("{}.{field}", self.path);
        let why = match &content {
            Content::Text(text) => not_a_value(text),
            // An import would open it.
            Content::Secret(secret) if self.clear && secret.expose().starts_with(PREFIX) => {
                Some("a value that begins with 'sealed:' cannot be written")
            }
            Content::Secret(secret) if self.clear => not_a_value(secret.expose()),
            Content::Secret(_) => None,
        };
        if let Some(why) = why {
            let sealed = match content {
                Content::Text(_) => "",
                Content::Secret(_) => "; sealed it can be written",
            };
            self.faults.add(&path, format!("{why}{sealed}"));
        }
        let value = Value {
            path,
            content,
            always,
        };
        self.values.insert((option, number), value);
    }

    fn is_idle(&self) -> bool {
        self.in_order().is_empty()
    }

    /// What is to be written: in the order of the schema, numbered options that follow each other
    /// there number by number.
    fn in_order(&self) -> Vec<(&'static OptionSpec, u32, &Value)> {
        let specs: Vec<&'static OptionSpec> = schema::options_of(self.kind).collect();
        let numbered = |spec: &OptionSpec| spec.numbering != Numbering::Single;
        let mut all = Vec::new();
        for run in specs.chunk_by(|a, b| numbered(a) && numbered(b)) {
            let start = all.len();
            for spec in run {
                let of_it = self.values.range((spec.name, 0)..=(spec.name, u32::MAX));
                let told = |value: &Value| match &value.content {
                    Content::Text(text) => value.always || spec.default != Some(text.as_str()),
                    Content::Secret(_) => true,
                };
                let told = of_it.filter(|(_, value)| told(value));
                all.extend(told.map(|((_, number), value)| (*spec, *number, value)));
            }
            if let Some(run) = all.get_mut(start..) {
                run.sort_by_key(|(_, number, _)| *number);
            }
        }
        all
    }

    /// The most octets that its text has.
    fn octets(&self) -> usize {
        let of_values = self.values.iter().map(|((name, _), value)| {
            let octets = match &value.content {
                Content::Text(text) => text.len(),
                // Sealed and in base64.
                Content::Secret(secret) => 2 * secret.expose().len() + SEALED,
            };
            name.len() + octets + AROUND
        });
        self.name.len() + AROUND + of_values.sum::<usize>()
    }
}

/// More than sealing adds to a secret.
const SEALED: usize = 128;

/// More than what stands around a name and a value.
const AROUND: usize = 32;

/// Why a text cannot be a value in clear; none where it can. Whether it may be empty is for its
/// option to say.
fn not_a_value(text: &str) -> Option<&'static str> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        Some("a value with a line break or another control character cannot be written")
    } else if text.trim() != text {
        Some("a value with blanks at its beginning or end cannot be written")
    } else {
        None
    }
}
