//! The text of an `authproxy.cfg`, line by line.
//!
//! Nothing is thrown away: every line keeps its number, its text, its comment and its line end,
//! so that [`Document`]'s `Display` gives back what was read and one line can be replaced without
//! touching its neighbours. What the lines mean is not this module's business.

use std::fmt;
use std::ops::Range;

/// The most octets a configuration file may have.
pub const MAX_OCTETS: usize = 4 << 20;

/// A file as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    byte_order_mark: bool,
    lines: Vec<Line>,
}

/// One line.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    number: u32,
    text: String,
    ending: &'static str,
    parsed: Parsed,
}

#[derive(Clone, PartialEq, Eq)]
enum Parsed {
    Blank,
    Comment,
    Section(Range<usize>),
    Entry {
        key: Range<usize>,
        value: Range<usize>,
    },
    Fault(SyntaxFault),
}

/// What stands on a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing but blanks.
    Blank,
    /// A line whose first character after blanks is `;` or `#`.
    Comment,
    /// `[name]`; the name as written between the brackets.
    Section(&'a str),
    /// `key=value`, without the blanks around both.
    Entry {
        /// As written.
        key: &'a str,
        /// Taken literally: `%`, `;`, `#` and `=` are characters like any other.
        value: &'a str,
    },
    /// None of these.
    Fault(SyntaxFault),
}

/// Why a line cannot be read. Never holds the line's text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxFault {
    /// Neither section, option nor comment.
    #[error("this line has no '='")]
    NoEquals,
    /// `=value`.
    #[error("there is no option name before the '='")]
    NoKey,
    /// A name before the '=' with a character that no option's name has: it may be a value that
    /// lost its own '='.
    #[error("what stands before the '=' is no option name")]
    Key,
    /// The same, with a ':' in it.
    #[error("what stands before the '=' is no option name")]
    Colon,
    /// `[name` or `[name] text`, or nothing within the brackets.
    #[error("this is no section header")]
    Header,
    /// Further to the right than the option above it.
    #[error("this line is indented further than the option above: continuation lines are not read")]
    Continuation,
    /// A control character other than a tab.
    #[error("this line holds a control character")]
    Control,
}

impl SyntaxFault {
    /// What to write instead.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NoEquals => "write 'option=value', '[section]', or ';' before a comment",
            Self::NoKey => "write 'option=value'",
            Self::Key => {
                "write 'option=value', with letters, digits, '_', '.' and '-' in the option's name"
            }
            Self::Colon => "write '=' between option and value, not ':'",
            Self::Header => "write '[section]' alone on the line",
            Self::Continuation => {
                "write a value on one line, and begin each option at the same column"
            }
            Self::Control => "remove it",
        }
    }
}

/// Why a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Lines that are no UTF-8, by number from 1.
    #[error("not UTF-8 in {} line(s), the first is line {}", lines.len(), lines.first().copied().unwrap_or(1))]
    NotUtf8 {
        /// The lines.
        lines: Vec<u32>,
    },
    /// More than [`MAX_OCTETS`].
    #[error("the file has {octets} octets, the most is {MAX_OCTETS}")]
    TooLarge {
        /// Its size.
        octets: usize,
    },
}

impl Document {
    /// Reads a file. A UTF-8 byte order mark and CRLF line ends are accepted and kept.
    ///
    /// # Errors
    /// [`ReadError`] when it is too large or not UTF-8; faults of single lines are in the lines.
    pub fn parse(octets: &[u8]) -> Result<Self, ReadError> {
        if octets.len() > MAX_OCTETS {
            return Err(ReadError::TooLarge {
                octets: octets.len(),
            });
        }
        let Ok(text) = std::str::from_utf8(octets) else {
            let lines = (1..)
                .zip(octets.split(|octet| *octet == b'\n'))
                .filter(|(_, line)| std::str::from_utf8(line).is_err())
                .map(|(number, _)| number)
                .collect();
            return Err(ReadError::NotUtf8 { lines });
        };
        Ok(Self::of_text(text))
    }

    /// Reads a file whose octets that are no UTF-8 are another character each.
    pub(super) fn parse_lossy(octets: &[u8]) -> Self {
        Self::of_text(&String::from_utf8_lossy(octets))
    }

    fn of_text(text: &str) -> Self {
        let (byte_order_mark, text) = match text.strip_prefix('\u{feff}') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut indent = None;
        let lines = (1..)
            .zip(text.split_inclusive('\n'))
            .map(|(number, whole)| {
                let (text, ending) = split_ending(whole);
                Line {
                    number,
                    parsed: parse_line(text, &mut indent),
                    text: text.to_owned(),
                    ending,
                }
            })
            .collect();
        Self {
            byte_order_mark,
            lines,
        }
    }

    /// Its lines, in order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Replaces the value of the option on one line, and leaves everything else of it as it is.
    /// False when there is no option on that line, or when the value could not be read back:
    /// it holds a line end or another control character, or begins or ends with a blank.
    pub fn replace_value(&mut self, number: u32, new: &str) -> bool {
        if new.chars().any(forbidden) || new.trim() != new {
            return false;
        }
        let Some(line) = self.lines.iter_mut().find(|line| line.number == number) else {
            return false;
        };
        let Parsed::Entry { value, .. } = &mut line.parsed else {
            return false;
        };
        line.text.replace_range(value.clone(), new);
        value.end = value.start + new.len();
        true
    }
}

impl Line {
    /// Its number, from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its text without the line end.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands on it.
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        let part = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        match &self.parsed {
            Parsed::Blank => Content::Blank,
            Parsed::Comment => Content::Comment,
            Parsed::Section(name) => Content::Section(part(name)),
            Parsed::Entry { key, value } => Content::Entry {
                key: part(key),
                value: part(value),
            },
            Parsed::Fault(fault) => Content::Fault(*fault),
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.byte_order_mark {
            f.write_str("\u{feff}")?;
        }
        for line in &self.lines {
            f.write_str(&line.text)?;
            f.write_str(line.ending)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Document {
    /// The text holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} lines)", self.lines.len())
    }
}

fn split_ending(whole: &str) -> (&str, &'static str) {
    if let Some(text) = whole.strip_suffix("\r\n") {
        (text, "\r\n")
    } else if let Some(text) = whole.strip_suffix('\n') {
        (text, "\n")
    } else {
        (whole, "")
    }
}

fn of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

fn forbidden(character: char) -> bool {
    character.is_control() && character != '\t'
}

/// `indent` is the indentation of the option above, none after a header.
fn parse_line(text: &str, indent: &mut Option<usize>) -> Parsed {
    let content = text.trim();
    if content.is_empty() {
        return Parsed::Blank;
    }
    if content.starts_with([';', '#']) {
        return Parsed::Comment;
    }
    if content.chars().any(forbidden) {
        return Parsed::Fault(SyntaxFault::Control);
    }
    let start = text.len() - text.trim_start().len();
    // The replaced product takes such a line as part of the value above. To read it as an option
    // of its own would give the same file another meaning.
    if indent.is_some_and(|above| start > above) {
        return Parsed::Fault(SyntaxFault::Continuation);
    }
    if let Some(rest) = content.strip_prefix('[') {
        *indent = None;
        return match rest.strip_suffix(']') {
            Some(name) if !name.trim().is_empty() && !name.contains(['[', ']']) => {
                Parsed::Section(start + 1..start + 1 + name.len())
            }
            _ => Parsed::Fault(SyntaxFault::Header),
        };
    }
    let Some((key, value)) = content.split_once('=') else {
        return Parsed::Fault(SyntaxFault::NoEquals);
    };
    *indent = Some(start);
    let equals = start + key.len();
    let key_end = start + key.trim_end().len();
    if key_end == start {
        return Parsed::Fault(SyntaxFault::NoKey);
    }
    let key = key.trim_end();
    if !key.chars().all(of_name) {
        return Parsed::Fault(if key.contains(':') {
            SyntaxFault::Colon
        } else {
            SyntaxFault::Key
        });
    }
    let after = equals + 1;
    let value_start = after + (value.len() - value.trim_start().len());
    Parsed::Entry {
        key: start..key_end,
        value: value_start..value_start + value.trim_start().len(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Document {
        Document::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn each_line_is_what_it_looks_like() {
        for (line, want) in [
            ("", Content::Blank),
            (" \t ", Content::Blank),
            ("; x=1", Content::Comment),
            ("  # x=1", Content::Comment),
            ("[main]", Content::Section("main")),
            ("  [main]  ", Content::Section("main")),
            ("[main ]", Content::Section("main ")),
            ("[]", Content::Fault(SyntaxFault::Header)),
            ("[main] ; text", Content::Fault(SyntaxFault::Header)),
            ("[main", Content::Fault(SyntaxFault::Header)),
            (
                "port=1812",
                Content::Entry {
                    key: "port",
                    value: "1812",
                },
            ),
            (
                " port =\t1812 ",
                Content::Entry {
                    key: "port",
                    value: "1812",
                },
            ),
            (
                "secret=a%b;c#d=e f",
                Content::Entry {
                    key: "secret",
                    value: "a%b;c#d=e f",
                },
            ),
            (
                "ntlm_domain=",
                Content::Entry {
                    key: "ntlm_domain",
                    value: "",
                },
            ),
            ("=x", Content::Fault(SyntaxFault::NoKey)),
            ("port: 1812", Content::Fault(SyntaxFault::NoEquals)),
            ("port: 1812=", Content::Fault(SyntaxFault::Colon)),
            ("po rt=1812", Content::Fault(SyntaxFault::Key)),
            ("p\u{e9}rt=1812", Content::Fault(SyntaxFault::Key)),
            ("port=18\u{0}12", Content::Fault(SyntaxFault::Control)),
        ] {
            assert!(
                read(line).lines().iter().all(|one| one.content() == want),
                "{line:?}"
            );
            assert_eq!(
                read(line).lines().len(),
                usize::from(!line.is_empty()),
                "{line:?}"
            );
        }
    }

    #[test]
    fn only_a_deeper_line_is_a_continuation() {
        let document = read("[a]\n  x=1\n  y=2\n    z=3\n; c\n   more\n[b]\n    x=1\n");
        let faults: Vec<_> = document
            .lines()
            .iter()
            .filter(|line| line.content() == Content::Fault(SyntaxFault::Continuation))
            .map(Line::number)
            .collect();
        assert_eq!(faults, [4, 6]);
    }

    #[test]
    fn a_mark_and_carriage_returns_are_accepted_and_kept() {
        let text = "\u{feff}[main]\r\ndebug=true\r\n";
        let document = read(text);
        assert!(document.lines()[0].content() == Content::Section("main"));
        assert!(
            document.lines()[1].content()
                == Content::Entry {
                    key: "debug",
                    value: "true"
                }
        );
        assert_eq!(document.to_string(), text);
    }

    #[test]
    fn octets_that_are_no_utf8_are_named_by_line() {
        assert_eq!(
            Document::parse(b"[main]\nx=\xff\n\ny=\xfe"),
            Err(ReadError::NotUtf8 { lines: vec![2, 4] })
        );
        assert_eq!(
            Document::parse(&vec![b'a'; MAX_OCTETS + 1]),
            Err(ReadError::TooLarge {
                octets: MAX_OCTETS + 1
            })
        );
    }

    #[test]
    fn one_value_is_replaced_and_nothing_else() {
        let mut document = read("; top\r\n skey = old ; x\r\n port=1");
        assert!(document.replace_value(2, "new=1"));
        assert_eq!(document.to_string(), "; top\r\n skey = new=1\r\n port=1");
        for (line, value) in [(1, "x"), (9, "x"), (3, "a\nb"), (3, " a")] {
            assert!(!document.replace_value(line, value), "{line} {value:?}");
        }
        assert_eq!(document.to_string(), "; top\r\n skey = new=1\r\n port=1");
    }

    #[test]
    fn debug_shows_no_text() {
        assert_eq!(format!("{:?}", read("skey=hunter2")), "Document(1 lines)");
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            if let Ok(document) = Document::parse(&octets) {
                prop_assert_eq!(document.to_string().into_bytes(), octets);
            }
        }

        #[test]
        fn text_is_an_identity(text in "(\u{feff})?([\\[\\];#= \tab%\u{e9}]{0,12}\r?\n?){0,12}") {
            let document = read(&text);
            prop_assert_eq!(document.to_string(), text);
        }

        #[test]
        fn a_replaced_value_is_read_back(value in "[a-z%;#=\u{e9}]{0,20}") {
            let mut document = read("[s]\n key =  old  \n");
            prop_assert!(document.replace_value(2, &value));
            let again = read(&document.to_string());
            let want = Content::Entry { key: "key", value: &value };
            prop_assert!(again.lines()[1].content() == want);
        }
    }
}
