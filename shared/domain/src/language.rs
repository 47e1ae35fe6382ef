//! The language of a mail, as a tag.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The language of a mail: a BCP 47 tag of a language and maybe a region, such as `en` or `de-AT`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language(String);

/// The text is not the tag of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a language such as en or de-AT is expected")]
pub struct NotALanguage;

impl Language {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language without its region.
    #[must_use]
    pub fn base(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl FromStr for Language {
    type Err = NotALanguage;
    fn from_str(text: &str) -> Result<Self, NotALanguage> {
        let (base, region) = text.split_once('-').map_or((text, None), |(base, region)| (base, Some(region)));
        let base = (2..=3).contains(&base.len()) && base.bytes().all(|b| b.is_ascii_lowercase());
        let region = region.is_none_or(|region| region.len() == 2 && region.bytes().all(|b| b.is_ascii_uppercase()));
        if base && region { Ok(Self(text.to_owned())) } else { Err(NotALanguage) }
    }
}

impl TryFrom<String> for Language {
    type Error = NotALanguage;
    fn try_from(text: String) -> Result<Self, NotALanguage> {
        text.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag() {
        for good in ["en", "de-AT", "gsw"] {
            assert!(good.parse::<Language>().is_ok(), "{good}");
        }
        for bad in ["", "e", "EN", "en-", "en-gb", "en_GB", "../en", "english"] {
            assert!(bad.parse::<Language>().is_err(), "{bad}");
        }
    }
}
