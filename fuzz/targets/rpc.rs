//! Messages between the planes.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto::fuzzing::rpc(octets));
