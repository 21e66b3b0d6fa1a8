//! What a mode ignores, put where a file leaves it.
//!
//! A section has no option for what its mode ignores, and what is made over REST has a value there
//! all the same. Settled so, both say the same of what is served.

use proto::config::{FactorChoice, Mode, Prompt, raw};

/// The snapshot with every such setting at what a file gives, and the paths of those that were not.
pub(super) fn settle(snapshot: &raw::Snapshot) -> (raw::Snapshot, Vec<String>) {
    let mut settled = snapshot.clone();
    let mut left_out = Vec::new();
    // A draft has no number yet.
    settled.revision = settled.revision.max(1);
    for (index, one) in settled.integrations.iter_mut().enumerate() {
        let mut note = |field: &str| left_out.push(format!("integrations[{index}].{field}"));
        if matches!(one.mode, Mode::Challenge | Mode::DuoOnly) {
            let append = raw::Append {
                allow: false,
                ..raw::Append::default()
            };
            put(&mut one.append, append, || note("append"));
        }
        if matches!(one.mode, Mode::Concat | Mode::DuoOnly) {
            put(&mut one.factors, vec![FactorChoice::Auto], || {
                note("factors")
            });
        }
        let prompt = match one.mode {
            Mode::Challenge => one.prompt.clone(),
            Mode::Auto | Mode::Eap => Prompt {
                passcode_retries: one.prompt.passcode_retries,
                ..Prompt::default()
            },
            Mode::Concat | Mode::DuoOnly => Prompt::default(),
        };
        put(&mut one.prompt, prompt, || note("prompt"));
        if one.mode == Mode::DuoOnly {
            put(&mut one.exempt_users, Vec::new(), || note("exempt_users"));
        }
    }
    (settled, left_out)
}

fn put<T: PartialEq>(place: &mut T, value: T, note: impl FnOnce()) {
    if *place != value {
        *place = value;
        note();
    }
}
