//! What a peer says inside the tunnel of PEAP or EAP-TTLS.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| dataplane::fuzzing::inner(octets));
