//! Texts that may hold personal data: taken as they are, and checked here, since the parser of
//! the flags would repeat what it refuses.

use std::fmt::Display;

use crate::failure::Failure;

/// What was said under `flag`, as what it is to be. The refusal names the flag and what is
/// wrong, and repeats nothing.
pub(crate) fn checked<T, E: Display>(
    flag: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    parse(text).map_err(|error| Failure::usage(format_args!("{flag}: {error}")))
}

/// The same, where anything was said.
pub(crate) fn checked_if<T, E: Display>(
    flag: &str,
    text: Option<&String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    text.map(|text| checked(flag, text, parse)).transpose()
}
