//! What a directory sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| dataplane::fuzzing::ldap_answer(octets));
