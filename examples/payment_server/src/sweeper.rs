//! Processes due items: orders without a notification, closes to request, and pending refunds.
//!
//! Invariants:
//! - The store determines what is due. The next sweep continues after one that fails or is
//!   interrupted.
//! - No item blocks the others. An item with an unusable answer is postponed. An item whose failure
//!   ended a sweep is processed last in the next sweeps. If the channel then answers other requests
//!   but not this one, the item is postponed as well.
//! - While the channel is silent about everything, or rejects this merchant, nothing is postponed.
//!   All items are processed as soon as the channel answers again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use orderstore::{ActionKind, Due, OrderNo, PageRequest, RefundNo, Timestamp};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::channel::ChannelError;
use crate::clock::Clock;
use crate::desk::{Channels, Desk, DeskError};

/// Maximum number of concurrent requests to the channel.
const AT_ONCE: usize = 8;

const PAGE: usize = 100;

/// Maximum pause while the channel is silent or rejects this merchant.
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Sweeper {
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: Clock,
    pub(crate) every: Duration,
}

/// A due order, or one due refund of an order.
type Item = (OrderNo, Option<RefundNo>);

/// State of one sweep.
#[derive(Debug)]
struct Sweep {
    /// Time of the sweep, the same for all pages. Items that are postponed meanwhile are not listed
    /// again.
    now: Timestamp,
    /// Items whose failure ended this sweep or an earlier one.
    suspects: Mutex<HashSet<Item>>,
    /// Whether the channel has answered a request of this sweep.
    is_answered: AtomicBool,
    /// Reason for ending the sweep early.
    ended: Mutex<Option<ChannelError>>,
}

impl Sweeper {
    pub(crate) async fn run(self, ended: CancellationToken) {
        ended.run_until_cancelled(self.sweep_on()).await;
    }

    /// Runs sweeps until the server stops. The pauses double while sweeps end early, up to
    /// `PAUSE_MAX`.
    async fn sweep_on(&self) {
        let (mut pause, mut suspects) = (self.every, HashSet::new());
        loop {
            tokio::time::sleep(pause).await;
            let sweep = Sweep {
                now: self.clock.now(),
                suspects: Mutex::new(suspects),
                is_answered: AtomicBool::new(false),
                ended: Mutex::new(None),
            };
            pause = match self.sweep(&sweep).await {
                Ok(()) => self.every,
                Err(error) => {
                    warn!(%error, "a sweep ended early");
                    (pause * 2).min(PAUSE_MAX)
                }
            };
            suspects = sweep.suspects.into_inner();
        }
    }

    /// Processes once everything that is due now. The suspects come last.
    async fn sweep(&self, sweep: &Sweep) -> Result<(), DeskError> {
        self.pass(sweep, false).await?;
        if !sweep.suspects.lock().is_empty() {
            self.pass(sweep, true).await?;
            // The second pass has processed every suspect that was due.
            sweep.suspects.lock().clear();
        }
        Ok(())
    }

    /// Processes everything that is due, either without the suspects or only the suspects.
    async fn pass(&self, sweep: &Sweep, of_suspects: bool) -> Result<(), DeskError> {
        let mut page = PageRequest::of(PAGE);
        loop {
            let dues = self.desk.store.due(sweep.now, page).await?;
            let dues_now: Vec<_> = {
                let suspects = sweep.suspects.lock();
                let is_of_pass = |due: &&Due| suspects.contains(&item(due)) == of_suspects;
                dues.rows.iter().filter(is_of_pass).collect()
            };
            let work = |due| self.work(sweep, due);
            let working = stream::iter(dues_now).for_each_concurrent(AT_ONCE, work);
            working.await;
            if let Some(error) = sweep.ended.lock().clone() {
                return Err(error.into());
            }
            let Some(next) = dues.next else { return Ok(()) };
            page = page.after(next);
        }
    }

    async fn work(&self, sweep: &Sweep, due: &Due) {
        if sweep.ended.lock().is_some() {
            return;
        }
        let is_suspect = sweep.suspects.lock().contains(&item(due));
        let channels = if is_suspect && sweep.is_answered.load(Ordering::Relaxed) {
            Channels::Answer
        } else {
            Channels::MayBeSilent
        };
        match self.act(due, channels).await {
            Ok(()) => {
                sweep.is_answered.store(true, Ordering::Relaxed);
                sweep.suspects.lock().remove(&item(due));
            }
            Err(DeskError::Channel(error)) => {
                warn!(no = %due.no, action = ?due.action, %error, "a due item failed and stays due");
                sweep.suspects.lock().insert(item(due));
                *sweep.ended.lock() = Some(error);
            }
            Err(error) => {
                warn!(no = %due.no, action = ?due.action, %error, "a due item failed and stays due");
            }
        }
    }

    async fn act(&self, due: &Due, channels: Channels) -> Result<(), DeskError> {
        debug!(no = %due.no, action = ?due.action, "due");
        match (due.action, &due.refund_no) {
            (ActionKind::Query, _) => self.desk.look_as_due(due.no, channels).await?,
            (ActionKind::AskClose, _) => self.desk.ask_close(due.no, channels).await?,
            (ActionKind::QueryRefund, Some(refund_no)) => {
                let looking = self.desk.look_at_refund(due.no, refund_no, channels);
                looking.await?;
            }
            (action, _) => {
                warn!(no = %due.no, ?action, "the due action is not supported")
            }
        }
        Ok(())
    }
}

fn item(due: &Due) -> Item {
    (due.no, due.refund_no.clone())
}
