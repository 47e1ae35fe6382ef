use secrecy::ExposeSecret as _;

use super::*;
use crate::integrations::webhooks_by_hand;

const PATH: &str = "/api/webhooks/lever/acme/lever-1";

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn known(id: &str) -> &'static AtsProvider {
    provider(id).expect("an ATS")
}

fn blamed(errors: Errors) -> Vec<(String, &'static str)> {
    errors.0.into_iter().map(|error| (error.field, error.rule)).collect()
}

fn settings_errors(
    id: &str,
    login: LoginMethod,
    account: Option<&str>,
    given: &[(&str, &str)],
) -> Vec<(String, &'static str)> {
    let mut errors = Errors::default();
    settings(known(id), &ConnectionInput { login, account, settings: &texts(given) }, PATH, &mut errors);
    blamed(errors)
}

fn secrets_of(
    id: &str,
    login: LoginMethod,
    given: &[(&str, &str)],
) -> (ConnectionSecrets, Vec<(String, &'static str)>) {
    let mut errors = Errors::default();
    let entered = secrets(known(id), login, &texts(given), &mut errors);
    (entered, blamed(errors))
}

#[track_caller]
fn blames(found: &[(String, &'static str)], wanted: &[(&str, &str)]) {
    let found: Vec<(&str, &str)> = found.iter().map(|(field, rule)| (field.as_str(), *rule)).collect();
    assert_eq!(found, wanted);
}

#[test]
fn only_systems_that_organisations_connect_to_are_providers() {
    for id in ["greenhouse", "lever", "workday", "bamboohr"] {
        assert!(provider(id).is_ok_and(|provider| !logins(provider).is_empty()), "{id}");
    }
    for id in ["", "smtp", "gemini", "Greenhouse", "pigeon"] {
        let error = provider(id).map(|provider| provider.info.id).expect_err("none");
        assert_eq!((error.field.as_str(), error.rule), ("provider", "unknown-value"), "{id}");
        assert!(error.detail.contains("bamboohr") && !error.detail.contains("smtp"), "{}", error.detail);
    }
}

#[test]
fn a_login_is_one_that_the_provider_offers() {
    blames(&settings_errors("bamboohr", LoginMethod::ApiKey, Some("acme"), &[]), &[]);
    for login in [LoginMethod::WebhookOnly, LoginMethod::RefreshToken, LoginMethod::UserPassword] {
        blames(&settings_errors("bamboohr", login, Some("acme"), &[]), &[("login", "unknown-value")]);
    }
    blames(&settings_errors("greenhouse", LoginMethod::WebhookOnly, None, &[]), &[]);
}

#[test]
fn an_account_must_lead_to_the_providers_own_host() {
    let account = |account| settings_errors("bamboohr", LoginMethod::ApiKey, account, &[]);
    blames(&account(None), &[("account", "missing")]);
    for bad in ["", "a b", "evil.example/", "a@b", "é", &"a".repeat(101), "evil.example", &"a".repeat(64)] {
        blames(&account(Some(bad)), &[("account", "invalid")]);
    }
    // Where it is no part of a host name, more is a name.
    let tenant =
        |account| settings_errors("workday", LoginMethod::RefreshToken, account, &[("host", "wd2.myworkday.com")]);
    blames(&tenant(Some("acme_preview1")), &[]);
    blames(&tenant(Some("a/b")), &[("account", "invalid")]);
}

#[test]
fn settings_are_known_complete_and_as_the_provider_wants_them() {
    let workday = |given: &[(&str, &str)]| settings_errors("workday", LoginMethod::RefreshToken, Some("acme"), given);
    let host = ("host", "wd2.myworkday.com");
    blames(&workday(&[host]), &[]);
    blames(&workday(&[]), &[("settings.host", "missing")]);
    blames(&workday(&[host, ("colour", "red")]), &[("settings.colour", "unknown")]);
    for evil in ["evil.example", "wd2.myworkday.com.evil.example", "a@wd2.myworkday.com", ".myworkday.com"] {
        blames(&workday(&[("host", evil)]), &[("settings.host", "invalid")]);
    }
    blames(&workday(&[("host", " wd2.myworkday.com")]), &[("settings.host", "invalid")]);
    blames(&workday(&[host, ("hire_step", "")]), &[("settings.hire_step", "range")]);
    blames(&workday(&[host, ("hire_step", &"x".repeat(1_001))]), &[("settings.hire_step", "range")]);
    blames(&workday(&[host, ("hire_step", "a\nb")]), &[("settings.hire_step", "invalid")]);
    let greenhouse = |user| settings_errors("greenhouse", LoginMethod::ClientCredentials, None, &[("user_id", user)]);
    blames(&greenhouse("12"), &[]);
    blames(&greenhouse("ada"), &[("settings.user_id", "invalid")]);
}

#[test]
fn created_webhooks_send_to_this_connection_only() {
    let lever = |url: &str| settings_errors("lever", LoginMethod::ApiKey, None, &[(WEBHOOK_URL, url)]);
    for good in ["https://api.acme.example", "https://localhost:4566/_aws/execute-api/a1"] {
        blames(&lever(&format!("{good}{PATH}")), &[]);
    }
    for bad in [
        "",
        PATH,
        "https://api.acme.example",
        &format!("http://api.acme.example{PATH}"),
        &format!("https://{PATH}"),
        &format!("https://api.acme.example/x?{PATH}"),
        &format!("https://a@api.acme.example{PATH}"),
        &format!("https://api.acme.example{PATH}/"),
    ] {
        blames(&lever(bad), &[("settings.webhook_url", "invalid")]);
    }
    // Where a person creates them, there is no such setting.
    let greenhouse =
        settings_errors("greenhouse", LoginMethod::WebhookOnly, None, &[(WEBHOOK_URL, "https://x.example")]);
    blames(&greenhouse, &[("settings.webhook_url", "unknown")]);
}

#[test]
fn the_secrets_of_the_login_are_all_there_and_no_others() {
    let (entered, wrong) = secrets_of("bamboohr", LoginMethod::ApiKey, &[("api_key", "k")]);
    blames(&wrong, &[]);
    assert_eq!(entered.credentials.map(|json| json.expose_secret().to_owned()).as_deref(), Some(r#"{"api_key":"k"}"#));
    assert!(entered.webhook.is_none());
    let bamboohr = |given: &[(&str, &str)]| secrets_of("bamboohr", LoginMethod::ApiKey, given).1;
    blames(&bamboohr(&[]), &[("secrets.api_key", "missing")]);
    blames(&bamboohr(&[("api_key", "k"), ("password", "p")]), &[("secrets.password", "unknown")]);
    blames(&bamboohr(&[("api_key", "k"), ("webhook_secret", "long-enough")]), &[("secrets.webhook_secret", "unknown")]);
    blames(&bamboohr(&[("api_key", "")]), &[("secrets.api_key", "range")]);
    blames(&bamboohr(&[("api_key", " k")]), &[("secrets.api_key", "invalid")]);
    let long = "k".repeat(4_090);
    blames(&bamboohr(&[("api_key", &long)]), &[("secrets", "range")]);
    let two = secrets_of("greenhouse", LoginMethod::ClientCredentials, &[("client_id", "c")]).1;
    blames(&two, &[("secrets.client_secret", "missing")]);
}

#[test]
fn a_webhook_secret_is_one_line_where_there_is_one_webhook() {
    let (entered, wrong) = secrets_of("greenhouse", LoginMethod::WebhookOnly, &[("webhook_secret", "long-enough")]);
    blames(&wrong, &[]);
    assert!(entered.credentials.is_none());
    assert_eq!(entered.webhook.map(|secret| secret.expose_secret().to_owned()).as_deref(), Some("long-enough"));
    let greenhouse = |secret: &str| secrets_of("greenhouse", LoginMethod::WebhookOnly, &[("webhook_secret", secret)]).1;
    blames(&greenhouse("short"), &[("secrets.webhook_secret", "range")]);
    blames(&greenhouse("one-secret\nand-another"), &[("secrets.webhook_secret", "invalid")]);
    let lever =
        |secret: &str| secrets_of("lever", LoginMethod::ApiKey, &[("api_key", "k"), ("webhook_secret", secret)]).1;
    blames(&lever("one-secret\nand-another"), &[]);
    assert!(webhooks_by_us(known("lever")) && webhooks_by_hand(known("greenhouse")));
    assert!(!webhooks_by_us(known("bamboohr")) && !webhooks_by_hand(known("bamboohr")));
}
