//! Octets as an EAP packet.

use crate::eap::fault::EapFault;
use crate::eap::packet::{self, EapType, FAILURE, HEADER_OCTETS, MalformedEap, Response, SUCCESS};

/// Reads octets as the packet of a peer, and writes them as ours.
///
/// Holds: nothing panics; what was read, written again, is what came, padding apart; cut anywhere,
/// it is none; what we write is read within its length, and none of it passes for a response; what
/// is shown of a packet does not show its data.
///
/// # Panics
/// One of these does not hold.
pub fn eap_packet(octets: &[u8]) {
    match Response::parse(octets) {
        Ok(response) => read(&response, octets),
        Err(fault) => refused(fault, octets),
    }
    written(octets);
    for inner in [false, true] {
        super::is_told(&EapFault::wants(octets, inner));
    }
}

fn read(response: &Response<'_>, octets: &[u8]) {
    let length = response.data.len() + HEADER_OCTETS + 1;
    let (whole, padding) = octets.split_at(length);
    // Of the header only the code is another.
    let again = packet::request(response.identifier, response.kind, response.data);
    assert_eq!(again[1..], whole[1..]);
    assert!(Response::parse(whole).as_ref() == Ok(response));
    if padding.is_empty() {
        let padded = [octets, &[0; 3]].concat();
        assert!(Response::parse(&padded).as_ref() == Ok(response));
    }
    for cut in [0, HEADER_OCTETS - 1, HEADER_OCTETS, length - 1] {
        assert!(Response::parse(&whole[..cut]).is_err(), "cut at {cut}");
    }
    let shown = format!("{response:?}");
    let (kind, identifier, data) = (response.kind, response.identifier, response.data.len());
    assert_eq!(shown, format!("{kind} {identifier}, {data} octets"));
}

fn refused(fault: MalformedEap, octets: &[u8]) {
    let said = octets
        .get(2..HEADER_OCTETS)
        .map(|length| usize::from(u16::from_be_bytes([length[0], length[1]])));
    match (fault, said) {
        (MalformedEap::Short, None) => assert!(octets.len() < HEADER_OCTETS),
        (MalformedEap::Short, Some(said)) => assert!(said <= HEADER_OCTETS),
        (MalformedEap::Length, said) => assert!(said.unwrap() > octets.len()),
        (MalformedEap::Code(code), _) => assert!(code == octets[0] && code != packet::RESPONSE),
        (MalformedEap::NotOfServer(code), _) => panic!("a response is read, not a request: {code}"),
    }
}

/// The octets as an identifier, a type and data of ours.
fn written(octets: &[u8]) {
    let [identifier, kind, data @ ..] = octets else {
        return;
    };
    // No text of ours is longer than a packet can say.
    let data = &data[..data.len().min(60_000)];
    let mut ours = packet::request(*identifier, EapType(*kind), data);
    assert!(Response::parse(&ours) == Err(MalformedEap::Code(1)));
    ours[0] = packet::RESPONSE;
    let wanted = Response {
        identifier: *identifier,
        kind: EapType(*kind),
        data,
    };
    assert!(Response::parse(&ours) == Ok(wanted));
    for (success, code) in [(true, SUCCESS), (false, FAILURE)] {
        let end = packet::end(*identifier, success);
        assert_eq!(end, [code, *identifier, 0, 4]);
        assert!(Response::parse(&end) == Err(MalformedEap::Code(code)));
    }
}
