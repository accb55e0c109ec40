//! The sources, merged into one tree: the file first, then the environment over it.

use std::{collections::BTreeMap, fs, path::Path};

use config::{Config, ConfigError, Environment, File, FileFormat};
use serde_json::{Map, Value};

use super::Fault;

/// What file and environment say together, not judged yet.
pub(super) fn merge(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Map<String, Value>, Fault> {
    let mut sources = Config::builder();
    if let Some(file) = file {
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
    let variables = Environment::with_prefix("AZP_SCALER")
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true)
        .source(Some(environment.clone().into_iter().collect()));
    sources.add_source(variables).build().and_then(Config::try_deserialize).map_err(|error| Fault::Syntax {
        file: file.map(|file| file.display().to_string()).unwrap_or_default(),
        reason: told(&error),
    })
}

/// What a parser says, without the text it found: it may hold a secret.
fn told(error: &ConfigError) -> String {
    let said = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let lines: Vec<&str> = said.lines().filter(|line| !line.contains('|')).map(str::trim).collect();
    lines.join(" ").trim().to_owned()
}
