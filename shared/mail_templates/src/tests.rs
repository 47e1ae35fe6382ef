use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::field::Sort;

/// Set to anything, it makes the test of the snapshots write them anew instead of comparing.
const RENEW: &str = "RENEW_SNAPSHOTS";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn sample(kind: NotificationKind) -> Value {
    let path = folder("samples").join(format!("{}.json", kind.as_str()));
    let json = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&json).expect("JSON")
}

fn language(tag: &str) -> Language {
    tag.parse().expect("a language")
}

/// Every kind in every language.
fn mails(templates: &Templates) -> Vec<(NotificationKind, Language)> {
    let languages: Vec<Language> = templates.languages().into_iter().map(language).collect();
    let of = |kind: NotificationKind| languages.iter().map(move |language| (kind, language.clone()));
    NotificationKind::ALL.into_iter().flat_map(of).collect()
}

#[test]
fn every_sample_renders_as_it_did() {
    let templates = Templates::built_in().expect("valid");
    let mut differences = Vec::new();
    for (kind, language) in mails(&templates) {
        let data = sample(kind);
        let mail = templates.render(kind, Some(&language), &data).expect("rendered");
        assert_eq!((&mail.language, mail.version), (&language, 1), "{kind:?}");
        // The recipient sees no traces of the templates, and a button always has its address in words beside it.
        for text in [&mail.subject, &mail.text, &mail.html] {
            assert!(!text.contains("{{") && !text.contains("{%"), "{kind:?}: {text}");
        }
        assert!(!mail.text.split_whitespace().any(|word| word == "none"), "{kind:?}: {}", mail.text);
        assert!(mail.html.starts_with("<!doctype html>") && mail.html.ends_with("</html>\n"), "{kind:?}");
        assert!(mail.html.contains(&format!("<html lang=\"{language}\"")), "{kind:?} says its language");
        assert!(!mail.text.contains("\n\n\n") && !mail.text.contains(" \n"), "{kind:?}: {}", mail.text);
        for link in ["verification_url", "reset_url", "meeting_url"].into_iter().filter_map(|name| data[name].as_str())
        {
            let escaped = minijinja::HtmlEscape(link).to_string();
            assert_eq!(mail.html.matches(&format!("href=\"{escaped}\"")).count(), 2, "{kind:?}: button and words");
            assert!(mail.html.contains(&format!(">{escaped}</a>")), "{kind:?}");
            assert!(mail.text.lines().any(|line| line == link), "{kind:?}: {}", mail.text);
        }
        let parts = [("txt", format!("Subject: {}\n\n{}", mail.subject, mail.text)), ("html", mail.html)];
        for (extension, now) in parts {
            let path = folder("tests/snapshots").join(format!("{language}/{}.{extension}", kind.as_str()));
            if std::env::var_os(RENEW).is_some() {
                fs::create_dir_all(path.parent().expect("a folder")).expect("created");
                fs::write(&path, &now).expect("written");
            } else if fs::read_to_string(&path).ok() != Some(now) {
                differences.push(path.display().to_string());
            }
        }
    }
    let renew = format!("{RENEW}=1 cargo test -p mail_templates --lib");
    assert!(differences.is_empty(), "mails changed; look at them after `{renew}` and `git diff`: {differences:#?}");
}

#[test]
fn every_file_of_the_templates_is_built_in() {
    fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() { walk(&entry.path(), found) } else { _ = found.insert(entry.path()) }
        }
    }
    let (root, mut found) = (folder("templates"), BTreeSet::new());
    walk(&root, &mut found);
    let names = built_in::texts().chain(built_in::FRAME).map(|(path, _)| path).chain(["manifest.json"]);
    assert_eq!(found, names.map(|name| root.join(name)).collect());
}

#[test]
fn fields_are_those_of_the_domain() {
    use domain::notification as domain;
    fn check<T: serde::Serialize + serde::de::DeserializeOwned>(kind: NotificationKind, fields: &[Field]) {
        let full = sample(kind);
        let read: T = serde_json::from_value(full.clone()).expect("the sample is what the domain expects");
        let written = serde_json::to_value(read).expect("JSON");
        let names: BTreeSet<&str> = written.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names, fields.iter().map(|field| field.name.as_str()).collect(), "{kind:?}");
        assert_eq!(written, full, "{kind:?}: the sample has everything");
        for Field { name, optional, .. } in fields {
            let mut poor = full.clone();
            poor.as_object_mut().expect("an object").remove(name);
            assert_eq!(serde_json::from_value::<T>(poor).is_ok(), *optional, "{kind:?}: {name}");
        }
    }
    let templates = Templates::built_in().expect("valid");
    for (kind, Known { fields, .. }) in &templates.kinds {
        let check = match kind {
            NotificationKind::UniversityVerification => check::<domain::UniversityVerification>,
            NotificationKind::ImportCompleted => check::<domain::ImportCompleted>,
            NotificationKind::FlagResolved => check::<domain::FlagResolved>,
            NotificationKind::PasswordReset => check::<domain::PasswordReset>,
            NotificationKind::ApplicationReceived => check::<domain::ApplicationReceived>,
            NotificationKind::InterviewScheduled => check::<domain::InterviewScheduled>,
            NotificationKind::ApplicationStatusChanged => check::<domain::ApplicationStatusChanged>,
        };
        check(*kind, fields);
    }
}

#[test]
fn a_missing_or_wrong_field_is_named_and_optional_ones_are_not() {
    let templates = Templates::built_in().expect("valid");
    for (kind, language) in mails(&templates) {
        let known = templates.kinds.get(&kind).expect("known");
        for Field { name, is, optional } in &known.fields {
            let render = |value: Option<Value>| {
                let mut data = sample(kind);
                let map = data.as_object_mut().expect("an object");
                _ = match value {
                    Some(value) => map.insert(name.clone(), value),
                    None => map.remove(name),
                };
                templates.render(kind, Some(&language), &data)
            };
            let named = |outcome: Result<Rendered, TemplateError>| match outcome {
                Err(TemplateError::Data { field, .. }) => field == *name,
                _ => false,
            };
            if *optional {
                let without = render(None).expect("rendered");
                assert_eq!(render(Some(Value::Null)).expect("rendered"), without, "{kind:?}: {name}");
                assert!(without.html.len() < render(Some(sample(kind)[name].clone())).expect("rendered").html.len());
            } else {
                assert!(named(render(None)), "{kind:?} without {name}");
                assert!(named(render(Some(Value::Null))), "{kind:?} without {name}");
            }
            assert!(named(render(Some(json!(["x"])))), "{kind:?} with a list as {name}");
            if *is == Sort::Link {
                assert!(named(render(Some(json!("javascript:alert(1)")))), "{kind:?} with a script as {name}");
            }
        }
        let error = templates.render(kind, Some(&language), &json!({})).expect_err("refused").to_string();
        assert!(error.contains(kind.as_str()) && error.contains(language.as_str()), "{error}");
    }
}

/// Inputs that could break out of the place where a template puts them.
const NASTY: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='x",
    "{{ lang }}{% include 'layout.html' %}",
    "x\r\nBcc: eve@example.com\r\n\r\nPay here: https://eve.example",
    "x\n\n--\nYour account is closed.\u{2028}Pay here.\u{85}Now.\u{b}At once.",
    "a\u{0}\u{7}\u{1b}[2J\u{202e}gnp.exe\u{2066}",
    "</h1></td></table></body>&lt;b&gt;",
];

#[test]
fn nothing_that_people_wrote_gets_out_of_its_place() {
    let templates = Templates::built_in().expect("valid");
    for (kind, language) in mails(&templates) {
        for Field { name, is, .. } in &templates.kinds.get(&kind).expect("known").fields {
            for nasty in NASTY.into_iter().filter(|_| matches!(is, Sort::Line | Sort::Passage)) {
                let with = |value: &str| {
                    let mut data = sample(kind);
                    data[name] = json!(value);
                    templates.render(kind, Some(&language), &data).expect("rendered")
                };
                let (mail, plain) = (with(nasty), with("word"));
                let about = format!("{kind:?} in {language} with {nasty:?} as {name}");
                // The tags of the page are those that it has with a harmless word; line breaks of a passage are its own.
                let tags = |html: &str| html.replace("<br>", "").matches(['<', '>', '"', '\'']).count();
                assert_eq!(tags(&mail.html), tags(&plain.html), "{about}: {}", mail.html);
                assert!(!mail.html.contains("<script") && !mail.html.contains("<img"), "{about}");
                for piece in lines(nasty).iter().filter(|piece| !piece.is_empty()) {
                    let escaped = minijinja::HtmlEscape(piece).to_string();
                    let rendered = mail.html.contains(&escaped) || *is == Sort::Line;
                    assert!(rendered, "{about}: {escaped} is not in {}", mail.html);
                }
                if *is == Sort::Line {
                    let escaped = minijinja::HtmlEscape(&one_line(nasty)).to_string();
                    assert!(mail.html.contains(&escaped), "{about}: {escaped} is not in {}", mail.html);
                }
                for text in [&mail.subject, &mail.text, &mail.html] {
                    let odd =
                        |c: char| c != '\n' && c.is_control() || matches!(c, '\u{202e}' | '\u{2066}' | '\u{2028}');
                    assert!(!text.contains(odd), "{about}: {text:?}");
                }
                assert!(!mail.subject.contains('\n'), "{about}: {}", mail.subject);
                // The lines of the text are those of the harmless mail, except for the lines that are marked as quoted.
                let ours = |text: &str| text.lines().filter(|line| !line.starts_with('>')).count();
                assert_eq!(ours(&mail.text), ours(&plain.text), "{about}: {}", mail.text);
                let marked = |text: &str| text.lines().filter(|line| line.starts_with('>')).count();
                let more = if *is == Sort::Passage { lines(nasty).len() - 1 } else { 0 };
                assert_eq!(marked(&mail.text), marked(&plain.text) + more, "{about}: {}", mail.text);
            }
        }
    }
}

#[test]
fn the_nearest_language_is_used() {
    let templates = Templates::built_in().expect("valid");
    let kind = NotificationKind::PasswordReset;
    let written_in = |tag: Option<&str>| {
        let requested = tag.map(language);
        templates.render(kind, requested.as_ref(), &sample(kind)).expect("rendered").language.to_string()
    };
    for (requested, expected) in [
        (None, "en"),
        (Some("en"), "en"),
        (Some("de"), "de"),
        (Some("de-AT"), "de"),
        (Some("en-GB"), "en"),
        (Some("fr"), "en"),
    ] {
        assert_eq!(written_in(requested), expected, "{requested:?}");
    }
    assert_eq!(templates.default_language().as_str(), "en");
}

#[test]
fn numbers_agree_with_their_words() {
    let templates = Templates::built_in().expect("valid");
    let kind = NotificationKind::PasswordReset;
    for (tag, minutes, expected) in
        [("en", 1, "one minute."), ("en", 2, "2 minutes."), ("de", 1, "eine Minute."), ("de", 30, "30 Minuten.")]
    {
        let mut data = sample(kind);
        data["expires_in_minutes"] = json!(minutes);
        let mail = templates.render(kind, Some(&language(tag)), &data).expect("rendered");
        assert!(mail.text.contains(expected) && mail.html.contains(expected), "{}", mail.text);
    }
}

/// The error, with its causes, of templates whose manifest or texts are changed.
fn wrong(
    manifest: impl Fn(String) -> String,
    text: impl Fn(&'static str, &'static str) -> Option<&'static str>,
    more: &[(&'static str, &'static str)],
) -> String {
    let manifest = manifest(built_in::MANIFEST.to_owned());
    let texts = built_in::texts().filter_map(|(path, now)| Some((path, text(path, now)?))).chain(more.iter().copied());
    let read = Templates::read(&manifest, built_in::FRAME.into_iter(), texts);
    let error = read.map(|_| ()).expect_err("refused");
    let error: &dyn std::error::Error = &error;
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn what_is_wrong_with_the_templates_is_named() {
    let same = |manifest: String| manifest;
    let all = |_: &str, text: &'static str| Some(text);
    let one = |text: Option<&'static str>| {
        move |path: &str, now: &'static str| if path == "de/flag-resolved/body.html" { text } else { Some(now) }
    };
    let about = |error: String, words: &[&str]| {
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    let place = ["flag-resolved", "de", "body.html"];
    about(wrong(same, one(None), &[]), &place);
    about(wrong(same, one(Some("{% if %}")), &[]), &place);
    about(wrong(same, one(Some("{{ falg }}")), &[]), &[place.as_slice(), &["falg"]].concat());
    about(wrong(same, one(Some("{% if falg %}{% endif %}")), &[]), &[place.as_slice(), &["falg"]].concat());
    about(wrong(same, all, &[("fr/flag-resolved/body.html", "x")]), &["fr/flag-resolved/body.html", "manifest"]);
    about(wrong(|m| m.replace("\"v\": 1", "\"v\": 2"), all, &[]), &["format version is 2"]);
    about(
        wrong(|m| m.replacen("[\"en\", \"de\"]", "[\"de\"]", 1), all, &[]),
        &["university-verification", "default language en"],
    );
    about(
        wrong(|m| m.replacen("[\"en\", \"de\"]", "[\"en\", \"fr\"]", 1), all, &[]),
        &["university-verification", "fr", "subject.txt"],
    );
    about(
        wrong(|m| m.replacen("[\"en\", \"de\"]", "[\"en\", \"en\"]", 1), all, &[]),
        &["university-verification", "twice"],
    );
    about(wrong(|m| m.replacen("\"id\"", "\"name\"", 1), all, &[]), &["manifest", "name"]);
    about(wrong(|m| m.replacen("flag-resolved", "password-reset", 1), all, &[]), &["password-reset", "twice"]);
}
