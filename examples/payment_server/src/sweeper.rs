//! Works what is due: the customer who never reports back, the close that is to be asked
//! for, the refund that is under way.
//!
//! Nothing here is remembered: the store says what is due, and a sweep that is cut off or
//! fails is followed by the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use orderstore::{Action, Due, PageOf};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::desk::{Desk, DeskError};

/// How many questions are asked at once.
const AT_ONCE: usize = 8;

const PAGE: usize = 100;

/// The longest pause while the channel does not answer.
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Sweeper {
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: Clock,
    pub(crate) every: Duration,
}

impl Sweeper {
    pub(crate) async fn run(self, ended: CancellationToken) {
        ended.run_until_cancelled(self.sweep_on()).await;
    }

    /// While the channel does not answer, the pauses grow.
    async fn sweep_on(&self) {
        let mut pause = self.every;
        loop {
            tokio::time::sleep(pause).await;
            pause = match self.sweep().await {
                Ok(()) => self.every,
                Err(error) => {
                    warn!(%error, "a sweep was given up");
                    (pause * 2).min(PAUSE_MAX)
                }
            };
        }
    }

    /// Everything that is due now, once. The same `now` for all pages, so that what is put
    /// off meanwhile is not met again.
    async fn sweep(&self) -> Result<(), DeskError> {
        let now = self.clock.now();
        let mut page = PageOf::of(PAGE);
        loop {
            let dues = self.desk.store.due(now, page).await?;
            self.work(&dues.rows).await?;
            let Some(next) = dues.next else { return Ok(()) };
            page = page.after(next);
        }
    }

    /// One that fails does not keep the others from being worked; a channel that is down
    /// ends the sweep.
    async fn work(&self, dues: &[Due]) -> Result<(), DeskError> {
        let silent = AtomicBool::new(false);
        let silent = &silent;
        let work = |due| async move {
            if silent.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = self.act(due).await {
                warn!(no = %due.no, action = ?due.action, %error, "not done, and due again");
                silent.fetch_or(error.is_silence(), Ordering::Relaxed);
            }
        };
        stream::iter(dues).for_each_concurrent(AT_ONCE, work).await;
        if silent.load(Ordering::Relaxed) {
            return Err(crate::channel::ChannelError::Silent.into());
        }
        Ok(())
    }

    async fn act(&self, due: &Due) -> Result<(), DeskError> {
        debug!(no = %due.no, action = ?due.action, "due");
        match (due.action, &due.refund_no) {
            (Action::Query, _) => drop(self.desk.look(due.no).await?),
            (Action::AskClose, _) => self.desk.ask_close(due.no).await?,
            (Action::QueryRefund, Some(refund_no)) => {
                self.desk.look_at_refund(due.no, refund_no).await?;
            }
            (action, _) => warn!(no = %due.no, ?action, "this server cannot do what is due"),
        }
        Ok(())
    }
}
