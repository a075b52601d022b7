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
//! - A command that the rules refuse gets status 200, too. Its `outcome` contains the refusal.
//! - Acknowledge a notification of the channel only if `acknowledge` is true.
//! - Every command can be repeated. If a connection breaks before the reply, send the command again:
//!   the reply shows what the first one did. A command that the store accepted is applied
//!   completely, even if its client has disconnected.
//! - The store counts a repeated unpaid answer to a query as another check, and a repeated reply
//!   `retry` to a close request, too. The next check is then later.
//! - Every failure is a problem (RFC 9457). Its `effect` is `notApplied`, `unknown` or `none`. After
//!   `unknown`, repeat the command until it gets a reply. A `notApplied` meanwhile concerns only the
//!   request that got it: the first one may still be applied. A problem with the header `Retry-After`
//!   may end by itself.
//!
//! # Security
//! The server asks no client for a token. A client that can connect can do everything:
//! - [`Listen::Unix`] creates a socket that only its owner can use.
//! - [`Listen::Tcp`] takes loopback addresses only. Every user of the machine can use them.
//! - [`check_origin`] refuses requests that the page of another site made a browser send.
//! - [`Limits`] bound what a slow or broken client can hold.

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

pub use app::Limits;
pub use connections::{Listener, serve_connections};
pub use hosts::{Hosts, OriginError, check_origin};
pub use listen::{Listen, ServeError};
pub use openapi::document;
pub use router::router;
pub use serve::{Server, serve};
