//! Logins that ask for a factor, and whatever comes back.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| dataplane::fuzzing::answer(octets));
