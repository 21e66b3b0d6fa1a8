//! Signing in at a provider of OpenID Connect: its settings, the way there and back (authorization
//! code with PKCE), what it signs, and who may do what by that. No route is known here.

mod claims;
mod fetch;
mod flow;
mod jws;
mod metadata;
mod settings;

pub(crate) use claims::{Expected, person};
pub(crate) use flow::{Flow, Flows, GOOD_SECONDS};
pub(crate) use metadata::{Exchange, Provider, Providers};
pub(crate) use settings::Settings;
