//! Signature and encryption of the channel's notifications. The platform signs them with its key
//! and encrypts them with a key that it shares with the merchant.
//!
//! Invariants:
//! - The signature is checked before anything is decrypted or read.
//! - Keys and contents never appear in `Debug` output or errors.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use orderstore::{Label, Timestamp};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

/// Maximum difference between a notification's timestamp and the clock.
const FRESH: Duration = Duration::from_secs(300);

const KEY_LEN: usize = 32;

const TIMESTAMP: &str = "wechatpay-timestamp";
const NONCE: &str = "wechatpay-nonce";
const SIGNATURE: &str = "wechatpay-signature";
const SERIAL: &str = "wechatpay-serial";

const PUBLIC_KEY_FILE: &str = "platform_key.der";
const SERIAL_FILE: &str = "platform_serial";
const API_KEY_FILE: &str = "api_v3_key";

/// Keys with which the merchant verifies and decrypts notifications.
#[derive(Clone)]
pub struct Seal {
    public_key: Vec<u8>,
    serial: String,
    api_key: [u8; KEY_LEN],
}

/// Keys with which the platform signs and encrypts notifications.
pub struct PlatformKey {
    pair: KeyPair,
    seal: Seal,
}

/// A notification as it is sent.
#[derive(Clone)]
pub struct Notification {
    /// HTTP headers.
    pub headers: Vec<(&'static str, String)>,
    /// HTTP body: JSON.
    pub body: String,
}

/// Subject of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The notification is about a payment.
    Transaction,
    /// The notification is about a refund.
    Refund,
}

/// A decrypted notification with a valid signature.
pub struct Opened {
    /// ID of the notification.
    pub id: Option<Label>,
    /// Subject of the notification.
    pub subject: Subject,
    /// Decrypted contents.
    pub json: Vec<u8>,
}

/// Reason why a notification is rejected. More variants may be added.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// A header is missing or unreadable.
    #[error("the header {0} is missing or malformed")]
    Header(&'static str),
    /// The timestamp is over 5 minutes off; somebody may have sent an old notification again.
    #[error(
        "the notification's timestamp differs from the server's clock by more than 5 minutes; if \
         this repeats, check the clock"
    )]
    NotFresh,
    /// The signing key is unknown.
    #[error(
        "the notification is signed with a key whose serial number is not in platform_serial: \
         if the channel changed its key, replace platform_key.der and platform_serial"
    )]
    OtherKey,
    /// The signature does not match.
    #[error("the signature is wrong: the platform did not send this, or platform_key.der is wrong")]
    BadSignature,
    /// The signed contents are not a notification.
    #[error("the signed contents are not a notification")]
    Malformed,
    /// The contents cannot be decrypted.
    #[error("the contents cannot be decrypted")]
    NotDecrypted,
    /// A key cannot be generated or used.
    #[error("a key cannot be generated or used")]
    Key,
    /// A key file cannot be read or written.
    #[error("platform_key.der, platform_serial or api_v3_key cannot be read or written")]
    File(#[from] std::io::Error),
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    resource: Resource,
}

#[derive(Deserialize)]
struct Resource {
    ciphertext: String,
    nonce: String,
    #[serde(default)]
    associated_data: String,
    original_type: String,
}

impl Seal {
    /// Reads the keys that [`PlatformKey::write_for_merchant`] wrote.
    ///
    /// # Errors
    /// [`SealError::File`]; [`SealError::Key`] if the shared key is not 32 bytes long.
    pub fn read(dir: &Path) -> Result<Self, SealError> {
        let api_key = std::fs::read(dir.join(API_KEY_FILE))?;
        let serial = std::fs::read_to_string(dir.join(SERIAL_FILE))?;
        Ok(Self {
            public_key: std::fs::read(dir.join(PUBLIC_KEY_FILE))?,
            serial: serial.trim().to_owned(),
            api_key: api_key.try_into().map_err(|_| SealError::Key)?,
        })
    }

    /// Checks the signature of a notification, then decrypts the notification.
    ///
    /// # Errors
    /// [`SealError`]; the caller must not trust the notification then.
    pub fn open(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Opened, SealError> {
        self.check(headers, body, now)?;
        let envelope: Envelope = serde_json::from_slice(body).map_err(|_| SealError::Malformed)?;
        let subject = match envelope.resource.original_type.as_str() {
            "transaction" => Subject::Transaction,
            "refund" => Subject::Refund,
            _ => return Err(SealError::Malformed),
        };
        Ok(Opened {
            id: Label::lossy(&envelope.id),
            subject,
            json: self.decrypt(&envelope.resource)?,
        })
    }

    fn check(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), SealError> {
        let timestamp = header(headers, TIMESTAMP)?;
        let seconds: i64 = timestamp
            .parse()
            .map_err(|_| SealError::Header(TIMESTAMP))?;
        let sent = seconds.checked_mul(1000).map(Timestamp::from_millis);
        let Some(Ok(sent)) = sent else {
            return Err(SealError::Header(TIMESTAMP));
        };
        if sent.since(now).max(now.since(sent)) > FRESH {
            return Err(SealError::NotFresh);
        }
        if header(headers, SERIAL)? != self.serial {
            return Err(SealError::OtherKey);
        }
        let signature = BASE64.decode(header(headers, SIGNATURE)?);
        let signature = signature.map_err(|_| SealError::Header(SIGNATURE))?;
        let signed = signed_text(timestamp, header(headers, NONCE)?, body);
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key)
            .verify(&signed, &signature)
            .map_err(|_| SealError::BadSignature)
    }

    fn decrypt(&self, resource: &Resource) -> Result<Vec<u8>, SealError> {
        let mut text = BASE64
            .decode(&resource.ciphertext)
            .map_err(|_| SealError::Malformed)?;
        let nonce = Nonce::try_assume_unique_for_key(resource.nonce.as_bytes())
            .map_err(|_| SealError::Malformed)?;
        let aad = Aad::from(resource.associated_data.as_bytes());
        let plain = self.cipher()?.open_in_place(nonce, aad, &mut text);
        let length = plain.map_err(|_| SealError::NotDecrypted)?.len();
        text.truncate(length);
        Ok(text)
    }

    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, &self.api_key).map_err(|_| SealError::Key)?;
        Ok(LessSafeKey::new(key))
    }
}

impl PlatformKey {
    /// Generates the platform's key pair and the key that it shares with the merchant.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn generate() -> Result<Self, SealError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| SealError::Key)?;
        let public_key = pair.public_key().as_ref().to_vec();
        let mut api_key = [0; KEY_LEN];
        fill(&mut api_key).map_err(|_| SealError::Key)?;
        let serial = hex(digest(&SHA256, &public_key).as_ref());
        let seal = Seal {
            public_key,
            serial,
            api_key,
        };
        Ok(Self { pair, seal })
    }

    /// Returns the merchant's keys.
    #[must_use]
    pub fn seal(&self) -> Seal {
        self.seal.clone()
    }

    /// Writes the merchant's keys into a directory, for [`Seal::read`].
    ///
    /// # Errors
    /// [`SealError::File`].
    pub fn write_for_merchant(&self, dir: &Path) -> Result<(), SealError> {
        std::fs::write(dir.join(PUBLIC_KEY_FILE), &self.seal.public_key)?;
        std::fs::write(dir.join(SERIAL_FILE), &self.seal.serial)?;
        Ok(std::fs::write(dir.join(API_KEY_FILE), self.seal.api_key)?)
    }

    /// Creates a notification of `resource`, encrypted and signed with the time `now`.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn notify(
        &self,
        subject: Subject,
        event_type: &str,
        resource: Vec<u8>,
        now: Timestamp,
    ) -> Result<Notification, SealError> {
        let original_type = match subject {
            Subject::Transaction => "transaction",
            Subject::Refund => "refund",
        };
        let nonce = nonce()?;
        let body = json!({
            "id": random_text::<16>()?,
            "create_time": now.to_string(),
            "resource_type": "encrypt-resource",
            "event_type": event_type,
            "resource": {
                "algorithm": "AEAD_AES_256_GCM",
                "original_type": original_type,
                "associated_data": original_type,
                "ciphertext": self.encrypt(resource, &nonce, original_type)?,
                "nonce": nonce,
            },
        });
        self.sign(body.to_string(), now)
    }

    fn encrypt(&self, mut text: Vec<u8>, nonce: &str, aad: &str) -> Result<String, SealError> {
        let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes());
        let nonce = nonce.map_err(|_| SealError::Key)?;
        let aad = Aad::from(aad.as_bytes());
        self.seal
            .cipher()?
            .seal_in_place_append_tag(nonce, aad, &mut text)
            .map_err(|_| SealError::Key)?;
        Ok(BASE64.encode(text))
    }

    fn sign(&self, body: String, now: Timestamp) -> Result<Notification, SealError> {
        let timestamp = (now.as_millis() / 1000).to_string();
        let nonce = random_text::<16>()?;
        let signed = signed_text(&timestamp, &nonce, body.as_bytes());
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, &signed, &mut signature)
            .map_err(|_| SealError::Key)?;
        let headers = vec![
            (TIMESTAMP, timestamp),
            (NONCE, nonce),
            (SIGNATURE, BASE64.encode(signature)),
            (SERIAL, self.seal.serial.clone()),
        ];
        Ok(Notification { headers, body })
    }
}

/// Returns the text that the platform signs.
fn signed_text(timestamp: &str, nonce: &str, body: &[u8]) -> Vec<u8> {
    [timestamp.as_bytes(), nonce.as_bytes(), body]
        .into_iter()
        .flat_map(|part| [part, b"\n".as_slice()])
        .collect::<Vec<_>>()
        .concat()
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, SealError> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or(SealError::Header(name))
}

/// Returns a random nonce as text.
fn nonce() -> Result<String, SealError> {
    let mut bytes = [0; NONCE_LEN / 4 * 3];
    fill(&mut bytes).map_err(|_| SealError::Key)?;
    Ok(BASE64.encode(bytes))
}

/// Returns `BYTES` random bytes in hexadecimal digits.
fn random_text<const BYTES: usize>() -> Result<String, SealError> {
    let mut bytes = [0; BYTES];
    fill(&mut bytes).map_err(|_| SealError::Key)?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Implements `Debug` without any field, so that keys and contents stay out of logs.
macro_rules! shows_nothing {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

shows_nothing!(Seal, PlatformKey, Notification, Opened);

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const NOW: i64 = 1_750_000_000_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    fn sent(key: &PlatformKey) -> (HeaderMap, Vec<u8>) {
        let notification = key
            .notify(
                Subject::Transaction,
                "TRANSACTION.SUCCESS",
                b"{}".to_vec(),
                at(NOW),
            )
            .unwrap();
        let headers = notification.headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        });
        (headers.collect(), notification.body.into_bytes())
    }

    #[test]
    fn signed_and_encrypted_notification_is_read() {
        let key = PlatformKey::generate().unwrap();
        let (headers, body) = sent(&key);
        let opened = key.seal().open(&headers, &body, at(NOW + 1000)).unwrap();
        assert_eq!(
            (opened.json.as_slice(), opened.subject),
            (b"{}".as_slice(), Subject::Transaction)
        );
        assert!(opened.id.is_some());
    }

    #[test]
    fn notification_with_changed_byte_is_rejected() {
        let key = PlatformKey::generate().unwrap();
        let seal = key.seal();
        let (headers, body) = sent(&key);
        for at_byte in 0..body.len() {
            let mut body = body.clone();
            body[at_byte] ^= 1;
            let refused = seal.open(&headers, &body, at(NOW));
            assert!(matches!(refused, Err(SealError::BadSignature)), "{at_byte}");
        }
        for name in [TIMESTAMP, NONCE, SIGNATURE, SERIAL] {
            let mut changed = headers.clone();
            let mut value = changed[name].as_bytes().to_vec();
            let last = value.last_mut().unwrap();
            *last = if *last == b'1' { b'2' } else { b'1' };
            changed.insert(name, HeaderValue::from_bytes(&value).unwrap());
            assert!(seal.open(&changed, &body, at(NOW)).is_err(), "{name}");
            changed.remove(name);
            let missing = seal.open(&changed, &body, at(NOW));
            assert!(matches!(missing, Err(SealError::Header(found)) if found == name));
        }
    }

    #[test]
    fn notification_signed_by_other_key_is_rejected() {
        let (key, other) = (
            PlatformKey::generate().unwrap(),
            PlatformKey::generate().unwrap(),
        );
        let (mut headers, body) = sent(&other);
        let refused = key.seal().open(&headers, &body, at(NOW));
        assert!(matches!(refused, Err(SealError::OtherKey)));
        let serial = HeaderValue::from_str(&key.seal.serial).unwrap();
        headers.insert(SERIAL, serial);
        let refused = key.seal().open(&headers, &body, at(NOW));
        assert!(matches!(refused, Err(SealError::BadSignature)));
    }

    #[test]
    fn notification_over_five_minutes_off_is_rejected() {
        let key = PlatformKey::generate().unwrap();
        let (headers, body) = sent(&key);
        for (off, fresh) in [
            (-300_000, true),
            (300_000, true),
            (-301_000, false),
            (301_000, false),
        ] {
            let opened = key.seal().open(&headers, &body, at(NOW + off));
            assert_eq!(opened.is_ok(), fresh, "{off}");
        }
    }

    #[test]
    fn notification_for_another_key_is_not_decrypted() {
        let key = PlatformKey::generate().unwrap();
        let (headers, body) = sent(&key);
        let mut seal = key.seal();
        seal.api_key[0] ^= 1;
        let refused = seal.open(&headers, &body, at(NOW));
        assert!(matches!(refused, Err(SealError::NotDecrypted)));
    }

    #[test]
    fn merchant_keys_round_trip_and_debug_hides_them() {
        let dir = tempfile::tempdir().unwrap();
        let key = PlatformKey::generate().unwrap();
        key.write_for_merchant(dir.path()).unwrap();
        let seal = Seal::read(dir.path()).unwrap();
        let (headers, body) = sent(&key);
        assert!(seal.open(&headers, &body, at(NOW)).is_ok());
        assert_eq!(
            format!("{seal:?} {key:?}"),
            "Seal { .. } PlatformKey { .. }"
        );
    }
}
