//! What books come as: records, one at a time, each at its place.

pub(super) mod framed;
mod objects;
mod rows;

use std::fmt;
use std::io::{self, BufRead};

use self::framed::Framed;
use self::objects::Objects;
pub(super) use self::rows::Row;
use self::rows::Rows;

/// Books to be read, record by record. Of any length: one record is held at a time, of
/// 1 MiB at most.
///
/// A [`std::io::BufReader`] around a file will do, and so will a slice.
pub struct Input<R> {
    form: Form<R>,
}

enum Form<R> {
    Objects(Objects<R>),
    Rows(Box<Rows<R>>),
}

/// A record as it was found.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    /// An object in JSON, not parsed yet.
    Object(&'a str),
    /// A row of a CSV.
    Row(Row<'a>),
}

impl<R: BufRead> Input<R> {
    /// JSON: objects one after another, on a line each (JSON Lines) or over several. A line that
    /// begins with `{` begins an object, so that one that is cut costs no other one. Or objects
    /// in one array, whatever its line layout: one that is cut there takes all behind it along.
    pub const fn json(reader: R) -> Self {
        let form = Form::Objects(Objects::new(reader));
        Self { form }
    }

    /// CSV in UTF-8 with a header: cells parted by commas, in quotes where they hold commas,
    /// quotes or line ends. One backtick before a cell is passed over, as in the channel's
    /// bills. An empty cell counts as missing.
    pub fn csv(reader: R) -> Self {
        let form = Form::Rows(Box::new(Rows::new(reader)));
        Self { form }
    }

    pub(super) const fn is_csv(&self) -> bool {
        matches!(self.form, Form::Rows(_))
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Framed<Body<'_>>>> {
        Ok(match &mut self.form {
            Form::Objects(objects) => objects.next()?.map(|it| it.map(Body::Object)),
            Form::Rows(rows) => rows.next()?.map(|it| it.map(Body::Row)),
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
