//! `azp-scaler placeholder`: placeholders that a person keeps.
//!
//! They are marked like those that a scaler keeps, but as made by hand, so that no scaler removes them. `remove` takes away
//! either kind, and nothing that is no placeholder.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    Failed,
    pool::{OpenPool, PoolArgs, print},
};
use crate::{
    capability::CapabilitySet,
    config::LogFormat,
    placeholder::{Keeper, Mark, Step, Wanted, offered_by, steps},
    telemetry,
    trigger::ScaledJobId,
};

/// Lists, registers and removes the offline agents that let Azure accept jobs while no agent runs
#[derive(Debug, Subcommand)]
pub(super) enum Placeholder {
    /// Lists the placeholders of a pool
    List(List),
    /// Registers one for a ScaledJob, or gives the one that is there these capabilities
    Ensure(Ensure),
    /// Removes those of a ScaledJob, whoever made them; one that a running scaler keeps, it registers again
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    pool: PoolArgs,
}

#[derive(Debug, Args)]
pub(super) struct Ensure {
    #[command(flatten)]
    pool: PoolArgs,

    /// Whose agents it stands for
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = scaled_job)]
    scaled_job: ScaledJobId,

    /// What these agents offer, as in the trigger: `docker, java=17`
    #[arg(long, value_name = "CAPABILITIES", value_parser = capabilities)]
    capabilities: Arc<CapabilitySet>,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    #[command(flatten)]
    pool: PoolArgs,

    /// Whose agents they stand for
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = scaled_job)]
    scaled_job: ScaledJobId,
}

fn scaled_job(text: &str) -> Result<ScaledJobId, String> {
    let legal = |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '/');
    match text.split_once('/') {
        Some((namespace, name)) if legal(namespace) && legal(name) => {
            Ok(ScaledJobId { name: name.into(), namespace: namespace.into() })
        }
        _ => Err("expected a namespace and a name, such as `agents/linux-docker`".to_owned()),
    }
}

fn capabilities(text: &str) -> Result<Arc<CapabilitySet>, String> {
    text.parse().map(Arc::new).map_err(|fault: crate::capability::BadCapabilities| fault.to_string())
}

/// A placeholder as it is told.
#[derive(Debug, Serialize)]
struct Row {
    id: i64,
    name: String,
    namespace: String,
    scaled_job: String,
    managed: bool,
    capabilities: Vec<String>,
}

impl Placeholder {
    pub(super) fn run(self) -> Result<(), Failed> {
        telemetry::start(LogFormat::Text, Some("azp_scaler=info")).map_err(|fault| Failed::Usage(fault.to_string()))?;
        super::run_to_end(async {
            match self {
                Self::List(List { pool }) => list(&pool, &pool.open().await?, None).await,
                Self::Ensure(ensure) => ensure.run().await,
                Self::Remove(remove) => remove.run().await,
            }
        })
    }
}

impl Ensure {
    async fn run(self) -> Result<(), Failed> {
        let pool = self.pool.open().await?;
        let agents = pool.agents().await?;
        let wanted = Wanted { scaled_job: self.scaled_job.clone(), capabilities: Some(self.capabilities) };
        // The placeholders of other ScaledJobs are not asked about, and stay.
        let is_asked = |step: &Step| step.mark().scaled_job == self.scaled_job;
        for step in steps(&[wanted], &agents, Keeper::Person).into_iter().filter(is_asked) {
            pool.client.wait_patiently().await;
            // It may have become an agent since it was listed.
            if let Step::Replace { id, mark, .. } | Step::Remove { id, mark, .. } = &step
                && !pool.client.is_placeholder(&pool.pool, *id, mark).await?
            {
                continue;
            }
            match step {
                Step::Register { name, capabilities, .. } => {
                    pool.client.register_agent(&pool.pool, &name, &capabilities).await?;
                }
                Step::Replace { id, name, capabilities, .. } => {
                    pool.client.replace_agent(&pool.pool, (id, &name), &capabilities).await?;
                }
                Step::Remove { id, name, .. } => pool.client.remove_agent(&pool.pool, (id, &name)).await?,
            }
        }
        list(&self.pool, &pool, Some(&self.scaled_job)).await
    }
}

impl Remove {
    async fn run(self) -> Result<(), Failed> {
        let pool = self.pool.open().await?;
        let agents = pool.agents().await?;
        let marked = agents.iter().filter_map(|agent| Some((agent, Mark::of(agent)?)));
        for (agent, mark) in marked.filter(|(_, mark)| mark.scaled_job == self.scaled_job) {
            pool.client.wait_patiently().await;
            if !pool.client.is_placeholder(&pool.pool, agent.id, &mark).await? {
                tracing::info!(agent = agent.name.as_str(), "not removed: it is no placeholder any more");
                continue;
            }
            pool.client.remove_agent(&pool.pool, (agent.id, agent.name.as_str())).await?;
            tracing::info!(agent = agent.name.as_str(), "removed: a placeholder of {}", self.scaled_job);
        }
        list(&self.pool, &pool, Some(&self.scaled_job)).await
    }
}

/// Prints the placeholders that there are now.
async fn list(args: &PoolArgs, pool: &OpenPool, of: Option<&ScaledJobId>) -> Result<(), Failed> {
    let agents = pool.agents().await?;
    let rows: Vec<Row> = agents
        .iter()
        .filter_map(|agent| Some((agent, Mark::of(agent)?)))
        .filter(|(_, mark)| of.is_none_or(|of| mark.scaled_job == *of))
        .map(|(agent, Mark { scaled_job, keeper })| Row {
            id: agent.id,
            name: agent.name.to_string(),
            namespace: scaled_job.namespace.to_string(),
            scaled_job: scaled_job.name.to_string(),
            managed: keeper == Keeper::Scaler,
            capabilities: offered_by(agent).sorted().into_iter().map(written).collect(),
        })
        .collect();
    let header = ["ID", "NAME", "SCALEDJOB", "KEPT BY", "CAPABILITIES"];
    print(args.output, header, &rows, |row| {
        let keeper = if row.managed { "scaler" } else { "hand" };
        let scaled_job = format!("{}/{}", row.namespace, row.scaled_job);
        [row.id.to_string(), row.name.clone(), scaled_job, keeper.to_owned(), row.capabilities.join(", ")]
    })
}

/// A capability as it is written in a trigger.
fn written((name, value): (&str, &str)) -> String {
    if value.is_empty() { name.to_owned() } else { format!("{name}={value}") }
}
