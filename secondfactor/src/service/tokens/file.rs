//! A CSV file of hardware tokens, read into what is to be made. Pure. No message has a secret.

use std::collections::HashSet;

use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use crate::admin::{DeviceKind, OtpAlgorithm, RefusedToken};

/// What a file holds.
#[derive(Default)]
pub(super) struct Read {
    pub(super) tokens: Vec<NewToken>,
    /// Lines that are not possible.
    pub(super) refused: Vec<RefusedToken>,
}

/// A token of a file.
pub(super) struct NewToken {
    pub(super) line: u64,
    pub(super) serial: String,
    pub(super) secret: Zeroizing<Vec<u8>>,
    pub(super) kind: DeviceKind,
    pub(super) digits: u32,
    pub(super) algorithm: OtpAlgorithm,
    /// TOTP only.
    pub(super) period_s: Option<u32>,
    /// HOTP only: the next counter.
    pub(super) position: Option<u64>,
    /// Who gets it.
    pub(super) username: Option<String>,
}

/// Reads a file.
///
/// # Errors
/// What is wrong with the file as a whole, for a person.
pub(super) fn read(text: &str) -> Result<Read, String> {
    if text.len() > FILE_OCTETS {
        return Err("the file has more than 4 MiB; import it in parts".to_owned());
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut columns: Option<Vec<Column>> = None;
    let mut serials = HashSet::new();
    let mut read = Read::default();
    // No field has a line of its own, so each line is read by itself, and its number is right.
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        let fields = fields(text, line)?;
        let Some(columns) = &columns else {
            columns = Some(header(&fields, line)?);
            continue;
        };
        if read.tokens.len() + read.refused.len() >= FILE_TOKENS {
            return Err("the file has more than 50,000 tokens; import it in parts".to_owned());
        }
        let serial = field(columns, &fields, Column::Serial);
        match token(columns, &fields, line) {
            Ok(token) if serials.insert(token.serial.clone()) => read.tokens.push(token),
            made => read.refused.push(RefusedToken {
                line,
                serial: serial.chars().take(SERIAL_CHARACTERS).collect(),
                why: made.err().unwrap_or_else(|| {
                    "there is a line with that serial number before this one".to_owned()
                }),
            }),
        }
    }
    if columns.is_none() {
        return Err(format!(
            "the file is empty: its first line names the columns, {KNOWN}"
        ));
    }
    Ok(read)
}

fn fields(text: &str, line: u64) -> Result<csv::StringRecord, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(_) => Ok(record),
        Err(_) => Err(format!("line {line} is no CSV")),
    }
}

/// A column that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Serial,
    Secret,
    Kind,
    Digits,
    Algorithm,
    Period,
    Counter,
    Username,
}

impl Column {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "serial" => Self::Serial,
            "secret" => Self::Secret,
            "kind" => Self::Kind,
            "digits" => Self::Digits,
            "algorithm" => Self::Algorithm,
            "period" => Self::Period,
            "counter" => Self::Counter,
            "username" => Self::Username,
            _ => return None,
        })
    }
}

fn header(record: &csv::StringRecord, line: u64) -> Result<Vec<Column>, String> {
    let mut columns = Vec::with_capacity(record.len());
    for name in record {
        // A file without a first line of names has a secret where a name should be.
        let Some(column) = Column::from_name(name) else {
            let hint = match record.len() {
                1 => "; columns are separated by commas",
                _ => "",
            };
            return Err(format!(
                "line {line} has a column that is not known; columns are {KNOWN}{hint}"
            ));
        };
        if columns.contains(&column) {
            return Err(format!("line {line}: the column '{name}' is there twice"));
        }
        columns.push(column);
    }
    for (column, name) in [(Column::Serial, "serial"), (Column::Secret, "secret")] {
        if !columns.contains(&column) {
            return Err(format!(
                "line {line}: there is no column '{name}'; columns are {KNOWN}"
            ));
        }
    }
    Ok(columns)
}

/// A field's text; empty when there is no such column.
fn field<'r>(columns: &[Column], record: &'r csv::StringRecord, wanted: Column) -> &'r str {
    let place = columns.iter().position(|column| *column == wanted);
    place
        .and_then(|place| record.get(place))
        .unwrap_or_default()
}

fn token(columns: &[Column], record: &csv::StringRecord, line: u64) -> Result<NewToken, String> {
    if record.len() != columns.len() {
        return Err(format!(
            "it has {} fields, and the first line {}",
            record.len(),
            columns.len()
        ));
    }
    let of = |column| field(columns, record, column);
    let kind = match of(Column::Kind).to_ascii_lowercase().as_str() {
        "" | "hotp" => DeviceKind::Hotp,
        "totp" => DeviceKind::Totp,
        _ => return Err("its kind is hotp or totp".to_owned()),
    };
    let algorithm = of(Column::Algorithm).to_ascii_uppercase().replace('-', "");
    let algorithm = match algorithm.as_str() {
        "" => OtpAlgorithm::Sha1,
        name => OtpAlgorithm::from_name(name).ok_or("its algorithm is SHA1, SHA256 or SHA512")?,
    };
    let digits =
        number(of(Column::Digits), 6, 6..=8).ok_or("its passcodes have 6, 7 or 8 digits")?;
    let period =
        number(of(Column::Period), 30, 15..=300).ok_or("its period is 15 to 300 seconds")?;
    let counter = number(of(Column::Counter), 0, 0..=LAST_COUNTER)
        .ok_or("its counter is the next one, a number from 0 on")?;
    let is_clock = kind == DeviceKind::Totp;
    if is_clock && !of(Column::Counter).is_empty() {
        return Err("it is of kind totp, which has no counter".to_owned());
    }
    if !is_clock && !of(Column::Period).is_empty() {
        return Err("it is of kind hotp, which has no period".to_owned());
    }
    let username = of(Column::Username);
    Ok(NewToken {
        line,
        serial: serial(of(Column::Serial))?,
        secret: secret(of(Column::Secret))?,
        kind,
        digits: u32::try_from(digits).unwrap_or(6),
        algorithm,
        period_s: is_clock.then(|| u32::try_from(period).unwrap_or(30)),
        position: (!is_clock).then_some(counter),
        username: (!username.is_empty()).then(|| username.to_owned()),
    })
}

fn number(text: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    if text.is_empty() {
        return Some(default);
    }
    text.parse().ok().filter(|number| range.contains(number))
}

fn serial(text: &str) -> Result<String, String> {
    let good = (1..=SERIAL_CHARACTERS).contains(&text.chars().count())
        && !text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '/');
    if good && ![".", ".."].contains(&text) {
        Ok(text.to_owned())
    } else {
        Err("a serial number has 1 to 64 characters, without blanks and '/'".to_owned())
    }
}

fn secret(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let decoded = match text.split_once(':') {
        Some((name, text)) if name.eq_ignore_ascii_case("base32") => {
            let text = Zeroizing::new(text.trim().trim_end_matches('=').to_ascii_uppercase());
            BASE32_NOPAD.decode(text.as_bytes()).ok()
        }
        Some(_) => None,
        None => HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok(),
    };
    let secret = Zeroizing::new(
        decoded.ok_or("its secret is neither hexadecimal nor, after 'base32:', base32")?,
    );
    if (16..=128).contains(&secret.len()) {
        Ok(secret)
    } else {
        Err("its secret has 128 to 1,024 bits".to_owned())
    }
}

const KNOWN: &str = "serial, secret, kind, digits, algorithm, period, counter, username";
const FILE_OCTETS: usize = 4 * 1024 * 1024;
pub(super) const FILE_TOKENS: usize = 50_000;
const SERIAL_CHARACTERS: usize = 64;
/// As far as the database counts, with room for looking ahead.
const LAST_COUNTER: u64 = 1 << 62;

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "3132333435363738393031323334353637383930";

    fn said(text: &str) -> Vec<String> {
        let read = match read(text) {
            Ok(read) => read,
            Err(why) => return vec![why],
        };
        let token = |token: &NewToken| {
            format!(
                "{} {} {} {} {} {:?} {:?} {:?} {}",
                token.line,
                token.serial,
                token.kind.as_str(),
                token.digits,
                token.algorithm.as_str(),
                token.period_s,
                token.position,
                token.username,
                token.secret.len()
            )
        };
        let mut all: Vec<_> = read.tokens.iter().map(token).collect();
        all.extend(
            read.refused
                .iter()
                .map(|refused| format!("{} {}: {}", refused.line, refused.serial, refused.why)),
        );
        all
    }

    #[test]
    fn lines_are_read_however_they_are_written() {
        let plain = "2 A1 hotp 6 SHA1 None Some(0) None 20";
        let base32 = data_encoding::BASE32.encode(b"1234567890123456");
        for (name, text, want) in [
            ("plain", format!("serial,secret\nA1,{HEX}\n"), vec![plain]),
            (
                "a mark, CRLF, other order and case, blanks, no end",
                format!("\u{feff}Secret, SERIAL\r\n {HEX} , A1\r\n\r\n{HEX},\"B,2\""),
                vec![plain, "4 B,2 hotp 6 SHA1 None Some(0) None 20"],
            ),
            (
                "all columns",
                format!(
                    "serial,secret,kind,digits,algorithm,period,counter,username\n\
                     C,base32:{base32},TOTP,8,sha-256,60,,alice\nH,{HEX},hotp,7,,,41,\n"
                ),
                vec![
                    "2 C totp 8 SHA256 Some(60) None Some(\"alice\") 16",
                    "3 H hotp 7 SHA1 None Some(41) None 20",
                ],
            ),
            ("no tokens", "serial,secret\n".to_owned(), vec![]),
        ] {
            assert_eq!(said(&text), want, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        let short = &HEX[..30];
        for (name, line, want) in [
            (
                "fields",
                format!("A,{HEX}"),
                "it has 2 fields, and the first line 8",
            ),
            (
                "no serial",
                format!(",{HEX},,,,,,"),
                "a serial number has 1 to 64",
            ),
            (
                "blanks",
                format!("A 1,{HEX},,,,,,"),
                "a serial number has 1 to 64",
            ),
            (
                "no secret",
                "A,,,,,,,".to_owned(),
                "its secret has 128 to 1,024 bits",
            ),
            (
                "short",
                format!("A,{short},,,,,,"),
                "its secret has 128 to 1,024 bits",
            ),
            (
                "no hexadecimal",
                format!("A,{HEX}x,,,,,,"),
                "neither hexadecimal",
            ),
            (
                "base64",
                format!("A,base64:{HEX},,,,,,"),
                "neither hexadecimal",
            ),
            (
                "kind",
                format!("A,{HEX},phone,,,,,"),
                "its kind is hotp or totp",
            ),
            ("digits", format!("A,{HEX},,9,,,,"), "6, 7 or 8 digits"),
            (
                "algorithm",
                format!("A,{HEX},,,MD5,,,"),
                "SHA1, SHA256 or SHA512",
            ),
            ("period", format!("A,{HEX},totp,,,1,,"), "15 to 300 seconds"),
            (
                "period of a counter",
                format!("A,{HEX},hotp,,,30,,"),
                "has no period",
            ),
            ("counter", format!("A,{HEX},,,,,-1,"), "a number from 0 on"),
            (
                "counter of a clock",
                format!("A,{HEX},totp,,,,5,"),
                "has no counter",
            ),
        ] {
            let header = "serial,secret,kind,digits,algorithm,period,counter,username";
            let read = read(&format!("{header}\n{line}\n")).unwrap();
            let [refused] = &read.refused[..] else {
                panic!("{name}: {} read", read.tokens.len());
            };
            assert!(refused.why.contains(want), "{name}: {}", refused.why);
            assert_eq!(refused.line, 2, "{name}");
            assert!(!refused.why.contains(short), "{name}: {}", refused.why);
        }
        let twice = format!("serial,secret\nA,{HEX}\nA,{HEX}\n");
        assert!(said(&twice)[1].contains("3 A: there is a line"), "{twice}");
    }

    #[test]
    fn a_file_as_a_whole_can_be_wrong() {
        let many = format!("serial,secret\n{}", "a,b\n".repeat(50_001));
        for (name, text, want) in [
            ("empty", String::new(), "the file is empty"),
            (
                "no header",
                format!("A,{HEX}\n"),
                "line 1 has a column that is not known",
            ),
            (
                "semicolons",
                "serial;secret\n".to_owned(),
                "separated by commas",
            ),
            ("twice", "serial,serial\n".to_owned(), "is there twice"),
            (
                "no secret",
                "serial,kind\n".to_owned(),
                "no column 'secret'",
            ),
            ("no serial", "secret\n".to_owned(), "no column 'serial'"),
            ("many", many, "more than 50,000 tokens"),
            ("large", " ".repeat(FILE_OCTETS + 1), "more than 4 MiB"),
        ] {
            let why = said(&text).join("\n");
            assert!(why.contains(want), "{name}: {why}");
            assert!(!why.contains(HEX), "{name}: {why}");
        }
    }
}
