//! The committed OpenAPI document is the one that the types give.

use std::fs;
use std::path::Path;

/// `UPDATE_OPENAPI=1` writes the document instead of comparing it.
#[test]
fn committed_document_equals_generated_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let text = serde_json::to_string_pretty(&orderstore_server::document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        return fs::write(path, text).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == text,
        "run the test with UPDATE_OPENAPI=1, and review the change"
    );
}
