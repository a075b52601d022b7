//! Checks that a database holds what was written.

use crate::rival::{Caller, Rival, Rows, Seen};
use crate::sample::Checked;
use crate::work::Create;

/// Compares the rows with those of this many complete units.
pub(super) fn rows(rival: &dyn Rival, units: u64) -> Checked<()> {
    let (found, due) = (rival.rows()?, Rows::of_units(units));
    if found == due {
        return Ok(());
    }
    Err(format!("found {found:?} instead of {due:?}").into())
}

/// Reads one paid order back, by its number and in its user's list.
pub(super) fn order(caller: &mut dyn Caller, create: &Create) -> Checked<()> {
    let due = Seen {
        no: create.no,
        fee: create.fee.as_u64(),
        paid: true,
    };
    let found = caller.get(&create.no)?;
    if found.as_ref() != Some(&due) {
        return Err(format!("found {found:?} instead of {due:?}").into());
    }
    if caller.page(create.openid.as_str(), super::PAGE)? == 0 {
        return Err("the order is missing from its user's list".into());
    }
    Ok(())
}
