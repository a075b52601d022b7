//! Splits an input into records and returns them one by one, each with its position.

pub(super) mod framed;
mod objects;
mod rows;

use std::fmt;
use std::io::{self, BufRead};

use self::framed::Framed;
use self::objects::Objects;
pub(super) use self::rows::Row;
use self::rows::Rows;

/// Input of an import: a file of records, in JSON or CSV.
///
/// The reader holds one record at a time, of at most 1 MiB, so the input can have any length. It
/// accepts any [`BufRead`], such as a [`std::io::BufReader`] around a file, or a slice.
pub struct Input<R> {
    form: Form<R>,
}

enum Form<R> {
    Objects(Objects<R>),
    Rows(Box<Rows<R>>),
}

/// Record of the input, before its conversion to an order.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    /// A JSON object that is not parsed yet.
    Object(&'a str),
    /// A row of a CSV file.
    Row(Row<'a>),
}

impl<R: BufRead> Input<R> {
    /// Reads JSON objects, one after another or in one array.
    ///
    /// - One after another: each object occupies one line (JSON Lines) or several. A line that
    ///   begins with `{` begins a new object, so an incomplete object does not affect the next.
    /// - In an array: line breaks may be anywhere. After an incomplete object, the reader loses all
    ///   later objects of the array.
    pub const fn json(reader: R) -> Self {
        let form = Form::Objects(Objects::new(reader));
        Self { form }
    }

    /// Reads CSV in UTF-8 with a header row.
    ///
    /// Commas separate the cells. A cell with commas, quotes or line ends is in quotes. The
    /// importer removes one backtick before a cell, as in the channel's bills. An empty cell
    /// counts as a missing field.
    pub fn csv(reader: R) -> Self {
        let form = Form::Rows(Box::new(Rows::new(reader)));
        Self { form }
    }

    pub(super) const fn is_csv(&self) -> bool {
        matches!(self.form, Form::Rows(_))
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Framed<Body<'_>>>> {
        Ok(match &mut self.form {
            Form::Objects(objects) => objects.next()?.map(|found| found.map(Body::Object)),
            Form::Rows(rows) => rows.next()?.map(|found| found.map(Body::Row)),
        })
    }
}

impl<R> fmt::Debug for Input<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Objects(_) => "json",
            Form::Rows(_) => "csv",
        };
        f.debug_struct("Input")
            .field("form", &form)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
