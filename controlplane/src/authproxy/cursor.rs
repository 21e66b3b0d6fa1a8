//! Reading a value character by character, with a place for each fault. Pure.

use std::fmt;

/// Where a value cannot be read, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextFault {
    /// The character, from 1; one past the last when something is missing at the end.
    pub(super) position: usize,
    pub(super) what: &'static str,
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}, {}", self.position, self.what)
    }
}

/// A place in a text.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
    /// Characters passed.
    passed: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            passed: 0,
        }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn pass(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next()?;
        self.rest = characters.as_str();
        self.passed += 1;
        Some(next)
    }

    /// Passes this character, if it is the next.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.pass();
        }
        there
    }

    pub(super) fn skip_blanks(&mut self) {
        self.word(|c| matches!(c, ' ' | '\t'));
    }

    /// Passes the characters that belong, and gives them.
    pub(super) fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        self.word_of(usize::MAX, belongs)
    }

    /// The same, of so many characters at the most.
    pub(super) fn word_of(&mut self, most: usize, belongs: impl Fn(char) -> bool) -> &'a str {
        let whole = self.rest;
        let mut taken = 0;
        while taken < most && self.peek().is_some_and(&belongs) {
            self.pass();
            taken += 1;
        }
        whole
            .get(..whole.len() - self.rest.len())
            .unwrap_or_default()
    }

    pub(super) const fn is_at_start(&self) -> bool {
        self.passed == 0
    }

    pub(super) const fn fault(&self, what: &'static str) -> TextFault {
        TextFault {
            position: self.passed + 1,
            what,
        }
    }
}

/// Whether this names an attribute: a name or a numeric identifier, with options behind `;` or not
/// (RFC 4512 sections 1.4 and 2.5). Some directories let names have a `_`.
pub(super) fn is_attribute(text: &str) -> bool {
    let mut parts = text.split(';');
    let name = parts.next().unwrap_or_default();
    let letters = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let named = letters(name) && name.starts_with(|c: char| c.is_ascii_alphabetic());
    let numbered = name
        .split('.')
        .all(|arc| !arc.is_empty() && arc.chars().all(|c| c.is_ascii_digit()));
    (named || numbered) && parts.all(letters)
}
