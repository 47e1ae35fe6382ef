//! What JSON Schemas of requests and replies have in common.

use serde_json::Value;

/// The most references that are followed from one schema.
const MAX_REFERENCES: usize = 8;

/// Follows `$ref` within the document, a few steps at most.
pub fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..MAX_REFERENCES {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        match target.and_then(|path| root.pointer(path)) {
            Some(found) => schema = found,
            None => break,
        }
    }
    schema
}
