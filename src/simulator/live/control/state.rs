//! What the control API tells of a world. Times are milliseconds since it began.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::simulator::{
    accounts::Endpoint,
    live::traffic::Traffic,
    organization::{SimulatedAgent, SimulatedRequest},
    world::{PastAgent, PastJob, World},
};

/// A world as it stands, with what is gone.
#[derive(Debug, Serialize)]
pub(super) struct WorldState<'a> {
    now_ms: u128,
    pools: BTreeMap<&'a str, i64>,
    /// By number, which is by age.
    jobs: Vec<Job<'a>>,
    /// By number, which is by age.
    agents: Vec<Agent<'a>>,
    /// Requests that were answered.
    requests: BTreeMap<Endpoint, u64>,
    /// Requests that were turned away.
    refused_requests: u64,
    /// Without headers.
    bytes_sent: u64,
}

#[derive(Debug, Serialize)]
struct Job<'a> {
    id: i64,
    pool: i64,
    name: &'a str,
    state: &'static str,
    /// The agent's name.
    agent: Option<&'a str>,
    queued_ms: u128,
    started_ms: Option<u128>,
    finished_ms: Option<u128>,
}

#[derive(Debug, Serialize)]
struct Agent<'a> {
    id: i64,
    pool: i64,
    name: &'a str,
    ephemeral: bool,
    online: bool,
    busy: bool,
    registered_ms: u128,
    /// When it was unregistered; none while it is registered.
    gone_ms: Option<u128>,
}

impl<'a> WorldState<'a> {
    pub(super) fn of(world: &'a World, traffic: &Traffic) -> Self {
        let names: BTreeMap<i64, &'a str> = world.every_agent().map(|(_, agent, _)| (agent.id, &*agent.name)).collect();
        let mut jobs: Vec<Job<'_>> =
            world.every_job().map(|(pool, job, past)| Job::of(pool, job, past, &names)).collect();
        jobs.sort_by_key(|job| job.id);
        let mut agents: Vec<Agent<'_>> =
            world.every_agent().map(|(pool, agent, gone)| Agent::of(pool, agent, gone)).collect();
        agents.sort_by_key(|agent| agent.id);
        Self {
            now_ms: world.now().as_millis(),
            pools: world.pools().map(|pool| (&*pool.name, pool.id)).collect(),
            jobs,
            agents,
            requests: world.summary().azure_requests,
            refused_requests: traffic.refused(),
            bytes_sent: traffic.sent(),
        }
    }
}

impl<'a> Job<'a> {
    fn of(pool: i64, job: &'a SimulatedRequest, past: Option<&PastJob>, names: &BTreeMap<i64, &'a str>) -> Self {
        let state = match past {
            Some(PastJob { lost: true, .. }) => "lost",
            Some(_) => "done",
            None if job.agent.is_some() => "running",
            None => "queued",
        };
        Self {
            id: job.id.0,
            pool,
            name: &job.kind.job,
            state,
            agent: job.agent.and_then(|agent| names.get(&agent)).copied(),
            queued_ms: job.queued_at.as_millis(),
            started_ms: job.assigned_at.as_ref().map(Duration::as_millis),
            finished_ms: past.map(|past| past.finished_at.as_millis()),
        }
    }
}

impl<'a> Agent<'a> {
    fn of(pool: i64, agent: &'a SimulatedAgent, gone: Option<&PastAgent>) -> Self {
        Self {
            id: agent.id,
            pool,
            name: &agent.name,
            ephemeral: agent.ephemeral,
            online: gone.is_none() && agent.online,
            busy: gone.is_none() && agent.assigned.is_some(),
            registered_ms: agent.created_at.as_millis(),
            gone_ms: gone.map(|gone| gone.gone_at.as_millis()),
        }
    }
}
