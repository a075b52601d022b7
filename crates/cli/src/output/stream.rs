//! Rows that are printed one by one, as they come.

use super::{Cell, Column, Format, Object, Out, table};
use crate::failure::Failure;

/// Writer of rows without an end.
pub(crate) struct Stream {
    out: Out,
    columns: &'static [Column],
    /// Width of each column so far; `None` before the header.
    widths: Option<Vec<usize>>,
}

impl Out {
    /// Begins to print rows one by one. JSON needs an end, so the format `json` is refused.
    pub(crate) fn stream(self, columns: &'static [Column]) -> Result<Stream, Failure> {
        if self.format == Format::Json {
            let why = "a JSON document needs an end: use --format jsonl";
            return Err(Failure::usage(why));
        }
        Ok(Stream {
            out: self,
            columns,
            widths: None,
        })
    }
}

impl Stream {
    /// Prints the next rows. Prints the header before the first one.
    pub(crate) fn rows(&mut self, rows: &[Vec<Cell>]) -> Result<(), Failure> {
        let Self {
            out,
            columns,
            widths,
        } = self;
        let written = match out.format {
            Format::Table => table::next_rows(&mut out.to, columns, rows, widths),
            Format::Json | Format::Jsonl => rows
                .iter()
                .try_for_each(|cells| out.json_line(&Object(columns, cells))),
            Format::Csv => {
                let is_first = widths.replace(Vec::new()).is_none();
                out.csv(is_first.then_some(columns), rows)
            }
        };
        out.ended(written)
    }
}
