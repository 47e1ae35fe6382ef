//! A connection for the tests of this provider.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::ats::Origin;
use domain::connection::LoginMethod;
use domain::stage::Stage;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;

use super::PROVIDER;
use crate::ats::port::{Context, Credentials};
use crate::transport::access::Hosts;
use crate::transport::http::Reply;

/// The values that a context borrows.
pub(super) struct Parts {
    pub(super) origin: Origin,
    hosts: Hosts,
    settings: BTreeMap<String, String>,
    login: LoginMethod,
    credentials: Credentials,
    pub(super) token: Option<SecretString>,
}

impl Parts {
    pub(super) fn new(login: LoginMethod) -> Self {
        let secrets =
            [("client_id", "c-1"), ("client_secret", "s-1"), ("refresh_token", "r-1"), ("board_api_key", "b-1")];
        let secrets = secrets.map(|(name, value)| (name.to_owned(), SecretString::from(value)));
        let hosts = Hosts::resolve(Stage::Prod, (PROVIDER.info.id, PROVIDER.hosts), ("acme", None), None);
        Self {
            origin: Origin {
                org: "acme".parse().expect("slug"),
                provider: PROVIDER.info.id.to_owned(),
                connection: "gh".parse().expect("slug"),
            },
            hosts: hosts.expect("hosts"),
            settings: BTreeMap::from([("user_id".to_owned(), "1".to_owned())]),
            login,
            credentials: Credentials::new(secrets.into()),
            token: (login != LoginMethod::WebhookOnly).then(|| SecretString::from("t-1")),
        }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            origin: &self.origin,
            hosts: &self.hosts,
            account: "acme",
            settings: &self.settings,
            login: self.login,
            credentials: &self.credentials,
            token: self.token.as_ref(),
            now: "2026-11-22T10:00:00Z".parse().expect("time"),
        }
    }
}

pub(super) fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.insert(*name, value.parse().expect("header"));
    }
    let status = StatusCode::from_u16(status).expect("status");
    Reply { status, headers: all, body: Bytes::copy_from_slice(body.as_bytes()) }
}
