//! Answers of a second factor's service.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| dataplane::fuzzing::duo_answer(octets));
