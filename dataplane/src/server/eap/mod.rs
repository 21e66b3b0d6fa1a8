//! Mode `eap`: conversations of many requests, each in its tunnel.

mod accept;
pub(crate) mod certificate;
#[cfg(test)]
pub(super) mod harness;
mod last_words;
mod session;
mod sessions;
mod sparingly;
mod state;
mod talk;
mod threads;
pub(crate) mod tls;
mod tunnel;

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::event::{Outcome, Reason, Stage};

pub(crate) use self::sessions::Sessions;
pub(crate) use self::threads::{EapThreads, Line, QueueFull};

use self::session::Session;
use self::sessions::{TOKEN_OCTETS, Token};
use self::state::EapState;
use self::talk::{ResponseDigest, digest};
use super::exchange::Exchange;
use super::receive::Shared;
use super::record::Record;
use super::reply::{self, EapReply};
use crate::clock;
use crate::eap::packet::{self, EapType, Response};
use crate::flow::request::shown_user;
use crate::flow::{Answer, AnswerCode, texts};
use crate::radius::{AttributeType, MAX_VALUE_OCTETS, Packet};

/// Where a request of an integration in mode `eap` waits.
pub(crate) fn line(shared: &Shared, packet: &Packet<'_>) -> Line {
    Line::of(packet, |token| shared.sessions().is_answered(token))
}

/// Takes a request of an integration in mode `eap`.
fn receive(exchange: Exchange, packet: &Packet<'_>) {
    let Some(eap) = packet.eap_message() else {
        return refuse(
            exchange,
            packet,
            Answer::reject_with(Reason::UnsupportedMethod, texts::NO_EAP),
            "the request has no EAP-Message: the section wants EAP",
        );
    };
    // RFC 3579 section 2.1: a device that knows no name yet begins with nothing.
    if eap.is_empty() {
        return ask_identity(exchange);
    }
    let response = match Response::parse(&eap) {
        Ok(response) => response,
        // Amid a conversation it is as if it had not come (RFC 3748 section 4.1): somebody on the link
        // is not to end it with one.
        Err(error) if is_under_way(&exchange.shared, packet) => {
            tracing::debug!(client = %exchange.arrival.source, %error, "EAP ignored");
            return;
        }
        Err(error) => {
            let detail = error.to_string();
            let answer = Answer::reject(Reason::BadRequest);
            return refuse(exchange, packet, answer, &detail);
        }
    };
    match packet.first(AttributeType::STATE) {
        // hostapd sends the State of a conversation that it broke off beside the name that begins
        // the next. A name answers nothing of ours, so it always begins one.
        _ if response.kind == EapType::IDENTITY => begin(exchange, packet, &response, &eap),
        None => reject(
            exchange,
            packet,
            "an EAP conversation begins with a name, and this one has no State",
        ),
        Some(octets) => match EapState::read(octets) {
            None => reject(
                exchange,
                packet,
                "the State is none of an EAP conversation here",
            ),
            Some(state) => go_on(exchange, packet, &state, &response, &eap),
        },
    }
}

/// Whether a request brings the State of a conversation that is under way here.
fn is_under_way(shared: &Shared, packet: &Packet<'_>) -> bool {
    let state = packet.first(AttributeType::STATE).and_then(EapState::read);
    state.is_some_and(|state| shared.sessions().find(&state.token).is_some())
}

/// Whether a request goes on with a conversation of this node that this process knows nothing of: it is
/// one of the process before. A name begins one, whatever State is beside it.
pub(crate) fn is_elsewhere(shared: &Shared, packet: &Packet<'_>) -> bool {
    let state = packet.first(AttributeType::STATE).and_then(EapState::read);
    let Some(state) = state.filter(|state| state.node == shared.node.as_str()) else {
        return false;
    };
    let known = {
        let sessions = shared.sessions();
        sessions.find(&state.token).is_some() || sessions.last_words().has(&state.token)
    };
    !known
        && packet.eap_message().is_some_and(|eap| {
            Response::parse(&eap).is_ok_and(|response| response.kind != EapType::IDENTITY)
        })
}

fn go_on(
    exchange: Exchange,
    packet: &Packet<'_>,
    state: &EapState,
    response: &Response<'_>,
    eap: &[u8],
) {
    let found = exchange.shared.sessions().find(&state.token);
    match found {
        Some(session) => session.receive(exchange, packet, response, eap),
        None if state.node != exchange.shared.node.as_str() => {
            let detail = format!(
                "the EAP conversation is at the node {}, and cannot go on here: the balancer has to \
                 send all of a device's requests to one node",
                state.node
            );
            reject(exchange, packet, &detail);
        }
        None => is_over(exchange, packet, &state.token, &digest(eap)),
    }
}

/// Answers a response to a conversation that is over: as before, where it is the one that ended it.
fn is_over(mut exchange: Exchange, packet: &Packet<'_>, token: &Token, heard: &ResponseDigest) {
    let (client, now) = (exchange.arrival.source.ip(), exchange.arrival.now);
    let integration = &exchange.client.served.config.id;
    let word = exchange
        .shared
        .sessions()
        .last_words()
        .find(now, token, client, integration, heard);
    let Some(word) = word else {
        let detail = "the EAP conversation is over: it has its answer already, it took too long, or \
                      the node was started again";
        return reject(exchange, packet, detail);
    };
    let reply = EapReply::end(&word.packet);
    let device = Arc::clone(&exchange.client);
    let (octets, _) = reply::encode_eap(
        word.answer,
        reply,
        &exchange.reply_to,
        &device.secret,
        &word.served,
    );
    exchange.answer(octets);
}

fn begin(exchange: Exchange, packet: &Packet<'_>, response: &Response<'_>, eap: &[u8]) {
    // The NAS copies the name into User-Name (RFC 3579 section 2.1), where it is read by others.
    let name = packet
        .first(AttributeType::USER_NAME)
        .unwrap_or(response.data);
    let outer = match std::str::from_utf8(name) {
        Ok(name) if !name.contains(char::is_control) => name.to_owned(),
        _ => {
            let answer = Answer::reject_with(Reason::BadRequest, texts::UNREADABLE_USER_NAME);
            return refuse(exchange, packet, answer, texts::UNREADABLE_USER_NAME);
        }
    };
    let mut token = [0; TOKEN_OCTETS];
    if crate::random::fill(&mut token).is_err() {
        let answer = Answer::reject(Reason::Internal);
        return refuse(
            exchange,
            packet,
            answer,
            "the system gives no random numbers",
        );
    }
    let (session, first) = Session::begin(token, &exchange, packet, response, eap, outer);
    let shared = Arc::clone(&exchange.shared);
    expire(&shared);
    let client = exchange.arrival.source.ip();
    let standing = session.standing();
    let begun = {
        let mut sessions = shared.sessions();
        // Under the lock: who stops them all is not to miss one.
        if shared.abandoned.is_cancelled() {
            return;
        }
        sessions.begin(token, Arc::clone(&session), client, standing)
    };
    match begun {
        Ok(()) => session.challenge(exchange, &first),
        Err(full) => {
            shared
                .metrics
                .eap_refused
                .with_label_values(&[full.label()])
                .inc();
            let answer = Answer::reject(Reason::Overloaded);
            let told = shared.sessions().tells_refusal(clock::now());
            match told {
                Some(untold) => refuse(exchange, packet, answer, &format!("{full}{untold}")),
                None => {
                    send_reject(exchange, packet, answer);
                }
            }
        }
    }
}

/// Lets conversations go that nobody goes on with, and tells of them; gives how many. Never more than
/// a few at a time, so that a request that comes after a flood does not pay for it.
pub(crate) fn expire(shared: &Shared) -> usize {
    for count in 0..EXPIRED_AT_A_TIME {
        let expired = shared.sessions().expire(clock::now());
        match expired {
            Some(session) => session.abandoned(shared),
            None => return count,
        }
    }
    EXPIRED_AT_A_TIME
}

/// Tells of all that are under way that the node stops. None begins after.
pub(crate) fn stop(shared: &Shared) {
    loop {
        let left = shared.sessions().pop();
        match left {
            Some(session) => session.stopped(shared),
            None => return,
        }
    }
}

/// How many ends were let go of before their time since the start.
pub(crate) fn last_words_evicted(shared: &Shared) -> u64 {
    shared.sessions().last_words().evicted()
}

/// How many conversations are under way.
pub(crate) fn sessions_under_way(shared: &Shared) -> usize {
    shared.sessions().len()
}

/// Asks who it is. Nothing is kept of it: the answer begins a conversation.
fn ask_identity(mut exchange: Exchange) {
    let identifier = exchange.reply_to.identifier();
    let packet = packet::request(identifier, EapType::IDENTITY, &[]);
    let answer = Answer {
        code: AnswerCode::Challenge,
        ..Answer::reject(Reason::Prompted)
    };
    let reply = EapReply::end(&packet);
    let client = Arc::clone(&exchange.client);
    let (octets, _) = reply::encode_eap(
        answer,
        reply,
        &exchange.reply_to,
        &client.secret,
        &client.served,
    );
    exchange.answer(octets);
}

/// Rejects a request that goes on with no conversation here.
fn reject(exchange: Exchange, packet: &Packet<'_>, detail: &str) {
    refuse(
        exchange,
        packet,
        Answer::reject(Reason::UnknownState),
        detail,
    );
}

/// Rejects a request that is part of no conversation, and says why in its event.
fn refuse(exchange: Exchange, packet: &Packet<'_>, answer: Answer, detail: &str) {
    let mut record = Record::new(&exchange, packet);
    record.user = shown_user(packet);
    record.note(
        Stage::Client,
        exchange.arrival.now,
        Duration::ZERO,
        detail.to_owned(),
    );
    let shared = Arc::clone(&exchange.shared);
    let (reason, reply_message) = (answer.reason, answer.reply_message.clone());
    let now = send_reject(exchange, packet, answer);
    let detail = format!("Access-Reject ({reason})");
    record.note(Stage::Answer, now, Duration::ZERO, detail);
    record.tell(&shared, now, Outcome::Reject, reason, None, reply_message);
}

/// Rejects a request that is part of no conversation, without an event. Gives the moment.
fn send_reject(mut exchange: Exchange, packet: &Packet<'_>, answer: Answer) -> Instant {
    let client = Arc::clone(&exchange.client);
    let (to, secret, served) = (&exchange.reply_to, &client.secret, &client.served);
    let (octets, _) = match packet.eap_message() {
        Some(eap) => {
            let failure = packet::end(eap.get(1).copied().unwrap_or_default(), false);
            let reply = EapReply::end(&failure);
            reply::encode_eap(answer, reply, to, secret, served)
        }
        None => reply::encode(answer, None, to, secret, served),
    };
    exchange.answer(octets)
}

/// How much of a message a packet may hold: what is safe, less where the device says so with a
/// Framed-MTU (RFC 3579 section 2.4) that makes sense, and no more than an answer has room for.
fn fragment_octets(packet: &Packet<'_>, room: usize) -> usize {
    let mtu = packet
        .first(AttributeType::FRAMED_MTU)
        .and_then(|octets| <[u8; 4]>::try_from(octets).ok())
        .and_then(|octets| usize::try_from(u32::from_be_bytes(octets)).ok());
    let wanted = match mtu {
        Some(mtu) => mtu
            .saturating_sub(EAP_OVERHEAD)
            .clamp(MIN_FRAGMENT_OCTETS, MAX_FRAGMENT_OCTETS),
        None => MAX_FRAGMENT_OCTETS,
    };
    // In attributes of full length.
    let room = room.saturating_sub(reply::PATIENCE_OCTETS);
    let fits = room / (MAX_VALUE_OCTETS + 2) * MAX_VALUE_OCTETS;
    wanted.min(fits.saturating_sub(EAP_OVERHEAD))
}

/// Header, type, flags and length of a fragment.
const EAP_OVERHEAD: usize = 10;
const MIN_FRAGMENT_OCTETS: usize = 256;
const MAX_FRAGMENT_OCTETS: usize = 1_024;
const EXPIRED_AT_A_TIME: usize = 16;
