//! The harness itself: the peers that check passwords, in the parts that `harness.rs` leaves out.
#![cfg(test)]

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use e2e::{
    clock::wait_until,
    mschap::{MsChap2, mschap_nt_key},
    nas::{Answer, Nas, Request, attribute, code, microsoft},
    peers::{FreeRadius, Kind, Pki, Relay, SECRET, Said, Samba, ScriptedUpstream, Signing, Slapd},
    ports,
};

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(10);

#[test]
fn samba_knows_its_people_and_why_some_may_not_log_in() {
    let samba = Samba::shared();
    for (account, password, want) in [
        ("alice", "pw-alice", Ok(())),
        ("alice", "nope", Err("52e")),
        ("nobody", "nope", Err("52e")),
        ("disabled", "pw-disabled", Err("533")),
        ("disabled", "nope", Err("52e")),
        ("expired", "pw-expired", Err("701")),
        ("pwexpired", "pw-pwexpired", Err("532")),
        ("mustchange", "pw-mustchange", Err("773")),
        ("locked", "pw-locked", Err("775")),
        ("o'hara (x) #1", "pw-odd", Ok(())),
        ("jürgen", "pässwörd-€", Ok(())),
        ("comma", "pw,with,commas", Ok(())),
    ] {
        let got = samba.bind(account, password);
        assert_eq!(got, want.map_err(ToOwned::to_owned), "{account} {password}");
    }
    let by_upn = [
        "-H",
        &samba.tls_url(),
        "-D",
        "first.last@corp.example",
        "-w",
        "pw-upn1",
        "-s",
        "base",
        "dn",
    ];
    assert_eq!(samba.tool(&by_upn).0, 0);
}

#[test]
fn samba_has_groups_of_each_kind() {
    let samba = Samba::shared();
    let group = |name: &str| format!("CN={name},OU=groups,{}", Samba::BASE);
    let chain = "memberOf:1.2.840.113556.1.4.1941:";
    let escaped = Samba::ODD_GROUP
        .replace('\\', r"\5c")
        .replace('(', r"\28")
        .replace(')', r"\29")
        .replace('*', r"\2a");
    for (name, user, rule, group, is_member) in [
        ("direct", "alice", "memberOf", Samba::GROUP.to_owned(), true),
        (
            "of none",
            "dave",
            "memberOf",
            Samba::GROUP.to_owned(),
            false,
        ),
        (
            "primary group",
            "primary",
            "memberOf",
            group("PrimaryVPN"),
            false,
        ),
        ("in Inner", "nested", "memberOf", group("Inner"), true),
        ("in Outer", "nested", "memberOf", group("Outer"), false),
        ("in Outer's chain", "nested", chain, group("Outer"), true),
        (
            "distribution group",
            "mailer",
            "memberOf",
            group("MailList"),
            true,
        ),
        ("odd name", "staff", "memberOf", escaped, true),
    ] {
        let filter = format!("(&(sAMAccountName={user})({rule}={group}))");
        let found = samba.find(&filter, &["sAMAccountName"]);
        let has = found.contains(&format!("sAMAccountName: {user}\n"));
        assert_eq!(has, is_member, "{name}: {filter}: {found}");
    }
    let primary = samba.find("(sAMAccountName=primary)", &["primaryGroupID"]);
    // 513 is everybody's: Domain Users.
    assert!(primary.contains("primaryGroupID: 1"), "{primary}");
    let twins = samba.find("(mail=twin@example.com)", &["sAMAccountName"]);
    assert!(
        twins.contains(": twin1\n") && twins.contains(": twin2\n"),
        "{twins}"
    );
    for (user, name) in [
        ("ohara", r#"o'hara (x) \#1\, \"y\" \<z\>\3B a\3Db\+c*\\"#),
        ("hash", r"\#1\ "),
    ] {
        let found = samba.find(&format!("(sAMAccountName={user})"), &["dn"]);
        assert!(
            found.contains(&format!("dn: CN={name},OU=people,")),
            "{user}: {found}"
        );
    }
}

#[test]
fn samba_takes_no_password_in_the_clear_but_ntlm() {
    let samba = Samba::shared();
    let url = format!("ldap://{}", samba.address);
    let alice = [
        "-H",
        &url,
        "-D",
        "ADTEST\\alice",
        "-w",
        "pw-alice",
        "-s",
        "base",
        "dn",
    ];
    let (code, text) = samba.tool(&alice);
    assert_eq!(code, 8, "{text}");
    let (code, text) = samba.tool(&[&["-ZZ"], &alice[..]].concat());
    assert_eq!(code, 0, "StartTLS: {text}");
    let bound = samba.ntlm_bind("alice", "pw-alice").unwrap();
    assert_eq!(bound, format!("CN=Alice Example,OU=people,{}", Samba::BASE));
    assert!(
        samba
            .ntlm_bind("alice", "nope")
            .unwrap_err()
            .contains("data 52e")
    );
}

#[test]
fn samba_falls_silent_dies_and_comes_back_at_an_address_of_its_own() {
    let mut samba = Samba::start(Signing::Always);
    assert_ne!(samba.address, Samba::shared().address);
    let ldap = SocketAddr::from((samba.address, 389));
    samba.pause();
    let mut silent = TcpStream::connect(ldap).unwrap();
    silent.set_read_timeout(Some(SHORT)).unwrap();
    // An anonymous bind, which is answered at once by one that runs.
    silent
        .write_all(b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0")
        .unwrap();
    let error = silent.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    samba.resume();
    silent.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 1);
    samba.kill();
    let refused = TcpStream::connect(ldap).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    samba.restart();
    assert_eq!(samba.bind("alice", "pw-alice"), Ok(()));
    assert_eq!(samba.bind("locked", "pw-locked"), Err("775".to_owned()));
}

#[test]
fn slapd_shows_the_certificate_it_is_given_and_falls_silent() {
    let pki = Pki::shared();
    let slapd = Slapd::start_with(pki, &pki.expired);
    let (url, dn) = (slapd.tls_url(), Slapd::dn("alice"));
    let alice = ["-x", "-H", &url, "-D", &dn, "-w", "pw-alice"];
    let (code, text) = slapd.tool("ldapwhoami", &alice);
    assert_ne!(code, 0, "{text}");
    slapd.pause();
    let mut silent = TcpStream::connect(ports::loopback(slapd.port)).unwrap();
    silent.set_read_timeout(Some(SHORT)).unwrap();
    silent
        .write_all(b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0")
        .unwrap();
    assert_eq!(
        silent.read(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    slapd.resume();
    silent.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 1);
}

fn ask(nas: &Nas, request: &Request) -> Answer {
    nas.exchange(request, LONG).unwrap()
}

#[test]
fn freeradius_speaks_chap_and_its_kin() {
    let radius = FreeRadius::start(Kind::Plain);
    let nas = Nas::new(radius.address, SECRET);
    let named = |user: &str| nas.named(user);
    for (name, request, want) in [
        (
            "chap",
            named("alice").chap("pw-alice", false),
            code::ACCESS_ACCEPT,
        ),
        (
            "chap apart",
            named("alice").chap("pw-alice", true),
            code::ACCESS_ACCEPT,
        ),
        (
            "chap, wrong",
            named("alice").chap("nope", true),
            code::ACCESS_REJECT,
        ),
        (
            "mschap",
            named("alice").mschap("pw-alice"),
            code::ACCESS_ACCEPT,
        ),
        (
            "mschap, wrong",
            named("alice").mschap("nope"),
            code::ACCESS_REJECT,
        ),
    ] {
        assert_eq!(ask(&nas, &request).code, want, "{name}");
    }
    let request = named("alice").mschap("pw-alice");
    let answer = ask(&nas, &request);
    let keys = request.reveal(answer.microsoft(microsoft::CHAP_MPPE_KEYS).unwrap());
    assert_eq!(keys[8..24], mschap_nt_key("pw-alice"));

    let run = MsChap2::new("alice", "pw-alice");
    let request = run.respond(named("alice"));
    let answer = ask(&nas, &request);
    let success = run.success("pw-alice");
    assert_eq!(
        answer.microsoft(microsoft::CHAP2_SUCCESS),
        Some(&success[..])
    );
    for (kind, key) in [
        (microsoft::MPPE_SEND_KEY, run.keys().send),
        (microsoft::MPPE_RECV_KEY, run.keys().receive),
    ] {
        let clear = request.reveal_salted(answer.microsoft(kind).unwrap());
        assert_eq!(clear, Some(key.to_vec()), "{kind}");
    }
    let run = MsChap2::new("unicode", "pässwörd-€");
    let answer = ask(&nas, &run.respond(named("unicode")));
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "beyond ASCII");
    for (user, password, error) in [
        ("alice", "nope", "E=691"),
        ("mustchange", "pw-mustchange", "E=648"),
    ] {
        let run = MsChap2::new(user, password);
        let answer = ask(&nas, &run.respond(named(user)));
        assert_eq!(answer.code, code::ACCESS_REJECT, "{user}");
        let said = String::from_utf8_lossy(answer.microsoft(microsoft::CHAP_ERROR).unwrap());
        assert!(said.contains(error), "{user}: {said}");
    }
}

#[test]
fn freeradius_hides_a_tunnel_password_and_asks_twice() {
    let radius = FreeRadius::start(Kind::Plain);
    let nas = Nas::new(radius.address, SECRET);
    let request = nas.access("tunnel", "pw-tunnel");
    let answer = ask(&nas, &request);
    let (tag, hidden) = answer
        .first(attribute::TUNNEL_PASSWORD)
        .unwrap()
        .split_first()
        .unwrap();
    assert_eq!(*tag, 3);
    let clear = request.reveal_salted(hidden).unwrap();
    assert_eq!(clear, b"tunnel secret, longer than a block");

    let first = ask(&nas, &nas.access("chal2", "pw-chal2"));
    assert_eq!(first.message(), "Enter the first code");
    let second = ask(&nas, &nas.access_with_state("chal2", "111111", &first));
    assert_eq!(second.message(), "Enter the second code");
    assert_ne!(
        first.first(attribute::STATE),
        second.first(attribute::STATE)
    );
    let last = ask(&nas, &nas.access_with_state("chal2", "222222", &second));
    assert_eq!(last.code, code::ACCESS_ACCEPT);
    let wrong = ask(&nas, &nas.access_with_state("chal2", "333333", &first));
    assert_eq!(wrong.code, code::ACCESS_REJECT);

    radius.pause();
    let login = nas.access("alice", "pw-alice");
    assert_eq!(nas.exchange(&login, SHORT), None);
    radius.resume();
    let late = nas.receive(LONG).unwrap();
    assert_eq!(login.check(&late).unwrap().code, code::ACCESS_ACCEPT);
}

#[test]
fn a_scripted_upstream_says_what_the_test_wrote() {
    let upstream = ScriptedUpstream::start(|asked| match asked.user().as_str() {
        "silent" => None,
        "unsigned" => Some(Said::accept().unsigned()),
        "keys" => Some(
            Said::accept()
                .tagged(attribute::TUNNEL_PASSWORD, 5, b"tunnel")
                .vendor_salted(microsoft::VENDOR, microsoft::MPPE_SEND_KEY, &[7; 16])
                .vendor(microsoft::VENDOR, 7, &[0, 0, 0, 1]),
        ),
        "chal" if asked.password() == "pw" => Some(Said::challenge("More?", b"theirs")),
        "chal" => {
            assert_eq!(asked.first(attribute::STATE), Some(&b"theirs"[..]));
            Some(Said::accept())
        }
        _ => Some(Said::reject("No")),
    });
    let nas = Nas::new(upstream.address(), SECRET);
    let answer = ask(&nas, &nas.access("unsigned", "x"));
    assert_eq!(
        (answer.code, answer.attributes.len()),
        (code::ACCESS_ACCEPT, 0)
    );
    let request = nas.access("keys", "x");
    let answer = ask(&nas, &request);
    assert!(answer.message_authenticator_is_first());
    let tunnel = answer.first(attribute::TUNNEL_PASSWORD).unwrap();
    assert_eq!(tunnel[0], 5);
    assert_eq!(request.reveal_salted(&tunnel[1..]).unwrap(), b"tunnel");
    let key = answer.microsoft(microsoft::MPPE_SEND_KEY).unwrap();
    assert_eq!(request.reveal_salted(key).unwrap(), [7; 16]);
    assert_eq!(answer.microsoft(7), Some(&[0, 0, 0, 1][..]));
    let question = ask(&nas, &nas.access("chal", "pw"));
    assert_eq!(
        (question.code, question.message().as_str()),
        (code::ACCESS_CHALLENGE, "More?")
    );
    let answer = ask(&nas, &nas.access_with_state("chal", "code", &question));
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    assert_eq!(ask(&nas, &nas.access("eve", "x")).message(), "No");
    assert_eq!(nas.exchange(&nas.access("silent", "x"), SHORT), None);

    assert!(nas.status(SECOND));
    upstream.silence(true);
    assert!(!nas.status(SHORT));
    assert_eq!(nas.exchange(&nas.access("eve", "x"), SHORT), None);
    upstream.silence(false);
    assert!(nas.status(SECOND));
    assert_eq!((upstream.probes(), upstream.count("eve")), (3, 2));
    let like_nps = ScriptedUpstream::without_status(|_| Some(Said::accept()));
    let nas = Nas::new(like_nps.address(), SECRET);
    assert!(!nas.status(SHORT));
    assert_eq!(ask(&nas, &nas.access("eve", "x")).code, code::ACCESS_ACCEPT);
}

#[test]
fn a_relay_keeps_what_passes_and_holds_it_back() {
    let address = ports::loopback(ports::free_tcp());
    let listener = TcpListener::bind(address).unwrap();
    let relay = Relay::start(address);
    let mut near = TcpStream::connect(relay.address()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let mut buffer = [0; 5];
    near.write_all(b"hello").unwrap();
    far.read_exact(&mut buffer).unwrap();
    far.write_all(b"world").unwrap();
    near.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"world");
    assert!(relay.saw(b"hell") && relay.saw(b"orld") && !relay.saw(b"helloworld"));

    relay.freeze();
    near.write_all(b"later").unwrap();
    wait_until("it came", LONG, || relay.received() == 10);
    far.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(
        far.read(&mut buffer).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    relay.thaw();
    far.set_read_timeout(Some(LONG)).unwrap();
    far.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"later");
    relay.cut();
    assert_eq!(near.read(&mut buffer).unwrap(), 0);
    assert_eq!(relay.accepted(), 1);
}
