//! The rows of a CSV, one at a time, under the names of its header.

use std::io::{self, BufRead, Read};
use std::str::Utf8Error;

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::framed::{Framed, RECORD_MAX};
use crate::encoding::Utf8Input;
use crate::transfer::error::Reason;
use crate::transfer::place::Place;

/// A reader of the library holds a row whole; this bounds what it is given for one.
#[derive(Debug)]
struct Bounded<R> {
    input: R,
    left: usize,
}

/// What one row may take from the input: its own bytes, and those that are read ahead.
const ALLOWANCE: usize = RECORD_MAX + (64 << 10);

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let room = buffer.len().min(self.left);
        let read = self
            .input
            .read(buffer.get_mut(..room).unwrap_or_default())?;
        self.left = self.left.saturating_sub(read);
        Ok(read)
    }
}

#[derive(Debug)]
pub(super) struct Rows<R> {
    csv: csv::Reader<Bounded<Utf8Input<R>>>,
    header: Vec<String>,
    row: ByteRecord,
    cells: Vec<String>,
    record: u64,
    has_ended: bool,
    is_too_long: bool,
}

/// A row: what stands under each name of the header.
#[derive(Debug, Clone, Copy)]
pub(in crate::transfer) struct Row<'a> {
    header: &'a [String],
    cells: &'a [String],
}

impl<'a> Row<'a> {
    pub(in crate::transfer) fn cells(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let names = self.header.iter().map(String::as_str);
        names.zip(self.cells.iter().map(String::as_str))
    }
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(input: R) -> Self {
        let mut builder = ReaderBuilder::new();
        // The number of cells is looked at row by row, and refuses no other row. A row ends
        // with LF, and a CR before it is taken off: else CR would end it, and LF would stand
        // at the place of the next one.
        let builder = builder
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'));
        let (input, left) = (Utf8Input::new(input), ALLOWANCE);
        Self {
            csv: builder.from_reader(Bounded { input, left }),
            header: Vec::new(),
            row: ByteRecord::new(),
            cells: Vec::new(),
            record: 0,
            has_ended: false,
            is_too_long: false,
        }
    }

    /// The next record; `None` behind the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Framed<Row<'_>>>> {
        if self.header.is_empty() && !self.has_ended {
            self.read_header()?;
        }
        self.record += 1;
        loop {
            let place = self.place();
            if self.has_ended || !self.read()? {
                return Ok(None);
            }
            if self.is_too_long || !self.is_blank() {
                let body = self.row();
                return Ok(Some(Framed { place, body }));
            }
        }
    }

    fn is_blank(&self) -> bool {
        self.row.len() == 1 && self.row.as_slice().trim_ascii().is_empty()
    }

    /// Where the next row begins.
    fn place(&self) -> Place {
        let position = self.csv.position();
        Place {
            record: self.record,
            line: position.line(),
            byte: position.byte(),
        }
    }

    fn read_header(&mut self) -> io::Result<()> {
        if !self.read()? {
            return Ok(());
        }
        let not_utf8 = |_| io::Error::new(io::ErrorKind::InvalidData, "the header is not UTF-8");
        self.header = texts(&self.row).map_err(not_utf8)?;
        Ok(())
    }

    /// Takes a row in; false behind the last one.
    fn read(&mut self) -> io::Result<bool> {
        self.csv.get_mut().left = ALLOWANCE;
        let has_read = self.csv.read_byte_record(&mut self.row);
        let has_read = has_read.map_err(io::Error::from);
        if has_read.is_err() && self.csv.get_ref().left == 0 {
            // A quote that is never closed swallows all that follows.
            self.has_ended = true;
            self.is_too_long = true;
            return Ok(true);
        }
        let has_read = has_read?;
        self.has_ended = !has_read;
        Ok(has_read)
    }

    fn row(&mut self) -> Result<Row<'_>, Reason> {
        if self.is_too_long || self.row.as_slice().len() > RECORD_MAX {
            return Err(Reason::TooLong { max: RECORD_MAX });
        }
        let (found, expected) = (self.row.len(), self.header.len());
        if found != expected {
            return Err(Reason::Cells { found, expected });
        }
        self.cells = texts(&self.row).map_err(|_| Reason::NotUtf8)?;
        let (header, cells) = (self.header.as_slice(), self.cells.as_slice());
        Ok(Row { header, cells })
    }
}

/// The cells of a row, without the CR that may end it.
fn texts(row: &ByteRecord) -> Result<Vec<String>, Utf8Error> {
    let last = row.len().saturating_sub(1);
    let cells = row.iter().enumerate().map(|(nth, cell)| {
        let bare = cell.strip_suffix(b"\r").filter(|_| nth == last);
        str::from_utf8(bare.unwrap_or(cell)).map(str::to_owned)
    });
    cells.collect()
}
