//! Mail providers: what each must be able to do is in `port`.

mod address;
pub mod brevo;
pub mod client;
pub mod events;
pub mod gmail;
pub mod log;
pub mod mailgun;
mod mime;
pub mod port;
pub mod sendgrid;
pub mod ses;
pub mod smtp;

use self::events::MailEventSource;
use self::port::MailProvider;
use crate::info::ProviderInfo;

macro_rules! registry {
    ($($provider:ident),+ $(,)?) => {
        pub static ALL: &[&MailProvider] = &[$(&$provider::PROVIDER),+];
        /// The names of every mail provider, without its code.
        pub(crate) static INFO: &[ProviderInfo] = &[$($provider::INFO),+];
        /// The events of each mail provider that sends any, without the code that sends mail.
        static EVENTS: &[(&str, Option<&dyn MailEventSource>)] = &[$(($provider::INFO.id, $provider::EVENTS)),+];
    };
}

registry! { brevo, gmail, log, mailgun, sendgrid, ses, smtp }

/// The mail provider of that id. None for a name that this version does not know.
#[must_use]
pub fn find(id: &str) -> Option<&'static MailProvider> {
    ALL.iter().copied().find(|provider| provider.info.id == id)
}

/// The id of the mail provider of that name and its events. None where it sends none, or this version does not know it.
#[must_use]
pub fn event_source(id: &str) -> Option<(&'static str, &'static dyn MailEventSource)> {
    let (known, source) = EVENTS.iter().find(|(known, _)| *known == id)?;
    Some((*known, (*source)?))
}

/// The name of a mail provider's breaker. None for a name that this version does not know.
#[must_use]
pub fn breaker(id: &str) -> Option<String> {
    INFO.iter().find(|info| info.id == id).map(port::breaker)
}
