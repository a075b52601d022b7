//! Start and shutdown of the server.
//!
//! Invariant: the shutdown follows the dependencies. The server accepts no new request, answers the
//! pending ones, stops the sweeper and then shuts down the store. Acknowledged commands are
//! durable, and clients repeat the others.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orderstore::{Archive, Store};
use orderstore_server::{Hosts, Limits, serve_connections};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::alarms::Alarms;
use crate::app::App;
use crate::channel::{Channel, V3Channel};
use crate::clock::Clock;
use crate::config::Config;
use crate::desk::Desk;
use crate::http::Http;
use crate::routes;
use crate::seal::Seal;
use crate::shop::Shop;
use crate::stand_in::StandIn;
use crate::sweeper::Sweeper;

/// Error of a start or shutdown.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Maximum time to wait for another process to release the store.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    app: Arc<App>,
    ended: CancellationToken,
    serving: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    /// Temporary directory of the orders; removed with the server.
    _scratch: Option<TempDir>,
}

impl Server {
    /// Opens the store, connects to the channel or starts its stand-in, and begins to serve.
    ///
    /// # Errors
    /// If the address is in use, the store cannot be opened, or the keys cannot be read.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let (dir, scratch) = directory(config.data.as_deref())?;
        let store = open(dir, &config).await?;
        let shop = Shop::new()?;
        let (url, seal, stand_in) = find_channel(&config).await?;
        let channel = V3Channel {
            http: Http::new(config.channel_limit),
            url,
            notify_url: format!("http://{address}/notify/v3"),
            appid: shop.appid.clone(),
            mch_id: shop.mch_id.clone(),
        };
        let app = App {
            desk: Arc::new(desk(store, channel, config.clock.clone())),
            shop,
            seal,
            clock: config.clock.clone(),
            stand_in,
            hints: App::hints(),
            hosts: Hosts::new(config.hosts.clone()),
            request_limit: config.request_limit,
        };
        Ok(Self::run(listener, address, app, &config, scratch))
    }

    fn run(
        listener: TcpListener,
        address: SocketAddr,
        app: App,
        config: &Config,
        scratch: Option<TempDir>,
    ) -> Self {
        let (app, ended) = (Arc::new(app), CancellationToken::new());
        let router = routes::router(Arc::clone(&app));
        let limits = Limits {
            connections: config.connections,
            header: config.header_limit,
            request: config.request_limit,
            ..Limits::default()
        };
        let serving = serve_connections(listener, router, limits, ended.clone());
        let sweeper = Sweeper {
            desk: Arc::clone(&app.desk),
            clock: app.clock.clone(),
            every: config.sweep_every,
        };
        Self {
            address,
            serving: tokio::spawn(serving),
            sweeping: tokio::spawn(sweeper.run(ended.clone())),
            app,
            ended,
            _scratch: scratch,
        }
    }

    /// Returns the address of the listener.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL of the server's web pages.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.app.desk.store
    }

    /// Returns the simulated payment channel (stand-in), if the server uses one.
    #[must_use]
    pub fn stand_in(&self) -> Option<&StandIn> {
        self.app.stand_in.as_ref()
    }

    /// Shuts the server down. Pending requests are answered first, within the time limit for
    /// requests.
    ///
    /// # Errors
    /// If the store cannot be closed.
    pub async fn shutdown(self) -> Result<(), Error> {
        self.ended.cancel();
        if let Err(error) = self.serving.await {
            warn!(%error, "serving failed");
        }
        if let Err(error) = self.sweeping.await {
            warn!(%error, "the sweeper failed");
        }
        if let Some(stand_in) = &self.app.stand_in {
            stand_in.end().await;
        }
        self.app.desk.store.shutdown().await?;
        info!("the store is closed");
        Ok(())
    }
}

fn desk(store: Store, channel: V3Channel, clock: Clock) -> Desk {
    let channel: Arc<dyn Channel> = Arc::new(channel);
    Desk {
        store,
        channel,
        alarms: Alarms::default(),
        clock,
    }
}

fn directory(asked: Option<&Path>) -> Result<(std::path::PathBuf, Option<TempDir>), Error> {
    if let Some(dir) = asked {
        return Ok((dir.to_owned(), None));
    }
    let scratch = tempfile::Builder::new()
        .prefix("payment_server-")
        .tempdir()?;
    Ok((scratch.path().join("orders"), Some(scratch)))
}

/// Opens the store on a blocking thread, because recovery reads the journal.
async fn open(dir: std::path::PathBuf, config: &Config) -> Result<Store, Error> {
    let clock = config.clock.clone();
    let mut builder = Store::builder()
        .policy(config.policy.clone())
        .lock_wait(LOCK_WAIT)
        .clock(move || clock.now());
    if let Some(mirror) = &config.mirror {
        builder = builder.mirror(mirror);
    }
    if let Some(url) = &config.archive {
        builder = builder.archive(Archive::from_url(url)?);
    }
    let opening = tokio::task::spawn_blocking(move || builder.open_or_init(&dir));
    Ok(opening.await??)
}

async fn find_channel(config: &Config) -> Result<(String, Seal, Option<StandIn>), Error> {
    if let Some(remote) = &config.remote {
        return Ok((remote.url.clone(), Seal::read(&remote.keys)?, None));
    }
    let stand_in = StandIn::start(config.clock.clone(), config.shorten).await?;
    Ok((stand_in.url(), stand_in.seal(), Some(stand_in)))
}
