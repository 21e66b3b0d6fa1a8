//! From a flow's answer to the packet.

use std::time::Duration;

use proto::event::Reason;

use super::served::Served;
use crate::eap::packet;
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

/// The EAP part of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EapReply<'a> {
    pub(crate) packet: &'a [u8],
    pub(crate) state: Option<&'a [u8]>,
    /// How long the device should wait for the supplicant before it repeats the packet, in place of
    /// its own few seconds (RFC 3580 section 3.17). None says nothing of it.
    pub(crate) patience: Option<Duration>,
}

impl<'a> EapReply<'a> {
    /// What ends a conversation, or begins and keeps none.
    pub(crate) const fn end(packet: &'a [u8]) -> Self {
        Self {
            packet,
            state: None,
            patience: None,
        }
    }
}

/// What [`EapReply::patience`] takes of an answer.
pub(crate) const PATIENCE_OCTETS: usize = 6;

/// Encodes an answer of EAP; gives it back as it was sent. It has no Reply-Message, whatever the
/// answer says (RFC 3579 section 2.6.5).
///
/// Order: Message-Authenticator, State, EAP-Message, Session-Timeout, attributes, Proxy-State. An answer that does not
/// fit is a reject.
pub(crate) fn encode_eap(
    answer: Answer,
    eap: EapReply<'_>,
    to: &ReplyTo,
    secret: &SharedSecret,
    served: &Served,
) -> (Vec<u8>, Answer) {
    match try_encode_eap(&answer, eap, to, secret, served) {
        Ok(octets) => (octets, answer),
        Err(error) => {
            tracing::error!(
                integration = %served.config.id,
                error = &error as &dyn std::error::Error,
                "the answer cannot be written; rejecting"
            );
            let identifier = eap.packet.get(1).copied().unwrap_or_default();
            let mut builder = ReplyBuilder::new(Code::ACCESS_REJECT, to, secret);
            // An empty answer has room for four octets.
            let _ = builder.eap_message(&packet::end(identifier, false));
            (builder.finish(), Answer::reject(Reason::Internal))
        }
    }
}

fn try_encode_eap(
    answer: &Answer,
    eap: EapReply<'_>,
    to: &ReplyTo,
    secret: &SharedSecret,
    served: &Served,
) -> Result<Vec<u8>, EncodeFailure> {
    let mut builder = ReplyBuilder::new(code(answer.code), to, secret);
    if let Some(state) = eap.state {
        builder.attribute(AttributeType::STATE, state)?;
    }
    builder.eap_message(eap.packet)?;
    if let Some(patience) = eap.patience {
        let seconds = u32::try_from(patience.as_secs()).unwrap_or(u32::MAX);
        builder.attribute(AttributeType::SESSION_TIMEOUT, &seconds.to_be_bytes())?;
    }
    // A part of a question or of a method outside the tunnel is none of this answer's.
    if answer.code == AnswerCode::Accept {
        attributes(&mut builder, answer, to, secret, served)?;
    }
    Ok(builder.finish())
}

fn try_encode(
    answer: &Answer,
    state: Option<&[u8]>,
    to: &ReplyTo,
    secret: &SharedSecret,
    served: &Served,
) -> Result<Vec<u8>, EncodeFailure> {
    let mut builder = ReplyBuilder::new(code(answer.code), to, secret);
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
    attributes(&mut builder, answer, to, secret, served)?;
    Ok(builder.finish())
}

/// Adds what the upstream's answer carried and may pass, encrypted for the client's hop.
fn attributes(
    builder: &mut ReplyBuilder<'_>,
    answer: &Answer,
    to: &ReplyTo,
    secret: &SharedSecret,
    served: &Served,
) -> Result<(), EncodeFailure> {
    if answer.attributes.is_empty() {
        return Ok(());
    }
    let rules: Vec<_> = match answer.code {
        AnswerCode::Reject => Vec::new(),
        AnswerCode::Accept | AnswerCode::Challenge => served.reply_rules().collect(),
    };
    let mut salt = [0; SALT_OCTETS];
    crate::random::fill(&mut salt).map_err(|_| EncodeFailure::NoRandom)?;
    let hop = Hop {
        authenticator: to.authenticator(),
        secret,
    };
    let framed = reply_attributes::encode(&answer.attributes, &rules, hop, salt);
    builder.raw(&framed)?;
    Ok(())
}

const fn code(answer: AnswerCode) -> Code {
    match answer {
        AnswerCode::Accept => Code::ACCESS_ACCEPT,
        AnswerCode::Reject => Code::ACCESS_REJECT,
        AnswerCode::Challenge => Code::ACCESS_CHALLENGE,
    }
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
