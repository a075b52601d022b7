//! What is shown of personal data: openids in their short form, texts by their length, unless
//! the operator asks for more.

use orderstore::OpenId;
use serde::Serialize;
use serde_json::{Map, Value};

/// Whether personal data is shown.
#[derive(Clone, Copy)]
pub(crate) struct Veil {
    /// It is, since the operator asked for it.
    pub(crate) lifted: bool,
}

impl Veil {
    /// An openid, as far as it is shown.
    pub(crate) fn openid(self, openid: &OpenId) -> String {
        if self.lifted {
            return openid.as_str().to_owned();
        }
        format!("{openid:?}")
    }

    /// A text in which people put what they should not, as far as it is shown.
    pub(crate) fn text(self, text: &str) -> String {
        if self.lifted || text.is_empty() {
            return text.to_owned();
        }
        of_length(text)
    }

    /// Anything of the library's as JSON, as far as it is shown. Whoever holds the value of a
    /// prepay can open the payment: it is shown to nobody.
    pub(crate) fn json(self, value: &impl Serialize) -> Value {
        let mut json = serde_json::to_value(value).unwrap_or_default();
        self.cover(&mut json);
        json
    }

    fn cover(self, json: &mut Value) {
        match json {
            Value::Array(items) => items.iter_mut().for_each(|item| self.cover(item)),
            Value::Object(fields) => self.cover_fields(fields),
            _ => {}
        }
    }

    fn cover_fields(self, fields: &mut Map<String, Value>) {
        let is_prepay = fields.contains_key("validUntil");
        for (name, value) in fields {
            match (name.as_str(), &mut *value) {
                ("_openid" | "openid", Value::String(text)) => {
                    let openid = OpenId::parse(text).map(|openid| self.openid(&openid));
                    *value = openid.unwrap_or_default().into();
                }
                ("value", Value::String(text)) if is_prepay => *value = of_length(text).into(),
                ("attach" | "metadata" | "annotated", Value::String(text)) => {
                    *value = self.text(text).into();
                }
                ("metadata" | "annotated", Value::Object(_)) if !self.lifted => {
                    *value = "(bytes)".into();
                }
                (_, value) => self.cover(value),
            }
        }
    }
}

fn of_length(text: &str) -> String {
    format!("({} bytes)", text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAYER: &str = "oZWaC4xeOVCUkip5njeEeXi1TEsk";

    #[test]
    fn what_is_personal_is_covered_however_deep() {
        let order = json!({
            "_openid": PAYER, "metadata": "13800138000", "attach": "a",
            "payment": {"openid": PAYER, "paidFee": 7},
            "anomalies": [{"payment": {"openid": PAYER}}],
            "prepay": {"kind": "JSAPI", "value": "wx2014", "validUntil": 5},
        });
        let covered = Veil { lifted: false }.json(&order);
        assert!(!covered.to_string().contains(PAYER));
        assert!(!covered.to_string().contains("13800138000"));
        assert_eq!(covered["_openid"], "OpenId(oZW…)");
        assert_eq!(covered["metadata"], "(11 bytes)");
        assert_eq!(covered["payment"]["paidFee"], 7);
        let lifted = Veil { lifted: true }.json(&order);
        assert_eq!(lifted["anomalies"][0]["payment"]["openid"], PAYER);
        assert_eq!(lifted["metadata"], "13800138000");
        assert_eq!(lifted["prepay"]["value"], "(6 bytes)");
    }

    #[test]
    fn bytes_that_are_no_text_are_covered_as_well() {
        let event = json!({"annotated": {"hex": "ff00"}});
        assert_eq!(Veil { lifted: false }.json(&event)["annotated"], "(bytes)");
        assert_eq!(
            Veil { lifted: true }.json(&event)["annotated"]["hex"],
            "ff00"
        );
    }
}
