//! What is left when opening a connection, or the connection itself, ends in a panic.

use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue};
use rustls::client::{Tls13ClientSessionValue, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore};
use tokio::net::TcpListener;

use super::*;

/// Panics in the midst of a TLS handshake.
#[derive(Debug)]
struct Panics;

impl ClientSessionStore for Panics {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        panic!("as planned")
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

async fn pool(limit: usize) -> (Pool, Arc<Budget>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let authority = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(authority.cert.der().to_vec()))
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_webpki_verifier(verifier.build().unwrap())
        .with_no_client_auth();
    config.resumption = Resumption::store(Arc::new(Panics));
    let dialer = Dialer::new("127.0.0.1", port, None, Arc::new(config)).unwrap();
    let budget = Arc::new(Budget::new(limit));
    (Pool::new(dialer, Arc::clone(&budget)), budget, listener)
}

#[tokio::test]
async fn a_panic_while_dialing_leaks_nothing_and_answers_those_who_wait() {
    let (pool, budget, _listener) = pool(2).await;
    for _ in 0..5 {
        let waiting = tokio::time::timeout(Duration::from_secs(10), pool.lease(IDLE_TIME));
        let Ok(Err(failure)) = waiting.await else {
            panic!("the login is answered");
        };
        assert_eq!(failure.kind, FailureKind::Internal);
        assert_eq!(failure.detail, "opening a connection broke off");
        assert!(pool.0.lock().dialing.is_empty());
    }
    assert_eq!((budget.open(), budget.refused()), (0, 0));
}

#[tokio::test]
async fn waiting_is_our_own_fault_only_while_the_host_serves_others() {
    let (pool, ..) = pool(2).await;
    let since = clock::now();
    let later = since + Duration::from_millis(1);
    let earlier = since - Duration::from_millis(1);
    let now = (0, since);
    let hanging = (0, since - HANGS);
    // opened, failed, in the making, whether it was ours
    let table = [
        (None, None, vec![now], false),
        (Some(earlier), None, vec![now], false),
        (Some(later), None, vec![now], true),
        (Some(since), Some(earlier), vec![], true),
        (Some(later), Some(later), vec![now], false),
        (Some(later), None, vec![now, hanging], false),
    ];
    for (opened, failed, dialing, want) in table {
        let case = format!("{opened:?} {failed:?} {dialing:?}");
        *pool.0.lock() = State {
            opened,
            failed,
            dialing,
            ..State::default()
        };
        assert_eq!(pool.kept_waiting(since), want, "{case}");
    }
}

#[tokio::test]
async fn a_panic_in_a_connection_gives_its_room_back() {
    let (pool, budget, _listener) = pool(1).await;
    let open = Open {
        shared: Arc::clone(&pool.0),
        id: None,
        room: budget.take(),
    };
    assert_eq!(budget.open(), 1);
    let task = pool.0.tasks.spawn(async move {
        let _open = open;
        panic!("as planned");
    });
    task.await.unwrap_err();
    assert_eq!(budget.open(), 0);
}
