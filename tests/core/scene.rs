//! A small language for worlds: triggers, jobs and agents in a line each.

use std::{collections::BTreeMap, sync::Arc};

use azp_scaler::{
    agent::{Agent, AgentNamePattern},
    capability::CapabilitySet,
    decision::{Decision, Placement},
    job_request::{JobRequest, Parallelism, RequestId, ReservedAgent, Title},
    parallel_jobs::{Headroom, Ledger, Running, Usage},
    pool::{Pool, Rules},
    snapshot::{Queue, Snapshot},
    trigger::{CapabilitiesFrom, JobsWithoutDemands, ScaledJobId, Strategy, Trigger, TriggerId},
};
use jiff::{SignedDuration, Timestamp};

/// Noon of some day; scenes count seconds from here.
pub(crate) const START: Timestamp = Timestamp::constant(1_790_000_000, 0);

pub(crate) fn at(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

/// A trigger of a ScaledJob with that name, offering that.
pub(crate) fn trigger(name: &str, offers: &str) -> Trigger {
    let scaled_job = ScaledJobId { name: name.into(), namespace: "agents".into() };
    let metadata = BTreeMap::from([("capabilities".to_owned(), offers.to_owned())]);
    Trigger {
        id: TriggerId { scaled_job, metadata: Arc::new(metadata) },
        capabilities: Arc::new(offers.parse().unwrap()),
        parent: None,
        capabilities_from: CapabilitiesFrom::Declared,
        jobs_without_demands: JobsWithoutDemands::Take,
        strategy: Strategy::Default,
        builtin: None,
        agent_names: AgentNamePattern::of_scaled_job(name),
        max_replicas: 10,
        min_replicas: 0,
        priority: 100,
        target: 1,
        activation: 0,
        keeps_placeholder: false,
        hints: Vec::new(),
    }
}

/// A job request before its snapshot is made.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) queued: i64,
    pub(crate) priority: i32,
    pub(crate) demands: Vec<String>,
    pub(crate) parallelism: Option<Parallelism>,
    pub(crate) on: Option<(i64, String)>,
}

pub(crate) fn job(id: i64, demands: &[&str]) -> Job {
    Job {
        id,
        queued: id,
        priority: 0,
        demands: demands.iter().map(|&demand| demand.to_owned()).collect(),
        parallelism: Some(Parallelism::Private),
        on: None,
    }
}

impl Job {
    pub(crate) fn on(mut self, agent: &Agent) -> Self {
        self.on = Some((agent.id, agent.name.as_str().to_owned()));
        self
    }
}

/// Jobs `from`, `from + 1`, … with the same demands.
pub(crate) fn jobs(from: i64, count: usize, demands: &[&str]) -> Vec<Job> {
    (from..).take(count).map(|id| job(id, demands)).collect()
}

/// An online, enabled, idle agent. Its number follows from its name.
pub(crate) fn agent(name: &str, capabilities: &str) -> Agent {
    Agent {
        id: name.bytes().fold(7, |id, byte| (id * 31 + i64::from(byte)) % 1_000_003),
        name: name.into(),
        online: true,
        enabled: true,
        status_changed_at: Some(at(-600)),
        assigned: None,
        last_completed: None,
        capabilities: Arc::new(capabilities.parse::<CapabilitySet>().unwrap()),
    }
}

pub(crate) fn offline(agent: Agent, for_seconds: i64) -> Agent {
    Agent { online: false, status_changed_at: Some(at(-for_seconds)), ..agent }
}

pub(crate) fn finished_one(agent: Agent) -> Agent {
    Agent { last_completed: Some(RequestId(1)), ..agent }
}

/// An organisation that may run so many private jobs at once, of which so many run in pools that nobody asks about.
pub(crate) fn limited(limit: u32, running: u32, headroom: u32) -> Arc<Ledger> {
    let ledger = Arc::new(Ledger::new(Headroom::Jobs(headroom)));
    limit_to(&ledger, limit, running);
    ledger
}

pub(crate) fn limit_to(ledger: &Ledger, limit: u32, running: u32) {
    let usage = Usage { limit: Some(limit), running: Running::Total(running) };
    ledger.learn(Parallelism::Private, Some(usage));
}

/// A pool, settling for so long, of an organisation without limits.
pub(crate) fn pool(settle: SignedDuration) -> Pool {
    Pool::new(7, Rules { settle, ..Rules::default() }, Arc::new(Ledger::new(Headroom::Quarter)))
}

/// One look at a pool.
pub(crate) fn snapshot(seconds: i64, jobs: &[Job], agents: &[Agent]) -> Arc<Snapshot> {
    let mut queue = Queue::default();
    for job in jobs {
        let request = JobRequest {
            id: RequestId(job.id),
            queued_at: Some(at(job.queued - 1_000_000)),
            assigned_at: None,
            priority: job.priority,
            demands: queue.intern(&job.demands),
            agent: job.on.as_ref().map(|(id, name)| ReservedAgent {
                id: *id,
                name: name.as_str().into(),
                offline: false,
            }),
            received: false,
            lists_matched_agents: true,
            parallelism: job.parallelism,
            title: Title::default(),
        };
        queue.jobs.push(request);
    }
    let mut agents = agents.to_vec();
    agents.sort_by(|one, other| one.name.cmp_by_text(&other.name));
    Arc::new(Snapshot::new(at(seconds), queue, at(seconds), Arc::new(agents)))
}

/// A look whose agents were listed before its jobs.
pub(crate) fn with_older_agents(jobs: &[Job], agents: &[Agent]) -> Arc<Snapshot> {
    Arc::new(Snapshot { agents_at: at(-9), ..(*snapshot(0, jobs, agents)).clone() })
}

/// A pool with its triggers, settled, and time that goes on with each look.
pub(crate) struct Scene {
    pub(crate) pool: Pool,
    pub(crate) triggers: Vec<Arc<Trigger>>,
    pub(crate) seconds: i64,
}

impl Scene {
    pub(crate) fn new(triggers: impl IntoIterator<Item = Trigger>) -> Self {
        Self::of(pool(SignedDuration::from_secs(5)), triggers)
    }

    /// A pool of an organisation with limits.
    pub(crate) fn under(ledger: &Arc<Ledger>, triggers: impl IntoIterator<Item = Trigger>) -> Self {
        let rules = Rules { settle: SignedDuration::from_secs(5), ..Rules::default() };
        Self::of(Pool::new(7, rules, Arc::clone(ledger)), triggers)
    }

    pub(crate) fn of(mut pool: Pool, triggers: impl IntoIterator<Item = Trigger>) -> Self {
        let triggers: Vec<_> = triggers.into_iter().map(Arc::new).collect();
        for trigger in &triggers {
            // A trigger may be refused until the agents are there.
            let _ = pool.ask(trigger, &snapshot(-10, &[], &[]), at(-10));
        }
        Self { pool, triggers, seconds: 0 }
    }

    /// Time passes, in which all triggers go on asking once a second about the same jobs and agents; the last answer.
    pub(crate) fn look_for(&mut self, seconds: i64, jobs: &[Job], agents: &[Agent]) -> (Vec<u64>, Arc<Decision>) {
        for _ in 1..seconds {
            self.look(jobs, agents);
        }
        self.look(jobs, agents)
    }

    /// All triggers ask about the same look; what each is told, in the order of the triggers, and the decision.
    pub(crate) fn look(&mut self, jobs: &[Job], agents: &[Agent]) -> (Vec<u64>, Arc<Decision>) {
        let snapshot = snapshot(self.seconds, jobs, agents);
        self.seconds += 1;
        let now = at(self.seconds);
        let values =
            self.triggers.iter().map(|trigger| self.pool.ask(trigger, &snapshot, now).unwrap().value).collect();
        (values, Arc::clone(self.pool.current().unwrap()))
    }
}

/// Where the job with this number goes.
pub(crate) fn placement(decision: &Decision, id: i64) -> Placement {
    let place = decision.snapshot.jobs.iter().position(|job| job.id == RequestId(id)).unwrap();
    decision.jobs[place]
}

/// How many jobs have a decision of this name.
pub(crate) fn count(decision: &Decision, label: &str) -> usize {
    decision.jobs.iter().filter(|placement| placement.label() == label).count()
}

/// The name of the ScaledJob that starts an agent for the job with this number.
pub(crate) fn starter(decision: &Decision, id: i64) -> Option<&str> {
    match placement(decision, id) {
        Placement::Assigned { trigger } => Some(&decision.triggers[trigger as usize].trigger.id.scaled_job.name),
        _ => None,
    }
}
