//! Validation of arguments that may contain personal data. The argument parser does not validate
//! them, because it would repeat a rejected value in its error message.

use std::fmt::Display;

use crate::failure::Failure;

/// Parses the value of `flag`. An error contains the flag and the reason, but not the value.
pub(crate) fn checked<T, E: Display>(
    flag: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    parse(text).map_err(|error| Failure::usage(format_args!("{flag}: {error}")))
}

/// Parses the value of `flag`. Returns `None` if the flag is absent.
pub(crate) fn checked_if<T, E: Display>(
    flag: &str,
    text: Option<&String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    text.map(|text| checked(flag, text, parse)).transpose()
}
