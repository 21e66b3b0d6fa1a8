//! A snapshot, written as an `authproxy.cfg` that imports to the same snapshot. Pure.
//!
//! What a snapshot holds as text and a file names, which is certificates, keys, bundles of
//! authorities and dictionaries, becomes files beside it. Only what differs from the defaults is
//! written, in the order of the schema. Every result is imported again before it is given, so a
//! snapshot that a file cannot hold is refused and never written as another one:
//!
//! - Values with a line break or another control character (a tab is none), or with blanks at
//!   their beginning or end: a value is one line, and blanks around it are dropped. A secret can
//!   have them where it is sealed. Everything else is taken literally: `;`, `#`, `%`, `=`, quotes,
//!   any character, any length up to the 4 MiB of the file.
//! - What the reader refuses or writes otherwise, such as two directory servers on two ports, or a
//!   filter without its parentheses.
//! - Nothing to serve: a file has one server section at least.
//!
//! An id that is a name for a section of its kind is the section's name. Any other, which things
//! made over REST have, is written as the option `id` of a section that gets the next free name.
//!
//! Applications of the built-in second factor (`pinned_ca`) become `api_host=builtin` with their
//! keys: which host and certificate they have is for the importing installation to say.

mod attributes;
mod authenticators;
mod ignored;
mod integrations;
mod names;
mod page;
mod same;

use proto::config::{self, Faults, raw};
use proto::secret::Secret;

use super::reader::MAX_OCTETS;
use crate::dictionary::Dictionary;
use crate::protected::protect;
use crate::seal::{Key, SealError};
use page::{Page, Rendered};

/// How secrets are written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Style<'a> {
    /// As they are.
    Clear,
    /// As `_protected` values that only an installation with this key opens. A private key has no
    /// such form: its file holds it in clear.
    Sealed(&'a Key),
    /// For showing: a placeholder stands for each, and for private keys. An import refuses it.
    Shown,
}

/// A configuration file, with the files it names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exported {
    /// The text of the `authproxy.cfg`.
    pub text: Secret<String>,
    /// The files it names, to be written into its folder; any may hold a private key.
    pub files: Vec<ExportedFile>,
    /// Paths of settings that their mode ignores and a file cannot hold, which were left out:
    /// `integrations[0].factors` in mode `concat`. Empty for every snapshot that came from a file.
    pub left_out: Vec<String>,
}

/// A file that a configuration file names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExportedFile {
    /// Its name: the section's, and what it is for. Letters, digits, `_` and `.`; no two are alike.
    pub name: String,
    /// Its text.
    pub content: Secret<String>,
}

/// Why a snapshot is not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It cannot be served, or no file can hold it. The paths are the snapshot's.
    #[error("no authproxy.cfg can hold this configuration")]
    NotCarried(#[source] Faults),
    /// A secret could not be sealed.
    #[error("a secret could not be sealed")]
    Seal(#[from] SealError),
}

/// What stands for a secret in [`Style::Shown`].
pub const PLACEHOLDER: &str = "[secret]";

/// The most faults that are told of one snapshot.
const MAX_FAULTS: usize = 1_000;

/// Writes a snapshot as a configuration file. `dictionary` is what the importing side knows before
/// the files that `[main] dictionary` names; the revision's number is not looked at.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    snapshot: &raw::Snapshot,
    dictionary: &Dictionary,
    style: Style<'_>,
) -> Result<Exported, ExportError> {
    let (snapshot, left_out) = ignored::settle(snapshot);
    config::Snapshot::try_from(snapshot.clone()).map_err(not_carried)?;
    let page = plan(&snapshot, dictionary, style)?;
    same::check(&page, &snapshot, dictionary).map_err(not_carried)?;
    let text = page.render(|secret| {
        Ok::<_, SealError>(match style {
            Style::Clear => Rendered::Clear(secret.clone()),
            Style::Sealed(key) => Rendered::Protected(protect(key, secret)?),
            Style::Shown => Rendered::Protected(PLACEHOLDER.to_owned()),
        })
    })?;
    let octets = text.text.expose().len();
    if octets > MAX_OCTETS {
        let message = format!("the file would have {octets} octets, the most is {MAX_OCTETS}");
        return Err(not_carried(Faults(vec![config::Fault {
            path: String::new(),
            message,
        }])));
    }
    let files = page.files().map(|file| ExportedFile {
        name: file.name.clone(),
        content: match style {
            Style::Shown if file.private => Secret::new(format!("{PLACEHOLDER}\n")),
            _ => file.content.clone(),
        },
    });
    Ok(Exported {
        files: files.collect(),
        text: text.text,
        left_out,
    })
}

/// Everything that is to be written, with every value that no line can hold as a fault.
fn plan(
    snapshot: &raw::Snapshot,
    dictionary: &Dictionary,
    style: Style<'_>,
) -> Result<Page, ExportError> {
    let names = names::Names::of(snapshot);
    let mut page = Page::new(matches!(style, Style::Clear));
    let own_names = attributes::dictionary(snapshot, dictionary, &mut page);
    page.settings(&snapshot.settings, own_names);
    for (index, one) in snapshot.authenticators.iter().enumerate() {
        let name = names.of_authenticator(&one.id);
        authenticators::write(&mut page, index, one, name);
    }
    for (index, one) in snapshot.integrations.iter().enumerate() {
        integrations::write(&mut page, index, one, &names);
    }
    let faults = page.take_faults();
    faults.into_result(page).map_err(not_carried)
}

fn not_carried(mut faults: Faults) -> ExportError {
    faults.0.truncate(MAX_FAULTS);
    ExportError::NotCarried(faults)
}
