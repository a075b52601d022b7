//! Log events: what an operator searches for when a store misbehaves.
//!
//! With the feature `tracing` they go to the target `orderstore`. Without it they cost nothing.
//! They name files, sizes, durations and causes, and never an order or a user (I19).

/// Emits one log event: a level, a message of the form `verb object`, and fields.
///
/// The subscriber is foreign code. Its panic must not stop a write, so it ends here.
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
