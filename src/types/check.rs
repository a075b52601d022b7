//! Test helpers for every value type: round trips and rejections in JSON.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Checks that the value serializes to `json`, and that a text, a `serde_json::Value` and a reader
/// with this JSON deserialize to the value.
pub(super) fn round_trip<T>(value: &T, json: &str)
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

/// Checks that decoding this JSON as a `T` fails. Returns the error message.
pub(super) fn json_refuses<T: DeserializeOwned>(json: &str) -> String {
    match serde_json::from_str::<T>(json) {
        Ok(_) => panic!("accepted {json}"),
        Err(error) => error.to_string(),
    }
}
