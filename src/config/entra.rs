//! The kinds of credential that are Microsoft Entra's: what the table says, and what the environment of the pod does.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;
use url::Url;

use super::{
    Fault, Faults,
    credential::{check, given},
    section::Section,
    values::{self, Needed},
};
use crate::{
    azure_devops::{
        credential::Credential,
        entra::{Entra, Proof},
    },
    wording::{list, shown_url},
};

/// What the webhook of Azure Workload Identity sets.
const VARIABLES: [&str; 3] = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"];

/// Of Azure's cloud for everybody; others name theirs in `AZURE_AUTHORITY_HOST`.
const AUTHORITY: &str = "https://login.microsoftonline.com/";
/// The same on every machine in Azure.
const MACHINE: &str = "http://169.254.169.254/";

/// An identity that needs nothing but the environment, for a program without a configuration: `workload_identity`, or
/// `managed_identity` with `AZURE_CLIENT_ID` where the machine has several. None where `kind` is neither.
///
/// # Errors
///
/// Every fault there is.
pub fn identity(kind: &str, environment: &BTreeMap<String, String>) -> Option<Result<Credential, Faults>> {
    let mut faults = Vec::new();
    let client_id = given(environment, VARIABLES[1]).map(|id| ("client_id".to_owned(), id.into()));
    let mut section = Section::new(String::new(), client_id.into_iter().collect(), &mut faults);
    let entra = match kind {
        "workload_identity" => workload_identity(&mut section, environment),
        "managed_identity" => managed_identity(&mut section, environment),
        _ => return None,
    };
    Some(entra.filter(|_| faults.is_empty()).map(Credential::Entra).ok_or(Faults(faults)))
}

/// `workload_identity`: all of it stands in the environment, where the webhook of Azure Workload Identity puts it.
pub(super) fn workload_identity(section: &mut Section<'_>, environment: &BTreeMap<String, String>) -> Option<Entra> {
    let authority = authority(section, environment);
    let values = VARIABLES.map(|variable| given(environment, variable));
    let missing = VARIABLES.iter().zip(values).filter(|(_, value)| value.is_none());
    let missing: Vec<&str> = missing.map(|(variable, _)| *variable).collect();
    if !missing.is_empty() {
        section.add(Fault::NoIdentity { key: section.key("kind"), variables: list(missing, "and") });
    }
    let [tenant_id, client_id, file] = values;
    let tenant_id = tenant_id.and_then(|id| named(section, VARIABLES[0], id));
    let client_id = client_id.and_then(|id| named(section, VARIABLES[1], id));
    let file = file.map(PathBuf::from);
    if let Some(file) = &file {
        check(section, VARIABLES[2], file);
    }
    Some(Entra::Application {
        authority: authority?,
        tenant_id: tenant_id?,
        client_id: client_id?,
        proof: Proof::Assertion,
        file: file?,
    })
}

/// `client_secret`.
pub(super) fn client_secret(section: &mut Section<'_>, environment: &BTreeMap<String, String>) -> Option<Entra> {
    let authority = authority(section, environment);
    let tenant_id = section.need("tenant_id", id, "write the tenant's id (Entra, Overview)");
    let client_id = section.need("client_id", id, "write the application's id (Entra, App registrations)");
    let file = section.need("secret_file", values::path, "name a file that holds the application's secret");
    if let Some(file) = &file {
        check(section, "secret_file", file);
    }
    Some(Entra::Application {
        authority: authority?,
        tenant_id: tenant_id?,
        client_id: client_id?,
        proof: Proof::Secret,
        file: file?,
    })
}

/// `managed_identity`.
pub(super) fn managed_identity(section: &mut Section<'_>, environment: &BTreeMap<String, String>) -> Option<Entra> {
    const VARIABLE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
    let written = section.has("client_id");
    let client_id = section.read("client_id", id);
    let needed = Needed("a URL without a user, a password or a query, such as `http://169.254.169.254`");
    let endpoint = address(section, environment, VARIABLE, MACHINE, (&["http", "https"], needed))?;
    (client_id.is_some() || !written).then_some(Entra::ManagedIdentity { endpoint, client_id })
}

/// Where tokens are given out.
fn authority(section: &mut Section<'_>, environment: &BTreeMap<String, String>) -> Option<Url> {
    let needed =
        Needed("an `https://` URL without a user, a password or a query, such as `https://login.microsoftonline.com`");
    address(section, environment, "AZURE_AUTHORITY_HOST", AUTHORITY, (&["https"], needed))
}

/// An address that a variable may name.
fn address(
    section: &mut Section<'_>,
    environment: &BTreeMap<String, String>,
    variable: &'static str,
    usual: &str,
    (schemes, needed): (&[&str], Needed),
) -> Option<Url> {
    let written = given(environment, variable).unwrap_or(usual);
    let url = Url::parse(written).ok().filter(|url| schemes.contains(&url.scheme()) && shown_url(written) == written);
    if url.is_none() {
        section.bad(variable, &Value::from(shown_url(written)), needed);
    }
    url
}

/// The id of a tenant or an application, or a tenant's domain. It becomes a part of a URL.
fn id(value: &Value) -> Result<String, Needed> {
    let text = values::text(value).ok();
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')))
        .filter(|text| text.bytes().any(|byte| byte != b'.'))
        .ok_or(Needed("an id such as `00000000-0000-0000-0000-000000000000`, or a tenant's domain"))
}

/// The same from the environment.
fn named(section: &mut Section<'_>, variable: &'static str, value: &str) -> Option<String> {
    let value = Value::from(value);
    id(&value).map_err(|needed| section.bad(variable, &value, needed)).ok()
}
