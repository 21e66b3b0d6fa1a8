//! The REST API under `/api/v1`.

pub(crate) mod masked;
pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod resource;
