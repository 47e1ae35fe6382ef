//! Validates the input for a connection against the capabilities of its provider. No IO.

use std::collections::BTreeMap;

use domain::connection::{LoginMethod, WEBHOOK_URL};
use domain::stage::Stage;
use providers::ats::port::{AtsProvider, Setting};
use providers::transport::access::{AccessError, Hosts};
use secrecy::SecretString;
use web::problem::{FieldError, Problem};

use crate::integrations::{logins, needs_account, webhook_secret, webhooks_by_us};

/// The most bytes of the credentials in their stored form.
const MAX_CREDENTIALS_BYTES: usize = 4_096;
/// The most bytes of the value of a setting.
const MAX_SETTING_BYTES: usize = 1_000;
/// The most bytes of one secret.
const MAX_SECRET_BYTES: usize = 4_096;
/// The fewest bytes of a secret that webhooks are signed with.
const MIN_WEBHOOK_SECRET_BYTES: usize = 8;
/// The most bytes of a secret that webhooks are signed with.
const MAX_WEBHOOK_SECRET_BYTES: usize = 1_000;

/// The secrets of a connection in their stored form.
pub(super) struct ConnectionSecrets {
    /// The credentials as JSON; none for a login without credentials.
    pub(super) credentials: Option<SecretString>,
    /// The secret that webhooks are signed with, if one was given.
    pub(super) webhook: Option<SecretString>,
}

/// The input for a connection, apart from its secrets.
pub(super) struct ConnectionInput<'a> {
    pub(super) login: LoginMethod,
    pub(super) account: Option<&'a str>,
    pub(super) settings: &'a BTreeMap<String, String>,
}

/// The errors of a request, one for each field that breaks a rule.
#[derive(Default)]
pub(super) struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, field: impl Into<String>, rule: &'static str, detail: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), rule, detail: detail.into() });
    }

    /// 400 with all errors; no problem when there are none.
    pub(super) fn into_result(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}

/// The provider with an id, if organisations connect to it.
pub(super) fn provider(id: &str) -> Result<&'static AtsProvider, FieldError> {
    let known = || providers::ats::ALL.iter().map(|provider| provider.info.id).collect::<Vec<_>>().join(", ");
    providers::ats::find(id).ok_or_else(|| FieldError {
        field: "provider".to_owned(),
        rule: "unknown-value",
        detail: format!("one of these is expected: {}", known()),
    })
}

/// Validates login, account and settings. `webhook_path` is the path of this connection's webhooks.
pub(super) fn settings(provider: &AtsProvider, given: &ConnectionInput<'_>, webhook_path: &str, errors: &mut Errors) {
    let ConnectionInput { login, account: _, settings } = given;
    let offered = logins(provider);
    if !offered.iter().any(|(method, _)| method == login) {
        let offered: Vec<String> = offered.iter().map(|(method, _)| method_name(*method)).collect();
        errors.add("login", "unknown-value", format!("{} offers: {}", provider.info.name, offered.join(", ")));
    }
    let known: &[Setting] = provider.api.settings();
    for (name, value) in *settings {
        let field = format!("settings.{name}");
        let setting = known.iter().find(|setting| setting.name == name);
        if name == WEBHOOK_URL && webhooks_by_us(provider) {
            if !leads_here(value, webhook_path) {
                let rule = format!("an https:// address without query that ends with {webhook_path}");
                errors.add(field, "invalid", rule);
            }
        } else if setting.is_none() {
            let names: Vec<&str> = known.iter().map(|setting| setting.name).collect();
            errors.add(field, "unknown", format!("{} has these settings: {}", provider.info.name, names.join(", ")));
        } else if value.is_empty() || value.len() > MAX_SETTING_BYTES {
            errors.add(field, "range", format!("1 to {MAX_SETTING_BYTES} bytes"));
        } else if value.chars().any(char::is_control) || value.trim() != value {
            errors.add(field, "invalid", "one line without spaces around it");
        } else if let Some(Err(wrong)) = setting.map(|setting| (setting.check)(value)) {
            errors.add(field, "invalid", wrong);
        }
    }
    for setting in known.iter().filter(|setting| setting.required && !settings.contains_key(setting.name)) {
        errors.add(format!("settings.{}", setting.name), "missing", setting.about);
    }
    account(provider, given, errors);
}

/// Validates the name of the account, and that it leads to a host of the provider, together with the setting `host`.
fn account(provider: &AtsProvider, given: &ConnectionInput<'_>, errors: &mut Errors) {
    let named = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    match given.account {
        None if needs_account(provider) => {
            return errors.add(
                "account",
                "missing",
                format!("the name of the account at {} is expected", provider.info.name),
            );
        }
        Some(account) if account.is_empty() || account.len() > 100 || !account.bytes().all(named) => {
            return errors.add("account", "invalid", "1 to 100 letters, digits and `-_.`");
        }
        None | Some(_) => {}
    }
    let host = given.settings.get("host").map(String::as_str);
    // The hosts of production count, whatever replaces them on this machine.
    let hosts = Hosts::resolve(
        Stage::Prod,
        (provider.info.id, provider.hosts),
        (given.account.unwrap_or_default(), host),
        None,
    );
    match hosts {
        Err(AccessError::Account(_)) => errors.add("account", "invalid", "1 to 63 letters, digits and hyphens"),
        Err(AccessError::Host(_)) if host.is_some() && !errors.0.iter().any(|e| e.field == "settings.host") => {
            errors.add("settings.host", "invalid", format!("a host name of {} is expected", provider.info.name));
        }
        Ok(_) | Err(_) => {}
    }
}

/// Validates secrets: all those of the login are required, and besides them only the webhooks' secret is allowed.
pub(super) fn secrets(
    provider: &AtsProvider,
    login: LoginMethod,
    given: &BTreeMap<String, String>,
    errors: &mut Errors,
) -> ConnectionSecrets {
    let offered = logins(provider);
    let Some((_, wanted)) = offered.into_iter().find(|(method, _)| *method == login) else {
        // The error is in the login, and `settings` reports it.
        return ConnectionSecrets { credentials: None, webhook: None };
    };
    let webhook_name = webhook_secret(provider);
    for name in wanted.iter().filter(|name| !given.contains_key(**name)) {
        errors.add(format!("secrets.{name}"), "missing", format!("the login {} takes it", method_name(login)));
    }
    let (mut credentials, mut webhook) = (BTreeMap::new(), None);
    for (name, value) in given {
        let field = format!("secrets.{name}");
        if wanted.contains(&name.as_str()) {
            if value.is_empty() || value.len() > MAX_SECRET_BYTES {
                errors.add(field, "range", format!("1 to {MAX_SECRET_BYTES} bytes"));
            } else if value.trim() != value || value.contains('\0') {
                errors.add(field, "invalid", "there must be no spaces or line breaks around it");
            }
            credentials.insert(name.as_str(), value.as_str());
        } else if webhook_name == Some(name.as_str()) {
            webhook_secret_value(provider, value, &field, errors);
            webhook = Some(SecretString::from(value.clone()));
        } else {
            let mut names = wanted.to_vec();
            names.extend(webhook_name);
            errors.add(field, "unknown", format!("the login {} takes: {}", method_name(login), names.join(", ")));
        }
    }
    // A map of texts can always be written as JSON.
    let json = serde_json::to_string(&credentials).unwrap_or_default();
    if json.len() > MAX_CREDENTIALS_BYTES {
        errors.add("secrets", "range", format!("at most {MAX_CREDENTIALS_BYTES} bytes of JSON in all"));
    }
    let credentials = (!credentials.is_empty()).then(|| SecretString::from(json));
    ConnectionSecrets { credentials, webhook }
}

fn webhook_secret_value(provider: &AtsProvider, value: &str, field: &str, errors: &mut Errors) {
    // For a provider whose webhooks each have a secret of their own, the secrets are one on each line.
    let one = !webhooks_by_us(provider);
    let plain = |c: char| !c.is_control() || (c == '\n' && !one);
    if !(MIN_WEBHOOK_SECRET_BYTES..=MAX_WEBHOOK_SECRET_BYTES).contains(&value.len()) {
        errors.add(field, "range", format!("{MIN_WEBHOOK_SECRET_BYTES} to {MAX_WEBHOOK_SECRET_BYTES} bytes"));
    } else if value.trim() != value || !value.chars().all(plain) {
        errors.add(field, "invalid", if one { "one line without spaces around it" } else { "a secret in each line" });
    }
}

/// Whether an address ends at this connection's path, whatever base address this API has.
fn leads_here(address: &str, webhook_path: &str) -> bool {
    let host_and_path = address.strip_prefix("https://").unwrap_or_default();
    let host = host_and_path.split('/').next().unwrap_or_default();
    let in_url = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/%".contains(&b);
    !host.is_empty()
        && address.len() <= MAX_SETTING_BYTES
        && host_and_path.bytes().all(in_url)
        && host_and_path.ends_with(webhook_path)
}

/// The name of a login method in JSON.
fn method_name(login: LoginMethod) -> String {
    serde_json::to_value(login).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
