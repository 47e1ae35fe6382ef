//! `mail preview`: every mail as files that a browser shows, without a stack and without sending anything.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use domain::{language::Language, notification::NotificationKind};
use jiff::Timestamp;
use mail_templates::{Rendered, Templates};
use providers::mail::port::Mail;
use serde_json::Value;

use crate::site;

/// The folder of the mails' sample data.
const SAMPLES: &str = "shared/mail_templates/samples";
/// Replaces the id of a notification.
const NOTIFICATION: &str = "00000000-0000-7000-8000-000000000000";

#[derive(Subcommand)]
pub(crate) enum MailCommand {
    /// Render mails with sample data into files, and an index.html that shows all of them side by side.
    ///
    /// Needs no stack and sends nothing. Writes LANGUAGE/KIND.html, LANGUAGE/KIND.txt (subject and text) and LANGUAGE/KIND.eml (the
    /// whole message, with headers, as a mail program opens it) below the folder and prints their paths. The texts are in shared/mail_templates/templates, the sample data in shared/mail_templates/samples.
    Preview(PreviewArgs),
}

#[derive(Args)]
pub(crate) struct PreviewArgs {
    /// Only this kind of mail.
    #[arg(long, value_parser = PossibleValuesParser::new(NotificationKind::ALL.map(NotificationKind::as_str)))]
    kind: Option<String>,
    /// Only this language, for example de or de-AT; the nearest that there is, as for a real mail.
    #[arg(long)]
    language: Option<Language>,
    /// A JSON file with the data of the mail instead of the sample: the `data` of POST /api/notifications.
    #[arg(long, requires = "kind", value_name = "FILE")]
    data: Option<PathBuf>,
    /// Folder for the files, relative to the repository.
    #[arg(long, value_name = "DIR", default_value = ".local/mail")]
    out: PathBuf,
}

/// A mail and what it was made for.
struct Preview {
    kind: NotificationKind,
    mail: Rendered,
}

pub(crate) fn mail(command: &MailCommand) -> Result<()> {
    let MailCommand::Preview(args) = command;
    let root = site::repository()?;
    let previewed = render(&root, args)?;
    let folder = root.join(&args.out);
    for Preview { kind, mail } in &previewed {
        let Rendered { subject, text, html, language, version: _ } = mail;
        let message = message(*kind, mail)?;
        let file = |extension: &str| folder.join(language.as_str()).join(format!("{}.{extension}", kind.as_str()));
        write(&root, &file("html"), html)?;
        write(&root, &file("txt"), format!("Subject: {subject}\n\n{text}"))?;
        write(&root, &file("eml"), message)?;
    }
    write(&root, &folder.join("index.html"), &index(&previewed)?)
}

fn render(root: &Path, args: &PreviewArgs) -> Result<Vec<Preview>> {
    let templates = Templates::built_in().context("failed to load the built-in mail templates")?;
    let known = templates.languages();
    let languages = match &args.language {
        None => known.iter().map(|tag| tag.parse().map_err(anyhow::Error::new)).collect::<Result<Vec<Language>>>()?,
        Some(requested) if [requested.as_str(), requested.base()].iter().any(|tag| known.contains(tag)) => {
            vec![requested.clone()]
        }
        Some(requested) => {
            bail!("there are no mails in {requested}, only in {}", known.into_iter().collect::<Vec<_>>().join(", "))
        }
    };
    let wanted = |kind: &NotificationKind| args.kind.as_ref().is_none_or(|requested| requested == kind.as_str());
    let mut previewed = Vec::new();
    for kind in NotificationKind::ALL.into_iter().filter(wanted) {
        let sample = root.join(SAMPLES).join(format!("{}.json", kind.as_str()));
        let path = args.data.as_ref().unwrap_or(&sample);
        let json = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        let data: Value = serde_json::from_str(&json).with_context(|| format!("{} is not JSON", path.display()))?;
        ensure!(data.is_object(), "{} is not a JSON object", path.display());
        for language in &languages {
            let mail = templates.render(kind, Some(language), &data);
            let mail = mail.with_context(|| format!("failed to render a mail with the data of {}", path.display()))?;
            previewed.push(Preview { kind, mail });
        }
    }
    Ok(previewed)
}

/// The message as the product writes it, between addresses that do not exist.
fn message(kind: NotificationKind, mail: &Rendered) -> Result<Vec<u8>> {
    let Rendered { subject, text, html, .. } = mail.clone();
    let unsubscribe = kind.may_be_unsubscribed().then(|| "<mailto:no-reports@example.com>".to_owned());
    let mail = Mail {
        from: "hiring@example.com".to_owned(),
        to: "reader@example.com".to_owned(),
        subject,
        text,
        html,
        message_id: format!("<{NOTIFICATION}@example.com>"),
        reference: format!("preview_{NOTIFICATION}").parse()?,
        unsubscribe,
    };
    mail.message(Timestamp::now()).context("failed to write the mail as a message")
}

fn write(root: &Path, path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
    println!("{}", path.strip_prefix(root).unwrap_or(path).display());
    Ok(())
}

/// A page that shows every mail as a wide and a narrow screen do, and its text.
fn index(previewed: &[Preview]) -> Result<String> {
    let mut page = String::from(PAGE);
    for Preview { kind, mail } in previewed {
        let Rendered { subject, text, html: _, language, version } = mail;
        let (kind, subject, text) = (kind.as_str(), escaped(subject), escaped(text));
        write!(
            page,
            r#"<section lang="{language}">
<h2>{subject}</h2>
<p>{kind}, {language}, version {version}: <a href="{language}/{kind}.html">HTML</a>, <a href="{language}/{kind}.txt">text</a>, <a href="{language}/{kind}.eml">message</a></p>
<div>
<iframe sandbox title="{kind} in {language}, wide" src="{language}/{kind}.html" width="680" height="760"></iframe>
<iframe sandbox title="{kind} in {language}, narrow" src="{language}/{kind}.html" width="375" height="760"></iframe>
<pre>{text}</pre>
</div>
</section>
"#
        )?;
    }
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mails</title>
<style>
body { margin: 24px; font-family: system-ui, sans-serif; color: #1d2433; background: #ffffff }
section { margin: 0 0 40px; border-top: 1px solid #c4ccda }
div { display: flex; flex-wrap: wrap; gap: 16px }
iframe { border: 1px solid #c4ccda }
pre { flex: 1 1 375px; min-width: 0; max-width: 680px; margin: 0; padding: 16px; background: #f4f6fa; white-space: pre-wrap; overflow-wrap: anywhere }
</style>
</head>
<body>
<h1>Mails</h1>
"#;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> PreviewArgs {
        PreviewArgs { kind: None, language: None, data: None, out: PathBuf::new() }
    }

    fn outcome(args: &PreviewArgs) -> Result<Vec<Preview>> {
        render(&site::repository().expect("the repository"), args)
    }

    #[test]
    fn every_kind_is_previewed_in_every_language_by_default() {
        let all = outcome(&args()).expect("rendered");
        assert_eq!(all.len(), 2 * NotificationKind::ALL.len());
        let page = index(&all).expect("a page");
        for Preview { kind, mail } in &all {
            assert!(page.contains(&format!(r#"src="{}/{}.html""#, mail.language, kind.as_str())), "{kind:?}");
            assert!(page.contains(&escaped(&mail.subject)), "{kind:?}");
        }
        let one = PreviewArgs {
            kind: Some("flag-resolved".to_owned()),
            language: Some("de-AT".parse().expect("a language")),
            ..args()
        };
        let one = outcome(&one).expect("rendered");
        assert_eq!(one.iter().map(|previewed| previewed.mail.language.as_str()).collect::<Vec<_>>(), ["de"]);
    }

    #[test]
    fn errors_are_named() {
        let check = |args: PreviewArgs, words: &[&str]| {
            let error = outcome(&args).map(|_| ()).expect_err("refused");
            // As `main` prints it: with its causes.
            let error = format!("{error:#}");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        check(PreviewArgs { language: Some("fr".parse().expect("a language")), ..args() }, &["fr", "de, en"]);
        let kind = || Some("password-reset".to_owned());
        let file = |name: &str| site::repository().ok().map(|root| root.join(name));
        check(PreviewArgs { kind: kind(), data: file("no-such.json"), ..args() }, &["failed to read", "no-such.json"]);
        check(PreviewArgs { kind: kind(), data: file("Cargo.toml"), ..args() }, &["Cargo.toml is not JSON"]);
        let other = file("shared/mail_templates/samples/flag-resolved.json");
        check(PreviewArgs { kind: kind(), data: other, ..args() }, &["password-reset", "`reset_url` is missing"]);
    }
}
