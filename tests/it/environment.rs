//! What the environment asks of the tests: longer runs, and one run again.

use std::fmt::Debug;
use std::str::FromStr;

/// A figure that the environment may set.
pub(crate) fn asked<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a whole number"))
}

/// A figure that the environment may raise.
pub(crate) fn figure<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    asked(name).unwrap_or(default)
}
