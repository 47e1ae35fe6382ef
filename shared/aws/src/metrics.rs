//! Metrics in CloudWatch's embedded metric format: one JSON line on standard output, no call and nothing to flush.
//!
//! Format and limits: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//! (at most 100 metrics a line; `Timestamp` in milliseconds since 1970 UTC). Each line has the dimension `function` and at
//! most one more. Names of organisations are never dimensions: their number has no bound.

use std::io::Write as _;

use serde_json::{Map, Value, json};

use crate::{clock, environment};

/// The namespace of the metrics.
const NAMESPACE: &str = "HiringIntegrations";

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    /// Thousandths of a second.
    Milliseconds,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// Writes metrics; `dimension` is one besides the function.
pub fn emit(dimension: Option<(&'static str, &str)>, values: &[(&'static str, u64, Unit)]) {
    let function = environment::optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "unknown".to_owned());
    let line = line(clock::now().as_millisecond(), &function, dimension, values);
    // A metric that is lost must not cost the work that it counts.
    let _ignored = writeln!(std::io::stdout().lock(), "{line}");
}

fn line(
    now_ms: i64,
    function: &str,
    dimension: Option<(&'static str, &str)>,
    values: &[(&'static str, u64, Unit)],
) -> Value {
    let mut members = Map::from_iter([("function".to_owned(), json!(function))]);
    let mut dimensions = vec!["function"];
    if let Some((name, value)) = dimension {
        dimensions.push(name);
        members.insert(name.to_owned(), json!(value));
    }
    let metrics: Vec<Value> =
        values.iter().map(|(name, _, unit)| json!({"Name": name, "Unit": unit.as_str()})).collect();
    members.extend(values.iter().map(|(name, value, _)| ((*name).to_owned(), json!(value))));
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics});
    members.insert("_aws".to_owned(), json!({"Timestamp": now_ms, "CloudWatchMetrics": [directive]}));
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_fields_of_the_format() {
        let written = line(
            1_795_000_000_000,
            "email-worker",
            Some(("dependency", "mail")),
            &[("BreakerOpened", 1, Unit::Count), ("CallDuration", 12, Unit::Milliseconds)],
        );
        assert_eq!(
            written,
            json!({
                "_aws": {"Timestamp": 1_795_000_000_000_i64, "CloudWatchMetrics": [{
                    "Namespace": "HiringIntegrations",
                    "Dimensions": [["function", "dependency"]],
                    "Metrics": [{"Name": "BreakerOpened", "Unit": "Count"},
                                {"Name": "CallDuration", "Unit": "Milliseconds"}],
                }]},
                "function": "email-worker", "dependency": "mail", "BreakerOpened": 1, "CallDuration": 12,
            })
        );
    }
}
