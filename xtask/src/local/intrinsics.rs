//! The short forms of CloudFormation's intrinsic functions.
//!
//! In YAML an intrinsic may be a tag (`!Sub x`); JSON knows only its long form (`{"Fn::Sub": "x"}`). The deployment of the
//! local stack and the rules of the tests both read the long form, and both come here for it.

use serde_yaml_ng::{Mapping, Value, value::TaggedValue};

/// A value of the template with each tag rewritten as the long form of its intrinsic.
pub(crate) fn expand(value: Value) -> Value {
    match value {
        Value::Tagged(tagged) => long_form(*tagged),
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(expand).collect()),
        Value::Mapping(entries) => Value::Mapping(entries.into_iter().map(|(key, item)| (key, expand(item))).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn long_form(tagged: TaggedValue) -> Value {
    let tag = tagged.tag.to_string();
    let name = tag.trim_start_matches('!');
    let argument = expand(tagged.value);
    let (name, argument) = match (name, argument) {
        ("Ref" | "Condition", argument) => (name.to_owned(), argument),
        // A logical id holds no dot, an attribute may: `!GetAtt Pool.Endpoint.Address`.
        ("GetAtt", Value::String(path)) => ("Fn::GetAtt".to_owned(), path.splitn(2, '.').collect()),
        (_, argument) => (format!("Fn::{name}"), argument),
    };
    Value::Mapping(Mapping::from_iter([(Value::String(name), argument)]))
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;

    #[test]
    fn a_tag_becomes_the_long_form_wherever_it_is() -> Result<()> {
        let short: Value = serde_yaml_ng::from_str(
            "Conditions: {IsProd: !Equals [!Ref Stage, prod], Both: !And [!Condition IsProd, !Condition IsEu]}
Arn: !GetAtt Queue.Arn
Host: !GetAtt Database.Endpoint.Address
Names:
  - !Sub ${Queue.Arn}/x
  - !If [IsProd, 1, !Ref AWS::NoValue]
Plain: {Ref: Stage, Number: 5, On: true, None: null}
",
        )?;
        let long: Value = serde_yaml_ng::from_str(
            "Conditions:
  IsProd: {'Fn::Equals': [{Ref: Stage}, prod]}
  Both: {'Fn::And': [{Condition: IsProd}, {Condition: IsEu}]}
Arn: {'Fn::GetAtt': [Queue, Arn]}
Host: {'Fn::GetAtt': [Database, Endpoint.Address]}
Names:
  - {'Fn::Sub': '${Queue.Arn}/x'}
  - {'Fn::If': [IsProd, 1, {Ref: 'AWS::NoValue'}]}
Plain: {Ref: Stage, Number: 5, On: true, None: null}
",
        )?;
        assert_eq!(expand(short), long);
        Ok(())
    }
}
