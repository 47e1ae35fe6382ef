//! The records of applicant tracking systems besides applications and jobs, as they are recorded.

use std::fmt::Display;
use std::str::FromStr;

use axum::Router;
use axum::routing::get;
use domain::ats::{Candidate, Department, Interview, Offer, Office, Opening, Post, Scorecard, User};
use domain::id::{CandidateId, DepartmentId, InterviewId, OfferId, OfficeId, OpeningId, PostId, ScorecardId, UserId};
use serde::Serialize;
use serde_json::{Map, Value};
use store::records::{Recorded, Stored};

use crate::api::Api;
use crate::records::{FromRecord, list, read};

/// A record as it is recorded, with its times and without its format version.
#[derive(Debug, PartialEq, Serialize)]
#[serde(transparent)]
struct RecordResponse(Map<String, Value>);

impl<R: Stored> FromRecord<R> for RecordResponse {
    fn from_record(recorded: Recorded<R>) -> Self {
        let Recorded { value, created_at, updated_at } = recorded;
        // A record is an object, and has no map whose keys are not texts.
        let mut fields = match serde_json::to_value(value) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => Map::new(),
        };
        fields.remove("v");
        fields.insert("created_at".to_owned(), created_at.to_string().into());
        fields.insert("updated_at".to_owned(), updated_at.to_string().into());
        Self(fields)
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .merge(of::<Candidate, CandidateId>("/api/candidates"))
        .merge(of::<Interview, InterviewId>("/api/interviews"))
        .merge(of::<Offer, OfferId>("/api/offers"))
        .merge(of::<Scorecard, ScorecardId>("/api/scorecards"))
        .merge(of::<Opening, OpeningId>("/api/openings"))
        .merge(of::<Post, PostId>("/api/posts"))
        .merge(of::<Department, DepartmentId>("/api/departments"))
        .merge(of::<Office, OfficeId>("/api/offices"))
        .merge(of::<User, UserId>("/api/users"))
}

/// The routes of the list and of the read of a kind.
fn of<R, I>(path: &str) -> Router<Api>
where
    R: Stored + Send + 'static,
    I: FromStr + Display + Send + 'static,
{
    Router::new()
        .route(path, get(list::<R, RecordResponse>))
        .route(&format!("{path}/{{id}}"), get(read::<R, RecordResponse, I>))
}

#[cfg(test)]
mod tests {
    use domain::FORMAT_VERSION;
    use domain::ats::Source;
    use domain::id::OrgId;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_rendered_without_its_version_and_with_its_times() {
        let org: OrgId = "acme".parse().expect("slug");
        let id = OfficeId::derived(&org, &["1"]);
        let connection = "gh".parse().expect("slug");
        let source = Source { provider: "greenhouse".into(), connection, provider_id: "1".into() };
        let office = Office { v: FORMAT_VERSION, id, name: "Kew".into(), location: None, parent: None, source };
        let at = Timestamp::UNIX_EPOCH;
        let response = RecordResponse::from_record(Recorded { value: office, created_at: at, updated_at: at });
        let source = json!({"provider": "greenhouse", "connection": "gh", "provider_id": "1"});
        let expected = json!({"id": id, "name": "Kew", "location": null, "parent": null, "source": source,
                           "created_at": "1970-01-01T00:00:00Z", "updated_at": "1970-01-01T00:00:00Z"});
        assert_eq!(serde_json::to_value(response).expect("JSON"), expected);
    }
}
