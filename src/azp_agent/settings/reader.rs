//! Reads single variables, and collects what is wrong with them.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use azp_scaler::{
    azure_devops::{
        credential::Credential,
        organization::{Organization, ParallelJobs},
    },
    config,
    wording::{nearest, shown},
};
use jiff::SignedDuration;

use super::{KNOWN, Mode, SLIP};
use crate::environment::is_kubernetes;

/// Reads variables and collects what is wrong.
pub(super) struct Reader {
    pub(super) environment: BTreeMap<String, String>,
    pub(super) faults: Vec<String>,
}

impl Reader {
    /// A variable's value, unless it is blank.
    pub(super) fn text(&self, variable: &str) -> Option<String> {
        self.environment.get(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(super) fn path(&self, variable: &str, default: &str) -> PathBuf {
        self.text(variable).unwrap_or_else(|| default.to_owned()).into()
    }

    pub(super) fn duration(&mut self, variable: &str, default: Duration) -> Duration {
        let Some(text) = self.text(variable) else { return default };
        let read = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
        read.filter(|duration| !duration.is_zero()).unwrap_or_else(|| {
            let needed = "must be a length of time with its unit, such as `30s`, `5m` or `1h30m`";
            self.faults.push(format!("{variable}: is `{}`, but {needed}", shown(&text)));
            default
        })
    }

    fn flag(&mut self, variable: &str) -> bool {
        match self.text(variable).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                self.faults.push(format!("{variable}: is `{}`, but must be `true` or `false`", shown(other)));
                false
            }
        }
    }

    pub(super) fn find_slips(&mut self) {
        let ours = self.environment.keys().filter(|name| name.starts_with("AZP_") && !is_kubernetes(name));
        let unknown = ours.filter(|name| !KNOWN.contains(&name.as_str()));
        let slips = unknown.filter_map(|name| {
            let meant = nearest(name, KNOWN)?;
            (strsim::damerau_levenshtein(name, meant) <= SLIP)
                .then(|| format!("{name}: unknown variable, did you mean `{meant}`?"))
        });
        self.faults.extend(slips);
    }

    /// The organization, where there is a credential for it; the sidecar must have one.
    pub(super) fn organization(&mut self, mode: Mode) -> Option<Organization> {
        let credential = self.credential(mode)?;
        let Some(url) = self.text("AZP_URL") else {
            self.faults.push(
                "AZP_URL: is missing: set it to the URL of the organization, such as \
                              `https://dev.azure.com/contoso`"
                    .to_owned(),
            );
            return None;
        };
        let organization = Organization {
            name: name_of(&url).into(),
            url,
            credential,
            allow_plain_http: self.flag("AZP_AGENT_ALLOW_PLAIN_HTTP"),
            certificate_authority: self.text("AZP_AGENT_CERTIFICATE_AUTHORITY").map(PathBuf::from),
            proxy: None,
            parallel_jobs: ParallelJobs::Off,
        };
        Some(organization)
    }

    fn credential(&mut self, mode: Mode) -> Option<Credential> {
        match (self.text("AZP_TOKEN"), self.text("AZP_TOKEN_FILE"), self.text("AZP_AGENT_CREDENTIAL")) {
            (Some(token), None, None) => {
                Some(Credential::PersonalAccessTokenVariable { name: "AZP_TOKEN".to_owned(), token: token.into() })
            }
            (None, Some(file), None) => Some(Credential::PersonalAccessTokenFile(file.into())),
            (None, None, Some(kind)) => self.identity(&kind),
            (None, None, None) if mode == Mode::Run => None,
            (None, None, None) => {
                let mend = "set it to the path of a file that holds a personal access token with the scope Agent Pools \
                            (read & manage), or AZP_TOKEN to the token, or AZP_AGENT_CREDENTIAL to `workload_identity` or \
                            `managed_identity`";
                self.faults.push(format!("AZP_TOKEN_FILE: is missing: {mend}"));
                None
            }
            _ => {
                let several =
                    "of AZP_TOKEN, AZP_TOKEN_FILE and AZP_AGENT_CREDENTIAL several are given: keep one of them";
                self.faults.push(several.to_owned());
                None
            }
        }
    }

    fn identity(&mut self, kind: &str) -> Option<Credential> {
        let Some(identity) = config::identity(kind, &self.environment) else {
            let needed = "must be `workload_identity` or `managed_identity`";
            self.faults.push(format!("AZP_AGENT_CREDENTIAL: is `{}`, but {needed}", shown(kind)));
            return None;
        };
        let told = |faults: &config::Faults| format!("AZP_AGENT_CREDENTIAL: {faults}");
        identity.map_err(|faults| self.faults.push(told(&faults))).ok()
    }
}

/// The last segment of a URL, for messages.
fn name_of(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().filter(|name| !name.contains(['@', '?', '#'])).unwrap_or_default()
}
