//! Dictionaries in FreeRADIUS' format.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| controlplane::fuzzing::dictionary(octets));
