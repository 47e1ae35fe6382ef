//! The manifest: which kinds there are, in which version and languages, and what their data holds.

use std::collections::BTreeSet;

use domain::language::Language;
use domain::notification::NotificationKind;
use serde::Deserialize;

use crate::TemplateError;
use crate::field::Field;

/// The format of the manifest that this code reads.
pub(crate) const FORMAT: u8 = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The version of the manifest's format.
    pub(crate) v: u8,
    /// Every kind is there in this language.
    pub(crate) default_language: Language,
    pub(crate) templates: Vec<Template>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    #[serde(rename = "id")]
    pub(crate) kind: NotificationKind,
    /// Goes up with every change that a reader would notice.
    pub(crate) version: u32,
    pub(crate) languages: Vec<Language>,
    pub(crate) fields: Vec<Field>,
}

impl Manifest {
    /// Reads and checks a manifest.
    pub(crate) fn read(json: &str) -> Result<Self, TemplateError> {
        let manifest: Self = serde_json::from_str(json)?;
        if manifest.v != FORMAT {
            return Err(TemplateError::Version(manifest.v));
        }
        let mut kinds = BTreeSet::new();
        for Template { kind, version: _, languages, fields } in &manifest.templates {
            let twice = |what: String| TemplateError::Twice { kind: kind.as_str(), what };
            if !kinds.insert(*kind) {
                return Err(twice("itself".to_owned()));
            }
            if let Some(language) = repeated(languages.iter().map(Language::as_str)) {
                return Err(twice(format!("the language {language}")));
            }
            if let Some(field) = repeated(fields.iter().map(|field| field.name.as_str())) {
                return Err(twice(format!("the field {field}")));
            }
        }
        for kind in NotificationKind::ALL {
            let template = manifest.templates.iter().find(|template| template.kind == kind);
            if !template.is_some_and(|template| template.languages.contains(&manifest.default_language)) {
                return Err(TemplateError::NotInDefault { kind: kind.as_str(), language: manifest.default_language });
            }
        }
        Ok(manifest)
    }
}

fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}
