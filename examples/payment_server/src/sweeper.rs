//! Works what is due: the customer who never reports back, the close that is to be asked
//! for, the refund that is under way.
//!
//! Invariants:
//! - The store says what is due. A sweep that is cut off or fails is followed by the next.
//! - No item keeps the others from being worked. An item that the channel has an unusable
//!   answer for is put off. An item that ended a sweep is asked last in the next ones; if the
//!   channel answers others and is silent about this one, it is put off, too.
//! - While the channel is silent about everything, or refuses this merchant, nothing is put
//!   off: all of it is worked as soon as the channel answers again.

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

/// Maximum number of questions under way at once.
const AT_ONCE: usize = 8;

const PAGE: usize = 100;

/// Maximum pause while the channel is silent or refuses this merchant.
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Sweeper {
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: Clock,
    pub(crate) every: Duration,
}

/// An order, or one refund of it, that something is due for.
type Item = (OrderNo, Option<RefundNo>);

/// One sweep.
#[derive(Debug)]
struct Sweep {
    /// The same for all pages, so that what is put off meanwhile is not met again.
    now: Timestamp,
    /// Items that ended this sweep or one before it.
    suspects: Mutex<HashSet<Item>>,
    /// The channel has answered a question of this sweep.
    is_answered: AtomicBool,
    /// Why the sweep ends early.
    ended: Mutex<Option<ChannelError>>,
}

impl Sweeper {
    pub(crate) async fn run(self, ended: CancellationToken) {
        ended.run_until_cancelled(self.sweep_on()).await;
    }

    /// The pauses grow while sweeps end early.
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
                    warn!(%error, "a sweep was given up");
                    (pause * 2).min(PAUSE_MAX)
                }
            };
            suspects = sweep.suspects.into_inner();
        }
    }

    /// Everything that is due now, once; the suspects last.
    async fn sweep(&self, sweep: &Sweep) -> Result<(), DeskError> {
        self.pass(sweep, false).await?;
        if !sweep.suspects.lock().is_empty() {
            self.pass(sweep, true).await?;
            // What is left of them is not due any more.
            sweep.suspects.lock().clear();
        }
        Ok(())
    }

    /// Everything that is due, either without the suspects or only the suspects.
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
                warn!(no = %due.no, action = ?due.action, %error, "not done, and due again");
                sweep.suspects.lock().insert(item(due));
                *sweep.ended.lock() = Some(error);
            }
            Err(error) => {
                warn!(no = %due.no, action = ?due.action, %error, "not done, and due again");
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
            (action, _) => warn!(no = %due.no, ?action, "this server cannot do what is due"),
        }
        Ok(())
    }
}

fn item(due: &Due) -> Item {
    (due.no, due.refund_no.clone())
}
