//! Output of a command: a table for people, JSON or CSV for programs.
//!
//! Stdout contains only the result. In the format `json`, the document also contains sums and the
//! cursor of the next page. In other formats, the program prints these to stderr.

mod cell;
mod pipe;
mod stream;
mod table;

use std::io::{self, BufWriter, Write};

use clap::ValueEnum;
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

pub(crate) use self::cell::Cell;
pub(crate) use self::pipe::Pipe;
use crate::failure::Failure;
use crate::progress;

/// Format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON object on each line
    Jsonl,
    /// CSV with a header
    Csv,
}

/// Column of the output.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    name: &'static str,
    /// Whether tables show the column. Other formats always contain it.
    in_table: bool,
}

/// Creates a column that every format contains.
pub(crate) const fn shown(name: &'static str) -> Column {
    let in_table = true;
    Column { name, in_table }
}

/// Creates a column that every format except tables contains.
pub(crate) const fn data(name: &'static str) -> Column {
    let in_table = false;
    Column { name, in_table }
}

/// Rows with their sums and the cursor of the next page.
pub(crate) struct Rows {
    columns: &'static [Column],
    rows: Vec<Vec<Cell>>,
    about: Vec<(&'static str, Cell)>,
    /// Sentence that a table shows if there are no rows.
    without_rows: Option<&'static str>,
}

impl Rows {
    pub(crate) fn new(columns: &'static [Column], rows: Vec<Vec<Cell>>) -> Self {
        Self {
            columns,
            rows,
            about: Vec::new(),
            without_rows: None,
        }
    }

    /// Sets the sentence that a table shows instead of rows, if there are none.
    pub(crate) const fn or_else_says(mut self, sentence: &'static str) -> Self {
        self.without_rows = Some(sentence);
        self
    }

    /// Adds a sum or another value about all rows.
    pub(crate) fn about(mut self, name: &'static str, cell: Cell) -> Self {
        self.about.push((name, cell));
        self
    }

    /// Sets the cursor of the next page, if there is one. The sentence for no rows then mentions
    /// only this page, because a filter may have removed all rows of the page.
    pub(crate) fn next(mut self, cursor: Option<impl ToString>) -> Self {
        if cursor.is_some() {
            self.without_rows = Some("no rows on this page");
        }
        let cell = cursor.map_or(Cell::None, |cursor| Cell::Text(cursor.to_string()));
        self.about("next", cell)
    }
}

/// Writer of the output in one format.
pub(crate) struct Out {
    format: Format,
    to: BufWriter<Pipe>,
}

impl Out {
    pub(crate) fn new(format: Format) -> Self {
        let to = BufWriter::new(Pipe::new());
        Self { format, to }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Writes one object.
    pub(crate) fn one(&mut self, columns: &[Column], cells: Vec<Cell>) -> Result<(), Failure> {
        let written = match self.format {
            Format::Table => table::lines(&mut self.to, columns, &cells),
            Format::Json => self.json(&Object(columns, &cells)),
            Format::Jsonl => self.json_line(&Object(columns, &cells)),
            Format::Csv => self.csv(Some(columns), &[cells]),
        };
        self.ended(written)
    }

    /// Writes rows, their sums and the cursor of the next page.
    pub(crate) fn many(&mut self, rows: &Rows) -> Result<(), Failure> {
        let written = match self.format {
            Format::Table => self.table(rows),
            Format::Json => self.json(&Document(rows)),
            Format::Jsonl => self.json_lines(rows),
            Format::Csv => self.csv(Some(rows.columns), &rows.rows),
        };
        self.ended(written)?;
        if self.format != Format::Json {
            print_sums(&rows.about);
        }
        Ok(())
    }

    /// Writes a heading and a table below an earlier table. Writes nothing if there are no rows.
    pub(crate) fn below(&mut self, heading: &str, rows: &Rows) -> Result<(), Failure> {
        if rows.rows.is_empty() {
            return Ok(());
        }
        let written = writeln!(self.to, "\n{heading}")
            .and_then(|()| table::rows(&mut self.to, rows.columns, &rows.rows));
        self.ended(written)
    }

    /// Writes any value as JSON.
    pub(crate) fn document(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let written = match self.format {
            Format::Jsonl => self.json_line(value),
            _ => self.json(value),
        };
        self.ended(written)
    }

    /// Flushes the output. Converts an I/O error to a failure, except if the reader closed stdout.
    fn ended(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        let flushed = written.and_then(|()| self.to.flush());
        self.to.get_ref().written(flushed)
    }

    fn table(&mut self, rows: &Rows) -> io::Result<()> {
        match rows.without_rows {
            Some(sentence) if rows.rows.is_empty() => writeln!(self.to, "{sentence}"),
            _ => table::rows(&mut self.to, rows.columns, &rows.rows),
        }
    }

    fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.to, value)?;
        writeln!(self.to)
    }

    fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        writeln!(self.to)
    }

    fn json_lines(&mut self, rows: &Rows) -> io::Result<()> {
        let mut each = rows.rows.iter();
        each.try_for_each(|cells| self.json_line(&Object(rows.columns, cells)))
    }

    /// Writes rows as CSV, after a header if there are columns.
    fn csv(&mut self, header: Option<&[Column]>, rows: &[Vec<Cell>]) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(&mut self.to);
        if let Some(columns) = header {
            csv.write_record(columns.iter().map(|column| column.name))?;
        }
        for cells in rows {
            csv.write_record(cells.iter().map(Cell::for_programs))?;
        }
        csv.flush()
    }
}

/// Prints the sums to stderr on one line, and the flag that reads the next page on another.
fn print_sums(about: &[(&'static str, Cell)]) {
    let sums = about.iter().filter(|(name, _)| *name != "next");
    let sums: Vec<String> = sums
        .map(|(name, cell)| format!("{name} {}", cell.for_people()))
        .collect();
    if !sums.is_empty() {
        progress::print_line(&sums.join(", "));
    }
    for (name, cell) in about {
        if let ("next", Cell::Text(cursor)) = (*name, cell) {
            progress::print_line(&format!("next page: --after {cursor}"));
        }
    }
}

/// Row as a JSON object, with its fields in the order of the columns.
struct Object<'a>(&'a [Column], &'a [Cell]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(columns, cells) = self;
        let mut map = serializer.serialize_map(Some(columns.len()))?;
        for (column, cell) in columns.iter().zip(*cells) {
            map.serialize_entry(column.name, cell)?;
        }
        map.end()
    }
}

/// JSON document with all rows, their sums and the cursor of the next page.
struct Document<'a>(&'a Rows);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("rows", &Objects(self.0))?;
        for (name, cell) in &self.0.about {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

/// All rows as a JSON array of objects.
struct Objects<'a>(&'a Rows);

impl Serialize for Objects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(rows) = self;
        let mut seq = serializer.serialize_seq(Some(rows.rows.len()))?;
        for cells in &rows.rows {
            seq.serialize_element(&Object(rows.columns, cells))?;
        }
        seq.end()
    }
}
