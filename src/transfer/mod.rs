//! Moving in and out: other systems' books into a store, a store's books into files.
//!
//! Invariants:
//! - One record is held at a time, and a portion of what was read: books of any length need
//!   the same memory.
//! - A record is imported whole or not at all; one that is refused is told with its place,
//!   and costs no other one.
//! - Nothing that decides is guessed: the unit of amounts and the meaning of foreign words
//!   are said by the caller.
//! - No error, no notice and no `Debug` holds a value of a record but its order number.

mod amount;
mod error;
mod export;
mod fields;
mod import;
mod input;
mod map_record;
mod mapping;
mod place;
mod time;

#[cfg(test)]
mod tests;

pub use crate::encoding::WrongEncoding;
pub use amount::{AmountProblem, Amounts};
pub use error::{FieldProblem, Reason, Refused};
pub use export::{Export, ExportError, Exported};
pub use import::{Import, ImportError, ImportReport, Notice};
pub use input::Input;
pub use mapping::{Field, Mapping};
pub use place::{Place, PlaceError};
