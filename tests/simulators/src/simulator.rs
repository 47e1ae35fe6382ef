//! One third party: what it answers and how it is controlled.

use std::sync::Arc;

use axum::{Router, http::StatusCode};
use serde_json::Value;

use crate::{
    control::{Control, Controls},
    mail::{
        events::{self, Format},
        mailbox::{self, Mailbox},
    },
    world::{Account, World},
};

/// One third party: its wire routes, its own control routes and the control that all of them have.
pub struct Simulator {
    /// The first segment of its paths, for example `gemini`.
    pub name: &'static str,
    /// One sentence for the index.
    pub about: &'static str,
    /// What the third party answers, mounted at `/<name>`.
    pub wire: Router,
    /// Control routes that only this one has, mounted at `/_control/<name>`.
    pub controls: Controls,
    /// Journal, faults and reset.
    pub control: Arc<Control>,
}

/// The body that a third party sends with a status when a fault gives none.
pub(crate) type DefaultError = fn(StatusCode) -> Option<Value>;

impl Simulator {
    /// The simulator of a mail provider, which sends webhooks where they have a format.
    pub fn of_mailbox(
        (name, about): (&'static str, &'static str),
        mailbox: Arc<Mailbox>,
        wire: Router<Arc<Mailbox>>,
        webhooks: Option<Format>,
        default_error: DefaultError,
    ) -> Self {
        let of_reset = Arc::clone(&mailbox);
        let controls = mailbox::controls(Arc::clone(&mailbox));
        Self {
            name,
            about,
            wire: wire.with_state(Arc::clone(&mailbox)),
            controls: webhooks.into_iter().fold(controls, |all, format| all.merge(events::controls(&mailbox, format))),
            control: Control::new(default_error, move || of_reset.clear()),
        }
    }

    /// The simulator of an ATS: its answers carry the date of the world's clock, and a reset forgets all accounts.
    pub fn of_world<A: Account>(
        (name, about): (&'static str, &'static str),
        world: &Arc<World<A>>,
        wire: Router<Arc<World<A>>>,
        controls: Controls<Arc<World<A>>>,
        default_error: DefaultError,
    ) -> Self {
        let of_reset = Arc::clone(world);
        Self {
            name,
            about,
            wire: world.serve(wire),
            controls: Controls::of_accounts().merge(controls).with(Arc::clone(world)),
            control: Control::new(default_error, move || of_reset.clear()),
        }
    }
}
