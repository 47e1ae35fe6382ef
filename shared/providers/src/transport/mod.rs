//! How providers are reached: HTTP, sign-in, which stage may call which host, and what webhooks and JSON have in common.

pub mod access;
pub mod http;
pub(crate) mod json;
pub(crate) mod oauth;
pub mod webhook;
