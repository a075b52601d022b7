//! Service of the API on a listener, from the binding to the drain.

#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use futures_util::future::join;
use orderstore::{Health, Store};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

#[cfg(unix)]
use crate::admin;
use crate::app::{App, Limits};
use crate::connections::{Listener, serve_connections};
use crate::guard::guard;
use crate::hosts::Hosts;
#[cfg(unix)]
use crate::listen::unix::SocketFile;
use crate::listen::{self, Listen, ServeError};
use crate::metrics::http::record;
use crate::router::{admin_routes, not_found, routes};
#[cfg(unix)]
use crate::routes::remote::REMOTE_MAX;

/// Server that listens and does not serve yet. Clients can connect, and wait.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    listener: Bound,
    hosts: Hosts,
    /// Whether the command line may send requests.
    is_admin: bool,
}

#[derive(Debug)]
enum Bound {
    #[cfg(unix)]
    Unix(UnixListener, SocketFile),
    Tcp(TcpListener),
}

impl Server {
    /// Begins to listen.
    ///
    /// The store must stay open until the server has ended. A socket without a listener at the path
    /// is replaced. A socket with a listener stays, and this server is refused.
    ///
    /// # Errors
    /// [`ServeError`] if the server cannot listen there.
    pub async fn bind(store: Store, listen: Listen, limits: Limits) -> Result<Self, ServeError> {
        listen.check()?;
        Self::bind_unchecked(store, listen, limits).await
    }

    async fn bind_unchecked(
        store: Store,
        listen: Listen,
        limits: Limits,
    ) -> Result<Self, ServeError> {
        if matches!(store.health(), Health::ShutDown) {
            return Err(ServeError::ShutDown);
        }
        let (listener, hosts) = match listen {
            #[cfg(unix)]
            Listen::Unix(path) => {
                let (listener, file) = listen::unix::bind(&path).await?;
                (Bound::Unix(listener, file), Hosts::every())
            }
            Listen::Tcp(address) => (Bound::Tcp(listen::tcp(address).await?), Hosts::loopback()),
        };
        let app = Arc::new(App::new(store, limits, CancellationToken::new()));
        Ok(Self {
            app,
            listener,
            hosts,
            is_admin: false,
        })
    }

    /// Begins to listen on the socket `admin.sock` in the directory of the store. The command line uses
    /// the store through it: with `--store DIR`, every verb that reads or changes orders works while the
    /// store is open here.
    ///
    /// A verification or a backup through the socket delays the shutdown of the store until it is done.
    ///
    /// # Errors
    /// Those of [`Server::bind`].
    #[cfg(unix)]
    pub async fn bind_admin(store: Store, dir: impl AsRef<Path>) -> Result<Self, ServeError> {
        let limits = Limits {
            // A few operators: the other connections belong to clients.
            connections: 32,
            // A group of commands with the largest values.
            batch: 64 << 20,
            lifetime: REMOTE_MAX,
            ..Limits::default()
        };
        // The path may be long: the command line finds the socket all the same.
        let listen = Listen::Unix(dir.as_ref().join(admin::NAME));
        let server = Self::bind_unchecked(store, listen, limits).await?;
        Ok(Self {
            is_admin: true,
            ..server
        })
    }

    /// Accepts requests to these host names, too, and requests of their pages. Name the hosts of a
    /// proxy through which browsers use the server, such as `pay.example`, without a port.
    ///
    /// A Unix socket accepts every host in any case. A proxy may replace `Host` by a name of its own.
    /// Then `Origin` must be a page of one of these names, on the standard port.
    #[must_use]
    pub fn with_hosts(mut self, names: Vec<String>) -> Self {
        self.hosts = self.hosts.with_names(names);
        self
    }

    /// Returns the TCP address of the listener, or `None` for a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        match &self.listener {
            #[cfg(unix)]
            Bound::Unix(..) => None,
            Bound::Tcp(listener) => listener.local_addr().ok(),
        }
    }

    /// Serves until `shutdown` completes, and then drains. A server that drains is not ready. It
    /// accepts no connection, and ends long polls and streams. The other requests get their answers
    /// within [`Limits::request`]. At the end the server removes its socket. The store stays open.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let Self {
            app,
            listener,
            hosts,
            is_admin,
        } = self;
        let routes = match is_admin {
            true => routes(Arc::clone(&app)).merge(admin_routes(Arc::clone(&app))),
            false => routes(Arc::clone(&app)),
        };
        match listener {
            #[cfg(unix)]
            Bound::Unix(listener, file) => {
                serve_on(listener, &app, routes, hosts, shutdown).await;
                drop(file);
            }
            Bound::Tcp(listener) => serve_on(listener, &app, routes, hosts, shutdown).await,
        }
    }
}

/// Serves on a listener until `shutdown` completes, and drains. Dropping the future drains, too.
async fn serve_on(
    listener: impl Listener,
    app: &App,
    routes: Router,
    hosts: Hosts,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (draining, limits) = (app.draining.clone(), app.limits);
    let drain = draining.clone().drop_guard();
    let ending = async move {
        shutdown.await;
        info!("drain server");
        drop(drain);
    };
    let guard = from_fn_with_state(Arc::new(hosts), guard);
    let record = from_fn_with_state(app.metrics.http.clone(), record);
    // The record is around the guard: its refusals count, too.
    let router = routes.fallback(not_found).layer(guard).layer(record);
    join(
        serve_connections(listener, router, limits, draining),
        ending,
    )
    .await;
}

/// Serves the API around a store until `shutdown` completes and the server has drained: see
/// [`Server::bind`] and [`Server::serve`].
///
/// # Errors
/// [`ServeError`] if the server cannot listen there.
pub async fn serve(
    store: Store,
    listen: Listen,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let server = Server::bind(store, listen, limits).await?;
    server.serve(shutdown).await;
    Ok(())
}

/// Serves operators around an open store until `shutdown` completes: see [`Server::bind_admin`]. A
/// program that embeds the store and has no other use for the API needs only this.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let dir = "/var/lib/shop/orders";
/// let store = orderstore::Store::open(dir)?;
/// let shutdown = async { drop(tokio::signal::ctrl_c().await) };
/// orderstore_server::admin_socket(store.clone(), dir, shutdown).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`Server::bind_admin`].
#[cfg(unix)]
pub async fn admin_socket(
    store: Store,
    dir: impl AsRef<Path>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let server = Server::bind_admin(store, dir).await?;
    server.serve(shutdown).await;
    Ok(())
}
