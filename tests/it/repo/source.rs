//! The source files of the repository, as the rules read them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders that hold source code.
const ROOMS: [&str; 4] = ["shared", "functions", "xtask", "tests"];

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The files of a folder that end with an extension, without what is built or hidden.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The source files of the repository, as path from its root and text.
pub(crate) fn sources() -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for room in ROOMS {
        for extension in ["rs", "py"] {
            for path in files(&root().join(room), extension)? {
                let name = path.strip_prefix(root())?.display().to_string();
                found.push((name, fs::read_to_string(&path)?));
            }
        }
    }
    Ok(found)
}

/// The code of a Rust file: without comments, texts and the tests at its end.
pub(crate) fn code(text: &str) -> String {
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    without_texts(shipped)
}

/// A Rust file without its comments and without the content of its string literals.
pub(crate) fn without_texts(text: &str) -> String {
    let mut stripped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        match character {
            '/' if characters.peek() == Some(&'/') => {
                for skipped in characters.by_ref() {
                    if skipped == '\n' {
                        stripped.push('\n');
                        break;
                    }
                }
                previous = '\n';
                continue;
            }
            'r' if !is_word(previous) && matches!(characters.peek(), Some('"' | '#')) => {
                if !skip_raw(&mut characters) {
                    stripped.push(character);
                }
            }
            '"' => {
                skip_string(&mut characters);
                stripped.push_str("\"\"");
            }
            // A quote as a character literal opens no text.
            '\'' => {
                stripped.push(character);
                let mut following = characters.clone();
                let quoted_quote = following.next() == Some('"') && following.next() == Some('\'');
                if quoted_quote || characters.peek() == Some(&'\\') {
                    characters.next();
                    characters.next();
                }
            }
            _ => stripped.push(character),
        }
        previous = character;
    }
    stripped
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn skip_string(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' => return,
            _ => {}
        }
    }
}

/// Skips a raw string whose `r` was read; false when it was a raw identifier.
fn skip_raw(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let mut following = characters.clone();
    let mut hashes = 0;
    while following.peek() == Some(&'#') {
        following.next();
        hashes += 1;
    }
    if following.next() != Some('"') {
        return false;
    }
    *characters = following;
    let mut closing = None;
    for character in characters.by_ref() {
        closing = match (character, closing) {
            ('"', _) => Some(0),
            ('#', Some(seen)) => Some(seen + 1),
            _ => None,
        };
        if closing == Some(hashes) {
            return true;
        }
    }
    true
}

#[test]
fn comments_and_texts_are_no_code() {
    let text = "let a = \"b \\\" c\"; // d\nlet e = r#\"f \" g\"#; let h = '\"'; let i = r\"j\"; let r#type = '\\''; k";
    let expected = "let a = \"\"; \nlet e = ; let h = '; let i = ; let r#type = ''; k";
    assert_eq!(without_texts(text), expected);
}
