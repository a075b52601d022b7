//! Fields out of XML: one element, and in it one element for each field.
//!
//! Invariants:
//! - There is no document type, and no entity but the five of XML itself: nothing that
//!   could grow while it is read, or point elsewhere.
//! - Depth is bounded, and every step takes the reader further in the bytes.

use std::str;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use serde_json::Value;

use super::{Digits, FIELDS_MAX, Fields, Form, Found, too_many_fields};
use crate::wechat::error::MessageError;

/// Deeper than any message of the channel goes.
const DEPTH_MAX: usize = 16;

/// What the channel calls its outermost element: in messages, and in what was decrypted.
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
    let at = u64::try_from(at).unwrap_or(u64::MAX);
    MessageError::NotXml { at }
}

struct Reading {
    fields: Fields,
    /// How many elements are open.
    depth: usize,
    /// How many elements were opened.
    elements: usize,
    /// How many elements were outermost.
    roots: usize,
    /// The outermost one is called as the channel calls it.
    known_root: bool,
    field: Option<Field>,
}

/// A field that is being read.
struct Field {
    name: &'static str,
    text: String,
    /// It holds elements, and so is no text.
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

    /// Takes one event; `None` where it may not be there.
    fn take(&mut self, event: &Event<'_>) -> Option<()> {
        match event {
            Event::Start(element) => self.open(element),
            Event::End(_) => self.close(),
            Event::Text(text) => self.text(text),
            Event::CData(text) => self.text(text),
            Event::GeneralRef(reference) => self.text(&meant(reference)?),
            Event::DocType(_) => None,
            // Declarations, comments and instructions say nothing here.
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

    /// The fields, if the bytes were one element; refused as another kind of message if
    /// it is not the channel's.
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

/// The text that a reference stands for, if it is XML's own.
fn meant(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(one)) => Some(one.to_string()),
        Ok(None) => resolve_predefined_entity(reference).map(str::to_owned),
        Err(_) => None,
    }
}
