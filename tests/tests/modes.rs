//! `concat`, `duo_only`, exempt users, and how a password and a factor are told apart.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    config::{MAIN, radius_client, server},
    countersign::Countersign,
    peers::{FakeDuo, FreeRadius, Kind, Pki, Radclient, SECRET, fakeduo::Endpoint},
    ports,
};

const LONG: Duration = Duration::from_secs(10);
const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";
const WRONG: &str = "Wrong user name or password.";
const IN: &str = "Success. Logging you in...";

fn login(port: u16, user: &str, password: &str) -> Radclient {
    Radclient::login(ports::loopback(port), SECRET, user, password).patience(1, LONG)
}

#[test]
fn concat_duo_only_and_exempt_users_keep_their_own_rules() {
    let (duo, radius) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
    );
    let [concat, duo_only, whole, fixed, safe_words] = std::array::from_fn(|_| ports::free_udp());
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}client=radius_client\nexempt_username_1=frank\n\
         {}failmode=secure\nexempt_username_1=frank\n\
         {}client=radius_client\nallow_concat=false\nexempt_username_1=frank\nexempt_username_2=judy\n\
         {}client=radius_client\ndelimited_password_length=6\n\
         {}client=radius_client\ndelimiter=::\nfactors=phone,push\n",
        radius_client("radius_client", &radius),
        server("radius_server_concat", concat, &duo),
        server("radius_server_duo_only", duo_only, &duo),
        server("radius_server_auto", whole, &duo),
        server("radius_server_auto2", fixed, &duo),
        server("radius_server_auto3", safe_words, &duo),
    ));
    let exempt = "You are exempt from the second factor.";
    // Port, user, password, answer, its text, the factor that was asked for.
    for (name, port, user, password, code, text, factor) in [
        (
            "concat",
            concat,
            "alice",
            "pw-alice,123456",
            ACCEPT,
            IN,
            "passcode",
        ),
        (
            "concat",
            concat,
            "alice",
            "pw-alice,push",
            ACCEPT,
            IN,
            "push",
        ),
        (
            "concat",
            concat,
            "alice",
            "pw-alice",
            REJECT,
            "A second factor is missing",
            "",
        ),
        (
            "concat",
            concat,
            "alice",
            ",123456",
            REJECT,
            "The password is empty.",
            "",
        ),
        ("concat", concat, "bob", "nope,123456", REJECT, WRONG, ""),
        (
            "concat exempt",
            concat,
            "frank",
            "pw-frank",
            ACCEPT,
            exempt,
            "",
        ),
        (
            "duo_only", duo_only, "nobody", "123456", ACCEPT, IN, "passcode",
        ),
        (
            "duo_only",
            duo_only,
            "nobody",
            "000000",
            REJECT,
            "Invalid passcode",
            "passcode",
        ),
        ("duo_only", duo_only, "nobody", "push", ACCEPT, IN, "push"),
        (
            "duo_only", duo_only, "nobody", "phone1", ACCEPT, IN, "phone",
        ),
        (
            "duo_only",
            duo_only,
            "nobody",
            "pw,123456",
            REJECT,
            "Invalid passcode",
            "passcode",
        ),
        (
            "duo_only exempt",
            duo_only,
            "frank",
            "anything",
            REJECT,
            "",
            "passcode",
        ),
        ("not split", whole, "alice", "pw-alice", ACCEPT, IN, "auto"),
        (
            "not split",
            whole,
            "bob",
            "pw-bob,123456",
            REJECT,
            WRONG,
            "",
        ),
        (
            "not split",
            whole,
            "comma",
            "pw,with,commas",
            ACCEPT,
            IN,
            "auto",
        ),
        ("exempt", whole, "frank", "pw-frank", ACCEPT, exempt, ""),
        ("exempt", whole, "judy", "pw-judy", ACCEPT, exempt, ""),
        ("exempt, wrong", whole, "judy", "nope", REJECT, WRONG, ""),
        ("fixed length", fixed, "bob", "pw-bob", ACCEPT, IN, "auto"),
        (
            "fixed length",
            fixed,
            "bob",
            "pw-bob123456",
            ACCEPT,
            IN,
            "passcode",
        ),
        (
            "fixed length",
            fixed,
            "bob",
            "pw-bob,123456",
            ACCEPT,
            IN,
            "passcode",
        ),
        (
            "fixed length",
            fixed,
            "bob",
            "pw-bobpush",
            ACCEPT,
            IN,
            "push",
        ),
        (
            "own delimiter",
            safe_words,
            "alice",
            "pw-alice::123456",
            ACCEPT,
            IN,
            "passcode",
        ),
        (
            "own delimiter",
            safe_words,
            "alice",
            "pw-alice,123456",
            REJECT,
            "alice",
            "",
        ),
        (
            "first factor",
            safe_words,
            "alice",
            "pw-alice",
            ACCEPT,
            IN,
            "phone",
        ),
    ] {
        let name = format!("{name}: {user} {password}");
        let before = duo.requests().len();
        let reply = login(port, user, password).send();
        assert!(reply.is(code), "{name}: {reply:?}\n{}", gateway.output());
        let message = reply.all("Reply-Message").concat();
        assert!(message.contains(text), "{name}: {message}");
        let asked = duo.requests().split_off(before);
        if factor.is_empty() {
            assert!(asked.is_empty(), "{name}: {asked:?}");
        } else {
            let auth = asked
                .iter()
                .find(|one| one.endpoint == Endpoint::Auth)
                .unwrap();
            assert_eq!(auth.params["factor"], factor, "{name}: {auth:?}");
        }
    }
}
