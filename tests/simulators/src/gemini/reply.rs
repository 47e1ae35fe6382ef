//! The text of an answer: a JSON document that satisfies the schema, or a sentence, with facts of the prompt in it.

use serde_json::{Map, Value, json};

use super::{request::GenerateRequest, schema};

/// Below this depth only required properties are made, so that a schema that refers to itself ends.
const DEPTH_OPTIONAL: usize = 8;
/// Below this depth nothing is made.
const DEPTH_MAX: usize = 32;

const STRENGTHS: [&str; 4] = [
    "The application is complete and answers what the role asks for",
    "The stated experience fits the role",
    "The path of the candidate is easy to follow",
    "The motivation for this role is specific",
];
const CONCERNS: [&str; 4] = [
    "The reason for the next change of employer is not stated",
    "The depth of the hands-on experience should be tested in the interview",
    "The notice period is not known",
    "The salary expectation is not stated",
];
const STEPS: [&str; 4] = [
    "Invite to a first call of 30 minutes",
    "Ask the hiring manager to read the application this week",
    "Send the practical exercise",
    "Plan an interview with two people of the team",
];

/// The whole text of the answer; the same for the same request.
pub fn text(request: &GenerateRequest) -> String {
    let facts = facts(&request.prompt);
    match &request.schema {
        None => summary(&facts, &request.prompt),
        Some(schema) => {
            let maker = Maker { facts, root: schema, prompt: &request.prompt, hash: request.hash };
            maker.value(schema, Spot { property: "answer", index: 0, depth: 0 }).to_string()
        }
    }
}

#[derive(Clone, Copy)]
struct Spot<'a> {
    property: &'a str,
    index: u64,
    depth: usize,
}

struct Maker<'a> {
    facts: Vec<(String, String)>,
    root: &'a Value,
    prompt: &'a str,
    hash: u64,
}

impl Maker<'_> {
    fn value(&self, schema: &Value, spot: Spot<'_>) -> Value {
        let schema = schema::resolved(schema, self.root);
        if spot.depth > DEPTH_MAX {
            return Value::Null;
        }
        let spot = Spot { depth: spot.depth + 1, ..spot };
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(list) = schema.get("enum").and_then(Value::as_array) {
            return pick(list, self.seed(spot)).cloned().unwrap_or_default();
        }
        let choices = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema.get(*name).and_then(Value::as_array));
        if let Some(choices) = choices {
            let choice = choices.iter().find(|choice| kind(choice) != Some("null".to_owned())).or(choices.first());
            return choice.map_or(Value::Null, |choice| self.value(choice, spot));
        }
        match kind(schema).as_deref() {
            Some("object") => self.object(schema, spot),
            Some("array") => self.array(schema, spot),
            Some("integer") => self.integer(schema, spot),
            Some("number") => self.number(schema, spot),
            Some("boolean") => json!(self.seed(spot).is_multiple_of(2)),
            Some("null") => Value::Null,
            Some(_) | None => Value::String(self.string(schema, spot)),
        }
    }

    fn object(&self, schema: &Value, spot: Spot<'_>) -> Value {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut made: Map<String, Value> = properties
            .iter()
            .filter(|(name, _)| spot.depth <= DEPTH_OPTIONAL || required.contains(&name.as_str()))
            .map(|(name, schema)| (name.clone(), self.value(schema, Spot { property: name, ..spot })))
            .collect();
        for name in required {
            if !made.contains_key(name) {
                let text = self.string(&Value::Null, Spot { property: name, ..spot });
                made.insert(name.to_owned(), Value::String(text));
            }
        }
        Value::Object(made)
    }

    fn array(&self, schema: &Value, spot: Spot<'_>) -> Value {
        let bound = |name| schema.get(name).and_then(Value::as_u64);
        let count = bound("maxItems").map_or(2, |most| most.min(2)).max(bound("minItems").unwrap_or(0));
        let items = schema.get("items").unwrap_or(&Value::Null);
        (0..count).map(|index| self.value(items, Spot { index, ..spot })).collect()
    }

    fn integer(&self, schema: &Value, spot: Spot<'_>) -> Value {
        let bound = |name| schema.get(name).and_then(Value::as_i64);
        let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - 1));
        let least = bound("minimum")
            .or_else(|| bound("exclusiveMinimum").map(|least| least + 1))
            .unwrap_or_else(|| most.map_or(1, |most| most.min(1)));
        let span =
            most.unwrap_or(least.saturating_add(9)).saturating_sub(least).max(0).unsigned_abs().saturating_add(1);
        json!(least.saturating_add_unsigned(self.seed(spot) % span))
    }

    fn number(&self, schema: &Value, spot: Spot<'_>) -> Value {
        let bound = |names: [&str; 2]| names.iter().find_map(|name| schema.get(*name).and_then(Value::as_f64));
        let most = bound(["maximum", "exclusiveMaximum"]);
        let least = bound(["minimum", "exclusiveMinimum"]).unwrap_or_else(|| most.map_or(0.0, |most| most.min(0.0)));
        let part = match self.seed(spot) % 3 {
            0 => 0.25,
            1 => 0.5,
            _ => 0.75,
        };
        json!(least + (most.unwrap_or(least + 1.0) - least) * part)
    }

    fn string(&self, schema: &Value, spot: Spot<'_>) -> String {
        let seed = self.seed(spot);
        let made = match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => format!("2026-11-{:02}T09:00:00Z", 1 + seed % 28),
            Some("date") => format!("2026-11-{:02}", 1 + seed % 28),
            Some("time") => "09:00:00Z".to_owned(),
            Some("email") => format!("person{}@example.com", seed % 1_000),
            Some("uri") => format!("https://example.com/{}", seed % 1_000),
            Some("uuid") => format!("{:08x}-0000-4000-8000-{:012x}", seed % 0xffff_ffff, seed % 0xffff_ffff_ffff),
            Some(_) | None => self.phrase(spot.property, spot, seed),
        };
        let bound = |name| schema.get(name).and_then(Value::as_u64).and_then(|value| usize::try_from(value).ok());
        let cut: String = made.chars().take(bound("maxLength").unwrap_or(usize::MAX)).collect();
        let missing = bound("minLength").unwrap_or(0).saturating_sub(cut.chars().count());
        cut + &".".repeat(missing)
    }

    fn phrase(&self, property: &str, spot: Spot<'_>, seed: u64) -> String {
        let has = |words: &[&str]| words.iter().any(|word| property.to_lowercase().contains(word));
        let about = pick(&self.facts, seed).map(|(label, value)| format!(" ({label}: {value})")).unwrap_or_default();
        let table = if has(&["strength", "advantage"]) {
            &STRENGTHS
        } else if has(&["concern", "weakness", "risk", "gap"]) {
            &CONCERNS
        } else if has(&["step", "recommendation", "action"]) {
            &STEPS
        } else if has(&["summary", "overview", "rationale", "reason", "description", "text", "answer"]) {
            return summary(&self.facts, self.prompt);
        } else {
            return format!("Simulated {} {}{about}", property.replace('_', " "), spot.index + 1);
        };
        pick(table, seed).map(|phrase| format!("{phrase}{about}")).unwrap_or_default()
    }

    /// The hash of the request, spread over the places of the answer. Neighbours in a list differ by one, so that a pick
    /// from a table of at least two never repeats at once.
    fn seed(&self, spot: Spot<'_>) -> u64 {
        let place = spot
            .property
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        ((self.hash ^ place) >> 1).wrapping_add(spot.index)
    }
}

fn kind(schema: &Value) -> Option<String> {
    let named = match schema.get("type") {
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| !kind.eq_ignore_ascii_case("null"))
        }
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(_) | None => None,
    };
    let guessed = || {
        ["properties", "items"]
            .into_iter()
            .find(|name| schema.get(*name).is_some())
            .map(|name| if name == "items" { "array" } else { "object" })
    };
    named.or_else(guessed).map(str::to_lowercase)
}

fn pick<T>(list: &[T], seed: u64) -> Option<&T> {
    let length = u64::try_from(list.len()).ok()?;
    let index = seed.checked_rem(length)?;
    list.get(usize::try_from(index).ok()?)
}

fn summary(facts: &[(String, String)], prompt: &str) -> String {
    if facts.is_empty() {
        let words: Vec<&str> = prompt.split_whitespace().take(16).collect();
        return format!("Simulated answer about: {}.", words.join(" "));
    }
    let parts: Vec<String> = facts.iter().take(4).map(|(label, value)| format!("{label}: {value}")).collect();
    format!("Simulated summary. {}.", parts.join("; "))
}

/// The `label: value` lines of a prompt (also those of printed JSON), the ranked ones first.
fn facts(prompt: &str) -> Vec<(String, String)> {
    let clean =
        |text: &str| text.trim_matches(|sign: char| sign.is_whitespace() || "\"',-*#•`{}[]".contains(sign)).to_owned();
    let mut facts: Vec<(String, String)> = prompt
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(label, value)| (clean(label), clean(value).chars().take(120).collect()))
        .filter(|(label, value): &(String, String)| {
            !label.is_empty()
                && label.len() <= 40
                && label.split_whitespace().count() <= 4
                && !value.is_empty()
                && !value.starts_with("//")
                && value != "null"
        })
        .take(24)
        .collect();
    let ranked = ["name", "job", "title", "role", "stage", "source", "company"];
    facts.sort_by_key(|(label, _)| {
        let label = label.to_lowercase();
        ranked.iter().position(|word| label.contains(word)).unwrap_or(ranked.len())
    });
    facts
}
