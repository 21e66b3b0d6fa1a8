//! Files of users.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| secondfactor::fuzzing::users_csv(octets));
