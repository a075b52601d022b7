//! Environment variables of the tests: they make runs longer or repeat one run.

use std::fmt::Debug;
use std::str::FromStr;

/// Returns the number in an environment variable, or `None` if it is unset.
pub(crate) fn asked<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .expect("the environment variable must be a whole number"),
    )
}

/// Returns the number in an environment variable, or `default` if the variable is unset.
pub(crate) fn figure<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    asked(name).unwrap_or(default)
}
