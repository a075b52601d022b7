//! Conversions of numbers that never lose a bit.

/// Length as a number of 64 bits.
pub(crate) const fn u64_of(len: usize) -> u64 {
    // Fails to compile on a platform with a longer `usize`.
    const { assert!(usize::BITS <= u64::BITS) };
    len as u64
}

/// Number of 32 bits as a length or a position.
pub(crate) const fn usize_of(number: u32) -> usize {
    // Fails to compile on a platform with a shorter `usize`.
    const { assert!(usize::BITS >= u32::BITS) };
    number as usize
}
