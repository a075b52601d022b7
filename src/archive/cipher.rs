//! Encryption of an archive's objects.

use std::fmt;

use crate::error::StorageError;

/// Key of an archive, or none.
#[derive(Clone, Default)]
pub(crate) struct Cipher {
    #[cfg(feature = "archive")]
    key: Option<chacha20poly1305::Key>,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher").finish_non_exhaustive()
    }
}

#[cfg(feature = "archive")]
impl Cipher {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        let key = Some(key.into());
        Self { key }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.key.is_some()
    }

    /// Encrypts `body`. The result starts with the nonce. `context` is not encrypted, but a reader
    /// needs the same one. `None` without a key.
    pub(crate) fn encrypt(
        &self,
        context: &[u8],
        body: &[u8],
    ) -> Result<Option<Vec<u8>>, StorageError> {
        use chacha20poly1305::aead::{Aead, Payload};
        use chacha20poly1305::{KeyInit, XChaCha20Poly1305};

        let Some(key) = &self.key else {
            return Ok(None);
        };
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)
            .map_err(|error| StorageError::from(std::io::Error::from(error)))?;
        let payload = Payload {
            msg: body,
            aad: context,
        };
        let encrypted = XChaCha20Poly1305::new(key).encrypt(&nonce.into(), payload);
        let encrypted = encrypted.map_err(|_| {
            let kind = crate::error::StorageErrorKind::Internal;
            StorageError::new(kind, "an object of the archive could not be encrypted")
        })?;
        Ok(Some([&nonce[..], &encrypted].concat()))
    }

    /// Decrypts what [`Cipher::encrypt`] has returned. `None` if the key or the context is another
    /// one, or if the bytes have changed.
    pub(crate) fn decrypt(&self, context: &[u8], encrypted: &[u8]) -> Option<Vec<u8>> {
        use chacha20poly1305::aead::{Aead, Payload};
        use chacha20poly1305::{KeyInit, XChaCha20Poly1305};

        let key = self.key.as_ref()?;
        let (nonce, msg) = encrypted.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload { msg, aad: context };
        XChaCha20Poly1305::new(key)
            .decrypt(nonce.into(), payload)
            .ok()
    }
}

#[cfg(feature = "archive")]
const NONCE_LEN: usize = 24;

#[cfg(not(feature = "archive"))]
#[expect(clippy::unused_self, reason = "same methods as with the feature")]
impl Cipher {
    pub(crate) const fn is_on(&self) -> bool {
        false
    }

    #[expect(clippy::unnecessary_wraps, reason = "same methods as with the feature")]
    pub(crate) const fn encrypt(
        &self,
        _context: &[u8],
        _body: &[u8],
    ) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(None)
    }

    pub(crate) const fn decrypt(&self, _context: &[u8], _encrypted: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
