//! Flags of verbs that print one page of a list.

use clap::Args;
use orderstore::{Cursor, PageRequest};

/// Maximum number of rows of a page.
const LIMIT_MAX: u16 = 1000;

/// Maximum size and start of a page.
#[derive(Args, Clone, Copy)]
pub(super) struct Page {
    /// Maximum number of rows, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(LIMIT_MAX)))]
    limit: u16,
    /// Continue after this cursor, which the previous page has printed
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    after: Option<Cursor>,
}

impl Page {
    /// Returns the page with the most rows.
    pub(super) const fn longest(self) -> Self {
        Self {
            limit: LIMIT_MAX,
            ..self
        }
    }

    pub(super) fn of(self, is_reversed: bool) -> PageRequest {
        let mut page = PageRequest::of(usize::from(self.limit));
        if let Some(cursor) = self.after {
            page = page.after(cursor);
        }
        if is_reversed { page.reversed() } else { page }
    }
}

fn cursor(text: &str) -> Result<Cursor, orderstore::CursorError> {
    text.parse()
}
