//! Detection of inputs that are not UTF-8 text.
//!
//! Users pass compressed files, or files that a spreadsheet program saved. Reading them as UTF-8
//! would fail with the position of a byte. The first bytes show the real encoding, so the error
//! names it.

use std::io::{self, BufRead, ErrorKind, Read};

use thiserror::Error;

/// Detected encoding of an input that is not UTF-8. The message explains how to convert it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum WrongEncoding {
    /// A gzip file.
    #[error("the input is compressed with gzip: unpack it first, for example with `gunzip`")]
    Gzip,
    /// A zip archive.
    #[error("the input is a zip archive: unpack it first, for example with `unzip`")]
    Zip,
    /// Text in UTF-16.
    #[error(
        "the input is UTF-16, not UTF-8: convert it first, for example with \
         `iconv -f UTF-16 -t UTF-8`"
    )]
    Utf16,
    /// Text in GBK, or in GB 18030, which contains it.
    #[error(
        "the input looks like GBK, not UTF-8: convert it first, for example with \
         `iconv -f GB18030 -t UTF-8`"
    )]
    Gbk,
}

/// Maximum number of bytes read for the detection.
const HEAD_MAX: usize = 512;

/// Minimum number of bytes read for the detection: the length of the longest signature.
const HEAD_MIN: usize = 4;

impl WrongEncoding {
    /// Detects a wrong encoding from the first bytes of an input.
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [b'P', b'K', 0x03, 0x04, ..] => Some(Self::Zip),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(Self::Utf16),
            // ASCII text in UTF-16 without a byte order mark has one zero byte in each pair.
            [0, 1..=0xff, ..] | [1..=0xff, 0, ..] => Some(Self::Utf16),
            _ => is_gbk(head).then_some(Self::Gbk),
        }
    }
}

/// Returns whether the bytes are invalid as UTF-8 and valid as GB 18030. The last character may be
/// incomplete.
fn is_gbk(head: &[u8]) -> bool {
    // `error_len` is `None` if only the last character is incomplete. Such text counts as UTF-8,
    // because `head` may end within a character.
    let is_utf8 = match str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let mut left = head;
    // Arms: end of input, possibly inside a character; ASCII; two-byte character; four-byte
    // character; anything else is not GB 18030.
    loop {
        left = match left {
            [] | [0x81..=0xfe] => return !is_utf8,
            [0..=0x7f, rest @ ..] => rest,
            [0x81..=0xfe, 0x40..=0x7e | 0x80..=0xfe, rest @ ..] => rest,
            [
                0x81..=0xfe,
                0x30..=0x39,
                0x81..=0xfe,
                0x30..=0x39,
                rest @ ..,
            ] => rest,
            _ => return false,
        };
    }
}

/// Reader for UTF-8 text. The first read fails with [`WrongEncoding`] if the first bytes show
/// another encoding.
#[derive(Debug)]
pub(crate) struct Utf8Input<R> {
    input: R,
    head: Vec<u8>,
    /// Number of bytes of `head` that the caller has consumed.
    at: usize,
    /// Whether the first bytes have been checked.
    is_begun: bool,
}

impl<R> Utf8Input<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self {
            input,
            head: Vec::new(),
            at: 0,
            is_begun: false,
        }
    }
}

impl<R: BufRead> Utf8Input<R> {
    /// Reads the first bytes and checks them. Loops because an input may return one byte at a
    /// time.
    fn begin(&mut self) -> io::Result<()> {
        while self.head.len() < HEAD_MIN {
            let part = match self.input.fill_buf() {
                Ok([]) => break,
                Ok(part) => part,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let taken = part.len().min(HEAD_MAX);
            self.head.extend(part.iter().take(taken));
            self.input.consume(taken);
        }
        match WrongEncoding::of(&self.head) {
            Some(wrong) => Err(io::Error::new(ErrorKind::InvalidData, wrong)),
            None => {
                self.is_begun = true;
                Ok(())
            }
        }
    }
}

impl<R: BufRead> BufRead for Utf8Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if !self.is_begun {
            self.begin()?;
        }
        match self.head.get(self.at..) {
            Some(rest) if !rest.is_empty() => Ok(rest),
            _ => self.input.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        if self.at < self.head.len() {
            self.at = self.at.saturating_add(amount);
        } else {
            self.input.consume(amount);
        }
    }
}

impl<R: BufRead> Read for Utf8Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Reads the input in one piece and byte by byte. Both must succeed, or both must fail.
    fn read(bytes: &[u8]) -> Result<Vec<u8>, WrongEncoding> {
        let read = |input: &mut dyn Read| {
            let mut whole = Vec::new();
            match input.read_to_end(&mut whole) {
                Ok(_) => Ok(whole),
                Err(error) => Err(error.downcast::<WrongEncoding>().unwrap()),
            }
        };
        let whole = read(&mut Utf8Input::new(bytes));
        let parts = read(&mut Utf8Input::new(BufReader::with_capacity(1, bytes)));
        assert_eq!(whole.is_ok(), parts.is_ok());
        whole
    }

    /// 交易时间 in GBK.
    const GBK: [u8; 8] = [0xbd, 0xbb, 0xd2, 0xd7, 0xca, 0xb1, 0xbc, 0xe4];

    #[test]
    fn non_utf8_input_fails_with_its_encoding() {
        assert_eq!(read(b"\x1f\x8b\x08\x00more"), Err(WrongEncoding::Gzip));
        assert_eq!(read(b"PK\x03\x04more"), Err(WrongEncoding::Zip));
        assert_eq!(read(b"\xff\xfe{\0"), Err(WrongEncoding::Utf16));
        assert_eq!(read(b"\xfe\xff\0{"), Err(WrongEncoding::Utf16));
        assert_eq!(read(b"{\0\"\0"), Err(WrongEncoding::Utf16));
        assert_eq!(read(b"\0{\0\""), Err(WrongEncoding::Utf16));
        assert_eq!(read(&GBK), Err(WrongEncoding::Gbk));
    }

    #[test]
    fn utf8_input_is_read_unchanged() {
        let long = "交易时间,".repeat(1000);
        for text in ["", "a", "{}", "\u{feff}{}", "茶", &long] {
            assert_eq!(read(text.as_bytes()).as_deref(), Ok(text.as_bytes()));
        }
        // `read` accepts corrupt UTF-8, because the caller's parser later reports it with its
        // position.
        assert_eq!(read(b"a\xff\xff\nx").as_deref(), Ok(&b"a\xff\xff\nx"[..]));
    }

    #[test]
    fn utf8_cut_inside_character_is_accepted() {
        let text = "茶".repeat(200);
        let head = text.as_bytes().get(..HEAD_MAX - 1).unwrap();
        assert_eq!(WrongEncoding::of(head), None);
    }
}
