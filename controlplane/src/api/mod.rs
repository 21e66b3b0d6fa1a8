//! The REST API under `/api/v1`.

mod masked;
mod page;
mod problem;
mod resource;
