//! Check of results while the clock runs.

use std::fmt::Debug;

use crate::sample::Checked;

/// Fails the run on a wrong result, so that a fast but broken system gets no figures.
pub(crate) fn expect<O: PartialEq + Debug>(found: &O, right: &O) -> Checked<()> {
    if found == right {
        return Ok(());
    }
    Err(format!("found {found:?} instead of {right:?}").into())
}
