//! Stored form of texts: decimal digits packed two to a byte, other texts unchanged.
//!
//! Order numbers and transactions usually consist of digits, and every stored order contains
//! several of them. A packed text begins with `0xff`, which no UTF-8 text contains:
//!
//! | text | stored bytes, after their length |
//! |---|---|
//! | `0123` | `ff 01 23` |
//! | `123` (odd number of digits) | `31 32 33` |
//! | `R-12` | `52 2d 31 32` |

use std::str;

use smallvec::SmallVec;

use super::wire::{EncodeError, Input, Output, Stored, Undecodable, decode_bytes, encode_bytes};
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Label, MchId, Note, OpenId, OrderNo,
    PrepayValue, Reference, RefundId, RefundNo, TransactionId, ValueError,
};

/// Buffer for one packed or unpacked text. Up to 64 bytes need no heap allocation.
type Room = SmallVec<[u8; 64]>;

/// First byte of a packed text. UTF-8 never contains it.
const PACKED: u8 = 0xff;

/// Minimum number of digits to pack. Packing two digits saves no byte.
const DIGITS_MIN: usize = 4;

/// Returns the stored form of a text. `room` holds the bytes if the text is packed.
fn pack<'a>(text: &'a [u8], room: &'a mut Room) -> &'a [u8] {
    let (pairs, rest) = text.as_chunks::<2>();
    let is_packed =
        text.len() >= DIGITS_MIN && rest.is_empty() && text.iter().all(u8::is_ascii_digit);
    if !is_packed {
        return text;
    }
    room.push(PACKED);
    // The low four bits of an ASCII digit are its value.
    room.extend(pairs.iter().map(|[high, low]| high << 4 | low & 0xf));
    room
}

/// Returns the text of a stored form. `None` if the bytes are neither UTF-8 nor a valid packed
/// text.
fn unpack<'a>(bytes: &'a [u8], room: &'a mut Room) -> Option<&'a str> {
    let Some((&PACKED, packed)) = bytes.split_first() else {
        return str::from_utf8(bytes).ok();
    };
    // Reject packed bytes that `pack` never writes: fewer than two bytes after the mark, or a
    // nibble above 9, which is not a digit. Otherwise corrupt bytes could decode to a text that was
    // never written.
    let mut are_digits = bytes.len() > DIGITS_MIN / 2;
    room.resize(packed.len() * 2, 0);
    let (pairs, _) = room.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(packed) {
        let (high, low) = (byte >> 4, byte & 0xf);
        are_digits &= high <= 9 && low <= 9;
        *pair = [high, low].map(|digit| b'0' | digit);
    }
    str::from_utf8(room).ok().filter(|_| are_digits)
}

#[inline]
fn encode_text(text: &[u8], to: &mut Output<'_>) -> Result<(), EncodeError> {
    encode_bytes(pack(text, &mut Room::new()), to)
}

#[inline]
fn decode_text<T>(
    bytes: &[u8],
    parse: fn(&str) -> Result<T, ValueError>,
) -> Result<T, Undecodable> {
    let mut room = Room::new();
    let text = unpack(bytes, &mut room).ok_or(Undecodable)?;
    parse(text).map_err(|_| Undecodable)
}

macro_rules! texts {
    ($($name:ident),+ $(,)?) => {$(
        impl Stored for $name {
            fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
                encode_text(self.as_bytes(), to)
            }

            fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
                decode_text(decode_bytes(from)?, Self::parse)
            }
        }
    )+};
}

texts!(
    AppId,
    Attach,
    Description,
    Label,
    MchId,
    Note,
    OpenId,
    OrderNo,
    PrepayValue,
    Reference,
    RefundId,
    RefundNo,
    TransactionId,
);

/// Defines texts that nearly always have their default value, which is stored as an empty text.
macro_rules! usual_texts {
    ($($name:ident),+) => {$(
        impl Stored for $name {
            fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
                let is_usual = *self == Self::default();
                encode_text(if is_usual { &[] } else { self.as_bytes() }, to)
            }

            fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
                match decode_bytes(from)? {
                    [] => Ok(Self::default()),
                    bytes => decode_text(bytes, Self::parse),
                }
            }
        }
    )+};
}

usual_texts!(Channel, Currency);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_text_round_trips_and_digits_take_half() {
        for text in [
            "", "1", "12", "123", "12345", "123456", "12345a", "像", "00", "0000",
        ] {
            let (mut room, mut back) = (Room::new(), Room::new());
            let packed = pack(text.as_bytes(), &mut room);
            assert_eq!(unpack(packed, &mut back).unwrap(), text);
        }
        assert_eq!(pack(b"0123", &mut Room::new()), [PACKED, 0x01, 0x23]);
        for digits in [32, 126, 128, 1_000] {
            let text = "9".repeat(digits);
            let (mut room, mut back) = (Room::new(), Room::new());
            let packed = pack(text.as_bytes(), &mut room);
            assert_eq!(packed.len(), digits / 2 + 1);
            assert_eq!(unpack(packed, &mut back).unwrap(), text);
        }
    }

    #[test]
    fn unpack_rejects_bytes_pack_never_writes() {
        for bytes in [
            &[PACKED][..],
            &[PACKED, 0x12],
            &[PACKED, 0x12, 0x3a],
            &[0xfe, 1, 2],
        ] {
            assert_eq!(unpack(bytes, &mut Room::new()), None);
        }
    }
}
