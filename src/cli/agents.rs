//! `azp-scaler agents`: a pool's registrations, and the end of those that are dead.
//!
//! What to remove is judged by [`cleaning`](crate::cleaning). Which names are one's own is said by whoever asks: a running scaler
//! knows its triggers, but a person who cleans a pool must see the pattern that is meant.

mod row;

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::{
    Failed, help,
    pool::{OpenPool, PoolArgs, print},
};
use row::{HEADER, Row};

use crate::{
    agent::AgentNamePattern,
    app,
    cleaning::{Rules, Verdict, judge},
    config::LogFormat,
    telemetry,
};

/// Between two removals.
const PACE: Duration = Duration::from_millis(500);

/// Lists the agents of a pool, and removes registrations that are dead
#[derive(Debug, Subcommand)]
pub(super) enum Agents {
    /// Lists the agents of a pool, and which of them `clean` would remove
    List(List),
    /// Removes own agents that are offline and spent, or offline for long; says which, and removes them with --yes
    Clean(Clean),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    pool: PoolArgs,

    /// The names of your own agents, `*` for anything; may be given again
    #[arg(long = "pattern", value_name = "PATTERN")]
    patterns: Vec<AgentNamePattern>,

    #[command(flatten)]
    limit: Limit,
}

#[derive(Debug, Args)]
#[command(after_long_help = help::CLEAN, after_help = "--help says what is never removed.")]
pub(super) struct Clean {
    #[command(flatten)]
    pool: PoolArgs,

    /// The names of your own agents, `*` for anything, such as `linux-docker-*`; may be given again
    #[arg(long = "pattern", value_name = "PATTERN", required = true)]
    patterns: Vec<AgentNamePattern>,

    #[command(flatten)]
    limit: Limit,

    /// Remove them; without it nothing is changed
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct Limit {
    /// An own agent that never had a job is dead after so long offline; at least 10m
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time)]
    offline_for: SignedDuration,
}

fn time(text: &str) -> Result<SignedDuration, String> {
    let least = SignedDuration::from_mins(10);
    let time = text.parse::<SignedDuration>().ok().filter(|time| *time >= least);
    time.ok_or_else(|| "expected a length of time from `10m` on, such as `1h` or `2h30m`".to_owned())
}

impl Agents {
    pub(super) fn run(self) -> Result<(), Failed> {
        telemetry::start(LogFormat::Text, Some("azp_scaler=info")).map_err(|fault| Failed::Usage(fault.to_string()))?;
        super::run_to_end(async {
            match self {
                Self::List(list) => list.run().await,
                Self::Clean(clean) => clean.run().await,
            }
        })
    }
}

impl List {
    async fn run(self) -> Result<(), Failed> {
        let pool = self.pool.open().await?;
        let rules = Rules { own: self.patterns, offline_for: self.limit.offline_for };
        let now = app::clock().now();
        let rows: Vec<Row> =
            pool.agents().await?.iter().map(|agent| Row::of(agent, judge(agent, &rules, now))).collect();
        print(self.pool.output, HEADER, &rows, Row::cells)
    }
}

impl Clean {
    async fn run(self) -> Result<(), Failed> {
        let pool = self.pool.open().await?;
        let rules = Rules { own: self.patterns, offline_for: self.limit.offline_for };
        let clock = app::clock();
        let judged = pool.agents().await?;
        let judged = judged.iter().map(|agent| (agent, judge(agent, &rules, clock.now())));
        let mut rows: Vec<Row> = judged
            .filter(|(_, verdict)| matches!(verdict, Verdict::Dead(_)))
            .map(|(agent, verdict)| Row::of(agent, verdict))
            .collect();
        let mut failed = None;
        if self.yes {
            for row in &mut rows {
                row.removed = Some(false);
                match remove(&pool, row.id, &rules, clock.now()).await {
                    Ok(removed) => row.removed = Some(removed),
                    Err(fault) => failed = Some(fault),
                }
                if failed.is_some() {
                    break;
                }
                sleep(PACE).await;
            }
        }
        print(self.pool.output, HEADER, &rows, Row::cells)?;
        if !self.yes && !rows.is_empty() {
            tracing::info!("nothing was changed: {} would be removed with --yes", rows.len());
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Removes an agent that is dead at this moment; false where it is not any more.
async fn remove(pool: &OpenPool, id: i64, rules: &Rules, now: Timestamp) -> Result<bool, Failed> {
    pool.client.wait_patiently().await;
    let Some(agent) = pool.client.agent(&pool.pool, id).await? else { return Ok(false) };
    let verdict = judge(&agent, rules, now);
    let name = agent.name.as_str();
    if !matches!(verdict, Verdict::Dead(_)) {
        tracing::info!(agent = name, "not removed: {verdict}");
        return Ok(false);
    }
    pool.client.remove_agent(&pool.pool, (id, name)).await?;
    tracing::info!(agent = name, "removed: {verdict}");
    Ok(true)
}
