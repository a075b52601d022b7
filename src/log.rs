//! Log events for operators.
//!
//! With the feature `tracing`, the events have the target `orderstore`. Without this feature, they
//! cost nothing. The events name files, sizes, durations and causes, but nothing of a user
//! (invariant I19). A cause may name the order whose stored record is corrupt.

/// Emits one log event: a level, a message of the form `verb object`, and fields.
///
/// The tracing subscriber is foreign code. The macro catches its panics, so that they cannot stop
/// a write.
macro_rules! event {
    ($level:ident, $message:literal $(, $field:ident = $value:expr)* $(,)?) => {{
        #[cfg(feature = "tracing")]
        {
            let emit = || tracing::$level!(target: "orderstore", $($field = $value,)* $message);
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(emit)));
        }
        #[cfg(not(feature = "tracing"))]
        if false {
            $(let _ = &$value;)*
        }
    }};
}

pub(crate) use event;
