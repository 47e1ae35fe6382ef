//! Stand-ins for the third parties of this product: the real wire format, on a loopback port, with faults on request.
//!
//! A simulator that mirrors state is written only where the product mirrors a provider's state, as it does with an ATS; for any
//! other third party recorded exchanges are enough. The ATS share one world ([`world`]: accounts, time, chance, words), one gate
//! ([`gate`]: limits and tokens) and one table of control routes ([`control::Controls`]); a vendor's files hold what only it has.
//!
//! One file a provider; [`registry`] is the list. The provider's base is `http://127.0.0.1:P/<provider>`, its control is
//! `http://127.0.0.1:P/_control/<provider>`. Nothing here may be linked into a function: simulators never ship, and they
//! know nothing of the product's own crates, so that a mistake there cannot hide here.
//!
//! # Control, the same for every provider (`GET /_control` lists all of it)
//!
//! | route | does |
//! |---|---|
//! | `GET /_control/health` | 200 while the process serves |
//! | `GET /_control/<p>/requests?limit=` | `{"count", "items": [{at, method, path, query, headers, body, status}]}`, newest last; `count` is the number since the last clear, `items` the last 5,000 of them at most; credentials are short hashes; `status` is null while a request is in work or when its client left before the answer |
//! | `DELETE /_control/<p>/requests` | clears the journal |
//! | `POST /_control/<p>/faults` | adds a fault, 201 `{"id"}`; fields in [`faults::Spec`]; an unknown field is 400 and named |
//! | `GET /_control/<p>/faults` | the faults with `remaining` counts and `hits` |
//! | `DELETE /_control/<p>/faults[/{id}]` | removes all faults or one |
//! | `POST /_control/<p>/reset` | initial data, no faults, empty journal |
//!
//! The faults are tried in the order in which they were added, on provider routes only. One that has latency and nothing
//! else delays and lets the next one be tried; any other ends the search.
//!
//! # Control of one provider
//!
//! | route | does |
//! |---|---|
//! | `GET`, `POST /_control/gemini/scenario` | which recorded shape is answered, [`gemini::scenario::ScenarioRequest`] |
//! | `GET`, `POST /_control/bamboohr/{account}/applications` | the true state; add or change one (merged by `id`) |
//! | `DELETE /_control/bamboohr/{account}/applications/{id}` | removes one |
//! | `POST /_control/bamboohr/{account}/page_size` | `{"page_size": n}`, 1 to 500, initially 20 |
//! | `POST /_control/bamboohr/{account}/rate_limit` | `{"remaining": n or null, "retry_after_s"?: n, "per_minute"?: n or null}`: one that ends once it was met, and one that stays; initially none |
//! | `POST /_control/bamboohr/{account}/refusal` | `{"refusal": "429", "429-untold", "503" or "200"}`: how a request beyond the limit is refused, [`bamboohr::gate::Refusal`] |
//! | `POST /_control/bamboohr/{account}/keys` | `{"keys": [..], "without_ats"?: [..]}` replaces the accepted API keys, and those that get a 403 |
//! | `POST /_control/bamboohr/{account}/jobs` | `{"id"?, "title"?, "status"?}`: changes a job or adds one, `{"id"}` |
//! | `POST /_control/workday/{account}/rate_limit` | `{"per_second": n or null}`, initially 10 |
//! | `POST /_control/workday/{account}/credentials` | `{"client_secret"?, "refresh_token"?, "password"?}` replaces those that are accepted |
//! | `POST /_control/workday/{account}/expire` | every token that was given out is refused |
//! | `POST /_control/workday/{account}/report_delay` | `{"ms": n}`: how long the report takes, initially 0 |
//! | `POST /_control/workday/{account}/descriptors` | `{"sent": bool}`: whether references have names beside their ids, initially true |
//! | `POST /_control/greenhouse/deliver` | sends signed webhooks, [`greenhouse::Delivery`] |
//! | `POST /_control/greenhouse/{account}/expire` | ends all access tokens now |
//! | `POST /_control/greenhouse/{account}/revoke` | takes back tokens and credentials |
//! | `POST /_control/greenhouse/{account}/authorize` | undoes that and makes the first refresh token worth a use again; `{"refresh_token"}` |
//! | `POST /_control/greenhouse/{account}/limit` | `{"limit": n or null, "retry_after"?: bool}`: requests in each half minute, initially 150; whether a 429 says when to come back |
//! | `POST /_control/<ats>/{account}/deliveries` | `{"secret"}`: the webhooks of the changes since the last call, signed and not sent: `{"items": [{"headers", "body"}]}` |
//! | `POST /_control/<ats>/{account}/grow`, `step` | `{"seed", "count"}`: adds objects until there are about so many, which no webhook reports; makes so many changes and says them, `{"done": [..]}` |
//! | `GET /_control/<ats>/{account}/truth` | what a client should have, [`world::Truth`] |
//! | `POST /_control/lever/deliver` | sends webhooks: those that wait or a given one, [`lever::send::DeliverRequest`] |
//! | `GET /_control/lever/{account}/pending` | `{"pending": n}`: events that wait for delivery |
//! | `POST /_control/lever/{account}/limit` | `{"per_second": n or null, "burst"?: n}`, initially 10 and 20 |
//! | `POST /_control/lever/{account}/maintenance` | `{"on": bool}`: every request is answered 503 |
//! | `POST /_control/lever/{account}/access` | `{"revoked"?: bool, "expired"?: bool}`: no credentials open it; its access tokens end now |
//! | `GET /_control/<p>/mails?to=&correlation=` | for `sendgrid`, `mailgun`, `brevo`, `ses` and `gmail`: what was accepted, [`mail::mailbox::Mail`]; the correlation is the whole reference, with `gmail` the notification's id or a reference that ends in it |
//! | `DELETE /_control/<p>/mails` | forgets these |
//! | `POST /_control/<p>/lag` | for all of these: `{"ms": n}`: accepted mails can be found by who asks the provider only so much later; initially 0 |
//! | `POST /_control/<p>/outcomes` | for the same: `{"correlation", "event", "at"?}` with `deferred`, `delivered`, `bounced`, `refused` or `complained`: it happens to the newest accepted mail with that correlation, 201 with the event; `ses` and `gmail` tell nobody |
//! | `POST /_control/<p>/deliver` | for `sendgrid`, `mailgun` and `brevo`: sends the events of a mail as webhooks, [`mail::events::DeliverRequest`]; `{"statuses": [..], "errors": [..]}`, null where there was no answer |
//! | `POST /_control/gmail/scope` | `{"readonly": bool}`: whether tokens may look for mails, initially true |
//!
//! On a port of its own stands no third party, but what counts the calls of the functions to AWS: [`calls`].

pub mod bamboohr;
pub mod calls;
pub mod clock;
pub mod control;
pub mod faults;
pub mod gate;
pub mod gemini;
pub mod greenhouse;
pub mod journal;
pub mod lever;
pub mod loopback;
pub mod mail;
pub mod sender;
mod simulator;
pub mod wire;
pub mod workday;
pub mod world;

use std::sync::Arc;

use axum::{Json, Router, middleware, routing::get};
use serde_json::json;

pub use simulator::Simulator;

/// Every simulator there is, each with fresh data. A new provider is one file and one line here.
pub fn registry() -> Vec<Simulator> {
    vec![
        gemini::simulator(),
        bamboohr::simulator(),
        greenhouse::simulator(),
        lever::simulator(),
        mail::sendgrid::simulator(),
        mail::mailgun::simulator(),
        mail::brevo::simulator(),
        mail::ses::simulator(),
        mail::gmail::simulator(),
        mail::google::simulator(),
        workday::simulator(),
    ]
}

/// The whole server as one router. Every call makes a new and independent world.
pub fn app() -> Router {
    app_of(registry())
}

/// A server of these simulators only, whose worlds the caller may hold.
pub fn app_of(simulators: Vec<Simulator>) -> Router {
    let mut router = Router::new();
    let mut providers = serde_json::Map::new();
    for Simulator { name, about, wire, controls, control } in simulators {
        let base = format!("/_control/{name}");
        let (controls, lines) = control::routes(Arc::clone(&control)).merge(controls).mounted(&base);
        let listed = json!({"about": about, "url": format!("/{name}"), "control_url": base, "control": lines});
        providers.insert(name.to_owned(), listed);
        // The layer is outside of the nest, so that the journal and the faults see the whole path.
        let wire = Router::new()
            .nest(&format!("/{name}"), wire)
            .layer(middleware::from_fn_with_state(control, control::observe));
        router = router.merge(wire).nest(&base, controls);
    }
    let index = json!({"health": "/_control/health", "fault_fields": faults::FIELDS, "providers": providers});
    router
        .route("/_control", get(move || std::future::ready(Json(index))))
        .route("/_control/health", get(|| std::future::ready(Json(json!({"status": "ok"})))))
}
