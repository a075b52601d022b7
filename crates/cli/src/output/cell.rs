//! Single value of the output, with one text form for people and one for programs.

use orderstore::{Currency, Fen, Timestamp};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use crate::money;

/// Value of one column in one row of the output.
pub(crate) enum Cell {
    None,
    Text(String),
    Word(&'static str),
    Number(u128),
    Flag(bool),
    Time(Timestamp),
    /// Amount in minor units. Tables show yuan, or for another currency its main unit and its code.
    Yuan(u128, Currency),
    Json(Value),
}

impl Cell {
    pub(crate) fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// Creates a text cell, or an empty cell for `None`.
    pub(crate) fn maybe(text: Option<impl ToString>) -> Self {
        text.map_or(Self::None, Self::text)
    }

    /// Creates a text cell, or an empty cell for an empty text.
    pub(crate) fn filled(text: String) -> Self {
        match text.as_str() {
            "" => Self::None,
            _ => Self::Text(text),
        }
    }

    pub(crate) fn time(moment: Option<Timestamp>) -> Self {
        moment.map_or(Self::None, Self::Time)
    }

    pub(crate) fn count(count: usize) -> Self {
        Self::Number(u128::try_from(count).unwrap_or(u128::MAX))
    }

    pub(crate) fn yuan(fee: Fen, currency: Currency) -> Self {
        Self::Yuan(u128::from(fee.as_u64()), currency)
    }

    pub(crate) fn fen(fee: Fen) -> Self {
        Self::Number(u128::from(fee.as_u64()))
    }

    /// Returns whether the value is a number, which tables align to the right.
    pub(super) const fn is_number(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Yuan(..))
    }

    /// Formats the value for a table. It escapes control characters, so that stored text cannot
    /// send commands to a terminal.
    pub(super) fn for_people(&self) -> String {
        match self {
            Self::None => "-".to_owned(),
            Self::Flag(true) => "yes".to_owned(),
            Self::Flag(false) => "no".to_owned(),
            Self::Yuan(fen, currency) => money::show(*fen, *currency),
            Self::Text(text) => printable(text),
            Self::Json(json) => printable(&json.to_string()),
            _ => self.for_programs(),
        }
    }

    pub(super) fn for_programs(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) => text.clone(),
            Self::Word(word) => (*word).to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Time(time) => time.beijing().to_string(),
            Self::Yuan(fen, currency) => money::yuan(*fen, *currency).unwrap_or_default(),
            Self::Json(json) => json.to_string(),
        }
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(u128::from(number))
    }
}

/// Serializes times as Unix milliseconds and yuan as text, so that amounts stay exact.
impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Word(word) => serializer.serialize_str(word),
            Self::Number(number) => serializer.serialize_u128(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Time(time) => time.serialize(serializer),
            Self::Yuan(fen, currency) => money::yuan(*fen, *currency).serialize(serializer),
            Self::Json(json) => json.serialize(serializer),
        }
    }
}

/// Escapes the control characters of a text.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_cell_escapes_control_characters() {
        let cell = Cell::text("a\u{1b}[2J\nb茶");
        assert_eq!(cell.for_people(), "a\\u{1b}[2J\\nb茶");
        assert_eq!(cell.for_programs(), "a\u{1b}[2J\nb茶");
    }

    #[test]
    fn yuan_cell_of_other_currency_is_null_in_json() {
        let usd = Currency::parse("USD").unwrap();
        let json = |cell: &Cell| serde_json::to_string(cell).unwrap();
        assert_eq!(json(&Cell::Yuan(1990, Currency::CNY)), "\"19.90\"");
        assert_eq!(json(&Cell::Yuan(1990, usd)), "null");
        assert_eq!(Cell::Yuan(1990, usd).for_programs(), "");
        assert_eq!(Cell::Yuan(1990, usd).for_people(), "19.90 USD");
    }

    #[test]
    fn number_cell_serializes_full_u128() {
        let json = serde_json::to_string(&Cell::Number(u128::MAX)).unwrap();
        assert_eq!(json, u128::MAX.to_string());
    }
}
