//! One process takes the place of another; both run in this one.

use std::path::Path;

use secondfactor::admin::{Done, WaitingPush};
use secondfactor::{RunError, TakeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::support::{Call, LIMIT, Running, phone};

/// Starts one that may be taken over from.
async fn first(folder: &Path) -> Running {
    Running::start(folder, |settings| {
        settings.handover_socket = Some(folder.join("handover.sock"));
    })
    .await
}

/// Starts one that takes over from the one that serves.
async fn next(folder: &Path, of: &Running) -> Running {
    let address = of.address;
    Running::start(folder, |settings| {
        settings.handover_socket = Some(folder.join("handover.sock"));
        settings.take_over = true;
        settings.listen = address;
    })
    .await
}

/// The one push that waits.
async fn waiting(running: &Running) -> WaitingPush {
    loop {
        let mut pushes: Vec<WaitingPush> = running.admin.get("/pushes", LIMIT).await.unwrap();
        if let Some(push) = pushes.pop() {
            return push;
        }
    }
}

async fn approve(running: &Running, txid: &str) {
    let path = format!("/pushes/{txid}/approve");
    let _: Done = running.admin.post(&path, &(), LIMIT).await.unwrap();
}

const AUTO: &[(&str, &str)] = &[
    ("username", "alice"),
    ("factor", "auto"),
    ("device", "auto"),
];

#[tokio::test]
async fn a_push_begun_before_is_answered_after_two_handovers() {
    let folder = tempfile::tempdir().unwrap();
    let one = first(folder.path()).await;
    one.user("alice", None, vec![phone()]).await;
    let begun = [AUTO, &[("async", "1")]].concat();
    let (status, answer) = one.call("POST", "/auth/v2/auth", &begun).await;
    assert_eq!(status, 200, "{answer}");
    let txid = answer["response"]["txid"].as_str().unwrap().to_owned();
    let poll = [("txid", txid.as_str())];
    let (_, answer) = one.call("GET", "/auth/v2/auth_status", &poll).await;
    assert_eq!(answer["response"]["result"], "waiting");
    // One that polls is answered at once, and asks the next.
    let (polled, two) = tokio::join!(
        one.call("GET", "/auth/v2/auth_status", &poll),
        next(folder.path(), &one)
    );
    assert_eq!(polled.1["response"]["result"], "waiting");
    one.ended().await;
    let three = next(folder.path(), &two).await;
    two.ended().await;
    let push = waiting(&three).await;
    assert_eq!((push.txid.as_str(), push.user.as_str()), (&*txid, "alice"));
    approve(&three, &txid).await;
    let (_, answer) = three.call("GET", "/auth/v2/auth_status", &poll).await;
    assert_eq!(answer["response"]["result"], "allow");
    // What ended is known to the next as well.
    let four = next(folder.path(), &three).await;
    three.ended().await;
    let (_, answer) = four.call("GET", "/auth/v2/auth_status", &poll).await;
    assert_eq!(answer["response"]["result"], "allow");
    four.stop().await;
    assert!(!folder.path().join("admin.sock").exists());
}

#[tokio::test]
async fn a_caller_who_holds_on_is_answered_by_the_process_that_it_asked() {
    for http2 in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let one = first(folder.path()).await;
        one.user("alice", None, vec![phone()]).await;
        let mut call = Call::signed(&one.app, "POST", "/auth/v2/auth", AUTO);
        call.http2 = http2;
        let holds = one.send(&call);
        let scene = async {
            let txid = waiting(&one).await.txid;
            let two = next(folder.path(), &one).await;
            // Through a process that has ended but for this.
            let three = next(folder.path(), &two).await;
            assert!(!one.is_over() && !two.is_over());
            assert_eq!(waiting(&three).await.txid, txid);
            approve(&three, &txid).await;
            (two, three)
        };
        let ((status, answer), (two, three)) = tokio::join!(holds, scene);
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["response"]["result"], "allow", "{answer}");
        one.ended().await;
        two.ended().await;
        three.stop().await;
    }
}

#[tokio::test]
async fn who_holds_on_is_not_left_waiting_when_the_next_process_dies() {
    let folder = tempfile::tempdir().unwrap();
    let one = first(folder.path()).await;
    one.user("alice", None, vec![phone()]).await;
    let call = Call::signed(&one.app, "POST", "/auth/v2/auth", AUTO);
    let holds = one.send(&call);
    let scene = async {
        waiting(&one).await;
        next(folder.path(), &one).await.kill().await;
    };
    let ((_, answer), ()) = tokio::join!(holds, scene);
    assert_eq!(answer["response"]["status"], "timeout", "{answer}");
    one.ended().await;
}

#[tokio::test]
async fn calls_without_a_pause_see_no_handover() {
    let folder = tempfile::tempdir().unwrap();
    let mut now = first(folder.path()).await;
    let script = crate::support::script(secondfactor::admin::ScriptAnswer::Approve);
    now.user("alice", script, vec![phone()]).await;
    let (app, address) = (now.app.clone(), now.address);
    let over = tokio_util::sync::CancellationToken::new();
    let caller = |http2: bool| {
        let (app, over) = (app.clone(), over.clone());
        async move {
            let mut done = 0;
            while !over.is_cancelled() {
                let mut call = Call::signed(&app, "POST", "/auth/v2/auth", AUTO);
                call.http2 = http2;
                let (status, _, body) = crate::support::send_raw(address, &app.ca_pem, &call).await;
                assert_eq!(status, 200, "{body:?}");
                done += 1;
            }
            done
        }
    };
    let scene = async {
        for _ in 0..5 {
            let after = next(folder.path(), &now).await;
            std::mem::replace(&mut now, after).ended().await;
        }
        over.cancel();
    };
    let callers = [false, true, false, true].map(caller);
    let [a, b, c, d] = callers;
    let (a, b, c, d, ()) = tokio::join!(a, b, c, d, scene);
    assert!(a + b + c + d > 20);
    now.stop().await;
}

#[tokio::test]
async fn what_does_not_take_over_leaves_the_old_one_with_all_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let one = first(folder.path()).await;
    one.user("alice", None, vec![phone()]).await;
    let begun = [AUTO, &[("async", "1")]].concat();
    let (_, answer) = one.call("POST", "/auth/v2/auth", &begun).await;
    let txid = answer["response"]["txid"].as_str().unwrap().to_owned();
    let call = Call::signed(&one.app, "POST", "/auth/v2/auth", AUTO);
    let socket = folder.path().join("handover.sock");
    let take = br#"{"frame":"take"}"#;
    let framed = |body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap();
        [&length.to_be_bytes()[..], body].concat()
    };
    let scene = async {
        for (name, said) in [
            ("nothing", Vec::new()),
            ("garbage", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
            ("a huge length", vec![0xff; 4]),
            ("what is not its turn", framed(br#"{"frame":"serving"}"#)),
            ("that it can serve, and dies", framed(take)),
            ("garbage then", [framed(take), framed(b"[]")].concat()),
        ] {
            let mut stream = UnixStream::connect(&socket).await.unwrap();
            stream.write_all(&said).await.unwrap();
            stream.shutdown().await.unwrap();
            // It hangs up.
            let read = tokio::time::timeout(LIMIT, async {
                let mut octets = [0; 4_096];
                while stream.read(&mut octets).await.is_ok_and(|read| read > 0) {}
            });
            assert!(read.await.is_ok(), "{name}");
            let (status, _) = one.call("GET", "/auth/v2/check", &[]).await;
            assert_eq!(status, 200, "{name}");
            assert!(!one.is_over(), "{name}");
            let pushes: Vec<WaitingPush> = one.admin.get("/pushes", LIMIT).await.unwrap();
            assert_eq!(pushes.len(), 2, "{name}");
        }
        // A held one and a polled one, and neither was lost.
        let pushes: Vec<WaitingPush> = one.admin.get("/pushes", LIMIT).await.unwrap();
        for push in pushes {
            approve(&one, &push.txid).await;
        }
    };
    let holds = async {
        let (_, answer) = one.send(&call).await;
        answer
    };
    let first_holds = async {
        loop {
            let pushes: Vec<WaitingPush> = one.admin.get("/pushes", LIMIT).await.unwrap();
            if pushes.len() == 2 {
                return scene.await;
            }
        }
    };
    let (answer, ()) = tokio::join!(holds, first_holds);
    assert_eq!(answer["response"]["result"], "allow", "{answer}");
    let poll = [("txid", txid.as_str())];
    let (_, answer) = one.call("GET", "/auth/v2/auth_status", &poll).await;
    assert_eq!(answer["response"]["result"], "allow", "{answer}");
    // And a good one takes over all the same.
    let two = next(folder.path(), &one).await;
    one.ended().await;
    two.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_over_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let one = first(folder.path()).await;
    let other = async |change: fn(&mut secondfactor::Settings)| {
        let mut settings = secondfactor::Settings::new(
            folder.path().join("data"),
            folder.path().join("admin.sock"),
        );
        settings.handover_socket = Some(folder.path().join("handover.sock"));
        settings.take_over = true;
        change(&mut settings);
        secondfactor::run(settings, tokio_util::sync::CancellationToken::new()).await
    };
    let elsewhere = other(|settings| settings.listen = ([127, 0, 0, 2], 1).into()).await;
    let elsewhere = elsewhere.unwrap_err();
    assert!(
        matches!(&elsewhere, RunError::Take(TakeError::Elsewhere { served, .. }) if *served == one.address),
        "{elsewhere:?}"
    );
    let (status, _) = one.call("GET", "/auth/v2/check", &[]).await;
    assert_eq!(status, 200);
    one.stop().await;
    // Of a version that hands over in another way.
    let path = folder.path().join("handover.sock");
    std::fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let later = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let offer =
            br#"{"frame":"offer","protocol":2,"version":"9","address":"127.0.0.1:1","x":0}"#;
        let length = u32::try_from(offer.len()).unwrap().to_be_bytes();
        stream.write_all(&length).await.unwrap();
        stream.write_all(offer).await.unwrap();
        let mut left = Vec::new();
        stream.read_to_end(&mut left).await.unwrap();
        left
    };
    let (said, refused) = tokio::join!(later, other(|_| {}));
    let refused = refused.unwrap_err();
    assert!(
        matches!(&refused, RunError::Take(TakeError::Version(version)) if version == "9"),
        "{refused:?}"
    );
    assert!(said.is_empty());
    // Garbage in the place of an offer.
    let garbage = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&[0, 0, 0, 2, b'[', b']']).await.unwrap();
    };
    let (_, refused) = tokio::join!(garbage, other(|_| {}));
    assert!(matches!(refused, Err(RunError::Take(TakeError::Io(_)))));
}
