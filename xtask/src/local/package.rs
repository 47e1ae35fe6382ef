//! Packs each function's binary into a zip for AWS Lambda, if it changed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_yaml_ng::Value;

use crate::{local::intrinsics, processes, python, site::Site};

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) zip: PathBuf,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// Packs `name -> binary`; an unchanged binary keeps its zip.
pub(crate) async fn pack(site: &Site, binaries: &BTreeMap<String, PathBuf>) -> Result<BTreeMap<String, Package>> {
    let mut command = python::script(site, "package.py")?;
    command.arg(site.state.join("zips"));
    for (name, binary) in binaries {
        command.arg(format!("{name}={}", binary.display()));
    }
    let answer = processes::capture("packing the functions", command, &site.log("package")).await?;
    serde_json::from_str(&answer).context("failed to read the answer of package.py")
}

/// The template of the repository, or the one that `sam build` made of it, with intrinsics in their long form.
pub(crate) struct Template {
    pub(crate) path: PathBuf,
    pub(crate) content: Value,
}

impl Template {
    pub(crate) fn read(site: &Site, sam_build: bool) -> Result<Self> {
        let path =
            if sam_build { site.root.join(".aws-sam/build/template.yaml") } else { site.root.join("template.yaml") };
        let text = fs::read_to_string(&path).with_context(|| {
            let hint = if sam_build { "; run `sam build` first (the tool is in .venv/bin)" } else { "" };
            format!("failed to read {}{hint}", path.display())
        })?;
        let content = serde_yaml_ng::from_str(&text).with_context(|| format!("failed to parse {}", path.display()))?;
        Ok(Self { path, content: intrinsics::expand(content) })
    }

    /// Each function's logical id and the name of its binary.
    pub(crate) fn functions(&self) -> Result<BTreeMap<String, String>> {
        let resources =
            self.content.get("Resources").and_then(Value::as_mapping).context("the template has no Resources")?;
        let mut found = BTreeMap::new();
        for (id, resource) in resources {
            if resource.get("Type").and_then(Value::as_str) == Some("AWS::Serverless::Function") {
                let id = id.as_str().context("a logical id is not a string")?;
                let binary = resource.get("Metadata").and_then(|metadata| metadata.get("BuildProperties"));
                let binary = binary.and_then(|properties| properties.get("Binary")).and_then(Value::as_str);
                let binary = binary.with_context(|| format!("{id} has no Metadata.BuildProperties.Binary"))?;
                found.insert(id.to_owned(), binary.to_owned());
            }
        }
        Ok(found)
    }

    /// The path of a function's binary.
    pub(crate) fn binary(&self, site: &Site, sam_build: bool, id: &str, name: &str) -> PathBuf {
        if sam_build { self.folder().join(id).join("bootstrap") } else { site.binaries().join(name) }
    }

    /// The folder that relative paths of the template start from.
    pub(crate) fn folder(&self) -> PathBuf {
        self.path.parent().map(Path::to_path_buf).unwrap_or_default()
    }
}
