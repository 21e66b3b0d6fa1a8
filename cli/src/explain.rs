//! A login's timeline, for a person at a terminal.

use std::fmt::Write;

use proto::event::{AuthEvent, Outcome};

use crate::output;

/// Prints it on standard output.
pub(crate) fn print(event: &AuthEvent) {
    output::line(format_args!("{}", timeline(event)));
}

fn timeline(event: &AuthEvent) -> String {
    let verdict = match event.outcome {
        Outcome::Accept => "ACCEPTED",
        Outcome::Reject => "REJECTED",
        Outcome::Challenge => "ASKED",
        Outcome::Unanswered => "UNANSWERED",
    };
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "{verdict}  {}  {}, {} (revision {})",
        event.user.as_deref().unwrap_or("(no name)"),
        event.integration,
        event.reason,
        event.revision,
    );
    for step in &event.timeline {
        let _ = write!(
            text,
            "\n  {:>10}  {:>10}  {:<8} {}",
            milliseconds(step.at_us),
            if step.elapsed_us == 0 {
                String::new()
            } else {
                format!("+{}", milliseconds(step.elapsed_us))
            },
            step.stage.as_str(),
            step.detail,
        );
    }
    if let Some(message) = &event.reply_message {
        let message = message.trim_end().replace('\n', "\n                  ");
        let _ = write!(text, "\n  the user reads: {message}");
    }
    text
}

fn milliseconds(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}
