//! The routes of the API as a table: method, path, the parameters that each knows, and what answers it.

use std::sync::Arc;

use axum::{
    Router,
    extract::State as Shared,
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};

use super::{
    account::{Error, World, enter},
    query::Query,
    read, write,
};
use crate::wire::Call;

/// The parameters of a route; a request with another one is refused, so that a misspelt filter is noticed.
type Known = &'static [&'static str];
type Answer = fn(&mut super::state::State, &Call, &Query) -> Result<Response, Error>;

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const DELETED_AT: Known = &["deleted_at_start", "deleted_at_end"];

const ROUTES: [(MethodFilter, &str, Known, Answer); 23] = [
    (GET, "/opportunities", &read::OPPORTUNITY_FILTERS, read::opportunities),
    (GET, "/opportunities/deleted", DELETED_AT, read::deleted_opportunities),
    (GET, "/opportunities/{id}", &["expand"], read::opportunity),
    (GET, "/opportunities/{id}/interviews", &["expand"], read::interviews),
    (GET, "/opportunities/{id}/interviews/{interview}", &[], read::interview),
    (GET, "/opportunities/{id}/applications", &["expand"], read::applications),
    (GET, "/opportunities/{id}/applications/{application}", &[], read::application),
    (GET, "/opportunities/{id}/offers", &["expand"], read::offers),
    (MethodFilter::PUT, "/opportunities/{id}/stage", &["perform_as"], write::stage),
    (MethodFilter::PUT, "/opportunities/{id}/archived", &["perform_as"], write::archived),
    (GET, "/opportunities/{id}/notes", &[], read::notes),
    (POST, "/opportunities/{id}/notes", &["perform_as", "note_id"], write::note),
    (GET, "/applications/deleted", DELETED_AT, read::deleted_applications),
    (GET, "/postings", &read::POSTING_FILTERS, read::postings),
    (GET, "/postings/deleted", DELETED_AT, read::deleted_postings),
    (GET, "/postings/{id}", &[], read::posting),
    (GET, "/users", &["email", "accessRole", "includeDeactivated"], read::users),
    (GET, "/users/{id}", &[], read::user),
    (GET, "/stages", &[], read::stages),
    (GET, "/archive_reasons", &["type"], read::reasons),
    (GET, "/webhooks", &[], write::hooks),
    (POST, "/webhooks", &[], write::create_hook),
    (MethodFilter::DELETE, "/webhooks/{id}", &[], write::delete_hook),
];

/// The routes below `/api/v1`.
pub(super) fn routes() -> Router<Arc<World>> {
    ROUTES.into_iter().fold(Router::new(), |router, (method, path, known, answer)| {
        let handler = move |Shared(world): Shared<Arc<World>>, call: Call| async move {
            let answered = enter(&world, &call.headers).and_then(|company| {
                let query = Query::parse(&call.query, known)?;
                company.with(|state| answer(state, &call, &query))
            });
            answered.into_response()
        };
        router.route(path, on(method, handler))
    })
}
