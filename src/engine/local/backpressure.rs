//! Slows writers down while a checkpoint runs, so that memory stays bounded.
//!
//! During a checkpoint, writes go to a second memtable. Above half of its maximum size,
//! [`Core::throttle`] delays each batch, more and more. When this memtable is full,
//! [`Core::stall_until_room`] makes writers wait for the checkpoint.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::core::{Core, Writer};
use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};
use crate::log::event;

/// Maximum time for which throttling delays one batch.
const DELAY_MAX: Duration = Duration::from_millis(10);

/// Shortest wait for a checkpoint that the log reports as a stall.
const STALL_MIN: Duration = Duration::from_millis(1);

impl Core {
    /// Delays a batch if the active memtable is more than half full during a checkpoint.
    ///
    /// On a simulated disk, this function counts the delay but does not sleep.
    pub(super) fn throttle(&self) -> Result<(), EngineError> {
        let view = self.view()?;
        if view.frozen.is_none() {
            return Ok(());
        }
        let half = self.options.memtable_bytes / 2;
        let over = view.active.read().bytes().saturating_sub(half);
        drop(view);
        if over > 0 {
            self.checkpointer.throttled.fetch_add(1, Ordering::Relaxed);
            if self.executor().is_none() {
                thread::sleep(delay(over, half));
            }
        }
        Ok(())
    }

    /// Ensures that the active memtable has room for a batch.
    ///
    /// If the memtable is full, waits for the running checkpoint and freezes the memtable. Poisons
    /// the writer if the B-tree can no longer be opened.
    pub(super) fn stall_until_room(&self, writer: &mut Writer) -> Result<(), EngineError> {
        if let Some(error) = self.checkpointer.reopen_error() {
            writer.poisoned_by = Some(error.clone());
            return Err(EngineError::Fatal(error));
        }
        let is_full = self.view()?.active.read().bytes() >= self.options.memtable_bytes;
        if is_full {
            // Wait for the running checkpoint, because only one memtable can be frozen at a time.
            // Otherwise `freeze` would drop a memtable that is not in the B-tree yet.
            let began = Instant::now();
            self.checkpointer.wait().map_err(stalled)?;
            let waited = began.elapsed();
            if waited >= STALL_MIN {
                event!(warn, "stalled writes", millis = waited.as_millis());
            }
            self.freeze(writer)?;
        }
        Ok(())
    }
}

/// Delay of a batch when the memtable has `over` bytes more than `half`, which is half of its
/// maximum.
///
/// The delay grows with the square of `over`, from zero to 10 ms. Just above half, the delay is
/// hardly noticeable; near the maximum, it slows writers down before they stall.
fn delay(over: usize, half: usize) -> Duration {
    // `share` is the used part of the upper half in thousandths, at most 1000, so its square is in
    // millionths. Only an absurd setting saturates, and then the delay is shorter.
    let share = u32::try_from(over.min(half).saturating_mul(1000) / half.max(1)).unwrap_or(1000);
    DELAY_MAX.saturating_mul(share).saturating_mul(share) / 1_000_000
}

/// Converts the failure of a checkpoint into the error of a write that waits for it.
///
/// Corruption becomes `Stalled`, because the corrupt page in the B-tree does not concern the order
/// that this write changes.
fn stalled(error: EngineError) -> EngineError {
    match error {
        EngineError::Retry(cause) if cause.is_corrupt() => {
            EngineError::Retry(StorageError::new(StorageErrorKind::Stalled, cause))
        }
        error => error,
    }
}
