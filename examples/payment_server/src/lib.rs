//! A payment server on [`orderstore`]: everything that the shop of a mini program needs for its
//! orders, on one machine.
//!
//! - [`Server`] accepts orders, callbacks, refunds and an operator's decisions over HTTP, processes
//!   [due](orderstore::Store::due) items, and shuts down without losing anything.
//! - [`Channel`] is the interface to a payment channel; [`V3Channel`] implements it over HTTP.
//! - [`StandIn`] is a channel on loopback that takes no real money. It behaves like a real one and
//!   can fail in the same ways.
//! - [`demo`] runs a hundred customers against the server and its stand-in. [`load`] sends as many
//!   callbacks as possible.
//!
//! # How it stays correct
//! - The price comes from the server. The client sends the item, its user and a reference; two taps
//!   with one reference give one order.
//! - The store records the order before the channel knows it, so every payment finds its order.
//!   After any later failure the server queries the order until it has ended.
//! - The server records only payments that the channel signed or answered to a query. The cloud's
//!   event has no signature, so it only triggers a query.
//! - The server acknowledges a notification only when the store allows it.
//!
//! # Tasks of a deployment
//! The pages, the orders and the operator's routes share one listener on loopback, without a login.
//! A deployment must add:
//! - authentication in front of the server, and the openid from the session instead of the request;
//! - TLS, and requests signed with the merchant's key;
//! - a proxy that exposes only the two callback paths to the outside.
//!
//! A proxy that passes the public name in `Host` needs that name allowed with `--host`.

mod alarms;
mod app;
mod audit;
mod channel;
mod client;
mod clock;
mod config;
pub mod demo;
mod desk;
mod guard;
mod http;
pub mod load;
mod routes;
mod seal;
mod server;
mod shop;
mod stand_in;
mod sweeper;

pub use audit::Audit;
pub use channel::{Channel, ChannelError, GiveBack, Point, RefundAnswer, V3Channel};
pub use client::{Answer, Client};
pub use clock::Clock;
pub use config::{Config, ConfigError, HELP, Mode, Remote};
pub use http::{Http, HttpError, Reply};
pub use seal::{Notification, Opened, PlatformKey, Seal, SealError, Subject};
pub use server::{Error, Server};
pub use stand_in::{Behaviour, Fault, Form, Plan, Refusal, StandIn, Trade};
