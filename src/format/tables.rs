//! Tables of the B-tree, with their permanent names and tags.
//!
//! The B-tree file contains the names, and every checksum covers a tag. Neither may change within
//! a format.

/// Table of the B-tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Table {
    /// Order number → row number, sequence number of the last event, and record.
    Orders = 0,
    /// Sequence number → event, with the link to the record's previous event.
    Events = 1,
    /// Single values of the store: its identity, its counters and the log sequence number (LSN) of
    /// the last journal frame in the B-tree.
    Meta = 2,
    /// Index of all orders, by creation time.
    All = 3,
    /// Index of orders by status.
    Status = 4,
    /// Index of orders by user (openid).
    OpenId = 5,
    /// Index of records by transaction.
    Transaction = 6,
    /// Index of records by refund number.
    RefundNo = 7,
    /// Index of orders by the merchant's own reference.
    Reference = 8,
    /// Index of open anomalies, by the time when each was raised or last reopened.
    Anomalies = 9,
    /// Index of successful refunds, by success time.
    Refunded = 10,
    /// Index of the next actions of orders and refunds, by due time.
    Due = 11,
    /// Index of refunds that ended without success, by end time.
    ClosedRefunds = 12,
    /// Index of refunds whose money returned after their success, by the time of the return.
    Returned = 13,
}

impl Table {
    /// All tables, in the order of their tags.
    pub(crate) const ALL: [Self; 14] = [
        Self::Orders,
        Self::Events,
        Self::Meta,
        Self::All,
        Self::Status,
        Self::OpenId,
        Self::Transaction,
        Self::RefundNo,
        Self::Reference,
        Self::Anomalies,
        Self::Refunded,
        Self::Due,
        Self::ClosedRefunds,
        Self::Returned,
    ];

    /// All index tables. Their entries have keys and empty values.
    pub(crate) const INDEXES: [Self; 11] = [
        Self::All,
        Self::Status,
        Self::OpenId,
        Self::Transaction,
        Self::RefundNo,
        Self::Reference,
        Self::Anomalies,
        Self::Refunded,
        Self::Due,
        Self::ClosedRefunds,
        Self::Returned,
    ];

    /// Table with this tag.
    pub(crate) fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
    }

    /// Whether the table is an index. Only index entries can be removed. Their values are empty.
    pub(crate) fn is_index(self) -> bool {
        self >= Self::All
    }

    /// Number of the table in checksums and journal frames.
    pub(crate) const fn tag(self) -> u8 {
        self as u8
    }

    /// Name of the table in the B-tree and in messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Events => "events",
            Self::Meta => "meta",
            Self::All => "all",
            Self::Status => "by_status",
            Self::OpenId => "by_openid",
            Self::Transaction => "by_transaction",
            Self::RefundNo => "by_refund_no",
            Self::Reference => "by_reference",
            Self::Anomalies => "anomalies",
            Self::Refunded => "refunded",
            Self::Due => "due",
            Self::ClosedRefunds => "closed_refunds",
            Self::Returned => "returned",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::tables::*;

    #[test]
    fn btree_table_tags_are_consecutive_and_names_unique() {
        let names: std::collections::BTreeSet<_> = Table::ALL.iter().map(|t| t.name()).collect();
        assert_eq!(names.len(), Table::ALL.len());
        for (index, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(table.tag()), index);
            assert_eq!(Table::from_tag(table.tag()), Some(table));
            assert_eq!(table.is_index(), Table::INDEXES.contains(&table));
        }
    }
}
