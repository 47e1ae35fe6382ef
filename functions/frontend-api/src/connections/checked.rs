//! Checks what somebody enters for a connection against what its provider says of itself. No IO.

use std::collections::BTreeMap;

use domain::connection::{LoginMethod, WEBHOOK_URL};
use domain::stage::Stage;
use providers::ats::port::Setting;
use providers::catalog::{Category, Spec};
use providers::transport::access::{AccessError, Hosts};
use secrecy::SecretString;
use web::problem::FieldError;

use crate::integrations::{logins, needs_account, webhook_secret, webhooks_by_us};

/// Most bytes of the credentials as they are stored.
const LONGEST_CREDENTIALS: usize = 4_096;
/// Most bytes of a value.
const LONGEST_SETTING: usize = 1_000;
const LONGEST_SECRET: usize = 4_096;
/// Bytes of a secret that webhooks are signed with.
const SHORTEST_WEBHOOK_SECRET: usize = 8;
const LONGEST_WEBHOOK_SECRET: usize = 1_000;

/// Secrets as they are stored.
pub(super) struct Entered {
    /// The credentials as JSON; none where the login has none.
    pub(super) credentials: Option<SecretString>,
    /// What webhooks are signed with, when it was given.
    pub(super) webhook: Option<SecretString>,
}

/// What was entered, besides secrets.
pub(super) struct Given<'a> {
    pub(super) login: LoginMethod,
    pub(super) account: Option<&'a str>,
    pub(super) settings: &'a BTreeMap<String, String>,
}

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Errors(pub(super) Vec<FieldError>);

impl Errors {
    fn add(&mut self, field: impl Into<String>, rule: &'static str, detail: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), rule, detail: detail.into() });
    }
}

/// The provider of that id, when organisations connect to it.
pub(super) fn provider(id: &str) -> Result<&'static Spec, FieldError> {
    let connectable = |spec: &&&'static Spec| spec.category == Category::Ats;
    let known =
        || providers::catalog::ALL.iter().filter(connectable).map(|spec| spec.id).collect::<Vec<_>>().join(", ");
    providers::catalog::find(id).filter(|spec| connectable(&spec)).ok_or_else(|| FieldError {
        field: "provider".to_owned(),
        rule: "unknown-value",
        detail: format!("one of these is expected: {}", known()),
    })
}

/// Checks login, account and settings. `webhook_path` is where this connection's webhooks are taken.
pub(super) fn settings(spec: &Spec, given: &Given<'_>, webhook_path: &str, errors: &mut Errors) {
    let Given { login, account: _, settings } = given;
    let offered = logins(spec);
    if !offered.iter().any(|(method, _)| method == login) {
        let offered: Vec<String> = offered.iter().map(|(method, _)| word(*method)).collect();
        errors.add("login", "unknown-value", format!("{} offers: {}", spec.name, offered.join(", ")));
    }
    let known: &[Setting] = spec.ats.map(|ats| ats.settings()).unwrap_or_default();
    for (name, value) in *settings {
        let field = format!("settings.{name}");
        let setting = known.iter().find(|setting| setting.name == name);
        if name == WEBHOOK_URL && webhooks_by_us(spec) {
            if !leads_here(value, webhook_path) {
                let rule = format!("an https:// address without query that ends with {webhook_path}");
                errors.add(field, "invalid", rule);
            }
        } else if setting.is_none() {
            let names: Vec<&str> = known.iter().map(|setting| setting.name).collect();
            errors.add(field, "unknown", format!("{} has these settings: {}", spec.name, names.join(", ")));
        } else if value.is_empty() || value.len() > LONGEST_SETTING {
            errors.add(field, "range", format!("1 to {LONGEST_SETTING} bytes"));
        } else if value.chars().any(char::is_control) || value.trim() != value {
            errors.add(field, "invalid", "one line without spaces around it");
        } else if let Some(Err(wrong)) = setting.map(|setting| (setting.check)(value)) {
            errors.add(field, "invalid", wrong);
        }
    }
    for setting in known.iter().filter(|setting| setting.required && !settings.contains_key(setting.name)) {
        errors.add(format!("settings.{}", setting.name), "missing", setting.about);
    }
    account(spec, given, errors);
}

/// Checks the account's name, and with the setting `host` that both lead to hosts of the provider.
fn account(spec: &Spec, given: &Given<'_>, errors: &mut Errors) {
    let named = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    match given.account {
        None if needs_account(spec) => {
            return errors.add("account", "missing", format!("the name of the account at {} is expected", spec.name));
        }
        Some(account) if account.is_empty() || account.len() > 100 || !account.bytes().all(named) => {
            return errors.add("account", "invalid", "1 to 100 letters, digits and `-_.`");
        }
        None | Some(_) => {}
    }
    let host = given.settings.get("host").map(String::as_str);
    // The hosts of production are the ones that count, whatever stands in for them on this machine.
    let hosts = Hosts::resolve(Stage::Prod, (spec.id, spec.hosts), (given.account.unwrap_or_default(), host), None);
    match hosts {
        Err(AccessError::Account(_)) => errors.add("account", "invalid", "1 to 63 letters, digits and hyphens"),
        Err(AccessError::Host(_)) if host.is_some() && !errors.0.iter().any(|e| e.field == "settings.host") => {
            errors.add("settings.host", "invalid", format!("a host name of {} is expected", spec.name));
        }
        Ok(_) | Err(_) => {}
    }
}

/// Checks secrets. All that the login takes must be there, and nothing else but the webhooks' secret.
pub(super) fn secrets(
    spec: &Spec,
    login: LoginMethod,
    given: &BTreeMap<String, String>,
    errors: &mut Errors,
) -> Entered {
    let offered = logins(spec);
    let Some((_, wanted)) = offered.into_iter().find(|(method, _)| *method == login) else {
        // What is wrong is the login, which is said elsewhere.
        return Entered { credentials: None, webhook: None };
    };
    let webhook_name = webhook_secret(spec);
    for name in wanted.iter().filter(|name| !given.contains_key(**name)) {
        errors.add(format!("secrets.{name}"), "missing", format!("the login {} takes it", word(login)));
    }
    let (mut credentials, mut webhook) = (BTreeMap::new(), None);
    for (name, value) in given {
        let field = format!("secrets.{name}");
        if wanted.contains(&name.as_str()) {
            if value.is_empty() || value.len() > LONGEST_SECRET {
                errors.add(field, "range", format!("1 to {LONGEST_SECRET} bytes"));
            } else if value.trim() != value || value.contains('\0') {
                errors.add(field, "invalid", "there must be no spaces or line breaks around it");
            }
            credentials.insert(name.as_str(), value.as_str());
        } else if webhook_name == Some(name.as_str()) {
            check_webhook_secret(spec, value, &field, errors);
            webhook = Some(SecretString::from(value.clone()));
        } else {
            let mut names = wanted.to_vec();
            names.extend(webhook_name);
            errors.add(field, "unknown", format!("the login {} takes: {}", word(login), names.join(", ")));
        }
    }
    // Texts by name are always JSON.
    let json = serde_json::to_string(&credentials).unwrap_or_default();
    if json.len() > LONGEST_CREDENTIALS {
        errors.add("secrets", "range", format!("at most {LONGEST_CREDENTIALS} bytes of JSON in all"));
    }
    let credentials = (!credentials.is_empty()).then(|| SecretString::from(json));
    Entered { credentials, webhook }
}

fn check_webhook_secret(spec: &Spec, value: &str, field: &str, errors: &mut Errors) {
    // Where each webhook has a secret of its own, each is a line.
    let one = !webhooks_by_us(spec);
    let plain = |c: char| !c.is_control() || (c == '\n' && !one);
    if !(SHORTEST_WEBHOOK_SECRET..=LONGEST_WEBHOOK_SECRET).contains(&value.len()) {
        errors.add(field, "range", format!("{SHORTEST_WEBHOOK_SECRET} to {LONGEST_WEBHOOK_SECRET} bytes"));
    } else if value.trim() != value || !value.chars().all(plain) {
        errors.add(field, "invalid", if one { "one line without spaces around it" } else { "a secret in each line" });
    }
}

/// Whether an address is this connection's, below whatever base this API has.
fn leads_here(address: &str, webhook_path: &str) -> bool {
    let host_and_path = address.strip_prefix("https://").unwrap_or_default();
    let host = host_and_path.split('/').next().unwrap_or_default();
    let in_url = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/%".contains(&b);
    !host.is_empty()
        && address.len() <= LONGEST_SETTING
        && host_and_path.bytes().all(in_url)
        && host_and_path.ends_with(webhook_path)
}

/// A login method as it is written.
fn word(login: LoginMethod) -> String {
    serde_json::to_value(login).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
