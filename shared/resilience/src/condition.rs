//! Reads condition expressions as the table does, so that the models in the tests of this crate run on the very texts that
//! are sent to it. Knows what those texts use: `AND`, `OR`, parentheses, comparisons, `attribute_exists(pk)` and its opposite.

/// A condition that was read.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Exists(bool),
    Compare(String, String, String),
}

impl Condition {
    /// Reads a condition; a text that this reader does not understand fails the test that uses it.
    pub(crate) fn read(text: &str) -> Self {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        let condition = any(&mut rest);
        assert!(rest.is_empty(), "{text}: not understood from {rest:?}");
        condition
    }

    /// Whether it holds. `of` gives the number that stands for an attribute (`#name`), a value (`:name`) or `pk`; none for an
    /// attribute that is not there, with which no comparison holds.
    pub(crate) fn holds(&self, of: &impl Fn(&str) -> Option<i64>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(of)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(of)),
            Self::Exists(wanted) => of("pk").is_some() == *wanted,
            Self::Compare(left, operator, right) => match (of(left), of(right)) {
                (Some(left), Some(right)) => match operator.as_str() {
                    "=" => left == right,
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
        ["attribute_exists", "(", "pk", ")", after @ ..] => {
            *rest = after;
            Condition::Exists(true)
        }
        ["attribute_not_exists", "(", "pk", ")", after @ ..] => {
            *rest = after;
            Condition::Exists(false)
        }
        [left, operator, right, after @ ..] => {
            *rest = after;
            Condition::Compare((*left).to_owned(), (*operator).to_owned(), (*right).to_owned())
        }
        _ => panic!("a condition ends too early: {rest:?}"),
    }
}

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
