//! The body of a job application: its fields, their bounds, and which of them belong together.

use domain::id::JobId;
use domain::intake::{Applicant, AppliedJob, Priority, Resume, Submission};
use domain::text::{https_url, one_line, phone_number};
use garde::Validate;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use web::problem::Problem;

/// The time by which a sender's clock may be ahead.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// A job application. Lengths are in characters, unless they are said to be in bytes.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateIntakeRequest {
    #[garde(dive)]
    candidate: CandidateRequest,
    #[garde(dive)]
    job: AppliedJobRequest,
    #[garde(dive)]
    resume: Option<ResumeRequest>,
    #[garde(inner(length(chars, min = 1, max = 10_000)))]
    cover_letter: Option<String>,
    #[garde(inner(length(chars, max = 100), custom(one_line)))]
    source: Option<String>,
    #[garde(skip)]
    #[serde(default)]
    priority: Priority,
    #[garde(skip)]
    applied_at: Option<Timestamp>,
}

/// The person who applies.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct CandidateRequest {
    #[garde(length(chars, max = 200), custom(one_line))]
    name: String,
    #[garde(length(bytes, max = 254), email)]
    email: String,
    #[garde(inner(custom(phone_number)))]
    phone: Option<String>,
}

/// The job that the person applies for: either `id`, or `reference` with or without `title`.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct AppliedJobRequest {
    #[garde(skip)]
    id: Option<String>,
    #[garde(inner(length(chars, max = 200), custom(one_line)))]
    reference: Option<String>,
    #[garde(inner(length(chars, max = 200), custom(one_line)))]
    title: Option<String>,
}

/// The resume: either `text` or `url`.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct ResumeRequest {
    #[garde(inner(length(chars, min = 1, max = 30_000)))]
    text: Option<String>,
    #[garde(inner(length(bytes, max = 2_000), custom(https_url)))]
    url: Option<String>,
}

impl CreateIntakeRequest {
    /// The submission, validated as a whole.
    ///
    /// # Errors
    /// 400 naming the field.
    pub(crate) fn submission(self, now: Timestamp) -> Result<Submission, Problem> {
        let Self { candidate, job, resume, cover_letter, source, priority, applied_at } = self;
        let CandidateRequest { name, email, phone } = candidate;
        if applied_at.is_some_and(|at| at.duration_since(now) > CLOCK_TOLERANCE) {
            return Err(Problem::invalid_field("applied_at", "range", "a time that has passed is expected"));
        }
        Ok(Submission {
            priority,
            candidate: Applicant { name, email, phone },
            job: job.applied()?,
            resume: resume.map(ResumeRequest::given).transpose()?,
            cover_letter,
            source,
            applied_at,
        })
    }
}

impl AppliedJobRequest {
    fn applied(self) -> Result<AppliedJob, Problem> {
        let Self { id, reference, title } = self;
        match (id, reference, title) {
            (Some(id), None, None) => id.parse::<JobId>().map(AppliedJob::Recorded).map_err(|_| {
                Problem::invalid_field(
                    "job.id",
                    "invalid",
                    "the id of a job is expected; another system's is a reference",
                )
            }),
            (None, Some(reference), title) => Ok(AppliedJob::External { reference, title }),
            (Some(_), _, _) => Err(Problem::invalid_field(
                "job.id",
                "invalid",
                "not together with reference or title: a job of ours has both",
            )),
            (None, None, _) => Err(Problem::invalid_field(
                "job",
                "missing",
                "id (a job of ours) or reference (one of yours) is required",
            )),
        }
    }
}

impl ResumeRequest {
    fn given(self) -> Result<Resume, Problem> {
        match (self.text, self.url) {
            (Some(text), None) => Ok(Resume::Text(text)),
            (None, Some(url)) => Ok(Resume::Url(url)),
            (Some(_), Some(_)) => Err(Problem::invalid_field("resume", "invalid", "text or url, not both")),
            (None, None) => Err(Problem::invalid_field("resume", "missing", "text or url is required")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use web::body::parse;

    use super::*;

    fn full() -> Value {
        json!({
            "candidate": {"name": "Ada Byron", "email": "ada@mail.example", "phone": "+44 (0)20 7946-0123"},
            "job": {"reference": "REQ-7", "title": "Analyst"},
            "resume": {"text": "Notes on the Analytical Engine."},
            "cover_letter": "Dear reader,\nI apply.",
            "source": "careers page",
            "priority": "high",
            "applied_at": "2026-11-22T09:30:00Z"
        })
    }

    fn read(body: &Value) -> Result<Submission, (String, &'static str)> {
        let now = "2026-11-22T10:00:00Z".parse().expect("a time");
        let new = parse::<CreateIntakeRequest>(body.to_string().as_bytes(), "");
        new.and_then(|new| new.submission(now)).map_err(|problem| {
            let [error] = problem.errors() else { panic!("one error expected: {problem:?}") };
            (error.field.clone(), error.rule)
        })
    }

    #[test]
    fn a_full_and_a_short_body_are_taken() {
        let all = read(&full()).expect("a submission");
        assert_eq!((all.priority, all.resume.is_some(), all.applied_at.is_some()), (Priority::High, true, true));
        let short = json!({"candidate": {"name": "A", "email": "a@b.example"},
                           "job": {"id": "0190f5fe-7c00-7a00-8000-000000000001"}});
        let short = read(&short).expect("a submission");
        assert_eq!(short.priority, Priority::Normal);
        assert!(matches!(short.job, AppliedJob::Recorded(_)));
    }

    #[test]
    fn every_broken_rule_names_its_field() {
        for (pointer, value, field, rule) in [
            ("/candidate", Value::Null, "candidate", "missing"),
            ("/candidate/name", Value::Null, "candidate.name", "missing"),
            ("/candidate/name", json!("  "), "candidate.name", "invalid"),
            ("/candidate/name", json!("Ada\nByron"), "candidate.name", "invalid"),
            ("/candidate/name", json!("x".repeat(201)), "candidate.name", "invalid"),
            ("/candidate/email", json!("nobody"), "candidate.email", "invalid"),
            ("/candidate/phone", json!("call me"), "candidate.phone", "invalid"),
            ("/candidate/age", json!(36), "candidate.age", "unknown"),
            ("/colour", json!("red"), "colour", "unknown"),
            ("/job", json!({}), "job", "missing"),
            ("/job", json!({"title": "Analyst"}), "job", "missing"),
            ("/job/id", json!("REQ-7"), "job.id", "invalid"),
            ("/job", json!({"id": "REQ-7"}), "job.id", "invalid"),
            ("/job/reference", json!(7), "job.reference", "type"),
            ("/job/reference", json!(""), "job.reference", "invalid"),
            ("/resume", json!({}), "resume", "missing"),
            ("/resume/url", json!("https://a.example/cv.pdf"), "resume", "invalid"),
            ("/resume", json!({"url": "http://a.example"}), "resume.url", "invalid"),
            ("/resume/text", json!("x".repeat(30_001)), "resume.text", "invalid"),
            ("/cover_letter", json!(""), "cover_letter", "invalid"),
            ("/source", json!("x".repeat(101)), "source", "invalid"),
            ("/priority", json!("urgent"), "priority", "unknown-value"),
            ("/applied_at", json!("yesterday"), "applied_at", "invalid"),
            ("/applied_at", json!("2026-11-22T10:05:01Z"), "applied_at", "range"),
        ] {
            let mut body = full();
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
            match value.is_null() {
                true => parent.remove(name),
                false => parent.insert(name.to_owned(), value.clone()),
            };
            assert_eq!(read(&body), Err((field.to_owned(), rule)), "{pointer} {value}");
        }
    }
}
