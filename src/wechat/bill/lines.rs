//! The lines of a bill as bytes, one at a time.

use std::io::{BufRead, ErrorKind};

use super::error::BillError;

/// More bytes than any line of a bill has.
pub(super) const LINE_MAX: usize = 16 << 10;

const BOM: &str = "\u{feff}";

/// Reads line by line into one buffer that never holds more than [`LINE_MAX`] bytes.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// How many lines were begun.
    pub(super) line: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            line: 0,
        }
    }

    /// The next line that is not blank, without its end; `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<&str>, BillError> {
        loop {
            self.buffer.clear();
            self.line += 1;
            if !self.fill()? {
                self.line -= 1;
                return Ok(None);
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.line;
        let text = str::from_utf8(&self.buffer).map_err(|_| BillError::NotUtf8 { line })?;
        let text = if line == 1 {
            text.trim_start_matches(BOM)
        } else {
            text
        };
        let text = text.strip_suffix('\n').unwrap_or(text);
        Ok(Some(text.strip_suffix('\r').unwrap_or(text)))
    }

    /// Takes the bytes up to the next end of line in; false where there are none.
    fn fill(&mut self) -> Result<bool, BillError> {
        let line = self.line;
        loop {
            let part = match self.input.fill_buf() {
                Ok(part) => part,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(BillError::Io { line, source }),
            };
            let end = part.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(part.len(), |end| end + 1);
            if self.buffer.len().saturating_add(taken) > LINE_MAX {
                let max = LINE_MAX;
                return Err(BillError::LongLine { line, max });
            }
            self.buffer.extend(part.iter().take(taken));
            self.input.consume(taken);
            if end.is_some() || taken == 0 {
                return Ok(!self.buffer.is_empty());
            }
        }
    }
}
