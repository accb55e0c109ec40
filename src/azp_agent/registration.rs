//! Registering the agent and removing it: the only place that holds the credential.
//!
//! `config.sh` gets its arguments by its environment, the token among them, and only there. Azure is asked for the pool
//! first, so that a wrong token, pool or address is told in words before `config.sh` fails by them.

mod config_sh;

use std::{io, path::Path, time::Duration};

use azp_scaler::{
    app::clock,
    azure_devops::{
        client::Client,
        decode::{AgentReader, PoolReference},
    },
    caseless::Caseless,
    metrics::Metrics,
    pools::{Failure, FailureClass, PoolSelector},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Failed,
    files::{self, Pristine},
    leaving::{Door, Leave},
    pauses::Pauses,
    settings::Settings,
};

/// What the credential must allow.
const RIGHTS: &str =
    "the token needs the scope Agent Pools (read & manage), and its user the role Administrator on the pool";

/// A credential that is refused when the registration is to be removed is shown again no longer than this.
const REFUSED_FOR: Duration = Duration::from_mins(2);

/// Who registers and removes.
pub(crate) struct Registrar<'a> {
    settings: &'a Settings,
    client: Client,
    url: String,
    authority: Option<String>,
}

/// An agent that is registered.
#[derive(Debug)]
pub(crate) struct Registered {
    pool: PoolReference,
    agent: i64,
}

/// Why an attempt to register failed.
enum Fault {
    /// Another one may do.
    Passing(String),
    /// Every other one fails, too.
    Lasting(String),
}

impl<'a> Registrar<'a> {
    /// None where the settings have no credential. Nothing is sent.
    pub(crate) fn new(settings: &'a Settings) -> Result<Option<Self>, Failed> {
        let Some(organization) = &settings.organization else { return Ok(None) };
        let bad = |fault: &dyn std::fmt::Display| Failed::Usage(format!("AZP_URL and what belongs to it: {fault}"));
        let url = organization.base().map_err(|fault| bad(&fault))?.to_string();
        let client = Client::new(organization, clock(), Metrics::new()).map_err(|fault| bad(&fault))?;
        let authority = organization.certificate_authority.as_ref().map(|path| path.display().to_string());
        Ok(Some(Self { settings, client, url, authority }))
    }

    /// Registers the agent, or finds that a sidecar before this one has, and shares its files. None where the program is
    /// asked to end before.
    pub(crate) async fn register_and_share(&self, stop: &CancellationToken) -> Result<Option<Registered>, Failed> {
        if let Some(known) = files::shared(&self.settings.registration).filter(|known| self.is_own(&known.agent_name)) {
            tracing::info!(
                agent = known.agent_id,
                "registered already: the registration is shared since an earlier start"
            );
            return Ok(Some(self.registered(&known)));
        }
        self.register_with(stop, Some(&self.settings.registration)).await
    }

    /// Registers the agent for this container. None where the program is asked to end before.
    pub(crate) async fn register(&self, stop: &CancellationToken) -> Result<Option<Registered>, Failed> {
        self.register_with(stop, None).await
    }

    async fn register_with(
        &self,
        stop: &CancellationToken,
        share: Option<&Path>,
    ) -> Result<Option<Registered>, Failed> {
        let directory = &self.settings.directory;
        let unreadable =
            |error| Failed::Run(format!("AZP_AGENT_DIRECTORY: `{}` can't be read: {error}", directory.display()));
        let pristine = Pristine::of(directory).map_err(unreadable)?;
        let mut pauses = Pauses::until(Instant::now() + self.settings.times.register);
        let mut pool = None;
        loop {
            let attempt = self.attempt(&mut pool, &pristine, share, stop).await;
            let (why, pause) = match attempt {
                Ok(Some(registered)) => {
                    tracing::info!(agent = registered.agent, name = self.settings.name, "registered");
                    return Ok(Some(registered));
                }
                Ok(None) => return self.give_up(pool.as_ref(), None).await,
                Err(Fault::Lasting(why)) => return self.give_up(pool.as_ref(), Some(why)).await,
                Err(Fault::Passing(why)) => match pauses.next(Instant::now(), self.client.patience_left()) {
                    Some(pause) => (why, pause),
                    None => return self.give_up(pool.as_ref(), Some(why)).await,
                },
            };
            tracing::warn!("not registered: {why}: the next attempt is in {pause:?}");
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return self.give_up(pool.as_ref(), None).await,
            }
        }
    }

    /// One attempt; none where the program is asked to end before `config.sh` is started. Once that runs it is let finish,
    /// so that it is known what there is to remove. `pool` is where an agent may have been registered by it.
    async fn attempt(
        &self,
        pool: &mut Option<PoolReference>,
        pristine: &Pristine,
        share: Option<&Path>,
        stop: &CancellationToken,
    ) -> Result<Option<Registered>, Fault> {
        let selector = PoolSelector::Name(Caseless::new(&self.settings.pool));
        let ready = async { Ok((self.client.pool(&selector).await?, self.client.token().await?)) };
        let (found, token) = tokio::select! {
            ready = ready => ready.map_err(|failure: Failure| fault(&failure))?,
            () = stop.cancelled() => return Ok(None),
        };
        let directory = &self.settings.directory;
        let file = |error: io::Error| Fault::Lasting(format!("the files in `{}`: {error}", directory.display()));
        for old in pristine.made(directory).map_err(file)? {
            std::fs::remove_file(old).map_err(file)?;
        }
        *pool = Some(found);
        self.configure(&token).await?;
        let made = pristine.made(directory).map_err(file)?;
        if let Some(with_secret) = files::with_secret(&made, &token).map_err(file)? {
            return Err(Fault::Lasting(format!(
                "`config.sh` has written the token into `{}`, which the job could read: use a version of the agent and of \
                 the server that exchange it for a key",
                with_secret.display()
            )));
        }
        let agent = files::agent(directory).map_err(file)?;
        if let Some(registration) = share {
            files::share(&made, registration).map_err(|error| {
                Fault::Lasting(format!("the registration can't be written to `{}`: {error}", registration.display()))
            })?;
        }
        Ok(Some(self.registered(&agent)))
    }

    fn is_own(&self, name: &str) -> bool {
        Caseless::new(name) == Caseless::new(&self.settings.name)
    }

    fn registered(&self, known: &files::AgentFile) -> Registered {
        let pool = PoolReference { id: known.pool_id, name: self.settings.pool.as_str().into() };
        Registered { pool, agent: known.agent_id }
    }

    /// There is to be no agent: removes the one that a `config.sh` may have registered before it failed. `why` is the
    /// failure, where it is one.
    async fn give_up(&self, pool: Option<&PoolReference>, why: Option<String>) -> Result<Option<Registered>, Failed> {
        if let Some(pool) = pool {
            match self.client.agents(pool, &mut AgentReader::default()).await {
                Ok(agents) => {
                    let own = agents.iter().find(|agent| self.is_own(agent.name.as_str()) && !agent.online);
                    if let Some(agent) = own {
                        self.remove(&Registered { pool: pool.clone(), agent: agent.id }).await?;
                    }
                }
                Err(failure) => tracing::warn!("not known whether something is left to remove: {failure}"),
            }
        }
        if let Some(why) = why {
            return Err(Failed::Run(format!("not registered: {why}")));
        }
        tracing::info!("asked to end before the agent was registered");
        Ok(None)
    }

    /// Where the container of the job asks.
    pub(crate) fn open_door(&self) -> io::Result<Door> {
        Door::open(&self.settings.registration)
    }

    /// Lets Azure give the agent no further job, and looks whether it has one.
    pub(crate) async fn leave(&self, registered: &Registered) -> Leave {
        let Registered { pool, agent } = registered;
        let left = async {
            self.client.disable_agent(pool, (*agent, &self.settings.name)).await?;
            self.client.agent(pool, *agent).await
        };
        match left.await {
            Ok(Some(agent)) if agent.assigned.is_some() => Leave::HasAJob,
            Ok(_) => Leave::Free,
            Err(failure) => {
                tracing::warn!("not known whether the agent has just been given a job: {failure}");
                Leave::Unknown
            }
        }
    }

    /// Removes the registration.
    pub(crate) async fn remove(&self, registered: &Registered) -> Result<(), Failed> {
        let Registered { pool, agent } = registered;
        let begun = Instant::now();
        let mut pauses = Pauses::until(begun + self.settings.times.remove);
        loop {
            let Err(failure) = self.client.remove_agent(pool, (*agent, &self.settings.name)).await else {
                tracing::info!(agent, "the registration is removed");
                return Ok(());
            };
            let pause = match failure.class {
                FailureClass::Forbidden => None,
                FailureClass::NotSignedIn if begun.elapsed() >= REFUSED_FOR => None,
                _ => pauses.next(Instant::now(), self.client.patience_left()),
            };
            let Some(pause) = pause else {
                return Err(Failed::Run(format!(
                    "the registration of agent `{}` ({agent}) in pool `{}` is left behind: {failure}; {RIGHTS}; remove it \
                     under Organization settings, Agent pools",
                    self.settings.name, pool.name
                )));
            };
            tracing::warn!("not removed: {failure}: the next attempt is in {pause:?}");
            sleep(pause).await;
        }
    }
}

/// What a failure of Azure's means for another attempt. A credential that is refused is not shown again and again.
fn fault(failure: &Failure) -> Fault {
    let lasting = matches!(failure.class, FailureClass::NotSignedIn | FailureClass::Forbidden | FailureClass::NotFound);
    if lasting { Fault::Lasting(format!("{failure}; {RIGHTS}")) } else { Fault::Passing(failure.to_string()) }
}
