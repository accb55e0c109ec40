//! `config.sh`: told everything by its environment, and let finish.

use std::{
    io,
    process::{Command, ExitStatus},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use super::{Fault, RIGHTS, Registrar};
use crate::{
    child::{Event, Script},
    environment::{self, INPUT},
    settings::Settings,
};

/// How long it may take.
const CONFIGURED_WITHIN: Duration = Duration::from_mins(2);

impl Registrar<'_> {
    /// Runs `config.sh`.
    pub(super) async fn configure(&self, token: &SecretString) -> Result<(), Fault> {
        let mut script = Script::start(&mut self.command(token))
            .map_err(|error| Fault::Lasting(format!("`config.sh` can't be started: {error}")))?;
        tracing::info!(pool = self.settings.pool, name = self.settings.name, "registering");
        let ended = timeout(CONFIGURED_WITHIN, ended(&mut script)).await;
        let said = script.last_words().replace(token.expose_secret(), "…");
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Fault::Passing(format!("`config.sh` ended with {status}, saying {said}; {RIGHTS}"))),
            Ok(Err(error)) => Err(Fault::Passing(format!("`config.sh` can't be watched: {error}"))),
            Err(_) => {
                script.kill();
                Err(Fault::Passing(format!(
                    "`config.sh` has not ended within {CONFIGURED_WITHIN:?} and was killed, saying {said}: check the \
                     network and the proxy"
                )))
            }
        }
    }

    fn command(&self, token: &SecretString) -> Command {
        let Settings { pool, name, work, directory, .. } = self.settings;
        let mut command = Command::new(directory.join("config.sh"));
        environment::hand_on(command.arg("--unattended").current_dir(directory));
        let inputs = [
            ("URL", self.url.as_str()),
            ("AUTH", "PAT"),
            ("TOKEN", token.expose_secret()),
            ("POOL", pool),
            ("AGENT", name),
            ("WORK", work),
            ("REPLACE", "true"),
            ("ACCEPTTEEEULA", "true"),
        ];
        let authority = self.authority.as_deref().map(|path| ("SSLCACERT", path));
        command.envs(inputs.into_iter().chain(authority).map(|(name, value)| (format!("{INPUT}{name}"), value)));
        command
    }
}

async fn ended(script: &mut Script) -> io::Result<ExitStatus> {
    loop {
        if let Event::Ended(status) = script.next().await? {
            return Ok(status);
        }
    }
}
