//! Rules for template.yaml. Each is a pure function from the parsed template to its violations, and each is shown to
//! fail on a template that was broken on purpose.

mod api;
// The reader that deploys the template, so that what is checked is what is deployed.
#[path = "../../../xtask/src/local/intrinsics.rs"]
mod intrinsics;
mod queues;
mod routes;
mod size;

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::repo::layout::function_folders;
use crate::repo::source::root;

/// The least ratio of the visibility timeout to the worker's timeout; from the AWS documentation of SQS triggers.
const VISIBILITY_FACTOR: u64 = 6;

/// The longest retry schedule has 8 tries, and a message may also be handed out while another worker holds its work.
const MIN_RECEIVES: u64 = 12;

fn template() -> Result<Value> {
    let text = fs::read_to_string(root().join("template.yaml"))?;
    let content = serde_yaml_ng::from_str(&text).context("failed to parse template.yaml")?;
    serde_json::to_value(intrinsics::expand(content)).context("template.yaml holds what JSON cannot")
}

/// The rule holds for the template, and does not for the template after `break_it`.
fn check(rule: fn(&Value) -> Vec<String>, break_it: fn(&mut Value) -> Result<()>) -> Result<()> {
    let mut template = template()?;
    let violations = rule(&template);
    ensure!(violations.is_empty(), "template.yaml: {}", violations.join("; "));
    break_it(&mut template)?;
    ensure!(!rule(&template).is_empty(), "the rule does not notice a broken template");
    Ok(())
}

/// Puts a value at a place that exists; a test that breaks nothing would prove nothing.
fn put(template: &mut Value, pointer: &str, value: Value) -> Result<()> {
    let place = template.pointer_mut(pointer).with_context(|| format!("the template has nothing at {pointer}"))?;
    *place = value;
    Ok(())
}

fn resources<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let all = template.get("Resources").and_then(Value::as_object);
    let of_kind = move |resource: &Value| resource.get("Type").and_then(Value::as_str) == Some(kind);
    all.into_iter().flatten().filter(move |(_, resource)| of_kind(resource)).map(|(id, value)| (id.as_str(), value))
}

fn functions(template: &Value) -> impl Iterator<Item = (&str, &Value)> {
    resources(template, "AWS::Serverless::Function")
}

/// The events of a kind, with the function that they start.
fn events<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value, &'a Value)> {
    functions(template).flat_map(move |(id, function)| {
        let events = function.pointer("/Properties/Events").and_then(Value::as_object);
        let of_kind = move |event: &&Value| event.get("Type").and_then(Value::as_str) == Some(kind);
        let properties = |event: &'a Value| event.get("Properties").unwrap_or(&Value::Null);
        events
            .into_iter()
            .flat_map(|events| events.values())
            .filter(of_kind)
            .map(move |e| (id, function, properties(e)))
    })
}

/// The logical id in `Fn::GetAtt: [ID, Arn]` or `Ref: ID`.
fn target(value: Option<&Value>) -> Option<&str> {
    let value = value?;
    value.pointer("/Fn::GetAtt/0").or_else(|| value.get("Ref")).and_then(Value::as_str)
}

fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    }
}

fn queue<'a>(template: &'a Value, id: Option<&str>) -> Option<&'a Value> {
    template.get("Resources")?.get(id?)
}

#[test]
fn visibility_is_six_times_the_timeout_of_the_worker() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let broken = events(template, "SQS").filter_map(|(id, function, event)| {
            let queue = queue(template, target(event.get("Queue")));
            let hidden = queue.and_then(|queue| number(queue, "/Properties/VisibilityTimeout"));
            let timeout = number(function, "/Properties/Timeout");
            match (hidden, timeout) {
                (Some(hidden), Some(timeout)) if hidden >= VISIBILITY_FACTOR * timeout => None,
                _ => Some(format!("{id}: timeout {timeout:?} s, its queue hides messages for {hidden:?} s")),
            }
        });
        broken.collect()
    }
    check(rule, |template| put(template, "/Resources/SyncQueue/Properties/VisibilityTimeout", json!(719)))
}

#[test]
fn a_consumed_queue_has_a_dead_letter_queue_that_keeps_longer() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let broken = events(template, "SQS").filter_map(|(id, _, event)| {
            let source = queue(template, target(event.get("Queue")))?;
            let redrive = source.pointer("/Properties/RedrivePolicy");
            let dead = queue(template, target(redrive.and_then(|policy| policy.get("deadLetterTargetArn"))));
            let receives = redrive.and_then(|policy| number(policy, "/maxReceiveCount"));
            let retention = |queue: &Value| number(queue, "/Properties/MessageRetentionPeriod");
            let longer = dead.is_some_and(|dead| retention(dead) > retention(source));
            (!(longer && receives >= Some(MIN_RECEIVES)))
                .then(|| format!("{id}: its queue has no such dead-letter queue"))
        });
        broken.collect()
    }
    check(rule, |template| put(template, "/Resources/EmailQueue/Properties/RedrivePolicy", Value::Null))?;
    check(rule, |template| put(template, "/Resources/EmailDlq/Properties/MessageRetentionPeriod", json!(60)))
}

#[test]
fn a_batch_reports_its_failures_one_by_one_and_has_a_bound() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let broken = events(template, "SQS").filter(|(_, _, event)| {
            event.get("FunctionResponseTypes") != Some(&json!(["ReportBatchItemFailures"]))
                || number(event, "/BatchSize").is_none_or(|size| size > 10)
                || number(event, "/ScalingConfig/MaximumConcurrency").is_none()
        });
        broken.map(|(id, ..)| format!("{id}: ReportBatchItemFailures, BatchSize or MaximumConcurrency")).collect()
    }
    check(rule, |template| {
        put(
            template,
            "/Resources/EmailWorker/Properties/Events/EmailMessages/Properties/FunctionResponseTypes",
            json!([]),
        )
    })
}

#[test]
fn every_function_has_a_role_of_its_own_and_every_role_one_user() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let mut users: Vec<(&str, Option<&str>)> =
            functions(template).map(|(id, function)| (id, target(function.pointer("/Properties/Role")))).collect();
        users.extend(events(template, "ScheduleV2").map(|(id, _, event)| (id, target(event.get("RoleArn")))));
        let mut broken = Vec::new();
        let mut used = BTreeSet::new();
        for (id, role) in users {
            if role.is_none_or(|role| !used.insert(role)) {
                broken.push(format!("{id} has no role of its own"));
            }
        }
        let roles: BTreeSet<&str> = resources(template, "AWS::IAM::Role").map(|(id, _)| id).collect();
        broken.extend(roles.symmetric_difference(&used).map(|id| format!("{id} is not a role with one user")));
        for (id, function) in functions(template) {
            if function.pointer("/Properties/Policies").is_some() {
                broken.push(format!("{id} has policies beside its role"));
            }
        }
        broken
    }
    check(rule, |template| {
        put(template, "/Resources/Health/Properties/Role", json!({"Fn::GetAtt": ["FrontendApiRole", "Arn"]}))
    })
}

/// Every statement that a role allows, with the role that holds it.
fn statements(template: &Value) -> impl Iterator<Item = (&str, &Value)> {
    resources(template, "AWS::IAM::Role").flat_map(|(id, role)| {
        let policies = list(role.pointer("/Properties/Policies"));
        policies.into_iter().flat_map(move |policy| {
            list(policy.pointer("/PolicyDocument/Statement")).into_iter().map(move |statement| (id, statement))
        })
    })
}

#[test]
fn a_role_allows_named_actions_on_named_resources() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let mut broken = Vec::new();
        let mut names = BTreeSet::new();
        for (id, statement) in statements(template) {
            let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default();
            let actions = list(statement.get("Action"));
            let resources = list(statement.get("Resource"));
            let open = |value: &&Value| value.as_str().is_none_or(|text| text.contains('*'));
            let bare = |value: &&Value| value.as_str().is_some_and(|text| text == "*" || text.ends_with(":*"));
            if sid.is_empty() || !names.insert((id, sid)) {
                broken.push(format!("{id}: a statement has no Sid of its own"));
            }
            if actions.is_empty() || actions.iter().any(open) {
                broken.push(format!("{id} {sid}: an action is a pattern"));
            }
            if resources.is_empty() || resources.iter().any(bare) {
                broken.push(format!("{id} {sid}: a resource is everything"));
            }
            if actions.iter().any(|action| **action == json!("dynamodb:Scan")) {
                broken.push(format!("{id} {sid}: a scan reads every tenant"));
            }
        }
        for (id, role) in resources(template, "AWS::IAM::Role") {
            if role.pointer("/Properties/ManagedPolicyArns").is_some() {
                broken.push(format!("{id}: a managed policy says more than this function needs"));
            }
        }
        broken
    }
    check(rule, |t| {
        put(t, "/Resources/HealthRole/Properties/Policies/0/PolicyDocument/Statement/1/Action", json!("sqs:*"))
    })?;
    check(rule, |t| {
        put(t, "/Resources/HealthRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource", json!(["*"]))
    })?;
    check(rule, |t| {
        let action = "/Resources/FrontendApiRole/Properties/Policies/0/PolicyDocument/Statement/1/Action";
        put(t, action, json!(["dynamodb:Query", "dynamodb:Scan"]))
    })
}

#[test]
fn every_function_writes_to_a_log_group_that_forgets() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let broken = functions(template).filter(|(_, function)| {
            let group = target(function.pointer("/Properties/LoggingConfig/LogGroup"));
            let group = group.and_then(|id| template.get("Resources")?.get(id)).unwrap_or(&Value::Null);
            let name = function.pointer("/Properties/FunctionName/Fn::Sub").and_then(Value::as_str).unwrap_or_default();
            group.pointer("/Properties/RetentionInDays").is_none()
                || group.pointer("/Properties/LogGroupName/Fn::Sub") != Some(&json!(format!("/aws/lambda/{name}")))
        });
        broken.map(|(id, _)| format!("{id} has no log group of its name with a retention")).collect()
    }
    check(rule, |template| put(template, "/Resources/HealthLogGroup/Properties", json!({})))
}

#[test]
fn data_is_encrypted_and_records_can_be_restored() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let on = |resource: &Value, pointer: &str| resource.pointer(pointer) == Some(&json!(true));
        let queues = resources(template, "AWS::SQS::Queue").filter(|(_, q)| !on(q, "/Properties/SqsManagedSseEnabled"));
        let tables = resources(template, "AWS::DynamoDB::Table");
        let tables = tables.filter(|(_, table)| !on(table, "/Properties/SSESpecification/SSEEnabled"));
        let mut broken: Vec<String> = queues.chain(tables).map(|(id, _)| format!("{id} is not encrypted")).collect();
        let restorable =
            "/Resources/RecordsTable/Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled";
        if !on(template, restorable)
            || template.pointer("/Resources/RecordsTable/Properties/TimeToLiveSpecification").is_some()
        {
            broken.push("RecordsTable cannot be restored, or forgets".to_owned());
        }
        broken
    }
    check(rule, |template| put(template, "/Resources/SyncDlq/Properties/SqsManagedSseEnabled", json!(false)))
}

#[test]
fn simulators_are_refused_outside_the_local_stage() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let assertion = template.pointer("/Rules/ProviderBaseUrlOnlyLocally/Assertions/0/Assert");
        let condition = template.pointer("/Rules/ProviderBaseUrlOnlyLocally/RuleCondition");
        let wanted = json!({"Fn::Equals": [{"Ref": "ProviderBaseUrl"}, ""]});
        let outside = json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, "local"]}]});
        let present = assertion == Some(&wanted) && condition == Some(&outside);
        if present { Vec::new() } else { vec!["the rule ProviderBaseUrlOnlyLocally is gone".to_owned()] }
    }
    check(rule, |template| put(template, "/Rules", json!({})))
}

#[test]
fn the_template_offers_the_mail_providers_that_there_are() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let offered = list(template.pointer("/Parameters/MailProvider/AllowedValues"));
        let offered: BTreeSet<&str> = offered.into_iter().filter_map(Value::as_str).collect();
        let known = || providers::mail::ALL.iter();
        let all: BTreeSet<&str> = known().map(|provider| provider.info.id).collect();
        let differ = offered.symmetric_difference(&all);
        let mut broken: Vec<String> =
            differ.map(|id| format!("MailProvider and the registry differ by {id}")).collect();
        let anywhere =
            list(template.pointer("/Rules/OnlyProductionMailsOverPublicHosts/Assertions/0/Assert/Fn::Contains/0"));
        let without_host: Vec<&str> =
            known().filter(|provider| provider.base_url.is_none()).map(|provider| provider.info.id).collect();
        if anywhere.into_iter().filter_map(Value::as_str).collect::<Vec<_>>() != without_host {
            broken.push(format!("what dev and staging may use is not {without_host:?}"));
        }
        let fallback = list(template.pointer("/Rules/MailLeavesProduction/Assertions/1/Assert/Fn::EachMemberIn/1"));
        let fallback: BTreeSet<&str> = fallback.into_iter().filter_map(Value::as_str).collect();
        let sending: BTreeSet<&str> = all.iter().copied().filter(|id| *id != "log").chain([""]).collect();
        let differ = fallback.symmetric_difference(&sending);
        broken.extend(differ.map(|id| format!("MailFallback in prod and the registry differ by `{id}`")));
        broken
    }
    check(rule, |template| put(template, "/Parameters/MailProvider/AllowedValues", json!(["smtp", "pigeon"])))?;
    check(rule, |template| put(template, "/Rules/MailLeavesProduction/Assertions", json!([])))?;
    check(rule, |template| put(template, "/Rules/OnlyProductionMailsOverPublicHosts/Assertions", json!([])))
}

#[test]
fn the_template_and_the_folders_name_the_same_functions() -> Result<()> {
    fn pascal(name: &str) -> String {
        let part =
            |part: &str| part.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(part.chars().skip(1)).collect();
        name.split('-').map(part).collect::<Vec<String>>().concat()
    }
    fn rule(template: &Value) -> Vec<String> {
        let mut broken = Vec::new();
        let mut found = BTreeSet::new();
        for (id, function) in functions(template) {
            let binary =
                function.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str).unwrap_or_default();
            let name = json!(format!("hiring-integrations-${{Stage}}-{binary}"));
            let built = function.pointer("/Metadata/BuildMethod") == Some(&json!("rust-cargolambda"));
            if id != pascal(binary) || !built || function.pointer("/Properties/FunctionName/Fn::Sub") != Some(&name) {
                broken.push(format!("{id}: id, Binary, BuildMethod and FunctionName do not belong together"));
            }
            found.insert(binary.to_owned());
        }
        let folders = function_folders().unwrap_or_default();
        broken.extend(folders.symmetric_difference(&found).map(|name| format!("{name} is not in both")));
        broken
    }
    check(rule, |template| put(template, "/Resources/Health", json!({})))
}

#[test]
fn every_function_has_two_events_to_replay() -> Result<()> {
    for name in function_folders()? {
        let folder = root().join("events").join(&name);
        let files = fs::read_dir(&folder).with_context(|| format!("{} is missing", folder.display()))?;
        let cases = files.flatten().filter(|file| file.path().extension().is_some_and(|extension| extension == "json"));
        ensure!(cases.count() >= 2, "events/{name} needs an ordinary and a hostile case");
    }
    Ok(())
}
