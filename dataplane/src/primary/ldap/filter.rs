//! Search filters, encoded (RFC 4511 section 4.5.1.7) and read from text (RFC 4515). Pure.

use super::ber;

/// A filter, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter(Vec<u8>);

impl Filter {
    /// `(attribute=value)`, whatever octets the value has.
    pub(super) fn equals(attribute: &str, value: &[u8]) -> Self {
        let mut out = Vec::with_capacity(attribute.len() + value.len() + 12);
        assertion(&mut out, EQUALITY, attribute, value);
        Self(out)
    }

    /// `(attribute:rule:=value)`, whatever octets the value has.
    pub(super) fn by_rule(attribute: &str, rule: &str, value: &[u8]) -> Self {
        let mut out = Vec::with_capacity(attribute.len() + rule.len() + value.len() + 12);
        ber::nest(&mut out, EXTENSIBLE, |out| {
            ber::write(out, MATCHING_RULE, rule.as_bytes());
            ber::write(out, MATCHED_TYPE, attribute.as_bytes());
            ber::write(out, MATCH_VALUE, value);
        });
        Self(out)
    }

    /// What one of these matches. There is at least one.
    pub(super) fn any_of(filters: impl IntoIterator<Item = Self>) -> Self {
        let mut out = Vec::new();
        ber::nest(&mut out, OR, |out| {
            for filter in filters {
                out.extend_from_slice(&filter.0);
            }
        });
        Self(out)
    }

    /// `(objectClass=*)`, which every entry matches.
    pub(super) fn any() -> Self {
        let mut out = Vec::new();
        ber::write(&mut out, PRESENT, b"objectClass");
        Self(out)
    }

    /// What both match.
    pub(super) fn and(&self, other: &Self) -> Self {
        self.with(AND, other)
    }

    fn with(&self, tag: u8, other: &Self) -> Self {
        let mut out = Vec::with_capacity(self.0.len() + other.0.len() + 6);
        ber::nest(&mut out, tag, |out| {
            out.extend_from_slice(&self.0);
            out.extend_from_slice(&other.0);
        });
        Self(out)
    }

    /// Reads one filter, whole; none when the text is no filter, or nested too deeply.
    ///
    /// Blanks may stand between filters. Parentheses, asterisks, backslashes and NUL within a value
    /// are written as `\28`, `\29`, `\2a`, `\5c`, `\00`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut out = Vec::with_capacity(text.len() + 16);
        let rest = filter(&mut out, text, DEPTH)?;
        rest.is_empty().then_some(Self(out))
    }

    /// The encoding.
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a filter at the front of a text and gives the rest, without the blanks before it.
fn filter<'a>(out: &mut Vec<u8>, text: &'a str, depth: usize) -> Option<&'a str> {
    let depth = depth.checked_sub(1)?;
    let inside = text.strip_prefix('(')?.trim_start();
    let rest = if let Some(list) = inside.strip_prefix('&') {
        several(out, AND, list, depth)?
    } else if let Some(list) = inside.strip_prefix('|') {
        several(out, OR, list, depth)?
    } else if let Some(one) = inside.strip_prefix('!') {
        let mut rest = None;
        ber::nest(out, NOT, |out| {
            rest = filter(out, one.trim_start(), depth);
        });
        rest?
    } else {
        let end = inside.find(['(', ')'])?;
        let (written, rest) = inside.split_at_checked(end)?;
        item(out, written)?;
        rest
    };
    Some(rest.strip_prefix(')')?.trim_start())
}

/// Reads the filters of a list, at least one.
fn several<'a>(out: &mut Vec<u8>, tag: u8, list: &'a str, depth: usize) -> Option<&'a str> {
    let mut rest = Some(list.trim_start());
    ber::nest(out, tag, |out| {
        loop {
            rest = rest.and_then(|text| filter(out, text, depth));
            if !rest.is_some_and(|text| text.starts_with('(')) {
                break;
            }
        }
    });
    rest
}

/// Reads `attribute=value` and its kin.
fn item(out: &mut Vec<u8>, written: &str) -> Option<()> {
    let (left, value) = written.split_once('=')?;
    let simple = |out: &mut Vec<u8>, tag, left| {
        assertion(out, tag, attribute(left)?, &unescaped(value)?);
        Some(())
    };
    if let Some(left) = left.strip_suffix(':') {
        return extensible(out, left, value);
    }
    for (sign, tag) in [
        ('~', APPROXIMATE),
        ('>', GREATER_OR_EQUAL),
        ('<', LESS_OR_EQUAL),
    ] {
        if let Some(left) = left.strip_suffix(sign) {
            return simple(out, tag, left);
        }
    }
    if value == "*" {
        ber::write(out, PRESENT, attribute(left)?.as_bytes());
        return Some(());
    }
    if value.contains('*') {
        return substrings(out, attribute(left)?, value);
    }
    simple(out, EQUALITY, left)
}

fn assertion(out: &mut Vec<u8>, tag: u8, attribute: &str, value: &[u8]) {
    ber::nest(out, tag, |out| {
        ber::write(out, ber::OCTETS, attribute.as_bytes());
        ber::write(out, ber::OCTETS, value);
    });
}

/// `initial*any*any*final`, of which each may be missing, but not all.
fn substrings(out: &mut Vec<u8>, attribute: &str, value: &str) -> Option<()> {
    let last = value.matches('*').count();
    let parts: Vec<(u8, Vec<u8>)> = value
        .split('*')
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(|(at, part)| {
            let tag = match at {
                0 => INITIAL,
                at if at == last => FINAL,
                _ => ANY,
            };
            Some((tag, unescaped(part)?))
        })
        .collect::<Option<_>>()?;
    if parts.is_empty() {
        return None;
    }
    ber::nest(out, SUBSTRINGS, |out| {
        ber::write(out, ber::OCTETS, attribute.as_bytes());
        ber::nest(out, ber::SEQUENCE, |out| {
            for (tag, part) in &parts {
                ber::write(out, *tag, part);
            }
        });
    });
    Some(())
}

/// `attribute:dn:rule:=value`, where the attribute or the rule may be missing.
fn extensible(out: &mut Vec<u8>, left: &str, value: &str) -> Option<()> {
    let value = unescaped(value)?;
    let mut parts = left.split(':');
    let named = match parts.next()?.trim() {
        "" => None,
        written => Some(attribute(written)?),
    };
    let mut rule = parts.next();
    let of_dn = rule.is_some_and(|part| part.eq_ignore_ascii_case("dn"));
    if of_dn {
        rule = parts.next();
    }
    let rule = match rule {
        None => None,
        Some(written) => Some(attribute(written)?),
    };
    if parts.next().is_some() || (named.is_none() && rule.is_none()) {
        return None;
    }
    ber::nest(out, EXTENSIBLE, |out| {
        if let Some(rule) = rule {
            ber::write(out, MATCHING_RULE, rule.as_bytes());
        }
        if let Some(named) = named {
            ber::write(out, MATCHED_TYPE, named.as_bytes());
        }
        ber::write(out, MATCH_VALUE, &value);
        if of_dn {
            ber::write(out, DN_ATTRIBUTES, &[0xff]);
        }
    });
    Some(())
}

/// An attribute's or a rule's name or number, with options.
fn attribute(written: &str) -> Option<&str> {
    let name = written.trim();
    let allowed =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b';' | b'_');
    (!name.is_empty() && name.bytes().all(allowed)).then_some(name)
}

/// A value with its escapes read.
fn unescaped(written: &str) -> Option<Vec<u8>> {
    if written.contains('*') {
        return None;
    }
    let mut parts = written.split('\\');
    let mut value = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        if !code.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        value.push(u8::from_str_radix(code, 16).ok()?);
        value.extend_from_slice(rest.as_bytes());
    }
    Some(value)
}

/// How deep filters may stand in filters.
const DEPTH: usize = 32;

const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const NOT: u8 = 0xa2;
const EQUALITY: u8 = 0xa3;
const SUBSTRINGS: u8 = 0xa4;
const GREATER_OR_EQUAL: u8 = 0xa5;
const LESS_OR_EQUAL: u8 = 0xa6;
const PRESENT: u8 = 0x87;
const APPROXIMATE: u8 = 0xa8;
const EXTENSIBLE: u8 = 0xa9;
const INITIAL: u8 = 0x80;
const ANY: u8 = 0x81;
const FINAL: u8 = 0x82;
const MATCHING_RULE: u8 = 0x81;
const MATCHED_TYPE: u8 = 0x82;
const MATCH_VALUE: u8 = 0x83;
const DN_ATTRIBUTES: u8 = 0x84;

#[cfg(test)]
mod tests {
    use ldap3_proto::LdapFilter;
    use ldap3_proto::proto::{LdapMatchingRuleAssertion, LdapOp, LdapSubstringFilter};
    use proptest::prelude::*;

    use super::*;
    use crate::primary::ldap::message::tests::{read_by_another, search_for};

    /// What another reader of the protocol takes the filter for.
    fn meaning(filter: &Filter) -> LdapFilter {
        let LdapOp::SearchRequest(search) = read_by_another(&search_for(filter)).op else {
            panic!("it is a search");
        };
        search.filter
    }

    fn equal(attribute: &str, value: &str) -> LdapFilter {
        LdapFilter::Equality(attribute.to_owned(), value.to_owned())
    }

    fn rule(matching_rule: Option<&str>, type_: Option<&str>, value: &str, dn: bool) -> LdapFilter {
        LdapFilter::Extensible(LdapMatchingRuleAssertion {
            matching_rule: matching_rule.map(str::to_owned),
            type_: type_.map(str::to_owned),
            match_value: value.to_owned(),
            dn_attributes: dn,
        })
    }

    #[test]
    fn a_filter_means_what_it_says() {
        let substring = |initial: Option<&str>, any: &[&str], last: Option<&str>| {
            LdapFilter::Substring(
                "cn".to_owned(),
                LdapSubstringFilter {
                    initial: initial.map(str::to_owned),
                    any: any.iter().map(|part| (*part).to_owned()).collect(),
                    final_: last.map(str::to_owned),
                },
            )
        };
        for (text, want) in [
            ("(uid=alice)", equal("uid", "alice")),
            ("(cn= a b )", equal("cn", " a b ")),
            ("(cn=)", equal("cn", "")),
            (
                "(memberOf=CN=vpn,OU=a=b,DC=lab)",
                equal("memberOf", "CN=vpn,OU=a=b,DC=lab"),
            ),
            (r"(cn=a\28b\29\2a\5C\00)", equal("cn", "a(b)*\\\0")),
            (r"(cn=\c3\a9)", equal("cn", "é")),
            ("(cn;lang-de=é)", equal("cn;lang-de", "é")),
            ("(2.5.4.3=x)", equal("2.5.4.3", "x")),
            ("(cn=*)", LdapFilter::Present("cn".to_owned())),
            (
                "(cn~=x)",
                LdapFilter::Approx("cn".to_owned(), "x".to_owned()),
            ),
            (
                "(cn>=x)",
                LdapFilter::GreaterOrEqual("cn".to_owned(), "x".to_owned()),
            ),
            (
                "(cn<=x)",
                LdapFilter::LessOrEqual("cn".to_owned(), "x".to_owned()),
            ),
            ("(cn=a*)", substring(Some("a"), &[], None)),
            ("(cn=*a)", substring(None, &[], Some("a"))),
            (r"(cn=*\2a*)", substring(None, &["*"], None)),
            ("(cn=a*b*c*d)", substring(Some("a"), &["b", "c"], Some("d"))),
            (
                "(memberOf:1.2.840.113556.1.4.1941:=CN=x,DC=y)",
                rule(
                    Some("1.2.840.113556.1.4.1941"),
                    Some("memberOf"),
                    "CN=x,DC=y",
                    false,
                ),
            ),
            ("(cn:=x)", rule(None, Some("cn"), "x", false)),
            ("(:dn:2.4.6:=x)", rule(Some("2.4.6"), None, "x", true)),
            ("(cn:dn:=x)", rule(None, Some("cn"), "x", true)),
            (
                "( & (a=1)\n (| (b=2) (!(c=3)) ) ) ",
                LdapFilter::And(vec![
                    equal("a", "1"),
                    LdapFilter::Or(vec![
                        equal("b", "2"),
                        LdapFilter::Not(Box::new(equal("c", "3"))),
                    ]),
                ]),
            ),
        ] {
            let filter = Filter::parse(text).unwrap_or_else(|| panic!("{text} is a filter"));
            assert_eq!(meaning(&filter), want, "{text}");
        }
        let both = Filter::equals("a", b"1").and(&Filter::equals("b", b"*"));
        assert_eq!(
            meaning(&both),
            LdapFilter::And(vec![equal("a", "1"), equal("b", "*")])
        );
        let any = ["(a=1)", "(b=2)", "(c=3)"].map(|text| Filter::parse(text).unwrap());
        assert_eq!(
            Filter::any_of(any),
            Filter::parse("(|(a=1)(b=2)(c=3))").unwrap()
        );
        assert_eq!(
            meaning(&Filter::by_rule("member", "1.2", b"x*")),
            rule(Some("1.2"), Some("member"), "x*", false)
        );
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in [
            "",
            "a=b",
            "(a=b",
            "a=b)",
            "(a=b)(c=d)",
            "(a=b))",
            "()",
            "(&)",
            "(!)",
            "(!(a=b)(c=d))",
            "(a)",
            "(=b)",
            "(a b=c)",
            "(a=(b))",
            r"(a=\)",
            r"(a=\2)",
            r"(a=\zz)",
            r"(a=\+1)",
            "(a=**)",
            "(a~=*)",
            "(:=x)",
            "(a:b:c:=x)",
            "(a=b)x",
        ] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
        let nested = |depth: usize| format!("{}(a=b){}", "(!".repeat(depth), ")".repeat(depth));
        assert!(Filter::parse(&nested(DEPTH - 1)).is_some());
        assert_eq!(Filter::parse(&nested(DEPTH)), None);
        assert_eq!(Filter::parse(&nested(100_000)), None);
    }

    proptest! {
        #[test]
        fn any_value_stays_one_value(value in ".{0,64}") {
            let filter = Filter::equals("uid", value.as_bytes());
            prop_assert_eq!(meaning(&filter), equal("uid", &value));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[()&|!=*:\\\\a-c2 ]{0,48}") {
            if let Some(filter) = Filter::parse(&text) {
                prop_assert_eq!(ber::Reader::new(filter.octets()).next().map(|e| e.is_some()), Ok(true));
            }
        }
    }
}
