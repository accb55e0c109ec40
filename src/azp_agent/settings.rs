//! What the environment says: each setting with its default, and everything that is wrong with it at once.

mod reader;

use std::{collections::BTreeMap, env, fs, path::PathBuf, time::Duration};

use azp_scaler::azure_devops::organization::Organization;

use self::reader::Reader;

/// The settings that `--help` lists.
const KNOWN: [&str; 16] = [
    "AZP_URL",
    "AZP_TOKEN",
    "AZP_TOKEN_FILE",
    "AZP_AGENT_CREDENTIAL",
    "AZP_POOL",
    "AZP_AGENT_NAME",
    "AZP_WORK",
    "AZP_AGENT_DIRECTORY",
    REGISTRATION.0,
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

/// What both containers mount, and where.
const REGISTRATION: (&str, &str) = ("AZP_AGENT_REGISTRATION_DIRECTORY", "/azp/registration");

/// The directory that both containers share, whatever else may be wrong.
pub(crate) fn registration() -> PathBuf {
    env::var_os(REGISTRATION.0).unwrap_or_else(|| REGISTRATION.1.into()).into()
}

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
            registration: reader.path(REGISTRATION.0, REGISTRATION.1),
            times: Times {
                register: reader.duration("AZP_AGENT_REGISTER_TIMEOUT", Duration::from_mins(5)),
                start: reader.duration("AZP_AGENT_START_TIMEOUT", Duration::from_mins(5)),
                idle: reader.duration("AZP_AGENT_IDLE_TIMEOUT", Duration::from_mins(30)),
                exit: reader.duration("AZP_AGENT_EXIT_TIMEOUT", Duration::from_mins(1)),
                remove: reader.duration("AZP_AGENT_REMOVE_TIMEOUT", Duration::from_mins(15)),
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
            reader.faults.extend(folder(&settings.registration, REGISTRATION.0, shared));
        }
        if reader.faults.is_empty() { Ok(settings) } else { Err(reader.faults) }
    }
}

/// The pod's name, in a pod.
fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
