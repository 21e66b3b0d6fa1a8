//! On what a change of the whole configuration is based: a dry run says it, and `If-Match` with it makes
//! sure that what was shown is what is done. Pure.

use proto::config::raw;
use serde_json::json;

use super::masked::{self, Fingerprints};
use super::problem::{Kind, Problem};
use super::resource::{Precondition, entity_tag};
use crate::store::DraftVersion;

/// The entity tag of a configuration, with the draft that is to be applied to it.
///
/// # Errors
/// As [`masked::configuration`].
pub(crate) fn tag(
    snapshot: &raw::Snapshot,
    draft: Option<DraftVersion>,
    prints: &Fingerprints,
) -> Result<String, Problem> {
    let shown = masked::configuration(snapshot, prints)?;
    Ok(match draft {
        // Writes are only added to a draft: their number tells.
        Some(DraftVersion { id, writes }) => entity_tag(&json!([shown, id, writes])),
        None => entity_tag(&shown),
    })
}

/// Whether a change that was shown before may be made.
///
/// # Errors
/// [`Kind::Changed`].
pub(crate) fn hold(
    based: &Precondition,
    snapshot: &raw::Snapshot,
    draft: Option<DraftVersion>,
    prints: &Fingerprints,
) -> Result<(), Problem> {
    let met = match based {
        Precondition::None => true,
        Precondition::Match(tags) => {
            let is = tag(snapshot, draft, prints)?;
            tags.iter().any(|tag| *tag == is || tag == "*")
        }
        // There is always a configuration, be it empty.
        Precondition::Absent => false,
    };
    match met {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Changed,
            "it is not as it was when this was shown; try it with dry_run again first",
        )),
    }
}
