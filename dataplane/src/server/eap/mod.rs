//! Mode `eap`: conversations of many requests, each in its tunnel.

pub(crate) mod certificate;
mod session;
mod sessions;
mod state;
mod threads;
pub(crate) mod tls;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use proto::event::{Outcome, Reason, Stage};

pub(crate) use self::sessions::Sessions;
pub(crate) use self::threads::{EapThreads, QueueFull};

use self::session::Session;
use self::sessions::TOKEN_OCTETS;
use self::state::EapState;
use super::exchange::Exchange;
use super::receive::Shared;
use super::record::Record;
use super::reply::{self, EapReply};
use crate::clock;
use crate::eap::packet::{self, EapType, Response};
use crate::flow::request::shown_user;
use crate::flow::{Answer, AnswerCode, texts};
use crate::radius::{AttributeType, MAX_VALUE_OCTETS, Packet};

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
        None => reject(exchange, packet, IS_OVER),
    }
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
    if getrandom::fill(&mut token).is_err() {
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
    let begun = shared
        .sessions()
        .begin(token, Arc::clone(&session), client, standing);
    match begun {
        Ok(()) => session.challenge(exchange, &first),
        Err(full) => {
            shared
                .metrics
                .eap_refused
                .with_label_values(&[full.label()])
                .inc();
            let answer = Answer::reject(Reason::Overloaded);
            refuse(exchange, packet, answer, &full.to_string());
        }
    }
}

/// Lets conversations go that nobody goes on with, and tells of them. Never more than a few at a
/// time, so that a request that comes after a flood does not pay for it.
pub(crate) fn expire(shared: &Shared) {
    for _ in 0..EXPIRED_AT_A_TIME {
        let expired = shared.sessions().expire(clock::now());
        match expired {
            Some(session) => session.abandoned(shared),
            None => return,
        }
    }
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
    let reply = EapReply {
        packet: &packet,
        state: None,
    };
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
fn refuse(mut exchange: Exchange, packet: &Packet<'_>, answer: Answer, detail: &str) {
    let mut record = Record::new(&exchange, packet);
    record.user = shown_user(packet);
    record.note(
        Stage::Client,
        exchange.arrival.now,
        Duration::ZERO,
        detail.to_owned(),
    );
    let client = Arc::clone(&exchange.client);
    let octets = match packet.eap_message() {
        Some(eap) => {
            let failure = packet::end(eap.get(1).copied().unwrap_or_default(), false);
            let reply = EapReply {
                packet: &failure,
                state: None,
            };
            let (octets, _) = reply::encode_eap(
                answer.clone(),
                reply,
                &exchange.reply_to,
                &client.secret,
                &client.served,
            );
            octets
        }
        None => {
            let (octets, _) = reply::encode(
                answer.clone(),
                None,
                &exchange.reply_to,
                &client.secret,
                &client.served,
            );
            octets
        }
    };
    let now = exchange.answer(octets);
    let detail = format!("Access-Reject ({})", answer.reason);
    record.note(Stage::Answer, now, Duration::ZERO, detail);
    record.tell(
        &exchange.shared,
        now,
        Outcome::Reject,
        answer.reason,
        None,
        answer.reply_message,
    );
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
    let fits = room / (MAX_VALUE_OCTETS + 2) * MAX_VALUE_OCTETS;
    wanted.min(fits.saturating_sub(EAP_OVERHEAD))
}

/// Header, type, flags and length of a fragment.
const EAP_OVERHEAD: usize = 10;
const MIN_FRAGMENT_OCTETS: usize = 256;
const MAX_FRAGMENT_OCTETS: usize = 1_024;
const EXPIRED_AT_A_TIME: usize = 16;
/// Why a request that goes on with a conversation of this node cannot.
const IS_OVER: &str = "the EAP conversation is over: it has its answer already, it took too long, or the \
     node was started again";
