//! Source of imported records: a store or another system.

use crate::transfer::mapping::Mapping;

/// Source of the records of an import.
#[derive(Debug, Clone)]
pub(super) enum Books {
    /// A store wrote the records with [`Export::json_lines`](crate::transfer::Export::json_lines).
    Exported,
    /// Another system wrote the records.
    Foreign(Box<Mapping>),
}
