//! Where imported records come from.

use crate::transfer::mapping::Mapping;

/// Whose books they are.
#[derive(Debug, Clone)]
pub(super) enum Books {
    /// A store's own, in JSON.
    Exported,
    Foreign(Box<Mapping>),
}
