//! How a webhook is written and signed.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::wire::hmac_sha256;

/// An id of an event, which follows from this text.
pub fn new_event_id(seed: &str) -> String {
    let hash = hex::encode(Sha256::digest(seed.as_bytes()));
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

/// The value of the `Signature` header for these bytes.
pub fn sign(secret: &str, body: &[u8]) -> String {
    format!("sha256 {}", hmac_sha256(secret, &[body]))
}

/// JSON as a Ruby on Rails application writes it: `<`, `>`, `&` and everything beyond ASCII as `\uXXXX`.
pub fn escape(value: &Value) -> String {
    let text = value.to_string();
    let mut escaped = String::with_capacity(text.len());
    let mut units = [0_u16; 2];
    for sign in text.chars() {
        // Outside of strings JSON has none of these signs, so the whole text may be treated alike.
        if sign.is_ascii() && !matches!(sign, '<' | '>' | '&') {
            escaped.push(sign);
        } else {
            for unit in sign.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_signature_of_an_own_vector_is_known() {
        // printf '{"action":"ping"}' | openssl dgst -sha256 -hmac local-webhook-secret-gh-acme
        let known = "sha256 1e9aa5d8030eb4a40ff41e3407b82eb97ee5e6264c0492b419f8e9a3dd3256c4";
        assert_eq!(sign("local-webhook-secret-gh-acme", br#"{"action":"ping"}"#), known);
    }

    #[test]
    fn escapes_are_those_of_ruby_and_parse_to_the_same_value() {
        for (value, text) in [
            (json!("a<b>&c"), r#""a\u003cb\u003e\u0026c""#),
            (json!({"é": "Łódź"}), r#"{"\u00e9":"\u0141\u00f3d\u017a"}"#),
            (json!(["😀", "\u{2028}"]), r#"["\ud83d\ude00","\u2028"]"#),
            (json!("tab\tquote\" back\\"), r#""tab\tquote\" back\\""#),
            (json!(12.5), "12.5"),
        ] {
            let escaped = escape(&value);
            assert_eq!(escaped, text);
            assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap_or_default(), value);
        }
    }

    #[test]
    fn an_event_id_looks_like_one_and_differs() {
        let (one, two) = (new_event_id("1"), new_event_id("2"));
        assert_eq!(one.len(), 36);
        assert_ne!(one, two);
    }
}
