//! Rules about the structure of the code: no circle of files, no crowded folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, ensure};

use super::source::{code, sources};

/// The most source files that one folder may hold.
const MAX_FILES: usize = 20;

/// The modules of one crate: their paths (`["ats", "port"]`; empty for the root), each with its file.
type Modules = BTreeMap<Vec<String>, String>;

/// The folder of a crate's sources and the path of a file's module below it. None for a file that is no module of a crate.
fn module_of(file: &str) -> Option<(String, Vec<String>)> {
    let (crate_folder, inside) = match file.split_once("/src/") {
        Some((folder, inside)) => (format!("{folder}/src"), inside),
        None => ("tests/it".to_owned(), file.strip_prefix("tests/it/")?),
    };
    let path = inside.strip_suffix(".rs")?;
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    Some((crate_folder, parts))
}

/// The paths of a module's code that begin so: `use` trees expanded, and paths inside expressions.
fn named_paths(text: &str, starts: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = starts.iter().filter_map(|start| rest.find(start.as_str())).min() {
        let begins_a_path = !rest.get(..at).is_some_and(|before| {
            before.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == ':' || last == '$')
        });
        rest = rest.get(at..).unwrap_or_default();
        let end = tree_end(rest);
        let tree = rest.get(..end).unwrap_or_default();
        if begins_a_path {
            expand(&mut Vec::new(), tree, &mut found);
        }
        rest = rest.get(end.max(1)..).unwrap_or_default();
    }
    found
}

/// Where a path or a use tree ends.
fn tree_end(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut after_colons = false;
    for (at, character) in text.char_indices() {
        match character {
            // A brace that does not follow `::` opens a block or a literal.
            '{' if depth > 0 || after_colons => depth += 1,
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ if depth > 0 => {}
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | ':' => {}
            _ => return at,
        }
        after_colons = character == ':';
    }
    text.len()
}

/// Expands `a::{b, c::d}` into its paths.
fn expand(before: &mut Vec<String>, tree: &str, found: &mut Vec<Vec<String>>) {
    let length = before.len();
    match tree.split_once('{') {
        None => {
            let tree = tree.split(" as ").next().unwrap_or_default();
            before.extend(tree.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
            found.push(before.clone());
        }
        Some((prefix, inside)) => {
            before.extend(prefix.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
            let inside = inside.rsplit_once('}').map_or(inside, |(inside, _)| inside);
            let mut depth = 0_usize;
            let separates = |character: char| {
                match character {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                character == ',' && depth == 0
            };
            for branch in inside.split(separates).filter(|branch| !branch.trim().is_empty()) {
                expand(before, branch.trim(), found);
            }
        }
    }
    before.truncate(length);
}

/// A path as the crate's root sees it, from where a module names it.
fn absolute(from: &[String], path: &[String]) -> Vec<String> {
    let mut absolute = if path.first().is_some_and(|first| first == "crate") { Vec::new() } else { from.to_vec() };
    for part in path {
        match part.as_str() {
            "crate" | "self" => {}
            "super" => drop(absolute.pop()),
            name => absolute.push(name.to_owned()),
        }
    }
    absolute
}

/// The module that an absolute path names: the longest part of it that is one.
fn module_in(modules: &Modules, mut path: Vec<String>) -> Option<Vec<String>> {
    while !modules.contains_key(&path) {
        path.pop()?;
    }
    Some(path)
}

/// The modules that a module's code names. A module that it imports as a whole may begin further paths.
fn used_modules(modules: &Modules, from: &[String], text: &str) -> BTreeSet<Vec<String>> {
    let paths = named_paths(text, &["crate::", "super::", "self::"].map(str::to_owned));
    let named: Vec<Vec<String>> = paths.iter().map(|path| absolute(from, path)).collect();
    let imported: BTreeMap<&str, &Vec<String>> = named
        .iter()
        .filter(|path| modules.contains_key(*path))
        .filter_map(|path| Some((path.last()?.as_str(), path)))
        .collect();
    let starts: Vec<String> = imported.keys().map(|name| format!("{name}::")).collect();
    let through = named_paths(text, &starts).into_iter().filter_map(|path| {
        let (first, rest) = path.split_first()?;
        Some(imported.get(first.as_str())?.iter().chain(rest).cloned().collect())
    });
    named.iter().cloned().chain(through).filter_map(|path| module_in(modules, path)).collect()
}

/// Who names whom among the files of a crate. A module and its parents are one thing: an edge between them is none.
fn edges(modules: &Modules, texts: &BTreeMap<&str, &str>) -> BTreeMap<String, BTreeSet<String>> {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, file) in modules {
        let text = code(texts.get(file.as_str()).copied().unwrap_or_default());
        for target in used_modules(modules, module, &text) {
            if target.starts_with(module) || module.starts_with(&target) {
                continue;
            }
            if let Some(other) = modules.get(&target) {
                edges.entry(file.clone()).or_default().insert(other.clone());
            }
        }
    }
    edges
}

/// The files that a file reaches along the edges, itself included when it is in a circle.
fn reached(edges: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(file) = open.pop() {
        for next in edges.get(&file).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

fn circles(sources: &[(String, String)]) -> Vec<String> {
    let texts: BTreeMap<&str, &str> = sources.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let mut crates: BTreeMap<String, Modules> = BTreeMap::new();
    for (file, _) in sources.iter().filter(|(name, _)| name.ends_with(".rs")) {
        if let Some((folder, module)) = module_of(file) {
            crates.entry(folder).or_default().insert(module, file.clone());
        }
    }
    let mut found = BTreeSet::new();
    for modules in crates.values() {
        let edges = edges(modules, &texts);
        let reach: BTreeMap<&String, BTreeSet<String>> =
            edges.keys().map(|file| (file, reached(&edges, file))).collect();
        for (file, reached) in &reach {
            let back = |other: &&String| reach.get(*other).is_some_and(|others| others.contains(*file));
            let circle: Vec<&str> = reached.iter().filter(back).map(String::as_str).collect();
            if !circle.is_empty() {
                found.insert(circle.join(" <-> "));
            }
        }
    }
    found.into_iter().collect()
}

#[test]
fn no_files_use_each_other_in_a_circle() -> Result<()> {
    let found = circles(&sources()?);
    ensure!(found.is_empty(), "circles of files:\n  {}", found.join("\n  "));
    let source = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let broken = [
        source("shared/a/src/lib.rs", "mod b;\nmod c;\nmod d;\nuse b::B;"),
        source("shared/a/src/b.rs", "use crate::{\n    c::{C, inner::D as E},\n};"),
        source("shared/a/src/c.rs", "fn f() { super::d::g() }"),
        source("shared/a/src/d.rs", "use super::b;\nfn g() -> b::B {}\n"),
    ];
    let circle = "shared/a/src/b.rs <-> shared/a/src/c.rs <-> shared/a/src/d.rs";
    ensure!(circles(&broken) == [circle], "a circle goes unnoticed: {:?}", circles(&broken));
    let sound = [
        source("shared/a/src/lib.rs", "mod b;\nmod c;\nuse b::B;\npub struct A;"),
        source("shared/a/src/b.rs", "use crate::A;\nuse crate::c::C;\n// crate::d\n"),
        source("shared/a/src/c.rs", "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n"),
    ];
    ensure!(circles(&sound).is_empty(), "what is no circle is taken for one: {:?}", circles(&sound));
    Ok(())
}

fn crowded(files: &[String]) -> Vec<String> {
    let mut folders: BTreeMap<&Path, usize> = BTreeMap::new();
    for folder in files.iter().filter_map(|file| Path::new(file).parent()) {
        *folders.entry(folder).or_default() += 1;
    }
    let many = folders.into_iter().filter(|(_, count)| *count > MAX_FILES);
    many.map(|(folder, count)| format!("{} holds {count} files", folder.display())).collect()
}

#[test]
fn no_folder_is_crowded() -> Result<()> {
    let files: Vec<String> = sources()?.into_iter().map(|(name, _)| name).collect();
    let violations = crowded(&files);
    ensure!(violations.is_empty(), "more than {MAX_FILES} files: {}", violations.join("; "));
    let many: Vec<String> = (0..=MAX_FILES).map(|number| format!("shared/a/src/{number}.rs")).collect();
    ensure!(!crowded(&many).is_empty(), "a crowded folder goes unnoticed");
    Ok(())
}
