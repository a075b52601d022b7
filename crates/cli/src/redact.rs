//! Redaction of personal data and secrets in the output.
//!
//! - A table may be visible to other people. It shortens openids and shows only the length of free
//!   texts, unless the operator requests full values.
//! - JSON and CSV are for programs and contain the full values, because a program cannot
//!   recognise a shortened value.
//! - No output contains the value of a prepay, because anyone who knows it can open the payment.

use orderstore::{Metadata, OpenId};
use serde::Serialize;
use serde_json::{Map, Value};

/// Setting for the redaction of personal data.
#[derive(Clone, Copy)]
pub(crate) struct Redactor {
    /// Whether the output shows full values, because it is for programs or the operator requested
    /// them.
    pub(crate) shows_all: bool,
}

impl Redactor {
    /// Formats an openid. Redaction shortens the openid.
    pub(crate) fn openid(self, openid: &OpenId) -> String {
        let text = openid.as_str();
        if self.shows_all {
            return text.to_owned();
        }
        // Show no characters of an openid shorter than 12 bytes: three characters would reveal too
        // much.
        let start = text.get(..3).filter(|_| text.len() >= 12);
        format!("{}…", start.unwrap_or_default())
    }

    /// Formats a free text, which may contain personal data. Redaction shows only its length.
    pub(crate) fn text(self, text: &str) -> String {
        if self.shows_all || text.is_empty() {
            return text.to_owned();
        }
        of_length(text.as_bytes())
    }

    /// Formats the metadata of an order as text. Redaction shows only its length.
    pub(crate) fn metadata(self, metadata: &Metadata) -> String {
        if !self.shows_all && !metadata.is_empty() {
            return of_length(metadata.as_bytes());
        }
        match self.json(metadata) {
            Value::String(text) => text,
            hex => hex.to_string(),
        }
    }

    /// Converts a value of the library to JSON and removes the values of prepays. It does not
    /// redact personal data.
    pub(crate) fn json(self, value: &impl Serialize) -> Value {
        let mut json = serde_json::to_value(value).unwrap_or_default();
        remove_prepay_values(&mut json);
        json
    }
}

/// Removes the values of prepays at any depth of a JSON value.
fn remove_prepay_values(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(remove_prepay_values),
        Value::Object(fields) => remove_from_fields(fields),
        _ => {}
    }
}

fn remove_from_fields(fields: &mut Map<String, Value>) {
    // Only a prepay object has the field `validUntil`, so this object is a prepay.
    if fields.contains_key("validUntil") {
        fields.insert("value".to_owned(), Value::Null);
    }
    fields.values_mut().for_each(remove_prepay_values);
}

fn of_length(bytes: &[u8]) -> String {
    format!("({} bytes)", bytes.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAYER: &str = "oZWaC4xeOVCUkip5njeEeXi1TEsk";

    #[test]
    fn table_shortens_openids_and_texts() {
        let table = Redactor { shows_all: false };
        let openid = |text: &str| table.openid(&OpenId::parse(text).unwrap());
        assert_eq!(openid(PAYER), "oZW…");
        assert_eq!(openid("short"), "…");
        assert_eq!((&*table.text("茶"), &*table.text("")), ("(3 bytes)", ""));
        let metadata = |bytes: &[u8]| table.metadata(&Metadata::new(bytes).unwrap());
        assert_eq!(metadata(b"13800138000"), "(11 bytes)");
        assert_eq!(metadata(b""), "");
    }

    #[test]
    fn disabled_redactor_shows_full_values() {
        let full = Redactor { shows_all: true };
        assert_eq!(full.openid(&OpenId::parse(PAYER).unwrap()), PAYER);
        assert_eq!(full.text("茶"), "茶");
        let metadata = |bytes: &[u8]| full.metadata(&Metadata::new(bytes).unwrap());
        assert_eq!(metadata(b"13800138000"), "13800138000");
        assert_eq!(metadata(b"\xff\x00"), r#"{"hex":"ff00"}"#);
    }

    #[test]
    fn json_output_removes_only_prepay_values() {
        let event = json!({
            "_openid": PAYER, "metadata": "13800138000",
            "what": {"prepayRecorded": {"kind": "JSAPI", "value": "wx2014", "validUntil": 5}},
        });
        for shows_all in [false, true] {
            let json = Redactor { shows_all }.json(&event);
            assert_eq!(json["_openid"], PAYER);
            assert_eq!(json["metadata"], "13800138000");
            assert_eq!(json["what"]["prepayRecorded"]["value"], Value::Null);
            assert_eq!(json["what"]["prepayRecorded"]["validUntil"], 5);
        }
    }
}
