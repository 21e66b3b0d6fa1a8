//! Request parameters: octets off the wire, their canonical line, and the checked texts. Pure.

use std::borrow::Cow;

/// Name and value pairs as they came, percent-decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs<'a>(Vec<Pair<'a>>);

type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

impl<'a> Pairs<'a> {
    /// Reads a form or a query string. Never fails: a stray `%` stands for itself.
    pub(crate) fn parse(octets: &'a [u8]) -> Self {
        let pairs = octets
            .split(|&octet| octet == b'&')
            .filter(|part| !part.is_empty());
        Self(
            pairs
                .map(|part| match part.iter().position(|&octet| octet == b'=') {
                    Some(at) => {
                        let (name, value) = part.split_at(at);
                        (decode(name), decode(value.get(1..).unwrap_or_default()))
                    }
                    None => (decode(part), Cow::Borrowed(&b""[..])),
                })
                .collect(),
        )
    }

    /// The parameters line of the string that is signed: sorted by encoded name, then value.
    pub(crate) fn canonical(&self) -> String {
        let mut encoded: Vec<(String, String)> = self
            .0
            .iter()
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        encoded.sort();
        let mut line = String::new();
        for (name, value) in encoded {
            if !line.is_empty() {
                line.push('&');
            }
            line.push_str(&name);
            line.push('=');
            line.push_str(&value);
        }
        line
    }

    /// The first pairs as texts to be shown, each cut.
    pub(crate) fn shown(&self, pairs: usize, characters: usize) -> Box<[(Box<str>, Box<str>)]> {
        let cut = |octets: &[u8]| -> Box<str> {
            let text = String::from_utf8_lossy(octets);
            let text: String = text
                .chars()
                .filter(|c| !c.is_control())
                .take(characters)
                .collect();
            text.into()
        };
        let first = self.0.iter().take(pairs);
        first.map(|(name, value)| (cut(name), cut(value))).collect()
    }
}

/// Parameters as texts, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Checks decoded pairs.
    ///
    /// # Errors
    /// [`BadParam`] for text that is no UTF-8, a name given twice, or too many parameters.
    pub(crate) fn from_pairs(pairs: &Pairs<'_>) -> Result<Self, BadParam> {
        let mut params = Self::default();
        for (name, value) in &pairs.0 {
            let name = String::from_utf8_lossy(name).into_owned();
            match std::str::from_utf8(value) {
                Ok(value) => params.push(name, value.to_owned())?,
                Err(_) => return Err(BadParam(name)),
            }
        }
        Ok(params)
    }

    /// Reads a JSON object of scalars; an empty body is an empty object.
    ///
    /// # Errors
    /// [`BadParam`] for no object, a nested value, or too many parameters. In an object with a
    /// name twice the last value counts, as JSON readers have it.
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, BadParam> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(body).map_err(|_| BadParam("body".to_owned()))?;
        let mut params = Self::default();
        for (name, value) in object {
            match value {
                serde_json::Value::String(text) => params.push(name, text)?,
                serde_json::Value::Number(number) => params.push(name, number.to_string())?,
                serde_json::Value::Bool(truth) => params.push(name, truth.to_string())?,
                serde_json::Value::Null => {}
                serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                    return Err(BadParam(name));
                }
            }
        }
        Ok(params)
    }

    /// A parameter's text; none when it is absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The same with a parameter under another name. One that had that name goes.
    pub(crate) fn renamed(mut self, name: &str, old: &str) -> Self {
        self.0.retain(|(found, _)| found != name);
        for (found, _) in &mut self.0 {
            if found == old {
                name.clone_into(found);
            }
        }
        self
    }

    /// The same without a parameter, and with others in place of those of their names.
    pub(crate) fn replaced(mut self, without: &str, others: &[(&str, &str)]) -> Self {
        let goes = |name: &str| name == without || others.iter().any(|(other, _)| *other == name);
        self.0.retain(|(name, _)| !goes(name));
        let others = others.iter();
        self.0
            .extend(others.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    fn push(&mut self, name: String, value: String) -> Result<(), BadParam> {
        if self.0.len() >= MAX_PARAMS || self.get(&name).is_some() {
            return Err(BadParam(name));
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// The name of a parameter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadParam(pub(crate) String);

/// Encodes everything but `A-Z a-z 0-9 _ . - ~`, with upper case digits.
pub(crate) fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for &octet in octets {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.' | b'-' | b'~') {
            text.push(char::from(octet));
        } else {
            text.push('%');
            text.push(upper_hex(octet >> 4));
            text.push(upper_hex(octet & 0x0f));
        }
    }
    text
}

fn upper_hex(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

fn decode(octets: &[u8]) -> Cow<'_, [u8]> {
    if !octets.iter().any(|octet| matches!(octet, b'%' | b'+')) {
        return Cow::Borrowed(octets);
    }
    let mut decoded = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, after @ ..]) => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    rest = after;
                }
                _ => decoded.push(b'%'),
            },
            _ => decoded.push(first),
        }
    }
    Cow::Owned(decoded)
}

fn nibble(octet: u8) -> Option<u8> {
    char::from(octet)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The most parameters of one request; the Auth API has 15 names.
const MAX_PARAMS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_lines_follow_the_rules_of_the_parameters_line() {
        for (name, input, want) in [
            ("nothing", "", ""),
            ("bare separator", "&", ""),
            ("name alone", "a", "a="),
            ("unreserved stay", "k=AZaz09_.-~", "k=AZaz09_.-~"),
            ("plus is a blank", "k=a+b", "k=a%20b"),
            ("others are encoded", "k=*!'()/", "k=%2A%21%27%28%29%2F"),
            ("sorted by name", "b=1&a=2", "a=2&b=1"),
            ("sorted by value", "a=2&a=1", "a=1&a=2"),
            ("name before prefix", "a-b=1&a=2", "a=2&a-b=1"),
            ("lower case escapes", "k=%c3%ab", "k=%C3%AB"),
            ("stray percent", "k=%zz%", "k=%25zz%25"),
            ("equals in a value", "k=a=b", "k=a%3Db"),
            ("no utf-8", "k=%ff", "k=%FF"),
        ] {
            assert_eq!(Pairs::parse(input.as_bytes()).canonical(), want, "{name}");
        }
    }

    #[test]
    fn texts_are_checked() {
        let read = |text: &'static str| Params::from_pairs(&Pairs::parse(text.as_bytes()));
        assert_eq!(read("a=%C3%AB").unwrap().get("a"), Some("ë"));
        assert_eq!(read("a=1&a=1"), Err(BadParam("a".to_owned())));
        assert_eq!(read("a=%ff"), Err(BadParam("a".to_owned())));
        let many: Vec<String> = (0..65).map(|n| format!("n{n}=1")).collect();
        let many = many.join("&");
        assert!(Params::from_pairs(&Pairs::parse(many.as_bytes())).is_err());
    }

    #[test]
    fn names_are_changed_and_taken_away() {
        let read = |text: &'static str| Params::from_pairs(&Pairs::parse(text.as_bytes())).unwrap();
        assert_eq!(
            read("user=a&b=1").renamed("username", "user"),
            read("username=a&b=1")
        );
        assert_eq!(
            read("username=x&user=a").renamed("username", "user"),
            read("username=a")
        );
        assert_eq!(
            read("username=x").renamed("username", "user"),
            Params::default()
        );
        let replaced = read("factor=auto&auto=push&device=x&b=1")
            .replaced("auto", &[("factor", "push"), ("device", "D")]);
        assert_eq!(replaced, read("b=1&factor=push&device=D"));
    }

    #[test]
    fn json_scalars_become_texts() {
        let params = Params::from_json(br#"{"s":"x","n":7,"b":true,"z":null}"#).unwrap();
        assert_eq!(params.get("s"), Some("x"));
        assert_eq!(params.get("n"), Some("7"));
        assert_eq!(params.get("b"), Some("true"));
        assert_eq!(params.get("z"), None);
        assert_eq!(Params::from_json(b"").unwrap(), Params::default());
        assert_eq!(Params::from_json(b"[1]"), Err(BadParam("body".to_owned())));
        assert_eq!(
            Params::from_json(br#"{"a":[1]}"#),
            Err(BadParam("a".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn canonical_lines_are_read_back_the_same(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let line = Pairs::parse(&octets).canonical();
            prop_assert_eq!(Pairs::parse(line.as_bytes()).canonical(), line);
        }

        #[test]
        fn json_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Params::from_json(&octets));
        }
    }
}
