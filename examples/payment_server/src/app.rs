//! State that all routes share.

use std::sync::Arc;
use std::time::Duration;

use orderstore_server::Hosts;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::desk::Desk;
use crate::seal::Seal;
use crate::shop::Shop;
use crate::stand_in::StandIn;

/// Maximum number of unsigned events that query the channel at once. Anybody can send such an
/// event, so without a limit they could flood the channel.
const HINTS: usize = 16;

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) desk: Arc<Desk>,
    pub(crate) shop: Shop,
    pub(crate) seal: Seal,
    pub(crate) clock: Clock,
    /// Simulated payment channel (stand-in), if the server uses one.
    pub(crate) stand_in: Option<StandIn>,
    /// Semaphore that limits the unsigned events that query the channel at once.
    pub(crate) hints: Semaphore,
    pub(crate) hosts: Hosts,
    pub(crate) request_limit: Duration,
}

impl App {
    pub(crate) fn hints() -> Semaphore {
        Semaphore::new(HINTS)
    }
}
