//! Files with options of every kind, made at random: what they import to comes back.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;

use super::export_generated::any_text;
use super::schema::{Kind, Numbering, SectionKind};
use super::*;

/// A value that an option takes; none for those that each section here has already.
fn value_of(option: &schema::OptionSpec) -> Option<BoxedStrategy<String>> {
    let words = |words: &[&'static str]| select(words.to_vec()).prop_map(str::to_owned).boxed();
    Some(match option.kind {
        Kind::Text | Kind::Secret => any_text().boxed(),
        Kind::Boolean => words(&["true", "FALSE", "1", "off", "Yes"]),
        Kind::Integer(low, high) => (low..=high).prop_map(|number| number.to_string()).boxed(),
        Kind::Choice(choices) => select(choices).prop_map(str::to_uppercase).boxed(),
        Kind::Address => words(&["192.0.2.7", "[2001:DB8::7]", "::ffff:192.0.2.7"]),
        Kind::Host => words(&["192.0.2.7", "[2001:DB8::7]", "Host.example.com"]),
        Kind::Factors(factors) => subsequence(factors, 1..=factors.len())
            .prop_shuffle()
            .prop_map(|factors| factors.join(" , "))
            .boxed(),
        Kind::CipherList => words(&[
            "ECDHE",
            "ALL:!AES128",
            "TLSv1.3:ECDHE+CHACHA20",
            "HIGH:!TLSv1.3:@STRENGTH",
        ]),
        Kind::Delimiter => words(&[",", ";", "::", "#"]),
        Kind::Dn => any_text().prop_map(|text| format!("OU={text}")).boxed(),
        Kind::Filter => words(&["a=b", " ( & (a=b) (c=*d) ) ", "!(a>=b)", "(a:=\\2a)"]),
        Kind::LdapAttribute => words(&["uid", "sAMAccountName", "mail;lang-de"]),
        Kind::Attribute => words(&["paloalto", "calling-station-id", "ACME-ROLE"]),
        Kind::Attributes => words(&["class,,Class", "Acme-Role, cisco-avpair", "Filter-ID"]),
        Kind::Path if option.name.starts_with("dictionary") => words(&["names"]),
        Kind::Path if option.name == "pkey" => return None,
        Kind::Path => words(&["server.pem"]),
        Kind::Id => "id-[a-z]{8}".boxed(),
        _ => return None,
    })
}

/// A section with any of its options, and with what it must have.
fn section(name: String, kind: SectionKind, base: String) -> BoxedStrategy<String> {
    let options =
        schema::options_of(kind).filter(|option| !base.contains(&format!("\n{}", option.name)));
    let options: Vec<_> = options
        .filter_map(|option| Some((option, value_of(option)?)))
        .map(|(option, value)| {
            let number = match option.numbering {
                Numbering::Single => Just(String::new()).boxed(),
                Numbering::FromOne => (1_u32..=3).prop_map(|number| format!("_{number}")).boxed(),
                _ => select(vec!["", "_2", "_9"]).prop_map(str::to_owned).boxed(),
            };
            let name = option.name;
            of((number, value)).prop_map(move |written| match written {
                Some((number, value)) => format!("{name}{number}={value}\n"),
                None => String::new(),
            })
        })
        .collect();
    (options, any::<u8>())
        .prop_map(move |(options, some)| {
            let mut text = format!("[{name}]{base}");
            // Options beside each other that do not go together are rare where there are few.
            let mut rank = usize::from(some);
            for option in options {
                rank = rank * 7 + 3;
                if rank % 5 < 2 {
                    text.push_str(&option);
                }
                rank %= 1_009;
            }
            text
        })
        .boxed()
}

/// A file, mostly a right one.
fn any_file() -> impl Strategy<Value = String> {
    let clients = [
        (SectionKind::RadiusClient, "\nhost=192.0.2.1\nsecret=x\n"),
        (
            SectionKind::AdClient,
            "\nhost=dc\nservice_account_username=u\nservice_account_password=p\nsearch_dn=DC=x\n",
        ),
        (SectionKind::DuoOnlyClient, "\n"),
    ];
    let clients: Vec<_> = clients
        .into_iter()
        .map(|(kind, base)| section(kind.name().to_owned(), kind, base.to_owned()))
        .collect();
    let served = vec((select(Mode::ALL), 0_usize..2), 1..4).prop_flat_map(|modes| {
        let sections = modes
            .into_iter()
            .enumerate()
            .map(|(index, (mode, client))| {
                let kind = *SectionKind::ALL
                    .iter()
                    .find(|one| one.mode() == Some(mode))
                    .unwrap();
                let client = ["ad_client", "radius_client"][client];
                let files = if mode == Mode::Eap {
                    "certs=server.pem\npkey=server.key\n"
                } else {
                    ""
                };
                let host = if index == 1 {
                    "api.example.com"
                } else {
                    "builtin"
                };
                let base = format!(
                    "\nport={}\nikey=DI{index}\nskey=x\napi_host={host}\nclient={client}\n\
                 radius_ip_4=10.0.0.0/8\nradius_secret_4=x\n{files}",
                    2000 + index
                );
                section(format!("{}{}", kind.name(), index + 1), kind, base)
            });
        sections.collect::<Vec<_>>()
    });
    let main = section("main".to_owned(), SectionKind::Main, "\n".to_owned());
    let main = main.prop_map(|text| text.replace("\nserver=", "\n;"));
    (main, clients, served)
        .prop_map(|(main, clients, served)| [main, clients.concat(), served.concat()].concat())
}

#[test]
fn files_with_any_options_come_back() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (tried, mut good) = (300, 0);
    for _ in 0..tried {
        let text = any_file().new_tree(&mut runner).unwrap().current();
        // Tries that it comes back, like every file of these tests.
        good += usize::from(run(&text).imported.is_some());
    }
    assert!(
        good > tried / 2,
        "{good} of {tried} were files without an error"
    );
}
