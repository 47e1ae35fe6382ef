//! Rules about how large the template may become: for its readers, and for CloudFormation.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{check, events, functions, put};
use crate::repo::source::root;

const MAX_LINES: usize = 1_900;

/// CloudFormation takes 500 resources; the rest leaves time to split the stack.
const MAX_RESOURCES: usize = 400;

/// The number of lines without the blocks that are generated.
fn hand_written(text: &str) -> usize {
    let mut generated = false;
    let own = text.lines().filter(|line| {
        let was = generated;
        match line.trim() {
            "# generated: begin" => generated = true,
            "# generated: end" => generated = false,
            _ => {}
        }
        !was && !generated
    });
    own.count()
}

#[test]
fn the_template_can_be_read_in_one_sitting() -> Result<()> {
    let lines = hand_written(&fs::read_to_string(root().join("template.yaml"))?);
    ensure!(lines < MAX_LINES, "template.yaml has {lines} lines that are written by hand");
    ensure!(hand_written("a\n  # generated: begin\n  b\n  # generated: end\nc\n") == 2, "generated lines are counted");
    Ok(())
}

#[test]
fn the_stack_has_room_for_more_resources() -> Result<()> {
    /// The declared resources and what the SAM transform adds to them: the stage of the API, and for each event its
    /// permission, mapping or schedule, and for each function how it is invoked.
    fn rule(template: &Value) -> Vec<String> {
        let declared = template.get("Resources").and_then(Value::as_object).map_or(0, serde_json::Map::len);
        let events: usize = ["HttpApi", "SQS", "ScheduleV2"].map(|kind| events(template, kind).count()).iter().sum();
        let invoked = functions(template).filter(|(_, f)| f.pointer("/Properties/EventInvokeConfig").is_some()).count();
        let all = declared + events + invoked + 1;
        if all <= MAX_RESOURCES { Vec::new() } else { vec![format!("the stack has {all} resources")] }
    }
    check(rule, |template| {
        let route = json!({"Type": "HttpApi", "Properties": {"Path": "/api/x", "Method": "GET"}});
        let routes = (0..MAX_RESOURCES).map(|at| (format!("Route{at}"), route.clone())).collect();
        put(template, "/Resources/FrontendApi/Properties/Events", Value::Object(routes))
    })
}
