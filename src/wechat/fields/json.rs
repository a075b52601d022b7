//! Reader of message fields from JSON, or from any other serde format.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Digits, FIELDS_MAX, Fields, Form, Found, too_many_fields};
use crate::wechat::error::MessageError;

pub(super) fn read(json: &[u8], form: &'static Form) -> Result<Fields, MessageError> {
    let count = Cell::new(0);
    let reading = |needed_only| Reading {
        form,
        needed_only,
        count: &count,
    };
    let mut read = reading(false).read(json);
    // Read again and skip all optional fields, because the error may be in one of them. Such an
    // error must not make the parser refuse a payment.
    if read.is_err() && count.get() <= FIELDS_MAX {
        count.set(0);
        read = reading(true).read(json);
    }
    read.map_err(|error| match count.get() > FIELDS_MAX {
        true => too_many_fields(),
        false => refusal(&error, form),
    })
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
    form: &'static Form,
) -> Result<Fields, D::Error> {
    let reading = Reading {
        form,
        needed_only: false,
        count: &Cell::new(0),
    };
    reading.deserialize(deserializer)
}

/// Converts an error of the JSON parser. It drops the parser's message, which may contain a value
/// of the JSON.
fn refusal(error: &serde_json::Error, form: &'static Form) -> MessageError {
    if error.is_data() {
        return MessageError::WrongKind {
            wanted: form.wanted,
        };
    }
    MessageError::NotJson {
        line: error.line(),
        column: error.column(),
    }
}

/// Settings of one pass over a JSON message, which reads the fields of a form.
#[derive(Clone, Copy)]
struct Reading<'a> {
    form: &'static Form,
    /// Whether the pass skips the optional fields.
    needed_only: bool,
    /// Number of fields read so far.
    count: &'a Cell<usize>,
}

impl Reading<'_> {
    fn read(self, json: &[u8]) -> Result<Fields, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_slice(json);
        let fields = self.deserialize(&mut json)?;
        json.end()?;
        Ok(fields)
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        let optional: &[_] = if self.needed_only {
            &[]
        } else {
            self.form.optional
        };
        self.form.deciding.iter().chain(optional).copied()
    }

    /// Returns the form's field for a key of the object at `path`; `None` if the form does not have
    /// the field.
    fn name(self, path: &str, key: &str) -> Option<&'static str> {
        self.names()
            .find(|name| name.strip_prefix(path) == Some(key))
    }

    /// Returns the form's nested fields in the object under `key`.
    fn below(self, key: &str) -> impl Iterator<Item = &'static str> {
        let under = move |name: &&'static str| {
            let rest = name.strip_prefix(key);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        self.names().filter(under)
    }

    /// Counts a field. Returns an error above [`FIELDS_MAX`].
    fn count<E: Error>(self) -> Result<(), E> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > FIELDS_MAX {
            return Err(E::custom(too_many_fields()));
        }
        Ok(())
    }

    fn wrong_kind<E: Error>(self) -> E {
        E::custom(MessageError::WrongKind {
            wanted: self.form.wanted,
        })
    }

    /// Stores the value of a field, or marks the field as repeated.
    fn keep<'de, A: MapAccess<'de>>(
        map: &mut A,
        fields: &mut Fields,
        name: &'static str,
    ) -> Result<(), A::Error> {
        let found = if fields.found.contains_key(name) {
            map.next_value::<IgnoredAny>()?;
            Found::Repeated
        } else {
            Found::Once(map.next_value()?)
        };
        fields.found.insert(name, found);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Fields;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields, D::Error> {
        // Use `deserialize_any` and not `deserialize_map`: with the latter, some formats return an
        // error that contains a string value of the message.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: an object", self.form.wanted)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Fields, E> {
        Err(self.wrong_kind())
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Fields, E> {
        Err(self.wrong_kind())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::new(self.form, Digits::Number);
        let mut parents = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            self.count()?;
            if let Some(name) = self.name("", &key) {
                Self::keep(&mut map, &mut fields, name)?;
            } else if self.below(&key).next().is_none() {
                map.next_value::<IgnoredAny>()?;
            } else if parents.insert(key.clone()) {
                map.next_value_seed(Nested::new(self, &key, &mut fields))?;
            } else {
                map.next_value::<IgnoredAny>()?;
                // The parent object occurs twice, so the values of its fields are ambiguous.
                let twice = self.below(&key).map(|name| (name, Found::Repeated));
                fields.found.extend(twice);
            }
        }
        Ok(fields)
    }
}

/// Visitor for a nested object. It accepts a value of another type, which becomes an error only if
/// the parser needs a field of the object.
struct Nested<'a> {
    reading: Reading<'a>,
    key: &'a str,
    path: String,
    fields: &'a mut Fields,
}

impl<'a> Nested<'a> {
    fn new(reading: Reading<'a>, key: &'a str, fields: &'a mut Fields) -> Self {
        Self {
            reading,
            key,
            path: format!("{key}."),
            fields,
        }
    }

    /// Marks all fields of the nested object as unreadable, because the value is not an object.
    fn misplace(self) {
        for name in self.reading.below(self.key) {
            self.fields.found.insert(name, Found::Misplaced);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.reading.count()?;
            match self.reading.name(&self.path, &key) {
                Some(name) => Reading::keep(&mut map, self.fields, name)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.misplace();
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.misplace();
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.misplace();
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.misplace();
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.misplace();
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.misplace();
        Ok(())
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<(), E> {
        self.misplace();
        Ok(())
    }
}
