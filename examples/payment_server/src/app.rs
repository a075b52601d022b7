//! What every route shares.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::desk::Desk;
use crate::hosts::Hosts;
use crate::seal::Seal;
use crate::shop::Shop;
use crate::stand_in::StandIn;

/// How many unsigned events may make the server ask the channel at once: anybody can send
/// one, so they must not become a way to flood the channel.
const HINTS: usize = 16;

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) desk: Arc<Desk>,
    pub(crate) shop: Shop,
    pub(crate) seal: Seal,
    pub(crate) clock: Clock,
    /// The channel, where it is the stand-in.
    pub(crate) stand_in: Option<StandIn>,
    pub(crate) hints: Semaphore,
    pub(crate) hosts: Hosts,
    pub(crate) request_limit: Duration,
}

impl App {
    pub(crate) fn hints() -> Semaphore {
        Semaphore::new(HINTS)
    }
}
