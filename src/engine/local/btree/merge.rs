//! Merges sorted iterators of keys.

use crate::contract::Direction;
use crate::error::StorageError;
use crate::format::keys::KeyBytes;

/// Keys of several sources, in the order of `direction`. Each source must have this order. A key
/// that several sources have comes once.
///
/// For each key, the merge compares the next keys of all sources. There are few sources, so a heap
/// would be slower.
pub(super) struct Merge<I> {
    sources: Vec<(KeyBytes, I)>,
    direction: Direction,
    failed: Option<StorageError>,
}

impl<I: Iterator<Item = Result<KeyBytes, StorageError>>> Merge<I> {
    pub(super) fn of(sources: Vec<I>, direction: Direction) -> Result<Self, StorageError> {
        let mut started = Vec::with_capacity(sources.len());
        for mut source in sources {
            if let Some(key) = source.next() {
                started.push((key?, source));
            }
        }
        Ok(Self {
            sources: started,
            direction,
            failed: None,
        })
    }

    fn first(&self) -> Option<KeyBytes> {
        let keys = self.sources.iter().map(|(key, _)| *key);
        match self.direction {
            Direction::Forward => keys.min(),
            Direction::Backward => keys.max(),
        }
    }
}

impl<I: Iterator<Item = Result<KeyBytes, StorageError>>> Iterator for Merge<I> {
    type Item = Result<KeyBytes, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.sources.clear();
            return Some(Err(error));
        }
        let first = self.first()?;
        let failed = &mut self.failed;
        self.sources.retain_mut(|(key, source)| {
            if first == *key {
                match source.next().transpose() {
                    Ok(Some(next)) => *key = next,
                    Ok(None) => return false,
                    Err(error) => {
                        *failed = Some(error);
                        return false;
                    }
                }
            }
            true
        });
        Some(Ok(first))
    }
}
