//! Conversion of the bytes of a fuzz input into choices.

/// Reader that turns the bytes of a fuzz input into choices, from front to back.
///
/// The same bytes give the same choices. After the last byte, every choice is the first option. A
/// small change of the bytes changes few choices, which helps a fuzzer to explore.
#[derive(Debug, Clone)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Creates a reader of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns whether all bytes are used up.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the next byte, or 0 after the last byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// Returns a number below `n`, or 0 if `n` is 0.
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

    /// Returns a number below `n`, for `n` up to 2^24.
    pub fn number(&mut self, n: u64) -> u64 {
        self.below(usize::try_from(n).unwrap_or(usize::MAX)) as u64
    }

    /// Returns true with a probability of 1 in `n`. After the last byte, returns false.
    pub fn one_in(&mut self, n: usize) -> bool {
        !self.is_empty() && self.below(n) == n - 1
    }

    /// Returns one of the values in `of`. After the last byte, returns the first value.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Returns the next eight bytes as a little-endian number.
    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Returns the next bytes, at most `n`.
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Returns all remaining bytes.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }
}
