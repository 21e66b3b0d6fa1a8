//! A conversation by PEAP or EAP-TTLS with a peer that sends anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| dataplane::fuzzing::peap(octets));
