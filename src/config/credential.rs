//! How the program signs in: where a token stands, and whether what stands there can be one.
//!
//! Reads token files at the start to judge them; no token is in any message.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Fault, entra, section::Section, values};
use crate::{
    azure_devops::credential::Credential,
    wording::{list, shown},
};

/// Every kind of credential.
const KINDS: [&str; 4] = ["personal_access_token", "workload_identity", "managed_identity", "client_secret"];

/// No more of a token's file is read at the start: a token has less than a hundred characters.
const LARGEST_TOKEN: u64 = 64 << 10;

/// The credential of an entry of the list.
pub(super) fn read(section: &mut Section<'_>, environment: &BTreeMap<String, String>) -> Option<Credential> {
    const WAYS: &str = "write `{ kind = \"personal_access_token\", file = \"...\" }`, or `env` for `file`, or another `kind`: \
                        `workload_identity`, `managed_identity` or `client_secret`";
    let Some(entry) = section.take("credential") else {
        section.add(Fault::Missing { key: section.key("credential"), needed: WAYS });
        return None;
    };
    section.table("credential", entry, |credential| {
        let kind = credential.need("kind", values::text, "write `personal_access_token`, or one of Entra's kinds");
        let identity = match kind.as_deref() {
            Some("personal_access_token") => return token(credential, environment),
            Some("workload_identity") => entra::workload_identity(credential, environment),
            Some("managed_identity") => entra::managed_identity(credential, environment),
            Some("client_secret") => entra::client_secret(credential, environment),
            Some(other) => {
                credential.add(Fault::UnknownCredential {
                    key: credential.key("kind"),
                    kind: shown(other),
                    known: list(KINDS, "or"),
                });
                credential.pass_over_the_rest();
                None
            }
            None => {
                credential.pass_over_the_rest();
                None
            }
        };
        identity.map(Credential::Entra)
    })
}

/// Where a personal access token comes from.
fn token(section: &mut Section<'_>, environment: &BTreeMap<String, String>) -> Option<Credential> {
    let file = section.read("file", values::path);
    let variable = section.read("env", values::text);
    match (file, variable) {
        (Some(_), Some(_)) => {
            section.add(Fault::Both {
                first: section.key("file"),
                second: section.key("env"),
                mend: "keep one of them",
            });
            None
        }
        (Some(file), None) => file_credential(section, "file", file),
        (None, Some(variable)) => {
            let Some(token) = given(environment, &variable) else {
                section.add(Fault::NoVariable { key: section.key("env"), variable: shown(&variable) });
                return None;
            };
            variable_credential(section, "env", &variable, token)
        }
        (None, None) => {
            section.add(Fault::Missing {
                key: section.key("file"),
                needed: "write the token's file, or `env` and a variable's name",
            });
            None
        }
    }
}

/// A token that a file holds.
pub(super) fn file_credential(section: &mut Section<'_>, key: &str, file: PathBuf) -> Option<Credential> {
    let text = match open(&file).and_then(read_text) {
        Ok(text) => text,
        Err(error) => {
            unreadable(section, key, &file, &error);
            return None;
        }
    };
    is_token(section, key, &file.display().to_string(), &text).then_some(Credential::PersonalAccessTokenFile(file))
}

/// A token that a variable holds.
pub(super) fn variable_credential(
    section: &mut Section<'_>,
    key: &str,
    variable: &str,
    token: &str,
) -> Option<Credential> {
    is_token(section, key, variable, token)
        .then(|| Credential::PersonalAccessTokenVariable { name: variable.to_owned(), token: token.into() })
}

/// Whether a text may be a token; `place` is where it stands. The text is in no message.
fn is_token(section: &mut Section<'_>, key: &str, place: &str, text: &str) -> bool {
    let found = match text.split_whitespace().count() {
        0 => "holds no token: put a personal access token with the scope Agent Pools (read) there",
        1 => return true,
        _ => "holds more than one line or word: put the personal access token there, and nothing else",
    };
    section.add(Fault::BadToken { key: section.key(key), place: shown(place), found });
    false
}

/// Whether a file is there and can be read; it is a fault if not.
pub(super) fn check(section: &mut Section<'_>, key: &str, file: &Path) {
    if let Err(error) = open(file) {
        unreadable(section, key, file, &error);
    }
}

/// Refuses the variables with a token where there is no `AZP_URL` and no entry of the list that uses the same token.
/// Says whether there was one.
pub(super) fn refuse_stray(root: &mut Section<'_>, environment: &BTreeMap<String, String>, listed: &[Value]) -> bool {
    let mut refused = false;
    let mut refuse = |variable: &'static str, key: &str, value: &str| {
        let named = |entry: &Value| entry.pointer(&format!("/credential/{key}")).and_then(Value::as_str) == Some(value);
        if !listed.iter().any(named) {
            root.add(Fault::StrayToken { variable, entry: format!("{key} = \"{}\"", shown(value)) });
            refused = true;
        }
    };
    if given(environment, "AZP_TOKEN").is_some() {
        refuse("AZP_TOKEN", "env", "AZP_TOKEN");
    }
    if let Some(file) = given(environment, "AZP_TOKEN_FILE") {
        refuse("AZP_TOKEN_FILE", "file", file);
    }
    refused
}

/// A file with a secret of any kind: whether it is there and holds one.
pub(super) fn secret_file(section: &mut Section<'_>, key: &'static str, needed: &'static str) -> Option<PathBuf> {
    let file = section.need(key, values::path, needed)?;
    match open(&file).and_then(read_text) {
        Ok(text) if text.trim().is_empty() => {
            let place = shown(&file.display().to_string());
            section.add(Fault::BadToken { key: section.key(key), place, found: "holds no secret: put one there" });
            None
        }
        Ok(_) => Some(file),
        Err(error) => {
            unreadable(section, key, &file, &error);
            None
        }
    }
}

fn open(file: &Path) -> io::Result<File> {
    let opened = File::open(file)?;
    if opened.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(opened) }
}

fn read_text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(LARGEST_TOKEN).read_to_string(&mut text)?;
    Ok(text)
}

fn unreadable(section: &mut Section<'_>, key: &str, file: &Path, error: &io::Error) {
    section.add(Fault::Unreadable {
        key: section.key(key),
        file: shown(&file.display().to_string()),
        reason: error.to_string(),
    });
}

/// A variable's value, unless it is blank.
pub(super) fn given<'a>(environment: &'a BTreeMap<String, String>, variable: &str) -> Option<&'a str> {
    environment.get(variable).map(|value| value.trim()).filter(|value| !value.is_empty())
}
