#![forbid(unsafe_code)]
//! HTTP API around an [`orderstore::Store`]: commands, lists and the change feed as JSON, for
//! servers in any language and for operators.
//!
//! ```no_run
//! use orderstore::Store;
//! use orderstore_server::{Limits, Listen, serve};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open("/var/lib/shop/orders")?;
//! let listen = Listen::Unix("/run/shop/orders.sock".into());
//! let shutdown = async { drop(tokio::signal::ctrl_c().await) };
//! serve(store.clone(), listen, Limits::default(), shutdown).await?;
//! store.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A client creates an order, records its payment and reads it:
//!
//! ```sh
//! api() { curl --silent --unix-socket /run/shop/orders.sock "http://localhost/v1/$1" "${@:2}"; }
//! json='content-type: application/json'
//!
//! api orders -H "$json" -d '{"outTradeNo":"tea-0001","appid":"wxd2565e6a04246fd1","totalFee":1990}'
//! api orders/tea-0001/confirm -H "$json" -d '{"transactionId":"4200004561202203217657282768",
//!     "paidFee":1990,"timeEnd":1647840007000,"source":"query"}'
//! api orders/tea-0001
//! ```
//!
//! # Rules for clients
//! - `GET /v1/openapi.json` describes all routes. The JSON names are those of the library.
//! - A command that the rules refuse also gets status 200. Its `outcome` contains the refusal.
//! - Acknowledge a notification of the channel only if `acknowledge` is true.
//! - Repeat a command if its connection breaks before the reply. The reply shows what the first
//!   command did. The store applies an accepted command completely, even if its client has
//!   disconnected.
//! - A repeated unpaid answer to a query counts as another check of the channel. A repeated reply
//!   `retry` to a close request counts, too. The next check is then later.
//! - Every failure is a problem (RFC 9457). Its `effect` is `notApplied`, `unknown` or `none`.
//! - Repeat a command after `unknown` until it gets a reply. A `notApplied` meanwhile concerns only
//!   the request that got it. The store may still apply the first request.
//! - A problem with `retryAfter`, a time in seconds, may end by itself.
//!
//! # Security
//! The server asks no client for a token. A client that can connect can do everything:
//! - [`Listen::Unix`] creates a socket that only its owner can use.
//! - [`Listen::Tcp`] takes loopback addresses only. Every user of the machine can use them.
//! - The server refuses requests that the page of another site made a browser send. A server of
//!   your own calls [`check_origin`] for that.
//! - The admin socket in the directory of a store is for programs of the same user, too. They can do
//!   there what they can do with the files.
//! - [`Limits`] bound what a slow or broken client can hold.

#[cfg(unix)]
mod admin;
mod app;
mod blocking;
mod commands;
mod connections;
mod fields;
mod guard;
mod hosts;
mod listen;
mod metrics;
mod openapi;
mod problem;
mod reply;
mod router;
mod routes;
mod serve;
mod write_limit;

#[cfg(unix)]
pub use admin::AdminPath;
pub use app::Limits;
pub use connections::{Listener, serve_connections};
pub use hosts::{Hosts, OriginError, check_origin};
pub use listen::{Listen, ServeError};
pub use openapi::document;
pub use router::router;
#[cfg(unix)]
pub use serve::admin_socket;
pub use serve::{Server, serve};
