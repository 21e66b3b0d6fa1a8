//! Directories that try to bring the gateway down with what they answer.

use std::net::Ipv4Addr;
use std::time::Duration;

use dataplane::primary::PrimaryFailureKind;
use proto::event::Reason;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::{failure, host, primary, verdict};

/// What it answers, again and again until the connection ends, and what the failure says.
fn attacks() -> [(&'static str, Vec<u8>, Vec<u8>, &'static str); 6] {
    const NO_LDAP: &str = "it answers with something other than LDAP";
    let nested = (0..40_000).fold(Vec::new(), |mut tags: Vec<u8>, outside: u32| {
        tags.extend_from_slice(&[0x30, 0x84]);
        tags.extend_from_slice(&((39_999 - outside) * 6).to_be_bytes());
        tags
    });
    let success = |id, answer| vec![0x30, 12, 2, 1, id, answer, 7, 10, 1, 0, 4, 0, 4, 0];
    [
        ("tags in tags", nested, vec![0; 4096], NO_LDAP),
        (
            "a length of two gigabytes",
            vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff],
            vec![0; 4096],
            NO_LDAP,
        ),
        (
            "a tag that ends after the one around it",
            vec![0x30, 2, 0x04, 100],
            vec![0; 4096],
            NO_LDAP,
        ),
        (
            "an answer to another message",
            success(9, 0x61),
            success(9, 0x61),
            NO_LDAP,
        ),
        (
            "an answer to another operation",
            success(1, 0x65),
            success(1, 0x65),
            NO_LDAP,
        ),
        (
            "notices that nobody asked for",
            success(0, 0x78),
            success(0, 0x78),
            "the directory ended the connection",
        ),
    ]
}

/// Sends it all; true when the connection ended under a reasonable number of octets.
async fn attack(client: &mut TcpStream, head: &[u8], rest: &[u8]) -> bool {
    // What systems keep for a connection in both directions is far less.
    const ENOUGH: usize = 64 * 1024 * 1024;
    if client.write_all(head).await.is_err() {
        return true;
    }
    let rest = rest.repeat(4096_usize.div_ceil(rest.len()));
    for _ in 0..ENOUGH / rest.len() {
        match timeout(Duration::from_secs(20), client.write_all(&rest)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return true,
            Err(_) => return false,
        }
    }
    false
}

/// Answers a request with success and no entry; false when the connection has ended.
async fn serve(client: &mut TcpStream) -> bool {
    let mut octets = [0; 4096];
    let Ok(1..) = client.read(&mut octets).await else {
        return false;
    };
    let long = if octets[1] < 0x80 {
        0
    } else {
        octets[1] & 0x7f
    };
    let at = 4 + usize::from(long);
    let (id, answer) = match octets[at + 1] {
        0x60 => (octets[at], 0x61),
        0x63 => (octets[at], 0x65),
        _ => return true,
    };
    let answer = [0x30, 12, 2, 1, id, answer, 7, 10, 1, 0, 4, 0, 4, 0];
    client.write_all(&answer).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_measure_ends_its_connection_and_nothing_else() {
    for transport in ["clear", "starttls"] {
        for (name, head, rest, want) in attacks() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let serving = async {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut request = [0; 512];
                assert!(client.read(&mut request).await.unwrap() > 0);
                attack(&mut client, &head, &rest).await
            };
            let primary = primary(
                json!([host(port)]),
                json!({"transport": transport, "timeout_seconds": 30,
                       "ca_certs": crate::slapd::authority().0}),
            );
            let (ended, got) = tokio::join!(serving, failure(&primary));
            assert!(ended, "{name}, {transport}: it reads on");
            assert_eq!(got.kind, PrimaryFailureKind::Unavailable, "{name}");
            assert!(
                got.detail.contains(want),
                "{name}, {transport}: {}",
                got.detail
            );
        }
    }
}

/// Takes a connection and answers a login on it: success, and no entry.
async fn serve_a_login(listener: &TcpListener) -> TcpStream {
    let (mut client, _) = listener.accept().await.unwrap();
    assert!(serve(&mut client).await && serve(&mut client).await);
    client
}

#[tokio::test]
async fn what_an_idle_connection_says_ends_it() {
    // The first is a message until its end.
    for (name, head, _, _) in attacks().into_iter().skip(1) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let primary = primary(json!([host(port)]), json!({"timeout_seconds": 30}));
        let login = || verdict(&primary, "alice", "pw-alice");

        let (mut client, got) = tokio::join!(serve_a_login(&listener), login());
        assert_eq!(got, Some(Reason::UnknownUser), "{name}");
        client
            .write_all(&head[..head.len().min(1000)])
            .await
            .unwrap();

        let (_next, got) = tokio::join!(serve_a_login(&listener), login());
        assert_eq!(got, Some(Reason::UnknownUser), "{name}, afterwards");
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(20), client.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{name}: it is kept");
    }
}

#[tokio::test]
async fn a_search_without_end_ends() {
    let entry = [0x30, 9, 2, 1, 2, 0x64, 4, 4, 0, 0x30, 0];
    let reference = [0x30, 8, 2, 1, 2, 0x73, 3, 4, 1, b'x'];
    let intermediate = [0x30, 5, 2, 1, 2, 0x79, 0];
    for (name, answer) in [
        ("entries", &entry[..]),
        ("references", &reference),
        ("steps", &intermediate),
    ] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = async {
            let (mut client, _) = listener.accept().await.unwrap();
            assert!(serve(&mut client).await);
            let mut request = [0; 512];
            assert!(client.read(&mut request).await.unwrap() > 0);
            attack(&mut client, answer, answer).await
        };
        let primary = primary(json!([host(port)]), json!({"timeout_seconds": 30}));
        let (ended, got) = tokio::join!(serving, failure(&primary));
        assert!(ended, "{name}: it reads on");
        assert!(
            got.detail.contains("does not keep to the limit"),
            "{name}: {}",
            got.detail
        );
    }
}

#[tokio::test]
async fn entries_that_are_large_together_end_a_search() {
    // A search for groups wants up to 256 entries: at a megabyte each, too much to hold.
    let name = 700_000_u32;
    let entry = [
        &[0x30, 0x84][..],
        &(name + 17).to_be_bytes(),
        &[2, 1, 2, 0x64, 0x84],
        &(name + 8).to_be_bytes(),
        &[4, 0x84],
        &name.to_be_bytes(),
        &b"x".repeat(700_000),
        &[0x30, 0],
    ]
    .concat();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = async {
        let (mut client, _) = listener.accept().await.unwrap();
        assert!(serve(&mut client).await);
        let mut request = [0; 512];
        assert!(client.read(&mut request).await.unwrap() > 0);
        let end = [0x30, 12, 2, 1, 2, 0x65, 7, 10, 1, 0, 4, 0, 4, 0];
        // It may be gone before the end.
        drop(client.write_all(&[&entry[..], &entry, &end].concat()).await);
    };
    let primary = primary(json!([host(port)]), json!({"timeout_seconds": 10}));
    let ((), got) = tokio::join!(serving, failure(&primary));
    assert!(
        got.detail.contains("does not keep to the limit"),
        "{}",
        got.detail
    );
}

#[tokio::test]
async fn half_an_answer_is_waited_for_until_the_deadline() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = async {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = [0; 512];
        assert!(client.read(&mut request).await.unwrap() > 0);
        client.write_all(&[0x30, 12, 2, 1, 1]).await.unwrap();
        // Until it is given up.
        assert!(matches!(client.read(&mut request).await, Ok(0) | Err(_)));
    };
    let primary = primary(json!([host(port)]), json!({"timeout_seconds": 1}));
    let ((), got) = tokio::join!(serving, failure(&primary));
    assert_eq!(got.kind, PrimaryFailureKind::Unavailable);
    for want in ["no answer to a bind in time", "transport=clear"] {
        assert!(got.detail.contains(want), "{}", got.detail);
    }
}
