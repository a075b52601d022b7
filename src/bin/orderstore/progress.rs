//! One bar on stderr, where stderr is a terminal; nothing at all where it is not.

use std::io::{IsTerminal as _, Read, stderr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// What the library tells goes through plain functions: the bar is there once.
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

/// How long the input is.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Something that may take long begins.
pub(crate) fn begin(what: &'static str) {
    BAR.reset();
    BAR.set_message(what);
}

/// How far it is.
pub(crate) fn tell(done: u64, total: u64) {
    BAR.set_length(total);
    BAR.set_position(done);
}

/// It is over, and so is the bar.
pub(crate) fn end() {
    BAR.finish_and_clear();
}

/// Tells how far the input is read, once that has begun.
pub(crate) fn reading<R: Read>(input: R, bytes: u64) -> impl Read + use<R> {
    BYTES.store(bytes, Ordering::Relaxed);
    BAR.wrap_read(input)
}

/// The reading of the input begins.
pub(crate) fn restart(what: &'static str) {
    begin(what);
    BAR.set_length(BYTES.load(Ordering::Relaxed));
}

/// Says a line on stderr, clear of the bar.
pub(crate) fn say(line: &str) {
    // Nobody is left to be told that it was not said.
    BAR.suspend(|| {
        use std::io::Write as _;
        let _ = writeln!(stderr().lock(), "{line}");
    });
}
