//! Transport: HTTP, sign-in, the hosts of each stage, and the common parts of webhooks and JSON.

pub mod access;
pub mod http;
pub(crate) mod json;
pub(crate) mod oauth;
pub mod webhook;
