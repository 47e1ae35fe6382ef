//! The operators' view of breakers and limits, and their commands.
//!
//! An administrator changes what belongs to the organisation; what all organisations share requires an operator of the
//! deployment. Each action is in the audit before it is executed.

mod breakers;
mod limits;

use axum::Router;

use crate::api::Api;

pub(crate) fn routes() -> Router<Api> {
    Router::new().merge(breakers::routes()).merge(limits::routes())
}
