//! Progress bar on stderr. There is no bar if stderr is not a terminal.

use std::io::{IsTerminal as _, Read, stderr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// Progress bar of the program, which shows at most one.
static BAR: LazyLock<ProgressBar> = LazyLock::new(|| {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}% {eta}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
});

/// Length of the input, in bytes.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Starts the bar for a step that may take long.
pub(crate) fn begin(what: &'static str) {
    BAR.reset();
    BAR.set_message(what);
}

/// Sets the position of the bar.
pub(crate) fn set_position(done: u64, total: u64) {
    BAR.set_length(total);
    BAR.set_position(done);
}

/// Removes the bar.
pub(crate) fn end() {
    BAR.finish_and_clear();
}

/// Wraps an input of `bytes` bytes, so that the bar shows how much of it was read. The bar starts
/// with [`restart`].
pub(crate) fn reading<R: Read>(input: R, bytes: u64) -> impl Read + use<R> {
    BYTES.store(bytes, Ordering::Relaxed);
    BAR.wrap_read(input)
}

/// Starts the bar for reading the input.
pub(crate) fn restart(what: &'static str) {
    begin(what);
    BAR.set_length(BYTES.load(Ordering::Relaxed));
}

/// Prints a line to stderr and hides the bar meanwhile.
pub(crate) fn print_line(line: &str) {
    // If stderr fails, the program has no other place to report that.
    BAR.suspend(|| {
        use std::io::Write as _;
        let _ = writeln!(stderr().lock(), "{line}");
    });
}
