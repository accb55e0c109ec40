//! The files that make an agent registered: which `config.sh` wrote, and how they get from the sidecar to the container of
//! the job.
//!
//! They are shared whole or not at all: written into a directory of their own, which then gets its name.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Failed, settings::Settings};

/// In the shared directory.
const READY: &str = "ready";
const NOT_YET: &str = ".not-yet";
/// Why there will be no registration.
const FAILED: &str = "failed";
/// The environment in which `config.sh` ran: the sidecar's, which is not the job's.
const NOT_SHARED: [&str; 2] = [".env", ".path"];
/// What the agent says of itself.
const AGENT: &str = ".agent";
/// How often the shared directory is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What `.agent` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentFile {
    pub(crate) agent_id: i64,
    pub(crate) agent_name: String,
    pub(crate) pool_id: i64,
}

/// The names in the agent's directory before it was registered.
pub(crate) struct Pristine(BTreeSet<OsString>);

impl Pristine {
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        names(directory).map(Self)
    }

    /// What has been written since.
    pub(crate) fn made(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let new = names(directory)?.into_iter().filter(|name| !self.0.contains(name));
        let files = new.filter(|name| name.as_encoded_bytes().starts_with(b"."));
        Ok(files.map(|name| directory.join(name)).filter(|path| path.is_file()).collect())
    }
}

fn names(directory: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

/// Reads `.agent`, which may begin with a mark of its encoding.
pub(crate) fn agent(directory: &Path) -> io::Result<AgentFile> {
    let text = fs::read_to_string(directory.join(AGENT))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(io::Error::from)
}

/// A registration that is shared already.
pub(crate) fn shared(registration: &Path) -> Option<AgentFile> {
    agent(&registration.join(READY)).ok()
}

/// One of these files that holds a secret, which an agent of today does not write.
pub(crate) fn with_secret<'a>(files: &'a [PathBuf], secret: &SecretString) -> io::Result<Option<&'a PathBuf>> {
    let secret = secret.expose_secret().as_bytes();
    for file in files {
        if fs::read(file)?.windows(secret.len().max(1)).any(|window| window == secret) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Tells the other container that there will be no registration, and why.
pub(crate) fn tell_failure(registration: &Path, why: &str) -> io::Result<()> {
    let not_yet = registration.join(NOT_YET.to_owned() + FAILED);
    fs::write(&not_yet, why)?;
    fs::rename(not_yet, registration.join(FAILED))
}

/// A sidecar that was started again may do better.
pub(crate) fn forget_failure(registration: &Path) {
    // There is hardly ever one, and the worst that comes of one that stays is another pod.
    let _ = fs::remove_file(registration.join(FAILED));
}

/// Shares files.
pub(crate) fn share(files: &[PathBuf], registration: &Path) -> io::Result<()> {
    let (not_yet, ready) = (registration.join(NOT_YET), registration.join(READY));
    for old in [&not_yet, &ready] {
        match fs::remove_dir_all(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::create_dir(&not_yet)?;
    copy(files.iter().filter(|file| !NOT_SHARED.iter().any(|name| file.ends_with(name))), &not_yet)?;
    fs::rename(not_yet, ready)
}

/// Copies files with their permissions; nothing half copied survives the machine.
fn copy<'a>(files: impl IntoIterator<Item = &'a PathBuf>, to: &Path) -> io::Result<()> {
    for file in files {
        let target = to.join(file.file_name().unwrap_or_default());
        fs::copy(file, &target)?;
        File::open(target)?.sync_all()?;
    }
    Ok(())
}

/// Waits until a registration is shared, and puts it into the agent's directory. Says no where the program is asked to
/// end first.
pub(crate) async fn wait_and_take(settings: &Settings, stop: &CancellationToken) -> Result<bool, Failed> {
    let ready = settings.registration.join(READY);
    tracing::info!(directory = %settings.registration.display(), "waiting for the registration");
    let there = async {
        while !ready.is_dir() {
            if let Ok(why) = fs::read_to_string(settings.registration.join(FAILED)) {
                return Err(Failed::Run(format!("the sidecar (`azp-agent register`) has failed: {why}")));
            }
            sleep(LOOK).await;
        }
        Ok(())
    };
    let by = Instant::now() + settings.times.register;
    let waited = tokio::select! {
        waited = timeout_at(by, there) => waited,
        () = stop.cancelled() => {
            tracing::info!("asked to end before there was a registration");
            return Ok(false);
        }
    };
    waited.map_err(|_| {
        Failed::Run(format!(
            "no registration was shared in `{}` within {:?}: look at the log of the sidecar (`azp-agent register`), and \
             that both containers mount the same volume there",
            settings.registration.display(),
            settings.times.register
        ))
    })??;
    let taken = names(&ready).and_then(|names| {
        let files: Vec<PathBuf> = names.into_iter().map(|name| ready.join(name)).collect();
        copy(&files, &settings.directory)
    });
    taken.map_err(|error| {
        Failed::Run(format!(
            "the registration in `{}` can't be copied to `{}` ({error}): run both containers as the same user, and let it \
             write there",
            ready.display(),
            settings.directory.display()
        ))
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_files_with_a_dot_are_shared_and_replace_older_ones() {
        let (agent, registration) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| fs::write(agent.path().join(name), text).unwrap();
        write(".pristine", "");
        let pristine = Pristine::of(agent.path()).unwrap();
        write(".agent", "\u{feff}{\"agentId\":7,\"agentName\":\"pod\",\"poolId\":1}");
        write("svc.sh", "");
        fs::create_dir(agent.path().join(".folder")).unwrap();
        let made = pristine.made(agent.path()).unwrap();
        assert_eq!(made, [agent.path().join(".agent")]);
        write(".env", "VSTS_HTTP_PROXY_PASSWORD=hidden");
        let made = pristine.made(agent.path()).unwrap();
        assert!(shared(registration.path()).is_none());
        for _ in 0..2 {
            share(&made, registration.path()).unwrap();
            assert_eq!(shared(registration.path()).unwrap().agent_id, 7);
        }
        assert_eq!(names(registration.path()).unwrap().len(), 1, "nothing half written is left");
        assert!(
            names(&registration.path().join(READY)).unwrap().into_iter().eq([".agent"]),
            "nor the sidecar's environment"
        );
    }

    #[test]
    fn a_secret_in_a_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".credentials");
        fs::write(&file, "{\"token\": \"hidden\"}").unwrap();
        let files = [file];
        assert!(with_secret(&files, &"hidden".into()).unwrap().is_some());
        assert!(with_secret(&files, &"other".into()).unwrap().is_none());
    }
}
