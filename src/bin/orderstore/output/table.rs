//! Tables for people: columns side by side, and names before values.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use super::{Cell, Column};

/// A name and its value on each line.
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

/// A header, and a line for each row.
pub(super) fn rows(to: &mut impl Write, columns: &[Column], rows: &[Vec<Cell>]) -> io::Result<()> {
    let mut sides: Vec<Side> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.in_table)
        .map(|(place, column)| Side::of(place, column, rows))
        .collect();
    if let Some(last) = sides.last_mut().filter(|last| !last.is_right) {
        // Nothing stands behind it.
        last.width = 0;
    }
    line(to, sides.iter().map(|side| side.padded(side.name)))?;
    for row in rows {
        line(to, sides.iter().map(|side| side.padded(&side.cell(row))))?;
    }
    Ok(())
}

fn line(to: &mut impl Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    writeln!(to, "{}", cells.collect::<Vec<_>>().join("  "))
}

/// A column as it is laid out.
struct Side {
    place: usize,
    name: &'static str,
    width: usize,
    is_right: bool,
}

impl Side {
    fn of(place: usize, column: &Column, rows: &[Vec<Cell>]) -> Self {
        let cells = || rows.iter().filter_map(|row| row.get(place));
        let widest = cells().map(|cell| cell.for_people().width()).max();
        Self {
            place,
            name: column.name,
            width: widest.unwrap_or_default().max(column.name.width()),
            is_right: cells().any(Cell::is_number),
        }
    }

    fn cell(&self, row: &[Cell]) -> String {
        row.get(self.place)
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
    fn columns_stand_side_by_side_however_wide_their_characters_are() {
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
    fn an_empty_table_has_its_header() {
        assert_eq!(
            text(|to| rows(to, &[shown("a"), shown("b")], &[])),
            "a  b\n"
        );
    }

    #[test]
    fn names_stand_before_values() {
        let columns = [shown("a"), shown("long"), data("more")];
        let cells = [Cell::Flag(true), Cell::Word("x"), Cell::Flag(false)];
        assert_eq!(
            text(|to| lines(to, &columns, &cells)),
            "a     yes\nlong  x\n"
        );
    }
}
