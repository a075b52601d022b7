//! Test helpers for every value type: round trips and rejections in both serialized forms.

use std::fmt::Debug;

use bincode::config::standard;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Checks that the binary form decodes to the same value and leaves no byte over.
///
/// It decodes once from a slice, where serde can borrow the text, and once from a reader,
/// where serde cannot.
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

/// Checks that the value serializes to `json` and that it reads back from a text, a
/// `serde_json::Value` and a reader.
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

/// Checks the binary and the JSON round trip.
pub(super) fn round_trip<T>(value: &T, json: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    binary_round_trip(value);
    json_round_trip(value, json);
}

/// Checks that decoding the binary form of `raw` as a `T` fails from a slice and from a
/// reader, with and without its last byte.
pub(super) fn binary_refuses<T: DeserializeOwned>(raw: &impl Serialize) {
    let bytes = bincode::serde::encode_to_vec(raw, standard()).unwrap();
    for bytes in [bytes.as_slice(), &bytes[..bytes.len().saturating_sub(1)]] {
        assert!(bincode::serde::decode_from_slice::<T, _>(bytes, standard()).is_err());
        let mut rest = bytes;
        assert!(bincode::serde::decode_from_std_read::<T, _, _>(&mut rest, standard()).is_err());
    }
}

/// Checks that decoding this JSON as a `T` fails. Returns the error message.
pub(super) fn json_refuses<T: DeserializeOwned>(json: &str) -> String {
    match serde_json::from_str::<T>(json) {
        Ok(_) => panic!("accepted {json}"),
        Err(error) => error.to_string(),
    }
}
