//! Who may do what: roles, the table of routes, tokens. Decides; neither stores nor answers.

pub(crate) mod admin;
pub(crate) mod known;
pub(crate) mod role;
pub(crate) mod routes;
pub(crate) mod throttle;
pub(crate) mod token;
