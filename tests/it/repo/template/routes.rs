//! Rules about how requests reach the functions: the gateway has a proxy route for each method of a group of paths, and the
//! functions' own routers know the paths.

use anyhow::Result;
use serde_json::{Value, json};

use super::{check, events, put};
use crate::repo::source::sources;

/// Functions whose callers have no token of the user pool.
const OPEN: [&str; 3] = ["application-intake", "health", "webhook-receiver"];

const METHODS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];

/// One method of a route in a function's router.
struct Route {
    function: String,
    method: &'static str,
    path: String,
}

fn routes() -> Vec<Route> {
    let sources = sources().unwrap_or_default();
    let of_functions = sources.iter().filter_map(|(name, text)| {
        let (function, file) = name.strip_prefix("functions/")?.split_once("/src/")?;
        (!file.ends_with("tests.rs")).then_some((function, text.split("#[cfg(test)]").next()?))
    });
    of_functions.flat_map(|(function, code)| routes_in(function, code)).collect()
}

fn routes_in(function: &str, code: &str) -> Vec<Route> {
    let mut found = Vec::new();
    let mut add = |method, path: String| found.push(Route { function: function.to_owned(), method, path });
    for call in code.split(".route(").skip(1).map(arguments) {
        let Some(path) = path_in(call) else { continue };
        for method in METHODS {
            let names = |word: &str| word.eq_ignore_ascii_case(method);
            if call.split(|c: char| !c.is_alphanumeric() && c != '_').any(names) {
                add(method, path.to_owned());
            }
        }
    }
    // A kind of records that has a list and a read and nothing else.
    for path in code.split("of::<").skip(1).filter_map(|call| path_in(call.lines().next()?)) {
        add("GET", path.to_owned());
        add("GET", format!("{path}/{{id}}"));
    }
    found
}

/// The arguments of a call: everything to its closing parenthesis.
fn arguments(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    text.split_at(end.unwrap_or(text.len())).0
}

fn path_in(text: &str) -> Option<&str> {
    text.split('"').nth(1).filter(|literal| literal.starts_with("/api/"))
}

/// Whether a route of the gateway matches a path; a variable of the path matches only a variable.
fn matches(route: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for part in route.split('/') {
        match segments.next() {
            None => return false,
            Some(_) if part.ends_with("+}") => return true,
            Some(segment) if part == segment || part.starts_with('{') => {}
            Some(_) => return false,
        }
    }
    segments.next().is_none()
}

/// What API Gateway prefers among routes that match: a full match to a greedy one, then the one with more words of its own.
fn specificity(route: &str) -> (bool, usize) {
    let words = route.split('/').filter(|part| !part.starts_with('{')).count();
    (!route.ends_with("+}"), words)
}

/// The function that a request reaches, and whether it gets there without a token.
fn destination<'a>(template: &'a Value, method: &str, path: &str) -> Option<(&'a str, bool)> {
    let text = |event: &'a Value, name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let matching = events(template, "HttpApi")
        .filter(|(_, _, event)| text(event, "Method") == method && matches(text(event, "Path"), path));
    let (_, function, event) = matching.max_by_key(|(_, _, event)| specificity(text(event, "Path")))?;
    let binary = function.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str)?;
    Some((binary, event.pointer("/Auth/Authorizer") == Some(&json!("NONE"))))
}

#[test]
fn every_route_of_a_function_is_reached_with_its_sign_in() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let routes = routes();
        let mut broken = Vec::new();
        for (id, function, _) in events(template, "HttpApi") {
            let binary = function.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str);
            if !routes.iter().any(|route| Some(route.function.as_str()) == binary) {
                broken.push(format!("{id}: no route is found in its code"));
            }
        }
        for Route { function, method, path } in &routes {
            let wanted = Some((function.as_str(), OPEN.contains(&function.as_str())));
            let found = destination(template, method, path);
            if found != wanted {
                broken.push(format!("{method} {path} must reach {wanted:?}, and reaches {found:?}"));
            }
        }
        broken
    }
    check(rule, |template| {
        put(template, "/Resources/FrontendApi/Properties/Events/Replace/Properties/Method", json!("PATCH"))
    })?;
    check(rule, |template| {
        put(template, "/Resources/FrontendApi/Properties/Events/Read/Properties/Path", json!("/api/{kind}/{id}"))
    })?;
    check(rule, |template| put(template, "/Resources/Health/Properties/Events", json!({})))?;
    check(rule, |template| {
        put(template, "/Resources/WebhookReceiver/Properties/Events/ReceiveWebhook/Properties/Auth", Value::Null)
    })?;
    // More specific than the proxy route: it would take a path away from the function that serves it.
    check(rule, |template| {
        let properties = "/Resources/Health/Properties/Events/ReadHealth/Properties";
        put(template, properties, json!({"Method": "GET", "Path": "/api/jobs", "Auth": {"Authorizer": "NONE"}}))
    })
}

/// A route that takes OPTIONS, as ANY and `$default` do, would take preflights away from the gateway.
#[test]
fn the_gateway_answers_preflights() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let broken = events(template, "HttpApi").filter(|(_, _, event)| {
            let method = event.get("Method").and_then(Value::as_str).unwrap_or_default();
            !METHODS.contains(&method) || event.get("Path").is_none_or(|path| path == &json!("$default"))
        });
        broken.map(|(id, _, event)| format!("{id}: a route takes {:?}", event.get("Method"))).collect()
    }
    check(rule, |template| {
        put(template, "/Resources/FrontendApi/Properties/Events/Read/Properties/Method", json!("ANY"))
    })
}
