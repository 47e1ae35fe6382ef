//! What the functions call at AWS, as the proxy between them and the emulator counts it.

use std::collections::BTreeMap;

use reqwest::Method;

use crate::e2e::harness::stack::Stack;

/// Calls by operation, for example `DynamoDB.UpdateItem`; refused ones counted as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    made: BTreeMap<String, u64>,
    pub(crate) refused: u64,
}

impl Calls {
    /// Exactly these, none of them refused.
    pub(crate) fn of(made: &[(&str, u64)]) -> Self {
        Self { made: made.iter().map(|(operation, count)| ((*operation).to_owned(), *count)).collect(), refused: 0 }
    }

    /// The same, some of them refused.
    pub(crate) fn refused(self, refused: u64) -> Self {
        Self { refused, ..self }
    }

    /// The same and one call more.
    pub(crate) fn and(mut self, operation: &str) -> Self {
        *self.made.entry(operation.to_owned()).or_default() += 1;
        self
    }

    pub(crate) fn total(&self) -> u64 {
        self.made.values().sum()
    }

    pub(crate) fn starting_with(&self, service: &str) -> u64 {
        self.made.iter().filter(|(operation, _)| operation.starts_with(service)).map(|(_, count)| count).sum()
    }
}

impl Stack {
    /// Begins to count anew.
    pub(crate) async fn forget_calls(&self) {
        let answer = self.send(self.http.request(Method::DELETE, self.text("/calls_url"))).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// The calls of a function since then. Reads of secrets are left out: they are cached for a minute, so that they say
    /// nothing about one request.
    pub(crate) async fn calls_of(&self, function: &str) -> Calls {
        let answer = self.send(self.http.get(self.text("/calls_url"))).await;
        let items = answer.body["items"].as_array().cloned().expect("items");
        let mut calls = Calls::default();
        for item in items {
            let operation = item["operation"].as_str().expect("an operation");
            if item["function"] == function && !operation.starts_with("SSM.") {
                calls.made.insert(operation.to_owned(), item["count"].as_u64().expect("a count"));
                calls.refused += item["refused"].as_u64().expect("a count");
            }
        }
        calls
    }
}
