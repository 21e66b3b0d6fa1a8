//! Files of users and tokens that an administrator made, or found.

pub use super::people::fuzzing::users_csv;
pub use super::tokens::fuzzing::tokens_csv;
