//! The lines of a bill, one at a time, with the line ends that stand within a field.

use std::io::{self, BufRead, ErrorKind};
use std::mem;

use super::error::BillError;
use super::summary;
use crate::encoding::{Utf8Input, WrongEncoding};

/// More bytes than any line of a bill has.
pub(super) const LINE_MAX: usize = 16 << 10;

const BOM: &str = "\u{feff}";

/// Reads line by line. No more than [`LINE_MAX`] bytes of a line are held, and as much of the
/// one behind it.
pub(super) struct Lines<R> {
    input: Utf8Input<R>,
    bytes: Vec<u8>,
    text: String,
    /// The physical line that was read ahead.
    next: String,
    ahead: Ahead,
    /// How many physical lines were begun.
    read: u64,
    /// On which physical line the text begins.
    pub(super) line: u64,
    /// How many fields a line has; zero until the header was read.
    pub(super) width: usize,
}

/// What comes behind the line that was read.
enum Ahead {
    Unread,
    Line,
    End,
    Failed(BillError),
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self {
            input: Utf8Input::new(input),
            bytes: Vec::new(),
            text: String::new(),
            next: String::new(),
            ahead: Ahead::Unread,
            read: 0,
            line: 0,
            width: 0,
        }
    }

    /// The next line that is not blank, without its end; `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<&str>, BillError> {
        if matches!(self.ahead, Ahead::Unread) {
            self.look_ahead();
        }
        match mem::replace(&mut self.ahead, Ahead::End) {
            Ahead::Line => {}
            Ahead::Failed(error) => return Err(error),
            Ahead::Unread | Ahead::End => return Ok(None),
        }
        self.line = self.read;
        mem::swap(&mut self.text, &mut self.next);
        self.look_ahead();
        while matches!(self.ahead, Ahead::Line) && self.continues() {
            if self.text.len().saturating_add(self.next.len()) >= LINE_MAX {
                return Err(too_long(self.line));
            }
            self.text.push('\n');
            self.text.push_str(&self.next);
            self.look_ahead();
        }
        Ok(Some(&self.text))
    }

    /// Whether the physical line ahead is still of this line. Every line begins with a
    /// backtick, so one without is the rest of a field, unless it has all the fields. One with
    /// a backtick is the rest of a field where a quote is open and fields are missing.
    fn continues(&self) -> bool {
        if !self.text.starts_with('`') || summary::begins(&self.next) {
            return false;
        }
        if !self.next.starts_with('`') {
            return self.next.split(",`").count() < self.width;
        }
        let (fields, last) = self
            .text
            .split(",`")
            .fold((0, ""), |(n, _), it| (n + 1, it));
        let last = last.strip_prefix('`').unwrap_or(last);
        let is_open = last.starts_with('"') && last.matches('"').count() % 2 == 1;
        is_open && fields < self.width
    }

    fn look_ahead(&mut self) {
        self.ahead = match self.physical() {
            Ok(true) => Ahead::Line,
            Ok(false) => Ahead::End,
            Err(error) => Ahead::Failed(error),
        };
    }

    /// Reads the next physical line that is not blank; false behind the last.
    fn physical(&mut self) -> Result<bool, BillError> {
        loop {
            self.bytes.clear();
            self.read += 1;
            if !self.fill()? {
                self.read -= 1;
                return Ok(false);
            }
            if !self.bytes.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.read;
        let text = str::from_utf8(&self.bytes).map_err(|_| BillError::NotUtf8 { line })?;
        let text = if line == 1 {
            text.trim_start_matches(BOM)
        } else {
            text
        };
        let text = text.strip_suffix('\n').unwrap_or(text);
        self.next.clear();
        self.next.push_str(text.strip_suffix('\r').unwrap_or(text));
        Ok(true)
    }

    /// Takes the bytes up to the next end of line in; false where there are none.
    fn fill(&mut self) -> Result<bool, BillError> {
        let line = self.read;
        loop {
            let part = match self.input.fill_buf() {
                Ok(part) => part,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(failed(source, line)),
            };
            let end = part.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(part.len(), |end| end + 1);
            if self.bytes.len().saturating_add(taken) > LINE_MAX {
                return Err(too_long(line));
            }
            self.bytes.extend(part.iter().take(taken));
            self.input.consume(taken);
            if end.is_some() || taken == 0 {
                return Ok(!self.bytes.is_empty());
            }
        }
    }

    /// How many physical lines were read.
    pub(super) const fn read(&self) -> u64 {
        self.read
    }
}

const fn too_long(line: u64) -> BillError {
    let max = LINE_MAX;
    BillError::LongLine { line, max }
}

fn failed(source: io::Error, line: u64) -> BillError {
    match source.downcast::<WrongEncoding>() {
        Ok(encoding) => BillError::Encoding(encoding),
        Err(source) => BillError::Io { line, source },
    }
}
