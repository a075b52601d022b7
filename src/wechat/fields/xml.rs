//! Reader of message fields from XML: a root element that contains one element per field.
//!
//! Invariants:
//! - The parser refuses a document type, and every entity except the five of XML itself. An entity
//!   could otherwise expand without limit, or read a file (XXE).
//! - The depth is limited, and every step consumes bytes, so the parser always ends.

use std::str;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use serde_json::Value;

use super::{Digits, FIELDS_MAX, Fields, Form, Found, too_many_fields};
use crate::number::u64_of;
use crate::wechat::error::MessageError;

/// Maximum depth of nested elements. No message of the channel is that deep.
const DEPTH_MAX: usize = 16;

/// Names of the channel's root elements: `xml` in messages, and `root` in decrypted parts.
const ROOTS: [&str; 2] = ["xml", "root"];

pub(super) fn read(xml: &[u8], form: &'static Form) -> Result<Fields, MessageError> {
    let text = str::from_utf8(xml).map_err(|error| not_xml(error.valid_up_to()))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut reading = Reading::new(form);
    loop {
        let event = reader.read_event();
        let at = reader.buffer_position();
        let event = event.map_err(|_| MessageError::NotXml { at })?;
        if matches!(event, Event::Eof) {
            return reading.end().ok_or(MessageError::NotXml { at })?;
        }
        let taken = reading.take(&event);
        if reading.elements > FIELDS_MAX {
            return Err(too_many_fields());
        }
        taken.ok_or(MessageError::NotXml { at })?;
    }
}

fn not_xml(at: usize) -> MessageError {
    MessageError::NotXml { at: u64_of(at) }
}

struct Reading {
    fields: Fields,
    /// Number of open elements.
    depth: usize,
    /// Number of elements opened so far.
    elements: usize,
    /// Number of root elements opened so far.
    roots: usize,
    /// Whether the root element has one of the names in [`ROOTS`].
    known_root: bool,
    field: Option<Field>,
}

/// The field that the parser is reading.
struct Field {
    name: &'static str,
    text: String,
    /// Whether the field contains elements, so that it has no text value.
    nested: bool,
}

impl Reading {
    fn new(form: &'static Form) -> Self {
        Self {
            fields: Fields::new(form, Digits::Text),
            depth: 0,
            elements: 0,
            roots: 0,
            known_root: false,
            field: None,
        }
    }

    /// Processes one XML event. Returns `None` if the event is not allowed.
    fn take(&mut self, event: &Event<'_>) -> Option<()> {
        match event {
            Event::Start(element) => self.open(element),
            Event::End(_) => self.close(),
            Event::Text(text) => self.text(text),
            Event::CData(text) => self.text(text),
            Event::GeneralRef(reference) => self.text(&resolve(reference)?),
            Event::DocType(_) => None,
            // Declarations, comments and processing instructions contain no field.
            _ => Some(()),
        }
    }

    fn open(&mut self, element: &BytesStart<'_>) -> Option<()> {
        self.elements += 1;
        let name = element.name().0;
        match self.depth {
            0 => {
                self.roots += 1;
                self.known_root = ROOTS.contains(&name);
            }
            1 => self.field = self.known(name),
            _ => {
                if let Some(field) = &mut self.field {
                    field.nested = true;
                }
            }
        }
        self.depth += 1;
        (self.depth <= DEPTH_MAX).then_some(())
    }

    fn known(&self, name: &str) -> Option<Field> {
        let form = self.fields.form;
        let mut known = form.deciding.iter().chain(form.optional);
        let name = known.find(|known| **known == name)?;
        Some(Field {
            name,
            text: String::new(),
            nested: false,
        })
    }

    fn close(&mut self) -> Option<()> {
        self.depth = self.depth.checked_sub(1)?;
        if self.depth == 1
            && let Some(field) = self.field.take()
        {
            self.keep(field);
        }
        Some(())
    }

    fn keep(&mut self, field: Field) {
        // Represent a field with nested elements as an array. A parser that expects a string or an
        // integer then reports a malformed value.
        let value = if field.nested {
            Value::Array(Vec::new())
        } else {
            Value::String(field.text)
        };
        let found = match self.fields.found.contains_key(field.name) {
            true => Found::Repeated,
            false => Found::Once(value),
        };
        self.fields.found.insert(field.name, found);
    }

    fn text(&mut self, text: &str) -> Option<()> {
        if let Some(field) = &mut self.field {
            field.text.push_str(text);
        }
        let blank = text.trim_matches([' ', '\t', '\r', '\n']).is_empty();
        (self.depth > 0 || blank).then_some(())
    }

    /// Returns the fields of the document. `None` if the bytes are not exactly one element, and an
    /// error if the root element is unknown.
    fn end(self) -> Option<Result<Fields, MessageError>> {
        if self.depth != 0 || self.roots != 1 {
            return None;
        }
        if !self.known_root {
            return Some(Err(self.fields.wrong_kind()));
        }
        Some(Ok(self.fields))
    }
}

/// Returns the text of a character reference or a predefined entity; `None` for other entities.
fn resolve(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(char)) => Some(char.to_string()),
        Ok(None) => resolve_predefined_entity(reference).map(str::to_owned),
        Err(_) => None,
    }
}
