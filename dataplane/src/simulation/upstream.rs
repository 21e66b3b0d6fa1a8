//! An upstream RADIUS server of a simulation: right in what it says, but slow, away, or joined by
//! somebody who sends what he has no secret for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::network::Datagram;
use super::world::{Life, World};
use crate::radius::{
    AttributeType, Authenticator, Code, Packet, ReplyBuilder, ReplyTo, SharedSecret, password,
};

/// What the nodes share with it.
pub(super) const SECRET: &str = "upstream";
/// What the right password is.
pub(super) const PASSWORD: &str = "right";

/// Where a process finds this host.
pub(super) fn address(life: Life, host: u8) -> SocketAddr {
    SocketAddr::new([10, 1, 0, host + 1].into(), life.upstream_port())
}

/// Serves one host, for one process.
pub(super) async fn serve(world: Arc<World>, life: Life, host: u8) {
    let address = address(life, host);
    let mut inbox = world.open(address);
    let secret = SharedSecret::new(SECRET.as_bytes());
    let mut answers: BTreeMap<Authenticator, Vec<u8>> = BTreeMap::new();
    while let Some(Datagram { from, octets }) = inbox.recv().await {
        let phase = u64::from(host) * 7_000;
        if let Some(period) = world.plan.flaps_ms
            && (world.now_ms() + phase) % period < period / 2
        {
            continue;
        }
        let request = Packet::parse(&octets).expect("a node sends packets");
        let person = request
            .first(AttributeType::USER_NAME)
            .and_then(super::device::person);
        if let Some(answer) = answers.get(request.authenticator()) {
            say(&world, (address, from), person, answer);
            continue;
        }
        let (forges, fault) = world.draw(|rng| {
            let faults = world.plan.upstream_faults;
            (rng.chance(faults), rng.chance(faults).then(|| rng.next()))
        });
        if forges {
            let wrong = SharedSecret::new(b"unknown");
            let forged = reply(&request, Code::ACCESS_ACCEPT, &wrong);
            world.send(address, from, &forged, world.plan.upstream);
        }
        let delay = match fault.map(|n| n % 3) {
            Some(0) => continue,
            Some(1) => world.draw(|rng| rng.within(500, 12_000)),
            // Somebody else's answer, before its own: it was right for another request.
            Some(_) => {
                if let Some(other) = answers.values().next() {
                    let mut replayed = other.clone();
                    replayed[1] = request.identifier();
                    world.send(address, from, &replayed, world.plan.upstream);
                }
                0
            }
            None => 0,
        };
        let code = if request.code() == Code::STATUS_SERVER || is_right(&request, &secret) {
            Code::ACCESS_ACCEPT
        } else {
            Code::ACCESS_REJECT
        };
        let answer = reply(&request, code, &secret);
        answers.insert(*request.authenticator(), answer.clone());
        let says = Arc::clone(&world);
        world.tasks.spawn(async move {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            say(&says, (address, from), person, &answer);
        });
    }
}

fn say(
    world: &Arc<World>,
    (from, to): (SocketAddr, SocketAddr),
    person: Option<usize>,
    answer: &[u8],
) {
    if let (Some(person), Some(&code)) = (person, answer.first())
        && Code(code) == Code::ACCESS_ACCEPT
    {
        world.note(|| format!("the upstream says yes to u{person}"));
        world.ledger().people[person].primary_said = true;
    }
    world.send(from, to, answer, world.plan.upstream);
}

fn is_right(request: &Packet<'_>, secret: &SharedSecret) -> bool {
    let hidden = request.first(AttributeType::USER_PASSWORD);
    let clear = hidden.map(|hidden| password::unhide(hidden, request.authenticator(), secret));
    matches!(clear, Some(Ok(clear)) if clear.expose() == PASSWORD.as_bytes())
}

fn reply(request: &Packet<'_>, code: Code, secret: &SharedSecret) -> Vec<u8> {
    let to = ReplyTo::new(request).expect("a request can be answered");
    ReplyBuilder::new(code, &to, secret).finish()
}
