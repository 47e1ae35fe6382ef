//! Lever, `/lever/api/v1/...` (production `https://api.lever.co/v1`), its token server `/lever/auth/oauth/token` (production
//! `https://auth.lever.co/oauth/token`), its public postings API `/lever/api/v0/postings/...` and its webhooks.
//!
//! The credentials say whose data is asked for: the key `local-lever-key-<account>` with a blank password, or a token that
//! `local-lever-<account>`, `local-lever-secret-<account>` and the refresh token `local-lever-refresh-<account>` bring; each
//! refresh token is good once. The key of the postings API is `local-lever-postings-key-<account>`.
//!
//! Faithful where a client gets it wrong: `next` is percent-encoded already and is encoded once more like any other value,
//! `updatedAt` is null on old opportunities, a list has no confidential rows unless asked for `all`, interviews and
//! offers move no `updatedAt`, a 429 does not say how long to wait, and a webhook's signature does not cover its data. Sources: recorded
//! answers of the service, the public documentation as client libraries quote it, and the README of the postings API.

pub mod account;
pub mod api;
pub mod controls;
pub mod error;
pub mod gate;
pub mod hook;
pub mod intake;
pub mod life;
pub mod oauth;
pub mod query;
mod read;
mod render;
pub mod seed;
pub mod send;
pub mod state;
pub mod table;
pub mod truth;
pub mod write;

use std::sync::Arc;

use axum::{Router, routing::post};

pub use account::{Company, World};
pub use error::Error;

use crate::{simulator::Simulator, world::Clock};

/// The simulator with a fresh world and this machine's time.
pub fn simulator() -> Simulator {
    simulator_of(World::new(Clock::system()))
}

/// The simulator of a world that a test holds, too.
pub fn simulator_of(world: Arc<World>) -> Simulator {
    let about = "Lever: opportunities, postings, interviews, offers, users, deleted ones, write-back, webhooks, intake";
    let wire = Router::new()
        .nest("/api/v1", api::routes())
        .route("/api/v0/postings/{site}/{posting}", post(intake::apply))
        .route("/auth/oauth/token", post(oauth::token))
        .fallback(|| async { Error::missing("Resource") });
    Simulator::of_world(("lever", about), &world, wire, controls::controls(), Error::simulated)
}
