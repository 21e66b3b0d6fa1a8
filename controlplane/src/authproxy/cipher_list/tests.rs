use proptest::prelude::*;

use super::*;

/// The suites of TLS 1.2, one letter each: a key's (e, r) and a cipher's (256, 128, c).
fn older(list: &str) -> String {
    let chosen = parse(list).unwrap_or_else(|fault| panic!("{list}: {fault:?}"));
    let word = |suite: &CipherSuite| {
        let (key, cipher) = name(*suite).strip_prefix("ECDHE-")?.split_once('-')?;
        let key = if key == "RSA" { "r" } else { "e" };
        Some(format!(
            "{key}{}",
            cipher.strip_prefix("AES").map_or("c", |bits| &bits[..3])
        ))
    };
    let words: Vec<_> = chosen.suites.iter().filter_map(word).collect();
    words.join(" ")
}

fn newer(list: &str) -> Vec<&'static str> {
    let mut suites = parse(list).unwrap().suites;
    suites.retain(|one| is_newer(*one));
    suites.iter().map(|one| one.as_str()).collect()
}

const ALL: &str = "e256 r256 ec rc e128 r128";

/// Each as `openssl ciphers` 3.0 has it, less the suites that are not ours.
#[test]
fn lists_choose_what_openssl_chooses_in_its_order() {
    for (list, want) in [
        ("ALL", ALL),
        ("DEFAULT", ALL),
        ("HIGH", ALL),
        ("TLSv1.2", ALL),
        ("ECDHE", ALL),
        ("EECDH", ALL),
        ("kEECDH", ALL),
        ("kECDHE", ALL),
        ("ECDH", ALL),
        ("MEDIUM", ""),
        ("LOW", ""),
        ("EXPORT", ""),
        ("COMPLEMENTOFDEFAULT", ""),
        ("COMPLEMENTOFALL", ""),
        ("ECDSA", "e256 ec e128"),
        ("aECDSA", "e256 ec e128"),
        ("aRSA", "r256 rc r128"),
        ("RSA", ""),
        ("kRSA", ""),
        ("AES", "e256 r256 e128 r128"),
        ("AESGCM", "e256 r256 e128 r128"),
        ("FIPS", "e256 r256 e128 r128"),
        ("AES128", "e128 r128"),
        ("AES256", "e256 r256"),
        ("CHACHA20", "ec rc"),
        ("SHA256", ""),
        ("SHA384", ""),
        ("SHA1", ""),
        ("3DES", ""),
        ("NULL", ""),
        ("SSLv3", ""),
        (
            "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384",
            "r128 r256",
        ),
        ("kEECDH+aRSA+AES256", "r256"),
        ("ECDHE-RSA-AES256-GCM-SHA384+AES", "r256"),
        ("ALL+HIGH", ALL),
        ("ECDHE+AESGCM:ECDHE+CHACHA20", "e256 r256 e128 r128 ec rc"),
        ("AES128:AES256:CHACHA20", "e128 r128 e256 r256 ec rc"),
        // Operators.
        ("ALL:!AES128", "e256 r256 ec rc"),
        ("!AES128:ALL", "e256 r256 ec rc"),
        ("AES128:!AES128:AES128", ""),
        ("ALL:!ECDHE+AES128", "e256 r256 ec rc"),
        ("HIGH:!aNULL:!MD5:!RC4:!3DES", ALL),
        ("DEFAULT:!AES256", "ec rc e128 r128"),
        ("HIGH:+AES256", "ec rc e128 r128 e256 r256"),
        ("HIGH:+ECDSA", "r256 rc r128 e256 ec e128"),
        ("ALL:+ECDHE+AES256", "ec rc e128 r128 e256 r256"),
        ("+AES128:ALL", ALL),
        ("HIGH:-AES256:ECDHE", "ec rc e128 r128 e256 r256"),
        ("HIGH:-CHACHA20:-AES256:ALL", "e128 r128 e256 r256 ec rc"),
        ("ALL:-ECDHE:AES128:ALL", "e128 r128 e256 r256 ec rc"),
        // Commands.
        ("AES128:AES256:@STRENGTH", "e256 r256 e128 r128"),
        (
            "AES128:CHACHA20:AES256:@STRENGTH",
            "ec rc e256 r256 e128 r128",
        ),
        ("HIGH@STRENGTH", ALL),
        ("DEFAULT@SECLEVEL=2", ALL),
        ("@SECLEVEL=3:ALL", ALL),
        ("@SECLEVEL=4:ALL", "e256 r256 ec rc"),
        ("ALL:@SECLEVEL=5", "e256 r256 ec rc"),
        ("ALL:@SECLEVEL=5:@SECLEVEL=0", ALL),
        // Separators, and rules that need none.
        ("AES128,AES256", "e128 r128 e256 r256"),
        ("AES128 AES256", "e128 r128 e256 r256"),
        ("AES128;AES256", "e128 r128 e256 r256"),
        ("::AES128:, :", "e128 r128"),
        ("HIGH!AES128", "e256 r256 ec rc"),
        ("DEFAULT-AES128", "e256 r256 ec rc"),
        ("DEFAULT+AES256", "ec rc e128 r128 e256 r256"),
        // Words that count in the first place only.
        ("AES128:DEFAULT", "e128 r128"),
        ("ALL:!DEFAULT", ALL),
        ("AES128:SUITEB192", "e128 r128"),
        ("SUITEB128", "e128 e256"),
        ("SUITEB128ONLY", "e128"),
        ("SUITEB128C2", "e256"),
        ("SUITEB192", "e256"),
        ("SUITEB192:ALL", "e256"),
        (
            "EECDH+ECDSA+AESGCM:EECDH+aRSA+AESGCM:EECDH+ECDSA+SHA384:EECDH+aRSA+RC4:EECDH:RSA+AES\
             :!RC4:!aNULL:!eNULL:!LOW:!3DES:!MD5:!EXP:!PSK:!SRP:!DSS",
            "e256 e128 r256 r128 ec rc",
        ),
    ] {
        assert_eq!(older(list), want, "{list}");
        assert_eq!(
            newer(list).len(),
            if list.contains("=4:") || list.ends_with("=5") {
                2
            } else {
                3
            }
        );
    }
}

/// OpenSSL has these names in `openssl ciphers -stdname` only.
#[test]
fn names_of_the_registry_are_names_too() {
    for suite in CipherSuite::ALL {
        for word in [suite.as_str(), name(*suite)] {
            let mut suites = parse(word).unwrap().suites;
            suites.retain(|one| one.version() == suite.version());
            assert_eq!(suites, [*suite], "{word}");
        }
    }
    assert_eq!(
        older("ALL:!TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        "e256 r256 ec rc e128"
    );
}

#[test]
fn suites_of_tls_1_3_stay_unless_they_are_named() {
    let [aes256, chacha, aes128] = [
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
    ];
    for (list, want) in [
        ("ECDHE-RSA-AES256-GCM-SHA384", vec![aes256, chacha, aes128]),
        ("ALL:!AES128:!CHACHA20:-AES", vec![aes256, chacha, aes128]),
        ("ALL:TLS_AES_128_GCM_SHA256", vec![aes128]),
        (
            "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
            vec![aes128, aes256],
        ),
        ("ALL:!TLS_AES_128_GCM_SHA256", vec![aes256, chacha]),
        ("ALL:-TLS_CHACHA20_POLY1305_SHA256", vec![aes256, aes128]),
        ("ALL:+TLS_AES_256_GCM_SHA384", vec![chacha, aes128, aes256]),
        ("!TLS_AES_128_GCM_SHA256:TLSv1.3", vec![aes256, chacha]),
        ("TLSv1.3", vec![aes256, chacha, aes128]),
        ("ALL:!TLSv1.3", vec![]),
    ] {
        assert_eq!(newer(list), want, "{list}");
    }
    assert_eq!(older("TLSv1.3"), "");
}

#[test]
fn what_is_to_be_added_and_is_not_there_is_named() {
    let absent = |list: &str| {
        let chosen = parse(list).unwrap().absent;
        chosen.into_iter().collect::<Vec<_>>().join(" ")
    };
    for (list, want) in [
        ("HIGH", ""),
        ("HIGH:!aNULL:!MD5:-RC4:+3DES", ""),
        ("HIGH:AES256-SHA:RC4-SHA:AES256-SHA", "AES256-SHA RC4-SHA"),
        ("ALL:kRSA:EECDH+ECDSA+SHA384", "EECDH+ECDSA+SHA384 kRSA"),
        ("AES128:DEFAULT:SUITEB192", "DEFAULT SUITEB192"),
        ("SUITEB192:ALL:!RC4", "!RC4 ALL"),
        (
            "TLS_RSA_WITH_AES_128_CBC_SHA:ALL",
            "TLS_RSA_WITH_AES_128_CBC_SHA",
        ),
        (
            "TLS_AES_128_CCM_SHA256:TLS_RSA_WITH_RC4_128_MD5",
            "TLS_AES_128_CCM_SHA256 TLS_RSA_WITH_RC4_128_MD5",
        ),
    ] {
        assert_eq!(absent(list), want, "{list}");
    }
}

#[test]
fn what_is_no_list_is_a_fault_that_says_what_would_be() {
    for (list, message, remedy) in [
        (
            "HIHG",
            "'HIHG' is no word of a list of ciphers",
            "did you mean 'HIGH'? write a name",
        ),
        (
            "high",
            "'high' is no word of a list of ciphers",
            "did you mean 'HIGH'?",
        ),
        (
            "ALL:!RC-4",
            "'RC-4' is no word of a list of ciphers",
            "did you mean 'RC4'?",
        ),
        (
            "ALL:!ECDHE+WIBBLE",
            "'WIBBLE' is no word of a list of ciphers",
            "write a name such as",
        ),
        (
            "ECDHE-RSA-AES256-GCM-SHA348",
            "'ECDHE-RSA-AES256-GCM-SHA348' is no word",
            "did you mean 'ECDHE-RSA-AES256-GCM-SHA384'?",
        ),
        (
            "DEFAULTS",
            "'DEFAULTS' is no word",
            "did you mean 'DEFAULT'?",
        ),
        (
            "SUITEB1",
            "'SUITEB1' is no word",
            "did you mean 'SUITEB128'?",
        ),
        (
            "HIGH:!",
            "'!' stands before no word",
            "write words between colons",
        ),
        (
            "HIGH:+:AES",
            "'+' stands before no word",
            "write words between colons",
        ),
        (
            "HIGH:!+AES",
            "'+AES' lacks a word beside its '+'",
            "write as in ECDHE+AESGCM",
        ),
        (
            "ECDHE+",
            "'ECDHE+' lacks a word beside its '+'",
            "write as in",
        ),
        (
            "ECDHE++AES",
            "'ECDHE++AES' lacks a word beside its '+'",
            "write as in",
        ),
        (
            "\"HIGH\"",
            "'\"' has no place in a list of ciphers",
            "write words between",
        ),
        (
            "!\"HIGH\"",
            "'\"' has no place in a list of ciphers",
            "write words between",
        ),
        (
            "HIGH:é",
            "'é' has no place in a list of ciphers",
            "write words between",
        ),
        (
            "HIGH:@WIBBLE",
            "'@WIBBLE' is no command",
            "write @STRENGTH, or @SECLEVEL=",
        ),
        (
            "HIGH:@SECLEVEL=6",
            "'@SECLEVEL=6' is no command",
            "write @STRENGTH",
        ),
        (
            "HIGH:@SECLEVEL=",
            "'@SECLEVEL=' is no command",
            "write @STRENGTH",
        ),
        ("HIGH:@", "'@' stands before no word", "write words"),
    ] {
        let fault = parse(list).unwrap_err();
        assert!(fault.message.starts_with(message), "{list}: {fault:?}");
        assert!(fault.remedy.starts_with(remedy), "{list}: {fault:?}");
    }
}

#[test]
fn a_level_is_told() {
    assert_eq!(parse("ALL").unwrap().level, None);
    assert_eq!(parse("ALL:@SECLEVEL=3").unwrap().level, Some(3));
}

#[test]
fn a_suite_of_tls_1_2_takes_one_kind_of_key() {
    assert!(takes(CipherSuite::EcdheRsaAes128GcmSha256, true));
    assert!(!takes(CipherSuite::EcdheRsaAes128GcmSha256, false));
    assert!(!takes(CipherSuite::EcdheEcdsaAes128GcmSha256, true));
    assert!(
        takes(CipherSuite::Aes128GcmSha256, true) && takes(CipherSuite::Aes128GcmSha256, false)
    );
}

fn item() -> impl Strategy<Value = String> {
    let words: Vec<&str> = words::all()
        .filter(|word| !word.starts_with("SUITEB"))
        .collect();
    let word = proptest::sample::select(words);
    let group = proptest::sample::select(vec!["ALL", "ECDSA", "aRSA", "AES128", "AES", "CHACHA20"]);
    let word = prop_oneof![word, group];
    let joined = proptest::collection::vec(word, 1..3).prop_map(|words| words.join("+"));
    (
        proptest::sample::select(vec!["", "", "!", "-", "+"]),
        joined,
    )
        .prop_map(|(operator, words)| format!("{operator}{words}"))
}

proptest! {
    #[test]
    fn any_list_of_words_is_read_and_chooses_each_suite_once(
        items in proptest::collection::vec(item(), 0..8),
    ) {
        let list = items.join(":");
        let chosen = parse(&list).unwrap();
        let mut once = chosen.suites.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), chosen.suites.len());
        prop_assert!(chosen.suites.is_sorted_by_key(|one| !is_newer(*one)));
        // What is killed never comes back.
        for killed in items.iter().filter_map(|one| one.strip_prefix('!')) {
            let sets: Vec<_> = killed.split('+').map(|word| words::meaning(word).unwrap()).collect();
            prop_assert!(!chosen.suites.iter().any(|one| sets.iter().all(|set| set.contains(one))));
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_judged(text in "[A-Z0-9!@+:, =é\"-]{0,40}") {
        drop(parse(&text));
    }
}
