//! Check of a reply against the OpenAPI document.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

/// The document, in which no object may have further properties: an undocumented field fails.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = orderstore_server::document();
    close(&mut document["components"]["schemas"]);
    document
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, Validator>>> = LazyLock::new(Mutex::default);

fn close(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("properties").is_some_and(Value::is_object)
                && fields.get("type").is_some()
            {
                fields.entry("additionalProperties").or_insert(json!(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Checks the body of a reply. A path without a route can only get a problem.
pub(crate) fn check_reply(method: &str, path: &str, status: u16, body: &Value) {
    let path = path.split('?').next().unwrap();
    if status != 200 {
        return check("Problem", body);
    }
    let (template, item) = route(path).unwrap_or_else(|| panic!("{path} is not documented"));
    let operation = &item[method.to_lowercase()];
    let content = &operation["responses"]["200"]["content"]["application/json"];
    let Some(reference) = content["schema"]["$ref"].as_str() else {
        panic!("{method} {template} has no documented reply");
    };
    check(reference.rsplit('/').next().unwrap(), body);
}

/// Checks a value against a schema of the document.
pub(crate) fn check(name: &str, value: &Value) {
    let errors = errors(name, value);
    assert!(errors.is_empty(), "{value:#} is no {name}: {errors:?}");
}

fn errors(name: &str, value: &Value) -> Vec<String> {
    let mut validators = VALIDATORS.lock().unwrap();
    let validator = validators.entry(name.to_owned()).or_insert_with(|| {
        let schema = json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": DOCUMENT["components"],
        });
        jsonschema::draft202012::new(&schema).unwrap()
    });
    let errors = validator.iter_errors(value);
    errors
        .map(|error| format!("{error} at {}", error.instance_path))
        .collect()
}

/// Returns the documented path that fits a requested path.
fn route(path: &str) -> Option<(&'static str, &'static Value)> {
    let fits = |template: &str| {
        let (asked, known) = (path.split('/'), template.split('/'));
        asked.clone().count() == known.clone().count()
            && asked
                .zip(known)
                .all(|(asked, known)| known.starts_with('{') || asked == known)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // A path without parameters goes first, as in the router.
    let exact = paths.get_key_value(path);
    let found = exact.or_else(|| paths.iter().find(|(template, _)| fits(template)));
    found.map(|(template, item)| (template.as_str(), item))
}

#[test]
fn undocumented_field_fails_check() {
    let is_refused = |value: Value| !errors("Alive", &value).is_empty();
    assert!(!is_refused(json!({ "status": "ok" })));
    assert!(is_refused(json!({ "status": "ok", "more": 1 })));
    assert!(is_refused(json!({})));
}
