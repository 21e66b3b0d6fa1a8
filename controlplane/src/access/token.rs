//! Bearer tokens: an id to find one by, and a secret that is kept as its hash. Pure.

use std::fmt;

use proto::secret::Secret;
use ring::digest;
use zeroize::Zeroizing;

/// A token as its holder has it: shown once, when it is made.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    id: TokenId,
    secret: Secret<[u8; SECRET_OCTETS]>,
}

/// What a token is found by: no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TokenId([u8; ID_OCTETS]);

/// What is kept of a token's secret. It has 256 random bits, so that no slow hash is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenHash([u8; 32]);

impl Token {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no random octets.
    pub(crate) fn make() -> Result<Self, getrandom::Error> {
        let mut id = [0; ID_OCTETS];
        getrandom::fill(&mut id)?;
        let mut secret = Zeroizing::new([0; SECRET_OCTETS]);
        getrandom::fill(secret.as_mut_slice())?;
        Ok(Self {
            id: TokenId(id),
            secret: Secret::new(*secret),
        })
    }

    /// Reads one: `cst_` id `_` secret. None when it is none; not why, which helps nobody but who guesses.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let secret = Zeroizing::new(data_encoding::HEXLOWER.decode(secret.as_bytes()).ok()?);
        Some(Self {
            id: TokenId::read(id)?,
            secret: Secret::new(<[u8; SECRET_OCTETS]>::try_from(secret.as_slice()).ok()?),
        })
    }

    /// What its holder needs.
    pub(crate) fn written(&self) -> Secret<String> {
        let secret = Zeroizing::new(data_encoding::HEXLOWER.encode(self.secret.expose()));
        Secret::new(format!("{PREFIX}{}_{}", self.id, *secret))
    }

    pub(crate) const fn id(&self) -> TokenId {
        self.id
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> TokenHash {
        let digest = digest::digest(&digest::SHA256, self.secret.expose());
        TokenHash(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// Whether it is the one that this is kept of. Takes the same time either way.
    pub(crate) fn is(&self, kept: &TokenHash) -> bool {
        let hash = self.hash();
        let difference = hash
            .0
            .iter()
            .zip(kept.0)
            .fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

impl TokenId {
    /// Reads one as it is written.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let octets = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        <[u8; ID_OCTETS]>::try_from(octets.as_slice())
            .ok()
            .map(Self)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TokenHash {
    pub(crate) const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_octets(octets: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(octets).ok().map(Self)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

/// The most that an installation keeps.
pub(crate) const TOKENS: usize = 256;
/// So that one that leaked is known for what it is.
const PREFIX: &str = "cst_";
const ID_OCTETS: usize = 8;
const SECRET_OCTETS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_is_like_no_other() {
        let token = Token::make().unwrap();
        let written = token.written();
        let read = Token::read(written.expose()).unwrap();
        assert_eq!(read.id(), token.id());
        assert!(read.is(&token.hash()));
        let other = Token::make().unwrap();
        assert_ne!(other.id(), token.id());
        assert!(!other.is(&token.hash()));
        let kept = TokenHash::from_octets(token.hash().octets()).unwrap();
        assert!(token.is(&kept));
        assert_eq!(TokenId::read(&token.id().to_string()), Some(token.id()));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let token = Token::make().unwrap().written();
        let good = token.expose();
        for bad in [
            "",
            "cst_",
            "cst__",
            &good[1..],
            &good[..good.len() - 1],
            &format!("{good}0"),
            &good.to_uppercase(),
            &good.replace('_', "-"),
        ] {
            assert!(Token::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let token = Token::make().unwrap();
        let secret = data_encoding::HEXLOWER.encode(token.secret.expose());
        let shown = format!("{token:?} {:?}", token.hash());
        assert!(!shown.contains(&secret[..8]), "{shown}");
        assert!(shown.contains(&token.id().to_string()), "{shown}");
    }
}
