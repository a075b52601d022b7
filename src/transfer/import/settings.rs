//! How an import runs.

use crate::transfer::place::Place;

/// The most records that are handed to the store at once.
const PORTION: usize = 256;

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) stop_on_error: bool,
    pub(super) dry_run: bool,
    /// The last record that an earlier import settled.
    pub(super) resume_behind: Option<Place>,
}

impl Settings {
    pub(super) const NEW: Self = Self {
        stop_on_error: false,
        dry_run: false,
        resume_behind: None,
    };

    /// The records that are handed to the store at once.
    pub(super) const fn portion(self) -> usize {
        if self.stop_on_error { 1 } else { PORTION }
    }
}
