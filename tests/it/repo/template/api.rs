//! Rules about the HTTP API: what is open, who signs in, what a function behind it may do and hold.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::{check, events, list, put, statements};

/// Each route of a function is a statement of some 430 bytes in its resource policy, which may have 20 KB.
const MAX_ROUTES: usize = 45;

#[test]
fn only_webhooks_health_and_routes_with_api_keys_are_open() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let mut broken = Vec::new();
        if template.pointer("/Resources/HttpApi/Properties/Auth/DefaultAuthorizer") != Some(&json!("CognitoJwt")) {
            broken.push("the API has no default authorizer".to_owned());
        }
        for (id, _, event) in events(template, "HttpApi") {
            let path = event.get("Path").and_then(Value::as_str).unwrap_or_default();
            let open = ["/api/webhooks/", "/api/external/"].iter().any(|own| path.starts_with(own));
            let open = open || path == "/api/health";
            if event.get("Auth").is_some() != open {
                broken.push(format!("{id}: {path} must {}", if open { "be open" } else { "need a token" }));
            }
        }
        broken
    }
    check(rule, |template| {
        let auth = json!({"Path": "/api/{proxy+}", "Auth": {"Authorizer": "NONE"}});
        put(template, "/Resources/FrontendApi/Properties/Events/Read/Properties", auth)
    })
}

#[test]
fn a_function_has_no_more_routes_than_its_resource_policy_holds() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let mut routes: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, ..) in events(template, "HttpApi") {
            *routes.entry(id).or_default() += 1;
        }
        let many = routes.into_iter().filter(|(_, count)| *count > MAX_ROUTES);
        many.map(|(id, count)| format!("{id} has {count} routes")).collect()
    }
    check(rule, |template| {
        let route = json!({"Type": "HttpApi", "Properties": {"Path": "/api/x", "Method": "GET"}});
        let routes: serde_json::Map<String, Value> = (0..46).map(|at| (format!("Route{at}"), route.clone())).collect();
        put(template, "/Resources/FrontendApi/Properties/Events", Value::Object(routes))
    })
}

#[test]
fn who_takes_secrets_from_people_cannot_read_them() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let reads = |statement: &Value| {
            let actions = list(statement.get("Action"));
            actions.iter().any(|action| action.as_str().is_some_and(|action| action.starts_with("ssm:GetParameter")))
        };
        let broken = statements(template).filter(|(id, statement)| *id == "FrontendApiRole" && reads(statement));
        broken.map(|(id, _)| format!("{id} may read secrets")).collect()
    }
    check(rule, |template| {
        let action = "/Resources/FrontendApiRole/Properties/Policies/0/PolicyDocument/Statement/1/Action";
        put(template, action, json!(["ssm:GetParameter"]))
    })
}

#[test]
fn a_user_cannot_choose_an_organisation() -> Result<()> {
    fn rule(template: &Value) -> Vec<String> {
        let mut broken = Vec::new();
        let attributes = list(template.pointer("/Resources/UserPool/Properties/Schema"));
        let organisation = json!({
            "Name": "organisation",
            "AttributeDataType": "String",
            "Mutable": false,
            "StringAttributeConstraints": {"MinLength": "1", "MaxLength": "64"}
        });
        let fixed = attributes.iter().any(|a| **a == organisation);
        if !fixed {
            broken.push("the attribute organisation can change".to_owned());
        }
        // Without the list every attribute would be writable.
        if template.pointer("/Resources/UserPoolClient/Properties/WriteAttributes") != Some(&json!(["name"])) {
            broken.push("users may write more of themselves than their name".to_owned());
        }
        let invited = template.pointer("/Resources/UserPool/Properties/AdminCreateUserConfig/AllowAdminCreateUserOnly");
        if invited != Some(&json!(true)) {
            broken.push("anybody may sign up".to_owned());
        }
        broken
    }
    check(rule, |template| {
        put(template, "/Resources/UserPoolClient/Properties/WriteAttributes", json!(["name", "custom:organisation"]))
    })
}
