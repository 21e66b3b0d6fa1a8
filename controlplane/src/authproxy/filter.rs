//! LDAP search filters as text (RFC 4515): whether one can be read, and its strict form. Pure.
//!
//! Files have liberties that other clients of directories took: no parentheses around the whole,
//! blanks between the parts. They are dropped here, so that what is shipped is read in one way
//! only.

use super::cursor::{Cursor, TextFault, is_attribute};

/// The filter without liberties: in parentheses, with no blanks outside of values.
///
/// # Errors
/// Where it cannot be read, and why.
pub(super) fn strict(text: &str) -> Result<String, TextFault> {
    let mut cursor = Cursor::new(text);
    let mut out = String::with_capacity(text.len() + 2);
    cursor.skip_blanks();
    if cursor.peek() == Some('(') {
        filter(&mut cursor, &mut out, 0)?;
    } else {
        out.push('(');
        component(&mut cursor, &mut out, 0)?;
        out.push(')');
    }
    cursor.skip_blanks();
    match cursor.peek() {
        None => Ok(out),
        Some(')') => Err(cursor.fault("this ')' closes nothing")),
        Some(_) => Err(cursor.fault("something follows the filter; join several with '(&…)'")),
    }
}

fn filter(cursor: &mut Cursor<'_>, out: &mut String, depth: usize) -> Result<(), TextFault> {
    cursor.skip_blanks();
    if depth >= DEEPEST {
        return Err(cursor.fault("filters are nested too deep"));
    }
    if !cursor.take('(') {
        return Err(cursor.fault("a '(' is missing"));
    }
    out.push('(');
    component(cursor, out, depth)?;
    cursor.skip_blanks();
    if !cursor.take(')') {
        return Err(cursor.fault("a ')' is missing"));
    }
    out.push(')');
    Ok(())
}

fn component(cursor: &mut Cursor<'_>, out: &mut String, depth: usize) -> Result<(), TextFault> {
    cursor.skip_blanks();
    match cursor.peek() {
        Some(operator @ ('&' | '|')) => {
            cursor.pass();
            out.push(operator);
            filter(cursor, out, depth + 1)?;
            cursor.skip_blanks();
            while cursor.peek() == Some('(') {
                filter(cursor, out, depth + 1)?;
                cursor.skip_blanks();
            }
            Ok(())
        }
        Some('!') => {
            cursor.pass();
            out.push('!');
            filter(cursor, out, depth + 1)
        }
        _ => item(cursor, out),
    }
}

fn item(cursor: &mut Cursor<'_>, out: &mut String) -> Result<(), TextFault> {
    let start = cursor.clone();
    let attribute =
        cursor.word(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ';'));
    cursor.skip_blanks();
    let extensible = cursor.peek() == Some(':');
    if attribute.is_empty() && !extensible {
        return Err(start.fault("the name of an attribute is missing"));
    }
    if !attribute.is_empty() && !is_attribute(attribute) {
        return Err(start.fault("this is no name of an attribute"));
    }
    out.push_str(attribute);
    if extensible {
        let rule = matching_rule(cursor, out)?;
        if attribute.is_empty() && !rule {
            return Err(start.fault("the name of an attribute or of a rule is missing"));
        }
        return value(cursor, out, Stars::Refused);
    }
    match cursor.peek() {
        Some('=') => {
            cursor.pass();
            out.push('=');
            value(cursor, out, Stars::StandForAnything)
        }
        Some(operator @ ('~' | '<' | '>')) => {
            cursor.pass();
            if !cursor.take('=') {
                return Err(cursor.fault("a '=' is missing"));
            }
            out.push(operator);
            out.push('=');
            value(cursor, out, Stars::Refused)
        }
        _ => Err(cursor.fault("a '=' is missing")),
    }
}

/// `:dn`, `:rule` and `:=`. Gives whether a rule is named.
fn matching_rule(cursor: &mut Cursor<'_>, out: &mut String) -> Result<bool, TextFault> {
    let (mut by_dn, mut rule) = (false, false);
    while cursor.take(':') {
        out.push(':');
        if cursor.take('=') {
            out.push('=');
            return Ok(rule);
        }
        let start = cursor.clone();
        let word = cursor.word(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
        let is_dn = word.eq_ignore_ascii_case("dn") && !by_dn && !rule;
        if !is_dn && (rule || !is_attribute(word)) {
            return Err(start.fault("this is no matching rule"));
        }
        by_dn |= is_dn;
        rule |= !is_dn;
        out.push_str(word);
        cursor.skip_blanks();
    }
    Err(cursor.fault("a ':=' is missing"))
}

/// What `*` is within a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stars {
    StandForAnything,
    Refused,
}

fn value(cursor: &mut Cursor<'_>, out: &mut String, stars: Stars) -> Result<(), TextFault> {
    let mut before = None;
    loop {
        match cursor.peek() {
            None | Some(')') => return Ok(()),
            Some('(') => return Err(cursor.fault("a '(' within a value is written '\\28'")),
            Some('*') if stars == Stars::Refused => {
                return Err(cursor.fault("a '*' here is written '\\2a'"));
            }
            // Two mean what one means, and stand for nothing in a request (RFC 4511 section 4.5.1).
            Some('*') if before == Some('*') => {
                cursor.pass();
            }
            Some('\\') => {
                let start = cursor.clone();
                cursor.pass();
                let code = cursor.word_of(2, |c| c.is_ascii_hexdigit());
                if code.len() != 2 {
                    return Err(start.fault(
                        "two hexadecimal digits follow a '\\'; the character itself is '\\5c'",
                    ));
                }
                out.push('\\');
                out.push_str(code);
                before = None;
            }
            Some(other) => {
                cursor.pass();
                out.push(other);
                before = Some(other);
            }
        }
    }
}

/// The most filters within each other: more than anybody writes, and no stack is spent on it.
const DEEPEST: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_can_be_read_has_one_form() {
        for (text, want) in [
            ("(uid=*)", "(uid=*)"),
            ("uid=alice", "(uid=alice)"),
            ("&(a=b)(c=d)", "(&(a=b)(c=d))"),
            (
                " ( & ( a=b ) ( | (c>=1)(d<=2)(e~=f) ) ) ",
                "(&(a=b )(|(c>=1)(d<=2)(e~=f)))",
            ),
            ("(!(a=b))", "(!(a=b))"),
            (
                "(memberOf=CN=VPN,OU=G,DC=example,DC=com)",
                "(memberOf=CN=VPN,OU=G,DC=example,DC=com)",
            ),
            (
                "(memberOf:1.2.840.113556.1.4.1941:=CN=VPN,DC=x)",
                "(memberOf:1.2.840.113556.1.4.1941:=CN=VPN,DC=x)",
            ),
            (
                "(!(userAccountControl:1.2.840.113556.1.4.803:=2))",
                "(!(userAccountControl:1.2.840.113556.1.4.803:=2))",
            ),
            ("(cn:dn:2.4.6.8.10:=Barney)", "(cn:dn:2.4.6.8.10:=Barney)"),
            ("(:DN:2.4.6.8.10:=Dino)", "(:DN:2.4.6.8.10:=Dino)"),
            ("(o:dn:=Ace)", "(o:dn:=Ace)"),
            ("(cn:caseExactMatch:=Fred)", "(cn:caseExactMatch:=Fred)"),
            ("(cn;lang-de=é)", "(cn;lang-de=é)"),
            ("(2.5.4.3=a*b*c)", "(2.5.4.3=a*b*c)"),
            ("(cn=*\\2a*)", "(cn=*\\2a*)"),
            ("(cn=a***)", "(cn=a*)"),
            ("(acme_role=x)", "(acme_role=x)"),
            (
                "(o=Parens R Us \\28for all\\29)",
                "(o=Parens R Us \\28for all\\29)",
            ),
            ("(cn=)", "(cn=)"),
        ] {
            assert_eq!(strict(text).as_deref(), Ok(want), "{text}");
            assert_eq!(strict(want).as_deref(), Ok(want), "{want}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let deep = format!("{}(a=b{}", "(!".repeat(32), ")".repeat(33));
        for (text, position, words) in [
            ("", 1, "the name of an attribute is missing"),
            ("nonsense", 9, "a '=' is missing"),
            ("(a=b", 5, "a ')' is missing"),
            ("(a=b))", 6, "this ')' closes nothing"),
            ("a=b)", 4, "this ')' closes nothing"),
            ("(a=b)(c=d)", 6, "something follows the filter"),
            ("a=b)(c=d", 4, "this ')' closes nothing"),
            ("(&)", 3, "a '(' is missing"),
            ("(&(a=b)c=d)", 8, "a ')' is missing"),
            ("(!(a=b)(c=d))", 8, "a ')' is missing"),
            ("(é=b)", 2, "the name of an attribute is missing"),
            ("(-a=b)", 2, "this is no name of an attribute"),
            ("(a>b)", 4, "a '=' is missing"),
            ("(a>=b*)", 6, "a '*' here is written '\\2a'"),
            ("(a=é\\zz)", 5, "two hexadecimal digits follow a '\\'"),
            ("(a=b\\2", 5, "two hexadecimal digits follow a '\\'"),
            ("(a=(b))", 4, "a '(' within a value is written '\\28'"),
            (
                "(:=b)",
                2,
                "the name of an attribute or of a rule is missing",
            ),
            (
                "(:dn:=b)",
                2,
                "the name of an attribute or of a rule is missing",
            ),
            ("(a:r:s:=b)", 6, "this is no matching rule"),
            ("(a:r=b)", 5, "a ':=' is missing"),
            (&deep, 65, "filters are nested too deep"),
        ] {
            let fault = strict(text).unwrap_err();
            assert_eq!(fault.position, position, "{text}: {fault}");
            assert!(fault.what.starts_with(words), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn the_strict_form_is_its_own(text in "[ab=()&|!*:\\\\2 é.]{0,24}") {
            if let Ok(once) = strict(&text) {
                prop_assert_eq!(strict(&once), Ok(once.clone()));
            }
        }
    }
}
