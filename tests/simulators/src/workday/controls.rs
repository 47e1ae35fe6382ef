//! Control routes of one tenant: its limit, its credentials, and what makes it slow or terse.

use std::sync::Arc;

use serde::Deserialize;

use super::{account::World, tenant::Tenant};
use crate::control::{Controls, Refused};

/// The longest time that a report may take, in milliseconds.
const DELAY_MAX_MS: u64 = 600_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    per_second: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    client_secret: Option<String>,
    refresh_token: Option<String>,
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delay {
    ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Descriptors {
    sent: bool,
}

/// The table of these routes.
pub(super) fn controls() -> Controls<Arc<World>> {
    Controls::default()
        .set("POST /{account}/rate_limit", |tenant: &Tenant, Limit { per_second }| {
            tenant.state().gate.window.limit = per_second;
            Ok(())
        })
        .set("POST /{account}/credentials", |tenant: &Tenant, new: Credentials| {
            let gate = &mut tenant.state().gate;
            for (place, value) in [
                (&mut gate.client_secret, new.client_secret),
                (&mut gate.refresh_token, new.refresh_token),
                (&mut gate.password, new.password),
            ] {
                if let Some(value) = value {
                    *place = value;
                }
            }
            Ok(())
        })
        .act("POST /{account}/expire", |tenant: &Tenant| tenant.state().gate.expire())
        .set("POST /{account}/report_delay", |tenant: &Tenant, Delay { ms }| {
            if ms > DELAY_MAX_MS {
                return Err(Refused(format!("ms: must be at most {DELAY_MAX_MS}")));
            }
            tenant.state().report_delay_ms = ms;
            Ok(())
        })
        .set("POST /{account}/descriptors", |tenant: &Tenant, Descriptors { sent }| {
            tenant.state().descriptors = sent;
            Ok(())
        })
}
