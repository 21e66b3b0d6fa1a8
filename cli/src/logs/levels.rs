//! How much is logged of what: `--log`, what the configuration's `debug` adds, and what was said live.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Targets and their levels: `info`, `dataplane=debug,info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Of what is not named.
    rest: Option<LevelFilter>,
    named: BTreeMap<String, LevelFilter>,
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (target, level) = match part.split_once('=') {
                Some((target, level)) => (Some(target.trim()), level.trim()),
                None => (None, part),
            };
            let level = level_of(level).ok_or_else(|| {
                format!("'{level}' is no level; write off, error, warn, info, debug or trace")
            })?;
            match target {
                None => filter.rest = Some(level),
                Some(target) if is_target(target) => {
                    if filter.named.len() >= MOST_TARGETS {
                        return Err(format!("more than {MOST_TARGETS} targets"));
                    }
                    filter.named.insert(target.to_owned(), level);
                }
                Some(target) => {
                    return Err(format!(
                        "'{target}' is no target; write one such as dataplane::primary"
                    ));
                }
            }
        }
        if filter == Self::default() {
            return Err("nothing is said; write a level such as info".to_owned());
        }
        Ok(filter)
    }
}

impl Filter {
    /// What is named in it.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self
            .named
            .iter()
            .map(|(name, level)| format!("{name}={level}"));
        let all: Vec<String> = self
            .rest
            .iter()
            .map(ToString::to_string)
            .chain(named)
            .collect();
        f.write_str(&all.join(","))
    }
}

fn level_of(word: &str) -> Option<LevelFilter> {
    let word = word.to_ascii_lowercase();
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    levels.contains(&word.as_str()).then(|| word.parse().ok())?
}

fn is_target(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "_:-.".contains(c);
    (1..=TARGET_OCTETS).contains(&text.len()) && text.chars().all(good)
}

/// What is in force: `base` of the command line, `debug` of the configuration, `set` of somebody who
/// said so live, each over what is before it.
fn in_force(base: &Filter, debug: bool, set: &Filter) -> Filter {
    let rest = set.rest.or(base.rest).unwrap_or(LevelFilter::ERROR);
    let mut named = BTreeMap::new();
    // Libraries would log what they carry.
    if rest > LevelFilter::INFO {
        named.extend(OURS.map(|ours| (ours.to_owned(), rest)));
    }
    named.extend(base.named.clone());
    if debug {
        for ours in OURS {
            let level = named.entry(ours.to_owned()).or_insert(rest);
            *level = (*level).max(LevelFilter::DEBUG);
        }
    }
    named.extend(set.named.clone());
    Filter {
        rest: Some(rest.min(LevelFilter::INFO)),
        named,
    }
}

/// The levels of this process, and a way to change them.
#[derive(Clone)]
pub(crate) struct Levels {
    state: Arc<Mutex<Said>>,
    apply: Arc<dyn Fn(Targets) + Send + Sync>,
}

#[derive(Clone, Debug)]
struct Said {
    base: Filter,
    debug: bool,
    set: Filter,
}

impl Levels {
    /// Of a command line's filter; nothing is applied yet.
    pub(crate) fn new(base: Filter, apply: impl Fn(Targets) + Send + Sync + 'static) -> Self {
        Self {
            state: Arc::new(Mutex::new(Said {
                base,
                debug: false,
                set: Filter::default(),
            })),
            apply: Arc::new(apply),
        }
    }

    /// What a filter of the command line means by itself.
    pub(crate) fn of(base: &Filter) -> Targets {
        targets(&in_force(base, false, &Filter::default()))
    }

    pub(crate) fn set_debug(&self, debug: bool) {
        self.change(|said| said.debug = debug);
    }

    fn change(&self, change: impl FnOnce(&mut Said)) -> Shown {
        let mut said = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = said.clone();
        change(&mut said);
        let now = in_force(&said.base, said.debug, &said.set);
        if now != in_force(&before.base, before.debug, &before.set) {
            (self.apply)(targets(&now));
        }
        Shown {
            levels: now.to_string(),
            base: said.base.to_string(),
            debug: said.debug,
            set: said.set.to_string(),
        }
    }

    /// `GET` and `POST /log/levels`, for an admin socket.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route(PATH, get(show).post(change))
            .with_state(self.clone())
    }
}

fn targets(filter: &Filter) -> Targets {
    let rest = filter.rest.unwrap_or(LevelFilter::ERROR);
    Targets::new()
        .with_default(rest)
        .with_targets(filter.named.clone())
}

/// Where the levels are on an admin socket.
pub(crate) const PATH: &str = "/log/levels";

/// The levels of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// What is in force.
    pub(crate) levels: String,
    /// What `--log` says.
    pub(crate) base: String,
    /// Whether the configuration says `debug`.
    pub(crate) debug: bool,
    /// What was said live.
    pub(crate) set: String,
}

/// What is to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// Forget what was said live.
    #[serde(default)]
    pub(crate) reset: bool,
    /// Targets with levels.
    #[serde(default)]
    pub(crate) set: Option<String>,
    /// Whether the configuration says `debug`; for the supervisor.
    #[serde(default)]
    pub(crate) debug: Option<bool>,
}

async fn show(State(levels): State<Levels>) -> Json<Shown> {
    Json(levels.change(|_| {}))
}

async fn change(
    State(levels): State<Levels>,
    Json(change): Json<Change>,
) -> Result<Json<Shown>, (StatusCode, String)> {
    let set: Option<Filter> = match change.set.as_deref().map(str::parse) {
        None => None,
        Some(Ok(filter)) => Some(filter),
        Some(Err(why)) => return Err((StatusCode::BAD_REQUEST, why)),
    };
    let shown = levels.change(|said| {
        if change.reset {
            said.set = Filter::default();
        }
        if let Some(debug) = change.debug {
            said.debug = debug;
        }
        if let Some(set) = set {
            said.set.rest = set.rest.or(said.set.rest);
            said.set.named.extend(set.named);
            while said.set.named.len() > MOST_TARGETS {
                said.set.named.pop_last();
            }
        }
    });
    if change.reset || change.set.is_some() {
        tracing::info!(levels = %shown.levels, "the log's levels were changed");
    }
    Ok(Json(shown))
}

/// Our crates. Libraries below them log packets and statements at `debug` and `trace`.
pub(crate) const OURS: [&str; 6] = [
    "controlplane",
    "countersign",
    "dataplane",
    "local",
    "proto",
    "secondfactor",
];
/// The most targets with levels of their own.
const MOST_TARGETS: usize = 64;
const TARGET_OCTETS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_told() {
        for (text, want) in [
            ("info", Ok("info")),
            ("INFO", Ok("info")),
            ("dataplane=debug,info", Ok("info,dataplane=debug")),
            (" hyper = trace , trace", Ok("trace,hyper=trace")),
            ("off", Ok("off")),
            ("loud", Err("'loud' is no level")),
            ("dataplane=", Err("'' is no level")),
            ("a b=info", Err("'a b' is no target")),
            ("[span]=info", Err("'[span]' is no target")),
            ("", Err("nothing is said")),
            (",", Err("nothing is said")),
            ("3", Err("'3' is no level")),
        ] {
            let read = text.parse::<Filter>().map(|filter| filter.to_string());
            match want {
                Ok(want) => assert_eq!(read.as_deref(), Ok(want), "{text}"),
                Err(want) => assert!(
                    read.clone().unwrap_err().starts_with(want),
                    "{text}: {read:?}"
                ),
            }
        }
    }

    #[test]
    fn libraries_log_what_they_carry_only_when_named() {
        let level = LevelFilter::from_level;
        let (trace, debug, info) = (
            level(tracing::Level::TRACE),
            level(tracing::Level::DEBUG),
            level(tracing::Level::INFO),
        );
        for (base, debug_set, set, ours, library) in [
            ("info", false, "", info, info),
            ("trace", false, "", trace, info),
            ("trace,h2=trace", false, "", trace, trace),
            (
                "warn",
                false,
                "",
                level(tracing::Level::WARN),
                level(tracing::Level::WARN),
            ),
            ("info", true, "", debug, info),
            ("trace", true, "", trace, info),
            ("off", true, "", debug, LevelFilter::OFF),
            ("info", false, "dataplane=trace", trace, info),
            ("info", true, "dataplane=info", info, info),
            ("info", false, "debug", debug, info),
            ("trace", false, "info", info, info),
            ("info", false, "h2=debug", info, debug),
        ] {
            let set: Filter = if set.is_empty() {
                Filter::default()
            } else {
                set.parse().unwrap()
            };
            let filter = targets(&in_force(&base.parse().unwrap(), debug_set, &set));
            for (target, want) in [("dataplane::node", ours), ("h2::codec", library)] {
                let most = [trace, debug, info, level(tracing::Level::WARN)]
                    .into_iter()
                    .find(|level| {
                        level
                            .into_level()
                            .is_some_and(|it| filter.would_enable(target, &it))
                    });
                assert_eq!(
                    most.unwrap_or(LevelFilter::OFF),
                    want,
                    "{base} {debug_set} {set}: {target}"
                );
            }
        }
    }

    #[test]
    fn what_was_said_live_is_applied_and_forgotten() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let levels = Levels::new("info".parse().unwrap(), move |targets| {
            sink.lock().unwrap().push(targets.to_string());
        });
        levels.set_debug(false);
        assert_eq!(seen.lock().unwrap().len(), 0, "nothing has changed");
        levels.set_debug(true);
        let shown = levels.change(|said| said.set = "dataplane=warn".parse().unwrap());
        assert!(shown.levels.contains("dataplane=warn"), "{shown:?}");
        assert!(shown.levels.contains("controlplane=debug"), "{shown:?}");
        levels.set_debug(false);
        let shown = levels.change(|said| said.set = Filter::default());
        assert_eq!(shown.levels, "info");
        assert_eq!(seen.lock().unwrap().len(), 4);
    }
}
