//! `factors` and what hangs on it: which factors a section has, how it asks for one, and which
//! options beside each other change nothing.

use proto::config::{FactorChoice, Mode, Prompt, PromptFormat};

use super::context::Context;
use super::sections::Section;
use super::values;

/// The factors of a section, each once, in the order in which they are written.
pub(super) fn factors(
    context: &mut Context<'_>,
    section: &Section,
    mode: Mode,
) -> Vec<FactorChoice> {
    let mut chosen = Vec::new();
    for word in values::list(section.effective("factors")) {
        let factor = FactorChoice::ALL
            .iter()
            .copied()
            .find(|one| word.eq_ignore_ascii_case(one.as_str()));
        chosen.extend(factor.filter(|one| !chosen.contains(one)));
    }
    if chosen.is_empty() {
        chosen.push(FactorChoice::Auto);
    }
    if section.entry("factors").is_none_or(|entry| entry.good) {
        match mode {
            Mode::Auto => say_unreached(context, section, &chosen),
            Mode::Challenge => say_idle_filter(context, section, &chosen),
            Mode::Eap | Mode::Concat | Mode::DuoOnly => {}
        }
        say_idle_retries(context, section, mode, &chosen);
    }
    chosen
}

/// How a section asks.
pub(super) fn prompt(section: &Section) -> Prompt {
    Prompt {
        format: PromptFormat::ALL
            .iter()
            .copied()
            .find(|one| {
                section
                    .effective("prompt_format")
                    .eq_ignore_ascii_case(one.as_str())
            })
            .unwrap_or(PromptFormat::Console),
        enroll_challenge: section.value("enroll_challenge").is_none()
            || section.boolean("enroll_challenge"),
        split: section.boolean("prompt_split"),
        passcode_retries: section
            .effective("passcode_retries")
            .parse()
            .unwrap_or_default(),
    }
}

/// In order of preference: a passcode can be asked of every user, whatever the devices.
fn say_unreached(context: &mut Context<'_>, section: &Section, chosen: &[FactorChoice]) {
    let at = chosen.iter().position(|one| *one == FactorChoice::Passcode);
    let behind = at.and_then(|at| chosen.get(at + 1..)).unwrap_or_default();
    if let (Some(entry), false) = (section.entry("factors"), behind.is_empty()) {
        context.warn(
            section,
            entry,
            format!(
                "a passcode can be asked of every user, so what stands behind it is never used: {}",
                listed(behind)
            ),
            "write passcode as the last one, or remove what stands behind it",
        );
    }
}

/// A filter: what looks narrower than it is, and codes that are sent for nothing.
fn say_idle_filter(context: &mut Context<'_>, section: &Section, chosen: &[FactorChoice]) {
    let Some(entry) = section.entry("factors") else {
        return;
    };
    let has = |one| chosen.contains(&one);
    if has(FactorChoice::Auto) && chosen.len() > 1 {
        let others: Vec<_> = chosen
            .iter()
            .copied()
            .filter(|one| *one != FactorChoice::Auto)
            .collect();
        let others = listed(&others);
        context.warn(
            section,
            entry,
            format!("auto offers every factor, so it changes nothing to write {others} beside it"),
            format!("write factors=auto, or to offer nothing else, leave auto out: {others}"),
        );
    } else if has(FactorChoice::Sms) && !has_passcodes(chosen) {
        context.warn(
            section,
            entry,
            "sms sends passcodes, and without passcode none of them is accepted",
            "write passcode too, or remove sms",
        );
    }
}

fn say_idle_retries(
    context: &mut Context<'_>,
    section: &Section,
    mode: Mode,
    chosen: &[FactorChoice],
) {
    let (why, remedy) = match mode {
        Mode::Auto if !chosen.contains(&FactorChoice::Passcode) => (
            "nobody is asked for a passcode here",
            "write passcode among the factors, as in factors=auto,passcode, or remove this line",
        ),
        Mode::Challenge if !has_passcodes(chosen) => (
            "no passcode is accepted here",
            "write passcode among the factors, or remove this line",
        ),
        _ => return,
    };
    if let Some(entry) = section.entry("passcode_retries")
        && entry.good
        && section.number("passcode_retries") > 0
    {
        context.warn(
            section,
            entry,
            format!("{why}, so this option has no effect"),
            remedy,
        );
    }
}

/// Whether a menu with these factors takes passcodes.
fn has_passcodes(chosen: &[FactorChoice]) -> bool {
    chosen.contains(&FactorChoice::Auto) || chosen.contains(&FactorChoice::Passcode)
}

fn listed(factors: &[FactorChoice]) -> String {
    let words: Vec<_> = factors.iter().map(|one| one.as_str()).collect();
    words.join(",")
}
