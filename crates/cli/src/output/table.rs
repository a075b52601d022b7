//! Writer of tables for people: rows with columns, or one name and value on each line.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use super::{Cell, Column};

/// Writes one object: one line for each column, with the column's name and its value.
pub(super) fn lines(to: &mut impl Write, columns: &[Column], cells: &[Cell]) -> io::Result<()> {
    let shown = || {
        columns
            .iter()
            .zip(cells)
            .filter(|(column, _)| column.in_table)
    };
    let width = shown().map(|(column, _)| column.name.width()).max();
    for (column, cell) in shown() {
        let name = column.name;
        let gap = " ".repeat(width.unwrap_or_default().saturating_sub(name.width()));
        writeln!(to, "{name}{gap}  {}", cell.for_people())?;
    }
    Ok(())
}

/// Writes a table: a header line, and one line for each row.
pub(super) fn rows(to: &mut impl Write, columns: &[Column], rows: &[Vec<Cell>]) -> io::Result<()> {
    next_rows(to, columns, rows, &mut None)
}

/// Writes rows of a table whose other rows are still to come, after a header if `widths` is `None`. A
/// column is as wide as its widest cell so far.
pub(super) fn next_rows(
    to: &mut impl Write,
    columns: &[Column],
    rows: &[Vec<Cell>],
    widths: &mut Option<Vec<usize>>,
) -> io::Result<()> {
    let mut layouts: Vec<Layout> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.in_table)
        .map(|(index, column)| Layout::of(index, column, rows))
        .collect();
    let is_first = widths.is_none();
    let widths = widths.get_or_insert_default();
    widths.resize(layouts.len(), 0);
    for (layout, width) in layouts.iter_mut().zip(widths) {
        *width = layout.width.max(*width);
        layout.width = *width;
    }
    if let Some(last) = layouts.last_mut().filter(|last| !last.is_right) {
        // Do not pad the last column, because the padding would be trailing spaces.
        last.width = 0;
    }
    if is_first {
        line(to, layouts.iter().map(|layout| layout.padded(layout.name)))?;
    }
    for row in rows {
        let cells = layouts
            .iter()
            .map(|layout| layout.padded(&layout.cell(row)));
        line(to, cells)?;
    }
    Ok(())
}

fn line(to: &mut impl Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    writeln!(to, "{}", cells.collect::<Vec<_>>().join("  "))
}

/// Layout of one column.
struct Layout {
    index: usize,
    name: &'static str,
    /// Width in terminal columns. A Chinese character has width 2.
    width: usize,
    is_right: bool,
}

impl Layout {
    fn of(index: usize, column: &Column, rows: &[Vec<Cell>]) -> Self {
        let cells = || rows.iter().filter_map(|row| row.get(index));
        let widest = cells().map(|cell| cell.for_people().width()).max();
        Self {
            index,
            name: column.name,
            width: widest.unwrap_or_default().max(column.name.width()),
            is_right: cells().any(Cell::is_number),
        }
    }

    fn cell(&self, row: &[Cell]) -> String {
        row.get(self.index)
            .map_or_else(String::new, Cell::for_people)
    }

    fn padded(&self, text: &str) -> String {
        let gap = " ".repeat(self.width.saturating_sub(text.width()));
        if self.is_right {
            return format!("{gap}{text}");
        }
        format!("{text}{gap}")
    }
}

#[cfg(test)]
mod tests {
    use orderstore::Currency;

    use super::super::{data, shown};
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn table_columns_align_with_wide_characters() {
        let columns = [shown("what"), data("fen"), shown("yuan"), shown("why")];
        let row = |what: &str, fen: u128| {
            let yuan = Cell::Yuan(fen, Currency::CNY);
            vec![Cell::text(what), Cell::Number(fen), yuan, Cell::None]
        };
        let table = [row("红茶", 5), row("a", 123_456)];
        assert_eq!(
            text(|to| rows(to, &columns, &table)),
            "what     yuan  why\n红茶     0.05  -\na     1234.56  -\n"
        );
    }

    #[test]
    fn empty_table_has_header() {
        assert_eq!(
            text(|to| rows(to, &[shown("a"), shown("b")], &[])),
            "a  b\n"
        );
    }

    #[test]
    fn single_object_prints_one_name_per_line() {
        let columns = [shown("a"), shown("long"), data("more")];
        let cells = [Cell::Flag(true), Cell::Word("x"), Cell::Flag(false)];
        assert_eq!(
            text(|to| lines(to, &columns, &cells)),
            "a     yes\nlong  x\n"
        );
    }
}
