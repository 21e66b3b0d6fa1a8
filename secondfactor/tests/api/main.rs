//! The service as its callers see it: over real HTTPS and its admin socket.
#![cfg(test)]

mod app;
mod applications;
mod auth;
mod authenticator;
mod busy;
mod delivery;
mod directories;
mod double;
mod enrollment;
mod handover;
mod incidents;
mod invitations;
mod legacy;
mod mail;
mod numbers;
mod pages;
mod passcodes;
mod passkey;
mod people;
mod policy;
mod portal;
mod remembered;
mod self_service;
mod sign_in;
mod strangers;
mod support;
mod tokens;
mod tried;
mod unbound;
