//! A world in virtual time with the real decision core in it: as fast as it goes, and the same every time.
//!
//! ```text
//! World ──KEDA polls S──▶ VirtualRun ──wire types──▶ decode ──▶ Snapshot ──▶ [Pool::ask] ──▶ Answer
//!   ▲                                                                                                │
//!   └────────────────────── KEDA creates, `latency` later ◀──────────────────────────────────────────┘
//! ```
//!
//! What stands between Azure and the core in the real program (requests, freshness, answers that take time) is imitated
//! here in the least that matters: answers are converted by the client's own code, a snapshot serves all who ask while it is
//! fresh, and the world moves on before KEDA acts.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::SignedDuration;

use super::{
    accounts::Endpoint,
    answers::{self, AgentDetails},
    claims::Basis,
    keda::Reply,
    plan::{Millis, Plan, ScaledJobPlan},
    world::World,
};
use crate::{
    agent::{Agent, AgentNamePattern},
    azure_devops::decode::{self, AgentReader, Limit, NotTheAnswer},
    azure_devops::wire::List,
    decision::Decision,
    job_request::{JobRequest, Parallelism},
    parallel_jobs::{Headroom, Ledger, Usage},
    pool::{Pool, Rules},
    snapshot::Snapshot,
    trigger::{JobsWithoutDemands, Strategy, Trigger, TriggerId},
};

/// What stands between Azure, the scaler and KEDA.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// A snapshot this old still serves.
    pub fresh_for: Duration,
    /// Agents are asked for this often though nothing is queued.
    pub background: Duration,
    /// From Azure's answer to KEDA acting on it, in milliseconds.
    pub latency: Millis,
    /// How long a pool waits for all its triggers to have asked.
    pub settle: SignedDuration,
}

/// How often the scaler asks what its pools share.
const LICENCES_ARE_ASKED_FOR: Duration = Duration::from_secs(10);

/// A world with a scaler.
#[derive(Debug)]
pub struct VirtualRun {
    /// The world.
    pub world: World,
    conditions: Conditions,
    random: fastrand::Rng,
    triggers: Vec<Arc<Trigger>>,
    pools: BTreeMap<i64, ScalerPool>,
    /// What its pools share, and when it was asked for.
    ledger: Arc<Ledger>,
    licences_at: Option<Duration>,
    /// Answers on their way to KEDA.
    on_the_way: BTreeMap<(Duration, usize), Option<(Reply, Basis)>>,
}

/// What the scaler knows of one pool.
#[derive(Debug)]
struct ScalerPool {
    core: Pool,
    reader: AgentReader,
    agents: Option<(Duration, Arc<Vec<Agent>>)>,
    snapshot: Option<(Duration, Arc<Snapshot>)>,
}

impl VirtualRun {
    /// A world at its beginning, and a scaler that has just started.
    #[must_use]
    pub fn new(plan: Plan, conditions: Conditions) -> Self {
        let names: BTreeMap<i64, &str> = plan.pools.iter().map(|pool| (pool.id, &*pool.name)).collect();
        let triggers = plan.scaled_jobs.iter().map(|scaled_job| {
            let pool = names.get(&scaled_job.pool).copied().unwrap_or_default();
            Arc::new(trigger(scaled_job, scaled_job.metadata(&plan.organization, pool)))
        });
        let ledger = Arc::new(Ledger::new(Headroom::Quarter));
        Self {
            triggers: triggers.collect(),
            pools: plan.pools.iter().map(|pool| (pool.id, ScalerPool::new(pool.id, &conditions, &ledger))).collect(),
            ledger,
            licences_at: None,
            // A stream of its own, so that the world's draws don't depend on who drives it.
            random: fastrand::Rng::with_seed(!plan.seed),
            world: World::new(plan),
            conditions,
            on_the_way: BTreeMap::new(),
        }
    }

    /// Lets everything happen up to a moment.
    pub fn run_until(&mut self, moment: Duration) {
        loop {
            let arrives = self.on_the_way.keys().next().map(|(at, _)| *at);
            let next = [self.world.next_at(), arrives].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= moment) else { break };
            let mut polled = Vec::new();
            self.world.run_until(next, |_, scaled_job| polled.push(scaled_job));
            for scaled_job in polled {
                self.poll(scaled_job);
            }
            while let Some(entry) = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= next) {
                let ((_, scaled_job), told) = entry.remove_entry();
                match told {
                    Some((reply, basis)) => self.world.reply(scaled_job, reply, &basis),
                    None => self.world.reply_failed(scaled_job),
                }
            }
        }
        self.world.run_until(moment, |_, _| {});
    }

    /// Stops arrivals and goes on until every job that some trigger fits has run, at most for so long. Says whether it
    /// came to that.
    pub fn drain(&mut self, at_most: Duration) -> bool {
        self.world.stop_arrivals();
        let end = self.world.now() + at_most;
        while !self.world.is_drained() && self.world.now() < end {
            self.run_until(self.world.now() + Duration::from_secs(1));
        }
        self.world.is_drained()
    }

    /// The decision in force of a pool.
    #[must_use]
    pub fn decision(&self, pool: i64) -> Option<Arc<Decision>> {
        self.pools.get(&pool)?.core.current().cloned()
    }

    /// Asks how many parallel jobs there are, if it is time to.
    fn learn_licences(&mut self) {
        let now = self.world.now();
        if self.licences_at.is_some_and(|at| now.saturating_sub(at) < LICENCES_ARE_ASKED_FOR) {
            return;
        }
        self.licences_at = Some(now);
        for parallelism in Parallelism::ALL {
            self.world.count_request(Endpoint::ResourceUsage);
            let told = decode::usage_of(answers::resource_usage(&self.world, parallelism, true).read());
            let limit = told.limit.and_then(|limit| if let Limit::Jobs(jobs) = limit { Some(jobs) } else { None });
            self.ledger.learn(parallelism, Some(Usage { limit, running: told.running }));
        }
    }

    fn poll(&mut self, scaled_job: usize) {
        self.learn_licences();
        let trigger = &self.triggers[scaled_job];
        let id = self.world.plan().scaled_jobs[scaled_job].pool;
        let (Some(pool), now) = (self.pools.get_mut(&id), self.world.timestamp(self.world.now())) else { return };
        let told = pool.look(&mut self.world, id, &self.conditions).ok().and_then(|(seen_at, snapshot)| {
            let answer = pool.core.ask(trigger, &snapshot, now).ok()?;
            let decision = pool.core.current()?;
            #[expect(clippy::cast_precision_loss, reason = "a count of jobs is far below 2⁵²")]
            let reply = Reply { value: answer.value as f64, target: f64::from(trigger.target), active: answer.active };
            Some((reply, Basis::of(decision, &trigger.id.scaled_job, seen_at)))
        });
        let latency = Duration::from_millis(self.random.u64(self.conditions.latency.clone()));
        self.on_the_way.insert((self.world.now() + latency, scaled_job), told);
    }
}

impl ScalerPool {
    fn new(id: i64, conditions: &Conditions, ledger: &Arc<Ledger>) -> Self {
        let rules = Rules { settle: conditions.settle, ..Rules::default() };
        Self {
            core: Pool::new(id, rules, Arc::clone(ledger)),
            reader: AgentReader::default(),
            agents: None,
            snapshot: None,
        }
    }

    /// A fresh snapshot: jobs first, then agents if something is queued or it is time to.
    fn look(
        &mut self,
        world: &mut World,
        pool_id: i64,
        conditions: &Conditions,
    ) -> Result<(Duration, Arc<Snapshot>), NotTheAnswer> {
        let now = world.now();
        if let Some(known) =
            self.snapshot.as_ref().filter(|(seen_at, _)| now.saturating_sub(*seen_at) <= conditions.fresh_for)
        {
            return Ok(known.clone());
        }
        world.count_request(Endpoint::JobRequests);
        let known = self
            .agents
            .as_ref()
            .filter(|(asked_at, _)| now.saturating_sub(*asked_at) <= conditions.background)
            .cloned();
        let Some(pool) = world.pool(pool_id) else { return Err(NotTheAnswer::NoObject) };
        let requests = pool.requests.values().map(|request| answers::job_request(world, pool, request));
        let queue = decode::queue_of(List::from(requests.collect::<Vec<_>>()));
        let something_is_queued = queue.jobs.iter().any(JobRequest::is_queued);
        let (agents_at, agents) = match known {
            Some(known) if !something_is_queued => known,
            _ => {
                let agents = pool.agents.values().map(|agent| answers::agent(world, agent, AgentDetails::ALL));
                let agents = self.reader.agents_of(List::from(agents.collect::<Vec<_>>()))?;
                world.count_request(Endpoint::Agents);
                (now, Arc::new(agents))
            }
        };
        self.agents = Some((agents_at, Arc::clone(&agents)));
        let snapshot = Snapshot::new(world.timestamp(now), queue, world.timestamp(agents_at), agents);
        let looked = (now, Arc::new(snapshot));
        self.snapshot = Some(looked.clone());
        Ok(looked)
    }
}

/// The trigger that the gRPC edge would read out of the metadata. The core knows KEDA's default strategy only.
fn trigger(plan: &ScaledJobPlan, metadata: BTreeMap<String, String>) -> Trigger {
    Trigger {
        id: TriggerId { scaled_job: plan.id.clone(), metadata: Arc::new(metadata) },
        capabilities: Arc::new(plan.capabilities.clone()),
        parent: None,
        jobs_without_demands: JobsWithoutDemands::Take,
        strategy: Strategy::Default,
        builtin: None,
        agent_names: AgentNamePattern::of_scaled_job(&plan.id.name),
        max_replicas: plan.scaling.max_replicas,
        min_replicas: plan.scaling.min_replicas,
        priority: 100,
        target: 1,
        activation: 0,
        hints: Vec::new(),
    }
}
