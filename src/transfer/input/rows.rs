//! Reads the rows of a CSV file one by one, and pairs the cells with the header names.

use std::io::{self, BufRead, Read};
use std::str::Utf8Error;

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::framed::{Framed, RECORD_MAX};
use crate::encoding::Utf8Input;
use crate::transfer::error::Reason;
use crate::transfer::position::Position;

/// Input that fails after `left` bytes.
///
/// The CSV library holds a complete row in memory. After a quote that never closes, it would read
/// the rest of the file as one row. The limit bounds that memory.
#[derive(Debug)]
struct Bounded<R> {
    input: R,
    left: usize,
}

/// Maximum number of bytes that the CSV library may read for one row: the row itself and its
/// read-ahead buffer.
const ALLOWANCE: usize = RECORD_MAX + (64 << 10);

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let len = buffer.len().min(self.left);
        let read = self.input.read(buffer.get_mut(..len).unwrap_or_default())?;
        self.left = self.left.saturating_sub(read);
        Ok(read)
    }
}

#[derive(Debug)]
/// Reader of the rows of a CSV file.
pub(super) struct Rows<R> {
    csv: csv::Reader<Bounded<Utf8Input<R>>>,
    header: Vec<String>,
    row: ByteRecord,
    cells: Vec<String>,
    record: u64,
    has_ended: bool,
    is_too_long: bool,
}

/// Row with one cell for each name in the header.
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
        // `flexible`: `row` checks the number of cells instead, so that a wrong number refuses only
        // that row. `terminator`: the default would end a row at its CR, and the position of the
        // next row would point to the LF. `texts` removes the CR.
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

    /// Reads the next row; `None` after the last one.
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

    /// Returns the position of the next row.
    fn place(&self) -> Position {
        let position = self.csv.position();
        Position {
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

    /// Reads a row into `self.row`. Returns `false` after the last row.
    fn read(&mut self) -> io::Result<bool> {
        self.csv.get_mut().left = ALLOWANCE;
        let has_read = self.csv.read_byte_record(&mut self.row);
        let has_read = has_read.map_err(io::Error::from);
        if has_read.is_err() && self.csv.get_ref().left == 0 {
            // The row exceeds `ALLOWANCE`, probably because of a quote that never closes. The
            // reader cannot find the next row, so it refuses this row and ends.
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

/// Converts the cells of a row to text, and removes a CR at the end of the last cell.
fn texts(row: &ByteRecord) -> Result<Vec<String>, Utf8Error> {
    let last = row.len().saturating_sub(1);
    let cells = row.iter().enumerate().map(|(nth, cell)| {
        let bare = cell.strip_suffix(b"\r").filter(|_| nth == last);
        str::from_utf8(bare.unwrap_or(cell)).map(str::to_owned)
    });
    cells.collect()
}
