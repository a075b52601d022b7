//! Text storage inside the text values: short texts inline, long texts in an `Arc`.
//!
//! Nearly every text of an order is short. Inline storage avoids one allocation for each text
//! when an order is read or cloned.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::str;
use std::sync::Arc;

/// Maximum length of a text that is stored inline, in bytes. An ordinary openid, transaction number
/// or description fits. A [`Text`] then takes 40 bytes.
const IN_PLACE: usize = 38;

/// Immutable text that is cheap to clone.
#[derive(Clone)]
pub(super) enum Text {
    /// Text stored inline. The bytes after `len` are zero.
    Short {
        len: u8,
        bytes: [u8; IN_PLACE],
    },
    Long(Arc<str>),
}

impl Text {
    pub(super) const EMPTY: Self = Self::Short {
        len: 0,
        bytes: [0; IN_PLACE],
    };

    pub(super) fn as_str(&self) -> &str {
        match self {
            // The conversion never fails: `from` copies a whole text, so the bytes are valid UTF-8.
            Self::Short { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Self::Long(text) => text,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; IN_PLACE];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_text_round_trips_and_takes_40_bytes() {
        let long = "像".repeat(40);
        for chars in 0..=40 {
            let end = long
                .char_indices()
                .nth(chars)
                .map_or(long.len(), |(at, _)| at);
            assert_eq!(Text::from(&long[..end]).as_str(), &long[..end]);
            let ascii = "a".repeat(chars);
            assert_eq!(Text::from(&*ascii).as_str(), ascii);
        }
        assert_eq!(Text::EMPTY.as_str(), "");
        assert_eq!(size_of::<Text>(), 40);
    }

    #[test]
    fn inline_texts_sort_by_bytes() {
        let mut texts = ["", "a", "ab", "b", &"b".repeat(38), &"b".repeat(39)].map(Text::from);
        texts.reverse();
        texts.sort();
        assert!(texts.is_sorted_by_key(|text| text.as_str().to_owned()));
        assert!(Text::from("a") == Text::from("a") && Text::from("a") != Text::from("b"));
    }
}
