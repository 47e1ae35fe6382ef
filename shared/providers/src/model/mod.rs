//! AI models: what each must be able to do is in `port`.

pub mod client;
pub mod gemini;
pub mod mock;
pub mod port;

use self::port::ModelProvider;
use crate::info::ProviderInfo;

/// The name of the breaker of whichever model it is: a deployment has one at a time.
pub const BREAKER: &str = "model";

pub static ALL: &[&ModelProvider] = &[&gemini::PROVIDER];
/// The names of every model provider, without its code.
pub(crate) static INFO: &[ProviderInfo] = &[gemini::INFO];

/// The model provider of that id. None for a name that this version does not know.
#[must_use]
pub fn find(id: &str) -> Option<&'static ModelProvider> {
    ALL.iter().copied().find(|provider| provider.info.id == id)
}
