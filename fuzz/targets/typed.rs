//! What users type behind a password or in answer to a question.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| dataplane::fuzzing::typed(octets));
