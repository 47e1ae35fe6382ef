//! The fields of a mail's data, and how each is prepared for the templates.
//!
//! A template must not have to remember that a name could hold line breaks: what people wrote is made harmless here, once,
//! for every kind and language. Escaping for HTML is the renderer's.

use domain::text::https_url;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A field of a kind's data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) is: Sort,
    /// Whether it may be null or absent; its templates then see null.
    #[serde(default)]
    pub(crate) optional: bool,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sort {
    /// Words that stay on one line.
    Line,
    /// A text that a person wrote, maybe on several lines: templates quote it.
    Passage,
    /// An address of the web.
    Link,
    /// A whole number from 0.
    Number,
    /// A time for machines.
    Time,
}

/// The data as templates see it: every field of the kind and nothing else.
///
/// # Errors
/// The first field that is missing or is not what it should be, and what is expected of it.
pub(crate) fn fill(fields: &[Field], data: &Value) -> Result<Map<String, Value>, (String, &'static str)> {
    let mut filled = Map::new();
    for Field { name, is, optional } in fields {
        let value = match data.get(name).unwrap_or(&Value::Null) {
            Value::Null if *optional => Value::Null,
            Value::Null => return Err((name.clone(), "is missing")),
            value => is.value(value).map_err(|rule| (name.clone(), rule))?,
        };
        filled.insert(name.clone(), value);
    }
    Ok(filled)
}

impl Sort {
    fn value(self, value: &Value) -> Result<Value, &'static str> {
        match (self, value) {
            (Self::Line, Value::String(text)) => Ok(Value::String(one_line(text))),
            (Self::Passage, Value::String(text)) => Ok(passage(text)),
            (Self::Link, Value::String(text)) if https_url(text, &()).is_ok() => Ok(value.clone()),
            (Self::Number, Value::Number(number)) if number.is_u64() => Ok(value.clone()),
            (Self::Time, Value::String(_)) => Ok(value.clone()),
            (Self::Line | Self::Passage | Self::Time, _) => Err("is not a text"),
            (Self::Link, _) => Err("is not an https:// address"),
            (Self::Number, _) => Err("is not a whole number"),
        }
    }
}

/// Whether a character turns around or hides its neighbours: marks of writing direction that only make sense within a text of one's own.
const fn misleads(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The words of a text on one line.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).map(visible);
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn visible(text: &str) -> String {
    text.chars().filter(|c| !misleads(*c)).collect()
}

/// A text with its line breaks and without other control characters; null when it says nothing.
fn passage(text: &str) -> Value {
    let clean = lines(text).join("\n");
    if clean.is_empty() { Value::Null } else { Value::String(clean) }
}

/// The lines of a text, each trimmed inside and outside, with at most one empty one between two others.
pub(crate) fn lines(text: &str) -> Vec<String> {
    let breaks = ['\n', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\r'];
    let text = text.replace("\r\n", "\n");
    let mut clean: Vec<String> = Vec::new();
    for line in text.split(breaks).map(one_line) {
        if !line.is_empty() || clean.last().is_some_and(|before| !before.is_empty()) {
            clean.push(line);
        }
    }
    if clean.last().is_some_and(String::is_empty) {
        clean.pop();
    }
    clean
}

/// A text with the mark of a quotation before each line, so that no sender can pass off a line as one of ours.
pub(crate) fn quoted(text: &str) -> String {
    let marked = |line: String| if line.is_empty() { ">".to_owned() } else { format!("> {line}") };
    lines(text).into_iter().map(marked).collect::<Vec<_>>().join("\n")
}

/// A rendered text without spaces at the end of lines, with at most one empty line at a time, and one line break at its end.
pub(crate) fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut empty_before = true;
    for line in text.lines().map(str::trim_end) {
        if !line.is_empty() || !empty_before {
            tidy.push_str(line);
            tidy.push('\n');
        }
        empty_before = line.is_empty();
    }
    let end = tidy.trim_end().len();
    tidy.truncate(end);
    tidy.push('\n');
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines() {
        assert_eq!(one_line(" a\r\nBcc:\u{0} b\u{2028}c\t\u{202e}d "), "a Bcc: b c d");
        assert_eq!(lines("\n a  b \r\n\r\n\n c\u{7}\n"), ["a b", "", "c"]);
        assert_eq!(quoted("a\n\nb"), "> a\n>\n> b");
        assert_eq!(tidy("\n\na  \n\n\n\nb\n\n"), "a\n\nb\n");
        assert_eq!(passage(" \n\u{0} "), Value::Null);
    }
}
