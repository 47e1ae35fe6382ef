//! Reading third parties' JSON: an error says what is wrong and where, and never repeats what stood there.

use serde::de::DeserializeOwned;

/// JSON that cannot be read: what is wrong and where, without any value of it. Errors are logged and shown, and values are
/// personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidJson(String);

/// Reads JSON bytes.
///
/// # Errors
/// When they do not have the wanted shape.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, InvalidJson> {
    serde_json::from_slice(bytes).map_err(|error| without_values(&error))
}

/// Reads a part of JSON that was parsed before.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, InvalidJson> {
    serde_json::from_value(value).map_err(|error| without_values(&error))
}

fn without_values(error: &serde_json::Error) -> InvalidJson {
    let text = error.to_string();
    InvalidJson(match (text.split_once(": "), text.rsplit_once(", expected ")) {
        (Some((kind, _)), Some((_, expected))) if kind.starts_with("invalid ") => {
            format!("{kind}, expected {expected}")
        }
        (Some((kind, _)), None) if kind.starts_with("invalid ") => kind.to_owned(),
        // Custom errors of field types, such as a time that is none, may quote anything.
        _ if error.is_data() && !text.starts_with("missing field") && !text.starts_with("duplicate field") => {
            format!("a value cannot be read at line {} column {}", error.line(), error.column())
        }
        _ => text,
    })
}

impl From<InvalidJson> for String {
    fn from(InvalidJson(text): InvalidJson) -> Self {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors are looked at")]
    struct Row {
        id: u64,
        at: jiff::Timestamp,
    }

    #[test]
    fn errors_name_the_place_and_never_the_value() {
        for (json, wanted) in [
            (r#"{"id":"Jane, expected Smith","at":"x"}"#, "expected u64"),
            (r#"{"id":1,"at":"Jane Smith"}"#, "line 1 column"),
            (r#"{"id":1}"#, "missing field `at`"),
            (r#"{"id":-5,"at":"x"}"#, "expected u64"),
            ("Jane", "line 1"),
        ] {
            let error = read::<Row>(json.as_bytes()).expect_err("refused").to_string();
            assert!(error.contains(wanted), "{json}: {error}");
            assert!(!error.contains("Jane") && !error.contains("Smith") && !error.contains("-5"), "{json}: {error}");
        }
    }
}
