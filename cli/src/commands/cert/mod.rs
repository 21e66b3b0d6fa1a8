//! `countersign cert`: the files of `[radius_server_eap]`, made or renewed with one command.

mod files;

use controlplane::issue::{self, About, Authority, IssueError, Issued, ServerNames};
use proto::secret::Secret;
use serde_json::json;

use self::files::{Folder, NewFile};
use crate::args::CertArgs;
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(args: &CertArgs) -> Result<(), Failure> {
    let now = i64::try_from(controlplane::now_ms() / 1_000).unwrap_or(i64::MAX);
    // Before the folder is looked at: a slip in a name is the likelier fault.
    let given = match args.names.as_slice() {
        [] => None,
        words => {
            Some(ServerNames::parse(words).map_err(|fault| Failure::usage(fault.to_string()))?)
        }
    };
    let folder = Folder::open(&args.dir)?;
    let before = before(&folder, args)?;
    let old_names = before.as_deref().map(|pem| names_of(&folder, pem));
    let names = match (given, &old_names) {
        (Some(names), _) => names,
        (None, Some(Ok(names))) => names.clone(),
        (None, Some(Err(failure))) => return Err(Failure::usage(failure.as_str())),
        (None, None) => {
            return Err(Failure::usage(format!(
                "there is no {} to take names from; give them",
                folder.of(CERTIFICATE).display()
            )));
        }
    };
    let signer = signer(&folder, args, &names, now, before.as_deref())?;
    let issued = match &signer {
        Signer::Itself => issue::self_signed(&names, now, args.days),
        Signer::Found(authority) | Signer::Made(authority, _) => {
            authority.issue(&names, now, args.days)
        }
    }
    .map_err(|error| not_made(&error))?;
    write(&folder, args, &signer, &issued)?;
    let made = Made {
        folder: &folder,
        args,
        names: &names,
        notes: notes(
            now,
            &folder,
            args,
            &names,
            old_names.and_then(Result::ok),
            &signer,
        ),
        signer,
        issued,
    };
    made.tell();
    Ok(())
}

/// Who signs.
enum Signer {
    Itself,
    /// It was there.
    Found(Authority),
    /// With its key, which is in no file yet.
    Made(Authority, Secret<String>),
}

impl Signer {
    const fn authority(&self) -> Option<&Authority> {
        match self {
            Self::Itself => None,
            Self::Found(authority) | Self::Made(authority, _) => Some(authority),
        }
    }
}

/// The certificate that is to be replaced, where there is one.
fn before(folder: &Folder, args: &CertArgs) -> Result<Option<String>, Failure> {
    if args.renew {
        let found = folder.read(CERTIFICATE)?.map(|text| text.to_string());
        if found.as_deref().is_some_and(issue::has_another_key) {
            return Err(Failure::usage(format!(
                "{} has another key than one of P-256, and supplicants may need it: renew it as it \
                 was made, or remove it for one of P-256",
                folder.of(CERTIFICATE).display()
            )));
        }
        return Ok(found);
    }
    let there = [CERTIFICATE, KEY].into_iter().find(|name| folder.has(name));
    there.map_or(Ok(None), |name| {
        Err(Failure::usage(format!(
            "{} is there already; '--renew' replaces certificate and key, or name another folder \
             with --dir",
            folder.of(name).display()
        )))
    })
}

fn names_of(folder: &Folder, pem: &str) -> Result<ServerNames, String> {
    ServerNames::of_certificate(pem).map_err(|fault| {
        format!(
            "no names can be taken from {}: {fault}; give them",
            folder.of(CERTIFICATE).display()
        )
    })
}

fn signer(
    folder: &Folder,
    args: &CertArgs,
    names: &ServerNames,
    now: i64,
    before: Option<&str>,
) -> Result<Signer, Failure> {
    if args.self_signed {
        return match before {
            Some(pem) if !issue::is_self_signed(pem) => Err(Failure::usage(format!(
                "a CA has signed {}; renew it without --self-signed, or name another folder with \
                 --dir",
                folder.of(CERTIFICATE).display()
            ))),
            _ => Ok(Signer::Itself),
        };
    }
    let [pem_path, key_path] = [CA, CA_KEY].map(|name| folder.of(name).display().to_string());
    let authority = match (folder.read(CA)?, folder.read(CA_KEY)?) {
        (Some(pem), Some(key)) => Authority::open(&pem, &key, now).map_err(|fault| {
            let path = if fault.is_of_key() {
                key_path
            } else {
                pem_path
            };
            Failure::usage(format!("{path}: {fault}"))
        })?,
        (None, None) if args.renew => {
            return Err(Failure::usage(format!(
                "{pem_path} and {key_path} are not there, and supplicants trust nothing else: bring \
                 them back, or make another CA in another folder without --renew"
            )));
        }
        (None, None) => {
            let (authority, key) =
                Authority::make(names, now, args.ca_days).map_err(|error| not_made(&error))?;
            return Ok(Signer::Made(authority, key));
        }
        (Some(_), None) => return Err(half(&pem_path, &key_path)),
        (None, Some(_)) => return Err(half(&key_path, &pem_path)),
    };
    if before.is_some_and(|pem| !authority.is_issuer_of(pem)) {
        return Err(Failure::usage(format!(
            "{} is not signed by the CA in {}, so that supplicants would refuse its successor: bring \
             the CA that signed it, or make another certificate in another folder with --dir",
            folder.of(CERTIFICATE).display(),
            folder.of(CA).display()
        )));
    }
    Ok(Signer::Found(authority))
}

fn half(there: &str, gone: &str) -> Failure {
    Failure::usage(format!(
        "{there} is there, and {gone} is not: bring it back for the while, or make another CA in \
         another folder with --dir"
    ))
}

fn not_made(error: &IssueError) -> Failure {
    Failure::new("no certificate was made", error)
}

/// The authority first, and a key before its certificate: what is cut short can be gone on with.
fn write(
    folder: &Folder,
    args: &CertArgs,
    signer: &Signer,
    issued: &Issued,
) -> Result<(), Failure> {
    let file = |name, text, private| NewFile {
        name,
        text,
        private,
        replaces: false,
    };
    let mut files = Vec::new();
    if let Signer::Made(authority, key) = signer {
        files.push(file(CA_KEY, key.expose(), true));
        files.push(file(CA, authority.pem(), false));
    }
    files.push(NewFile {
        replaces: args.renew,
        ..file(KEY, issued.private_key.expose(), true)
    });
    files.push(NewFile {
        replaces: args.renew,
        ..file(CERTIFICATE, &issued.certificates, false)
    });
    folder.put(&files)
}

/// What is well, and still worth a word.
fn notes(
    now: i64,
    folder: &Folder,
    args: &CertArgs,
    names: &ServerNames,
    before: Option<ServerNames>,
    signer: &Signer,
) -> Vec<String> {
    let mut notes = Vec::new();
    if args.days > APPLE_DAYS {
        notes.push(format!(
            "Apple's devices refuse a certificate that is good for more than {APPLE_DAYS} days"
        ));
    }
    if let Some(authority) = signer.authority()
        && authority.about().not_after < now + i64::from(args.days) * 24 * 60 * 60
    {
        notes.push(format!(
            "the CA ends on {}, and the certificate with it: supplicants need another CA by then",
            authority.about().until
        ));
    }
    let (old, new) = (
        before.map(|old| old.texts()).unwrap_or_default(),
        names.texts(),
    );
    for gone in old.iter().filter(|name| !new.contains(name)) {
        notes.push(format!(
            "the certificate before was for {gone} too: who checks that name refuses this one"
        ));
    }
    if matches!(signer, Signer::Found(_)) && folder.others_can_read(CA_KEY) {
        let path = folder.of(CA_KEY);
        notes.push(format!(
            "others can read the CA's key; run 'chmod 600 {}'",
            path.display()
        ));
    }
    notes
}

/// What there is to tell in the end.
struct Made<'a> {
    folder: &'a Folder,
    args: &'a CertArgs,
    names: &'a ServerNames,
    signer: Signer,
    issued: Issued,
    notes: Vec<String>,
}

impl Made<'_> {
    fn tell(&self) {
        if self.args.output.json {
            self.tell_programs();
        } else {
            self.tell_people();
        }
    }

    fn tell_programs(&self) {
        let about = |about: &About, certificate: &str, key: &str| {
            json!({
                "certificate": self.folder.of(certificate),
                "key": self.folder.of(key),
                "common_name": about.common_name,
                "until": about.until,
                "not_after": about.not_after,
                "sha256": about.sha256,
            })
        };
        let mut server = about(&self.issued.about, CERTIFICATE, KEY);
        let mut authority = self
            .signer
            .authority()
            .map(|one| about(one.about(), CA, CA_KEY));
        if let Some(fields) = server.as_object_mut() {
            fields.insert("names".to_owned(), json!(self.names.texts()));
        }
        if let Some(fields) = authority.as_mut().and_then(|one| one.as_object_mut()) {
            let made = matches!(self.signer, Signer::Made(..));
            fields.insert("made".to_owned(), json!(made));
        }
        output::json(&json!({
            "server": server,
            "authority": authority,
            "renewed": self.args.renew,
            "notes": self.notes,
        }));
    }

    fn tell_people(&self) {
        let path = |name: &str| self.folder.of(name).display().to_string();
        let say = |text: &str| output::line(format_args!("{text}"));
        if let Some(authority) = self.signer.authority() {
            let about = authority.about();
            let how = match self.signer {
                Signer::Made(..) => "made",
                _ => "used",
            };
            say(&format!("CA           {} and {CA_KEY}, {how}", path(CA)));
            say(&format!(
                "             {}, good until {}",
                about.common_name, about.until
            ));
            say(&format!("             SHA-256 {}", about.sha256));
        }
        let about = &self.issued.about;
        let how = if self.args.renew { "renewed" } else { "made" };
        say(&format!(
            "certificate  {} and {KEY}, {how}",
            path(CERTIFICATE)
        ));
        say(&format!(
            "             {}, good until {}",
            self.names.texts().join(", "),
            about.until
        ));
        say(&format!("             SHA-256 {}", about.sha256));
        for note in &self.notes {
            say(&format!("note         {note}"));
        }
        say("");
        if self.args.renew {
            say(
                "A gateway that reads these files shows the new certificate by itself: see 'countersign status'.",
            );
        } else {
            say("Into [radius_server_eap] of authproxy.cfg:");
            say(&format!("certs={}", path(CERTIFICATE)));
            say(&format!("pkey={}", path(KEY)));
        }
        say("");
        match (&self.signer, self.args.renew) {
            (Signer::Itself, _) => say(&format!(
                "Supplicants must have {} itself, before the server shows it.\n\
                 The name to check: {}.",
                path(CERTIFICATE),
                self.names.first()
            )),
            (_, true) => say(&format!(
                "Supplicants that trust {} need nothing. Take {CA_KEY} back to its safe place.",
                path(CA)
            )),
            (_, false) => {
                say(&format!(
                    "To the supplicants: {}, and the name to check, {}.",
                    path(CA),
                    self.names.first()
                ));
                say(&format!(
                    "Move {} to a safe place that is not this machine: who has it can be the\n\
                     server for all supplicants. A renewal needs it.",
                    path(CA_KEY)
                ));
            }
        }
    }
}

const CA: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const CERTIFICATE: &str = "radius.pem";
const KEY: &str = "radius.key";
/// Of certificates that are signed by a CA of one's own.
const APPLE_DAYS: u32 = 825;
