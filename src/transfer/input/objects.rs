//! Splits an input into JSON objects by counting braces, without parsing them.
//!
//! - A record has a maximum length. The reader skips the rest of a longer one without storing it.
//! - Outside an array, a `{` as the first byte of a line always begins a record. Therefore an
//!   incomplete record does not affect the next record.

use std::io::{self, BufRead, ErrorKind};

use super::framed::{Framed, RECORD_MAX};
use crate::encoding::Utf8Input;
use crate::transfer::error::Reason;
use crate::transfer::position::Position;

#[derive(Debug)]
/// Reader that splits an input into JSON objects.
pub(super) struct Objects<R> {
    input: Utf8Input<R>,
    frame: Vec<u8>,
    /// Position of the next byte. Its field `record` counts the records that have begun so far.
    at: Position,
    is_at_line_start: bool,
    /// Whether the records are elements of an array. A line in an array may begin with a nested
    /// object, so only the braces show where an element ends.
    is_in_array: bool,
}

/// State of the brace counter within one object.
#[derive(Default)]
struct Braces {
    depth: usize,
    is_text: bool,
    is_escaped: bool,
}

impl Braces {
    /// Counts one byte. Returns `true` if the object ends with this byte. Braces in strings do not
    /// count.
    fn end_with(&mut self, byte: u8) -> bool {
        if self.is_text {
            let was_escaped = std::mem::take(&mut self.is_escaped);
            match byte {
                b'"' if !was_escaped => self.is_text = false,
                b'\\' if !was_escaped => self.is_escaped = true,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.is_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }
}

impl<R: BufRead> Objects<R> {
    pub(super) const fn new(input: R) -> Self {
        Self {
            input: Utf8Input::new(input),
            frame: Vec::new(),
            at: Position {
                record: 0,
                line: 1,
                byte: 0,
            },
            is_at_line_start: true,
            is_in_array: false,
        }
    }

    /// Reads the next record; `None` after the last one.
    pub(super) fn next(&mut self) -> io::Result<Option<Framed<&str>>> {
        self.skip_mark()?;
        if !self.is_at_record()? {
            return Ok(None);
        }
        self.at.record += 1;
        let place = self.at;
        let refused = self.object()?;
        if refused == Some(Reason::Incomplete) && self.peek()?.is_none() {
            // The input ended inside an element, so the `]` of the array is missing, too. Without
            // this line, the missing `]` would count as a second incomplete record.
            self.is_in_array = false;
        }
        let body = match refused {
            None => str::from_utf8(&self.frame).map_err(|_| Reason::NotUtf8),
            Some(reason) => Err(reason),
        };
        Ok(Some(Framed { place, body }))
    }

    /// Skips the bytes between two records. Returns `false` at the end of the input. If an array
    /// has no `]`, the function returns `true`, so that the import reports an incomplete record.
    fn is_at_record(&mut self) -> io::Result<bool> {
        loop {
            match self.peek()? {
                Some(byte) if byte.is_ascii_whitespace() => self.pass(byte),
                Some(b'[') if !self.is_in_array => {
                    self.is_in_array = true;
                    self.pass(b'[');
                }
                Some(b']') if self.is_in_array => {
                    self.is_in_array = false;
                    self.pass(b']');
                }
                Some(b',') if self.is_in_array => self.pass(b','),
                None => return Ok(self.is_in_array),
                Some(_) => return Ok(true),
            }
        }
    }

    /// Reads the object at the current position into `frame`. Returns the reason if the object is
    /// unreadable.
    fn object(&mut self) -> io::Result<Option<Reason>> {
        self.frame.clear();
        match self.peek()? {
            None => return Ok(Some(Reason::Incomplete)),
            Some(b'{') => {}
            Some(_) => {
                self.skip_other()?;
                return Ok(Some(Reason::NotObject));
            }
        }
        let mut braces = Braces::default();
        let mut is_too_long = false;
        loop {
            let Some(byte) = self.peek()? else {
                return Ok(Some(Reason::Incomplete));
            };
            // Outside an array, a `{` at the start of a line means that the current object lost its
            // end. In an array, it may begin a nested object.
            let begins_another = byte == b'{' && self.is_at_line_start && !self.frame.is_empty();
            if begins_another && !self.is_in_array {
                return Ok(Some(Reason::Incomplete));
            }
            if self.frame.len() < RECORD_MAX {
                self.frame.push(byte);
            } else if self.is_in_array {
                // Continue to count braces without storing bytes, because only the braces show
                // where the element ends.
                is_too_long = true;
            } else {
                self.skip_to_next()?;
                return Ok(Some(Reason::TooLong { max: RECORD_MAX }));
            }
            self.pass(byte);
            if braces.end_with(byte) {
                let max = RECORD_MAX;
                return Ok(is_too_long.then_some(Reason::TooLong { max }));
            }
        }
    }

    /// Skips a record that is not an object.
    fn skip_other(&mut self) -> io::Result<()> {
        if !self.is_in_array {
            return self.skip_to_next();
        }
        let mut braces = Braces::default();
        while let Some(byte) = self.peek()? {
            let is_outside = braces.depth == 0 && !braces.is_text;
            if is_outside && matches!(byte, b',' | b']' | b'{') {
                break;
            }
            braces.end_with(byte);
            self.pass(byte);
        }
        Ok(())
    }

    /// Skips all bytes up to the next line that begins with `{`.
    fn skip_to_next(&mut self) -> io::Result<()> {
        while let Some(byte) = self.peek()? {
            if byte == b'{' && self.is_at_line_start {
                break;
            }
            self.pass(byte);
        }
        Ok(())
    }

    /// Skips a byte order mark at the start of the input.
    fn skip_mark(&mut self) -> io::Result<()> {
        for byte in [0xef, 0xbb, 0xbf] {
            if self.at.byte >= 3 || self.peek()? != Some(byte) {
                break;
            }
            self.pass(byte);
            self.is_at_line_start = true;
        }
        Ok(())
    }

    /// Returns the next byte without consuming it; `None` at the end of the input.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(part) => return Ok(part.first().copied()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Consumes the byte that `peek` returned.
    fn pass(&mut self, byte: u8) {
        self.is_at_line_start = byte == b'\n';
        self.at.line += u64::from(self.is_at_line_start);
        self.at.byte += 1;
        self.input.consume(1);
    }
}
