use std::path::Path;

use super::*;
use crate::authproxy::files::InMemory;

fn load(files: &InMemory) -> (Dictionary, Loaded) {
    let mut dictionary = Dictionary::default();
    let loaded = dictionary.load(Path::new("d/top"), files);
    (dictionary, loaded)
}

#[test]
fn the_built_in_dictionary_has_no_fault() {
    let mut dictionary = Dictionary::default();
    assert_eq!(dictionary.read_text(BUILTIN), []);
    assert_eq!(dictionary.len(), Dictionary::builtin().len());
    assert!(!dictionary.is_empty());
}

#[test]
fn standard_and_vendor_names_have_their_numbers() {
    use AttributeType::{Date, Integer, Ipv4, Ipv6, Octets, Text};
    let dictionary = Dictionary::builtin();
    for (name, vendor, number, data_type) in [
        ("User-Name", None, 1, Text),
        ("calling-station-id", None, 31, Text),
        ("NAS-IP-Address", None, 4, Ipv4),
        ("Event-Timestamp", None, 55, Date),
        ("Acct-Link-Count", None, 51, Integer),
        ("Tunnel-Type", None, 64, Integer),
        ("Acct-Tunnel-Connection", None, 68, Text),
        ("Message-Authenticator", None, 80, Octets),
        ("NAS-IPv6-Address", None, 95, Ipv6),
        ("Error-Cause", None, 101, Integer),
        ("Framed-IPv6-Address", None, 168, Ipv6),
        ("Cisco-AVPair", Some(9), 1, Text),
        ("MS-MPPE-Send-Key", Some(311), 16, Octets),
        ("Juniper-Local-User-Name", Some(2636), 1, Text),
        ("PaloAlto-Client-Source-IP", Some(25461), 7, Text),
        ("paloalto", Some(25461), 7, Text),
        ("Fortinet-Group-Name", Some(12356), 1, Text),
        ("F5-LTM-User-Role", Some(3375), 1, Integer),
        ("CTXSUserGroups", Some(3845), 1, Text),
        ("Aruba-User-Role", Some(14823), 1, Text),
    ] {
        let found = dictionary.lookup(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(
            (found.vendor, found.number, found.data_type),
            (vendor, number, data_type),
            "{name}"
        );
    }
}

#[test]
fn unknown_names_get_the_nearest() {
    let dictionary = Dictionary::builtin();
    let Err(LookupError::Unknown { nearest, .. }) = dictionary.resolve("Calling-Staton-ID") else {
        panic!("not known")
    };
    assert_eq!(nearest.as_deref(), Some("Calling-Station-Id"));
    assert_eq!(dictionary.lookup("Wibble"), None);
}

#[test]
fn every_construct_is_read() {
    let top = "\
# comment
$INCLUDE more
$INCLUDE- missing
VENDOR Odd 4846 format=2,1
VENDOR Chained 24757 format=1,1,c
BEGIN-VENDOR Odd
ATTRIBUTE Odd-Wide 0xff01 string
END-VENDOR Odd
BEGIN-VENDOR Plain
ATTRIBUTE Plain-Hex 0x0a String encrypt=2,has_tag # comment
ATTRIBUTE Plain-Any 11 combo-ip array
ATTRIBUTE Plain-Short 12 uint16
ATTRIBUTE Plain-Fixed 13 octets[16] concat
ATTRIBUTE Plain-Tlv 14 tlv
BEGIN-TLV Plain-Tlv
ATTRIBUTE Plain-Inner 1 integer
END-TLV Plain-Tlv
ATTRIBUTE Plain-Dotted 14.2 integer
VALUE Plain-Short Yes 0x01
end-vendor plain
BEGIN-VENDOR Plain format=Extended-Vendor-Specific-5
ATTRIBUTE Plain-Extended 1 string
END-VENDOR Plain
ATTRIBUTE Old-Style 15 string Plain
ATTRIBUTE Inner-Only 3000 string virtual
ALIAS Other-Name Plain-Hex
";
    let (dictionary, loaded) = load(
        &InMemory::default()
            .with("d/top", top)
            .with("d/more", "VENDOR Plain 99 format=1,1\n"),
    );
    assert_eq!(loaded.faults, []);
    assert_eq!(
        loaded.files,
        ["d/top", "d/more", "d/missing"].map(std::path::PathBuf::from)
    );
    for (name, want) in [
        ("Plain-Hex", Some((Some(99), 10, AttributeType::Text))),
        ("other-name", Some((Some(99), 10, AttributeType::Text))),
        ("Plain-Any", Some((Some(99), 11, AttributeType::Octets))),
        ("Plain-Short", Some((Some(99), 12, AttributeType::Octets))),
        ("Plain-Fixed", Some((Some(99), 13, AttributeType::Octets))),
        ("Old-Style", Some((Some(99), 15, AttributeType::Text))),
        ("Odd-Wide", None),
        ("Plain-Inner", None),
        ("Plain-Dotted", None),
        ("Plain-Extended", None),
        ("Inner-Only", None),
    ] {
        let found = dictionary
            .lookup(name)
            .map(|one| (one.vendor, one.number, one.data_type));
        assert_eq!(found, want, "{name}");
    }
    assert!(matches!(
        dictionary.resolve("Odd-Wide"),
        Err(LookupError::NotPlain { .. })
    ));
}

#[test]
fn faults_name_file_and_line() {
    for (line, want) in [
        ("ATTRIBUTE X", "ATTRIBUTE needs a name, a number and a type"),
        (
            "ATTRIBUTE X y string",
            "the second word of ATTRIBUTE is no number",
        ),
        (
            "ATTRIBUTE X 1 wibble",
            "the third word of ATTRIBUTE is no type",
        ),
        (
            "ATTRIBUTE X 1 octets[x]",
            "the third word of ATTRIBUTE is no type",
        ),
        (
            "ATTRIBUTE X 1 string wibble",
            "a word behind the type is no flag",
        ),
        ("VENDOR X", "VENDOR needs a name and a number"),
        (
            "VENDOR X 0",
            "the second word of VENDOR is no vendor number",
        ),
        (
            "VENDOR X 1 wibble",
            "a word behind the number is no flag of a vendor",
        ),
        ("VENDOR X 1 format=9,9", "this is no format of a vendor"),
        ("BEGIN-VENDOR Y", "there is no such VENDOR above"),
        ("END-VENDOR Y", "END-VENDOR without its BEGIN-VENDOR"),
        (
            "END-VENDOR",
            "END-VENDOR has the wrong number of words behind it",
        ),
        ("END-TLV Y", "END-TLV without its BEGIN-TLV"),
        ("VALUE a b", "VALUE needs an attribute, a name and a number"),
        ("VALUE a b c", "the third word of VALUE is no number"),
        ("ALIAS a b", "there is no such ATTRIBUTE above"),
        ("WIBBLE a", "this line is not understood here"),
    ] {
        let (_, loaded) = load(&InMemory::default().with("d/top", &format!("\n{line}\n")));
        let want = DictionaryFault {
            file: "d/top".into(),
            line: 2,
            message: want.to_owned(),
        };
        assert_eq!(loaded.faults, [want], "{line}");
    }
    let (_, loaded) = load(&InMemory::default().with("d/top", "$INCLUDE gone\n"));
    assert_eq!((loaded.faults.len(), loaded.faults[0].line), (1, 0));
}

#[test]
fn a_dictionary_that_includes_itself_ends() {
    let (_, loaded) = load(&InMemory::default().with("d/top", "$INCLUDE top\n"));
    assert_eq!(loaded.faults.len(), 1);
}

#[test]
fn a_dictionary_of_too_many_octets_is_refused() {
    let mebibyte = "#".repeat(1 << 20);
    let mut top = String::new();
    let mut files = InMemory::default().with("d/big", &mebibyte);
    for number in 0..17 {
        top.push_str(&format!("$INCLUDE big{number}\n"));
        files = files.with(&format!("d/big{number}"), &mebibyte);
    }
    let (_, loaded) = load(&files.with("d/top", &top));
    let found: Vec<_> = loaded.faults.iter().map(|one| &one.message).collect();
    assert_eq!(
        found, ["the dictionary has more than 16777216 octets"; 2],
        "the sixteenth, beside the first file, and what comes after it"
    );
}
