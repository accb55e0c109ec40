//! The short way in: `AZP_URL` with `AZP_TOKEN` or `AZP_TOKEN_FILE`, and no list of organisations.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;
use url::Url;

use super::{
    Credential, Fault, Organization,
    organizations::{check, check_plain_http, given},
    section::Section,
    values,
};

/// The organisation that the variables name, if they do. Without a list of organisations they must.
pub(super) fn read(
    root: &mut Section<'_>,
    environment: &BTreeMap<String, String>,
    listed: bool,
) -> Option<Organization> {
    let variable = |name: &str| given(environment, name);
    match (variable("AZP_URL"), listed) {
        (None, true) => None,
        (None, false) => {
            root.add(Fault::NoOrganization);
            None
        }
        (Some(_), true) => {
            root.add(Fault::Both {
                first: "AZP_URL".to_owned(),
                second: "organizations".to_owned(),
                mend: "move the organization of AZP_URL into the list, or leave the list out",
            });
            None
        }
        (Some(url), false) => {
            let credential = credential(root, variable("AZP_TOKEN"), variable("AZP_TOKEN_FILE"));
            let written = Value::from(url);
            let url = values::url(&written).map_err(|needed| root.bad("AZP_URL", &written, needed)).ok()?;
            check_plain_http(root, "AZP_URL", &url, false);
            let Some(name) = name_of(&url) else {
                let rule = "names no organization: use a URL such as `https://dev.azure.com/contoso`";
                root.reject("AZP_URL", url.as_str(), rule);
                return None;
            };
            Some(Organization {
                name: name.into(),
                url,
                credential: credential?,
                namespaces: vec!["*".to_owned()],
                certificate_authority: None,
                proxy: None,
                allow_plain_http: false,
            })
        }
    }
}

fn credential(root: &mut Section<'_>, token: Option<&str>, file: Option<&str>) -> Option<Credential> {
    match (token, file) {
        (Some(_), Some(_)) => {
            root.add(Fault::Both {
                first: "AZP_TOKEN".to_owned(),
                second: "AZP_TOKEN_FILE".to_owned(),
                mend: "keep one of them",
            });
            None
        }
        (Some(token), None) => Some(Credential::TokenVariable { name: "AZP_TOKEN".to_owned(), token: token.into() }),
        (None, Some(file)) => {
            let file = PathBuf::from(file);
            check(root, "AZP_TOKEN_FILE", &file).then_some(Credential::TokenFile(file))
        }
        (None, None) => {
            let needed = "set it to a personal access token, or `AZP_TOKEN_FILE` to the path of a file that holds one";
            root.add(Fault::Missing { key: "AZP_TOKEN".to_owned(), needed });
            None
        }
    }
}

/// The last segment of the path; of an old address the first label of the host.
fn name_of(url: &Url) -> Option<&str> {
    let old = url.host_str().and_then(|host| host.strip_suffix(".visualstudio.com"));
    old.or_else(|| url.path_segments()?.rfind(|segment| !segment.is_empty()))
}
