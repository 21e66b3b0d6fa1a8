//! Octets as a State, and as what a State holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| dataplane::fuzzing::state(octets));
