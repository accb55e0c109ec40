//! One look at a pool: its unfinished job requests and its agents, made consistent.
//!
//! Azure is asked twice, for jobs and then for agents, and the world moves between the two answers. [`Snapshot::new`]
//! mends that tear: a queued job that an agent holds is running, and one that an agent has finished is gone.
//!
//! Pure: the edge that asked says when.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    agent::Agent,
    demand::DemandSet,
    job_request::{JobRequest, RequestId, ReservedAgent},
};

/// A pool at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When Azure was asked for the jobs; the answer may know more, never less.
    pub taken_at: Timestamp,
    /// Unfinished job requests in the order in which they are served.
    pub jobs: Vec<JobRequest>,
    /// What the jobs ask for, each set once.
    pub demand_sets: Vec<DemandSet>,
    /// Registered agents, by name.
    pub agents: Arc<Vec<Agent>>,
    /// When Azure was asked for the agents: not later than for the jobs where nothing was queued.
    pub agents_at: Timestamp,
}

impl Snapshot {
    /// Puts the two answers together.
    #[must_use]
    pub fn new(taken_at: Timestamp, queue: Queue, agents_at: Timestamp, agents: Arc<Vec<Agent>>) -> Self {
        let Queue { mut jobs, demand_sets, .. } = queue;
        if agents_at >= taken_at || planted!(MendedFromOlder) {
            mend_the_tear(&mut jobs, &agents);
        }
        jobs.sort_unstable_by_key(JobRequest::order);
        Self { taken_at, jobs, demand_sets, agents, agents_at }
    }

    /// What a job asks for.
    #[must_use]
    pub fn demands_of(&self, job: &JobRequest) -> &DemandSet {
        &self.demand_sets[job.demands as usize]
    }

    /// Whether the list of agents knows everything that the list of jobs knows.
    #[must_use]
    pub fn agents_are_as_new_as_jobs(&self) -> bool {
        self.agents_at >= self.taken_at
    }
}

/// The agents were asked after the jobs, so where the two differ they are right.
fn mend_the_tear(jobs: &mut Vec<JobRequest>, agents: &[Agent]) {
    let finished: HashSet<RequestId> = agents.iter().filter_map(|agent| agent.last_completed).collect();
    jobs.retain(|job| !finished.contains(&job.id) || planted!(FinishedNotMended));
    let holders: HashMap<RequestId, &Agent> =
        agents.iter().filter_map(|agent| Some((agent.assigned?, agent))).collect();
    for job in jobs.iter_mut().filter(|job| job.is_queued() && !planted!(AssignedNotMended)) {
        job.agent = holders.get(&job.id).map(|agent| ReservedAgent {
            id: agent.id,
            name: agent.name.clone(),
            offline: !agent.online,
        });
    }
}

/// Job requests as an answer is read: the same demands are kept once.
#[derive(Debug, Default)]
pub struct Queue {
    /// The unfinished job requests, in any order.
    pub jobs: Vec<JobRequest>,
    demand_sets: Vec<DemandSet>,
    by_text: HashMap<Box<str>, u32>,
    key: String,
}

impl Queue {
    /// The place of these demands among the demand sets.
    ///
    /// # Panics
    ///
    /// Never with fewer than 2³² different sets, which no answer has room for.
    pub fn intern<T: AsRef<str>>(&mut self, demands: &[T]) -> u32 {
        self.key.clear();
        for text in demands {
            self.key.push_str(text.as_ref());
            self.key.push('\0');
        }
        if let Some(&place) = self.by_text.get(self.key.as_str()) {
            return place;
        }
        let place = u32::try_from(self.demand_sets.len()).expect("fewer than 2³² demand sets");
        self.demand_sets.push(DemandSet::parse(demands));
        self.by_text.insert(self.key.as_str().into(), place);
        place
    }
}
