//! The hosts that may be called from each stage. The stage decides; there is no flag that could be forgotten.

use domain::stage::Stage;
use url::Url;

/// The access to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelAccess {
    /// The public host: production only.
    Live(Url),
    /// A simulator on this machine that speaks the provider's wire format.
    Simulator(Url),
    /// A deterministic answer made in this process: no network at all.
    Mock,
}

/// A setting that the stage forbids. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Not a URL, or not one that a base URL can be.
    #[error("read PROVIDER_BASE_URL: `{0}` is not an http URL without query and fragment")]
    NotAUrl(String),
    /// `PROVIDER_BASE_URL` names another machine.
    #[error("use PROVIDER_BASE_URL `{0}`: only a loopback address may replace a provider")]
    NotLoopback(String),
    /// `PROVIDER_BASE_URL` is set in a deployed stage.
    #[error("use PROVIDER_BASE_URL in stage {0}: providers can be replaced in stage local only")]
    Stage(&'static str),
    /// Mail to people from a stage that is for trying things.
    #[error("use the mail provider `{id}` in stage {stage}: only prod may reach it")]
    Mail { id: &'static str, stage: &'static str },
    /// Mail that would go nowhere where people wait for it.
    #[error("use the mail provider `{0}` in stage prod: it sends nothing")]
    MailToNowhere(&'static str),
    /// An account name that is no single label of a host name: it could send the credentials to another host.
    #[error("use the account name `{0}`: letters, digits and hyphens are expected")]
    Account(String),
    /// A host name that is not one of the provider's.
    #[error("use the host `{0}`: it is none of the provider's")]
    Host(String),
    /// A base URL of this crate is wrong.
    #[error("build the base URL `{url}`")]
    Base {
        url: String,
        #[source]
        cause: url::ParseError,
    },
}

/// Decides about the access to the model: live in production and only there; elsewhere a simulator on this machine when
/// one is configured, else the mock.
///
/// # Errors
/// When `replacement` is set in production or is not a loopback address.
pub fn model_access(stage: Stage, live: &str, replacement: Option<&str>, id: &str) -> Result<ModelAccess, AccessError> {
    match (stage, replacement) {
        (Stage::Prod, None) => Ok(ModelAccess::Live(base(live)?)),
        (Stage::Prod, Some(_)) => Err(AccessError::Stage(Stage::Prod.as_str())),
        (Stage::Local | Stage::Dev | Stage::Staging, None) => Ok(ModelAccess::Mock),
        (Stage::Local | Stage::Dev | Stage::Staging, Some(url)) => Ok(ModelAccess::Simulator(loopback(url, id)?)),
    }
}

/// A host of an ATS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The name of the host in the provider's file.
    pub name: &'static str,
    /// Its base URL; `{account}` stands for the organisation's account name, `{host}` for its setting `host`.
    pub live: &'static str,
    /// Path below the simulator's own, such as `/auth`; `{account}` stands for the same.
    pub local: &'static str,
    /// The suffixes that the setting `host` must have, where there is one.
    pub suffixes: &'static [&'static str],
}

/// The hosts of an ATS, for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(Vec<(&'static str, Url)>);

impl Hosts {
    /// Decides about the hosts of an ATS: its own, except that stage `local` may replace them by a simulator on this
    /// machine. `host` is the connection's setting of that name.
    ///
    /// # Errors
    /// When `replacement` is set in another stage or is not a loopback address, or an account or host name could lead to
    /// another host.
    pub fn resolve(
        stage: Stage,
        (id, hosts): (&str, &[Host]),
        (account, host): (&str, Option<&str>),
        replacement: Option<&str>,
    ) -> Result<Self, AccessError> {
        let one = |known: &Host| {
            if known.live.contains("{account}") || known.local.contains("{account}") {
                label(account)?;
            }
            let url = match (stage, replacement) {
                (_, None) if known.live.contains("{host}") => {
                    let host = host_name(host.unwrap_or_default(), known.suffixes)?;
                    base(&known.live.replace("{host}", host))?
                }
                (_, None) => base(&known.live.replace("{account}", account))?,
                (Stage::Local, Some(url)) => {
                    base(&format!("{}{}", loopback(url, id)?, known.local.replace("{account}", account)))?
                }
                (Stage::Dev | Stage::Staging | Stage::Prod, Some(_)) => {
                    return Err(AccessError::Stage(stage.as_str()));
                }
            };
            Ok((known.name, url))
        };
        hosts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// A URL at one of the hosts; `path` begins with a slash.
    ///
    /// # Errors
    /// When there is no such host, or the path makes no URL.
    pub fn url(&self, name: &str, path: &str) -> Result<Url, AccessError> {
        let (_, base) = self.0.iter().find(|(known, _)| *known == name).ok_or(AccessError::Host(name.to_owned()))?;
        self::base(&format!("{}{path}", base.as_str().trim_end_matches('/')))
    }
}

/// A single label of a host name.
fn label(account: &str) -> Result<(), AccessError> {
    let good =
        !account.is_empty() && account.len() <= 63 && account.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if good { Ok(()) } else { Err(AccessError::Account(account.to_owned())) }
}

/// A host name of the provider's own domains.
fn host_name<'a>(host: &'a str, suffixes: &[&str]) -> Result<&'a str, AccessError> {
    let good = host.len() <= 253
        && host.split('.').all(|part| label(part).is_ok())
        && suffixes.iter().any(|suffix| host.ends_with(suffix));
    if good { Ok(host) } else { Err(AccessError::Host(host.to_owned())) }
}

/// Decides about the host of a mail provider: its public host in production and only there; elsewhere a simulator on
/// this machine, and an error when there is none.
///
/// # Errors
/// When `replacement` is set in production, is missing elsewhere, or is not a loopback address.
pub fn mail_base(stage: Stage, live: &str, replacement: Option<&str>, id: &'static str) -> Result<Url, AccessError> {
    match (stage, replacement) {
        (Stage::Prod, None) => base(live),
        (Stage::Prod, Some(_)) => Err(AccessError::Stage(Stage::Prod.as_str())),
        (Stage::Local | Stage::Dev | Stage::Staging, None) => Err(AccessError::Mail { id, stage: stage.as_str() }),
        (Stage::Local | Stage::Dev | Stage::Staging, Some(url)) => loopback(url, id),
    }
}

/// Decides whether mail may be logged instead of sent: in every stage but production.
///
/// # Errors
/// In production.
pub fn mail_may_be_logged(stage: Stage, id: &'static str) -> Result<(), AccessError> {
    match stage {
        Stage::Local | Stage::Dev | Stage::Staging => Ok(()),
        Stage::Prod => Err(AccessError::MailToNowhere(id)),
    }
}

fn base(text: &str) -> Result<Url, AccessError> {
    Url::parse(text).map_err(|cause| AccessError::Base { url: text.to_owned(), cause })
}

fn loopback(text: &str, id: &str) -> Result<Url, AccessError> {
    let not_a_url = || AccessError::NotAUrl(text.to_owned());
    let url = Url::parse(text).map_err(|_| not_a_url())?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(not_a_url());
    }
    let on_this_machine = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        // A name could be made to point anywhere; `localhost` is the one that cannot (RFC 6761).
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if !on_this_machine {
        return Err(AccessError::NotLoopback(text.to_owned()));
    }
    base(&format!("{}/{id}", text.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "https://generativelanguage.googleapis.com";

    #[test]
    fn only_production_reaches_the_live_model() {
        for stage in [Stage::Local, Stage::Dev, Stage::Staging] {
            assert_eq!(model_access(stage, LIVE, None, "gemini"), Ok(ModelAccess::Mock));
            for outside in [
                LIVE,
                "http://10.0.0.1",
                "http://127.0.0.1.example.com",
                "http://localhost.example",
                "https://[2001:db8::1]",
            ] {
                assert!(
                    matches!(model_access(stage, LIVE, Some(outside), "gemini"), Err(AccessError::NotLoopback(_))),
                    "{stage:?} must not reach {outside}"
                );
            }
            for here in ["http://127.0.0.1:4567", "http://localhost:1", "http://[::1]:1", "http://127.0.0.1:4567/"] {
                assert!(
                    matches!(model_access(stage, LIVE, Some(here), "gemini"), Ok(ModelAccess::Simulator(_))),
                    "{stage:?} may use {here}"
                );
            }
        }
        assert!(matches!(model_access(Stage::Prod, LIVE, None, "gemini"), Ok(ModelAccess::Live(_))));
        assert!(model_access(Stage::Prod, LIVE, Some("http://127.0.0.1:1"), "gemini").is_err());
    }

    #[test]
    fn only_production_reaches_and_requires_a_mail_provider() {
        let live = "https://api.sendgrid.com";
        for stage in [Stage::Local, Stage::Dev, Stage::Staging] {
            let refused = AccessError::Mail { id: "sendgrid", stage: stage.as_str() };
            assert_eq!(mail_base(stage, live, None, "sendgrid"), Err(refused));
            assert!(mail_base(stage, live, Some(live), "sendgrid").is_err());
            let here = mail_base(stage, live, Some("http://127.0.0.1:9"), "sendgrid").map(|url| url.to_string());
            assert_eq!(here, Ok("http://127.0.0.1:9/sendgrid".to_owned()));
            assert_eq!(mail_may_be_logged(stage, "log"), Ok(()));
        }
        let there = mail_base(Stage::Prod, live, None, "sendgrid").map(|url| url.to_string());
        assert_eq!(there, Ok("https://api.sendgrid.com/".to_owned()));
        assert!(mail_base(Stage::Prod, live, Some("http://127.0.0.1:9"), "sendgrid").is_err());
        assert!(mail_may_be_logged(Stage::Prod, "log").is_err());
    }

    const BAMBOOHR: Host =
        Host { name: "api", live: "https://{account}.bamboohr.com", local: "/{account}", suffixes: &[] };
    const WORKDAY: Host =
        Host { name: "api", live: "https://{host}", local: "", suffixes: &[".workday.com", ".myworkday.com"] };

    #[test]
    fn an_account_or_host_name_cannot_lead_to_another_host() {
        for evil in ["", "evil.example/?", "a.b", "a/b", "a@b", "a#", "a?", "é", &"a".repeat(64)] {
            let built = Hosts::resolve(Stage::Prod, ("bamboohr", &[BAMBOOHR]), (evil, None), None);
            assert_eq!(built, Err(AccessError::Account(evil.to_owned())));
        }
        for evil in [
            "",
            "evil.example",
            "workday.com.evil.example",
            "evil.example/.workday.com",
            "a@b.workday.com",
            "x:1.workday.com",
        ] {
            let built = Hosts::resolve(Stage::Prod, ("workday", &[WORKDAY]), ("acme", Some(evil)), None);
            assert_eq!(built, Err(AccessError::Host(evil.to_owned())));
        }
        let good = Hosts::resolve(Stage::Prod, ("workday", &[WORKDAY]), ("", Some("wd2.myworkday.com")), None);
        let url = good.and_then(|hosts| hosts.url("api", "/ccx/x")).map(|url| url.to_string());
        assert_eq!(url, Ok("https://wd2.myworkday.com/ccx/x".to_owned()));
    }

    #[test]
    fn an_ats_is_replaced_in_stage_local_only() {
        let url = |stage, replacement| {
            Hosts::resolve(stage, ("bamboohr", &[BAMBOOHR]), ("acme", None), replacement)
                .and_then(|hosts| hosts.url("api", "/api/v1"))
                .map(|url| url.to_string())
        };
        assert_eq!(url(Stage::Prod, None), Ok("https://acme.bamboohr.com/api/v1".to_owned()));
        assert_eq!(
            url(Stage::Local, Some("http://127.0.0.1:9")),
            Ok("http://127.0.0.1:9/bamboohr/acme/api/v1".to_owned())
        );
        for stage in [Stage::Dev, Stage::Staging, Stage::Prod] {
            assert!(url(stage, Some("http://127.0.0.1:9")).is_err());
        }
    }
}
