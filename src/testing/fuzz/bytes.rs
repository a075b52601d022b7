//! Choices that bytes make.

/// Bytes that are read from the front: the same bytes are the same choices, and where they
/// end, everything is the first choice. A small change of them is a small change of what
/// they choose, which is what a fuzzer needs.
#[derive(Debug, Clone)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Choices by these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Nothing is left to choose by.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte; 0 behind the end.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `n`; 0 where `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        let number = match n {
            0 | 1 => return 0,
            2..=256 => usize::from(self.byte()),
            _ => {
                usize::from(u16::from_le_bytes([self.byte(), self.byte()])) << 8
                    | usize::from(self.byte())
            }
        };
        number % n
    }

    /// A small number below `n`.
    pub fn number(&mut self, n: u64) -> u64 {
        self.below(usize::try_from(n).unwrap_or(usize::MAX)) as u64
    }

    /// True once in `n` times, and not behind the end.
    pub fn one_in(&mut self, n: usize) -> bool {
        !self.is_empty() && self.below(n) == n - 1
    }

    /// One of these; the first behind the end.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Eight bytes as a number.
    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// At most `n` bytes.
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }
}
