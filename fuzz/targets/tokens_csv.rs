//! Files of hardware tokens.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| secondfactor::fuzzing::tokens_csv(octets));
