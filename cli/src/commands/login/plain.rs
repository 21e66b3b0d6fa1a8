//! A login with a password in the request, and questions as challenges.

use dataplane::radius::{AttributeType, Code};
use proto::event::{AuthEvent, Reason};
use proto::secret::Secret;
use serde_json::json;

use super::answer_to_prompt;
use super::wire::Wire;
use crate::failure::Failure;
use crate::{explain, output};

/// What the node answered.
struct Reply {
    code: Code,
    messages: Vec<String>,
    state: Option<Vec<u8>>,
}

pub(super) async fn run(
    wire: &Wire,
    user: &str,
    password: Secret<String>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut typed = password;
    let mut state: Option<Vec<u8>> = None;
    // As many rounds as there are identifiers: a node that goes on asking is not waited out.
    for round in 0..=u8::MAX {
        let (reply, event) = wire
            .recorded(ask(wire, round, user, &typed, state.as_deref()))
            .await?;
        show(&reply, event.as_ref(), as_json);
        match reply.code {
            Code::ACCESS_ACCEPT => return Ok(()),
            Code::ACCESS_CHALLENGE => {
                typed = answer_to_prompt("Answer: ".to_owned()).await?;
                state = reply.state;
            }
            _ => return Err(Failure::plain("")),
        }
    }
    Err(Failure::plain("too many questions"))
}

async fn ask(
    wire: &Wire,
    identifier: u8,
    user: &str,
    typed: &Secret<String>,
    state: Option<&[u8]>,
) -> Result<Reply, Failure> {
    let answer = wire
        .ask(identifier, |request| {
            request
                .attribute(AttributeType::USER_NAME, user.as_bytes())?
                .user_password(typed.expose().as_bytes())?;
            if let Some(state) = state {
                request.attribute(AttributeType::STATE, state)?;
            }
            Ok(())
        })
        .await?;
    let packet = answer.packet()?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Ok(Reply {
        code: packet.code(),
        messages: packet.all(AttributeType::REPLY_MESSAGE).map(text).collect(),
        state: packet.first(AttributeType::STATE).map(<[u8]>::to_vec),
    })
}

fn show(reply: &Reply, event: Option<&AuthEvent>, as_json: bool) {
    if as_json {
        output::json(&json!({
            "code": reply.code.to_string(),
            "reply_messages": reply.messages,
            "login": event,
        }));
        return;
    }
    match event {
        // An event leaves out the link to enrol, which is for who logs in to read.
        Some(event) if event.reason == Reason::NotEnrolled => explain::print(&AuthEvent {
            reply_message: Some(reply.messages.concat()),
            ..event.clone()
        }),
        Some(event) => explain::print(event),
        None => output::line(format_args!("{}  {}", reply.code, reply.messages.join(" "))),
    }
}
