//! The ledger: shipped orders and the position in the feed, in one file, so that both always agree.
//!
//! Each line is appended and synced before the next event. It holds the feed position after an
//! event, and the order that was shipped for it, or `-`. Opening the ledger removes a torn last
//! line; its order was not shipped. A database table works as well if one transaction stores both.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use orderstore::{FeedCursor, OrderNo};

#[derive(Debug)]
pub(crate) struct Ledger {
    file: File,
    place: FeedCursor,
    shipped: HashSet<OrderNo>,
}

impl Ledger {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(u64::try_from(whole).map_err(io::Error::other)?)?;
        let mut ledger = Self {
            file,
            place: FeedCursor::START,
            shipped: HashSet::new(),
        };
        let lines = text.get(..whole).unwrap_or_default().lines();
        lines.map(read).try_for_each(|line| {
            ledger.keep(line?);
            Ok::<_, io::Error>(())
        })?;
        Ok(ledger)
    }

    /// Feed position after the last processed event.
    pub(crate) const fn place(&self) -> FeedCursor {
        self.place
    }

    pub(crate) fn has_shipped(&self, no: &OrderNo) -> bool {
        self.shipped.contains(no)
    }

    pub(crate) fn shipped(&self) -> usize {
        self.shipped.len()
    }

    /// Records a shipped order and the position after its event, both or neither.
    pub(crate) fn ship(&mut self, position: FeedCursor, no: OrderNo) -> io::Result<()> {
        self.append((position, Some(no)))
    }

    /// Records that all events up to this position are processed and need no further shipment.
    pub(crate) fn pass(&mut self, position: FeedCursor) -> io::Result<()> {
        self.append((position, None))
    }

    fn append(&mut self, line: (FeedCursor, Option<OrderNo>)) -> io::Result<()> {
        let (place, no) = &line;
        let no = no.as_ref().map_or("-", |no| no.as_str());
        self.file.write_all(format!("{place} {no}\n").as_bytes())?;
        self.file.sync_data()?;
        self.keep(line);
        Ok(())
    }

    fn keep(&mut self, (place, no): (FeedCursor, Option<OrderNo>)) {
        self.place = place;
        self.shipped.extend(no);
    }
}

fn read(line: &str) -> io::Result<(FeedCursor, Option<OrderNo>)> {
    let parts = || {
        let (place, no) = line.split_once(' ')?;
        let no = match no {
            "-" => None,
            no => Some(OrderNo::parse(no).ok()?),
        };
        Some((place.parse().ok()?, no))
    };
    parts().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "malformed line in the ledger; restore the file",
        )
    })
}
