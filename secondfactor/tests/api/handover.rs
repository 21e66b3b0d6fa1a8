//! One process takes the place of another; both run in this one.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use secondfactor::admin::{Done, WaitingPush};
use secondfactor::{RunError, TakeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::support::{Call, LIMIT, Running, phone, tls};

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

/// What the process that serves says next.
async fn frame(stream: &mut UnixStream) -> Vec<u8> {
    let length = stream.read_u32().await.unwrap();
    let mut body = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    body
}

/// A call of which only the head was sent, and its body.
async fn begun(
    running: &Running,
    path: &str,
    params: &[(&str, &str)],
) -> (TlsStream<TcpStream>, String) {
    let call = Call::signed(&running.app, "POST", path, params);
    let mut head = format!("POST {} HTTP/1.1\r\nhost: {}\r\n", call.path, call.host);
    for (name, value) in &call.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", call.body.len()));
    let mut stream = tls(running.address, &running.app.ca_pem, false).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    (stream, call.body)
}

/// What comes until the end.
async fn rest(mut stream: TlsStream<TcpStream>) -> String {
    let mut octets = Vec::new();
    // It need not say that it hangs up.
    drop(stream.read_to_end(&mut octets).await);
    String::from_utf8_lossy(&octets).into_owned()
}

/// Says that it can serve, and waits until nothing changes any more.
async fn take(folder: &Path) -> UnixStream {
    let socket = folder.join("handover.sock");
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(&[0, 0, 0, 16]).await.unwrap();
    stream.write_all(br#"{"frame":"take"}"#).await.unwrap();
    let _offer = frame(&mut stream).await;
    for _ in 0..3 {
        drop(local::fds::receive(&stream).await.unwrap());
    }
    assert_eq!(frame(&mut stream).await, br#"{"frame":"complete"}"#);
    stream
}

/// Well below the 10 s that the data plane waits for an answer that needs no person.
const IN_TIME: Duration = Duration::from_secs(8);

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
    let failure = one.failed().await;
    assert!(matches!(failure, RunError::Gone), "{failure}");
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
async fn one_who_is_slow_holds_nothing_up_for_long_and_changes_nothing_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let one = first(folder.path()).await;
    one.user("alice", None, vec![phone()]).await;
    let _silent = TcpStream::connect(one.address).await.unwrap();
    let (mut slow, body) = begun(&one, "/auth/v2/auth", AUTO).await;
    let two = tokio::time::timeout(LIMIT, next(folder.path(), &one)).await;
    let two = two.expect("they are not waited for");
    slow.write_all(body.as_bytes()).await.unwrap();
    slow.flush().await.unwrap();
    let answer = rest(slow).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    let pushes: Vec<WaitingPush> = two.admin.get("/pushes", LIMIT).await.unwrap();
    assert!(pushes.is_empty(), "{pushes:?}");
    one.ended().await;
    two.stop().await;
}

#[tokio::test]
async fn a_process_whose_database_was_changed_under_it_does_not_serve_on() {
    let folder = tempfile::tempdir().unwrap();
    let one = first(folder.path()).await;
    let stream = take(folder.path()).await;
    // It has migrated the database, and dies before it serves.
    let database = folder.path().join("data/secondfactor.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let newer = sqlx::raw_sql("PRAGMA user_version = 99").execute(&pool);
    newer.await.unwrap();
    pool.close().await;
    drop(stream);
    let error = one.failed().await;
    assert!(
        matches!(
            error,
            RunError::Store(secondfactor::StoreError::Newer { found: 99, .. })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn one_that_takes_over_and_hangs_keeps_no_caller_longer_than_the_data_plane_waits() {
    let folder = tempfile::tempdir().unwrap();
    let one = first(folder.path()).await;
    one.user("alice", None, vec![phone()]).await;
    let _silent = TcpStream::connect(one.address).await.unwrap();
    let later = [AUTO, &[("async", "1")]].concat();
    let (mut given_up, push) = begun(&one, "/auth/v2/auth", &later).await;
    let user = &[("username", "alice")];
    let (mut asks, body) = begun(&one, "/auth/v2/preauth", user).await;
    let answered = tokio::time::timeout(IN_TIME, async {
        let hangs = take(folder.path()).await;
        given_up.write_all(push.as_bytes()).await.unwrap();
        given_up.flush().await.unwrap();
        drop(given_up);
        asks.write_all(body.as_bytes()).await.unwrap();
        asks.flush().await.unwrap();
        (rest(asks).await, hangs)
    });
    let (answer, mut hangs) = answered.await.expect("it is answered in time");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Too late: the old one has gone on.
    let serving = hangs.write_all(br#"{"frame":"serving"}"#).await;
    assert_eq!(serving.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    let (status, answer) = one.call("POST", "/auth/v2/auth", &later).await;
    assert_eq!(status, 200, "{answer}");
    // The push of the caller who did not wait for it was not sent.
    let pushes: Vec<WaitingPush> = one.admin.get("/pushes", LIMIT).await.unwrap();
    assert_eq!(pushes.len(), 1, "{pushes:?}");
    one.stop().await;
}

#[tokio::test]
async fn one_that_would_take_over_and_hears_nothing_gives_up_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handover.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let https = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = https.local_addr().unwrap();
    let admin = UnixListener::bind(folder.path().join("admin.sock")).unwrap();
    let mut settings =
        secondfactor::Settings::new(folder.path().join("data"), folder.path().join("admin.sock"));
    settings.handover_socket = Some(path);
    settings.take_over = true;
    settings.listen = address;
    let old = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let offer =
            format!(r#"{{"frame":"offer","protocol":1,"version":"9","address":"{address}"}}"#);
        let length = u32::try_from(offer.len()).unwrap().to_be_bytes();
        stream.write_all(&length).await.unwrap();
        stream.write_all(offer.as_bytes()).await.unwrap();
        for fd in [https.as_fd(), admin.as_fd(), listener.as_fd()] {
            local::fds::send(&stream, fd).await.unwrap();
        }
        assert_eq!(frame(&mut stream).await, br#"{"frame":"take"}"#);
        // It has more to finish with than it has time for.
        let mut octet = [0];
        let ended = tokio::time::timeout(IN_TIME, stream.read(&mut octet)).await;
        assert_eq!(ended.expect("it ends").unwrap(), 0);
    };
    let run = secondfactor::run(settings, tokio_util::sync::CancellationToken::new());
    let (late, ()) = tokio::join!(run, old);
    let late = late.unwrap_err();
    assert!(matches!(late, RunError::Take(TakeError::Late)), "{late:?}");
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
