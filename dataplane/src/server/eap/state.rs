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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: Token = *b"0123456789abcdef";

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let longest = "n".repeat(128);
        for name in ["a", "node-1.example", &longest] {
            let state = EapState::new(&node(name), TOKEN);
            let octets = state.octets();
            assert_eq!(octets, [&[0xea], &TOKEN[..], name.as_bytes()].concat());
            assert_eq!(EapState::read(&octets), Some(state));
        }
        assert!(
            NodeId::new("n".repeat(129)).is_err(),
            "it fits an attribute"
        );
    }

    #[test]
    fn what_is_no_state_of_a_conversation_is_none() {
        let whole = EapState::new(&node("node"), TOKEN).octets();
        let table: [(&str, Vec<u8>); 7] = [
            ("nothing", Vec::new()),
            ("the mark alone", vec![MARK]),
            ("no name", whole[..17].to_vec()),
            ("half a token", whole[..9].to_vec()),
            ("another mark", [&[1], &whole[1..]].concat()),
            ("a blank in the name", [&whole[..], b" x"].concat()),
            ("no UTF-8", [&whole[..], b"\xff"].concat()),
        ];
        for (name, octets) in table {
            assert_eq!(EapState::read(&octets), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_are_too_strange(octets in prop::collection::vec(any::<u8>(), 0..253), marked in any::<bool>()) {
            let octets = if marked { [&[MARK], &octets[..]].concat() } else { octets };
            if let Some(state) = EapState::read(&octets) {
                prop_assert_eq!(state.octets(), octets);
            }
        }
    }
}
