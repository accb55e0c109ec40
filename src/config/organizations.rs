//! The list `[[organizations]]`: who signs in where, and for whom.

use std::{collections::BTreeMap, fs::File, io, path::Path};

use serde_json::Value;
use url::Url;

use super::{
    Credential, Fault, Organization,
    section::Section,
    short_way,
    values::{self, Needed},
};
use crate::{external_scaler::same_place, wording::shown};

/// The organisations of the list, or the one of the short way.
pub(super) fn read(root: &mut Section<'_>, environment: &BTreeMap<String, String>) -> Vec<Organization> {
    let listed = match root.take("organizations") {
        Some(Value::Array(listed)) => listed,
        None => Vec::new(),
        Some(other) => {
            root.bad("organizations", &other, Needed("a list of tables, which only a file can hold"));
            return Vec::new();
        }
    };
    let short = short_way::read(root, environment, !listed.is_empty());
    if listed.is_empty() {
        return short.into_iter().collect();
    }
    let mut known: Vec<(usize, Organization)> = Vec::new();
    for (place, entry) in listed.into_iter().enumerate() {
        let organization = root.table(&format!("organizations[{place}]"), entry, |section| one(section, environment));
        let Some(organization) = organization else { continue };
        for (other, have) in &known {
            let mut duplicate = |key: &str, value: &str| {
                root.add(Fault::Duplicate {
                    key: format!("organizations[{place}].{key}"),
                    value: value.to_owned(),
                    other: format!("organizations[{other}]"),
                });
            };
            if have.name.eq_ignore_ascii_case(&organization.name) {
                duplicate("name", &organization.name);
            }
            if same_place(&have.url, &organization.url) {
                duplicate("url", organization.url.as_str());
            }
        }
        known.push((place, organization));
    }
    known.into_iter().map(|(_, organization)| organization).collect()
}

/// One entry; none where something it can't do without is missing or wrong.
fn one(section: &mut Section<'_>, environment: &BTreeMap<String, String>) -> Option<Organization> {
    let name = section.need("name", values::text, "write what triggers shall call it");
    let url = section.need("url", values::url, "write the organization's, such as `https://dev.azure.com/contoso`");
    let credential = credential(section, environment);
    let namespaces = section.read("namespaces", values::namespaces).unwrap_or_else(|| vec!["*".to_owned()]);
    section.not_yet("parallel_jobs", &"off".into(), "leave it out, or write `off`");
    let certificate_authority = section.read("certificate_authority", values::path);
    if let Some(file) = &certificate_authority {
        check(section, "certificate_authority", file);
    }
    let proxy = section.read("proxy", values::proxy);
    let allow_plain_http = section.read("allow_plain_http", values::flag).unwrap_or_default();
    if let Some(url) = &url {
        check_plain_http(section, "url", url, allow_plain_http);
    }
    Some(Organization {
        name: name?.into(),
        url: url?,
        credential: credential?,
        namespaces,
        certificate_authority,
        proxy,
        allow_plain_http,
    })
}

/// A token over `http://` can be read by anybody on the way.
pub(super) fn check_plain_http(section: &mut Section<'_>, key: &str, url: &Url, allowed: bool) {
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !loopback && !allowed {
        section.reject(
            key,
            url.as_str(),
            "would send the token in the clear: use `https://`, or list it in a file with `allow_plain_http = true`",
        );
    }
}

fn credential(section: &mut Section<'_>, environment: &BTreeMap<String, String>) -> Option<Credential> {
    const KINDS: &str = "write `{ kind = \"personal_access_token\", file = \"...\" }`, or `env` for `file`";
    let Some(entry) = section.take("credential") else {
        section.add(Fault::Missing { key: section.key("credential"), needed: KINDS });
        return None;
    };
    section.table("credential", entry, |credential| {
        let kind = credential.need("kind", values::text, "write `personal_access_token`");
        let Some(kind) = kind else {
            credential.pass_over_the_rest();
            return None;
        };
        match kind.as_str() {
            "personal_access_token" => token(credential, environment),
            "workload_identity" | "managed_identity" | "client_secret" => {
                credential.pass_over_the_rest();
                credential.add(Fault::NotYet {
                    key: credential.key("kind"),
                    mend: "use `personal_access_token`, with `file` or `env`",
                });
                None
            }
            _ => {
                credential.pass_over_the_rest();
                credential.bad("kind", &kind.into(), Needed("`personal_access_token`"));
                None
            }
        }
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
        (Some(file), None) => check(section, "file", &file).then_some(Credential::TokenFile(file)),
        (None, Some(variable)) => {
            let Some(token) = given(environment, &variable) else {
                section.add(Fault::NoVariable { key: section.key("env"), variable: shown(&variable) });
                return None;
            };
            Some(Credential::TokenVariable { token: token.into(), name: variable })
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

/// Whether a file is there and can be read.
pub(super) fn check(section: &mut Section<'_>, key: &str, file: &Path) -> bool {
    match readable(file) {
        Ok(()) => true,
        Err(error) => {
            section.add(Fault::Unreadable {
                key: section.key(key),
                file: shown(&file.display().to_string()),
                reason: error.to_string(),
            });
            false
        }
    }
}

fn readable(file: &Path) -> io::Result<()> {
    if File::open(file)?.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
}

/// A variable's value, unless it is blank.
pub(super) fn given<'a>(environment: &'a BTreeMap<String, String>, variable: &str) -> Option<&'a str> {
    environment.get(variable).map(|value| value.trim()).filter(|value| !value.is_empty())
}
