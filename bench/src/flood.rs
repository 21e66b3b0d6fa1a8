//! Datagrams that get no answer, sent as fast as the kernel takes them. How many the server has
//! seen, it says itself.

use std::{net::SocketAddr, time::Duration};

use e2e::clock;

use crate::datagrams::{BATCH, Datagrams};

/// Sends these datagrams from this address for so long; says how long it was, exactly.
pub(crate) fn run(
    from: SocketAddr,
    to: SocketAddr,
    datagrams: &[Vec<u8>],
    duration: Duration,
) -> Duration {
    let mut link = Datagrams::open(from, to, duration).unwrap();
    let slices: Vec<&[u8]> = datagrams.iter().map(Vec::as_slice).collect();
    let start = clock::now();
    loop {
        for batch in slices.chunks(BATCH) {
            link.send(batch).unwrap();
        }
        let elapsed = clock::now().saturating_duration_since(start);
        if elapsed >= duration {
            return elapsed;
        }
    }
}
