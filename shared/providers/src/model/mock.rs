//! The mock of every model outside production: no network, no chance, the same answer to the same prompt.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::model::port::{Generated, Prompt};

/// Levels of a schema that are followed; deeper ones become null.
const DEPTH: u8 = 8;

/// Answers with a document that fits the prompt's schema and says in every text that it is a mock's.
#[must_use]
pub fn answer(prompt: &Prompt) -> Generated {
    let digest = hex::encode(Sha256::digest(format!("{}\n{}", prompt.system, prompt.user)));
    let tag = digest.get(..8).unwrap_or_default();
    let words = |text: &str| u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX);
    let value = fill(&prompt.schema, "answer", tag, DEPTH);
    Generated {
        input_tokens: words(&prompt.system).saturating_add(words(&prompt.user)),
        output_tokens: words(&value.to_string()),
        model: "mock".to_owned(),
        value,
    }
}

fn fill(schema: &Value, name: &str, tag: &str, depth: u8) -> Value {
    let text = || json!(format!("Mock {} ({tag}).", name.replace('_', " ")));
    if depth == 0 {
        return Value::Null;
    }
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|values| values.first()) {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let filled =
                properties.into_iter().flatten().map(|(key, inner)| (key.clone(), fill(inner, key, tag, depth - 1)));
            Value::Object(filled.collect::<Map<_, _>>())
        }
        Some("array") => match schema.get("items") {
            Some(items) => json!([fill(items, name, tag, depth - 1)]),
            None => json!([]),
        },
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        _ => text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(user: &str) -> Prompt {
        Prompt {
            model: "m".into(),
            system: "s".into(),
            user: user.into(),
            schema: json!({"type": "object", "properties": {
                "summary": {"type": "string"},
                "scores": {"type": "array", "items": {"type": "integer", "minimum": 3}},
                "verdict": {"enum": ["yes", "no"]},
            }}),
            temperature: 0.2,
            max_output_tokens: 100,
        }
    }

    #[test]
    fn the_same_prompt_gets_the_same_answer_in_the_schemas_shape() {
        let first = answer(&prompt("a"));
        assert_eq!(first, answer(&prompt("a")));
        assert_ne!(first.value, answer(&prompt("b")).value);
        assert_eq!(first.value["scores"], json!([3]));
        assert_eq!(first.value["verdict"], json!("yes"));
        assert!(first.value["summary"].as_str().is_some_and(|text| text.starts_with("Mock summary")));
    }
}
