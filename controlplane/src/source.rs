//! Where a configuration comes from when it does not come from the database.
//!
//! The only door between this crate's reload and the reader of `authproxy.cfg`.

use std::collections::BTreeMap;
use std::path::Path;

use proto::config::raw;
use proto::secret::Secret;

use crate::admin::Diagnostic;
use crate::authproxy::BuiltinApplication;
use crate::authproxy::differences::Difference;
use crate::disk::FileRead;

/// A file, with the files that it names.
pub trait ConfigSource: Send + Sync + 'static {
    /// The file itself.
    fn path(&self) -> &Path;

    /// Reads and checks everything. May block: it is called off the runtime.
    fn load(&self) -> LoadOutcome;
}

/// What reading a source gave.
pub struct LoadOutcome {
    /// Every file that was read or tried, the main one included: all of them are watched.
    pub files: Vec<FileRead>,
    /// Errors and warnings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Where what the file asks for is not what the replaced product did with it.
    pub differences: Vec<&'static Difference>,
    /// The configuration; none when the file is refused.
    pub draft: Option<FileDraft>,
}

/// A configuration that is good but for the applications of the built-in second factor.
pub struct FileDraft {
    /// The main file's text. It holds secrets.
    pub text: Secret<String>,
    /// Integrations whose application the built-in second factor makes.
    pub builtin: Vec<BuiltinApplication>,
    /// Puts those applications in, by integration id; the revision number is left 0.
    pub finish: Box<Finish>,
}

/// Makes the snapshot from the built-in applications, by integration id.
pub type Finish = dyn FnOnce(&BTreeMap<String, raw::Application>) -> raw::Snapshot + Send;
