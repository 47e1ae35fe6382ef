//! The data of a notification, by its kind.

use domain::notification::{
    ApplicationReceived, ApplicationStatusChanged, FlagResolved, ImportCompleted, InterviewScheduled, NotificationKind,
    PasswordReset, UniversityVerification,
};
use garde::Validate;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use web::body::parse;
use web::problem::Problem;

/// Validates the data of a kind, so that every stored notification can be rendered.
pub(super) fn validated(kind: NotificationKind, data: &Value) -> Result<Value, Problem> {
    fn parsed<T: DeserializeOwned + Serialize + Validate<Context = ()>>(data: &Value) -> Result<Value, Problem> {
        let value: T = parse(data.to_string().as_bytes(), "data")?;
        serde_json::to_value(value).map_err(|_| Problem::internal())
    }
    match kind {
        NotificationKind::UniversityVerification => parsed::<UniversityVerification>(data),
        NotificationKind::ImportCompleted => parsed::<ImportCompleted>(data),
        NotificationKind::FlagResolved => parsed::<FlagResolved>(data),
        NotificationKind::PasswordReset => parsed::<PasswordReset>(data),
        NotificationKind::ApplicationReceived => parsed::<ApplicationReceived>(data),
        NotificationKind::InterviewScheduled => parsed::<InterviewScheduled>(data),
        NotificationKind::ApplicationStatusChanged => parsed::<ApplicationStatusChanged>(data),
    }
}
