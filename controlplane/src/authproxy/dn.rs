//! Distinguished names as text (RFC 4514): whether one can be read. Pure.
//!
//! The older forms of RFC 2253 that directories still take (`;` between the parts, blanks around
//! them, values in quotes) are taken, and so are Active Directory's `<GUID=…>` and its like.

use super::cursor::{Cursor, TextFault, is_attribute};

/// Says where a name cannot be read, and why.
///
/// # Errors
/// The first fault.
pub(super) fn check(text: &str) -> Result<(), TextFault> {
    if text.starts_with('<') && text.ends_with('>') && text.contains('=') {
        return Ok(());
    }
    let mut cursor = Cursor::new(text);
    loop {
        attribute(&mut cursor)?;
        value(&mut cursor)?;
        // The value ends before one of ',', ';' and '+' only.
        if cursor.pass().is_none() {
            return Ok(());
        }
        cursor.skip_blanks();
        if cursor.peek().is_none() {
            return Err(cursor.fault("nothing follows the last ','"));
        }
    }
}

fn attribute(cursor: &mut Cursor<'_>) -> Result<(), TextFault> {
    cursor.skip_blanks();
    let start = cursor.clone();
    let name = cursor.word(|c| !matches!(c, '=' | ',' | ';' | '+'));
    if !cursor.take('=') {
        // One of several parts may be a piece of a value.
        let alone = cursor.peek().is_none() && start.is_at_start();
        return Err(start.fault(if alone {
            "there is no '='"
        } else {
            "there is no '=' in this part (a ',' or '+' within a value has a '\\' before it)"
        }));
    }
    let name = name.trim_end();
    let bare = match name.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("oid.") => name.get(4..).unwrap_or_default(),
        _ => name,
    };
    if !is_attribute(bare) {
        return Err(start.fault("what stands before the '=' is no name of an attribute"));
    }
    Ok(())
}

fn value(cursor: &mut Cursor<'_>) -> Result<(), TextFault> {
    cursor.skip_blanks();
    let start = cursor.clone();
    let quoted = cursor.take('"');
    let mut empty = true;
    loop {
        match cursor.peek() {
            None if quoted => return Err(start.fault("the '\"' is not closed")),
            Some('"') if quoted => {
                cursor.pass();
                cursor.skip_blanks();
                return match cursor.peek() {
                    None | Some(',' | ';' | '+') => Ok(()),
                    Some(_) => Err(cursor.fault("a ',' is missing")),
                };
            }
            None => break,
            Some(',' | ';' | '+') if !quoted => break,
            Some('\\') => {
                escaped(cursor)?;
                empty = false;
            }
            Some(_) => {
                cursor.pass();
                empty = false;
            }
        }
    }
    if empty {
        return Err(start.fault("there is no value behind the '='"));
    }
    Ok(())
}

/// `\,` and its like, and `\2c`.
fn escaped(cursor: &mut Cursor<'_>) -> Result<(), TextFault> {
    let start = cursor.clone();
    cursor.pass();
    let code = cursor.word_of(2, |c| c.is_ascii_hexdigit());
    let good = match code.len() {
        2 => true,
        0 => cursor.pass().is_some_and(|c| !c.is_alphanumeric()),
        _ => false,
    };
    if good {
        return Ok(());
    }
    Err(start.fault("a special character or two hexadecimal digits follow a '\\'"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_directories_take_are_taken() {
        for text in [
            "DC=example,DC=com",
            "dc=example, dc=com",
            "CN = VPN ; OU=Groups;DC=example",
            "CN=Smith\\, Ann,OU=A+B=c,DC=x",
            "CN=C\\+\\+,DC=x",
            "CN=a\\2cb,DC=x",
            "CN=\"Smith, Ann\",DC=x",
            "CN=O'Hara (VPN) <x>,DC=x",
            "CN=Gruppe für Gäste,DC=x",
            "CN=a=b,DC=x",
            "2.5.4.3=a,OID.2.5.4.11=b",
            "CN=#0401,DC=x",
            "<GUID=12345678-1234-1234-1234-123456789012>",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_says_where() {
        for (text, position, words) in [
            ("", 1, "there is no '='"),
            ("example.com", 1, "there is no '='"),
            ("LAB\\svc", 1, "there is no '='"),
            ("CN=VPN,example,DC=com", 8, "there is no '='"),
            ("CN=C++ people,DC=x", 6, "there is no '='"),
            ("CN=Smith, Ann,DC=x", 11, "there is no '='"),
            ("=x,DC=com", 1, "what stands before the '='"),
            ("C N=x", 1, "what stands before the '='"),
            ("CN=,DC=x", 4, "there is no value"),
            ("DC=example,", 12, "nothing follows"),
            ("CN=a\\", 5, "a special character"),
            ("CN=a\\z,DC=x", 5, "a special character"),
            ("CN=a\\2,DC=x", 5, "a special character"),
            ("CN=\"a,DC=x", 4, "the '\"' is not closed"),
            ("CN=\"a\"b,DC=x", 7, "a ',' is missing"),
        ] {
            let fault = check(text).unwrap_err();
            assert_eq!(fault.position, position, "{text}: {fault}");
            assert!(fault.what.starts_with(words), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn a_place_is_within_the_text_or_at_its_end(text in "[ab=,;+\\\\\" é]{0,16}") {
            if let Err(fault) = check(&text) {
                prop_assert!((1..=text.chars().count() + 1).contains(&fault.position), "{}", fault);
            }
        }
    }
}
