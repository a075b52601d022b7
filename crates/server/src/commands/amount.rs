//! Amounts that every JSON reader keeps exact.

use orderstore::Fen;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Maximum amount: 2^53 - 1. JavaScript and other readers round larger JSON numbers.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Reads an amount.
pub(super) fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fen, D::Error> {
    let amount = Fen::deserialize(deserializer)?;
    if amount.as_u64() > EXACT_MAX {
        let why = "the amount is above 9007199254740991 (2^53 - 1), which many JSON readers round; \
                   send a smaller amount";
        return Err(D::Error::custom(why));
    }
    Ok(amount)
}

/// Reads an amount or `null`.
pub(super) fn exact_or_null<'de, D>(deserializer: D) -> Result<Option<Fen>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    struct Exact(#[serde(deserialize_with = "exact")] Fen);

    Ok(Option::deserialize(deserializer)?.map(|Exact(amount)| amount))
}
