//! The State of an EAP conversation: it names its node, because only that one can go on with it.
//! Nothing in it is secret, and nothing is believed but the token.
//!
//! ```text
//! mark 1 | token 16 | the node's name
//! ```

use proto::id::NodeId;

use super::sessions::{TOKEN_OCTETS, Token};

/// What a State of a conversation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EapState {
    pub(super) token: Token,
    /// The node that has the conversation.
    pub(super) node: String,
}

impl EapState {
    pub(super) fn new(node: &NodeId, token: Token) -> Self {
        Self {
            token,
            node: node.as_str().to_owned(),
        }
    }

    /// At most 145 octets: a name has 128.
    pub(super) fn octets(&self) -> Vec<u8> {
        [&[MARK], &self.token[..], self.node.as_bytes()].concat()
    }

    /// None when it is none.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let rest = octets.strip_prefix(&[MARK])?;
        let (token, name) = rest.split_first_chunk::<TOKEN_OCTETS>()?;
        let node = NodeId::new(std::str::from_utf8(name).ok()?).ok()?;
        Some(Self {
            token: *token,
            node: node.as_str().to_owned(),
        })
    }
}

/// Tells it from a sealed State, which begins with its version.
const MARK: u8 = 0xea;
