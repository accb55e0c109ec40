//! The sources, merged into one tree: the file first, then the environment over it.

use std::{collections::BTreeMap, fs, path::Path};

use config::{Config, ConfigError, Environment, File, FileFormat};
use serde_json::{Map, Value};

use super::Fault;
use crate::wording::shown;

/// What variables that are settings begin with, and what stands between the parts of their keys.
const PREFIX: &str = "AZP_SCALER";
const SEPARATOR: &str = "__";

/// What file and environment say together, not judged yet.
pub(super) fn merge(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Map<String, Value>, Fault> {
    let mut sources = Config::builder();
    if let Some(file) = file {
        if file.is_dir() {
            return Err(Fault::Unreadable {
                key: "--config".to_owned(),
                file: file.display().to_string(),
                reason: "it is a directory: name a file in it".to_owned(),
            });
        }
        let format = match file.extension().and_then(|kind| kind.to_str()) {
            Some("toml") => FileFormat::Toml,
            Some("yaml" | "yml") => FileFormat::Yaml,
            _ => return Err(Fault::UnknownKind(file.display().to_string())),
        };
        let text = fs::read_to_string(file).map_err(|error| Fault::Unreadable {
            key: "--config".to_owned(),
            file: file.display().to_string(),
            reason: error.to_string(),
        })?;
        sources = sources.add_source(File::from_str(&text, format));
    }
    // The two underscores keep out what Kubernetes injects for a Service of the same name.
    let variables = Environment::with_prefix(PREFIX)
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR)
        .try_parsing(true)
        .source(Some(environment.clone().into_iter().collect()));
    sources.add_source(variables).build().and_then(Config::try_deserialize).map_err(|error| Fault::Syntax {
        file: file.map(|file| file.display().to_string()).unwrap_or_default(),
        reason: told(&error),
    })
}

/// A fault with the variable that its value comes from, where the environment gives it.
pub(super) fn traced(fault: Fault, environment: &BTreeMap<String, String>) -> Fault {
    let prefix = format!("{PREFIX}{SEPARATOR}").to_lowercase();
    let gives = |variable: &str, key: &str| {
        let path = variable.to_lowercase().strip_prefix(&prefix).map(|path| path.replace(SEPARATOR, "."));
        let below = path.as_deref().and_then(|path| path.strip_prefix(key));
        below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
    };
    let variable = fault.key().and_then(|key| environment.keys().find(|variable| gives(variable, key)));
    match variable.map(|variable| shown(variable)) {
        Some(variable) => Fault::FromVariable { fault: Box::new(fault), variable },
        None => fault,
    }
}

/// What a parser says, without the text it found: it may hold a secret.
fn told(error: &ConfigError) -> String {
    let said = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let lines: Vec<&str> = said.lines().filter(|line| !line.contains('|')).map(str::trim).collect();
    let said = lines.join(" ").trim().to_owned();
    // The parser of YAML names a key that stands twice as it is in memory.
    match said.strip_prefix("String(\"").and_then(|rest| rest.split_once("\"): duplicated key in mapping")) {
        Some((key, place)) => format!("the key `{}` stands twice in a mapping{place}", shown(key)),
        None => said,
    }
}
