//! Progress bar on stderr. The bar is hidden if stderr is not a terminal.

use std::io::{IsTerminal as _, Read, stderr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// The only progress bar of the program.
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

/// Shows the bar with the name of a step, such as "importing".
pub(crate) fn begin(what: &'static str) {
    BAR.reset();
    BAR.set_message(what);
}

/// Sets the position and the length of the bar.
pub(crate) fn set_position(done: u64, total: u64) {
    BAR.set_length(total);
    BAR.set_position(done);
}

/// Removes the bar from the terminal.
pub(crate) fn end() {
    BAR.finish_and_clear();
}

/// Wraps an input of `bytes` bytes, so that reading it moves the bar. Call [`restart`] to show the
/// bar.
pub(crate) fn reading<R: Read>(input: R, bytes: u64) -> impl Read + use<R> {
    BYTES.store(bytes, Ordering::Relaxed);
    BAR.wrap_read(input)
}

/// Shows the bar for reading the input that [`reading`] wrapped.
pub(crate) fn restart(what: &'static str) {
    begin(what);
    BAR.set_length(BYTES.load(Ordering::Relaxed));
}

/// Prints a line to stderr and hides the bar meanwhile.
pub(crate) fn print_line(line: &str) {
    // Ignore an error of stderr, because there is no other stream for the line.
    BAR.suspend(|| {
        use std::io::Write as _;
        let _ = writeln!(stderr().lock(), "{line}");
    });
}
