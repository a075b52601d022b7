//! Numbers, lists and options in stored bytes.
//!
//! The crate bincode writes and reads the numbers, in its standard configuration:
//! - A `u8` is one byte. A flag is a byte 0 or 1. An option is a flag, then the value if any.
//! - A wider number up to 250 is one byte. A larger one is a byte 251, 252 or 253, and then 2, 4 or
//!   8 little-endian bytes.
//! - A list is its length, a number, and then its elements.
//!
//! Every element takes at least one byte. A list that claims more elements than there are bytes
//! left is rejected, so corrupt input never causes a large allocation.

use std::sync::Arc;

use bincode::config::Configuration;
use bincode::de::read::{BorrowReader as _, Reader as _, SliceReader};
use bincode::de::{BorrowDecoder as _, Decoder as _, DecoderImpl};
use bincode::enc::write::Writer;
use bincode::enc::{Encoder as _, EncoderImpl};
pub(in crate::format) use bincode::error::EncodeError;

use crate::format::keys::{TIME_LEN, read_time, time_bytes};
use crate::order::AnomalyId;
use crate::types::{Fen, Metadata, Timestamp};

const CONFIG: Configuration = bincode::config::standard();

/// Maximum number of elements for which a list reserves memory before it has read them.
const RESERVED_MAX: usize = 64;

/// Error for bytes that do not encode the requested type. It has no size, so that the results of
/// the many small reads stay small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format) struct Undecodable;

/// Destination of encoded values.
pub(in crate::format) type Output<'a> = EncoderImpl<Buffer<'a>, Configuration>;

/// Source of encoded values.
pub(in crate::format) type Input<'a> = DecoderImpl<SliceReader<'a>, Configuration, ()>;

/// Value with a stored form.
pub(in crate::format) trait Stored: Sized {
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError>;

    /// Decodes a value, with the same validation as when a caller creates one.
    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable>;
}

/// Writer that appends to a buffer.
pub(in crate::format) struct Buffer<'a>(&'a mut Vec<u8>);

impl Writer for Buffer<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Appends to `out` the bytes that the closure `encode` writes.
pub(in crate::format) fn append(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Output<'_>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    encode(&mut EncoderImpl::new(Buffer(out), CONFIG))
}

/// Decodes a value from the front of `bytes`, and returns whether no bytes follow it.
pub(in crate::format) fn read_front<T: Stored>(bytes: &[u8]) -> Result<(T, bool), Undecodable> {
    let mut input = DecoderImpl::new(SliceReader::new(bytes), CONFIG, ());
    let value = T::decode(&mut input)?;
    Ok((value, input.reader().peek_read(1).is_none()))
}

/// Writes the tag of a variant.
#[inline]
pub(super) fn encode_tag(tag: u8, to: &mut Output<'_>) -> Result<(), EncodeError> {
    to.writer().write(&[tag])
}

#[inline]
pub(super) fn decode_tag(from: &mut Input<'_>) -> Result<u8, Undecodable> {
    <[u8; 1]>::decode(from).map(|[tag]| tag)
}

/// Writes a byte string after its length.
#[inline]
pub(super) fn encode_bytes(bytes: &[u8], to: &mut Output<'_>) -> Result<(), EncodeError> {
    bincode::Encode::encode(bytes, to)
}

#[inline]
pub(super) fn decode_bytes<'a>(from: &mut Input<'a>) -> Result<&'a [u8], Undecodable> {
    let len = decode_len(from)?;
    let bytes = from.borrow_reader().take_bytes(len);
    bytes.map_err(|_| Undecodable)
}

/// Reads a length. A length larger than the number of bytes left is invalid.
#[inline]
fn decode_len(from: &mut Input<'_>) -> Result<usize, Undecodable> {
    let len = usize::try_from(u64::decode(from)?).map_err(|_| Undecodable)?;
    from.reader().peek_read(len).ok_or(Undecodable)?;
    Ok(len)
}

macro_rules! numbers {
    ($($number:ident),+) => {$(
        impl Stored for $number {
            #[inline]
            fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
                bincode::Encode::encode(self, to)
            }

            #[inline]
            fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
                bincode::Decode::decode(from).map_err(|_| Undecodable)
            }
        }
    )+};
}

numbers!(bool, u32, u64);

impl<const N: usize> Stored for [u8; N] {
    #[inline]
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
        to.writer().write(self)
    }

    #[inline]
    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
        let mut bytes = [0; N];
        let read = from.reader().read(&mut bytes);
        read.map(|()| bytes).map_err(|_| Undecodable)
    }
}

impl<const N: usize> Stored for [u64; N] {
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
        self.iter().try_for_each(|number| number.encode(to))
    }

    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = u64::decode(from)?;
        }
        Ok(numbers)
    }
}

impl<T: Stored> Stored for Option<T> {
    #[inline]
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
        self.is_some().encode(to)?;
        self.as_ref().map_or(Ok(()), |value| value.encode(to))
    }

    #[inline]
    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
        let is_some = bool::decode(from)?;
        is_some.then(|| T::decode(from)).transpose()
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
        bincode::Encode::encode(&self.len(), to)?;
        self.iter().try_for_each(|element| element.encode(to))
    }

    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
        let len = decode_len(from)?;
        let mut elements = Self::with_capacity(len.min(RESERVED_MAX));
        for _ in 0..len {
            elements.push(T::decode(from)?);
        }
        Ok(elements)
    }
}

/// Implements `Stored` for two box types. A box is stored as its contents. Each value moves into
/// its box as soon as it is decoded, because later moves of a large value are slow.
macro_rules! boxes {
    ($($shelf:ident),+) => {$(
        impl<T: Stored> Stored for $shelf<T> {
            fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
                T::encode(self, to)
            }

            fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
                T::decode(from).map(Self::new)
            }
        }
    )+};
}

boxes!(Arc, Box);

/// Stores a time as six big-endian bytes of milliseconds, the same as in keys.
impl Stored for Timestamp {
    #[inline]
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
        time_bytes(*self).encode(to)
    }

    #[inline]
    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
        read_time(<[u8; TIME_LEN]>::decode(from)?).ok_or(Undecodable)
    }
}

impl Stored for Fen {
    #[inline]
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
        self.as_u64().encode(to)
    }

    #[inline]
    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
        Self::new(u64::decode(from)?).map_err(|_| Undecodable)
    }
}

impl Stored for AnomalyId {
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
        self.0.encode(to)
    }

    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
        u32::decode(from).map(Self)
    }
}

impl Stored for Metadata {
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
        encode_bytes(self.as_bytes(), to)
    }

    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
        Self::new(decode_bytes(from)?).map_err(|_| Undecodable)
    }
}
