//! Payloads of format 1: which fields are stored, in which order, with which tags.
//!
//! The lists in [`orders`] and [`rows`] define the stored bytes. The types of the public API do not:
//! a new field or a new variant does not compile until these lists say how it is stored. A change
//! of a list is a change of the format.

/// Implements [`Stored`](wire::Stored) from a list of the stored fields or variants.
///
/// - Fields are stored in the order of the list, without names.
/// - A variant is stored as its tag, one byte, and then its fields. The compiler rejects a list that
///   uses one tag twice, because the second variant could never be read.
macro_rules! stored {
    (struct $name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::format::v1::wire::Stored for $name {
            fn encode(
                &self,
                to: &mut $crate::format::v1::wire::Output<'_>,
            ) -> Result<(), $crate::format::v1::wire::EncodeError> {
                // Name every field and do not use `..`. A new field then causes a compile error
                // until it is in the list.
                let Self { $($field),+ } = self;
                $($crate::format::v1::wire::Stored::encode($field, to)?;)+
                Ok(())
            }

            fn decode(
                from: &mut $crate::format::v1::wire::Input<'_>,
            ) -> Result<Self, $crate::format::v1::wire::Undecodable> {
                Ok(Self {
                    $($field: $crate::format::v1::wire::Stored::decode(from)?),+
                })
            }
        }
    };
    (enum $name:ident {
        $($tag:literal => $variant:ident $(($item:ident))? $({ $($field:ident),+ })?),+ $(,)?
    }) => {
        impl $crate::format::v1::wire::Stored for $name {
            fn encode(
                &self,
                to: &mut $crate::format::v1::wire::Output<'_>,
            ) -> Result<(), $crate::format::v1::wire::EncodeError> {
                // Name every variant and do not use `_`. A new variant then causes a compile error
                // until it is in the list.
                match self {
                    $(Self::$variant $(($item))? $({ $($field),+ })? => {
                        $crate::format::v1::wire::encode_tag($tag, to)?;
                        $($crate::format::v1::wire::Stored::encode($item, to)?;)?
                        $($($crate::format::v1::wire::Stored::encode($field, to)?;)+)?
                    })+
                }
                Ok(())
            }

            fn decode(
                from: &mut $crate::format::v1::wire::Input<'_>,
            ) -> Result<Self, $crate::format::v1::wire::Undecodable> {
                Ok(match $crate::format::v1::wire::decode_tag(from)? {
                    $($tag => Self::$variant $(({
                        let $item = $crate::format::v1::wire::Stored::decode(from)?;
                        $item
                    }))? $({
                        $($field: $crate::format::v1::wire::Stored::decode(from)?),+
                    })?,)+
                    _ => return Err($crate::format::v1::wire::Undecodable),
                })
            }
        }
    };
}

mod orders;
mod rows;
mod texts;
mod wire;

pub(super) use self::rows::encode_event;
pub(crate) use self::rows::{Ancestor, EventLink, State, StoreMark, StoredEvent};
pub(super) use self::wire::{EncodeError, Output, Stored, Undecodable, append, read_front};

#[cfg(test)]
mod tests;
