//! What every value's tests ask: does it survive both serialized forms unchanged?

use std::fmt::Debug;

use bincode::config::standard;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes the value in the binary form, reads it back, and expects the same value
/// with no byte left over, once from a slice, which lends its text, and once from a
/// reader, which cannot.
pub(super) fn binary_round_trip<T>(value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = bincode::serde::encode_to_vec(value, standard()).unwrap();
    let (borrowed, read): (T, usize) =
        bincode::serde::decode_from_slice(&bytes, standard()).unwrap();
    assert_eq!((&borrowed, read), (value, bytes.len()));
    let mut rest = bytes.as_slice();
    let owned: T = bincode::serde::decode_from_std_read(&mut rest, standard()).unwrap();
    assert_eq!((&owned, rest), (value, [].as_slice()));
}

/// Writes the value as JSON, compares with `json`, reads it back from text and tree.
pub(super) fn json_round_trip<T>(value: &T, json: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
    let tree = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(tree).unwrap(), value);
    let reader = json.as_bytes();
    assert_eq!(&serde_json::from_reader::<_, T>(reader).unwrap(), value);
}

/// Both round trips.
pub(super) fn round_trip<T>(value: &T, json: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    binary_round_trip(value);
    json_round_trip(value, json);
}

/// Expects that the binary form of `raw` is refused as a `T`, however it is read, and
/// that the same holds once the last byte is cut off.
pub(super) fn binary_refuses<T: DeserializeOwned>(raw: &impl Serialize) {
    let bytes = bincode::serde::encode_to_vec(raw, standard()).unwrap();
    for bytes in [bytes.as_slice(), &bytes[..bytes.len().saturating_sub(1)]] {
        assert!(bincode::serde::decode_from_slice::<T, _>(bytes, standard()).is_err());
        let mut rest = bytes;
        assert!(bincode::serde::decode_from_std_read::<T, _, _>(&mut rest, standard()).is_err());
    }
}

/// Expects that this JSON is refused as a `T`, and returns the message.
pub(super) fn json_refuses<T: DeserializeOwned>(json: &str) -> String {
    match serde_json::from_str::<T>(json) {
        Ok(_) => panic!("accepted {json}"),
        Err(error) => error.to_string(),
    }
}
