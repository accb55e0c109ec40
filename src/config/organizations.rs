//! The list `[[organizations]]`: who signs in where, and for whom.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Fault, Organization, address, credential,
    section::Section,
    short_way,
    values::{self, Needed},
};
use crate::pools::same_place;

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
    let short = short_way::read(root, environment, &listed);
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
    let credential = credential::read(section, environment);
    let namespaces = section.read("namespaces", values::namespaces).unwrap_or_else(|| vec!["*".to_owned()]);
    let parallel_jobs = section.read("parallel_jobs", values::parallel_jobs).unwrap_or_default();
    let certificate_authority = section.read("certificate_authority", values::path);
    if let Some(file) = &certificate_authority {
        credential::check(section, "certificate_authority", file);
    }
    let proxy = section.read("proxy", values::proxy);
    let allow_plain_http = section.read("allow_plain_http", values::flag).unwrap_or_default();
    if let Some(url) = &url {
        let mend = "would send the token in the clear: use `https://`, or add `allow_plain_http = true`";
        if !allow_plain_http {
            address::check_plain_http(section, "url", url, mend);
        }
        address::check_project(section, "url", url);
    }
    Some(Organization {
        name: name?.into(),
        url: url?,
        credential: credential?,
        namespaces,
        parallel_jobs,
        certificate_authority,
        proxy,
        allow_plain_http,
    })
}
