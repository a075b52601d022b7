//! A payment server on [`orderstore`]: all that a mini-program shop needs around its orders,
//! on one machine.
//!
//! - [`Server`] takes orders, callbacks, refunds and an operator's decisions over HTTP, works
//!   what is [due](orderstore::Store::due), and ends without losing anything.
//! - [`Channel`] is all that it asks of a payment channel; [`V3Channel`] asks over HTTP.
//! - [`StandIn`] is such a channel on loopback: it takes no real money, and otherwise behaves
//!   like one, at its worst too.
//! - [`demo`] drives a hundred customers through both, [`load`] as many callbacks as it can.
//!
//! # What makes it right
//! - The price is the server's own. The client says what it wants, who it is, and under
//!   which reference: two taps with one reference are one order.
//! - The order is in the store before the channel hears of it, so no payment can find
//!   nothing. Whatever fails afterwards leaves an order that is asked about until it ends.
//! - Money is taken in from what the channel signed or answered, and from nothing else: the
//!   cloud's event carries no signature, so it only makes the server ask.
//! - The channel is told "received" when the store says so, and not before.
//!
//! # What a deployment adds
//! The pages, the orders and the operator's routes share one listener on loopback, without a
//! login: a deployment puts authentication in front, takes the openid from the session and
//! not from the request, speaks TLS, signs its requests with the merchant's key, and lets
//! the two callback paths alone be reached from outside. A proxy that passes the public name
//! in `Host` needs it allowed by `--host`.

mod alarms;
mod app;
mod audit;
mod channel;
mod client;
mod clock;
mod config;
mod connections;
pub mod demo;
mod desk;
mod guard;
mod hosts;
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
