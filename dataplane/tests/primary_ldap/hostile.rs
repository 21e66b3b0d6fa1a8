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

/// What it answers, again and again until the connection ends.
fn attacks() -> [(&'static str, Vec<u8>, Vec<u8>); 3] {
    let nested = (0..40_000).fold(Vec::new(), |mut tags: Vec<u8>, outside: u32| {
        tags.extend_from_slice(&[0x30, 0x84]);
        tags.extend_from_slice(&((39_999 - outside) * 6).to_be_bytes());
        tags
    });
    [
        ("tags in tags", nested, vec![0; 4096]),
        (
            "a length of two gigabytes",
            vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff],
            vec![0; 4096],
        ),
        (
            "a tag that ends after the one around it",
            vec![0x30, 2, 0x04, 100],
            vec![0; 4096],
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
    for _ in 0..ENOUGH / rest.len() {
        match timeout(Duration::from_secs(20), client.write_all(rest)).await {
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
        for (name, head, rest) in attacks() {
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
                       "ca_certs": crate::authority().0}),
            );
            let (ended, got) = tokio::join!(serving, failure(&primary));
            assert!(ended, "{name}, {transport}: it reads on");
            assert_eq!(got.kind, PrimaryFailureKind::Unavailable, "{name}");
            assert!(
                got.detail.contains("connection") && got.detail.contains("lost"),
                "{name}, {transport}: {}",
                got.detail
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_no_way_in_either() {
    for (name, head, rest) in attacks() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let primary = primary(json!([host(port)]), json!({"timeout_seconds": 30}));
        let login = || verdict(&primary, "alice", "pw-alice");

        let (mut client, got) = tokio::join!(
            async {
                let (mut client, _) = listener.accept().await.unwrap();
                assert!(serve(&mut client).await && serve(&mut client).await);
                client
            },
            login()
        );
        assert_eq!(got, Some(Reason::UnknownUser), "{name}");
        assert!(
            attack(&mut client, &head, &rest).await,
            "{name}: it reads on"
        );

        let (_, got) = tokio::join!(
            async {
                let (mut client, _) = listener.accept().await.unwrap();
                assert!(serve(&mut client).await && serve(&mut client).await);
                client
            },
            login()
        );
        assert_eq!(got, Some(Reason::UnknownUser), "{name}, afterwards");
    }
}
