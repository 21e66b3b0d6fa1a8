//! The double's listener: one thread, TLS, HTTP/1.1 and HTTP/2.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Notify, mpsc::UnboundedReceiver},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Offer,
    answer::{Connection, answer},
    script::State,
};
use crate::peers::Identity;

/// What the double is told; the sender hears when it is done.
pub(super) enum Order {
    Listen(mpsc::Sender<()>),
    Refuse(mpsc::Sender<()>),
    Cut(mpsc::Sender<()>),
    End,
}

/// The server's side of TLS.
pub(super) fn tls(identity: &Identity, offer: Offer) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = match offer {
        Offer::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Offer::Http1 => vec![b"http/1.1".to_vec()],
    };
    TlsAcceptor::from(Arc::new(config))
}

/// Serves until told to end.
pub(super) fn run(
    state: &Arc<State>,
    tls: &TlsAcceptor,
    address: SocketAddr,
    orders: UnboundedReceiver<Order>,
) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(serve(state, tls, address, orders));
}

async fn serve(
    state: &Arc<State>,
    tls: &TlsAcceptor,
    address: SocketAddr,
    mut orders: UnboundedReceiver<Order>,
) {
    let mut listener: Option<TcpListener> = None;
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            order = orders.recv() => {
                let done = match order {
                    None | Some(Order::End) => return,
                    Some(Order::Listen(done)) => {
                        if listener.is_none() {
                            listener = Some(TcpListener::bind(address).await.unwrap());
                        }
                        done
                    }
                    Some(Order::Refuse(done)) => {
                        listener = None;
                        connections.shutdown().await;
                        done
                    }
                    Some(Order::Cut(done)) => {
                        connections.shutdown().await;
                        done
                    }
                };
                let _ = done.send(());
            }
            stream = accept(listener.as_ref()) => {
                let connection = Arc::new(Connection { number, cut: Notify::new() });
                number += 1;
                connections.spawn(converse(Arc::clone(state), tls.clone(), stream, connection));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The next connection; never, while there is no listener.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            return stream;
        }
    }
}

async fn converse(
    state: Arc<State>,
    tls: TlsAcceptor,
    stream: TcpStream,
    connection: Arc<Connection>,
) {
    drop(stream.set_nodelay(true));
    // A client that does not like the certificate ends here; it has said nothing yet.
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let inner = Arc::clone(&connection);
    let service =
        service_fn(move |request| answer(Arc::clone(&state), Arc::clone(&inner), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    let conversation = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // How it ended is for the client to judge.
        _ = conversation => {}
        () = connection.cut.notified() => {}
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper::{StatusCode, client::conn::http2};
    use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
    use tokio_rustls::TlsConnector;

    use crate::peers::{
        FakeDuo, Pki,
        fakeduo::{Endpoint, Fault, Place},
    };

    use super::*;

    type Sender = http2::SendRequest<Empty<Bytes>>;

    /// Connects with HTTP/2 alone on offer; the connection runs in the set.
    async fn connect(duo: &FakeDuo, running: &mut JoinSet<()>) -> Sender {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(Pki::shared().ca.as_bytes()).unwrap())
            .unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(duo.host()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        running.spawn(async move {
            drop(connection.await);
        });
        sender
    }

    async fn ping(sender: &mut Sender, duo: &FakeDuo) -> hyper::Result<StatusCode> {
        let uri = format!("https://{}/auth/v2/ping", duo.host());
        let request = hyper::Request::get(uri).body(Empty::new()).unwrap();
        Ok(sender.send_request(request).await?.status())
    }

    #[test]
    fn many_requests_share_an_http2_connection_until_it_is_cut() {
        let duo = FakeDuo::start(Pki::shared());
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut running = JoinSet::new();
            let mut sender = connect(&duo, &mut running).await;
            assert_eq!(ping(&mut sender, &duo).await.unwrap(), StatusCode::OK);
            duo.fail(Place::at(Endpoint::Ping).times(1), Fault::Hang);
            let mut hanging = sender.clone();
            let hanging = async { ping(&mut hanging, &duo).await };
            let others = async {
                let status = ping(&mut sender, &duo).await.unwrap();
                duo.fail(Place::at(Endpoint::Ping).times(1), Fault::Close);
                (status, ping(&mut sender, &duo).await.is_err())
            };
            let (hung, (status, cut)) = tokio::join!(hanging, others);
            assert_eq!(
                status,
                StatusCode::OK,
                "a request that hangs holds no other up"
            );
            assert!(
                cut && hung.is_err(),
                "a cut takes all that is on the connection"
            );
            let mut again = connect(&duo, &mut running).await;
            assert_eq!(ping(&mut again, &duo).await.unwrap(), StatusCode::OK);
        });
        let seen: Vec<_> = duo
            .requests()
            .iter()
            .map(|request| (request.connection, request.http2))
            .collect();
        assert_eq!(
            seen,
            [(0, true), (0, true), (0, true), (0, true), (1, true)]
        );
    }
}
