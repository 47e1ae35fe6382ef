//! The texts of mails: templates as data, in every language, for every kind of notification.
//!
//! `templates/manifest.json` lists the kinds, the version and the fields of each, and its languages; the texts lie in
//! `templates/<language>/<kind>/`. All of it is built in, and all of it is checked when it is read, so that a mail that cannot
//! be rendered stops a function at its start and not a person's notification at night. What must never be here: IO, a clock,
//! addresses and headers of a mail, and whether or how often it is sent.

mod built_in;
mod field;
mod manifest;

use std::collections::{BTreeMap, BTreeSet};

use domain::language::Language;
use domain::notification::NotificationKind;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde_json::Value;

use crate::field::{Field, fill, lines, one_line, quoted, tidy};
use crate::manifest::{Manifest, Template};

/// The field of every template besides those of its kind: the tag of the mail's language.
const LANG: &str = "lang";

/// Mail templates cannot be used, or not with this data. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The manifest is not what it should be.
    #[error("read the manifest of the mail templates")]
    Unreadable(#[from] serde_json::Error),
    /// The manifest has another format.
    #[error("read the manifest of the mail templates: its format version is {0}, not {format}", format = manifest::FORMAT)]
    Version(u8),
    /// The manifest names a kind, a field or a language twice.
    #[error("read the manifest of the mail templates: {kind} names {what} twice")]
    Twice {
        /// The kind of notification.
        kind: &'static str,
        /// The part that exists twice.
        what: String,
    },
    /// A kind is not in the manifest, or not in the default language.
    #[error("find the mail template of {kind} in the default language {language}")]
    NotInDefault {
        /// The kind of notification.
        kind: &'static str,
        /// The default language of the manifest.
        language: Language,
    },
    /// The manifest promises a text that is not there.
    #[error("find the mail template of {kind} in {language}: there is no {part}")]
    NoText {
        /// The kind of notification.
        kind: &'static str,
        /// The language of the template.
        language: Language,
        /// The part of the mail: subject, text or HTML.
        part: &'static str,
    },
    /// There is a text that the manifest does not know.
    #[error("find the mail template {0} in the manifest")]
    Unlisted(String),
    /// A text is not a template, or fails with its data.
    #[error("render the mail {kind} in {language}, {part}")]
    Broken {
        /// The kind of notification.
        kind: &'static str,
        /// The language of the template.
        language: Language,
        /// The part of the mail: subject, text or HTML.
        part: &'static str,
        /// The cause, as the template engine reports it.
        source: minijinja::Error,
    },
    /// The renderer refused its settings.
    #[error("set up the mail templates")]
    Syntax(#[source] minijinja::Error),
    /// A part that all mails share is not a template.
    #[error("read the shared mail template {0}")]
    BrokenFrame(String, #[source] minijinja::Error),
    /// A text uses a value that mails of its kind do not have.
    #[error("read the mail template of {kind} in {language}, {part}: it has no field `{field}`")]
    UnknownField {
        /// The kind of notification.
        kind: &'static str,
        /// The language of the template.
        language: Language,
        /// The part of the mail: subject, text or HTML.
        part: &'static str,
        /// The name that it uses.
        field: String,
    },
    /// The data lacks a field or has a wrong one.
    #[error("render the mail {kind} in {language}: `{field}` {rule}")]
    Data {
        /// The kind of notification.
        kind: &'static str,
        /// The language of the template.
        language: Language,
        /// The name of the field.
        field: String,
        /// The rule that is broken.
        rule: &'static str,
    },
    /// A mail would say nothing.
    #[error("render the mail {kind} in {language}: {part} is empty")]
    Empty {
        /// The kind of notification.
        kind: &'static str,
        /// The language of the template.
        language: Language,
        /// The part of the mail: subject, text or HTML.
        part: &'static str,
    },
}

/// A part of a mail; its file's name decides whether values are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    const fn file(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Text => "body.txt",
            Self::Html => "body.html",
        }
    }

    fn path(self, kind: NotificationKind, language: &Language) -> String {
        format!("{language}/{}/{}", kind.as_str(), self.file())
    }
}

/// The texts of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line without control characters.
    pub subject: String,
    /// For readers without HTML; never empty.
    pub text: String,
    /// The body as HTML.
    pub html: String,
    /// The language of the mail: the requested one, or the nearest that there is.
    pub language: Language,
    /// Of the templates of its kind.
    pub version: u32,
}

/// The templates of all kinds and languages.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    default_language: Language,
    kinds: BTreeMap<NotificationKind, Known>,
}

#[derive(Debug)]
struct Known {
    version: u32,
    languages: BTreeSet<String>,
    fields: Vec<Field>,
}

impl Templates {
    /// Reads and checks the templates that were built in.
    ///
    /// # Errors
    /// When one is not valid: then the function does not start.
    pub fn built_in() -> Result<Self, TemplateError> {
        Self::read(built_in::MANIFEST, built_in::FRAME.into_iter(), built_in::texts())
    }

    /// Reads and checks templates: the manifest, what all mails share, and the texts by their path.
    fn read(
        manifest: &str,
        frame: impl Iterator<Item = (&'static str, &'static str)>,
        texts: impl Iterator<Item = (&'static str, &'static str)>,
    ) -> Result<Self, TemplateError> {
        let Manifest { v: _, default_language, templates } = Manifest::read(manifest)?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // A line that only steers leaves no empty line behind.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(TemplateError::Syntax)?);
        environment.add_filter("lines", lines);
        environment.add_filter("quoted", quoted);
        for (path, text) in frame {
            environment.add_template(path, text).map_err(|error| TemplateError::BrokenFrame(path.to_owned(), error))?;
        }
        let mut texts: BTreeMap<&str, &'static str> = texts.collect();
        let mut kinds = BTreeMap::new();
        for template in templates {
            let Template { kind, version, languages, fields } = template;
            for language in &languages {
                for part in Part::ALL {
                    let path = part.path(kind, language);
                    let text = texts.remove(path.as_str()).ok_or_else(|| TemplateError::NoText {
                        kind: kind.as_str(),
                        language: language.clone(),
                        part: part.file(),
                    })?;
                    add(&mut environment, kind, language, part, text, &fields)?;
                }
            }
            let languages = languages.iter().map(Language::to_string).collect();
            kinds.insert(kind, Known { version, languages, fields });
        }
        if let Some(path) = texts.keys().next() {
            return Err(TemplateError::Unlisted((*path).to_owned()));
        }
        Ok(Self { environment, default_language, kinds })
    }

    /// The language of mails for which no other was requested.
    #[must_use]
    pub fn default_language(&self) -> &Language {
        &self.default_language
    }

    /// The tags of all languages that there is a mail in.
    #[must_use]
    pub fn languages(&self) -> BTreeSet<&str> {
        self.kinds.values().flat_map(|known| &known.languages).map(String::as_str).collect()
    }

    /// Renders the mail of a kind: in the requested language, else in that language without its region, else in the
    /// default language.
    ///
    /// # Errors
    /// When the data lacks a field that the kind needs, or has a wrong one.
    pub fn render(
        &self,
        kind: NotificationKind,
        language: Option<&Language>,
        data: &Value,
    ) -> Result<Rendered, TemplateError> {
        let in_default =
            || TemplateError::NotInDefault { kind: kind.as_str(), language: self.default_language.clone() };
        let Known { version, languages, fields } = self.kinds.get(&kind).ok_or_else(in_default)?;
        let language = self.nearest(languages, language);
        let data = fill(fields, data).map_err(|(field, rule)| TemplateError::Data {
            kind: kind.as_str(),
            language: language.clone(),
            field,
            rule,
        })?;
        let render = |part: Part| -> Result<String, TemplateError> {
            let rendered = self
                .environment
                .get_template(&part.path(kind, &language))
                .and_then(|template| template.render(context! { lang => language.as_str(), ..Serde(&data) }))
                .map_err(|error| broken(kind, &language, part, error))?;
            if rendered.trim().is_empty() {
                return Err(TemplateError::Empty {
                    kind: kind.as_str(),
                    language: language.clone(),
                    part: part.file(),
                });
            }
            Ok(rendered)
        };
        // A subject is one line, even if the template has several.
        let subject = one_line(&render(Part::Subject)?);
        let (text, html) = (tidy(&render(Part::Text)?), tidy(&render(Part::Html)?));
        Ok(Rendered { subject, text, html, version: *version, language })
    }

    fn nearest(&self, known: &BTreeSet<String>, requested: Option<&Language>) -> Language {
        let requested = requested.map(|language| [language.as_str(), language.base()]).unwrap_or_default();
        let found = requested.into_iter().find(|tag| known.contains(*tag));
        found.and_then(|tag| tag.parse().ok()).unwrap_or_else(|| self.default_language.clone())
    }
}

/// Adds a text, after it was found to be a template that uses nothing but the fields of its kind.
fn add(
    environment: &mut Environment<'static>,
    kind: NotificationKind,
    language: &Language,
    part: Part,
    text: &'static str,
    fields: &[Field],
) -> Result<(), TemplateError> {
    let path = part.path(kind, language);
    environment.add_template_owned(path.clone(), text).map_err(|error| broken(kind, language, part, error))?;
    let template = environment.get_template(&path).map_err(|error| broken(kind, language, part, error))?;
    let known = |name: &String| name == LANG || fields.iter().any(|field| field.name == *name);
    match template.undeclared_variables(false).into_iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(field) => Err(TemplateError::UnknownField {
            kind: kind.as_str(),
            language: language.clone(),
            part: part.file(),
            field,
        }),
    }
}

fn broken(kind: NotificationKind, language: &Language, part: Part, source: minijinja::Error) -> TemplateError {
    TemplateError::Broken { kind: kind.as_str(), language: language.clone(), part: part.file(), source }
}

#[cfg(test)]
mod tests;
