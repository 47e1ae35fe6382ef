//! Faults on request: which request meets which one, decided without IO.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Faults kept at once for a provider.
pub const FAULTS_MAX: usize = 1_000;
/// The longest latency that is accepted, in milliseconds.
pub const LATENCY_MAX_MS: u64 = 600_000;
/// One line for each field of [`Spec`], shown by `GET /_control`.
pub const FIELDS: [&str; 12] = [
    "match {path_contains?, method?}: which requests; path_contains is sought in path?query; without it all of them",
    "times: how many requests meet it; null or absent means until cleared",
    "after: how many matching requests pass first",
    "every: of those after that, only each n-th meets it, from the first one; absent means 1, each one",
    "status: 200 to 599; the provider's own state is then not touched, unless acts_first",
    "headers {name: value}: added to the answer",
    "body: a JSON value, or a string that is sent as it is; without status it is sent with 200",
    "latency_ms: wait before the answer; may be combined with any other",
    "acts_first: true lets the provider do what it was asked before the status or body of the fault is answered",
    "answer_latency_ms: wait after the provider did what it was asked, before the answer",
    "drop_after_bytes: the connection breaks after so many bytes of a body whose content-length is complete",
    "malformed: true sends half of the JSON body, with 200",
];

/// A fault as it is ordered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    #[serde(rename = "match")]
    pub matching: Matching,
    /// Requests that meet it; none means until cleared.
    pub times: Option<u64>,
    /// Matching requests that pass first.
    pub after: u64,
    /// Only each n-th of the others meets it, from the first one.
    pub every: Option<u64>,
    pub status: Option<u16>,
    pub headers: BTreeMap<String, String>,
    pub body: Option<Value>,
    /// Milliseconds before the provider acts.
    pub latency_ms: u64,
    /// Whether the provider acts before the answer that the fault makes.
    pub acts_first: bool,
    /// Milliseconds between acting and answering.
    pub answer_latency_ms: u64,
    pub drop_after_bytes: Option<usize>,
    pub malformed: bool,
}

/// Which requests a fault is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matching {
    /// Sought in the path, question mark and query as they came.
    pub path_contains: Option<String>,
    /// Compared without regard to case.
    pub method: Option<String>,
}

impl Matching {
    fn fits(&self, method: &str, target: &str) -> bool {
        self.path_contains.as_ref().is_none_or(|part| target.contains(part.as_str()))
            && self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
    }
}

impl Spec {
    /// Says which field has which value that cannot be done.
    ///
    /// # Errors
    /// The sentence for the 400.
    pub fn check(&self) -> Result<(), String> {
        use axum::http::{HeaderName, HeaderValue};
        let late = |ms: u64| ms > LATENCY_MAX_MS;
        let answers = self.status.is_some() || self.body.is_some();
        let wrong = [
            (self.status.is_some_and(|status| !(200..=599).contains(&status)), "status: must be 200 to 599"),
            (self.times == Some(0), "times: must be at least 1, or null for until cleared"),
            (self.every == Some(0), "every: must be at least 1"),
            (late(self.latency_ms), "latency_ms: must be at most 600000"),
            (late(self.answer_latency_ms), "answer_latency_ms: must be at most 600000"),
            (self.acts_first && !answers, "acts_first: needs status or body"),
            (self.malformed && self.body.is_some(), "malformed: cannot be combined with body"),
        ];
        if let Some((_, reason)) = wrong.into_iter().find(|(wrong, _)| *wrong) {
            return Err(reason.to_owned());
        }
        for (name, value) in &self.headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                return Err(format!("headers: `{name}` is not a valid header"));
            }
        }
        if !self.acts() && self.latency_ms == 0 {
            return Err(
                "one of status, headers, body, latency_ms, answer_latency_ms, drop_after_bytes, malformed is required"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether it changes the answer; one that only delays does not.
    pub fn acts(&self) -> bool {
        self.status.is_some()
            || self.body.is_some()
            || self.drop_after_bytes.is_some()
            || self.malformed
            || self.answer_latency_ms > 0
            || !self.headers.is_empty()
    }
}

/// A fault that was added, with its counters.
#[derive(Debug, Clone, Serialize)]
pub struct Armed {
    pub id: u64,
    pub fault: Spec,
    /// Requests that will still meet it; null means until cleared.
    pub remaining: Option<u64>,
    /// Requests that met it.
    pub hits: u64,
    skip: u64,
    /// Matching requests that come before the next one that meets it.
    pass: u64,
}

/// What one request meets.
#[derive(Debug, Default, PartialEq)]
pub struct Met {
    /// The sum of all latencies, in milliseconds.
    pub latency_ms: u64,
    /// The one fault that changes the answer.
    pub fault: Option<Spec>,
}

/// The faults of one provider, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Armed>,
    last_id: u64,
}

impl Faults {
    /// Adds one and returns its id.
    ///
    /// # Errors
    /// The sentence for the 400 when there are too many.
    pub fn add(&mut self, fault: Spec) -> Result<u64, String> {
        self.list.retain(|armed| armed.remaining != Some(0));
        if self.list.len() >= FAULTS_MAX {
            return Err(format!("there are {FAULTS_MAX} faults already"));
        }
        self.last_id += 1;
        let (remaining, skip) = (fault.times, fault.after);
        self.list.push(Armed { id: self.last_id, fault, remaining, hits: 0, skip, pass: 0 });
        Ok(self.last_id)
    }

    pub fn list(&self) -> &[Armed] {
        &self.list
    }

    /// Whether there was one with this id.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|armed| armed.id != id);
        self.list.len() < before
    }

    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Decides for one request and counts. `target` is path, `?` and query.
    pub fn meet(&mut self, method: &str, target: &str) -> Met {
        let mut met = Met::default();
        for armed in &mut self.list {
            if armed.remaining == Some(0) || !armed.fault.matching.fits(method, target) {
                continue;
            }
            if armed.skip > 0 {
                armed.skip -= 1;
                continue;
            }
            if armed.pass > 0 {
                armed.pass -= 1;
                continue;
            }
            armed.pass = armed.fault.every.unwrap_or(1) - 1;
            armed.remaining = armed.remaining.map(|left| left - 1);
            armed.hits += 1;
            met.latency_ms += armed.fault.latency_ms;
            if armed.fault.acts() {
                met.fault = Some(armed.fault.clone());
                break;
            }
        }
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Spec {
        serde_json::from_str(text).unwrap_or_default()
    }

    #[test]
    fn the_first_armed_fault_answers_and_latency_alone_passes_on() {
        let mut faults = Faults::default();
        for text in [
            r#"{"match":{"path_contains":"page=2"},"latency_ms":5}"#,
            r#"{"match":{"method":"get"},"status":503,"after":1,"times":2}"#,
            r#"{"status":429,"latency_ms":7,"times":1}"#,
        ] {
            assert!(faults.add(fault(text)).is_ok());
        }
        // (method, target) -> (latency, status)
        let table = [
            ("POST", "/a", 7, Some(429)),
            ("GET", "/a?page=2", 5, None),
            ("GET", "/a?page=2", 5, Some(503)),
            ("GET", "/b", 0, Some(503)),
            ("GET", "/b", 0, None),
        ];
        for (index, (method, target, latency, status)) in table.into_iter().enumerate() {
            let met = faults.meet(method, target);
            assert_eq!((met.latency_ms, met.fault.and_then(|fault| fault.status)), (latency, status), "row {index}");
        }
        assert_eq!(faults.list().iter().map(|armed| armed.hits).collect::<Vec<_>>(), [2, 2, 1]);
    }

    #[test]
    fn only_each_nth_request_meets_a_fault_that_says_so() {
        let mut faults = Faults::default();
        let order = r#"{"match":{"method":"GET"},"status":503,"after":1,"every":3,"times":2}"#;
        assert!(faults.add(fault(order)).is_ok());
        let met = |faults: &mut Faults, method: &str| faults.meet(method, "/").fault.is_some();
        for (number, wanted) in [false, true, false, false, true, false, false, false].into_iter().enumerate() {
            assert!(!met(&mut faults, "POST"), "others are not counted");
            assert_eq!(met(&mut faults, "GET"), wanted, "request {number}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_field() {
        for (text, field) in [
            (r#"{"status":99}"#, "status"),
            (r#"{"status":503,"times":0}"#, "times"),
            (r#"{"status":503,"every":0}"#, "every"),
            (r#"{"latency_ms":600001}"#, "latency_ms"),
            (r#"{"answer_latency_ms":600001}"#, "answer_latency_ms"),
            (r#"{"acts_first":true,"malformed":true}"#, "acts_first"),
            (r#"{"malformed":true,"body":1}"#, "malformed"),
            (r#"{"headers":{"a b":"c"}}"#, "headers"),
            (r#"{"times":1}"#, "one of"),
        ] {
            assert!(fault(text).check().is_err_and(|said| said.starts_with(field)), "{text}");
        }
    }
}
