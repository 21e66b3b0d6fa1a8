//! Requests of the Auth API.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| secondfactor::fuzzing::auth_request(octets));
