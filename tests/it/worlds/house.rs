//! One world with everything that reads it: the simulator on a port, the engine on tables in this process, a clock for all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws::bulkhead::Bulkhead;
use aws::cache::Cache;
use aws::secrets::Secrets;
use aws::table::{Item, Key, Table, Write, from_item, text, to_item};
use domain::ats::Origin;
use domain::connection::{Connection, ConnectionStatus, LoginMethod};
use domain::stage::Stage;
use domain::sync::Mode;
use providers::transport::http::Outbound;
use secrecy::SecretString;
use serde_json::json;
use simulators::control::Control;
use simulators::world::{Account, Clock};
use simulators::{bamboohr, greenhouse, lever, workday};
use store::records::Records;
use store::sync_states::{SyncRequest, SyncState, SyncStates};
use sync::{Engine, ProviderAccess};

pub(super) const ACCOUNT: &str = "acme";
pub(super) const WEBHOOK_SECRET: &str = "s3cret-of-the-world";
/// Monday, 2026-11-02 08:00 UTC.
const BEGIN_MS: i64 = 1_793_606_400_000;
/// The lead of the provider's clock, in one world after the other: less than the five minutes that the engine allows
/// for where a provider does not state its time. Seven, so that each login meets each of them.
const CLOCK_OFFSETS_MS: [i64; 7] = [0, 2_000, -2_000, 90_000, -90_000, 270_000, -270_000];

/// The four ATS whose worlds are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Greenhouse,
    Lever,
    Workday,
    BambooHr,
}

impl Provider {
    pub(crate) const ALL: [Self; 4] = [Self::Greenhouse, Self::Lever, Self::Workday, Self::BambooHr];

    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Greenhouse => "greenhouse",
            Self::Lever => "lever",
            Self::Workday => "workday",
            Self::BambooHr => "bamboohr",
        }
    }

    pub(crate) fn has_webhooks(self) -> bool {
        providers::ats::find(self.id()).is_some_and(|provider| provider.webhooks.is_some())
    }

    /// How a connection to this account signs in: each way in turn.
    pub(crate) fn login(self, seed: u64, account: &str) -> (LoginMethod, serde_json::Value) {
        let first = seed.is_multiple_of(2);
        match self {
            Self::Greenhouse if first => (
                LoginMethod::ClientCredentials,
                json!({"client_id": format!("local-greenhouse-{account}"), "client_secret": format!("local-greenhouse-secret-{account}")}),
            ),
            Self::Greenhouse => (
                LoginMethod::RefreshToken,
                json!({"client_id": format!("local-greenhouse-{account}"), "client_secret": format!("local-greenhouse-secret-{account}"),
                    "refresh_token": format!("local-greenhouse-refresh-{account}")}),
            ),
            Self::Lever if first => (LoginMethod::ApiKey, json!({"api_key": format!("local-lever-key-{account}")})),
            Self::Lever => (
                LoginMethod::RefreshToken,
                json!({"client_id": format!("local-lever-{account}"), "client_secret": format!("local-lever-secret-{account}"),
                    "refresh_token": format!("local-lever-refresh-{account}")}),
            ),
            Self::Workday if first => (
                LoginMethod::RefreshToken,
                json!({"client_id": "local-workday-client", "client_secret": format!("local-workday-secret-{account}"),
                    "refresh_token": format!("local-workday-refresh-{account}")}),
            ),
            Self::Workday => (
                LoginMethod::UserPassword,
                json!({"username": "ISU_hiring", "password": format!("local-workday-password-{account}")}),
            ),
            Self::BambooHr => (LoginMethod::ApiKey, json!({"api_key": format!("local-bamboohr-key-{account}")})),
        }
    }

    pub(crate) fn settings(self) -> BTreeMap<String, String> {
        let settings: &[(&str, &str)] = match self {
            Self::Greenhouse => &[("user_id", "1")],
            Self::Workday => &[("host", "local.myworkday.com")],
            Self::Lever | Self::BambooHr => &[],
        };
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

/// What only one simulator has, as a test uses it.
pub(super) struct Knobs {
    pub(super) expire_tokens: Box<dyn Fn()>,
    pub(super) limit: Box<dyn Fn(bool)>,
    /// A person authorises the connection again; gives the refresh token, for the login that takes one.
    pub(super) authorise: Box<dyn Fn() -> String>,
}

pub(super) struct House {
    pub(super) provider: Provider,
    /// Ours, and the provider's, which is not the same.
    clocks: [Arc<AtomicI64>; 2],
    pub(super) account: Arc<dyn Account>,
    pub(super) control: Arc<Control>,
    pub(super) knobs: Knobs,
    pub(super) origin: Origin,
    pub(super) records: Table,
    pub(super) states: Table,
    secrets: Secrets,
    /// Reading the trusted roots takes longer than all the rest of a process's start.
    http: Outbound,
    base: String,
}

impl House {
    /// Builds a house; its simulator serves on this runtime.
    pub(super) async fn build(provider: Provider, seed: u64) -> Self {
        let offset_ms = CLOCK_OFFSETS_MS[usize::try_from(seed).expect("a small number") % CLOCK_OFFSETS_MS.len()];
        let clocks = [0, offset_ms].map(|offset_ms| Arc::new(AtomicI64::new(BEGIN_MS + offset_ms)));
        aws::clock::simulated::follow(Some(Arc::clone(&clocks[0])));
        let time = Clock::manual(Arc::clone(&clocks[1]));
        let (simulator, account, knobs) = open(provider, time);
        let control = Arc::clone(&simulator.control);
        let app = simulators::app_of(vec![simulator]);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (org, connection) = ("acme".parse().expect("slug"), "world".parse().expect("slug"));
        let origin = Origin { org, provider: provider.id().to_owned(), connection };
        let house = Self {
            provider,
            clocks,
            account,
            control,
            knobs,
            origin,
            records: Table::in_memory(),
            states: Table::in_memory(),
            secrets: Secrets::in_memory(),
            http: Outbound::new().expect("a client"),
            base: format!("http://{address}"),
        };
        house.connect(seed).await;
        house
    }

    /// An engine, as a new process has it: it knows nothing but what is stored.
    pub(super) fn engine(&self) -> Engine {
        let access = ProviderAccess {
            http: self.http.clone(),
            calls: Bulkhead::new("ats", 4, Duration::from_secs(1)),
            stage: Stage::Local,
            replacement: Some(self.base.clone()),
        };
        let records = Records::new(self.records.clone());
        Engine::new(records, self.states.clone(), Cache::of_process(), self.secrets.clone(), access)
    }

    /// The records as they are stored.
    pub(super) fn stored(&self) -> impl Iterator<Item = serde_json::Value> {
        self.records.all().into_iter().map(|item| from_item(item).expect("an item"))
    }

    pub(super) fn pass(&self, time: Duration) {
        for clock in &self.clocks {
            clock.fetch_add(i64::try_from(time.as_millis()).expect("a short time"), Ordering::SeqCst);
        }
    }

    /// A refresh token may be lost between the provider's response and our store, or expire unused: then a person
    /// authorises the connection again, and it is checked as a new one is. False when there was no need.
    pub(super) async fn authorise_again(&self) -> bool {
        let Origin { org, connection: id, .. } = &self.origin;
        let key = Key { pk: format!("ORG#{org}#connection"), sk: id.to_string() };
        let connection: Connection = self.records.get(&key).await.expect("read").expect("a connection");
        if !matches!(connection.status, ConnectionStatus::NeedsReauthorisation | ConnectionStatus::Refused) {
            return false;
        }
        // A connection that signs in with a key or the like is refused, too, when what its check met was a fault.
        let mut logins = (0..2).map(|seed| self.provider.login(seed, ACCOUNT));
        let (_, mut credentials) = logins.find(|(login, _)| *login == connection.login).expect("its way to sign in");
        if connection.login == LoginMethod::RefreshToken {
            credentials["refresh_token"] = (self.knobs.authorise)().into();
        }
        // Entered again, it is not what it was: nothing that came from the old grant is used.
        credentials["entered"] = self.clocks[0].load(Ordering::SeqCst).to_string().into();
        let credentials = SecretString::from(credentials.to_string());
        self.secrets
            .put_of_connection(&self.origin.connection_key(), sync::CREDENTIALS, &credentials)
            .await
            .expect("stored");
        let write = Write::when("attribute_exists(pk)").set("status", text("checking"));
        self.records.update(&key, write, false).await.expect("stored");
        self.request_sync(Mode::Incremental).await;
        true
    }

    /// A person requests a run.
    pub(super) async fn request_sync(&self, mode: Mode) {
        let request = SyncRequest { mode: Some(mode), reason: "asked for by a person", unpark: false };
        let syncs = SyncStates::new(self.states.clone());
        assert!(syncs.request_sync(&self.origin.connection_key(), request, aws::clock::now()).await.expect("ordered"));
    }

    async fn connect(&self, seed: u64) {
        let Origin { org, connection: id, provider } = &self.origin;
        let now = aws::clock::now();
        let (login, credentials) = self.provider.login(seed, ACCOUNT);
        let credentials = SecretString::from(credentials.to_string());
        self.secrets
            .put_of_connection(&self.origin.connection_key(), sync::CREDENTIALS, &credentials)
            .await
            .expect("stored");
        let connection = Connection {
            v: 1,
            id: id.clone(),
            provider: provider.clone(),
            status: ConnectionStatus::Checking,
            detail: None,
            login,
            account: Some(ACCOUNT.to_owned()),
            settings: self.provider.settings(),
            created_at: now,
        };
        let mut item: Item = to_item(&connection).expect("an item");
        item.insert("pk".into(), text(format!("ORG#{org}#connection")));
        item.insert("sk".into(), text(id.to_string()));
        self.records.create(item).await.expect("stored");
        let state = SyncState::new(self.origin.connection_key(), provider, now);
        SyncStates::new(self.states.clone()).create(&state).await.expect("stored");
    }
}

fn open(provider: Provider, clock: Clock) -> (simulators::Simulator, Arc<dyn Account>, Knobs) {
    match provider {
        Provider::Greenhouse => {
            let world = greenhouse::World::new(clock);
            let account = world.account(ACCOUNT).expect("an account");
            let (expires, limited, authorised) = (Arc::clone(&account), Arc::clone(&account), Arc::clone(&account));
            let knobs = Knobs {
                expire_tokens: Box::new(move || expires.expire_tokens()),
                limit: Box::new(move |on| limited.set_limit(on.then_some(150))),
                authorise: Box::new(move || authorised.authorize()),
            };
            (greenhouse::simulator_of(world), account, knobs)
        }
        Provider::Lever => {
            let world = lever::World::new(clock);
            let account = world.account(ACCOUNT).expect("an account");
            let (expires, limited, authorised) = (Arc::clone(&account), Arc::clone(&account), Arc::clone(&account));
            let knobs = Knobs {
                expire_tokens: Box::new(move || expires.expire_tokens()),
                limit: Box::new(move |on| limited.set_limit(on.then_some((10, 20)))),
                authorise: Box::new(move || authorised.authorise()),
            };
            (lever::simulator_of(world), account, knobs)
        }
        Provider::Workday => {
            let world = workday::World::new(clock);
            let account = world.account(ACCOUNT).expect("an account");
            let (expires, limited) = (Arc::clone(&account), Arc::clone(&account));
            let knobs = Knobs {
                expire_tokens: Box::new(move || expires.state().gate.expire()),
                limit: Box::new(move |on| limited.state().gate.window.limit = on.then_some(10)),
                // Its grant never expires.
                authorise: Box::new(|| "local-workday-refresh-acme".to_owned()),
            };
            (workday::simulator_of(world), account, knobs)
        }
        Provider::BambooHr => {
            let world = bamboohr::World::new(clock);
            let account = world.account(ACCOUNT).expect("an account");
            let limited = Arc::clone(&account);
            let knobs = Knobs {
                expire_tokens: Box::new(|| {}),
                limit: Box::new(move |on| limited.set_limit(on.then_some(60))),
                authorise: Box::new(String::new),
            };
            (bamboohr::simulator_of(world), account, knobs)
        }
    }
}
