//! Statement parameters of a batch: one array per column, as SQL `unnest` expects them.

use std::collections::HashSet;
use std::hash::Hash;

use tokio_postgres::types::ToSql;

use super::failure::Failure;
use super::names::{self, signed};
use crate::contract::{Counts, Mutation, StoredRecord};
use crate::format::values;
use crate::order::Record;
use crate::rules::{IndexEntry, UniqueKey, index_entries};

pub(super) type Parameter<'a> = &'a (dyn ToSql + Sync);

/// Defines a struct of columns with equal lengths. `push` appends one row.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident { $($column:ident: $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name {
            $($column: Vec<$kind>,)+
        }

        impl $name {
            fn push(&mut self, ($($column,)+): ($($kind,)+)) {
                $(self.$column.push($column);)+
            }

            fn parameters(&self) -> Vec<Parameter<'_>> {
                vec![$(&self.$column),+]
            }
        }
    };
}

columns!(
    /// Columns of `orderstore_orders`: fields for manual SQL queries, and the encoded record.
    Orders {
        no: String,
        row: i64,
        before: i64,
        version: i64,
        status: Option<i16>,
        openid: Option<String>,
        total_fee: Option<i64>,
        created: Option<i64>,
        updated: i64,
        unclaimed: i32,
        open_anomalies: i32,
        record: Vec<u8>,
    }
);
columns!(Events { no: String, version: i64, event: Vec<u8> });
columns!(Keys {
    no: String,
    key: String
});
columns!(Entries { no: String, list: String, place: Vec<u8> });

/// Table rows that a batch writes, and table rows that it deletes.
#[derive(Default)]
pub(super) struct Columns {
    orders: Orders,
    events: Events,
    taken: Keys,
    freed: Keys,
    come: Entries,
    gone: Entries,
}

impl Columns {
    /// Returns the parameters `$1` to `$25` of the SQL statement, in order.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        let (keys, entries) = ([&self.taken, &self.freed], [&self.come, &self.gone]);
        let mut all = self.orders.parameters();
        all.extend(self.events.parameters());
        all.extend(keys.into_iter().flat_map(Keys::parameters));
        all.extend(entries.into_iter().flat_map(Entries::parameters));
        all
    }

    pub(super) fn push(&mut self, mutation: &Mutation, row: u64) -> Result<(), Failure> {
        let no = mutation.no.to_string();
        let before = mutation.before.as_ref().map(|stored| &stored.record);
        self.push_order(before, &mutation.after, row)?;
        for event in &mutation.events {
            let bytes = values::event_bytes(event)?;
            self.events
                .push((no.clone(), signed(event.version)?, bytes));
        }
        let changes = mutation.key_changes();
        let named = |key: &UniqueKey| (no.clone(), names::key(key));
        let (claimed, freed) = (changes.claimed.iter(), changes.freed.iter());
        claimed.for_each(|key| self.taken.push(named(key)));
        freed.for_each(|key| self.freed.push(named(key)));
        let old = before.map(index_entries).unwrap_or_default();
        let (come, gone) = changed(old, index_entries(&mutation.after));
        let placed = |entry: &IndexEntry| {
            let place = names::place(entry.time, row, entry.sub);
            (no.clone(), names::list(&entry.index), place)
        };
        come.iter().for_each(|entry| self.come.push(placed(entry)));
        gone.iter().for_each(|entry| self.gone.push(placed(entry)));
        Ok(())
    }

    fn push_order(&mut self, old: Option<&Record>, new: &Record, row: u64) -> Result<(), Failure> {
        let order = new.as_order();
        let openid = order.and_then(|order| order.openid.as_ref());
        let counts = Counts::of_record(new);
        let small = |count: u64| i32::try_from(count).map_err(|_| names::too_large(count));
        let total_fee = order.map(|order| signed(order.total_fee.as_u64()));
        // This engine reads a history by order number, and needs no `last_seq`.
        let stored = StoredRecord {
            record: new.clone(),
            row,
            last_seq: 0,
        };
        self.orders.push((
            new.no().to_string(),
            signed(row)?,
            signed(old.map_or(0, Record::version))?,
            signed(new.version())?,
            order.map(|order| i16::from(order.status.code())),
            openid.map(|openid| openid.as_str().to_owned()),
            total_fee.transpose()?,
            order.map(|order| order.create_time.as_millis()),
            new.update_time().as_millis(),
            small(counts.unclaimed)?,
            small(counts.open_anomalies)?,
            values::record_bytes(&stored)?,
        ));
        Ok(())
    }
}

/// Returns the items only in `after`, and the items only in `before`.
fn changed<T: Clone + Eq + Hash>(
    before: impl IntoIterator<Item = T>,
    after: impl IntoIterator<Item = T>,
) -> (Vec<T>, Vec<T>) {
    let before: HashSet<T> = before.into_iter().collect();
    let after: HashSet<T> = after.into_iter().collect();
    (
        after.difference(&before).cloned().collect(),
        before.difference(&after).cloned().collect(),
    )
}
