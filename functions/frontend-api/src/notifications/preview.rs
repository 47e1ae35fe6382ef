//! Previews of mails. Nothing is stored and nothing is sent.

use aws::telemetry::chain;
use axum::Json;
use axum::extract::State;
use domain::language::Language;
use domain::notification::NotificationKind;
use garde::Validate;
use mail_templates::{Rendered, Templates};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use web::body::Checked;
use web::identity::Identity;
use web::problem::Problem;

use super::data::validated;
use crate::api::Api;

/// The body of a request for a preview. The kind decides what `data` must hold.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewRequest {
    #[garde(skip)]
    kind: NotificationKind,
    #[garde(skip)]
    #[serde(default)]
    language: Option<Language>,
    #[garde(skip)]
    data: Value,
}

/// The mail as it would be sent, and which templates it is made of.
#[derive(Debug, Serialize)]
pub(super) struct PreviewResponse {
    kind: NotificationKind,
    /// The language of the mail: the available one that is nearest to the requested one.
    language: Language,
    version: u32,
    subject: String,
    text: String,
    html: String,
}

/// Renders a mail. Every caller with a token may request it, because no record is read.
pub(super) async fn preview(
    State(api): State<Api>,
    _: Identity,
    Checked(request): Checked<PreviewRequest>,
) -> Result<Json<PreviewResponse>, Problem> {
    render(&api.templates, request).map(Json)
}

fn render(templates: &Templates, request: PreviewRequest) -> Result<PreviewResponse, Problem> {
    let PreviewRequest { kind, language, data } = request;
    let data = validated(kind, &data)?;
    let rendered = templates.render(kind, language.as_ref(), &data).map_err(|error| {
        // Validated data can be rendered; if not, the templates and the rules of the data contradict each other.
        tracing::error!(error = %chain(&error), "a preview failed");
        Problem::internal()
    })?;
    let Rendered { subject, text, html, language, version } = rendered;
    Ok(PreviewResponse { kind, language, version, subject, text, html })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use web::body::parse;

    use super::*;

    fn preview(body: &Value) -> Result<PreviewResponse, Problem> {
        let request = parse(body.to_string().as_bytes(), "")?;
        render(&Templates::built_in().expect("valid"), request)
    }

    fn body(kind: &str, data: Value) -> Value {
        json!({"kind": kind, "language": "de-AT", "data": data})
    }

    /// Data of each kind that leaves out whatever may be left out.
    fn poor() -> [Value; 7] {
        [
            body(
                "university-verification",
                json!({"name": "Ada", "university": "Turin",
                "verification_url": "https://a.example/v", "expires_in_hours": 1}),
            ),
            body("import-completed", json!({"name": "Ada", "source": "CSV", "imported": 5, "failed": 0})),
            body("flag-resolved", json!({"name": "Ada", "flag": "Duplicate", "resolution": " "})),
            body("password-reset", json!({"name": "Ada", "reset_url": "https://a.example/r", "expires_in_minutes": 1})),
            body("application-received", json!({"candidate_name": "Ada", "job_title": "Analyst"})),
            body(
                "interview-scheduled",
                json!({"candidate_name": "Ada", "job_title": "Analyst",
                "starts_at": "2026-12-01T09:00:00Z", "when": "1. Dezember, 10 Uhr", "duration_minutes": 45}),
            ),
            body("application-status-changed", json!({"candidate_name": "Ada", "job_title": "Analyst", "status": "x"})),
        ]
    }

    #[test]
    fn a_mail_of_every_kind_is_rendered_in_the_nearest_language() {
        for body in poor() {
            let rendered = serde_json::to_value(preview(&body).expect("rendered")).expect("JSON");
            let names: Vec<&str> = rendered.as_object().expect("object").keys().map(String::as_str).collect();
            assert_eq!(names, ["html", "kind", "language", "subject", "text", "version"]);
            assert_eq!(
                (&rendered["kind"], &rendered["language"], &rendered["version"]),
                (&body["kind"], &json!("de"), &json!(1))
            );
            assert!(rendered["html"].as_str().is_some_and(|html| html.contains("lang=\"de\"")), "{rendered}");
        }
        let mut english = poor()[3].clone();
        english.as_object_mut().expect("object").remove("language");
        let rendered = preview(&english).expect("rendered");
        assert_eq!((rendered.language.as_str(), rendered.subject.as_str()), ("en", "Choose a new password"));
    }

    #[test]
    fn what_cannot_be_sent_cannot_be_previewed() {
        let with = |field: &str, value: Value| {
            let mut body = poor()[3].clone();
            let (parent, name) = field.rsplit_once('.').unwrap_or(("", field));
            if parent.is_empty() {
                body[name] = value
            } else {
                body[parent][name] = value
            }
            body
        };
        for (field, value, rule) in [
            ("kind", json!("birthday"), "unknown-value"),
            ("language", json!("German"), "invalid"),
            ("to", json!("ada@example.com"), "unknown"),
            ("data", json!([]), "type"),
            ("data.name", json!(""), "invalid"),
            ("data.html", json!("<b>"), "unknown"),
            ("data.reset_url", json!("javascript:alert(1)"), "invalid"),
            ("data.expires_in_minutes", json!(0), "invalid"),
        ] {
            let problem = preview(&with(field, value)).expect_err("refused");
            let [error] = problem.errors() else { panic!("one error expected: {problem:?}") };
            assert_eq!((error.field.as_str(), error.rule), (field, rule), "{error:?}");
        }
    }
}
