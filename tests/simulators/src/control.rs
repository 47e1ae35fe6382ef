//! What every simulator has: the journal of what it received, faults on request, and reset.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Query, Request, State},
    handler::Handler,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};
use bytes::Bytes;
use futures::stream;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    clock,
    faults::{Faults, Spec},
    journal::{self, Entry, Journal},
};

/// The largest body that a simulator reads; the largest real limit is Gemini's 20 MB.
pub const BODY_MAX: usize = 20 * 1024 * 1024;

/// Pause between the last byte and the break, in which the server writes what it has out to the socket.
const FLUSH: Duration = Duration::from_millis(30);

/// Journal, faults and reset of one provider.
pub struct Control {
    journal: Mutex<Journal>,
    faults: Mutex<Faults>,
    default_error: fn(StatusCode) -> Option<Value>,
    reset: Box<dyn Fn() + Send + Sync>,
}

impl Control {
    /// `default_error` is the body that the third party sends with a status when a fault gives none; `reset` restores the
    /// provider's own data.
    pub fn new(default_error: fn(StatusCode) -> Option<Value>, reset: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { journal: Mutex::default(), faults: Mutex::default(), default_error, reset: Box::new(reset) })
    }

    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }
}

/// A lock that survives a panic of another request: every critical section here leaves the data whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A control request that cannot be done: 400 with a sentence that names the field.
#[derive(Debug)]
pub struct Refused(pub String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.0}))).into_response()
    }
}

/// Reads a control body; the error names the path of the field.
///
/// # Errors
/// The body is not JSON, a field is unknown, missing or of the wrong type.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let mut text = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut text)
        .map_err(|error| Refused(format!("{}: {}", error.path(), error.inner())))?;
    text.end().map_err(|error| Refused(format!(".: {error}")))?;
    Ok(parsed)
}

#[derive(Deserialize)]
struct Page {
    limit: Option<usize>,
}

/// Control routes as a table, which the index lists: method and path of each, and what handles it.
pub struct Controls<S = ()> {
    router: Router<S>,
    index: Vec<&'static str>,
}

impl<S: Clone + Send + Sync + 'static> Default for Controls<S> {
    fn default() -> Self {
        Self { router: Router::new(), index: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Controls<S> {
    /// Adds a route; `line` is its method and path as the index lists them, such as `GET /mails?to=`.
    pub fn route<T: 'static>(mut self, line: &'static str, handler: impl Handler<T, S>) -> Self {
        let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
        let filter = match method {
            "POST" => MethodFilter::POST,
            "DELETE" => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        self.router = self.router.route(path.split('?').next().unwrap_or(path), on(filter, handler));
        self.index.push(line);
        self
    }

    /// Adds a route without a body that does something, answered 204.
    pub fn done(self, line: &'static str, run: impl Fn(&S) + Clone + Send + Sync + 'static) -> Self {
        self.route(line, async move |State(state): State<S>| {
            run(&state);
            StatusCode::NO_CONTENT
        })
    }

    /// Adds the routes of another table.
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.index.extend(other.index);
        self
    }

    /// The table whose handlers work on this state.
    pub fn with(self, state: S) -> Controls {
        Controls { router: self.router.with_state(state), index: self.index }
    }
}

impl Controls {
    /// The routes, and the lines of the index below this base.
    pub fn mounted(self, base: &str) -> (Router, Vec<String>) {
        let mut lines: Vec<String> =
            self.index.iter().map(|line| line.replacen(" /", &format!(" {base}/"), 1)).collect();
        lines.sort();
        (self.router, lines)
    }
}

/// The routes that every provider has below `/_control/<provider>`.
pub fn routes(control: Arc<Control>) -> Controls {
    Controls::default()
        .route("GET /requests?limit=", list_requests)
        .done("DELETE /requests", |control: &Arc<Control>| control.journal().clear())
        .route("GET /faults", async |State(control): Shared| Json(json!({"items": control.faults().list()})))
        .route("POST /faults", add_fault)
        .done("DELETE /faults", |control: &Arc<Control>| control.faults().clear())
        .route("DELETE /faults/{id}", remove_fault)
        .done("POST /reset", |control: &Arc<Control>| {
            control.faults().clear();
            (control.reset)();
            control.journal().clear();
        })
        .with(control)
}

type Shared = State<Arc<Control>>;

async fn list_requests(State(control): Shared, Query(page): Query<Page>) -> Json<Value> {
    let (count, items) = control.journal().newest(page.limit.unwrap_or(journal::ENTRIES_MAX));
    Json(json!({"count": count, "items": items}))
}

async fn add_fault(State(control): Shared, body: Bytes) -> Result<Response, Refused> {
    let fault: Spec = parse(&body)?;
    fault.check().map_err(Refused)?;
    let id = control.faults().add(fault).map_err(Refused)?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))).into_response())
}

async fn remove_fault(State(control): Shared, Path(id): Path<u64>) -> StatusCode {
    if control.faults().remove(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// The layer around a provider's routes: writes the journal and lets the request meet its fault.
pub async fn observe(State(control): State<Arc<Control>>, request: Request, next: Next) -> Response {
    let at = clock::now();
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let address = (parts.uri.path(), parts.uri.query());
    let number = control.journal().push(Entry::new(at, parts.method.as_str(), address, &parts.headers, &bytes));
    let target = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let met = control.faults().meet(parts.method.as_str(), &target);
    if met.latency_ms > 0 {
        clock::sleep(Duration::from_millis(met.latency_ms)).await;
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    let response = match met.fault {
        Some(fault) => faulty(&control, fault, request, next).await,
        None => next.run(request).await,
    };
    control.journal().answered(number, at, response.status().as_u16());
    response
}

async fn faulty(control: &Control, fault: Spec, request: Request, next: Next) -> Response {
    let makes = fault.status.is_some() || fault.body.is_some();
    let acted = if !makes || fault.acts_first { Some(next.run(request).await) } else { None };
    clock::sleep(Duration::from_millis(fault.answer_latency_ms)).await;
    let (mut status, mut headers, mut body) = match acted {
        Some(response) if !makes => {
            let (parts, body) = response.into_parts();
            let bytes = to_bytes(body, BODY_MAX).await.unwrap_or_default();
            (parts.status, parts.headers, bytes)
        }
        Some(_) | None => made(control, &fault),
    };
    if fault.malformed {
        body = halved(&body);
        if fault.status.is_none() {
            status = StatusCode::OK;
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    // An empty body that breaks is promised with one byte, which never comes.
    let promised = if fault.drop_after_bytes == Some(0) { body.len().max(1) } else { body.len() };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(promised));
    for (name, value) in &fault.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    let body = match fault.drop_after_bytes {
        Some(sent) if sent < promised => broken_after(body.slice(..sent.min(body.len()))),
        Some(_) | None => Body::from(body),
    };
    (status, headers, body).into_response()
}

fn made(control: &Control, fault: &Spec) -> (StatusCode, HeaderMap, Bytes) {
    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or_default();
    let body = fault.body.clone().or_else(|| (control.default_error)(status));
    let mut headers = HeaderMap::new();
    let bytes = match body {
        None => Bytes::new(),
        Some(Value::String(text)) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            Bytes::from(text)
        }
        Some(value) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Bytes::from(value.to_string())
        }
    };
    (status, headers, bytes)
}

/// Half of a JSON text is never JSON, except where the text is shorter than an object.
fn halved(body: &Bytes) -> Bytes {
    if body.len() < 4 { Bytes::from_static(b"{\"") } else { body.slice(..body.len() / 2) }
}

/// A body that gives its bytes and then breaks the connection, with the complete length already promised.
fn broken_after(start: Bytes) -> Body {
    Body::from_stream(stream::unfold(Some(start), |start| async move {
        if let Some(start) = start.filter(|start| !start.is_empty()) {
            return Some((Ok(start), None));
        }
        clock::wall_sleep(FLUSH).await;
        Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
    }))
}
