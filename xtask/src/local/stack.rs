//! `.local/stack.json`: what a client needs to use a running stack. Its shape is a documented contract.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};
use reqwest::{Certificate, Client};
use serde::{Deserialize, Serialize};

use crate::{
    local::time_scale::TimeScale,
    report,
    site::{DEFAULT_PORT, DEFAULT_STATE, Site},
};

#[derive(Serialize, Deserialize)]
pub(crate) struct Stack {
    /// Base address of the HTTP API; paths such as `/api/health` follow it.
    pub(crate) api_url: String,
    pub(crate) aws_endpoint: String,
    /// Path of the certificate authority to trust.
    pub(crate) ca_cert: String,
    pub(crate) orgs: Vec<Organisation>,
    /// ID token of an operator of the deployment; valid for 12 hours.
    #[serde(default)]
    pub(crate) operator_token: String,
    pub(crate) simulators: BTreeMap<String, Simulator>,
    /// The webhook URL of each mail provider.
    #[serde(default)]
    pub(crate) mail_webhooks: BTreeMap<String, MailWebhook>,
    /// `GET` answers the received e-mails as a JSON list, `DELETE` clears them.
    pub(crate) mailbox_url: String,
    /// `GET` answers how often each function called each operation of AWS, `DELETE` begins anew.
    pub(crate) calls_url: String,
    /// The folder in which a test names the work whose worker is to be killed.
    pub(crate) fault_points: String,
    /// The Redis that the functions share as a cache.
    pub(crate) cache_url: String,
    /// Seconds of the stack's clock in a second of the machine.
    #[serde(default = "same")]
    pub(crate) time_scale: u32,
    /// The time at which both clocks were equal, in milliseconds since 1970 UTC.
    #[serde(default)]
    pub(crate) time_origin_ms: u64,
}

const fn same() -> u32 {
    1
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Organisation {
    pub(crate) id: String,
    /// ID token of a recruiter, for `Authorization: Bearer`; valid for 12 hours.
    pub(crate) token: String,
    pub(crate) api_key: String,
    pub(crate) connections: BTreeMap<String, Connection>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) webhook_url: Option<String>,
    #[serde(default)]
    pub(crate) webhook_secret: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Simulator {
    pub(crate) url: String,
    pub(crate) control_url: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct MailWebhook {
    pub(crate) url: String,
    /// The signing secret of the simulator: `secret` of its control route `deliver`.
    pub(crate) secret: String,
}

const PROVIDERS: [&str; 11] =
    ["gemini", "bamboohr", "greenhouse", "lever", "workday", "sendgrid", "mailgun", "brevo", "ses", "gmail", "google"];

impl Stack {
    pub(crate) fn new(
        site: &Site,
        time: TimeScale,
        api_id: &str,
        mut orgs: Vec<Organisation>,
        operator_token: String,
        mail_webhook_secrets: BTreeMap<String, String>,
    ) -> Self {
        let endpoint = site.endpoint();
        let api_url = format!("{endpoint}/_aws/execute-api/{api_id}");
        for org in &mut orgs {
            for connection in org.connections.values_mut() {
                if connection.webhook_secret.is_some() {
                    let Connection { id, provider, .. } = &*connection;
                    connection.webhook_url = Some(format!("{api_url}/api/webhooks/{provider}/{}/{id}", org.id));
                }
            }
        }
        let base = format!("http://127.0.0.1:{}", site.simulators());
        let simulator = |provider: &str| Simulator {
            url: format!("{base}/{provider}"),
            control_url: format!("{base}/_control/{provider}"),
        };
        let webhook = |(provider, secret): (String, String)| {
            let url = format!("{api_url}/api/webhooks/mail/{provider}");
            (provider, MailWebhook { url, secret })
        };
        Self {
            mail_webhooks: mail_webhook_secrets.into_iter().map(webhook).collect(),
            api_url,
            aws_endpoint: endpoint,
            ca_cert: site.ca().display().to_string(),
            orgs,
            operator_token,
            simulators: PROVIDERS.into_iter().map(|provider| (provider.to_owned(), simulator(provider))).collect(),
            mailbox_url: format!("http://127.0.0.1:{}/", site.mailbox()),
            calls_url: format!("{}/_calls", site.functions_endpoint()),
            fault_points: site.fault_points().display().to_string(),
            cache_url: site.cache_url(),
            time_scale: time.factor,
            time_origin_ms: time.origin_ms,
        }
    }

    pub(crate) fn write(&self, site: &Site) -> Result<()> {
        fs::write(site.stack_json(), serde_json::to_string_pretty(self)? + "\n").context("failed to write stack.json")
    }

    /// Prints the use of the stack for a person.
    pub(crate) fn explain(&self, site: &Site) {
        let file = site.display(&site.stack_json());
        let (ca, api, mailbox) = (site.display(&site.ca()), &self.api_url, &self.mailbox_url);
        report::heading("The stack is up. For example:");
        println!(
            "    TOKEN=$(python3 -c \"import json; print(json.load(open('{file}'))['orgs'][0]['token'])\")
    curl --cacert {ca} {api}/api/health
    curl --cacert {ca} -H \"Authorization: Bearer $TOKEN\" '{api}/api/applications?limit=5'
    curl {mailbox}    # the e-mails that were sent"
        );
        let mut flags = String::new();
        if site.gateway != DEFAULT_PORT {
            flags.push_str(&format!(" --port {}", site.gateway));
        }
        let state = site.display(&site.state);
        if state != DEFAULT_STATE {
            flags.push_str(&format!(" --state {state}"));
        }
        println!("  Everything a client needs: {file}");
        println!("  Logs:  cargo xtask logs FUNCTION{flags} [--follow]");
        println!("  Stop:  cargo xtask down{flags}");
    }
}

/// A client that trusts the certificate of this stack and nothing else.
pub(crate) fn client(ca_cert: &str) -> Result<Client> {
    let pem = fs::read(ca_cert).with_context(|| format!("failed to read {ca_cert}"))?;
    let client = Client::builder()
        .tls_certs_only([Certificate::from_pem(&pem)?])
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()?;
    Ok(client)
}
