//! The list and the read of a kind of record, for every kind that is returned as it is recorded.

use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::{Path, State};
use store::records::{Recorded, Stored};
use web::identity::Identity;
use web::page::{List, PageRequest};
use web::problem::Problem;

use crate::api::Api;
use crate::request::{cursor, id};
use crate::response::{list_of, not_found, unavailable};

/// A response that is rendered from a record alone.
pub(crate) trait FromRecord<R> {
    fn from_record(recorded: Recorded<R>) -> Self;
}

/// Lists the caller's records of a kind, newest first.
pub(crate) async fn list<R: Stored, V: FromRecord<R>>(
    State(api): State<Api>,
    identity: Identity,
    page: PageRequest,
) -> Result<Json<List<V>>, Problem> {
    let after = cursor(&page)?;
    let found = api.records.list::<R>(&identity.org, page.limit, after.as_ref()).await;
    let (found, next) = found.map_err(|e| unavailable(&e))?;
    Ok(Json(list_of(found.into_iter().map(V::from_record).collect(), next)))
}

/// Reads one of the caller's records.
pub(crate) async fn read<R: Stored, V: FromRecord<R>, I: FromStr + Display>(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
) -> Result<Json<V>, Problem> {
    let id: I = id(&text, R::KIND)?;
    let found = api.records.get_recorded::<R>(&identity.org, &id.to_string()).await.map_err(|e| unavailable(&e))?;
    found.map(|recorded| Json(V::from_record(recorded))).ok_or_else(|| not_found(R::KIND))
}
