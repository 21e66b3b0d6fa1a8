//! The control plane over a real Unix socket, with a fake configuration file.
#![cfg(test)]

mod push;
mod support;
