//! `countersign events`: what became of logins, from the control plane's store and its live stream.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use controlplane::admin::{EVENTS_PER_PAGE, EventCursor, EventFilter, EventFormat, StoredEvent};
use local::{CallError, Client};
use proto::child::Role;
use proto::event::AuthEvent;
use serde::Deserialize;

use crate::args::EventsArgs;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: EventsArgs) -> Result<(), Failure> {
    let client = DataDir::new(args.tool.data.data_dir.clone())?.client(Role::ControlPlane)?;
    let shown = match (args.tool.output.json, args.steps) {
        (true, _) => Shown::Json,
        (false, true) => Shown::Steps,
        (false, false) => Shown::Lines,
    };
    let (limit, follow, csv) = (args.limit, args.follow, args.csv);
    let filter = filter(args);
    if csv {
        return export(&client, filter, EventFormat::Csv, limit).await;
    }
    if !follow {
        return match shown {
            Shown::Json => export(&client, filter, EventFormat::Jsonl, limit).await,
            Shown::Lines | Shown::Steps => {
                let found = newest(&client, filter, limit.unwrap_or(SHOWN)).await?;
                found.iter().rev().for_each(|stored| shown.print(stored));
                Ok(())
            }
        };
    }
    // What is stored between these two comes by the stream, since it begins behind the newest.
    let wants_past = filter.from.is_some() || limit.is_some();
    let last = newest(&client, EventFilter::default(), 1).await?;
    let mut after = match wants_past {
        true => {
            let found = newest(&client, filter.clone(), limit.unwrap_or(SHOWN)).await?;
            found.iter().rev().for_each(|stored| shown.print(stored));
            found.iter().chain(&last).map(|stored| stored.seq).max()
        }
        false => None,
    };
    loop {
        let stream = EventFilter {
            after,
            ..filter.clone()
        };
        let path = format!("{PATH}?{}", stream.query());
        let mut lines = client
            .get_lines(&path, "text/event-stream")
            .await
            .map_err(|error| failed(&error))?;
        while let Ok(Some(line)) = lines.next().await {
            let line = String::from_utf8_lossy(&line);
            if let Some(id) = line.strip_prefix("id: ") {
                after = id.parse().ok().or(after);
            } else if let Some(data) = line.strip_prefix("data: ") {
                show(data, shown);
            }
        }
        // The control plane is started again by its supervisor; without one the next call fails.
        tokio::time::sleep(AGAIN).await;
    }
}

/// What a stream's frame says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Login(Box<StoredEvent>),
    Lagged { missed: u64 },
}

fn show(data: &str, shown: Shown) {
    match serde_json::from_str(data) {
        Ok(Said::Login(stored)) => shown.print(&stored),
        Ok(Said::Lagged { missed }) => output::question(format_args!(
            "{missed} events came faster than they were read; ask for them without --follow\n"
        )),
        // Of a newer control plane.
        Err(_) => {}
    }
}

/// How events are printed.
#[derive(Clone, Copy)]
enum Shown {
    Lines,
    Steps,
    Json,
}

impl Shown {
    fn print(self, stored: &StoredEvent) {
        match self {
            Self::Json => output::json_line(stored),
            Self::Lines => output::line(format_args!("{}", line(&stored.event))),
            Self::Steps => {
                output::line(format_args!("{}", line(&stored.event)));
                for step in &stored.event.timeline {
                    output::line(format_args!(
                        "    {:>10} ms  {:<8} {}",
                        milliseconds(step.at_us),
                        step.stage.as_str(),
                        output::printable(&step.detail)
                    ));
                }
            }
        }
    }
}

/// One login on one line.
fn line(event: &AuthEvent) -> String {
    let mut line = format!(
        "{}  {:<10}  {}  {}  {}",
        proto::date::utc(event.at_ms),
        event.outcome.as_str().to_uppercase(),
        event
            .user
            .as_deref()
            .map_or_else(|| "-".to_owned(), output::printable),
        event.integration,
        event.reason,
    );
    // A String takes anything.
    if let Some(factor) = event.factor {
        let _written = write!(line, " by {factor}");
    }
    let _written = write!(
        line,
        "  from {}  {} ms  {}",
        event.shown_client(),
        milliseconds(event.elapsed_us),
        event.id
    );
    line
}

fn milliseconds(microseconds: u64) -> String {
    format!("{}.{}", microseconds / 1_000, microseconds % 1_000 / 100)
}

fn filter(args: EventsArgs) -> EventFilter {
    let since = args.since.map(|since| {
        let past = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        controlplane::admin::Moment(controlplane::now_ms().saturating_sub(past))
    });
    EventFilter {
        user: args.user,
        integration: args.integration,
        node: args.node,
        outcome: args.outcome,
        reason: args.reason,
        factor: args.factor,
        client: args.client,
        text: args.text,
        first: args.login,
        test: args.test,
        from: since.or(args.from),
        to: args.to,
        ..EventFilter::default()
    }
}

/// A page of the REST API.
#[derive(Deserialize)]
struct Page {
    items: Vec<StoredEvent>,
    next: Option<EventCursor>,
}

/// The newest that match, newest first.
async fn newest(
    client: &Client,
    mut filter: EventFilter,
    limit: u32,
) -> Result<Vec<StoredEvent>, Failure> {
    let mut found: Vec<StoredEvent> = Vec::new();
    loop {
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let left = limit.saturating_sub(count);
        if left == 0 {
            return Ok(found);
        }
        filter.limit = Some(left.min(EVENTS_PER_PAGE));
        let path = format!("{PATH}?{}", filter.query());
        let page: Page = client
            .get(&path, LIMIT)
            .await
            .map_err(|error| failed(&error))?;
        found.extend(page.items);
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => return Ok(found),
        }
    }
}

/// Prints all that match as they come.
async fn export(
    client: &Client,
    mut filter: EventFilter,
    format: EventFormat,
    limit: Option<u32>,
) -> Result<(), Failure> {
    filter.format = Some(format);
    filter.limit = limit;
    let path = format!("{PATH}?{}", filter.query());
    let mut lines = client
        .get_lines(&path, "*/*")
        .await
        .map_err(|error| failed(&error))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    while let Some(line) = lines.next().await.map_err(|error| failed(&error))? {
        // A reader that has gone, such as `head`, is no fault.
        if out
            .write_all(&line)
            .and_then(|()| out.write_all(b"\n"))
            .is_err()
        {
            return Ok(());
        }
    }
    drop(out.flush());
    Ok(())
}

/// What the control plane says of a request that it refuses.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

fn failed(error: &CallError) -> Failure {
    if let CallError::Refused { status, body } = error
        && let Ok(Problem { detail }) = serde_json::from_str(body)
    {
        return match status {
            400 => Failure::usage(detail),
            _ => Failure::plain(detail),
        };
    }
    Failure::new(
        "the control plane cannot be asked; is this the right --data-dir?",
        error,
    )
}

const PATH: &str = "/api/v1/events";
/// How many are shown to a person who does not say how many.
const SHOWN: u32 = 100;
const LIMIT: Duration = Duration::from_secs(60);
/// How long after the stream ended it is opened again.
const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_login_is_one_line_that_a_name_cannot_break() {
        let event = json!({
            "id": "00000000000000000000000000000001", "at_ms": 1_763_822_487_000_u64, "node": "one",
            "revision": 1, "integration": "radius_server_auto", "ikey": "DI",
            "client": "192.0.2.1:1024", "user": "a\u{1b}[2J\nb", "outcome": "reject",
            "reason": "denied", "factor": "push", "elapsed_us": 1_234_567, "timeline": [],
        });
        let event: AuthEvent = serde_json::from_value(event).unwrap();
        assert_eq!(
            line(&event),
            "2025-11-22T14:41:27Z  REJECT      a\u{fffd}[2J\u{fffd}b  radius_server_auto  \
             denied by push  from 192.0.2.1  1234.5 ms  00000000000000000000000000000001"
        );
    }

    #[test]
    fn a_frame_is_a_login_or_what_was_missed() {
        let lagged = serde_json::from_str::<Said>("{\"missed\":7}").unwrap();
        assert!(matches!(lagged, Said::Lagged { missed: 7 }));
        assert!(serde_json::from_str::<Said>("{\"later\":7}").is_err());
    }
}
