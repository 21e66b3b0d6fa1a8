//! Octets as an EAP packet.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| dataplane::fuzzing::eap_packet(octets));
