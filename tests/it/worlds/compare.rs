//! Compares what is stored with what the provider has.

use std::collections::BTreeMap;

use domain::ats::{Kind, Origin};
use jiff::Timestamp;
use serde_json::{Map, Value};
use simulators::world::Truth;

/// The most differences that are listed.
const MAX_LISTED: usize = 8;

/// The stored records that are not gone: `<kind>/<our id>` -> the record.
pub(super) fn stored(records: impl Iterator<Item = Value>, origin: &Origin) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for record in records.filter(|record| record["source"]["connection"] == origin.connection.as_str()) {
        let pk = record["pk"].as_str().expect("pk");
        let Some(kind) = pk.strip_prefix(&format!("ORG#{}#", origin.org)) else { continue };
        if Kind::ALL.iter().any(|known| known.as_str() == kind) && record["deleted_at"].is_null() {
            all.insert(format!("{kind}/{}", record["sk"].as_str().expect("sk")), record);
        }
    }
    all
}

/// What differs, a line each.
pub(crate) fn differences(records: impl Iterator<Item = Value>, origin: &Origin, truth: &Truth) -> Vec<String> {
    let mut stored = stored(records, origin);
    let mut found = Vec::new();
    for (place, fields) in truth {
        let (kind, provider_id) = place.split_once('/').expect("kind/id");
        let kind = known(kind);
        match stored.remove(&format!("{}/{}", kind.as_str(), origin.id(kind, provider_id))) {
            None => found.push(format!("{place} is missing")),
            Some(record) => found.extend(fields_that_differ(origin, place, fields, &record)),
        }
    }
    found.extend(stored.into_iter().map(|(place, record)| {
        format!("{place} ({}) is not at the provider", record["source"]["provider_id"].as_str().unwrap_or("?"))
    }));
    let more = found.len().saturating_sub(MAX_LISTED);
    found.truncate(MAX_LISTED);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    found
}

fn known(word: &str) -> Kind {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or_else(|| panic!("no kind `{word}`"))
}

/// What differs between a record and what is true of it, a line each.
pub(crate) fn fields_that_differ(
    origin: &Origin,
    place: &str,
    fields: &Map<String, Value>,
    record: &Value,
) -> Vec<String> {
    let differs = |(name, wanted): (&String, &Value)| {
        let wanted = referring(origin, (place, name), wanted);
        let is = &record[name.as_str()];
        (!same(&wanted, is)).then(|| format!("{place}.{name} is {is}, not {wanted}"))
    };
    fields.iter().filter_map(differs).collect()
}

/// Provider ids as our ids, in fields that refer to other objects.
fn referring(origin: &Origin, (place, field): (&str, &str), value: &Value) -> Value {
    let kind = match field {
        "parent" if place.starts_with("office/") => Kind::Office,
        "parent" => Kind::Department,
        "candidate" => Kind::Candidate,
        "job" => Kind::Job,
        "application" => Kind::Application,
        "departments" => Kind::Department,
        "offices" => Kind::Office,
        "interviewers" | "submitted_by" => Kind::User,
        _ => return value.clone(),
    };
    match value {
        Value::String(id) => Value::String(origin.id(kind, id)),
        Value::Array(ids) => ids.iter().map(|id| referring(origin, (place, field), id)).collect(),
        other => other.clone(),
    }
}

fn same(wanted: &Value, is: &Value) -> bool {
    match (wanted, is) {
        (Value::String(wanted), Value::String(is)) => {
            wanted == is || matches!((instant(wanted), instant(is)), (Some(wanted), Some(is)) if wanted == is)
        }
        (Value::Array(wanted), Value::Array(is)) => {
            wanted.len() == is.len() && wanted.iter().zip(is).all(|(wanted, is)| same(wanted, is))
        }
        (Value::Object(wanted), Value::Object(_)) => wanted.iter().all(|(name, wanted)| same(wanted, &is[name])),
        (wanted, is) => wanted == is,
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
