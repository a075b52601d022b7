//! Stdout, whose reader may close it at any time.

use std::io::{self, ErrorKind, Stdout, Write};

use crate::failure::Failure;

/// Stdout. It remembers that its reader closed it.
///
/// The writers above it wrap errors, and the kind of the error is lost on the way. So the
/// kind is looked at here.
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

    /// The reader closed it, and wants no more.
    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The result of a write. A reader that has read enough, such as `head`, is no failure.
    pub(crate) fn written(&self, result: io::Result<()>) -> Result<(), Failure> {
        match result {
            Err(error) if !self.is_closed => Err(Failure::output(&error)),
            _ => Ok(()),
        }
    }

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
