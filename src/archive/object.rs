//! Objects of an archive: how their bytes are checked and encrypted.
//!
//! ```text
//!  0  magic "ordarchv"      16  store id         16 bytes
//!  8  format        u32     32  body; with encryption: nonce, then the encrypted body
//! 12  encrypted?    u8          checksum of the name and all bytes before   u32
//! 13  zeros         3 bytes
//! ```
//! The checksum and the encryption cover the name: an object under another name is corrupt.

use std::iter;

use super::Archive;
use crate::error::{StorageError, StorageErrorKind, with_causes};

const MAGIC: &[u8; 8] = b"ordarchv";
const FORMAT: u32 = 1;
const HEAD_LEN: usize = 32;

/// Reads and writes the objects of one store.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    pub(crate) archive: Archive,
    pub(crate) store_id: [u8; 16],
}

/// Name of the object that all others belong to.
const STORE: &str = "store";

/// Adds the name of the object to a failure of the storage.
fn failed(what: &str, name: &str, error: std::io::Error) -> StorageError {
    let kind = error.kind();
    let why = format!(
        "cannot {what} {name} in the archive: {}",
        with_causes(&error)
    );
    std::io::Error::new(kind, why).into()
}

impl Objects {
    /// Objects of the store that an archive belongs to. `None` if the archive is empty.
    pub(crate) fn of(archive: &Archive) -> Result<Option<Self>, StorageError> {
        let found = archive.storage.get(STORE);
        let Some(bytes) = found.map_err(|error| failed("read", STORE, error))? else {
            return Ok(None);
        };
        let store_id = bytes.get(16..).and_then(<[u8]>::first_chunk);
        let store_id = *store_id.ok_or_else(|| corrupt(STORE, "it is too short"))?;
        let objects = Self {
            archive: archive.clone(),
            store_id,
        };
        objects.decode(STORE, &bytes)?;
        Ok(Some(objects))
    }

    /// Makes an empty archive that of a store.
    pub(crate) fn begin(archive: &Archive, store_id: [u8; 16]) -> Result<Self, StorageError> {
        let objects = Self {
            archive: archive.clone(),
            store_id,
        };
        objects.put_if_absent(STORE, &[])?;
        Ok(objects)
    }

    /// Returns the body of an object. `None` if there is no object with this name.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.archive.storage.get(name);
        let found = found.map_err(|error| failed("read", name, error))?;
        found.map(|bytes| self.decode(name, &bytes)).transpose()
    }

    /// Returns the body of an object that must exist.
    pub(crate) fn need(&self, name: &str) -> Result<Vec<u8>, StorageError> {
        self.get(name)?
            .ok_or_else(|| corrupt(name, "it is missing"))
    }

    /// Writes an object and returns its size in bytes.
    pub(crate) fn put(&self, name: &str, body: &[u8]) -> Result<u64, StorageError> {
        let bytes = self.encode(name, body)?;
        let put = self.archive.storage.put(name, &bytes);
        put.map_err(|error| failed("write", name, error))?;
        Ok(crate::number::u64_of(bytes.len()))
    }

    /// Writes an object if there is none. Returns whether an object with this body is there now.
    pub(crate) fn put_if_absent(&self, name: &str, body: &[u8]) -> Result<bool, StorageError> {
        let bytes = self.encode(name, body)?;
        match self.archive.storage.put_if_absent(name, &bytes) {
            Ok(true) => Ok(true),
            // After an error, the object may be there. A repeated attempt then finds its own object.
            Ok(false) => Ok(self.get(name)?.as_deref() == Some(body)),
            Err(error) => match self.get(name) {
                Ok(Some(found)) => Ok(found == body),
                _ => Err(failed("write", name, error)),
            },
        }
    }

    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<super::ArchiveObject>, StorageError> {
        let listed = self.archive.storage.list(prefix);
        listed.map_err(|error| failed("list", prefix, error))
    }

    /// Lists the objects after a name, in their order. Reads the list in parts. Ends after a failure.
    pub(crate) fn each_after(
        &self,
        prefix: String,
        mut after: String,
    ) -> impl Iterator<Item = Result<super::ArchiveObject, StorageError>> {
        let (mut part, mut has_failed) = (Vec::new().into_iter(), false);
        iter::from_fn(move || {
            if has_failed {
                return None;
            }
            if part.len() == 0 {
                match self.list_after(&prefix, &after) {
                    Ok(listed) => part = listed.into_iter(),
                    Err(cause) => {
                        has_failed = true;
                        return Some(Err(cause));
                    }
                }
            }
            let next: super::ArchiveObject = part.next()?;
            after.clone_from(&next.name);
            Some(Ok(next))
        })
    }

    /// Lists the first objects after a name. Empty at the end.
    pub(crate) fn list_after(
        &self,
        prefix: &str,
        after: &str,
    ) -> Result<Vec<super::ArchiveObject>, StorageError> {
        let listed = self.archive.storage.list_after(prefix, after);
        listed.map_err(|error| failed("list", prefix, error))
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), StorageError> {
        let deleted = self.archive.storage.delete(name);
        deleted.map_err(|error| failed("delete", name, error))
    }

    fn encode(&self, name: &str, body: &[u8]) -> Result<Vec<u8>, StorageError> {
        let mut bytes = Vec::with_capacity(HEAD_LEN + body.len() + 64);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[u8::from(self.archive.cipher.is_on()), 0, 0, 0]);
        bytes.extend_from_slice(&self.store_id);
        let context = [name.as_bytes(), &bytes].concat();
        match self.archive.cipher.encrypt(&context, body)? {
            Some(encrypted) => bytes.extend_from_slice(&encrypted),
            None => bytes.extend_from_slice(body),
        }
        let checksum = checksum(name, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    fn decode(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, StorageError> {
        let split = bytes.split_last_chunk::<4>();
        let (covered, sum) = split.ok_or_else(|| corrupt(name, "it is too short"))?;
        if checksum(name, covered) != u32::from_le_bytes(*sum) {
            return Err(corrupt(name, "it does not match its checksum"));
        }
        let read = (|| {
            let (head, body) = covered.split_first_chunk::<HEAD_LEN>()?;
            let (format, rest) = head.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
            let ([is_encrypted, ..], store_id) = rest.split_first_chunk::<4>()?;
            let is_encrypted = *is_encrypted != 0;
            Some((
                u32::from_le_bytes(*format),
                is_encrypted,
                store_id,
                head,
                body,
            ))
        })();
        let Some((format, is_encrypted, store_id, head, body)) = read else {
            return Err(corrupt(name, "it is no object of an order store"));
        };
        if format != FORMAT {
            let why = format!("it has format {format}; this version reads format {FORMAT}");
            return Err(corrupt(name, &why));
        }
        if *store_id != self.store_id {
            return Err(refused(name, "it belongs to another store"));
        }
        match (is_encrypted, self.archive.cipher.is_on()) {
            (false, false) => Ok(body.to_vec()),
            (false, true) => Err(refused(name, "it is not encrypted, but a key was given")),
            (true, false) => Err(refused(
                name,
                "it is encrypted: give the key of the archive",
            )),
            (true, true) => {
                let context = [name.as_bytes(), head].concat();
                let body = self.archive.cipher.decrypt(&context, body);
                body.ok_or_else(|| refused(name, "it was encrypted with another key"))
            }
        }
    }
}

fn checksum(name: &str, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// Error for an object that this store or this key does not fit.
fn refused(name: &str, why: &str) -> StorageError {
    let why = format!("object {name} of the archive: {why}");
    StorageError::new(StorageErrorKind::Io, why).permanent()
}

/// Error for a corrupt object.
pub(crate) fn corrupt(name: &str, why: &str) -> StorageError {
    StorageError::corrupted(format!("object {name} of the archive: {why}"))
}

#[cfg(test)]
mod tests {
    use super::super::MemoryArchive;
    use super::*;

    fn objects(archive: Archive) -> Objects {
        Objects::begin(&archive, [7; 16]).unwrap()
    }

    #[test]
    fn object_read_detects_every_flipped_bit_and_another_name() {
        let memory = MemoryArchive::default();
        let plain = objects(Archive::new(memory.clone()));
        plain.put("wal/1/1", b"body").unwrap();
        assert_eq!(plain.get("wal/1/1").unwrap().unwrap(), b"body");
        let bytes = memory.get("wal/1/1").unwrap().unwrap();
        for at in 0..bytes.len() {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 1;
            memory.put("wal/1/1", &corrupt).unwrap();
            plain.get("wal/1/1").unwrap_err();
            memory.put("wal/1/1", &bytes[..at]).unwrap();
            plain.get("wal/1/1").unwrap_err();
        }
        memory.put("wal/1/2", &bytes).unwrap();
        assert!(plain.get("wal/1/2").unwrap_err().is_corrupt());
        let other = Objects {
            store_id: [8; 16],
            ..plain
        };
        memory.put("wal/1/1", &bytes).unwrap();
        assert!(with_causes(&other.get("wal/1/1").unwrap_err()).contains("another store"));
    }

    use super::super::ArchiveStorage;

    #[cfg(feature = "archive")]
    #[test]
    fn encrypted_object_needs_its_key_and_shows_nothing() {
        let memory = MemoryArchive::default();
        let key = |byte| Archive::new(memory.clone()).key([byte; 32]);
        let own = objects(key(1));
        own.put("wal/1/1", b"the openid").unwrap();
        let bytes = memory.get("wal/1/1").unwrap().unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"openid"));
        assert_eq!(own.get("wal/1/1").unwrap().unwrap(), b"the openid");
        for (archive, why) in [
            (key(2), "another key"),
            (Archive::new(memory.clone()), "give the key"),
        ] {
            let other = Objects {
                archive: archive.clone(),
                store_id: [7; 16],
            };
            let error = other.get("wal/1/1").unwrap_err();
            assert!(with_causes(&error).contains(why), "{error:?}");
            assert!(Objects::of(&archive).is_err());
        }
        let plain = Objects::begin(&Archive::new(MemoryArchive::default()), [7; 16]).unwrap();
        plain.put("a/b", b"x").unwrap();
        let keyed = Objects {
            archive: plain.archive.clone().key([1; 32]),
            store_id: [7; 16],
        };
        assert!(with_causes(&keyed.get("a/b").unwrap_err()).contains("not encrypted"));
    }
}
