//! Mail templates: subject, text and HTML of each kind, with strict undefined values and HTML escaped by name.

use domain::notification::NotificationKind;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

macro_rules! texts {
    ($($kind:literal),+ $(,)?) => {
        [$(
            (concat!($kind, ".subject.txt"), include_str!(concat!("../templates/", $kind, ".subject.txt"))),
            (concat!($kind, ".txt"), include_str!(concat!("../templates/", $kind, ".txt"))),
            (concat!($kind, ".html"), include_str!(concat!("../templates/", $kind, ".html"))),
        )+]
    };
}

const LAYOUT: (&str, &str) = ("layout.html", include_str!("../templates/layout.html"));
const TEXTS: [(&str, &str); 21] = texts![
    "university-verification",
    "import-completed",
    "flag-resolved",
    "password-reset",
    "application-received",
    "interview-scheduled",
    "application-status-changed",
];

/// A mail cannot be made of its template. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
#[error("render the mail: {0:#}")]
pub struct TemplateError(#[from] minijinja::Error);

/// A mail's texts.
#[derive(Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For readers without HTML.
    pub text: String,
    /// For the others.
    pub html: String,
}

/// All templates.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// Reads the templates that were built in.
    ///
    /// # Errors
    /// When one is not valid: then the function does not start.
    pub fn built_in() -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, text) in TEXTS.into_iter().chain([LAYOUT]) {
            environment.add_template(name, text)?;
        }
        Ok(Self { environment })
    }

    /// Renders the mail of a kind.
    ///
    /// # Errors
    /// When a value that the template names is missing.
    pub fn render(&self, kind: NotificationKind, data: &Value) -> Result<Rendered, TemplateError> {
        let render = |part: &str| -> Result<String, TemplateError> {
            let template = self.environment.get_template(&format!("{}{part}", kind.as_str()))?;
            Ok(template.render(Serde(data))?)
        };
        // A subject is one line, whatever stands in the data.
        let subject = render(".subject.txt")?.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Rendered { subject, text: render(".txt")?, html: render(".html")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn data(kind: NotificationKind) -> Value {
        match kind {
            NotificationKind::UniversityVerification => json!({
                "name": "Ada", "university": "Turin", "verification_url": "https://a.example/v?x=1&y=2", "expires_in_hours": 24
            }),
            NotificationKind::ImportCompleted => json!({"name": "Ada", "source": "CSV", "imported": 5, "failed": 1}),
            NotificationKind::FlagResolved => json!({"name": "Ada", "flag": "Duplicate", "resolution": "Merged"}),
            NotificationKind::PasswordReset => json!({
                "name": "Ada", "reset_url": "https://a.example/r", "expires_in_minutes": 30
            }),
            NotificationKind::ApplicationReceived => {
                json!({"candidate_name": "Ada", "job_title": "Analyst", "summary": null})
            }
            NotificationKind::InterviewScheduled => json!({
                "candidate_name": "Ada", "job_title": "Analyst", "starts_at": "2026-12-01T09:00:00Z",
                "when": "1 December, 10:00", "duration_minutes": 45, "location": null, "meeting_url": null, "note": null
            }),
            NotificationKind::ApplicationStatusChanged => json!({
                "candidate_name": "Ada", "job_title": "Analyst", "status": "Interview", "message": null
            }),
        }
    }

    #[test]
    fn every_kind_renders_and_lacks_nothing() {
        let templates = Templates::built_in().expect("valid");
        for kind in NotificationKind::ALL {
            let mail = templates.render(kind, &data(kind)).expect("rendered");
            for text in [&mail.subject, &mail.text, &mail.html] {
                assert!(!text.is_empty() && !text.contains("{{"), "{kind:?}: {text}");
            }
            assert!(mail.html.contains("</html>"), "{kind:?} uses the layout");
            let mut poor = data(kind);
            let first = poor.as_object().and_then(|map| map.keys().next().cloned()).expect("a field");
            poor.as_object_mut().expect("object").remove(&first);
            assert!(templates.render(kind, &poor).is_err(), "{kind:?} without {first} is refused");
        }
    }

    #[test]
    fn what_people_wrote_is_escaped_in_html_and_cannot_break_the_subject() {
        let templates = Templates::built_in().expect("valid");
        let data = json!({"candidate_name": "<b>Eve</b>\r\nBcc: x", "job_title": "A & B", "summary": "<script>"});
        let mail = templates.render(NotificationKind::ApplicationReceived, &data).expect("rendered");
        assert!(!mail.html.contains("<b>Eve") && !mail.html.contains("<script>"), "{}", mail.html);
        assert!(!mail.subject.contains('\n') && !mail.subject.contains('\r'), "{}", mail.subject);
    }
}
