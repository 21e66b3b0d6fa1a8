//! A configuration file as a request brings it, with the files that it names: as `text/plain`, as JSON,
//! or as the form of a browser or of `curl -F`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest as _, Multipart, Request};
use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt as _, Limited};
use proto::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use zeroize::Zeroizing;

use super::BODY_OCTETS;
use super::problem::{Kind, Problem};
use super::typed_text;
use crate::app::App;
use crate::authproxy::{self, FileContent, Files, Source};
use crate::clock::now_ms;
use crate::dictionary::Dictionary;
use crate::protected::Opener;

/// A file as it was sent: its text, and the files that it names.
#[derive(Clone, Default)]
pub(super) struct Sent {
    name: PathBuf,
    pub(super) text: Secret<String>,
    /// By the names that the text has for them.
    pub(super) files: BTreeMap<PathBuf, Zeroizing<Vec<u8>>>,
}

/// The same as JSON.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SentFile")]
pub(super) struct AsJson {
    text: Secret<String>,
    /// What the file is called, for messages. Relative names in it begin at its folder.
    #[serde(default = "usual_name")]
    name: PathBuf,
    #[serde(default)]
    files: BTreeMap<PathBuf, Secret<String>>,
}

impl Sent {
    /// Reads `text/plain`, which is the text alone, `application/json` or `multipart/form-data`.
    pub(super) async fn read(request: Request) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let sent = match kind.to_ascii_lowercase().as_str() {
            "multipart/form-data" => Self::form(request).await?,
            "application/json" => Self::json(&whole(request).await?)?,
            "text/plain" => Self {
                name: usual_name(),
                text: text(whole(request).await?.to_vec())?,
                files: BTreeMap::new(),
            },
            _ => {
                let detail = "send the file as text/plain, as application/json with text and files, \
                              or as multipart/form-data with file and files";
                return Err(Problem::new(Kind::MediaType, detail));
            }
        };
        if sent.files.len() > FILES {
            return Err(too_many());
        }
        Ok(sent)
    }

    fn json(octets: &[u8]) -> Result<Self, Problem> {
        // What a reader of JSON says of a bad document may quote it, and it is full of secrets.
        let read: AsJson = serde_json::from_slice(octets).map_err(|error| {
            let detail = format!(
                "no JSON object with text, and name and files or not: line {}, column {}",
                error.line(),
                error.column()
            );
            Problem::new(Kind::BadRequest, detail)
        })?;
        let octets =
            |content: Secret<String>| Zeroizing::new(content.expose().clone().into_bytes());
        Ok(Self {
            name: named(&read.name)?,
            text: read.text,
            files: read
                .files
                .into_iter()
                .map(|(name, content)| Ok((named(&name)?, octets(content))))
                .collect::<Result<_, Problem>>()?,
        })
    }

    async fn form(request: Request) -> Result<Self, Problem> {
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
        let mut main = None;
        let mut files = BTreeMap::new();
        while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
            let part = field.name().unwrap_or_default().to_owned();
            let name = field.file_name().map(|name| named(Path::new(name)));
            let name = name.transpose()?;
            match (part.as_str(), name) {
                ("file", name) if main.is_none() => {
                    let content = text(octets(field).await?.to_vec())?;
                    main = Some((name.unwrap_or_else(usual_name), content));
                }
                ("files", Some(name)) => {
                    if files.len() == FILES {
                        return Err(too_many());
                    }
                    let content = Zeroizing::new(octets(field).await?.to_vec());
                    if files.contains_key(&name) {
                        let detail = format!("{} is in the form twice", name.display());
                        return Err(Problem::new(Kind::BadRequest, detail));
                    }
                    files.insert(name, content);
                }
                _ => {
                    let detail = "the form has one part 'file', and for each file that it names a \
                                  part 'files' with its name as filename";
                    return Err(Problem::new(Kind::BadRequest, detail));
                }
            }
        }
        let Some((name, text)) = main else {
            let detail = "the form has no part 'file' with the configuration";
            return Err(Problem::new(Kind::BadRequest, detail));
        };
        Ok(Self { name, text, files })
    }

    /// Reads and checks it, in turn. Parses, so it runs off the runtime.
    pub(super) async fn import(self, app: &App) -> Result<Checked, Problem> {
        let (key, turn) = (app.key.clone(), turn(app).await?);
        let checked = tokio::task::spawn_blocking(move || {
            // Who hangs up leaves the work behind.
            let _turn = turn;
            let text = typed_text::open(self.text.expose(), &key);
            let opener = Opener::new(&key);
            let unseal = |text: &str| opener.reveal(text);
            let source = Source {
                path: &self.name,
                octets: text.expose().as_bytes(),
                mode: None,
                now_ms: now_ms(),
                files: &self,
                unseal: &unseal,
            };
            let report = authproxy::import(&source, &Dictionary::builtin());
            let asked = |sent: &&PathBuf| {
                let mut read = report.files_read.iter();
                read.any(|path| self.found(path).is_some_and(|(found, _)| found == *sent))
            };
            let unused = self.files.keys().filter(|sent| !asked(sent));
            Checked {
                unused: unused.map(|path| path.display().to_string()).collect(),
                report,
            }
        });
        checked.await.map_err(|error| Problem::internal(&error))
    }

    /// What was sent for a path: by that path, as it stands below this file's folder, or by its last name.
    fn found(&self, path: &Path) -> Option<(&PathBuf, &Zeroizing<Vec<u8>>)> {
        let below = self
            .name
            .parent()
            .and_then(|folder| path.strip_prefix(folder).ok());
        self.files
            .get_key_value(path)
            .or_else(|| self.files.get_key_value(below?))
            .or_else(|| self.files.get_key_value(Path::new(path.file_name()?)))
    }
}

/// What checking came to.
pub(super) struct Checked {
    pub(super) report: authproxy::Report,
    /// Files that were sent and that nothing names.
    pub(super) unused: Vec<String>,
}

impl Files for Sent {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        match self.found(path) {
            Some((_, content)) => Ok(FileContent {
                octets: content.to_vec(),
                mode: None,
            }),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "it was not sent; add it to files",
            )),
        }
    }
}

/// A place among those whose file is looked at.
pub(super) async fn turn(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(&app.file_looks).acquire_owned();
    match tokio::time::timeout(PATIENCE, place).await {
        Ok(place) => place.map_err(|error| Problem::internal(&error)),
        Err(_) => {
            let detail = "others have their files looked at; ask again in a moment";
            Err(Problem::new(Kind::Unavailable, detail).again_in(AGAIN_SECONDS))
        }
    }
}

async fn whole(request: Request) -> Result<Bytes, Problem> {
    let body = Limited::new(request.into_body(), BODY_OCTETS)
        .collect()
        .await;
    Ok(body.map_err(|_| too_large())?.to_bytes())
}

async fn octets(field: Field<'_>) -> Result<Bytes, Problem> {
    field.bytes().await.map_err(|error| broken(&error))
}

fn text(octets: Vec<u8>) -> Result<Secret<String>, Problem> {
    let text = String::from_utf8(octets).map_err(|_| {
        Problem::new(
            Kind::BadRequest,
            "the text is not valid UTF-8; save it as UTF-8",
        )
    })?;
    Ok(Secret::new(text))
}

/// A name of a file: it is shown, compared, and never opened here.
fn named(name: &Path) -> Result<PathBuf, Problem> {
    let plain = |text: &str| text.len() <= NAME_OCTETS && !text.contains(char::is_control);
    let good = name.to_str().is_some_and(plain) && name.file_name().is_some();
    let clean = || {
        let parts = name.components();
        parts
            .filter(|part| !matches!(part, Component::CurDir))
            .collect()
    };
    good.then(clean).ok_or_else(|| {
        let detail = format!("a file's name has at most {NAME_OCTETS} octets, in one line");
        Problem::new(Kind::BadRequest, detail)
    })
}

fn usual_name() -> PathBuf {
    PathBuf::from("authproxy.cfg")
}

fn too_large() -> Problem {
    let detail = format!("the body breaks off, or has more than {BODY_OCTETS} octets");
    Problem::new(Kind::TooLarge, detail)
}

fn too_many() -> Problem {
    let detail = format!("a file comes with at most {FILES} that it names");
    Problem::new(Kind::TooLarge, detail)
}

fn broken(error: &MultipartError) -> Problem {
    match error.status() {
        http::StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::new(Kind::BadRequest, "the form breaks off, or is none"),
    }
}

/// The most files that come along with one.
const FILES: usize = 64;
/// How many files are looked at at a time.
pub(crate) const FILE_LOOKS: usize = 2;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN_SECONDS: u64 = 5;
/// The longest name of one.
const NAME_OCTETS: usize = 1_024;
