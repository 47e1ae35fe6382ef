//! The static facts of a provider, of any category.

/// A provider's names. Secret paths, breakers, metric dimensions, screens and documentation follow from it.
#[derive(Debug, Clone, Copy)]
pub struct ProviderInfo {
    /// Stable name, also the name of its file and of its simulator.
    pub id: &'static str,
    pub name: &'static str,
    pub reference: &'static str,
    /// Names of its secrets: of a connection for an ATS, of the deployment for the others.
    pub secrets: &'static [&'static str],
}
