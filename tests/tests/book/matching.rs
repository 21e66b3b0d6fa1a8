//! Whether a command printed what the book says. What is different each time (a date, a port, a
//! passcode) only has to be of the same kind, and is remembered: where the book names it again, the
//! command gets the one that was printed.

use std::collections::BTreeMap;

/// What the book writes, with what was printed in its place.
pub(crate) type Learned = BTreeMap<String, String>;

/// The book's sign for any text of a line, and, alone on one, for any lines.
const ANY: char = '…';

/// Compares, and says at which line of the book's they part.
///
/// # Errors
/// The first line of the book's that nothing printed agrees with, or the first printed that is in no
/// line of it.
pub(crate) fn compare(book: &[String], printed: &str, learned: &mut Learned) -> Result<(), String> {
    let printed: Vec<&str> = printed.trim_end().lines().collect();
    let mut trial = learned.clone();
    // `…` lines may take any number of lines; there are few of them.
    match lines(book, &printed, &mut trial) {
        Ok(()) => {
            *learned = trial;
            Ok(())
        }
        Err(fault) => Err(fault),
    }
}

fn lines(book: &[String], printed: &[&str], learned: &mut Learned) -> Result<(), String> {
    let Some((want, book)) = book.split_first() else {
        return match printed.first() {
            Some(more) => Err(format!("printed and not in the book: {more}")),
            None => Ok(()),
        };
    };
    if want.trim() == "…" {
        let mut fault = String::from("nothing behind '…' agrees");
        for taken in 0..=printed.len() {
            let mut trial = learned.clone();
            match lines(book, &printed[taken..], &mut trial) {
                Ok(()) => {
                    *learned = trial;
                    return Ok(());
                }
                // The fault that comes of the first line that agrees says most.
                Err(other) if printed.get(taken).is_some_and(|is| agrees(book, is)) => {
                    fault = other
                }
                Err(_) => {}
            }
        }
        return Err(fault);
    }
    let Some((is, printed)) = printed.split_first() else {
        return Err(format!("in the book and not printed: {want}"));
    };
    if !line(want, is, learned) {
        return Err(format!("the book: {want}\nprinted:  {is}"));
    }
    lines(book, printed, learned)
}

fn agrees(book: &[String], is: &str) -> bool {
    let mut learned = Learned::new();
    book.first()
        .is_some_and(|want| line(want, is, &mut learned))
}

/// Whether one line is the other but for what differs each time.
fn line(want: &str, is: &str, learned: &mut Learned) -> bool {
    sequence(&words(want), &words(is), learned)
}

fn sequence(want: &[Word<'_>], is: &[Word<'_>], learned: &mut Learned) -> bool {
    let Some((first, want)) = want.split_first() else {
        return is.is_empty();
    };
    if first.text == "…" {
        return (0..=is.len()).any(|taken| {
            let mut trial = learned.clone();
            let fits = sequence(want, &is[taken..], &mut trial);
            if fits {
                *learned = trial;
            }
            fits
        });
    }
    let Some((word, is)) = is.split_first() else {
        return false;
    };
    if first.text != word.text {
        let cut = first.text.contains(ANY) && word.kind.is_some();
        if !cut && (first.kind.is_none() || first.kind != word.kind) {
            return false;
        }
        if word.kind.is_some_and(Kind::is_a_name) {
            learned.insert(first.text.to_owned(), word.text.to_owned());
        }
    }
    sequence(want, is, learned)
}

/// What was printed in the places of what the book writes, put into a text of the book. What was put
/// there is not looked through again: a State of a hundred digits may have a passcode's in it.
pub(crate) fn fill(text: &str, learned: &Learned) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let here = learned.iter().filter(|(book, _)| rest.starts_with(*book));
        if let Some((book, printed)) = here.max_by_key(|(book, _)| book.len()) {
            filled += printed;
            rest = &rest[book.len()..];
        } else {
            filled.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    filled
}

/// A kind of what differs each time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Date,
    Clock,
    /// Octets in hexadecimal with colons between.
    Fingerprint,
    Uuid,
    /// An address with a port that the kernel chose.
    Port,
    /// Six digits or more.
    Number,
    Hex,
    /// Capitals and digits.
    Id,
    Token,
    /// A number before `ms` or `octets`.
    Measure,
    /// A number behind `id` or `length`.
    Count,
}

impl Kind {
    /// Whether a later command may name it.
    fn is_a_name(self) -> bool {
        matches!(
            self,
            Self::Uuid | Self::Number | Self::Hex | Self::Id | Self::Token
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    text: &'a str,
    kind: Option<Kind>,
}

/// The words of a line and the signs between them; blanks count as one.
fn words(line: &str) -> Vec<Word<'_>> {
    let mut texts = Vec::new();
    let mut rest = line.trim_end();
    while let Some(first) = rest.chars().next() {
        let of_a_word = |letter: char| {
            letter.is_alphanumeric() || matches!(letter, ':' | '.' | '-' | '+' | '_' | ANY)
        };
        let length = if first.is_whitespace() {
            rest.len() - rest.trim_start().len()
        } else if of_a_word(first) {
            rest.find(|letter| !of_a_word(letter)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, behind) = rest.split_at(length);
        texts.push(if first.is_whitespace() { " " } else { word });
        rest = behind;
    }
    // Of a table the width of a column follows what is in it.
    let solid = |from: usize, step: isize| {
        let mut at = from.checked_add_signed(step)?;
        if texts.get(at) == Some(&" ") {
            at = at.checked_add_signed(step)?;
        }
        texts.get(at).copied()
    };
    (0..texts.len())
        .map(|at| {
            let text = texts[at];
            let number = text.trim_start_matches('+').parse::<f64>().is_ok();
            let kind = match (solid(at, 1), solid(at, -1)) {
                (Some("ms" | "octets"), _) if number => Some(Kind::Measure),
                (_, Some("id" | "Id" | "length")) if number => Some(Kind::Count),
                _ => kind(text),
            };
            Word { text, kind }
        })
        .collect()
}

/// The kind of a word by itself.
fn kind(word: &str) -> Option<Kind> {
    let word = word.trim_end_matches(['.', ':']).trim_start_matches(':');
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    let pieces: Vec<&str> = word.split('-').collect();
    let capitals = |octet: u8| octet.is_ascii_uppercase() || octet.is_ascii_digit();
    // The code of an enrollment.
    if pieces.iter().map(|piece| piece.len()).eq([4, 4, 4])
        && pieces.iter().all(|piece| piece.bytes().all(capitals))
    {
        return Some(Kind::Id);
    }
    if let [year, month, day, ..] = *pieces
        && year.len() == 4
        && digits(year)
        && digits(month)
        && day.len() >= 2
        && day.get(..2).is_some_and(digits)
    {
        return Some(Kind::Date);
    }
    if pieces.iter().map(|piece| piece.len()).eq([8, 4, 4, 4, 12])
        && pieces.iter().all(|one| hex(one))
    {
        return Some(Kind::Uuid);
    }
    let pieces: Vec<&str> = word.split(':').collect();
    if pieces.len() >= 8 && pieces.iter().all(|piece| piece.len() == 2 && hex(piece)) {
        return Some(Kind::Fingerprint);
    }
    if pieces.len() == 3 && pieces.iter().all(|piece| piece.len() == 2 && digits(piece)) {
        return Some(Kind::Clock);
    }
    if let [address, port] = *pieces
        && address.contains('.')
        && port.parse::<u16>().is_ok_and(|port| port >= 32_768)
    {
        return Some(Kind::Port);
    }
    if word.starts_with("cst_") {
        return Some(Kind::Token);
    }
    // A cursor is two of them.
    let whole = word.split_once('-').map_or(word, |(first, _)| first);
    if word
        .replace('-', "")
        .bytes()
        .all(|octet| octet.is_ascii_digit())
        && whole.len() >= 6
    {
        return Some(Kind::Number);
    }
    if word.strip_prefix("0x").is_some_and(hex)
        || word.len() >= 4 && hex(word) && word.bytes().any(|octet| octet.is_ascii_digit())
    {
        return Some(Kind::Hex);
    }
    (word.len() >= 16 && word.bytes().all(capitals)).then_some(Kind::Id)
}

#[test]
fn what_differs_each_time_agrees() {
    for (book, printed, good) in [
        ("erin made", "erin made", true),
        ("erin made", "frank made", false),
        ("839616746", "112233445", true),
        ("7 good", "8 good", false),
        (
            "  0.6 ms  +79.1 ms  preauth",
            "  10.6 ms   +9.1 ms  preauth",
            true,
        ),
        (
            "revision 1 by id 0 from 127.0.0.1:60801,",
            "revision 1 by id 7 from 127.0.0.1:50802,",
            true,
        ),
        ("from 127.0.0.1:1812", "from 127.0.0.1:1822", false),
        ("revision 1", "revision 2", false),
        (
            "2026-11-22T15:30:00Z  ACCEPT",
            "2027-01-02T03:04:05Z  ACCEPT",
            true,
        ),
        (
            "d6c64752-2769-4483-be5b-245c9ac99b63  bob",
            "00000000-2769-4483-be5b-245c9ac99b63  bob",
            true,
        ),
        ("e/K7QM-2F9X-4T3B", "e/2026-0102-0304", true),
        ("e/K7QM-2F9X-4T3B", "e/K7QM-2F9X-4t3b", false),
        ("cst_5f2c…", "cst_3b50c5676c974498_6a97132b2ebe", true),
        ("State = 0x029c5ce1233a4c1d…78f5fa", "State = 0x0312", true),
        ("…\nlast", "one\ntwo\nlast", true),
        ("…\nlast", "last", true),
        ("…\nlast", "one\nlast\nmore", false),
        ("first\n…", "first", true),
        ("WARN … soon", "WARN it ends soon", true),
        ("WARN … soon", "WARN it ends late", false),
        ("a\nb", "a", false),
        ("a", "a\nb", false),
    ] {
        let book: Vec<String> = book.lines().map(str::to_owned).collect();
        let is = compare(&book, printed, &mut Learned::new());
        assert_eq!(is.is_ok(), good, "{book:?} {printed}: {is:?}");
    }
}

#[test]
fn what_was_printed_is_named_again() {
    let mut learned = Learned::new();
    let book = ["839616746".to_owned()];
    compare(&book, "112233445\n", &mut learned).unwrap();
    assert_eq!(
        fill(
            "echo anything,839616746 | countersign login frank",
            &learned
        ),
        "echo anything,112233445 | countersign login frank"
    );
}

#[test]
fn what_was_put_there_is_not_looked_through() {
    let pairs = [
        ("0x02…f5", "0x0286a1c4"),
        ("86a1", "0x77"),
        ("0x02", "0x03"),
    ];
    let learned = pairs.map(|(book, printed)| (book.to_owned(), printed.to_owned()));
    let learned = Learned::from(learned);
    assert_eq!(
        fill("State=0x02…f5, 86a1", &learned),
        "State=0x0286a1c4, 0x77"
    );
}
