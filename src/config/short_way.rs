//! The short way in: `AZP_URL` with `AZP_TOKEN` or `AZP_TOKEN_FILE`, and no list of organisations.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;
use url::Url;

use super::{
    Fault, Organization, address,
    credential::{file_credential, given, refuse_stray, variable_credential},
    section::Section,
    values,
};
use crate::azure_devops::{credential::Credential, organization::ParallelJobs};

/// The organisation that the variables name, if they do. Without a list of organisations they must.
pub(super) fn read(
    root: &mut Section<'_>,
    environment: &BTreeMap<String, String>,
    listed: &[Value],
) -> Option<Organization> {
    let variable = |name: &str| given(environment, name);
    match (variable("AZP_URL"), !listed.is_empty()) {
        (None, is_listed) => {
            if !refuse_stray(root, environment, listed) && !is_listed {
                root.add(Fault::NoOrganization);
            }
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
            let mend = "would send the token in the clear: use `https://`, or list it in a file with `allow_plain_http = true`";
            address::check_plain_http(root, "AZP_URL", &url, mend);
            address::check_project(root, "AZP_URL", &url);
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
                parallel_jobs: ParallelJobs::Auto,
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
        (Some(token), None) => variable_credential(root, "AZP_TOKEN", "AZP_TOKEN", token),
        (None, Some(file)) => file_credential(root, "AZP_TOKEN_FILE", PathBuf::from(file)),
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
