//! Greenhouse: Harvest v3 ([`harvest`], [`write`]), its tokens ([`token`]), the job board ([`board`]) and webhooks.
//!
//! Each account is a world that changes ([`step`]); its name is in its credentials: client `local-greenhouse-<account>`, secret
//! `local-greenhouse-secret-<account>`, user `1`, first refresh token `local-greenhouse-refresh-<account>`, key of the board
//! `local-greenhouse-board-<account>`. Source of the shapes: the schemas of Greenhouse's public reference of Harvest v3, its
//! webhook samples, and recorded calls. Not verified on a real wire, and modelled after the schemas' descriptions: an ended
//! application stands in no stage; a converted prospect stays as a row and a new one is made; a merge stamps the applications
//! that it moves; renaming a department or office, filling an opening and changing a post stamp these and not their job.
//!
//! The signature of a webhook is `Signature: sha256 <hex of HMAC-SHA256(secret, body as sent)>`, the body carries Ruby's JSON
//! escapes, and a second delivery of an event has the same `Greenhouse-Event-ID`. Source: the webhook pages of Greenhouse's
//! public API documentation and a recorded ping.

pub mod account;
pub mod board;
pub mod controls;
pub mod gate;
pub mod harvest;
pub mod hiring;
pub mod list;
pub mod planning;
pub mod sample;
pub mod seed;
pub mod send;
pub mod signature;
pub mod state;
pub mod step;
pub mod table;
pub mod token;
pub mod truth;
pub mod webhook;
pub mod write;

use std::sync::Arc;

use axum::{Router, routing::post};

pub use account::{Account, World};
pub use sample::new_candidate_application;
pub use send::Delivery;
pub use signature::{escape, sign};

use crate::{control::Controls, simulator::Simulator, world::Clock};

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    simulator_of(World::new(Clock::system()))
}

/// The simulator of a world that the caller holds as well.
pub fn simulator_of(world: Arc<World>) -> Simulator {
    let about =
        "Greenhouse: Harvest v3, tokens, job board; a sender of signed webhooks, whose journal lists what it sent";
    let wire = Router::new()
        .route("/auth/token", post(token::token))
        .route("/boards/v1/boards/{board}/jobs/{post}", post(board::apply))
        .nest("/harvest/v3", write::routes(harvest::routes()))
        .fallback(|| async { harvest::not_found() });
    let simulator = Simulator::of_world(("greenhouse", about), &world, wire, controls::controls(), |_| None);
    let control = Arc::clone(&simulator.control);
    let sender = Controls::default().route("POST /deliver", move |body| send::deliver(Arc::clone(&control), body));
    Simulator { controls: simulator.controls.merge(sender), ..simulator }
}
