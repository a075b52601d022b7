//! Reads what bincode wrote, straight from where it lies.
//!
//! - The form is bincode's standard one: a byte is itself; wider integers of up to 250 take a
//!   byte, larger ones a tag and their bytes, little-endian; lengths and the places of variants are integers; bytes
//!   lie behind their length; fields follow one another without names.
//! - Bincode's own reader takes half as long again: each of its results has room for an error
//!   that says much, and nobody asks for. Tests hold the two against each other.
//! - Whatever it reads, no list is longer than the bytes that are left.

use std::fmt;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

/// What is read is none of the values that are asked for.
#[derive(Debug)]
pub(super) struct Undecodable;

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it cannot be decoded")
    }
}

impl std::error::Error for Undecodable {}

impl Error for Undecodable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The widest integer that a type takes, as the tag that such a one bears.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Widest {
    U32 = 252,
    U64 = 253,
}

/// The bytes that are still to be read.
pub(super) struct Reader<'de> {
    rest: &'de [u8],
}

impl<'de> Reader<'de> {
    pub(super) const fn of(bytes: &'de [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read.
    pub(super) const fn rest(self) -> &'de [u8] {
        self.rest
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Undecodable> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Undecodable)?;
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn integer(&mut self, widest: Widest) -> Result<u64, Undecodable> {
        let tag = self.byte()?;
        if tag > widest as u8 {
            return Err(Undecodable);
        }
        Ok(match tag {
            251 => u16::from_le_bytes(self.array()?).into(),
            252 => u32::from_le_bytes(self.array()?).into(),
            253 => u64::from_le_bytes(self.array()?),
            small => small.into(),
        })
    }

    #[inline]
    fn narrow<T: TryFrom<u64>>(&mut self, widest: Widest) -> Result<T, Undecodable> {
        T::try_from(self.integer(widest)?).map_err(|_| Undecodable)
    }

    #[inline]
    fn flag(&mut self) -> Result<bool, Undecodable> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Undecodable),
        }
    }

    /// A length that so many bytes may have; none of what is listed takes less than one.
    #[inline]
    fn len(&mut self) -> Result<usize, Undecodable> {
        let len = self.narrow(Widest::U64)?;
        if len > self.rest.len() {
            return Err(Undecodable);
        }
        Ok(len)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8], Undecodable> {
        let len = self.len()?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Undecodable)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn fields<V: Visitor<'de>>(
        &mut self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        visitor.visit_seq(Fields { reader: self, left })
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Undecodable;

    fn is_human_readable(&self) -> bool {
        false
    }

    /// The form does not say what it holds.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Undecodable> {
        Err(Undecodable)
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_bool(self.flag()?)
    }

    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_u8(self.byte()?)
    }

    #[inline]
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_u32(self.narrow(Widest::U32)?)
    }

    #[inline]
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_u64(self.integer(Widest::U64)?)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        if self.flag()? {
            visitor.visit_some(self)
        } else {
            visitor.visit_none()
        }
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        let len = self.len()?;
        self.fields(len, visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        self.fields(len, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        self.fields(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        visitor.visit_enum(self)
    }

    // Nothing that is stored has these.
    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u16 u128 f32 f64 char str string byte_buf unit unit_struct
        newtype_struct tuple_struct map identifier ignored_any
    }
}

/// The fields of a value, or the elements of a list.
struct Fields<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Undecodable;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Undecodable> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = Undecodable;
    type Variant = Self;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self), Undecodable> {
        let place: u32 = self.narrow(Widest::U32)?;
        let place: U32Deserializer<Undecodable> = place.into_deserializer();
        Ok((seed.deserialize(place)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = Undecodable;

    #[inline]
    fn unit_variant(self) -> Result<(), Undecodable> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Undecodable> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        self.fields(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        self.fields(fields.len(), visitor)
    }
}
