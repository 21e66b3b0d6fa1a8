//! Which sockets are open, from one revision to the next.
//!
//! A socket lives as long as a login that must be answered from it, also when no section listens
//! there any more. So a place that comes back finds its socket, and one that lies under a new
//! listener on all addresses is read until its last login has ended: the kernel goes on giving it
//! the datagrams for its address.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use proto::address::AddressRange;
use proto::config::Faults;
use proto::id::IntegrationId;
use tokio_util::sync::CancellationToken;

use super::clients::ClientTable;
use super::holder::{Holder, holder};
use super::interface::Interface;
use super::receive::{self, Shared};
use super::served::{ServedClient, Site};
use super::socket::{Bound, RECEIVE_BUFFER, Socket};
use super::threads::ReceiveThreads;

/// Where an integration listens: an address, or all, and a port.
pub(crate) type Place = (Option<IpAddr>, u16);

/// Who may talk to a place.
pub(crate) type Clients = Vec<(AddressRange, Arc<ServedClient>)>;

/// The sockets of a node.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    open: HashMap<Place, Open>,
    leaving: Vec<Leaving>,
    /// Sockets of the process before this one, until they are wanted.
    inherited: HashMap<Place, Bound>,
}

#[derive(Debug)]
struct Open {
    site: Arc<Site>,
    stop: CancellationToken,
}

/// Closed for new logins, and kept alive by those that wait.
#[derive(Debug)]
struct Leaving {
    place: Place,
    site: Weak<Site>,
    stop: CancellationToken,
}

/// Sites for the places that were not open, bound and not read yet.
#[derive(Debug)]
pub(crate) struct Prepared(Vec<(Place, Arc<Site>)>);

impl Sites {
    /// Binds what is wanted and not open. Changes nothing that is served; each place comes with
    /// the index of its integration, for the fault's path.
    pub(crate) fn prepare(
        &mut self,
        wanted: &[(usize, &IntegrationId, Place)],
        interface: Interface,
        threads: &ReceiveThreads,
        faults: &mut Faults,
    ) -> Prepared {
        self.leaving.retain(|one| one.site.strong_count() > 0);
        let all: HashSet<Place> = wanted.iter().map(|(.., place)| *place).collect();
        let mut made: HashMap<Place, Arc<Site>> = HashMap::new();
        for (index, id, place) in wanted {
            if self.open.contains_key(place) || made.contains_key(place) {
                continue;
            }
            let revived = self.leaving.iter().filter(|one| one.place == *place);
            if let Some(site) = revived.filter_map(|one| one.site.upgrade()).next() {
                made.insert(*place, site);
                continue;
            }
            match self.bind(*place, &all, threads) {
                Ok(site) => drop(made.insert(*place, site)),
                Err(error) => {
                    let (field, message) = bind_fault(&error, *place, interface);
                    faults.add(
                        format!("integrations[{index}].{field}"),
                        format!("[{id}] {message}"),
                    );
                }
            }
        }
        Prepared(made.into_iter().collect())
    }

    fn bind(
        &mut self,
        place: Place,
        wanted: &HashSet<Place>,
        threads: &ReceiveThreads,
    ) -> io::Result<Arc<Site>> {
        let closing = self
            .open
            .iter()
            .filter(|(other, _)| other.1 == place.1 && !wanted.contains(*other))
            .map(|(_, one)| Arc::clone(&one.site));
        let left = self.leaving.iter().filter(|one| one.place.1 == place.1);
        let rivals: Vec<Arc<Site>> = closing
            .chain(left.filter_map(|one| one.site.upgrade()))
            .collect();
        let sockets: Vec<&Socket> = rivals.iter().map(|site| &site.socket).collect();
        let bound = match self.inherited.remove(&place) {
            Some(bound) => bound,
            None => Bound::new(place.0, place.1, &sockets)?,
        };
        let granted = bound.receive_buffer;
        let entered = threads.next();
        let entered = entered.enter();
        let socket = bound.watch()?;
        drop(entered);
        if granted < RECEIVE_BUFFER {
            tracing::warn!(
                listener = %socket.address(),
                granted,
                wanted = RECEIVE_BUFFER,
                "small receive buffer: a burst of requests may be lost; raise net.core.rmem_max"
            );
        }
        Ok(Arc::new(Site::new(socket, ClientTable::new([]))))
    }

    /// Serves these clients at these places, and nothing else. Gives the site of each place.
    pub(crate) fn commit(
        &mut self,
        Prepared(prepared): Prepared,
        tables: &HashMap<Place, Clients>,
        shared: &Arc<Shared>,
        threads: &ReceiveThreads,
    ) -> HashMap<Place, Arc<Site>> {
        let table =
            |place: &Place| ClientTable::new(tables.get(place).into_iter().flatten().cloned());
        for (place, site) in prepared {
            for old in self.leaving.extract_if(.., |one| one.place == place) {
                old.stop.cancel();
            }
            tracing::info!(listener = %site.socket.address(), "listening");
            site.set_clients(table(&place));
            let stop = CancellationToken::new();
            let reader = receive::serve(Arc::clone(shared), Arc::clone(&site), stop.clone());
            threads.next().spawn(reader);
            self.open.insert(place, Open { site, stop });
        }
        let gone: Vec<Place> = self
            .open
            .keys()
            .filter(|place| !tables.contains_key(*place))
            .copied()
            .collect();
        for place in gone {
            let Some(Open { site, stop }) = self.open.remove(&place) else {
                continue;
            };
            tracing::info!(listener = %site.socket.address(), "listener closed");
            let all = (None, place.1);
            if place.0.is_some() && tables.contains_key(&all) {
                site.set_clients(table(&all));
                shared
                    .runtime
                    .spawn(until_idle(Arc::clone(&site), stop.clone()));
            } else {
                stop.cancel();
            }
            self.leaving.push(Leaving {
                place,
                site: Arc::downgrade(&site),
                stop,
            });
        }
        for (place, one) in &self.open {
            one.site.set_clients(table(place));
        }
        self.open
            .iter()
            .map(|(place, one)| (*place, Arc::clone(&one.site)))
            .collect()
    }

    /// Takes sockets of the process before this one, for what is applied next.
    pub(crate) fn inherit(&mut self, sockets: Vec<(Place, Bound)>) {
        self.inherited = sockets.into_iter().collect();
    }

    /// All sockets by their addresses, those that nobody wanted included: the process before this one
    /// may have logins that are answered from them. Such a one is read as well where it lies under a
    /// listener on all addresses, since the kernel goes on giving it the datagrams for its address.
    pub(crate) fn inherited(
        &mut self,
        shared: &Arc<Shared>,
        threads: &ReceiveThreads,
    ) -> io::Result<HashMap<SocketAddr, Arc<Site>>> {
        let mut sites: HashMap<SocketAddr, Arc<Site>> = HashMap::new();
        for (place, bound) in std::mem::take(&mut self.inherited) {
            let runtime = threads.next();
            let entered = runtime.enter();
            let socket = bound.watch()?;
            drop(entered);
            let site = Arc::new(Site::new(socket, ClientTable::new([])));
            if let Some(all) = self.open.get(&(None, place.1)) {
                site.share_clients(&all.site);
                let stop = CancellationToken::new();
                let reader = receive::serve(Arc::clone(shared), Arc::clone(&site), stop.clone());
                runtime.spawn(reader);
                shared
                    .runtime
                    .spawn(until_idle(Arc::clone(&site), stop.clone()));
                self.leaving.push(Leaving {
                    place,
                    site: Arc::downgrade(&site),
                    stop,
                });
            }
            sites.insert(site.socket.address(), site);
        }
        let open = self.open.values().map(|one| Arc::clone(&one.site));
        sites.extend(open.map(|site| (site.socket.address(), site)));
        Ok(sites)
    }

    /// All sockets that a login may have to be answered from.
    pub(crate) fn all(&self) -> Vec<(Place, Arc<Site>)> {
        let open = self.open.iter();
        let open = open.map(|(place, one)| (*place, Arc::clone(&one.site)));
        let leaving = self.leaving.iter();
        let leaving = leaving.filter_map(|one| Some((one.place, one.site.upgrade()?)));
        open.chain(leaving).collect()
    }

    /// Reads no socket any more.
    pub(crate) fn stop(&self) {
        for stop in self.open.values().map(|one| &one.stop) {
            stop.cancel();
        }
        for one in &self.leaving {
            one.stop.cancel();
        }
    }
}

/// Stops the reader of a site when no login is left on it.
async fn until_idle(site: Arc<Site>, stop: CancellationToken) {
    // This task and the reader.
    while Arc::strong_count(&site) > 2 && !stop.is_cancelled() {
        tokio::time::sleep(IDLE_CHECK).await;
    }
    stop.cancel();
}

fn bind_fault(
    error: &io::Error,
    (listen, port): Place,
    interface: Interface,
) -> (&'static str, String) {
    let address = listen.map_or_else(|| "all".to_owned(), |address| address.to_string());
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let address = listen.map_or_else(
                || format!("*:{port}"),
                |ip| SocketAddr::new(ip, port).to_string(),
            );
            let who = match holder(listen, port) {
                Some(Holder { pid, name }) => format!("{name}, process {pid}"),
                None => "`ss -lunp` as root shows which".to_owned(),
            };
            let fault = format!("UDP {address}: address in use by another program ({who})");
            ("port", fault)
        }
        io::ErrorKind::AddrNotAvailable => (
            "listen",
            format!("{interface}{address}: this machine has no such address"),
        ),
        io::ErrorKind::PermissionDenied => (
            "port",
            format!("UDP port {port}: only root may bind ports below 1024"),
        ),
        _ => ("port", format!("UDP port {port}: {error}")),
    }
}

const IDLE_CHECK: Duration = Duration::from_secs(1);
