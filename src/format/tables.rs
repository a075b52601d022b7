//! The tables of the base: their permanent names and tags, and how wide their keys are.
//!
//! A name stands in the base, a tag in every checksum; neither changes within a format.

/// One table of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Table {
    /// Number → row, sequence of the last event, and record.
    Orders = 0,
    /// Sequence → event, and which event of its record came before it.
    Events = 1,
    /// What there is one of per store.
    Meta = 2,
    /// Every order by creation.
    All = 3,
    /// Orders by status.
    Status = 4,
    /// Orders by user.
    OpenId = 5,
    /// Records by transaction.
    Transaction = 6,
    /// Records by refund number.
    RefundNo = 7,
    /// Orders by the shop's own id.
    Reference = 8,
    /// Open anomalies.
    Anomalies = 9,
    /// Refunds that went through.
    Refunded = 10,
    /// What is to be done.
    Due = 11,
    /// Refunds that ended without success.
    ClosedRefunds = 12,
    /// Refunds whose money returned.
    Returned = 13,
}

impl Table {
    /// Every table, in the order of the tags.
    pub(crate) const EVERY: [Self; 14] = [
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

    /// Those that hold index entries: keys that all is said by.
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

    /// The table of a tag.
    pub(crate) fn of(tag: u8) -> Option<Self> {
        Self::EVERY.get(usize::from(tag)).copied()
    }

    /// Its keys say all; they come and go.
    pub(crate) fn is_index(self) -> bool {
        self >= Self::All
    }

    /// The table's number in checksums.
    pub(crate) const fn tag(self) -> u8 {
        self as u8
    }

    /// The table's name in the base and in messages.
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
    fn tags_count_up_and_names_differ() {
        let names: std::collections::BTreeSet<_> = Table::EVERY.iter().map(|t| t.name()).collect();
        assert_eq!(names.len(), Table::EVERY.len());
        for (place, table) in Table::EVERY.into_iter().enumerate() {
            assert_eq!(usize::from(table.tag()), place);
            assert_eq!(Table::of(table.tag()), Some(table));
            assert_eq!(table.is_index(), Table::INDEXES.contains(&table));
        }
    }
}
