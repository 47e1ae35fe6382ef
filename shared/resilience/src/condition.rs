//! Reads condition expressions as the table does, so that models and proofs run on the very texts that are sent to it. Knows
//! what those texts use: `AND`, `OR`, parentheses, comparisons, `attribute_exists(...)` and its opposite.

/// A condition that was read.
#[derive(Debug, Clone)]
pub enum Condition {
    /// A conjunction: each of the parts holds.
    All(Vec<Condition>),
    /// A disjunction: at least one of the parts holds.
    Any(Vec<Condition>),
    /// Whether an attribute is there.
    Exists(String, bool),
    /// A comparison: left, operator, right.
    Compare(String, String, String),
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Panics
    /// When it does not understand the text: the model or proof that uses it would prove nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        let condition = any(&mut rest);
        assert!(rest.is_empty(), "{text}: not understood from {rest:?}");
        condition
    }

    /// Whether the condition holds. `of` returns the value of an attribute (`#name`), a value (`:name`) or `pk`; none
    /// for a missing attribute, with which no comparison holds.
    ///
    /// # Panics
    /// When the condition has an operator that is not understood.
    pub fn holds<V: PartialOrd>(&self, of: &impl Fn(&str) -> Option<V>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(of)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(of)),
            Self::Exists(name, wanted) => of(name).is_some() == *wanted,
            Self::Compare(left, operator, right) => match (of(left), of(right)) {
                (Some(left), Some(right)) => match operator.as_str() {
                    "=" => left == right,
                    "<>" => left != right,
                    ">" => left > right,
                    "<" => left < right,
                    "<=" => left <= right,
                    ">=" => left >= right,
                    other => panic!("the operator {other} is not understood"),
                },
                _ => false,
            },
        }
    }
}

fn any(rest: &mut &[&str]) -> Condition {
    let mut parts = vec![all(rest)];
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        parts.push(all(rest));
    }
    Condition::Any(parts)
}

fn all(rest: &mut &[&str]) -> Condition {
    let mut parts = vec![one(rest)];
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        parts.push(one(rest));
    }
    Condition::All(parts)
}

fn one(rest: &mut &[&str]) -> Condition {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let inner = any(rest);
            let [")", after @ ..] = *rest else { panic!("a parenthesis is not closed before {rest:?}") };
            *rest = after;
            inner
        }
        ["attribute_exists", "(", name, ")", after @ ..] => {
            *rest = after;
            Condition::Exists((*name).to_owned(), true)
        }
        ["attribute_not_exists", "(", name, ")", after @ ..] => {
            *rest = after;
            Condition::Exists((*name).to_owned(), false)
        }
        [left, operator, right, after @ ..] => {
            *rest = after;
            Condition::Compare((*left).to_owned(), (*operator).to_owned(), (*right).to_owned())
        }
        _ => panic!("a condition ends too early: {rest:?}"),
    }
}

#[cfg(test)]
#[test]
fn conditions_mean_what_they_mean_to_the_table() {
    let holds = |text: &str, item: &[(&str, i64)]| {
        let of = |name: &str| item.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        Condition::read(text).holds(&of)
    };
    let values = [(":a", 1), (":b", 2)];
    let with = |item: &[(&'static str, i64)]| [values.as_slice(), item].concat();
    assert!(holds("#x = :a AND #y >= :b OR attribute_not_exists(pk)", &with(&[])));
    assert!(holds("#x = :a AND (#y >= :b OR #y < :a)", &with(&[("#x", 1), ("#y", 0)])));
    assert!(!holds("#x = :a AND #y >= :b", &with(&[("pk", 0), ("#x", 1), ("#y", 1)])));
    assert!(!holds("attribute_exists(pk) AND #x <= :a", &with(&[("pk", 0)])), "an attribute that is not there");
}
