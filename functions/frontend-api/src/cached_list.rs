//! Lists that come from the cache until a record of their kind is written.
//!
//! What must never be here: reads by id, and lists of what callers poll for a state (suggestions, notifications, connections).

use aws::cache::{Answer, Key, ReadFrom};
use aws::clock;
use aws::error::AwsError;
use aws::metrics::{self, Unit};
use axum::extract::State;
use axum::response::Response;
use domain::id::OrgId;
use resilience::cache::{Kind, Outcome};
use serde::Serialize;
use store::records::{Recorded, Records, Stored};
use web::conditional::{Preconditions, Representation};
use web::identity::Identity;
use web::page::PageRequest;
use web::problem::Problem;

use crate::api::Api;
use crate::request::cursor;
use crate::response::{list_of, unavailable};

/// A kind of record whose lists are cached.
pub(crate) trait CachedList: Stored {
    /// The kind of cached list, which decides its lifetime and the writes that invalidate it.
    const CACHE_KIND: Kind;
    /// The route of the list, a part of the cache key.
    const ROUTE: &'static str;
    /// An item of the list, as the API shows it.
    type Item: Serialize + Send;

    /// Renders the records of a page, in the same order.
    fn render(
        records: &Records,
        org: &OrgId,
        found: Vec<Recorded<Self>>,
    ) -> impl Future<Output = Result<Vec<Self::Item>, AwsError>> + Send
    where
        Self: Sized;
}

const fn metric(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Hit => "CacheHits",
        Outcome::Stale => "CacheStaleHits",
        Outcome::Miss => "CacheMisses",
        Outcome::Bypass => "CacheBypasses",
    }
}

/// Lists the caller's records of a kind, newest first.
pub(crate) async fn list<R: CachedList + Send>(
    State(api): State<Api>,
    identity: Identity,
    page: PageRequest,
    preconditions: Preconditions,
) -> Result<Response, Problem> {
    let after = cursor(&page)?;
    let (limit, from) = (page.limit.to_string(), after.as_ref().map(ToString::to_string));
    // Parsed and with its defaults, so that a page has the same key however its query was written.
    let mut query = vec![("limit", limit.as_str())];
    query.extend(from.as_deref().map(|cursor| ("cursor", cursor)));
    let key = Key::new(&identity.org, R::CACHE_KIND, R::ROUTE, &query);
    let from = if preconditions.origin { ReadFrom::Origin } else { ReadFrom::Cache };
    let load = async move {
        let (found, next) = api.records.list::<R>(&identity.org, page.limit, after.as_ref()).await?;
        let items = R::render(&api.records, &identity.org, found).await?;
        serde_json::to_string(&list_of(items, next))
            .map_err(|error| AwsError::unreadable("write a list as JSON", error))
    };
    let answer = api.cache.answer(&key, from, clock::now(), load).await.map_err(|e| unavailable(&e))?;
    let Answer { content, etag, age, fresh, outcome } = answer;
    metrics::emit(Some(("kind", R::CACHE_KIND.as_str())), &[(metric(outcome), 1, Unit::Count)]);
    Ok(Representation { content, etag, age, fresh, outcome }.respond(&preconditions))
}
