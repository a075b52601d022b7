//! Store that a server has open: the command line uses it through the admin socket of its directory.

use std::io;
use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use orderstore::remote::{RemoteEngine, Transport, TransportError};
use orderstore::{Builder, OpenError, Store};
use orderstore_server::AdminPath;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use crate::failure::Failure;

/// Opens the store in `dir` through the server that has it open. `None` if no server listens there.
pub(crate) fn open(builder: Builder, dir: &Path) -> Result<Option<Store>, Failure> {
    let Some(admin) = connect(dir)? else {
        return Ok(None);
    };
    let engine = RemoteEngine::connect(admin)?;
    let store: Result<Store, OpenError> = builder.engine(engine);
    Ok(Some(store?))
}

/// Finds the server that has the store in `dir` open. `None` if no server listens there.
pub(crate) fn connect(dir: &Path) -> Result<Option<Admin>, Failure> {
    let unusable = |error: io::Error| Failure::input("the admin socket cannot be used", &error);
    let admin = Admin {
        path: AdminPath::of(dir).map_err(unusable)?,
        runtime: Runtime::new().map_err(unusable)?,
    };
    match admin.runtime.block_on(admin.connect()) {
        Ok(_) => Ok(Some(admin)),
        Err(error) if is_nobody(&error) => Ok(None),
        Err(error) => Err(unusable(error)),
    }
}

/// Whether no server listens on the socket.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        // The last one: this system allows no socket with such a long path.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::InvalidInput
    )
}

/// Client of an admin socket. Each request has its own connection.
#[derive(Debug)]
pub(crate) struct Admin {
    path: AdminPath,
    runtime: Runtime,
}

/// Problem details of a request that the server refused.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    effect: String,
}

impl Admin {
    async fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.path.path()).await
    }

    /// Reads a route of the HTTP API.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let failed = |why: &str, error: io::Error| Failure::input(why, &error);
        let request = Request::get(path).header(HOST, "localhost");
        let request = request.body(Full::default());
        let request = request.map_err(|error| failed("no request", io::Error::other(error)))?;
        let response = self.runtime.block_on(self.send(request));
        let gone = "the server that has the store open does not answer";
        let response = response.map_err(|error| failed(gone, error.source))?;
        serde_json::from_slice(response.body())
            .map_err(|error| failed("the answer of the server cannot be read", error.into()))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, TransportError> {
        let unsent = |source| failed(false, source);
        let unanswered = |error| failed(true, io::Error::other(error));
        let stream = TokioIo::new(self.connect().await.map_err(unsent)?);
        let (mut sender, connection) = handshake(stream).await.map_err(unanswered)?;
        let running = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(unanswered)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(unanswered)?.to_bytes();
        running.abort();
        Ok(Response::from_parts(parts, body))
    }
}

const fn failed(is_sent: bool, source: io::Error) -> TransportError {
    TransportError { is_sent, source }
}

impl Transport for Admin {
    fn call(&self, request: Vec<u8>) -> Result<Vec<u8>, TransportError> {
        let request = Request::post("/v1/remote")
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(request)))
            .map_err(|error| failed(false, io::Error::other(error)))?;
        let response = self.runtime.block_on(self.send(request))?;
        if response.status() == StatusCode::OK {
            return Ok(response.into_body().into());
        }
        match serde_json::from_slice::<Problem>(response.body()) {
            Ok(problem) => Err(failed(
                problem.effect != "notApplied",
                io::Error::other(problem.detail),
            )),
            Err(_) => Err(failed(
                true,
                io::Error::other(format!("status {}", response.status())),
            )),
        }
    }
}
