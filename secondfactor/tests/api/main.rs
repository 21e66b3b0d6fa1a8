//! The service as its callers see it: over real HTTPS and its admin socket.
#![cfg(test)]

mod applications;
mod auth;
mod enrollment;
mod handover;
mod passcodes;
mod support;
