//! Writer to stdout, which its reader may close at any time.

use std::io::{self, ErrorKind, Stdout, Write};

use crate::failure::Failure;

/// Stdout that remembers whether its reader closed it.
///
/// The CSV and JSON writers wrap I/O errors and lose their kind, so this type checks the kind
/// first.
pub(crate) struct Pipe {
    to: Stdout,
    is_closed: bool,
}

impl Pipe {
    pub(crate) fn new() -> Self {
        let to = io::stdout();
        let is_closed = false;
        Self { to, is_closed }
    }

    /// Returns whether the reader closed stdout.
    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Converts the result of a write. An error is no failure if the reader, such as `head`, has
    /// closed stdout.
    pub(crate) fn written(&self, result: io::Result<()>) -> Result<(), Failure> {
        match result {
            Err(error) if !self.is_closed => Err(Failure::output(&error)),
            _ => Ok(()),
        }
    }

    /// Records whether a write failed because the reader closed stdout.
    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            self.is_closed |= error.kind() == ErrorKind::BrokenPipe;
        }
        result
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.to.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.to.flush();
        self.note(result)
    }
}
