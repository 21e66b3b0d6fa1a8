//! From a flow's answer to the packet.

use proto::event::Reason;

use super::served::Served;
use crate::flow::{Answer, AnswerCode};
use crate::primary::{UpstreamAttribute, reply_attributes};
use crate::radius::salted::{Hop, SALT_OCTETS};
use crate::radius::{AttributeType, Code, EncodeError, ReplyBuilder, ReplyTo, SharedSecret};

/// Encodes an answer; gives it back as it was sent.
///
/// Order: Message-Authenticator, State, Reply-Message, passed-through attributes, Proxy-State
/// (observed section 3, with the Message-Authenticator in front). An accept whose attributes do not
/// fit is a reject: without them the client might let the user do more than it should.
pub(crate) fn encode(
    answer: Answer,
    state: Option<&[u8]>,
    to: &ReplyTo,
    secret: &SharedSecret,
    served: &Served,
) -> (Vec<u8>, Answer) {
    match try_encode(&answer, state, to, secret, served) {
        Ok(octets) => (octets, answer),
        Err(error) => {
            tracing::error!(
                integration = %served.config.id,
                error = &error as &dyn std::error::Error,
                "the answer cannot be written; rejecting"
            );
            let mut reject = Answer::reject(Reason::Internal);
            let mut builder = ReplyBuilder::new(Code::ACCESS_REJECT, to, secret);
            if let Some(text) = &reject.reply_message
                && builder.reply_message(text).is_err()
            {
                reject.reply_message = None;
            }
            (builder.finish(), reject)
        }
    }
}

fn try_encode(
    answer: &Answer,
    state: Option<&[u8]>,
    to: &ReplyTo,
    secret: &SharedSecret,
    served: &Served,
) -> Result<Vec<u8>, EncodeFailure> {
    let code = match answer.code {
        AnswerCode::Accept => Code::ACCESS_ACCEPT,
        AnswerCode::Reject => Code::ACCESS_REJECT,
        AnswerCode::Challenge => Code::ACCESS_CHALLENGE,
    };
    let mut builder = ReplyBuilder::new(code, to, secret);
    if let Some(state) = state {
        builder.attribute(AttributeType::STATE, state)?;
    }
    // An upstream's own texts stand in the place of ours.
    if let Some(text) = &answer.reply_message
        && !answer.attributes.iter().any(UpstreamAttribute::is_text)
    {
        // Several only where a prompt may be: every other text fits one.
        builder.reply_messages_split(text)?;
    }
    if !answer.attributes.is_empty() {
        let rules: Vec<_> = match answer.code {
            AnswerCode::Reject => Vec::new(),
            AnswerCode::Accept | AnswerCode::Challenge => served.reply_rules().collect(),
        };
        let mut salt = [0; SALT_OCTETS];
        getrandom::fill(&mut salt).map_err(|_| EncodeFailure::NoRandom)?;
        let hop = Hop {
            authenticator: to.authenticator(),
            secret,
        };
        let framed = reply_attributes::encode(&answer.attributes, &rules, hop, salt);
        builder.raw(&framed)?;
    }
    Ok(builder.finish())
}

/// Why an answer cannot be written.
#[derive(Debug, thiserror::Error)]
enum EncodeFailure {
    /// It does not fit.
    #[error("the attributes do not fit into an answer")]
    Encode(#[from] EncodeError),
    /// No random octets for the salts.
    #[error("the system gives no random numbers")]
    NoRandom,
}
