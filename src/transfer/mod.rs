//! Import of orders from other systems, and export of a store's orders to files.
//!
//! Invariants:
//! - Memory use does not grow with the length of the input. The importer holds one input
//!   record and the commands of at most 256 records. (A dry run needs more: see
//!   [`Import::dry_run`].)
//! - Each order is one command: the store applies it completely or refuses it completely.
//! - The importer reports a refused record with its position and continues with the next one.
//! - The importer does not guess. The caller names the unit of amounts and the meaning of the
//!   other system's status words.
//! - Errors, notices and `Debug` output contain no value of a record except its order number.

mod amount;
mod error;
mod export;
mod fields;
mod import;
mod input;
mod map_record;
mod mapping;
mod position;
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
pub use position::{Position, PositionError};
