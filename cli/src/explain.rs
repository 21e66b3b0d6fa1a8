//! A login's timeline, for a person at a terminal.

use std::fmt::Write;

use proto::event::{AuthEvent, Outcome, Reason};

use crate::output;

/// Prints it on standard output.
pub(crate) fn print(event: &AuthEvent) {
    output::line(format_args!("{}", timeline(event)));
    if event.reason == Reason::PrimaryOnly {
        output::alarm(format_args!(
            "PRIMARY ONLY    this login passed without the second factor"
        ));
    }
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
        text.push_str("\n  the user reads: ");
        for (number, line) in message.trim_end().lines().enumerate() {
            let indent = match (number, line) {
                (0, _) => "",
                (_, "") => "\n",
                _ => "\n                  ",
            };
            let _ = write!(text, "{indent}{line}");
        }
    }
    text
}

fn milliseconds(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> AuthEvent {
        serde_json::from_value(serde_json::json!({
            "id": "0".repeat(32), "at_ms": 0, "node": "local", "revision": 1,
            "integration": "radius_server_challenge", "ikey": "DI", "client": "10.0.0.1:1",
            "user": "alice", "outcome": "challenge", "reason": "prompted",
            "reply_message": message, "elapsed_us": 5,
            "timeline": [{"stage": "answer", "at_us": 1_500, "elapsed_us": 0, "detail": "Access-Challenge"}],
        }))
        .unwrap()
    }

    #[test]
    fn a_menu_stands_below_the_timeline_line_by_line() {
        let before = "ASKED  alice  radius_server_challenge, prompted (revision 1)\n      \
            1.5 ms              answer   Access-Challenge\n  the user reads:";
        for (message, want) in [
            ("Enter passcode:", " Enter passcode:"),
            (
                "For alice\n\n1. Push\n\nOption (1-1): ",
                " For alice\n\n                  1. Push\n\n                  Option (1-1):",
            ),
        ] {
            assert_eq!(timeline(&event(message)), format!("{before}{want}"));
        }
    }
}
