//! What an answer holds of personal data, and of secrets.
//!
//! - A table is for people, and a screen has onlookers. It has openids in a short form and
//!   texts by their length, unless the operator asks for more.
//! - JSON and CSV are for programs. They hold the values themselves: a program cannot tell a
//!   short form from a value.
//! - Whoever holds the value of a prepay can open the payment: no answer holds it.

use orderstore::{Metadata, OpenId};
use serde::Serialize;
use serde_json::{Map, Value};

/// Whether personal data is shown.
#[derive(Clone, Copy)]
pub(crate) struct Redactor {
    /// It is: the answer is for programs, or the operator asked for it.
    pub(crate) lifted: bool,
}

impl Redactor {
    /// An openid, as far as it is shown.
    pub(crate) fn openid(self, openid: &OpenId) -> String {
        let text = openid.as_str();
        if self.lifted {
            return text.to_owned();
        }
        // Three characters of a short openid would be most of it.
        let start = text.get(..3).filter(|_| text.len() >= 12);
        format!("{}…", start.unwrap_or_default())
    }

    /// A text in which people put what they should not, as far as it is shown.
    pub(crate) fn text(self, text: &str) -> String {
        if self.lifted || text.is_empty() {
            return text.to_owned();
        }
        of_length(text.as_bytes())
    }

    /// The caller's own bytes, as far as they are shown.
    pub(crate) fn metadata(self, metadata: &Metadata) -> String {
        if !self.lifted && !metadata.is_empty() {
            return of_length(metadata.as_bytes());
        }
        match self.json(metadata) {
            Value::String(text) => text,
            hex => hex.to_string(),
        }
    }

    /// Anything of the library's as JSON, for programs, without the values of prepays.
    pub(crate) fn json(self, value: &impl Serialize) -> Value {
        let mut json = serde_json::to_value(value).unwrap_or_default();
        cover(&mut json);
        json
    }
}

/// Takes the values of prepays out, however deep they stand.
fn cover(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(cover),
        Value::Object(fields) => cover_fields(fields),
        _ => {}
    }
}

fn cover_fields(fields: &mut Map<String, Value>) {
    if fields.contains_key("validUntil") {
        fields.insert("value".to_owned(), Value::Null);
    }
    fields.values_mut().for_each(cover);
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
    fn table_shortens_openids_and_measures_texts() {
        let table = Redactor { lifted: false };
        let openid = |text: &str| table.openid(&OpenId::parse(text).unwrap());
        assert_eq!(openid(PAYER), "oZW…");
        assert_eq!(openid("short"), "…");
        assert_eq!((&*table.text("茶"), &*table.text("")), ("(3 bytes)", ""));
        let metadata = |bytes: &[u8]| table.metadata(&Metadata::new(bytes).unwrap());
        assert_eq!(metadata(b"13800138000"), "(11 bytes)");
        assert_eq!(metadata(b""), "");
    }

    #[test]
    fn lifted_veil_shows_the_values() {
        let lifted = Redactor { lifted: true };
        assert_eq!(lifted.openid(&OpenId::parse(PAYER).unwrap()), PAYER);
        assert_eq!(lifted.text("茶"), "茶");
        let metadata = |bytes: &[u8]| lifted.metadata(&Metadata::new(bytes).unwrap());
        assert_eq!(metadata(b"13800138000"), "13800138000");
        assert_eq!(metadata(b"\xff\x00"), r#"{"hex":"ff00"}"#);
    }

    #[test]
    fn json_holds_every_value_but_that_of_a_prepay() {
        let event = json!({
            "_openid": PAYER, "metadata": "13800138000",
            "what": {"prepayRecorded": {"kind": "JSAPI", "value": "wx2014", "validUntil": 5}},
        });
        for lifted in [false, true] {
            let json = Redactor { lifted }.json(&event);
            assert_eq!(json["_openid"], PAYER);
            assert_eq!(json["metadata"], "13800138000");
            assert_eq!(json["what"]["prepayRecorded"]["value"], Value::Null);
            assert_eq!(json["what"]["prepayRecorded"]["validUntil"], 5);
        }
    }
}
