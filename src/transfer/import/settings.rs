//! Settings of an import run.

use crate::transfer::position::Position;

/// Maximum number of records that the import sends to the store at once.
const PORTION: usize = 256;

#[derive(Debug, Clone, Copy)]
/// Options that the caller set on an import.
pub(super) struct Settings {
    pub(super) stop_on_error: bool,
    pub(super) dry_run: bool,
    /// Last record for which an earlier import had a final result. The import continues after it.
    pub(super) resume_after: Option<Position>,
}

impl Settings {
    pub(super) const NEW: Self = Self {
        stop_on_error: false,
        dry_run: false,
        resume_after: None,
    };

    /// Number of records that the import sends to the store at once. With `stop_on_error`, the
    /// number is 1, so that no record after a refused one reaches the store.
    pub(super) const fn portion(self) -> usize {
        if self.stop_on_error { 1 } else { PORTION }
    }
}
