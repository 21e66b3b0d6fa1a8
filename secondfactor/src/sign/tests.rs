//! The published vectors, and the rules around them.

use super::*;

const SKEY: &str = "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep";
const DATE: &str = "Tue, 21 Aug 2012 17:29:18 -0000";
const HOST: &str = "api-XXXXXXXX.duosecurity.com";
const FORM: &[u8] = b"async=1&device=auto&display_username=Zo%C3%AB+%28admin%29~&factor=push&ipaddr=198.51.100.7&pushinfo=Group%3DVPN%2520Users%26From%3Dgw%252F1&username=jdoe%40example.com";
const JSON: &[u8] = br#"{"async":"1","device":"auto","display_username":"Zo\u00eb (admin)~","factor":"push","ipaddr":"198.51.100.7","pushinfo":"Group=VPN%20Users&From=gw%2F1","username":"jdoe@example.com"}"#;
const V2_SHA1: &str = "3a4c97fbf660a497ed6d0c80c69c5e28139a2171";
const V2_SHA512: &str = "9292d7ed7e9886dbaa0443ffea949fe3339c7a1eec609cc4d3f6c646284e6d079ccff2ebc1d4e690ebc65e56f2d3d7da1be5d32b63dfafed32828d3aca315460";
const V5_POST: &str = "8784874f757e8dbdab944600c178af431e479ae92b74634039b5ad141a549b32c821b74682c73bc5a987971a9ffc1a542f9317aaed10a13a96b9d1512ee5ac52";
const V5_GET: &str = "f88fc2e68ddd844d03251be8c6ff85bd32ec85ec446038491b6a3b87399e44ca98a50d101b4cb8ab3e3acd8d2ba357e051941ef4621f3a8e8da343aa29792e71";
const V2_GET: &str = "2da6ea8a7fcee59edeae46512da92c44be7fff870c34a93e219d487e2e49d790488b3a436d9175357799be45bc923a599cfce92b7178a58dd694f60a794d47e9";
const V1_POST: &str = "aa62d7099010fb0bec557fff36ec897df8cf0de1";
const V5_HEADERS: &str = "2452bf332acb824f4c28beeb1b7c7662ac57c8e1435778a4ffae7936522440caeb37b87e726a6631336580c57f6108bc0ffd58ee62812a4ba050b27d3ffcec5a";

fn request<'a>(method: &'a str, path: &'a str, query: &'a str, body: &'a [u8]) -> Signed<'a> {
    Signed {
        method,
        host: HOST,
        path,
        query,
        body,
        json: body.starts_with(b"{"),
        date: Some(DATE),
        x_duo: &[],
    }
}

fn verified(request: &Signed<'_>, signature: &str) -> bool {
    verify(
        &SigningKeys::new(SKEY),
        request,
        signature,
        VersionOne::Accepted,
    )
}

#[test]
fn every_published_vector_is_verified() {
    let auth = request("POST", "/auth/v2/auth", "", FORM);
    let status = "txid=45f7c92b-f45f-4862-8545-e0f58e78075a";
    let undated = Signed {
        date: None,
        ..request("POST", "/rest/v1/preauth.bson", "", b"user=root")
    };
    let headers: [(&str, &[u8]); 2] = [("x-duo-b", b"two"), ("x-duo-a", b"one")];
    let with_headers = Signed {
        x_duo: &headers,
        ..request("POST", "/auth/v2/preauth", "", br#"{"username":"root"}"#)
    };
    for (name, request, signature) in [
        ("1: v2 SHA1", auth, V2_SHA1),
        ("2: v2 SHA512", auth, V2_SHA512),
        (
            "3: v5 POST",
            request("POST", "/auth/v2/auth", "", JSON),
            V5_POST,
        ),
        (
            "4: v5 GET",
            request("GET", "/auth/v2/auth_status", status, b""),
            V5_GET,
        ),
        (
            "5: v2 GET",
            request("GET", "/auth/v2/check", "", b""),
            V2_GET,
        ),
        ("6: v1", undated, V1_POST),
        ("7: v5 with headers", with_headers, V5_HEADERS),
    ] {
        assert!(verified(&request, signature), "{name}");
        let with_port = format!("{HOST}:8443");
        let ported = Signed {
            host: &with_port,
            ..request
        };
        assert!(
            verified(&ported, signature),
            "{name}, the Host header has a port"
        );
    }
}

#[test]
fn a_signature_over_the_host_with_its_port_is_verified() {
    let request = Signed {
        host: "localhost:8402",
        ..request("GET", "/auth/v2/check", "", b"")
    };
    let canonical = format!("{DATE}\nGET\nlocalhost:8402\n/auth/v2/check\n");
    let keys = SigningKeys::new(SKEY);
    let signature = HEXLOWER.encode(hmac::sign(&keys.sha512, canonical.as_bytes()).as_ref());
    assert!(verified(&request, &signature));
    assert!(!verified(
        &Signed {
            host: "localhost:8403",
            ..request
        },
        &signature
    ));
}

#[test]
fn go_and_java_write_in_ways_of_their_own() {
    let keys = SigningKeys::new(SKEY);
    let host = HOST.to_ascii_lowercase();
    let sign = |canonical: String| {
        HEXLOWER.encode(hmac::sign(&keys.sha512, canonical.as_bytes()).as_ref())
    };
    // Go: RFC1123Z, a host with its port, a body with `+` where the line has `%20`.
    let date = "Tue, 21 Aug 2012 17:29:18 +0000";
    let line = "factor=push&pushinfo=a%3Db%2Bc&username=jo%20do%2B";
    let port = format!("{host}:8402");
    let go = Signed {
        host: &port,
        date: Some(date),
        ..request(
            "POST",
            "/auth/v2/auth",
            "",
            b"username=jo+do%2B&factor=push&pushinfo=a%3Db%2Bc",
        )
    };
    let signature = sign(format!("{date}\nPOST\n{port}\n/auth/v2/auth\n{line}"));
    assert!(verified(&go, &signature), "Go");
    // Its retry may come without the body, which was read up by the first.
    assert!(!verified(&Signed { body: b"", ..go }, &signature));
    // What is a blank in the body is none in the line.
    let plus = sign(format!(
        "{date}\nPOST\n{port}\n/auth/v2/auth\n{}",
        line.replace("%20", "+")
    ));
    assert!(!verified(&go, &plus));

    // Java: a zone of its own, JSON in an order of its own and in UTF-8.
    let date = "Tue, 21 Aug 2012 19:29:18 +0200";
    let body = r#"{"username":"jürgen","factor":"auto","async":"1","device":"auto"}"#.as_bytes();
    let java = Signed {
        date: Some(date),
        ..request("POST", "/auth/v2/auth", "", body)
    };
    let hashes = format!("{}\n{}", hex_sha512(body), hex_sha512(b""));
    let signature = sign(format!("{date}\nPOST\n{host}\n/auth/v2/auth\n\n{hashes}"));
    assert!(verified(&java, &signature), "Java");
    let sorted = r#"{"async":"1","device":"auto","factor":"auto","username":"jürgen"}"#;
    let sorted = Signed {
        body: sorted.as_bytes(),
        ..java
    };
    assert!(!verified(&sorted, &signature), "the same, but other octets");
}

#[test]
fn version_four_is_verified() {
    let keys = SigningKeys::new(SKEY);
    let host = HOST.to_ascii_lowercase();
    let body = hex_sha512(b"{}");
    let canonical = format!("{DATE}\nPOST\n{host}\n/auth/v2/preauth\n\n{body}");
    let signature = HEXLOWER.encode(hmac::sign(&keys.sha512, canonical.as_bytes()).as_ref());
    assert!(verified(
        &request("POST", "/auth/v2/preauth", "", b"{}"),
        &signature
    ));
}

#[test]
fn version_five_with_x_duo_date_is_verified_with_and_without_it_in_the_hash() {
    let keys = SigningKeys::new(SKEY);
    let host = HOST.to_ascii_lowercase();
    let headers: [(&str, &[u8]); 1] = [("x-duo-date", DATE.as_bytes())];
    let request = Signed {
        x_duo: &headers,
        ..request("GET", "/auth/v2/check", "", b"")
    };
    for hashed in [Vec::new(), [b"x-duo-date\0", DATE.as_bytes()].concat()] {
        let (body, hash) = (hex_sha512(b""), hex_sha512(&hashed));
        let canonical = format!("{DATE}\nGET\n{host}\n/auth/v2/check\n\n{body}\n{hash}");
        let signature = HEXLOWER.encode(hmac::sign(&keys.sha512, canonical.as_bytes()).as_ref());
        assert!(verified(&request, &signature));
    }
}

#[test]
fn anything_changed_after_signing_is_refused() {
    let auth = request("POST", "/auth/v2/auth", "", FORM);
    let other_body = [FORM, b"&x=1"].concat();
    let other_json = JSON.to_ascii_uppercase();
    let twice: [(&str, &[u8]); 2] = [("x-duo-a", b"one"), ("x-duo-a", b"one")];
    let v5 = request("POST", "/auth/v2/auth", "", JSON);
    for (name, request, signature) in [
        (
            "method",
            Signed {
                method: "PUT",
                ..auth
            },
            V2_SHA512,
        ),
        (
            "host",
            Signed {
                host: "api-YYYYYYYY.duosecurity.com",
                ..auth
            },
            V2_SHA512,
        ),
        (
            "path",
            Signed {
                path: "/auth/v2/preauth",
                ..auth
            },
            V2_SHA512,
        ),
        (
            "date",
            Signed {
                date: Some("Tue, 21 Aug 2012 17:29:19 -0000"),
                ..auth
            },
            V2_SHA512,
        ),
        ("no date", Signed { date: None, ..auth }, V2_SHA512),
        (
            "body",
            Signed {
                body: &other_body,
                ..auth
            },
            V2_SHA512,
        ),
        (
            "json body",
            Signed {
                body: &other_json,
                ..v5
            },
            V5_POST,
        ),
        (
            "a header twice",
            Signed {
                x_duo: &twice,
                ..v5
            },
            V5_POST,
        ),
        ("empty signature", auth, ""),
        ("no hexadecimal", auth, &"zz".repeat(20)),
        ("upper case", auth, &V2_SHA1.to_ascii_uppercase()),
        ("half", auth, &V2_SHA512[..64]),
    ] {
        assert!(!verified(&request, signature), "{name}");
    }
    assert!(!verify(
        &SigningKeys::new("other"),
        &auth,
        V2_SHA512,
        VersionOne::Accepted
    ));
}

#[test]
fn a_json_body_is_signed_by_version_four_or_five_only() {
    let keys = SigningKeys::new(SKEY);
    for (date, line) in [(Some(DATE), format!("{DATE}\n")), (None, String::new())] {
        let form = Signed {
            date,
            json: false,
            ..request("POST", "/auth/v2/auth", "", b"{\"a\":1}")
        };
        let line = format!(
            "{line}POST\n{}\n/auth/v2/auth\n%7B%22a%22%3A1%7D=",
            HOST.to_ascii_lowercase()
        );
        let signature = HEXLOWER.encode(hmac::sign(&keys.sha512, line.as_bytes()).as_ref());
        assert!(verified(&form, &signature), "{date:?}");
        assert!(
            !verified(&Signed { json: true, ..form }, &signature),
            "{date:?}"
        );
    }
}

#[test]
fn version_one_is_refused_where_it_is_off() {
    let undated = Signed {
        date: None,
        ..request("POST", "/rest/v1/preauth.bson", "", b"user=root")
    };
    let keys = SigningKeys::new(SKEY);
    assert!(verify(&keys, &undated, V1_POST, VersionOne::Accepted));
    assert!(!verify(&keys, &undated, V1_POST, VersionOne::Refused));
}

#[test]
fn credentials_are_taken_apart() {
    let header = "Basic RElXSjhYNkFFWU9SNU9NQzZUUTE6M2E0Yzk3ZmJmNjYwYTQ5N2VkNmQwYzgwYzY5YzVlMjgxMzlhMjE3MQ==";
    let want = ("DIWJ8X6AEYOR5OMC6TQ1".to_owned(), V2_SHA1.to_owned());
    assert_eq!(credentials(header), Some(want));
    let long = format!("Basic {}", "QUFB".repeat(300));
    for (name, header) in [
        ("empty", ""),
        ("scheme", "Bearer abc"),
        ("base64", "Basic ***"),
        ("no colon", "Basic QUFB"),
        ("no utf-8", "Basic /zo="),
        ("too long", long.as_str()),
    ] {
        assert_eq!(credentials(header), None, "{name}");
    }
}

#[test]
fn ports_are_taken_off_hosts() {
    for (host, want) in [
        ("localhost", "localhost"),
        ("localhost:8402", "localhost"),
        ("127.0.0.1:8402", "127.0.0.1"),
        ("[::1]:8402", "[::1]"),
        ("[::1]", "[::1]"),
        ("::1", "::1"),
        ("", ""),
    ] {
        assert_eq!(without_port(host), want, "{host}");
    }
}
