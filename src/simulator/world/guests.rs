//! What comes to a world from outside: pools, and agents without a Kubernetes Job; and what is remembered of agents and
//! jobs that are gone, for those who ask.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{EVERY_AGENT_HAS, World};
use crate::{
    capability::CapabilitySet,
    caseless::same,
    simulator::{
        agenda::Event,
        organization::{Registered, SimulatedAgent, SimulatedPool, SimulatedRequest},
        story::Happening,
    },
};

/// An agent that somebody outside starts.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Unique in its pool.
    pub name: Arc<str>,
    /// What it registers with.
    pub capabilities: CapabilitySet,
    /// How long after its one job it is no longer registered; none where it takes job after job.
    pub leaves_after: Option<Duration>,
    /// Whether it has a session.
    pub online: bool,
}

/// Agents from outside, and what is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Guests {
    leaves_after: BTreeMap<i64, Duration>,
    past: Option<Past>,
}

/// What is gone; it grows with time.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Jobs that have run or were lost.
    pub jobs: Vec<PastJob>,
    /// Agents that are no longer registered.
    pub agents: Vec<PastAgent>,
}

/// A job that has run or was lost.
#[derive(Clone, Debug)]
pub struct PastJob {
    /// Azure's number of its pool.
    pub pool: i64,
    /// As it was last.
    pub request: SimulatedRequest,
    /// When it was over.
    pub finished_at: Duration,
    /// Whether its agent was gone before it had run.
    pub lost: bool,
}

/// An agent that is no longer registered.
#[derive(Clone, Debug)]
pub struct PastAgent {
    /// Azure's number of its pool.
    pub pool: i64,
    /// As it was last.
    pub agent: SimulatedAgent,
    /// When its registration was removed.
    pub gone_at: Duration,
}

impl Guests {
    pub(super) fn remember_job(&mut self, pool: i64, request: &SimulatedRequest, finished_at: Duration, lost: bool) {
        if let Some(past) = &mut self.past {
            past.jobs.push(PastJob { pool, request: request.clone(), finished_at, lost });
        }
    }
}

impl World {
    /// From now on jobs and agents that are gone are remembered.
    pub fn remember(&mut self) {
        self.guests.past.get_or_insert_default();
    }

    /// What is gone since [`Self::remember`].
    #[must_use]
    pub fn past(&self) -> Option<&Past> {
        self.guests.past.as_ref()
    }

    /// Azure's number for the pool of this name, which is made if it isn't there.
    pub fn pool_named(&mut self, name: &str) -> i64 {
        if let Some(known) = self.pools.values().find(|pool| same(&pool.name, name)) {
            return known.id;
        }
        let id = self.pools.keys().last().map_or(1, |last| last + 1);
        self.pools.insert(id, SimulatedPool::new(id, name.into()));
        id
    }

    /// Azure's numbers for the pool and the agent of these names, where that agent is registered.
    #[must_use]
    pub fn agent_named(&self, pool: &str, name: &str) -> Option<(i64, i64)> {
        let pool = self.pools.values().find(|candidate| same(&candidate.name, pool))?;
        let agent = pool.agents.values().find(|agent| same(&agent.name, name))?;
        Some((pool.id, agent.id))
    }

    /// An agent from outside registers; its number.
    pub fn guest_registers(&mut self, pool: i64, guest: Guest) -> i64 {
        let id = self.next_agent;
        self.next_agent += 1;
        let registered = Arc::new(Registered::new(guest.capabilities.over(&CapabilitySet::new(EVERY_AGENT_HAS))));
        let ephemeral = guest.leaves_after.is_some();
        let mut agent = SimulatedAgent::new(id, Arc::clone(&guest.name), registered, ephemeral, self.now);
        agent.online = guest.online;
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.register(agent);
        }
        if let Some(after) = guest.leaves_after {
            self.guests.leaves_after.insert(id, after);
        }
        self.tell(Happening::Agent { agent: guest.name, did: "registers" });
        self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool });
        id
    }

    /// Somebody registers an agent that is offline, with nothing but these capabilities; its number, unless the name is taken.
    pub fn register_offline(&mut self, pool: i64, name: &str, capabilities: CapabilitySet) -> Option<i64> {
        let pool = self.pools.get_mut(&pool)?;
        if pool.agents.values().any(|agent| same(&agent.name, name)) {
            return None;
        }
        let id = self.next_agent;
        self.next_agent += 1;
        let registered = Arc::new(Registered::new(capabilities));
        let mut agent = SimulatedAgent::new(id, name.into(), registered, false, self.now);
        agent.online = false;
        pool.register(agent);
        self.tell(Happening::Agent { agent: name.into(), did: "is registered, offline" });
        Some(id)
    }

    /// An agent that is offline is said to offer something else; false where there is none.
    pub fn registers_with(&mut self, pool: i64, agent: i64, capabilities: CapabilitySet) -> bool {
        let Some(pool) = self.pools.get_mut(&pool) else { return false };
        let Some(mut agent) = pool.agents.get(&agent).filter(|agent| !agent.online).cloned() else { return false };
        agent.registered = Arc::new(Registered::new(capabilities));
        pool.register(agent);
        true
    }

    /// An agent is to get jobs, or none; false where there is no such agent.
    pub fn lets_take_jobs(&mut self, pool: i64, agent: i64, enabled: bool) -> bool {
        let Some(pool) = self.pools.get_mut(&pool).filter(|pool| pool.agents.contains_key(&agent)) else {
            return false;
        };
        pool.change(agent, |agent| agent.enabled = enabled);
        true
    }

    /// An agent is no longer registered; a job that it runs is lost.
    pub fn guest_leaves(&mut self, pool_id: i64, agent: i64) {
        let Some(pool) = self.pools.get_mut(&pool_id) else { return };
        let Some(mut gone) = pool.agents.get(&agent).cloned() else { return };
        gone.online = false;
        pool.unregister(agent);
        self.guests.leaves_after.remove(&agent);
        if let Some(request) = gone.assigned {
            self.lose(pool_id, request);
        }
        self.tell(Happening::Agent { agent: Arc::clone(&gone.name), did: "is unregistered" });
        if let Some(past) = &mut self.guests.past {
            past.agents.push(PastAgent { pool: pool_id, agent: gone, gone_at: self.now });
        }
    }

    /// An agent without a Kubernetes Job has run a job. Says whether it was its last.
    pub(super) fn guest_has_run(&mut self, pool: i64, agent: i64) -> bool {
        let Some(after) = self.guests.leaves_after.get(&agent) else { return false };
        self.agenda.enter(self.now + *after, Event::GuestLeaves { pool, agent });
        true
    }

    /// An agent of this number that is no longer registered, as far as is remembered.
    pub(crate) fn agent_gone(&self, id: i64) -> Option<&SimulatedAgent> {
        let mut past = self.guests.past.iter().flat_map(|past| &past.agents);
        past.find(|gone| gone.agent.id == id).map(|gone| &gone.agent)
    }

    /// A job of a pool that waits, runs or is gone.
    pub fn every_job(&self) -> impl Iterator<Item = (i64, &SimulatedRequest, Option<&PastJob>)> {
        let here = self.pools.values().flat_map(|pool| pool.requests.values().map(|request| (pool.id, request, None)));
        let past = self.guests.past.iter().flat_map(|past| &past.jobs);
        here.chain(past.map(|job| (job.pool, &job.request, Some(job))))
    }

    /// An agent that is registered or was.
    pub fn every_agent(&self) -> impl Iterator<Item = (i64, &SimulatedAgent, Option<&PastAgent>)> {
        let here = self.pools.values().flat_map(|pool| pool.agents.values().map(|agent| (pool.id, agent, None)));
        let past = self.guests.past.iter().flat_map(|past| &past.agents);
        here.chain(past.map(|gone| (gone.pool, &gone.agent, Some(gone))))
    }
}
