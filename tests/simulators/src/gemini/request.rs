//! What a `generateContent` request asks for, and everything that the API refuses about it.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Error;

#[rustfmt::skip]
const TOP: [&str; 9] = [
    "contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "cachedContent", "serviceTier",
    "store",
];
#[rustfmt::skip]
const CONFIG: [&str; 16] = [
    "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "seed", "presencePenalty",
    "frequencyPenalty", "responseLogprobs", "logprobs", "responseMimeType", "responseSchema", "responseJsonSchema",
    "responseModalities", "thinkingConfig",
];
const CONTENT: [&str; 2] = ["role", "parts"];
const OUTPUT_TOKENS_MAX: u64 = 65_536;

/// A request that the API would answer.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// The instruction and all contents: what is counted as prompt tokens.
    pub text: String,
    /// The contents alone: where the facts are.
    pub prompt: String,
    /// The schema that the answer must satisfy; `Null` stands for any JSON.
    pub schema: Option<Value>,
    pub max_output_tokens: Option<u64>,
    pub thinks: bool,
    /// Of text and schema: the seed of the answer.
    pub hash: u64,
}

impl GenerateRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// The 400 of the API.
    pub fn read(body: &[u8], model: &str) -> Result<Self, Error> {
        let Ok(Value::Object(top)) = serde_json::from_slice::<Value>(body) else {
            return Err(Error::invalid("Invalid JSON payload received. Expected an object."));
        };
        known(&top, &TOP, "")?;
        let prompt = contents(&top)?;
        let instruction = top
            .get("systemInstruction")
            .map_or_else(|| Ok(String::new()), |value| parts(value, "system_instruction"))?;
        let empty = Map::new();
        let config = match top.get("generationConfig") {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(config)) => config,
            Some(_) => {
                return Err(Error::invalid(
                    "Invalid value at 'generation_config' (type.googleapis.com/GenerationConfig)",
                ));
            }
        };
        known(config, &CONFIG, "generation_config")?;
        let schema = schema(config)?;
        let text = format!("{instruction}\n{prompt}");
        let digest =
            Sha256::new().chain_update(&text).chain_update(schema.clone().unwrap_or_default().to_string()).finalize();
        let hash = digest.iter().take(8).fold(0_u64, |hash, byte| (hash << 8) | u64::from(*byte));
        Ok(Self { thinks: thinks(config, model)?, max_output_tokens: budget(config)?, text, prompt, schema, hash })
    }
}

fn known(fields: &Map<String, Value>, names: &[&str], place: &str) -> Result<(), Error> {
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Error::unknown_name(name, place)),
        None => Ok(()),
    }
}

fn contents(top: &Map<String, Value>) -> Result<String, Error> {
    let list = top
        .get("contents")
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
        .ok_or_else(|| Error::invalid("* GenerateContentRequest.contents: contents is not specified"))?;
    let texts: Result<Vec<String>, Error> = list
        .iter()
        .map(|content| {
            let role = content.get("role").map_or(Some("user"), Value::as_str);
            if !matches!(role, Some("user" | "model")) {
                return Err(Error::invalid("Please use a valid role: user, model."));
            }
            parts(content, "contents")
        })
        .collect();
    Ok(texts?.join("\n"))
}

fn parts(content: &Value, place: &str) -> Result<String, Error> {
    if let Some(fields) = content.as_object() {
        known(fields, &CONTENT, place)?;
    }
    let parts = content.get("parts").and_then(Value::as_array).filter(|parts| !parts.is_empty()).ok_or_else(|| {
        Error::invalid(&format!("* GenerateContentRequest.{place}: must include at least one parts field"))
    })?;
    let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
    Ok(texts.join("\n"))
}

fn schema(config: &Map<String, Value>) -> Result<Option<Value>, Error> {
    let json = config.get("responseMimeType").and_then(Value::as_str) == Some("application/json");
    let given = match (config.get("responseJsonSchema"), config.get("responseSchema")) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("Only one of response_schema and response_json_schema may be set."));
        }
        (Some(schema), None) | (None, Some(schema)) => Some(schema),
        (None, None) => None,
    };
    if given.is_some() && !json {
        return Err(Error::invalid("A response schema requires response_mime_type application/json."));
    }
    if given.is_some_and(bounds_objects) {
        return Err(Error::invalid(
            "Invalid value at 'generation_config.response_json_schema': maxItems on an array of objects.",
        ));
    }
    Ok(json.then(|| given.cloned().unwrap_or_default()))
}

/// Found by live calls only: the service refuses `maxItems` where the items are objects.
fn bounds_objects(schema: &Value) -> bool {
    fn below(schema: &Value, root: &Value) -> bool {
        match schema {
            Value::Object(fields) => {
                let bounded = fields.contains_key("maxItems")
                    && fields.get("items").is_some_and(|items| {
                        let items = super::schema::resolved(items, root);
                        items.get("properties").is_some()
                            || items
                                .get("type")
                                .and_then(Value::as_str)
                                .is_some_and(|kind| kind.eq_ignore_ascii_case("object"))
                    });
                bounded || fields.values().any(|value| below(value, root))
            }
            Value::Array(list) => list.iter().any(|value| below(value, root)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    below(schema, schema)
}

fn budget(config: &Map<String, Value>) -> Result<Option<u64>, Error> {
    if let Some(temperature) = config.get("temperature")
        && !temperature.as_f64().is_some_and(|value| (0.0..=2.0).contains(&value))
    {
        return Err(Error::invalid(
            "* GenerateContentRequest.generation_config.temperature: must be in the range [0.0, 2.0]",
        ));
    }
    match config.get("maxOutputTokens") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(tokens) if (1..=OUTPUT_TOKENS_MAX).contains(&tokens) => Ok(Some(tokens)),
            Some(_) | None => Err(Error::invalid(
                "* GenerateContentRequest.generation_config.max_output_tokens: must be in the range [1, 65536]",
            )),
        },
    }
}

fn thinks(config: &Map<String, Value>, model: &str) -> Result<bool, Error> {
    let Some(Value::Object(thinking)) = config.get("thinkingConfig") else { return Ok(true) };
    known(thinking, &["includeThoughts", "thinkingBudget", "thinkingLevel"], "generation_config.thinking_config")?;
    match (thinking.get("thinkingBudget"), thinking.get("thinkingLevel")) {
        (Some(_), Some(_)) => Err(Error::invalid("You can only set only one of thinking budget and thinking level.")),
        (None, Some(_)) if model.starts_with("gemini-2.5") => {
            Err(Error::invalid("Thinking level is not supported for this model."))
        }
        (Some(budget), None) => Ok(budget.as_i64() != Some(0)),
        (None, _) => Ok(true),
    }
}
