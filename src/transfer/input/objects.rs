//! JSON objects one after another, found by their braces, one at a time.
//!
//! - A record is bounded: what is longer is refused without being held.
//! - A `{` that is the first byte of a line begins a record, whatever stands before it: one
//!   that is cut costs no other one.

use std::io::{self, BufRead, ErrorKind};

use super::{Framed, RECORD_MAX};
use crate::transfer::place::Place;
use crate::transfer::problem::Reason;

#[derive(Debug)]
pub(super) struct Objects<R> {
    input: R,
    frame: Vec<u8>,
    /// The place of the next byte; `record` counts those that were begun.
    at: Place,
    is_at_line_start: bool,
}

/// What of an object was seen so far.
#[derive(Default)]
struct Braces {
    depth: usize,
    is_text: bool,
    is_escaped: bool,
}

impl Braces {
    /// Whether the object ends with this byte.
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
            input,
            frame: Vec::new(),
            at: Place {
                record: 0,
                line: 1,
                byte: 0,
            },
            is_at_line_start: true,
        }
    }

    /// The next record; `None` behind the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Framed<&str>>> {
        self.skip_mark()?;
        while let Some(byte) = self.peek()?.filter(u8::is_ascii_whitespace) {
            self.pass(byte);
        }
        if self.peek()?.is_none() {
            return Ok(None);
        }
        self.at.record += 1;
        let place = self.at;
        let body = match self.object()? {
            None => str::from_utf8(&self.frame).map_err(|_| Reason::NotUtf8),
            Some(reason) => Err(reason),
        };
        Ok(Some(Framed { place, body }))
    }

    /// Puts the object that begins here into the frame, or says why it cannot.
    fn object(&mut self) -> io::Result<Option<Reason>> {
        self.frame.clear();
        if self.peek()? != Some(b'{') {
            self.skip_to_next()?;
            return Ok(Some(Reason::NotObject));
        }
        let mut braces = Braces::default();
        loop {
            let Some(byte) = self.peek()? else {
                return Ok(Some(Reason::Cut));
            };
            if byte == b'{' && self.is_at_line_start && !self.frame.is_empty() {
                return Ok(Some(Reason::Cut));
            }
            if self.frame.len() >= RECORD_MAX {
                self.skip_to_next()?;
                return Ok(Some(Reason::TooLong { max: RECORD_MAX }));
            }
            self.frame.push(byte);
            self.pass(byte);
            if braces.end_with(byte) {
                return Ok(None);
            }
        }
    }

    /// Passes everything up to the next line that begins with an object.
    fn skip_to_next(&mut self) -> io::Result<()> {
        while let Some(byte) = self.peek()? {
            if byte == b'{' && self.is_at_line_start {
                break;
            }
            self.pass(byte);
        }
        Ok(())
    }

    /// Passes a byte order mark at the beginning.
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

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(part) => return Ok(part.first().copied()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Passes the byte that was peeked at.
    fn pass(&mut self, byte: u8) {
        self.is_at_line_start = byte == b'\n';
        self.at.line += u64::from(self.is_at_line_start);
        self.at.byte += 1;
        self.input.consume(1);
    }
}
