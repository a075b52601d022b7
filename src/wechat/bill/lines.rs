//! Splits a bill into lines. A line of the bill may contain line ends within a cell.

use std::io::{self, BufRead, ErrorKind};
use std::mem;

use super::error::BillError;
use super::summary;
use crate::encoding::{Utf8Input, WrongEncoding};

/// Maximum length of a line: 16 KiB. No line of a bill is longer.
pub(super) const LINE_MAX: usize = 16 << 10;

const BOM: &str = "\u{feff}";

/// Reader of the lines of a bill. It has three buffers, each of at most [`LINE_MAX`] bytes.
pub(super) struct Lines<R> {
    input: Utf8Input<R>,
    bytes: Vec<u8>,
    text: String,
    /// Physical line (up to a line end) that the reader has read ahead.
    next: String,
    ahead: Ahead,
    /// Number of physical lines (up to a line end) begun so far.
    read: u64,
    /// Number of the physical line, up to a line end, on which `text` begins.
    pub(super) line: u64,
    /// Number of cells that each line must have; zero until the caller has parsed the header.
    pub(super) width: usize,
}

/// State of the read-ahead.
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

    /// Reads the next line that is not blank, without its line end; `None` after the last one.
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

    /// Returns whether the next physical line continues the current line of the bill.
    ///
    /// - Every line of a bill begins with a backtick. A physical line without a backtick continues
    ///   a cell if it has fewer cells than a complete line. With all cells, it is a line that lost
    ///   its backtick, which the reader must report.
    /// - A physical line with a backtick continues a cell only if the last cell has an open quote
    ///   and the current line does not have all its cells yet.
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
            .fold((0, ""), |(n, _), cell| (n + 1, cell));
        let last = last.strip_prefix('`').unwrap_or(last);
        let is_open = last.starts_with('"') && last.matches('"').count() % 2 == 1;
        is_open && fields < self.width
    }

    /// Reads the next physical line in advance.
    fn look_ahead(&mut self) {
        self.ahead = match self.physical() {
            Ok(true) => Ahead::Line,
            Ok(false) => Ahead::End,
            Err(error) => Ahead::Failed(error),
        };
    }

    /// Reads the next physical line that is not blank into `next`. Returns `false` at the end.
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

    /// Reads the bytes through the next line end into `bytes`. Returns `false` at the end.
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

    /// Returns the number of physical lines (up to a line end) read so far.
    pub(super) const fn read(&self) -> u64 {
        self.read
    }
}

const fn too_long(line: u64) -> BillError {
    let max = LINE_MAX;
    BillError::LongLine { line, max }
}

/// Converts a read error. A wrong encoding becomes its own kind of error.
fn failed(source: io::Error, line: u64) -> BillError {
    match source.downcast::<WrongEncoding>() {
        Ok(encoding) => BillError::Encoding(encoding),
        Err(source) => BillError::Io { line, source },
    }
}
