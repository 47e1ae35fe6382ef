//! Rules about words: identifiers use the field's terms (docs/glossary.md), and a doc comment is a sentence or is left out.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::source::{sources, without_texts};

/// Words that were a private language once, in any form that an identifier takes. Each has a term that a stranger knows.
const BANNED: [&str; 25] = [
    "tell", "tells", "told", "telling", "stand", "stands", "standing", "doubt", "doubts", "hurry", "halt", "kept",
    "shown", "ahead", "bury", "buried", "because", "why", "nobody", "somebody", "whoever", "ask", "asks", "asked",
    "asking",
];

/// Runs of words that read well alone and mean nothing together.
const BANNED_RUNS: [[&str; 2]; 10] = [
    ["give", "back"],
    ["given", "back"],
    ["put", "back"],
    ["send", "back"],
    ["go", "on"],
    ["goes", "on"],
    ["going", "on"],
    ["let", "go"],
    ["look", "again"],
    ["what", "became"],
];

/// The longest name of a test, in characters.
const LONGEST_TEST_NAME: usize = 60;

/// The words of an identifier, in lower case: `OrderIds` and `order_ids` are `order` and `ids`.
fn words(identifier: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut previous = '_';
    for character in identifier.chars() {
        let begins = character.is_uppercase() && !previous.is_uppercase() || previous == '_';
        if character != '_' {
            match words.last_mut().filter(|_| !begins) {
                Some(word) => word.extend(character.to_lowercase()),
                None => words.push(character.to_lowercase().collect()),
            }
        }
        previous = character;
    }
    words
}

/// The identifiers of a file that hold a banned word.
fn banned(text: &str) -> BTreeSet<String> {
    let text = without_texts(text);
    let identifiers = text.split(|character: char| !(character.is_alphanumeric() || character == '_'));
    let bad = |identifier: &&str| {
        let words = words(identifier);
        let single = words.iter().any(|word| BANNED.contains(&word.as_str()));
        let run = words.windows(2).any(|pair| BANNED_RUNS.iter().any(|run| run.iter().eq(pair)));
        single || run
    };
    identifiers.filter(bad).map(str::to_owned).collect()
}

#[test]
fn identifiers_use_the_words_of_the_field() -> Result<()> {
    let mut violations = Vec::new();
    for (name, text) in sources()?.iter().filter(|(name, _)| name.ends_with(".rs")) {
        let found = banned(text);
        if !found.is_empty() {
            violations.push(format!("{name}: {}", found.into_iter().collect::<Vec<_>>().join(", ")));
        }
    }
    ensure!(violations.is_empty(), "banned words in {} files:\n  {}", violations.len(), violations.join("\n  "));
    let text =
        "fn give_back(toldAt: Told, holder: &str) { let x = \"told\"; } // told\nstruct GoesOn; let standard = stale;";
    let expected: BTreeSet<String> = ["give_back", "toldAt", "Told", "GoesOn"].map(str::to_owned).into();
    ensure!(banned(text) == expected, "banned words go unnoticed: {:?}", banned(text));
    Ok(())
}

/// The names of a file's tests: of each function that has the attribute of a test.
fn test_names(text: &str) -> Vec<String> {
    let text = without_texts(text);
    let mut names = Vec::new();
    for item in ["#[test]", "#[tokio::test"].iter().flat_map(|attribute| text.split(attribute).skip(1)) {
        let name = item.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
        names.extend(name.map(str::to_owned));
    }
    names
}

#[test]
fn test_names_have_at_most_60_characters() -> Result<()> {
    let mut violations = Vec::new();
    for (file, text) in sources()?.iter().filter(|(name, _)| name.ends_with(".rs")) {
        let long = |name: &String| name.chars().count() > LONGEST_TEST_NAME;
        violations.extend(test_names(text).into_iter().filter(long).map(|name| format!("{file}: {name}")));
    }
    ensure!(violations.is_empty(), "{} long names of tests:\n  {}", violations.len(), violations.join("\n  "));
    let text = "#[test]\nfn a() {}\nfn b() {}\n#[tokio::test(start_paused = true)]\nasync fn c() { let s = \"#[test] fn d()\"; }";
    ensure!(test_names(text) == ["a", "c"], "a test goes unnoticed: {:?}", test_names(text));
    Ok(())
}

/// The doc comments of three words or fewer, with their lines. One that shows code is no sentence and need not be one.
fn short_docs(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut block: Vec<&str> = Vec::new();
    for (number, line) in text.lines().chain([""]).enumerate() {
        match line.trim_start().strip_prefix("///") {
            Some(doc) => block.push(doc.trim()),
            None => {
                let doc = block.join(" ");
                if !block.is_empty() && doc.split_whitespace().count() <= 3 && !doc.contains('`') {
                    found.push((number + 1 - block.len(), doc));
                }
                block.clear();
            }
        }
    }
    found
}

#[test]
fn doc_comments_say_more_than_the_name() -> Result<()> {
    let mut violations = Vec::new();
    for (name, text) in sources()?.iter().filter(|(name, _)| name.ends_with(".rs")) {
        violations.extend(short_docs(text).into_iter().map(|(line, doc)| format!("{name}:{line}: {doc}")));
    }
    ensure!(violations.is_empty(), "{} short doc comments:\n  {}", violations.len(), violations.join("\n  "));
    let text = "/// How long.\nfn a() {}\n/// The lease's end, in milliseconds.\nfn b() {}\n/// `GET /api`\nfn c() {}";
    ensure!(
        short_docs(text) == [(1, "How long.".to_owned())],
        "a short comment goes unnoticed: {:?}",
        short_docs(text)
    );
    Ok(())
}
