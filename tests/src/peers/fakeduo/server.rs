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
