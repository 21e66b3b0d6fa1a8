//! A whole file, made into what `proto` accepts.

use std::collections::HashMap;

use proto::address::AddressRange;
use proto::config::{self, ClientPlace, raw};
use proto::secret::Secret;

use super::context::Context;
use super::diagnostic::Severity;
use super::files::is_windows;
use super::schema::{Kind, SectionKind};
use super::sections::{Entry, Section};
use super::{clients, pem, schema, servers, support, upstream, values};

/// A configuration without the keys of the built-in second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    settings: raw::Settings,
    authenticators: Vec<raw::Authenticator>,
    integrations: Vec<raw::Integration>,
    builtin: Vec<BuiltinApplication>,
}

/// An integration with `api_host=builtin`: its application is this installation's to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltinApplication {
    /// The integration's id.
    pub integration: String,
    /// The integration key the file asks for; none means that one is made.
    pub ikey: Option<String>,
    /// The secret key the file asks for; there whenever `ikey` is.
    pub skey: Option<Secret<String>>,
}

impl Imported {
    /// The integrations that need an application of the built-in second factor.
    #[must_use]
    pub fn builtin(&self) -> &[BuiltinApplication] {
        &self.builtin
    }

    /// The configuration as revision `revision`, from 1, with the application that `application`
    /// gives for each of [`Self::builtin`].
    #[must_use]
    pub fn resolve(
        &self,
        revision: u64,
        mut application: impl FnMut(&BuiltinApplication) -> raw::Application,
    ) -> raw::Snapshot {
        let mut integrations = self.integrations.clone();
        let wanted = self.builtin.iter().map(|one| (&one.integration, one));
        let wanted: HashMap<&String, &BuiltinApplication> = wanted.collect();
        for integration in &mut integrations {
            if let Some(wanted) = wanted.get(&integration.id) {
                integration.application = application(wanted);
            }
        }
        raw::Snapshot {
            revision,
            settings: self.settings.clone(),
            authenticators: self.authenticators.clone(),
            integrations,
        }
    }
}

/// Makes the configuration and says everything that is wrong between options and sections.
/// None when nothing is left to serve.
pub(super) fn build(context: &mut Context<'_>, sections: &[Section]) -> Option<Imported> {
    let main = sections.iter().find(|one| one.kind == SectionKind::Main);
    load_dictionaries(context, main);
    say_idle(context, sections);
    let settings = main.map(|main| settings(context, main)).unwrap_or_default();
    let authenticators = sections
        .iter()
        .filter_map(|section| clients::build(context, section))
        .collect();
    upstream::say_own_ports(context, sections, main);
    let (mut integrations, mut builtin) = (Vec::new(), Vec::new());
    let clients = Clients::new(sections);
    // It must exist even when every section names its own.
    if let Some((main, entry)) = main.and_then(|main| Some((main, main.entry("client")?))) {
        named_client(context, main, entry, &clients);
    }
    for section in sections {
        if support::never_served(section.kind) {
            check_unserved(context, section, main, &clients);
            continue;
        }
        let Some(mode) = section.kind.mode() else {
            continue;
        };
        let client = client_of(context, section, main, &clients);
        let built = servers::build(context, section, mode, main, client);
        integrations.push(built.integration);
        builtin.extend(built.builtin);
    }
    shared_addresses(context, sections, main);
    shared_keys(context, sections);
    shared_ids(context, sections);
    if integrations.is_empty() {
        nothing_left(context, sections);
        return None;
    }
    let imported = Imported {
        settings,
        authenticators,
        integrations,
        builtin,
    };
    last_look(context, &imported, sections);
    Some(imported)
}

fn nothing_left(context: &mut Context<'_>, sections: &[Section]) {
    if context.refused() {
        return;
    }
    let server = |one: &Section| one.kind != SectionKind::Main && !one.kind.is_client();
    let (message, remedy) = if sections.iter().any(server) {
        (
            "no section of this file can be served",
            "write a server section that is served, such as [radius_server_auto]",
        )
    } else {
        (
            "there is no server section, so there is nothing to serve",
            "write a section such as [radius_server_auto]",
        )
    };
    context.say(Severity::Error, 1, (None, None), message, remedy);
}

fn load_dictionaries(context: &mut Context<'_>, main: Option<&Section>) {
    let Some(main) = main else { return };
    for entry in main.numbered("dictionary").into_values() {
        let Some(path) = context.named_path(main, entry) else {
            continue;
        };
        let loaded = context.dictionary.load(&path, context.source.files);
        for file in loaded.files {
            context.files_read.insert(file);
        }
        for fault in loaded.faults {
            let remedy = "write a dictionary in the format of FreeRADIUS";
            if fault.line == 0 {
                let message = format!("'{}': {}", fault.file.display(), fault.message);
                context.error(main, entry, message, remedy);
            } else {
                context.push(super::Diagnostic {
                    file: fault.file.display().to_string(),
                    line: fault.line,
                    section: None,
                    option: None,
                    severity: Severity::Error,
                    message: fault.message,
                    remedy: remedy.to_owned(),
                });
            }
        }
    }
}

fn say_idle(context: &mut Context<'_>, sections: &[Section]) {
    for section in sections {
        for entry in &section.entries {
            let spec = entry.spec;
            // It changes nothing, and yet what it names must exist.
            let server = section.kind == SectionKind::Main && spec.name == "server" && entry.good;
            if server && !sections.iter().any(|one| one.name == *entry.value) {
                let message = format!("there is no section [{}]", values::shorten(&entry.value));
                context.error(
                    section,
                    entry,
                    message,
                    "remove it: every section is served",
                );
                continue;
            }
            let idle = support::idle(section.kind, spec.name, &entry.value, spec.default);
            if let Some(message) = idle.filter(|_| entry.good) {
                let windows = spec.kind == Kind::Path && is_windows(&entry.value);
                let message = if windows {
                    format!("'{}' is a path of Windows, and {message}", *entry.value)
                } else {
                    message.to_owned()
                };
                context.warn(section, entry, message, "remove it to silence this warning");
            }
        }
    }
}

fn settings(context: &mut Context<'_>, main: &Section) -> raw::Settings {
    let port = main
        .effective("http_proxy_port")
        .parse()
        .unwrap_or_default();
    let http_proxy = main
        .optional_text("http_proxy_host")
        .map(|host| config::HttpProxy {
            host: values::address(&host).map_or(host, |address| address.to_string()),
            port,
        });
    if let (None, Some(entry)) = (&http_proxy, main.entry("http_proxy_port")) {
        let message = "this option has no effect without http_proxy_host";
        context.warn(
            main,
            entry,
            message,
            "write http_proxy_host too, or remove it",
        );
    }
    let http_ca_certs = main
        .entry("http_ca_certs_file")
        .and_then(|entry| pem::certificates(context, main, entry));
    raw::Settings {
        debug: main.boolean("debug"),
        http_proxy,
        http_ca_certs,
        log: log(context, main),
    }
}

fn log(context: &mut Context<'_>, main: &Section) -> config::Log {
    let mut dir = main.optional_text("log_dir");
    if let Some(entry) = main
        .entry("log_dir")
        .filter(|entry| is_windows(&entry.value))
    {
        let message = format!("'{}' is a path of Windows, and has no effect", *entry.value);
        let remedy = "name a folder of this machine, or remove it: log in the data folder is used";
        context.warn(main, entry, message, remedy);
        dir = None;
    }
    let facility = main.effective("syslog_facility");
    let facility = config::SyslogFacility::ALL
        .iter()
        .find(|one| one.as_str().eq_ignore_ascii_case(facility));
    config::Log {
        dir,
        file: main.boolean("log_file"),
        stdout: main.boolean("log_stdout"),
        auth_events: main.boolean("log_auth_events"),
        syslog: main.boolean("log_syslog"),
        syslog_facility: facility.copied().unwrap_or_default(),
        max_size_octets: main.number("log_max_size"),
        max_files: main.number("log_max_files"),
    }
}

/// A section that is recognised and never served: what it names must exist all the same.
fn check_unserved(
    context: &mut Context<'_>,
    section: &Section,
    main: Option<&Section>,
    clients: &Clients<'_>,
) {
    if matches!(
        section.kind,
        SectionKind::RadiusServerIframe | SectionKind::LdapServerAuto
    ) {
        client_of(context, section, main, clients);
    }
    if schema::options_of(section.kind).any(|option| option.name == "ikey") {
        servers::check_keys(context, section);
    }
    context.of_section(
        Severity::Warning,
        section,
        None,
        format!("[{}] sections are not served", section.kind.name()),
        "remove it to silence this warning; the rest of the file is served",
    );
}

/// The client sections, in their order and by name.
struct Clients<'a> {
    all: Vec<&'a Section>,
    by_name: HashMap<&'a str, &'a Section>,
}

impl<'a> Clients<'a> {
    fn new(sections: &'a [Section]) -> Self {
        let all: Vec<_> = sections.iter().filter(|one| one.kind.is_client()).collect();
        let by_name = all.iter().map(|one| (one.name.as_str(), *one)).collect();
        Self { all, by_name }
    }

    /// The first names, as many as somebody would read.
    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.all.iter().take(NAMES).map(|one| one.name.as_str())
    }

    fn listed(&self) -> String {
        let mut names: Vec<_> = self.names().collect();
        if self.all.len() > NAMES {
            names.push("…");
        }
        names.join(", ")
    }
}

/// The most client sections that are named or compared in a finding.
const NAMES: usize = 20;

/// The client section that a server section means; none after an error, and in a section that
/// has none.
fn client_of<'a>(
    context: &mut Context<'_>,
    section: &Section,
    main: Option<&Section>,
    clients: &Clients<'a>,
) -> Option<&'a Section> {
    if section.kind == SectionKind::RadiusServerDuoOnly {
        if let Some(entry) = section.entry("client")
            && named_client(context, section, entry, clients).is_some()
        {
            let message = "this mode checks no password, so this option has no effect";
            context.warn(
                section,
                entry,
                message,
                "remove it, or use [radius_server_auto]",
            );
        }
        return None;
    }
    let named = section.entry("client").map(|entry| (section, entry));
    let inherited = || Some((main?, main?.entry("client")?));
    let found = match (named.or_else(inherited), clients.all.as_slice()) {
        (Some((owner, entry)), _) => named_client(context, owner, entry, clients)?,
        (None, [only]) => only,
        (None, []) => {
            let message = "there is no client section that could check passwords";
            let remedy = "write one of [ad_client], [radius_client], [duo_only_client]";
            context.of_section(Severity::Error, section, Some("client"), message, remedy);
            return None;
        }
        (None, _) => {
            context.of_section(
                Severity::Error,
                section,
                Some("client"),
                "this option is missing, and there is more than one client section",
                format!("write 'client=' and one of {}", clients.listed()),
            );
            return None;
        }
    };
    let (wrong, remedy) = match (section.kind, found.kind) {
        (SectionKind::RadiusServerEap, SectionKind::DuoOnlyClient) => (
            "EAP needs a client section that checks passwords",
            "name an [ad_client] or a [radius_client]",
        ),
        (SectionKind::LdapServerAuto, SectionKind::RadiusClient | SectionKind::DuoOnlyClient) => {
            ("an LDAP server needs a directory", "name an [ad_client]")
        }
        _ => return Some(found),
    };
    let line = named.map_or(section.line, |(_, entry)| entry.line);
    let place = (Some(section.name.as_str()), Some("client"));
    context.say(Severity::Error, line, place, wrong, remedy);
    None
}

fn named_client<'a>(
    context: &mut Context<'_>,
    owner: &Section,
    entry: &Entry,
    clients: &Clients<'a>,
) -> Option<&'a Section> {
    let found = clients.by_name.get(entry.value.as_str()).copied();
    if found.is_some() || !entry.good {
        return found;
    }
    if context.full() {
        let message = "there is no such client section";
        context.error(owner, entry, message, "name one that is there");
        return None;
    }
    let remedy = match super::nearest::nearest(&entry.value, clients.names()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if clients.all.is_empty() => {
            "write a section [ad_client], [radius_client] or [duo_only_client]".to_owned()
        }
        None => format!("write one of {}", clients.listed()),
    };
    let shown = values::shorten(&entry.value);
    let message = format!("there is no client section [{shown}]");
    // Several sections may inherit one wrong name.
    let said = context
        .diagnostics
        .iter()
        .any(|one| one.line == entry.line && one.message == message);
    if !said {
        context.error(owner, entry, message, remedy);
    }
    None
}

/// One client address may stand once on a port, or the secret to use would be a guess.
fn shared_addresses(context: &mut Context<'_>, sections: &[Section], main: Option<&Section>) {
    let (mut entries, mut places) = (Vec::new(), Vec::new());
    for section in sections.iter().filter(|one| one.kind.mode().is_some()) {
        let Ok(port) = section.effective("port").parse::<u16>() else {
            continue;
        };
        let listen = section
            .address("interface")
            .or_else(|| main.and_then(|main| main.address("interface")));
        for entry in section.numbered("radius_ip").into_values() {
            let Ok(address) = entry.value.parse::<AddressRange>() else {
                continue;
            };
            entries.push((section, entry, address));
            places.push(ClientPlace {
                port,
                listen,
                address,
            });
        }
    }
    for (later, first) in config::ambiguous_clients(&places) {
        let (Some((section, entry, address)), Some((other, before, taken)), Some(place)) =
            (entries.get(later), entries.get(first), places.get(later))
        else {
            continue;
        };
        let (port, line, name) = (place.port, before.line, &other.name);
        let message = if address == taken {
            format!("{address} is a client on port {port} already, on line {line} in [{name}]")
        } else {
            format!(
                "{address} overlaps {taken}, a client on port {port} on line {line} in [{name}], \
                 and neither is the narrower"
            )
        };
        let remedy = "write another port or other addresses";
        context.error(section, entry, message, remedy);
    }
}

/// Sections with one integration key share one application, which has one secret key.
fn shared_keys(context: &mut Context<'_>, sections: &[Section]) {
    let mut seen: HashMap<&str, (&Section, &Entry)> = HashMap::new();
    for section in sections.iter().filter(|one| one.kind.mode().is_some()) {
        let builtin = section.value("api_host").is_some_and(values::is_builtin);
        let (Some(ikey), Some(skey), true) =
            (section.value("ikey"), section.entry("skey"), builtin)
        else {
            continue;
        };
        let (first, other) = *seen.entry(ikey).or_insert((section, skey));
        if Secret::from(other.value.as_str()) != Secret::from(skey.value.as_str()) {
            let message = format!(
                "[{}] has the same ikey on this installation, and another skey on line {}",
                first.name, other.line
            );
            let remedy = "write the same skey, or another ikey";
            context.error(section, skey, message, remedy);
        }
    }
}

/// An id stands for one authenticator, or for one integration. Names of sections cannot be the same;
/// only where an option says otherwise can ids.
fn shared_ids(context: &mut Context<'_>, sections: &[Section]) {
    let (mut clients, mut servers) = (HashMap::new(), HashMap::new());
    for section in sections {
        let seen: &mut HashMap<&str, &Section> = match section.kind.mode() {
            Some(_) => &mut servers,
            None if section.kind.is_client() => &mut clients,
            None => continue,
        };
        let first = *seen.entry(section.id()).or_insert(section);
        if first.line == section.line {
            continue;
        }
        let (owner, other) = match section.entry("id") {
            Some(_) => (section, first),
            None => (first, section),
        };
        if let Some(entry) = owner.entry("id") {
            let message = format!("[{}] has this id already", other.name);
            context.error(owner, entry, message, "write another id");
        }
    }
}

/// `proto` has the last word. That it agrees is a test; should it not, its fault is told at the
/// section it is about.
fn last_look(context: &mut Context<'_>, imported: &Imported, sections: &[Section]) {
    if context.refused() {
        return;
    }
    let placeholder = |_: &BuiltinApplication| raw::Application {
        ikey: "builtin".to_owned(),
        skey: Secret::from("builtin"),
        host: "builtin".to_owned(),
        port: 443,
        pinned_ca: None,
    };
    let Err(faults) = config::Snapshot::try_from(imported.resolve(1, placeholder)) else {
        return;
    };
    for fault in faults.0 {
        let index = |list: &str| {
            let rest = fault.path.strip_prefix(list)?.strip_prefix('[')?;
            rest.split_once(']')?.0.parse::<usize>().ok()
        };
        let served = index("integrations").and_then(|index| {
            let mut served = sections.iter().filter(|one| one.kind.mode().is_some());
            served.nth(index)
        });
        let section = served.or_else(|| {
            let index = index("authenticators")?;
            let mut clients = sections.iter().filter(|one| one.kind.is_client());
            clients.nth(index)
        });
        context.say(
            Severity::Error,
            section.map_or(1, |section| section.line),
            (section.map(|section| section.name.as_str()), None),
            fault.to_string(),
            "change it accordingly",
        );
    }
}
