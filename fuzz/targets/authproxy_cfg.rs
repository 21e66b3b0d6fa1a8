//! Configuration files.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| controlplane::fuzzing::authproxy_cfg(octets));
