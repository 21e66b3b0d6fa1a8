//! Reads dictionaries in FreeRADIUS' format (its `dictionary(5)`).
//!
//! Read: `ATTRIBUTE`, `VENDOR`, `BEGIN-VENDOR`, `BEGIN-TLV`, `ALIAS`, `$INCLUDE`, `$INCLUDE-`.
//! `VALUE` is checked for its form only: nothing here needs names of values. What was read is in
//! no message, since a path may have been mistaken and lead to a file of secrets.

use std::path::{Path, PathBuf};

use proto::config::AttributeType;

use super::{Dictionary, Entry, MAX_ATTRIBUTES, Vendor};
use crate::authproxy::files::{Files, beside};

/// How deep dictionaries may include each other.
const MAX_DEPTH: usize = 8;
/// How many files one dictionary may be made of.
const MAX_FILES: usize = 1000;
/// How many octets the files of one dictionary may have together.
const MAX_OCTETS: usize = 16 << 20;
/// How many faults are told before the rest is left out.
const MAX_FAULTS: usize = 100;

/// What is wrong with a dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DictionaryFault {
    /// The file; empty for the built-in one.
    pub file: PathBuf,
    /// The line, from 1; 0 when the file could not be read at all.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// What came of loading a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Every fault, 100 at the most.
    pub faults: Vec<DictionaryFault>,
    /// Every file that was read or looked for.
    pub files: Vec<PathBuf>,
}

impl Dictionary {
    /// Adds the names of a file and of those it includes. A name that is known already takes its
    /// new meaning.
    pub fn load(&mut self, path: &Path, files: &dyn Files) -> Loaded {
        let mut run = Run {
            dictionary: self,
            files: Some(files),
            loaded: Loaded::default(),
            octets_left: MAX_OCTETS,
        };
        run.file(path, 0, false);
        run.loaded
    }

    /// Adds the names of a text that includes no file.
    pub(super) fn read_text(&mut self, text: &str) -> Vec<DictionaryFault> {
        let mut run = Run {
            dictionary: self,
            files: None,
            loaded: Loaded::default(),
            octets_left: MAX_OCTETS,
        };
        run.text(Path::new(""), text, 0);
        run.loaded.faults
    }
}

struct Run<'a> {
    dictionary: &'a mut Dictionary,
    files: Option<&'a dyn Files>,
    loaded: Loaded,
    /// How many octets may still be read.
    octets_left: usize,
}

/// What each line of a dictionary begins with.
const KEYWORDS: &[&str] = &[
    "ATTRIBUTE",
    "VALUE",
    "VENDOR",
    "BEGIN-VENDOR",
    "END-VENDOR",
    "BEGIN-TLV",
    "END-TLV",
    "ALIAS",
    "$INCLUDE",
    "$INCLUDE-",
];

/// What `BEGIN-VENDOR` and `BEGIN-TLV` opened.
#[derive(Default)]
struct Scope {
    vendor: Option<(String, Vendor)>,
    tlvs: Vec<String>,
}

impl Run<'_> {
    fn fault(&mut self, file: &Path, line: u32, message: impl Into<String>) {
        if self.loaded.faults.len() < MAX_FAULTS {
            self.loaded.faults.push(DictionaryFault {
                file: file.to_owned(),
                line,
                message: message.into(),
            });
        }
    }

    /// Reads a file; false when it could not be read and may be missing.
    fn file(&mut self, path: &Path, depth: usize, optional: bool) {
        let Some(files) = self.files else {
            return self.fault(path, 0, "the built-in dictionary includes no files");
        };
        if depth > MAX_DEPTH || self.loaded.files.len() >= MAX_FILES {
            return self.fault(
                path,
                0,
                format!("more than {MAX_DEPTH} files deep, or more than {MAX_FILES} files"),
            );
        }
        self.loaded.files.push(path.to_owned());
        match files.read(path) {
            Ok(content) if content.octets.len() > self.octets_left => {
                self.octets_left = 0;
                self.fault(
                    path,
                    0,
                    format!("the dictionary has more than {MAX_OCTETS} octets"),
                );
            }
            Ok(content) => {
                self.octets_left -= content.octets.len();
                // Names and keywords are ASCII; old files have Latin-1 in their comments.
                let text = String::from_utf8_lossy(&content.octets);
                self.text(path, &text, depth);
            }
            Err(error) if optional && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => self.fault(path, 0, format!("cannot be read: {error}")),
        }
    }

    fn text(&mut self, path: &Path, text: &str, depth: usize) {
        let mut scope = Scope::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Err(message) = self.line(&words, &mut scope, path, depth) {
                self.fault(path, number, message);
            }
        }
    }

    fn line(
        &mut self,
        words: &[&str],
        scope: &mut Scope,
        path: &Path,
        depth: usize,
    ) -> Result<(), String> {
        let Some((keyword, rest)) = words.split_first() else {
            return Ok(());
        };
        match (keyword.to_ascii_uppercase().as_str(), rest) {
            ("ATTRIBUTE", [name, number, data_type, flags @ ..]) => {
                self.attribute(name, number, data_type, flags, scope)
            }
            ("ATTRIBUTE", _) => Err("ATTRIBUTE needs a name, a number and a type".to_owned()),
            ("VALUE", [_, _, number, ..]) => match whole_number(number) {
                Some(_) => Ok(()),
                None => Err("the third word of VALUE is no number".to_owned()),
            },
            ("VALUE", _) => Err("VALUE needs an attribute, a name and a number".to_owned()),
            ("VENDOR", [name, number, flags @ ..]) => self.vendor(name, number, flags),
            ("VENDOR", _) => Err("VENDOR needs a name and a number".to_owned()),
            ("BEGIN-VENDOR", [name, flags @ ..]) => self.begin_vendor(name, flags, scope),
            ("END-VENDOR", [name]) => match scope.vendor.take() {
                Some((open, _)) if open.eq_ignore_ascii_case(name) => Ok(()),
                _ => Err("END-VENDOR without its BEGIN-VENDOR".to_owned()),
            },
            ("BEGIN-TLV", [name, ..]) => {
                scope.tlvs.push((*name).to_owned());
                Ok(())
            }
            ("END-TLV", [name]) => match scope.tlvs.pop() {
                Some(open) if open.eq_ignore_ascii_case(name) => Ok(()),
                _ => Err("END-TLV without its BEGIN-TLV".to_owned()),
            },
            ("ALIAS", [name, target]) => self.alias(name, target),
            ("$INCLUDE", [included]) => {
                self.file(&beside(path, included), depth + 1, false);
                Ok(())
            }
            ("$INCLUDE-", [included]) => {
                self.file(&beside(path, included), depth + 1, true);
                Ok(())
            }
            (known, _) if KEYWORDS.contains(&known) => {
                Err(format!("{known} has the wrong number of words behind it"))
            }
            _ => Err("this line is not understood here".to_owned()),
        }
    }

    fn vendor(&mut self, name: &str, number: &str, flags: &[&str]) -> Result<(), String> {
        let number = whole_number(number)
            .filter(|number| *number != 0)
            .ok_or("the second word of VENDOR is no vendor number")?;
        let mut plain = true;
        for flag in flags {
            let format = flag
                .strip_prefix("format=")
                .ok_or("a word behind the number is no flag of a vendor")?;
            plain = match format.split(',').collect::<Vec<_>>().as_slice() {
                ["1", "1"] => true,
                ["1" | "2" | "4", "0" | "1" | "2"] | ["1", "1", "c"] => false,
                _ => return Err("this is no format of a vendor".to_owned()),
            };
        }
        let vendor = Vendor { number, plain };
        self.dictionary.vendors.insert(name.to_lowercase(), vendor);
        Ok(())
    }

    fn begin_vendor(
        &mut self,
        name: &str,
        flags: &[&str],
        scope: &mut Scope,
    ) -> Result<(), String> {
        let known = self.dictionary.vendors.get(&name.to_lowercase());
        let mut vendor = *known.ok_or("there is no such VENDOR above")?;
        match flags {
            [] => {}
            // The extended space of RFC 6929.
            [one] if one.starts_with("format=") || one.starts_with("parent=") => {
                vendor.plain = false;
            }
            _ => return Err("BEGIN-VENDOR takes a name and a format".to_owned()),
        }
        let open = scope.vendor.replace((name.to_owned(), vendor));
        match open {
            Some(_) => Err("the BEGIN-VENDOR above is not closed".to_owned()),
            None => Ok(()),
        }
    }

    fn attribute(
        &mut self,
        name: &str,
        number: &str,
        data_type: &str,
        flags: &[&str],
        scope: &Scope,
    ) -> Result<(), String> {
        let data_type =
            attribute_type(data_type).ok_or("the third word of ATTRIBUTE is no type")?;
        let parts: Vec<u32> = number
            .split('.')
            .map(whole_number)
            .collect::<Option<_>>()
            .ok_or("the second word of ATTRIBUTE is no number")?;
        let mut vendor = scope.vendor.as_ref().map(|(_, vendor)| *vendor);
        let mut plain = scope.tlvs.is_empty();
        for flag in flags.iter().flat_map(|flags| flags.split(',')) {
            match flag.to_ascii_lowercase().as_str() {
                "" | "has_tag" | "array" | "concat" | "secret" | "encrypt=1" | "encrypt=2"
                | "encrypt=3" => {}
                "virtual" => plain = false,
                // Old files name the vendor behind the type.
                other => match self.dictionary.vendors.get(other) {
                    Some(named) => vendor = Some(*named),
                    None => return Err("a word behind the type is no flag".to_owned()),
                },
            }
        }
        plain &= vendor.is_none_or(|vendor| vendor.plain);
        let number = match parts.as_slice() {
            [one] if plain => u8::try_from(*one).ok().filter(|number| *number != 0),
            _ => None,
        };
        self.insert(Entry {
            name: name.to_owned(),
            vendor: vendor.map(|vendor| vendor.number),
            number,
            data_type,
        })
    }

    fn alias(&mut self, name: &str, target: &str) -> Result<(), String> {
        let known = self.dictionary.attributes.get(&target.to_lowercase());
        let mut entry = known.cloned().ok_or("there is no such ATTRIBUTE above")?;
        name.clone_into(&mut entry.name);
        self.insert(entry)
    }

    fn insert(&mut self, entry: Entry) -> Result<(), String> {
        let attributes = &mut self.dictionary.attributes;
        let key = entry.name.to_lowercase();
        if attributes.len() >= MAX_ATTRIBUTES && !attributes.contains_key(&key) {
            return Err(format!("more than {MAX_ATTRIBUTES} attributes"));
        }
        attributes.insert(key, entry);
        Ok(())
    }
}

fn whole_number(text: &str) -> Option<u32> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What has no type of its own crosses as octets, which is exact.
fn attribute_type(text: &str) -> Option<AttributeType> {
    let text = text.to_ascii_lowercase();
    let stem = match text.split_once('[') {
        Some((stem, length)) => {
            length.strip_suffix(']')?.parse::<u16>().ok()?;
            stem
        }
        None => text.as_str(),
    };
    Some(match stem {
        "string" | "text" => AttributeType::Text,
        "ipaddr" | "ipv4addr" => AttributeType::Ipv4,
        "ipv6addr" => AttributeType::Ipv6,
        "integer" | "uint32" => AttributeType::Integer,
        "date" | "time" => AttributeType::Date,
        "octets" | "abinary" | "byte" | "short" | "signed" | "integer64" | "uint8" | "uint16"
        | "uint64" | "int32" | "sint32" | "bool" | "ether" | "ifid" | "ipv4prefix"
        | "ipv6prefix" | "combo-ip" | "combo-prefix" | "vsa" | "tlv" | "evs" | "extended"
        | "long-extended" | "struct" | "vendor" => AttributeType::Octets,
        _ => return None,
    })
}
