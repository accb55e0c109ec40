//! The simulated organisation: pools with agents and job requests, and Azure's own way of bringing them together.
//!
//! Azure serves the oldest job first, and gives it to any idle agent that satisfies it, whatever the agent was started
//! for. The state changes here and nowhere else; *when* it changes is the [`world`](super::world)'s affair.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::value::{RawValue, to_raw_value};

use super::plan::JobKind;
use crate::{
    capability::CapabilitySet,
    demand::DemandSet,
    job_request::{Parallelism, RequestId},
};

/// A pool of the organisation. Moments are counted from the world's beginning.
#[derive(Clone, Debug)]
pub struct SimulatedPool {
    /// Azure's number.
    pub id: i64,
    /// Its name.
    pub name: Arc<str>,
    /// Registered agents by number.
    pub agents: BTreeMap<i64, SimulatedAgent>,
    /// Unfinished job requests by number, which is by age, too.
    pub requests: BTreeMap<RequestId, SimulatedRequest>,
    /// Queued requests, for each set of demands and each parallelism.
    queued: Vec<BTreeSet<RequestId>>,
    idle: BTreeSet<i64>,
    fits: Fits,
}

/// A registered agent.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct SimulatedAgent {
    /// Azure's number.
    pub id: i64,
    /// Its name.
    pub name: Arc<str>,
    /// What it registered with.
    pub registered: Arc<Registered>,
    /// Whether it has a session.
    pub online: bool,
    /// Whether it may take jobs.
    pub enabled: bool,
    /// Whether it leaves after one job.
    pub ephemeral: bool,
    /// Whether it takes no jobs, though it seems to.
    pub hung: bool,
    /// When it registered.
    pub created_at: Duration,
    /// When `online` last changed.
    pub status_changed_at: Duration,
    /// Since when it has had no job.
    pub free_since: Duration,
    /// The request that it has been given.
    pub assigned: Option<RequestId>,
    /// The request that it finished last.
    pub last_completed: Option<RequestId>,
    set: usize,
}

/// What agents that are alike register with.
#[derive(Debug)]
pub struct Registered {
    /// The capabilities.
    pub capabilities: CapabilitySet,
    /// The same as a JSON map, made once.
    pub json: Box<RawValue>,
}

/// An unfinished job request.
#[derive(Clone, Debug)]
pub struct SimulatedRequest {
    /// Azure's number.
    pub id: RequestId,
    /// What it is.
    pub kind: JobKind,
    /// When it was queued.
    pub queued_at: Duration,
    /// When an agent was reserved for it.
    pub assigned_at: Option<Duration>,
    /// When that agent had received it.
    pub received_at: Option<Duration>,
    /// The reserved agent.
    pub agent: Option<i64>,
    set: usize,
}

/// Which sets of demands which sets of capabilities satisfy, worked out once each.
#[derive(Clone, Debug, Default)]
struct Fits {
    demands: Vec<Wanted>,
    registered: Vec<Arc<Registered>>,
    known: BTreeMap<(usize, usize), bool>,
}

/// What jobs want that are alike to Azure.
#[derive(Clone, Debug)]
struct Wanted {
    texts: Arc<[Box<str>]>,
    demands: DemandSet,
    parallelism: Parallelism,
}

impl Registered {
    /// Makes the JSON of some capabilities.
    ///
    /// # Panics
    ///
    /// Never: a map of texts is always JSON.
    #[must_use]
    pub fn new(capabilities: CapabilitySet) -> Self {
        let map: BTreeMap<&str, &str> = capabilities.sorted().into_iter().collect();
        let json = to_raw_value(&map).expect("a map of texts is JSON");
        Self { capabilities, json }
    }
}

impl SimulatedAgent {
    fn is_idle(&self) -> bool {
        let spent = self.ephemeral && self.last_completed.is_some();
        self.online && self.enabled && !self.hung && self.assigned.is_none() && !spent
    }
}

impl SimulatedPool {
    /// An empty pool.
    #[must_use]
    pub fn new(id: i64, name: Arc<str>) -> Self {
        Self {
            id,
            name,
            agents: BTreeMap::new(),
            requests: BTreeMap::new(),
            queued: Vec::new(),
            idle: BTreeSet::new(),
            fits: Fits::default(),
        }
    }

    /// Whether the request waits for an agent.
    #[must_use]
    pub fn is_queued(&self, request: RequestId) -> bool {
        self.requests.get(&request).is_some_and(|request| request.agent.is_none())
    }

    /// The requests that wait for an agent, oldest first.
    pub fn queued(&self) -> impl Iterator<Item = &SimulatedRequest> {
        self.requests.values().filter(|request| request.agent.is_none())
    }

    /// The registered agents that satisfy a request, the offline and the disabled ones included.
    pub fn matched_agents(&self, request: RequestId) -> impl Iterator<Item = &SimulatedAgent> {
        let demands = &self.fits.demands[self.requests[&request].set].demands;
        self.agents.values().filter(move |agent| agent.registered.capabilities.satisfies(demands))
    }

    /// Registers an agent.
    pub fn register(&mut self, mut agent: SimulatedAgent) {
        agent.set = self.fits.capability_set(&agent.registered);
        if agent.is_idle() {
            self.idle.insert(agent.id);
        }
        self.agents.insert(agent.id, agent);
    }

    /// Queues a job.
    pub fn queue(&mut self, id: RequestId, kind: JobKind, at: Duration) {
        let set = self.fits.demand_set(&kind);
        let request =
            SimulatedRequest { id, kind, queued_at: at, assigned_at: None, received_at: None, agent: None, set };
        self.requests.insert(id, request);
        self.queued.resize_with(self.fits.demands.len(), BTreeSet::new);
        self.queued[set].insert(id);
    }

    /// The oldest queued request that may run and that an idle agent satisfies, with one such agent.
    pub fn choose(
        &mut self,
        random: &mut fastrand::Rng,
        may_run: impl Fn(Parallelism) -> bool,
    ) -> Option<(RequestId, i64)> {
        let Self { queued, idle, agents, fits, .. } = self;
        let mut served = |&(set, _): &(usize, RequestId)| {
            may_run(fits.demands[set].parallelism) && idle.iter().any(|agent| fits.satisfied(set, agents[agent].set))
        };
        let oldest = queued.iter().enumerate().filter_map(|(set, ids)| Some((set, *ids.first()?)));
        let (set, request) = oldest.filter(&mut served).min_by_key(|(_, id)| *id)?;
        let able: Vec<i64> = idle.iter().copied().filter(|agent| fits.satisfied(set, agents[agent].set)).collect();
        random.choice(able).map(|agent| (request, agent))
    }

    /// Reserves an agent for a request.
    pub fn assign(&mut self, request: RequestId, agent: i64, at: Duration) {
        if let (Some(request), Some(agent)) = (self.requests.get_mut(&request), self.agents.get_mut(&agent)) {
            request.assigned_at = Some(at);
            request.agent = Some(agent.id);
            agent.assigned = Some(request.id);
            self.queued[request.set].remove(&request.id);
            self.idle.remove(&agent.id);
        }
    }

    /// The reserved agent has received its job.
    pub fn receive(&mut self, request: RequestId, at: Duration) {
        if let Some(request) = self.requests.get_mut(&request) {
            request.received_at = Some(at);
        }
    }

    /// A job has run: its request is gone, and its agent is free or spent.
    pub fn finish(&mut self, request: RequestId, at: Duration) -> Option<SimulatedRequest> {
        let request = self.requests.remove(&request)?;
        if let Some(agent) = request.agent.and_then(|agent| self.agents.get_mut(&agent)) {
            agent.assigned = None;
            agent.last_completed = Some(request.id);
            agent.free_since = at;
            if agent.is_idle() {
                self.idle.insert(agent.id);
            }
        }
        Some(request)
    }

    /// A request that still waits is gone; one that has an agent stays.
    pub fn cancel(&mut self, request: RequestId) -> Option<SimulatedRequest> {
        let set = self.requests.get(&request)?.set;
        if !self.queued[set].remove(&request) {
            return None;
        }
        self.requests.remove(&request)
    }

    /// An agent loses its session.
    pub fn go_offline(&mut self, agent: i64, at: Duration) {
        self.change(agent, |agent| {
            agent.online = false;
            agent.status_changed_at = at;
        });
    }

    /// Changes what an agent is.
    pub fn change(&mut self, agent: i64, change: impl FnOnce(&mut SimulatedAgent)) {
        if let Some(changed) = self.agents.get_mut(&agent) {
            change(changed);
            if changed.is_idle() {
                self.idle.insert(agent);
            } else {
                self.idle.remove(&agent);
            }
        }
    }

    /// An agent that holds a job is given another one that it satisfies, the oldest.
    pub fn second_job(&mut self, agent: i64, may_run: impl Fn(Parallelism) -> bool) -> Option<RequestId> {
        let Self { queued, agents, fits, .. } = self;
        let set = agents.get(&agent)?.set;
        let oldest = queued.iter().enumerate().filter_map(|(wanted, ids)| Some((wanted, *ids.first()?)));
        let fit =
            oldest.filter(|(wanted, _)| may_run(fits.demands[*wanted].parallelism) && fits.satisfied(*wanted, set));
        fit.map(|(_, id)| id).min()
    }

    /// An agent's registration is removed.
    pub fn unregister(&mut self, agent: i64) {
        self.idle.remove(&agent);
        self.agents.remove(&agent);
    }
}

impl SimulatedAgent {
    /// An agent that registers now.
    #[must_use]
    pub fn new(id: i64, name: Arc<str>, registered: Arc<Registered>, ephemeral: bool, at: Duration) -> Self {
        Self {
            id,
            name,
            registered,
            online: true,
            enabled: true,
            ephemeral,
            hung: false,
            created_at: at,
            status_changed_at: at,
            free_since: at,
            assigned: None,
            last_completed: None,
            set: 0,
        }
    }
}

impl Fits {
    fn demand_set(&mut self, kind: &JobKind) -> usize {
        let JobKind { demands, parallelism, .. } = kind;
        self.demands.iter().position(|have| have.texts == *demands && have.parallelism == *parallelism).unwrap_or_else(
            || {
                let (texts, demands) = (Arc::clone(demands), DemandSet::parse(demands.iter()));
                self.demands.push(Wanted { texts, demands, parallelism: *parallelism });
                self.demands.len() - 1
            },
        )
    }

    fn capability_set(&mut self, registered: &Arc<Registered>) -> usize {
        self.registered.iter().position(|have| have.capabilities == registered.capabilities).unwrap_or_else(|| {
            self.registered.push(Arc::clone(registered));
            self.registered.len() - 1
        })
    }

    fn satisfied(&mut self, demands: usize, capabilities: usize) -> bool {
        *self
            .known
            .entry((demands, capabilities))
            .or_insert_with(|| self.registered[capabilities].capabilities.satisfies(&self.demands[demands].demands))
    }
}
