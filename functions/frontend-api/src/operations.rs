//! What operators see and change: breakers and limits.
//!
//! An administrator changes what belongs to the organisation; what all organisations share takes an operator of the
//! deployment. Each action is in the audit before it is carried out.

mod breakers;
mod limits;

use axum::Router;

use crate::api::Api;

pub(crate) fn routes() -> Router<Api> {
    Router::new().merge(breakers::routes()).merge(limits::routes())
}
