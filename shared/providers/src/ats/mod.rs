//! Applicant tracking systems: what each must be able to do is in `port`.

pub mod bamboohr;
pub mod greenhouse;
pub mod lever;
pub mod port;
pub mod workday;

use self::port::AtsProvider;
use crate::info::ProviderInfo;
use crate::transport::webhook::WebhookVerifier;

macro_rules! registry {
    ($($provider:ident),+ $(,)?) => {
        pub static ALL: &[&AtsProvider] = &[$(&$provider::PROVIDER),+];
        /// The names of every ATS, without its code.
        pub(crate) static INFO: &[ProviderInfo] = &[$($provider::INFO),+];
        /// Verifies the webhooks of each ATS that sends any, without the code that calls it or parses what it sends.
        static VERIFIERS: &[(&str, Option<&dyn WebhookVerifier>)] = &[$(($provider::INFO.id, $provider::VERIFIER)),+];
    };
}

registry! { bamboohr, greenhouse, lever, workday }

/// The ATS of that id. None for a name that this version does not know.
#[must_use]
pub fn find(id: &str) -> Option<&'static AtsProvider> {
    ALL.iter().copied().find(|provider| provider.info.id == id)
}

/// The id of the ATS of that name and what verifies its webhooks. None where it sends none, or this version does not know it.
#[must_use]
pub fn webhook_verifier(id: &str) -> Option<(&'static str, &'static dyn WebhookVerifier)> {
    let (known, verifier) = VERIFIERS.iter().find(|(known, _)| *known == id)?;
    Some((*known, (*verifier)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ats::port::SyncMethod;

    #[test]
    fn an_ats_sends_webhooks_exactly_when_its_sync_method_says_so() {
        for AtsProvider { info, sync, webhooks, .. } in ALL {
            assert_eq!(webhooks.is_some(), matches!(sync, SyncMethod::Webhook { .. }), "{}", info.id);
            assert_eq!(webhooks.is_some(), webhook_verifier(info.id).is_some(), "{}", info.id);
        }
    }
}
