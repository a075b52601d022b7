//! What lists and keys are called in the tables: a letter, and what they are of.

use crate::rules::{Index, UniqueKey};

/// Between the parts of a name; none of them has it.
const GAP: char = ' ';

pub(super) fn list(index: &Index) -> String {
    match index {
        Index::All => "all".to_owned(),
        Index::OpenId(openid) => format!("user{GAP}{}", openid.as_str()),
        Index::Status(status) => format!("status{GAP}{}", status.code()),
        Index::Transaction(channel, id) => {
            format!("transaction{GAP}{}{GAP}{}", channel.as_str(), id.as_str())
        }
        Index::RefundNo(channel, no) => {
            format!("refund{GAP}{}{GAP}{}", channel.as_str(), no.as_str())
        }
        Index::Reference(reference) => format!("reference{GAP}{}", reference.as_str()),
        Index::Anomalies => "anomalies".to_owned(),
        Index::Refunded => "refunded".to_owned(),
        Index::Due => "due".to_owned(),
    }
}

/// A key is called as the list of those that know it.
pub(super) fn key(key: &UniqueKey) -> String {
    list(&key.index())
}
