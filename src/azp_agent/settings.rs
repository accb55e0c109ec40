//! What the environment says: each setting with its default, and everything that is wrong with it at once.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use azp_scaler::{
    azure_devops::{
        credential::Credential,
        organization::{Organization, ParallelJobs},
    },
    wording::{nearest, shown},
};
use jiff::SignedDuration;

use super::environment::is_kubernetes;

/// The settings that `--help` lists.
const KNOWN: [&str; 15] = [
    "AZP_URL",
    "AZP_TOKEN",
    "AZP_TOKEN_FILE",
    "AZP_POOL",
    "AZP_AGENT_NAME",
    "AZP_WORK",
    "AZP_AGENT_DIRECTORY",
    "AZP_AGENT_REGISTRATION_DIRECTORY",
    "AZP_AGENT_CERTIFICATE_AUTHORITY",
    "AZP_AGENT_ALLOW_PLAIN_HTTP",
    "AZP_AGENT_REGISTER_TIMEOUT",
    "AZP_AGENT_START_TIMEOUT",
    "AZP_AGENT_IDLE_TIMEOUT",
    "AZP_AGENT_EXIT_TIMEOUT",
    "AZP_AGENT_REMOVE_TIMEOUT",
];
/// A name this near to a known one is a slip. Others that begin like ours are the agent's own switches.
const SLIP: usize = 2;

/// What the program is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Run,
    Register,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Until the agent is registered, or its registration shared.
    pub(crate) register: Duration,
    /// Until the listener listens.
    pub(crate) start: Duration,
    /// How long it waits for a job.
    pub(crate) idle: Duration,
    /// Until it exits after its job, or when it is told to.
    pub(crate) exit: Duration,
    /// Until the registration is removed.
    pub(crate) remove: Duration,
}

/// All settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where to sign in, and with what; none where a sidecar does.
    pub(crate) organization: Option<Organization>,
    pub(crate) pool: String,
    pub(crate) name: String,
    pub(crate) work: String,
    pub(crate) directory: PathBuf,
    pub(crate) registration: PathBuf,
    pub(crate) times: Times,
}

/// Reads variables and collects what is wrong.
struct Reader {
    environment: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// Every fault, each with the variable, its value and the mend.
    pub(crate) fn read(mode: Mode, environment: BTreeMap<String, String>) -> Result<Self, Vec<String>> {
        let mut reader = Reader { environment, faults: Vec::new() };
        reader.find_slips();
        let settings = Self {
            organization: reader.organization(mode),
            pool: reader.text("AZP_POOL").unwrap_or_else(|| "Default".to_owned()),
            name: reader.text("AZP_AGENT_NAME").or_else(host_name).unwrap_or_else(|| {
                reader.faults.push("AZP_AGENT_NAME: is missing, and the host has no name: set it".to_owned());
                String::new()
            }),
            work: reader.text("AZP_WORK").unwrap_or_else(|| "_work".to_owned()),
            directory: reader.path("AZP_AGENT_DIRECTORY", "/azp/agent"),
            registration: reader.path("AZP_AGENT_REGISTRATION_DIRECTORY", "/azp/registration"),
            times: Times {
                register: reader.duration("AZP_AGENT_REGISTER_TIMEOUT", Duration::from_mins(5)),
                start: reader.duration("AZP_AGENT_START_TIMEOUT", Duration::from_mins(5)),
                idle: reader.duration("AZP_AGENT_IDLE_TIMEOUT", Duration::from_mins(30)),
                exit: reader.duration("AZP_AGENT_EXIT_TIMEOUT", Duration::from_mins(1)),
                remove: reader.duration("AZP_AGENT_REMOVE_TIMEOUT", Duration::from_mins(2)),
            },
        };
        let folder = |path: &PathBuf, variable: &str, mend: &str| {
            (!path.is_dir()).then(|| format!("{variable}: `{}` is no directory: {mend}", path.display()))
        };
        let agent = "name the directory that holds the agent's `config.sh` and `run.sh`";
        reader.faults.extend(folder(&settings.directory, "AZP_AGENT_DIRECTORY", agent));
        if mode == Mode::Register || settings.organization.is_none() {
            let shared = "mount one volume there in this container and in that of the sidecar (`azp-agent register`), or, \
                          without a sidecar, give this one AZP_URL and AZP_TOKEN_FILE";
            reader.faults.extend(folder(&settings.registration, "AZP_AGENT_REGISTRATION_DIRECTORY", shared));
        }
        if reader.faults.is_empty() { Ok(settings) } else { Err(reader.faults) }
    }
}

/// The pod's name, in a pod.
fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

impl Reader {
    /// A variable's value, unless it is blank.
    fn text(&self, variable: &str) -> Option<String> {
        self.environment.get(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn path(&self, variable: &str, default: &str) -> PathBuf {
        self.text(variable).unwrap_or_else(|| default.to_owned()).into()
    }

    fn duration(&mut self, variable: &str, default: Duration) -> Duration {
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

    fn find_slips(&mut self) {
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
    fn organization(&mut self, mode: Mode) -> Option<Organization> {
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
        match (self.text("AZP_TOKEN"), self.text("AZP_TOKEN_FILE")) {
            (Some(_), Some(_)) => {
                self.faults.push("AZP_TOKEN and AZP_TOKEN_FILE are both given: keep one of them".to_owned());
                None
            }
            (Some(token), None) => {
                Some(Credential::PersonalAccessTokenVariable { name: "AZP_TOKEN".to_owned(), token: token.into() })
            }
            (None, Some(file)) => Some(Credential::PersonalAccessTokenFile(file.into())),
            (None, None) if mode == Mode::Run => None,
            (None, None) => {
                let mend = "set it to the path of a file that holds a personal access token with the scope Agent Pools \
                            (read & manage), or AZP_TOKEN to the token";
                self.faults.push(format!("AZP_TOKEN_FILE: is missing: {mend}"));
                None
            }
        }
    }
}

/// The last segment of a URL, for messages.
fn name_of(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().filter(|name| !name.contains(['@', '?', '#'])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::help, *};

    fn read(mode: Mode, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variables = [("AZP_AGENT_DIRECTORY", "/"), ("AZP_AGENT_REGISTRATION_DIRECTORY", "/")]
            .into_iter()
            .chain(variables.iter().copied());
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Settings::read(mode, environment).map_err(|faults| faults.join("\n"))
    }

    #[test]
    fn every_setting_is_in_the_help() {
        for name in KNOWN {
            assert!(help::AFTER_HELP.contains(name), "{name} is missing");
        }
    }

    #[test]
    fn the_usual_names_are_enough() {
        let given = [("AZP_URL", "https://dev.azure.com/contoso"), ("AZP_TOKEN", " hidden\n"), ("AZP_POOL", "linux")];
        let settings = read(Mode::Register, &given).unwrap();
        let organization = settings.organization.unwrap();
        assert_eq!((&*organization.name, &*settings.pool, &*settings.work), ("contoso", "linux", "_work"));
        assert!(!settings.name.is_empty(), "the host's name");
        assert!(read(Mode::Run, &[]).unwrap().organization.is_none(), "a sidecar signs in");
    }

    #[test]
    fn every_fault_is_told_with_its_mend_and_without_secrets() {
        let given = [
            ("AZP_TOKEN", "hidden"),
            ("AZP_TOKEN_FILE", "/token"),
            ("AZP_AGENT_NAM", "x"),
            ("AZP_AGENT_IDLE_TIMEOUT", "soon"),
            ("AZP_AGENT_DIRECTORY", "/nowhere"),
        ];
        let faults = read(Mode::Register, &given).unwrap_err();
        for part in ["keep one of them", "`AZP_AGENT_NAME`", "`soon`", "`/nowhere`"] {
            assert!(faults.contains(part), "{part} is missing:\n{faults}");
        }
        assert!(!faults.contains("hidden"), "{faults}");
        let faults = read(Mode::Register, &[]).unwrap_err();
        assert!(faults.contains("AZP_TOKEN_FILE: is missing"), "{faults}");
        let faults = read(Mode::Run, &[("AZP_TOKEN", "hidden"), ("AZP_AGENT_ALLOW_PLAIN_HTTP", "yes")]).unwrap_err();
        assert!(faults.contains("AZP_URL: is missing"), "{faults}");
    }

    #[test]
    fn switches_of_the_agent_and_services_of_the_cluster_are_no_slips() {
        let given = [
            ("AZP_AGENT_DOWNGRADE_DISABLED", "true"),
            ("AZP_AGENT_PORT", "tcp://10.0.0.1:80"),
            ("AZP_AGENT_IMAGE", "x"),
        ];
        assert!(read(Mode::Run, &given).is_ok());
    }
}
