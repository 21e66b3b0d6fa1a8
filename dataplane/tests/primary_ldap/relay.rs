//! A TCP relay that counts connections and can swallow what holds a given text.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct Relay {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn to(port: u16, swallowed: &'static str) -> Self {
        Self::between("127.0.0.1", port, swallowed).await
    }

    /// Listens at an address and relays to a port of the loopback.
    pub(crate) async fn between(at: &str, port: u16, swallowed: &'static str) -> Self {
        let listener = TcpListener::bind((at, 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut relaying = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                relaying.spawn(relay(client, port, swallowed));
            }
        });
        Self {
            port: own,
            connections,
            _accepting: accepting,
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, port: u16, swallowed: &'static str) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = TcpStream::connect(server).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut octets = [0; 4096];
        while let Ok(count @ 1..) = from_client.read(&mut octets).await {
            let sent = &octets[..count];
            let holds = sent
                .windows(swallowed.len())
                .any(|window| window == swallowed.as_bytes());
            if !holds && to_server.write_all(sent).await.is_err() {
                break;
            }
        }
    };
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        () = up => {}
        _ = down => {}
    }
}
