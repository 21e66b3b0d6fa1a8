//! Names of entries of a directory, as they are compared.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto::fuzzing::dn(octets));
