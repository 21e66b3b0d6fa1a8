//! The claims, for the seeds and near them; and where the seeds come from.

#[path = "../../../fuzz/harness.rs"]
mod harness;

use data_encoding::BASE64;

harness::targets![auth_request, tokens_csv, users_csv];

#[test]
fn seeds_are_the_published_vectors_and_files_that_people_make() {
    let requests = requests().into_iter().map(|(name, octets)| {
        let target = "auth_request";
        (target, name.to_owned(), octets)
    });
    let files = FILES
        .iter()
        .map(|(target, name, text)| (*target, (*name).to_owned(), text.as_bytes().to_vec()));
    harness::seeds_are(requests.chain(files));
}

/// The vectors of the signatures, as they are on the wire.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let signed = |head: &str, more: &str, signature: &str, body: &str| {
        let credentials = BASE64.encode(format!("DIWJ8X6AEYOR5OMC6TQ1:{signature}").as_bytes());
        format!(
            "{head}\nhost: api-XXXXXXXX.duosecurity.com\nauthorization: Basic {credentials}\n{more}\n{body}"
        )
        .into_bytes()
    };
    let date = "date: Tue, 21 Aug 2012 17:29:18 -0000\n";
    let json = format!("{date}content-type: application/json\n");
    vec![
        (
            "v2-sha1",
            signed(
                "POST /auth/v2/auth",
                date,
                "3a4c97fbf660a497ed6d0c80c69c5e28139a2171",
                FORM,
            ),
        ),
        (
            "v5-post",
            signed("POST /auth/v2/auth", &json, V5_POST, JSON),
        ),
        (
            "v5-get",
            signed(
                "GET /auth/v2/auth_status?txid=45f7c92b-f45f-4862-8545-e0f58e78075a",
                "x-duo-date: Tue, 21 Aug 2012 17:29:18 -0000\n",
                V5_POST,
                "",
            ),
        ),
        (
            "v5-headers",
            signed(
                "POST /auth/v2/preauth",
                &format!("{json}x-duo-b: two\nx-duo-a: one\n"),
                V5_POST,
                r#"{"username":"root","n":7,"b":true,"z":null}"#,
            ),
        ),
        (
            "v1",
            signed(
                "POST /rest/v1/preauth.bson",
                "",
                "aa62d7099010fb0bec557fff36ec897df8cf0de1",
                "user=root",
            ),
        ),
        (
            "v1-get-with-port",
            b"GET /rest/v1/status?txid=a%2Fb+c&txid=%ff&%zz\nhost: [::1]:8402\n\n".to_vec(),
        ),
    ]
}

const FORM: &str = "async=1&device=auto&display_username=Zo%C3%AB+%28admin%29~&factor=push&ipaddr=198.51.100.7&pushinfo=Group%3DVPN%2520Users%26From%3Dgw%252F1&username=jdoe%40example.com";
const JSON: &str = r#"{"async":"1","device":"auto","display_username":"Zo\u00eb (admin)~","factor":"push","ipaddr":"198.51.100.7","pushinfo":"Group=VPN%20Users&From=gw%2F1","username":"jdoe@example.com"}"#;
const V5_POST: &str = "8784874f757e8dbdab944600c178af431e479ae92b74634039b5ad141a549b32c821b74682c73bc5a987971a9ffc1a542f9317aaed10a13a96b9d1512ee5ac52";

const FILES: &[(&str, &str, &str)] = &[
    (
        "users_csv",
        "all-columns",
        "username,full_name,email,number,status,aliases,groups\n\
         alice,\"Alice, A.\",a@example.com,+15550100,active,al;a@corp.example,vpn; admins\n\
         bob,,,,bypass,,\n",
    ),
    (
        "users_csv",
        "mark-crlf-blanks",
        "\u{feff}Full_Name , USERNAME\r\n\"A \"\"quote\"\"\" , alice\r\n\r\n,bob",
    ),
    (
        "users_csv",
        "refused-lines",
        "username,status\nalice,asleep\n,active\nbob,active,more\n\"two\nlines\",locked_out\nend,active",
    ),
    (
        "users_csv",
        "semicolons",
        "username;email\nalice;a@example.com\n",
    ),
    ("users_csv", "empty", "\n\n"),
    (
        "tokens_csv",
        "all-columns",
        "serial,secret,kind,digits,algorithm,period,counter,username\n\
         C1,base32:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,TOTP,8,sha-256,60,,alice\n\
         H1,3132333435363738393031323334353637383930,hotp,7,,,41,\n",
    ),
    (
        "tokens_csv",
        "mark-crlf-blanks",
        "\u{feff}Secret, SERIAL\r\n 3132333435363738393031323334353637383930 , A1\r\n\r\n\
         3132333435363738393031323334353637383930,\"B,2\"",
    ),
    (
        "tokens_csv",
        "refused-lines",
        "serial,secret,kind,digits,algorithm,period,counter,username\n\
         A,313233343536373839303132333435,,,,,,\nA,base64:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=,,,,,,\n\
         A,3132333435363738393031323334353637383930,phone,9,MD5,10,-1,\nA 1\n\
         A,3132333435363738393031323334353637383930,,,,,,\n\
         A,3132333435363738393031323334353637383930,,,,,,\n",
    ),
    (
        "tokens_csv",
        "no-names",
        "A1,3132333435363738393031323334353637383930\n",
    ),
];
