//! The RADIUS codec.
