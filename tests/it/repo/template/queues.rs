//! Rules about what a worker may do with its queues.

use anyhow::Result;
use serde_json::{Value, json};

use super::{check, events, list, put, statements, target};

/// Work that must wait goes back as a message of its own, so that waiting does not count as failing: twelve handed out in vain
/// would be a dead letter.
#[test]
fn a_worker_may_send_to_each_queue_it_consumes() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let mut broken = Vec::new();
        for (_, function, event) in events(template, "SQS") {
            let queue = event.get("Queue");
            let role = function.pointer("/Properties/Role");
            let sends = |statement: &Value| {
                list(statement.get("Action")).contains(&&json!("sqs:SendMessage"))
                    && list(statement.get("Resource")).into_iter().any(|resource| Some(resource) == queue)
            };
            if !statements(template).any(|(id, statement)| Some(id) == target(role) && sends(statement)) {
                let of = |value| target(value).unwrap_or("?");
                broken.push(format!("{} may not send to {}, which it consumes", of(role), of(queue)));
            }
        }
        broken
    }
    check(rule, |template| {
        let statement = "/Resources/ActionWorkerRole/Properties/Policies/0/PolicyDocument/Statement";
        put(template, statement, json!([]))
    })
}
