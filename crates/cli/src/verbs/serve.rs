//! `serve`: serves the HTTP API of a store.

use std::io::ErrorKind;
use std::net::SocketAddr;

use clap::Args;
use orderstore::{Store, with_causes};
use orderstore_server::{Limits, Listen, ServeError, Server};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
#[cfg(unix)]
use tracing::warn;
use tracing_subscriber::filter::LevelFilter;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location::Location;
use crate::output::{Cell, shown};
use crate::signals::on_stop;

/// Serve the store over HTTP, for servers in any language
///
/// Prints one row when clients can connect, and runs until it is stopped. Then it answers the requests
/// that it has, and closes the store. GET /v1/openapi.json describes the API. Meanwhile the other verbs
/// use the store through this server.
#[derive(Args)]
pub(crate) struct Serve {
    /// Place to listen on. Only this user can use unix:PATH. Every user of this machine can use a
    /// loopback address such as 127.0.0.1:7700
    #[arg(long, value_name = "PLACE", value_parser = parse)]
    listen: Listen,
    /// Create the store if there is none
    #[arg(long)]
    init: bool,
}

fn parse(text: &str) -> Result<Listen, String> {
    #[cfg(unix)]
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Ok(Listen::Unix(path.into()));
    }
    let address: Result<SocketAddr, _> = text.parse();
    address
        .map(Listen::Tcp)
        .map_err(|_| "expected unix:PATH or ADDRESS:PORT".to_owned())
}

impl Serve {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        // A place that cannot be used must not leave a new store behind.
        self.listen.check().map_err(|error| refused(&error))?;
        let runtime = Runtime::new();
        let runtime = runtime.map_err(|error| Failure::input("no threads", &error))?;
        let serve = |store: &Store| {
            #[cfg(unix)]
            let admin = Admin::begin(&runtime, store, context);
            #[cfg(not(unix))]
            let admin = Admin::default();
            let served = serve(store.clone(), self.listen.clone(), context, admin.stop);
            let served = runtime.block_on(served);
            if let Some(running) = admin.running {
                // Ignore a panic: the other listener has ended already.
                let _ = runtime.block_on(running);
            }
            served
        };
        // Only this verb keeps a log. The other ones report on stderr.
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(LevelFilter::INFO)
            .init();
        let open = match self.init {
            true => Location::open_or_init_to_serve,
            false => Location::open_here,
        };
        context.with_opened(context.server_builder()?, open, serve)?;
        Ok(Exit::Done)
    }
}

/// Server of the admin socket in the directory of the store, if there is one.
#[derive(Default)]
struct Admin {
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

#[cfg(unix)]
impl Admin {
    /// Begins to serve. Without the socket, the store is served all the same.
    fn begin(runtime: &Runtime, store: &Store, context: &Context) -> Self {
        let Ok(Location::Dir(dir)) = context.location() else {
            return Self::default();
        };
        let server = runtime.block_on(Server::bind_admin(store.clone(), dir));
        let server = match server {
            Ok(server) => server,
            Err(error) => {
                let error = with_causes(&error);
                warn!(error, "no admin socket: other verbs cannot use the store");
                return Self::default();
            }
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let running = runtime.spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Self {
            stop: Some(stop),
            running: Some(running),
        }
    }
}

async fn serve(
    store: Store,
    listen: Listen,
    context: &Context,
    admin: Option<oneshot::Sender<()>>,
) -> Result<(), Failure> {
    let (stop, stopped) = oneshot::channel();
    let mut stop = Some(stop);
    on_stop(move || {
        // A second signal has no effect: the server answers the requests that it has.
        if let Some(stop) = stop.take() {
            let _ = stop.send(());
        }
    })?;
    let path = match &listen {
        #[cfg(unix)]
        Listen::Unix(path) => Some(path.display().to_string()),
        _ => None,
    };
    let server = Server::bind(store, listen, Limits::default()).await;
    let server = server.map_err(|error| refused(&error))?;
    let place = match (server.address(), path) {
        (Some(address), _) => address.to_string(),
        (None, path) => format!("unix:{}", path.unwrap_or_default()),
    };
    let columns = [shown("outcome"), shown("store"), shown("listen")];
    let store = Cell::text(context.location()?);
    let cells = vec![Cell::Word("serving"), store, Cell::text(place)];
    context.out().one(&columns, cells)?;
    server
        .serve(async {
            // An error means that no handler exists any more.
            let _ = stopped.await;
            // Both listeners drain at the same time.
            drop(admin);
        })
        .await;
    Ok(())
}

fn refused(error: &ServeError) -> Failure {
    match error {
        ServeError::InUse { .. } => Failure::new(Exit::InUse, with_causes(error)),
        ServeError::Bind { source, .. } if source.kind() == ErrorKind::AddrInUse => {
            Failure::new(Exit::InUse, with_causes(error))
        }
        ServeError::Bind { source, .. } => Failure::input(&error.to_string(), source),
        _ => Failure::usage(with_causes(error)),
    }
}
