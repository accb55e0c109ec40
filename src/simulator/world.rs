//! A world one can step: organisation and cluster together, from event to event, with KEDA's polls as the one thing that
//! is asked of whoever drives it.
//!
//! ```text
//! [Plan] ──▶ World ──poll of a ScaledJob──▶ driver ──asks a scaler──▶ Reply ──▶ World creates Kubernetes Jobs
//! ```
//!
//! Moments are counted from the world's beginning. Nothing here reads a clock: the driver says how far to go.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    accounts::{Accounts, Endpoint, Summary},
    agenda::{Agenda, Event},
    claims::{self, Basis, Taker},
    cluster::{Cluster, JobKey, SimulatedScaledJob, Stage},
    keda::{Reply, jobs_to_create},
    licences::Licences,
    organization::{Registered, SimulatedAgent, SimulatedPool},
    plan::{JobKind, Millis, Plan},
    story::{Happening, Story},
};
use crate::{
    capability::CapabilitySet,
    demand::DemandSet,
    job_request::{Parallelism, RequestId},
};

/// What every agent registers with, whatever its trigger declares.
const EVERY_AGENT_HAS: [(&str, &str); 2] = [("Agent.Version", "4.275.0"), ("Agent.OS", "Linux")];

/// A simulated organisation and a simulated cluster.
#[derive(Clone, Debug)]
pub struct World {
    plan: Plan,
    now: Duration,
    random: fastrand::Rng,
    agenda: Agenda,
    pools: BTreeMap<i64, SimulatedPool>,
    licences: Licences,
    cluster: Cluster,
    accounts: Accounts,
    story: Story,
    arrivals_stopped: bool,
    next_request: i64,
    next_agent: i64,
}

impl World {
    /// A world at its beginning.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let every_agent_has = CapabilitySet::new(EVERY_AGENT_HAS);
        let mut world = Self {
            now: Duration::ZERO,
            random: fastrand::Rng::with_seed(plan.seed),
            agenda: Agenda::default(),
            pools: BTreeMap::new(),
            licences: Licences::new(plan.parallel_jobs),
            cluster: Cluster::default(),
            accounts: Accounts::default(),
            story: Story::default(),
            arrivals_stopped: false,
            next_request: 1,
            next_agent: 1,
            plan,
        };
        for pool in &world.plan.pools {
            let mut simulated = SimulatedPool::new(pool.id, Arc::clone(&pool.name));
            for agent in &pool.agents {
                let registered = Arc::new(Registered::new(agent.capabilities.over(&every_agent_has)));
                let name = Arc::clone(&agent.name);
                let mut simulated_agent =
                    SimulatedAgent::new(world.next_agent, name, registered, false, Duration::ZERO);
                (simulated_agent.online, simulated_agent.enabled) = (agent.online, agent.enabled);
                simulated.register(simulated_agent);
                world.next_agent += 1;
            }
            world.pools.insert(pool.id, simulated);
            if !pool.arrivals.kinds.is_empty() {
                let at = draw(&mut world.random, &pool.arrivals.every);
                world.agenda.enter(at, Event::Arrival { pool: pool.id });
            }
        }
        for (place, plan) in world.plan.scaled_jobs.iter().enumerate() {
            let registers_with = Arc::new(Registered::new(plan.capabilities.over(&every_agent_has)));
            world.cluster.scaled_jobs.push(SimulatedScaledJob { plan: plan.clone(), registers_with });
            let interval = u64::try_from(plan.polling_interval.as_millis()).unwrap_or(u64::MAX);
            let phase = draw(&mut world.random, &(0..=interval));
            world.agenda.enter(phase, Event::Poll { scaled_job: place });
        }
        world
    }

    /// As planned.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How long the world has gone on.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The time of a moment.
    #[must_use]
    pub fn timestamp(&self, moment: Duration) -> Timestamp {
        let since = SignedDuration::try_from(moment).unwrap_or(SignedDuration::MAX);
        self.plan.begins_at.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    /// The moment of a time; the beginning for what was before.
    #[must_use]
    pub fn moment(&self, time: Timestamp) -> Duration {
        Duration::try_from(time.duration_since(self.plan.begins_at)).unwrap_or_default()
    }

    /// A pool of the organisation.
    #[must_use]
    pub fn pool(&self, id: i64) -> Option<&SimulatedPool> {
        self.pools.get(&id)
    }

    /// All pools.
    pub fn pools(&self) -> impl Iterator<Item = &SimulatedPool> {
        self.pools.values()
    }

    /// How many jobs may run at once, and how many run, in all pools.
    #[must_use]
    pub fn parallel_jobs(&self, parallelism: Parallelism) -> (Option<u32>, u32) {
        (self.licences.limit(parallelism), self.licences.used(parallelism))
    }

    /// Sets how many jobs may run at once from now on; jobs that run go on.
    pub fn set_parallel_jobs(&mut self, parallelism: Parallelism, limit: Option<u32>) {
        self.licences.set_limit(parallelism, limit);
        let waiting = self.pools.values().flat_map(|pool| std::iter::repeat_n(pool.id, pool.queued().count()));
        for pool in waiting.collect::<Vec<_>>() {
            self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool });
        }
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What happened, in words; the earliest events of a long story are left out.
    #[must_use]
    pub fn story(&self) -> String {
        self.story.to_string()
    }

    /// The last events in words, latest last.
    #[must_use]
    pub fn last_events(&self, count: usize) -> Vec<String> {
        self.story.last(count)
    }

    /// When something happens next.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.agenda.next_at()
    }

    /// Lets everything happen up to a moment. `poll` is called whenever KEDA polls the ScaledJob at that place; it may
    /// answer at once by [`Self::reply`], or later, or never.
    pub fn run_until(&mut self, moment: Duration, mut poll: impl FnMut(&mut Self, usize)) {
        while let Some((at, event)) = self.agenda.take_until(moment) {
            self.now = at;
            if let Event::Poll { scaled_job } = event {
                let interval = self.cluster.scaled_jobs[scaled_job].plan.polling_interval;
                self.agenda.enter(at + interval, event);
                poll(self, scaled_job);
            } else {
                self.happen(event);
            }
        }
        self.now = self.now.max(moment);
    }

    /// The scaler has answered a poll: KEDA creates what is missing by its arithmetic. `basis` is what the decision
    /// wanted of this ScaledJob; it only serves to tell why agents come to be surplus.
    pub fn reply(&mut self, scaled_job: usize, reply: Reply, basis: &Basis) {
        let count = self.cluster.count(scaled_job);
        let plan = &self.cluster.scaled_jobs[scaled_job].plan;
        let created = jobs_to_create(&plan.scaling, reply, count);
        if created == 0 {
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, for people only")]
        let value = reply.value.ceil() as u64;
        let scaled_job_id = plan.id.clone();
        let pool = plan.pool;
        self.tell(Happening::Created { scaled_job: scaled_job_id, count: created, value, running: count.running });
        let age = self.now.saturating_sub(basis.seen_at);
        let is_queued = |request| self.pools.get(&pool).is_some_and(|pool| pool.is_queued(request));
        for claim in claims::claim(&mut self.cluster, scaled_job, created, basis, age, is_queued) {
            let job = self.cluster.create(scaled_job, claim, &mut self.random);
            self.enter_after(self.plan.delays.pod_start.clone(), Event::PodStart { job });
        }
    }

    /// The scaler has answered a poll with an error, or not at all: KEDA starts nothing.
    pub fn reply_failed(&mut self, scaled_job: usize) {
        self.accounts.failed_polls += 1;
        let scaled_job = self.cluster.scaled_jobs[scaled_job].plan.id.clone();
        self.tell(Happening::Failed { scaled_job });
    }

    /// Queues a job now.
    pub fn queue(&mut self, pool: i64, kind: JobKind) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        if !self.some_trigger_fits(pool, &kind) {
            self.accounts.jobs_no_trigger_fits += 1;
        }
        if let Some(patience) = kind.cancelled_after.clone() {
            self.enter_after(patience, Event::Cancellation { pool, request: id });
        }
        let (job, demands) = (Arc::clone(&kind.job), Arc::clone(&kind.demands));
        self.tell(Happening::Queued { request: id, job, demands });
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.queue(id, kind, self.now);
        }
        self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool });
        id
    }

    /// No more jobs arrive by themselves.
    pub fn stop_arrivals(&mut self) {
        if !self.arrivals_stopped {
            self.arrivals_stopped = true;
            self.tell(Happening::ArrivalsStopped);
        }
    }

    /// Whether every job that some trigger fits has run or was cancelled, and no more arrive.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.arrivals_stopped
            && self
                .pools
                .values()
                .all(|pool| pool.requests.values().all(|request| !self.some_trigger_fits(pool.id, &request.kind)))
    }

    /// Counts a request to Azure DevOps.
    pub fn count_request(&mut self, endpoint: Endpoint) {
        *self.accounts.requests.entry(endpoint).or_default() += 1;
    }

    /// The world summed up as it stands; an agent that has no job yet counts as surplus unless its job waits for it.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let unused = self.cluster.jobs.values().filter(|job| job.is_unused());
        let causes = unused.map(|job| {
            let pool = self.pools.get(&self.cluster.scaled_jobs[job.scaled_job].plan.pool);
            job.claim.cause_of_surplus(|request| pool.is_some_and(|pool| pool.is_queued(request)))
        });
        self.accounts.sum_up(self.now, self.cluster.created, causes)
    }

    fn some_trigger_fits(&self, pool: i64, kind: &JobKind) -> bool {
        let demands = DemandSet::parse(kind.demands.iter());
        let mut scaled_jobs = self.cluster.scaled_jobs.iter().filter(|scaled_job| scaled_job.plan.pool == pool);
        scaled_jobs.any(|scaled_job| scaled_job.registers_with.capabilities.satisfies(&demands))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival { pool } => self.jobs_arrive(pool),
            Event::Assignment { pool } => self.azure_assigns(pool),
            Event::Receipt { pool, request } => {
                if let Some(pool) = self.pools.get_mut(&pool) {
                    pool.receive(request, self.now);
                }
            }
            Event::JobEnd { pool, request } => self.job_ends(pool, request),
            Event::Cancellation { pool, request } => {
                let gone = self.pools.get_mut(&pool).and_then(|pool| pool.cancel(request));
                if gone.is_some() {
                    claims::cancelled(&mut self.cluster.jobs, request);
                    self.accounts.jobs_cancelled += 1;
                    self.tell(Happening::Cancelled { request });
                }
            }
            Event::PodStart { job } => {
                self.enter_stage(job, Stage::Registering);
                self.enter_after(self.plan.delays.registration.clone(), Event::Registration { job });
            }
            Event::Registration { job } => self.agent_registers(job),
            Event::Leaving { job } => {
                self.of_agent(job, "goes offline", SimulatedPool::go_offline);
                self.enter_after(self.plan.delays.job_end.clone(), Event::KubernetesJobEnd { job });
            }
            Event::KubernetesJobEnd { job } => {
                self.enter_stage(job, Stage::Finished);
                self.enter_after(self.plan.delays.linger.clone(), Event::Unregistration { job });
            }
            Event::Unregistration { job } => {
                self.of_agent(job, "is unregistered", |pool, agent, _| pool.unregister(agent));
                self.cluster.jobs.remove(&job);
            }
            Event::Poll { .. } => {}
        }
    }

    fn jobs_arrive(&mut self, pool: i64) {
        let Some(plan) = self.plan.pools.iter().find(|plan| plan.id == pool).filter(|_| !self.arrivals_stopped) else {
            return;
        };
        let arrivals = plan.arrivals.clone();
        for _ in 0..self.random.u32(arrivals.at_once) {
            let total: u32 = arrivals.kinds.iter().map(|kind| kind.weight).sum();
            let mut drawn = self.random.u32(..total.max(1));
            let kind = arrivals.kinds.iter().find(|kind| {
                let found = drawn < kind.weight;
                drawn = drawn.saturating_sub(kind.weight);
                found
            });
            if let Some(kind) = kind {
                self.queue(pool, kind.clone());
            }
        }
        self.enter_after(arrivals.every, Event::Arrival { pool });
    }

    /// Azure makes one choice; each choice that becomes possible has an entry of its own on the agenda.
    fn azure_assigns(&mut self, pool_id: i64) {
        let Some(pool) = self.pools.get_mut(&pool_id) else { return };
        let Some((request, agent)) = pool.choose(&mut self.random, |parallelism| self.licences.allow(parallelism))
        else {
            return;
        };
        let chosen = &pool.agents[&agent];
        let (name, free_since) = (Arc::clone(&chosen.name), chosen.free_since);
        pool.assign(request, agent, self.now);
        let assigned = &pool.requests[&request];
        self.licences.take(assigned.kind.parallelism);
        self.accounts.waited(self.now.saturating_sub(assigned.queued_at));
        let runs_for = assigned.kind.runs_for.clone();
        let job = self.cluster.job_of_agent(agent);
        if let Some(job) = job {
            self.accounts.jobs_on_started_agents += 1;
            self.enter_stage(job, Stage::Busy);
        }
        claims::taken(&mut self.cluster.jobs, request, Taker { job, free_since });
        self.tell(Happening::Assigned { request, agent: name });
        let received = draw(&mut self.random, &self.plan.delays.receipt);
        let ended = received + draw(&mut self.random, &runs_for);
        self.agenda.enter(self.now + received, Event::Receipt { pool: pool_id, request });
        self.agenda.enter(self.now + ended, Event::JobEnd { pool: pool_id, request });
    }

    fn job_ends(&mut self, pool: i64, request: RequestId) {
        let finished = self.pools.get_mut(&pool).and_then(|pool| pool.finish(request, self.now));
        let Some((agent, kind)) = finished.and_then(|request| Some((request.agent?, request.kind))) else { return };
        if self.licences.give_back(kind.parallelism) {
            // Any pool's oldest job may be the one that waited for it.
            for pool in self.pools.keys().copied().collect::<Vec<_>>() {
                self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool });
            }
        }
        self.accounts.jobs_run += 1;
        self.tell(Happening::Ran { request });
        if let Some(job) = self.cluster.job_of_agent(agent) {
            self.enter_stage(job, Stage::Leaving);
            self.enter_after(self.plan.delays.leaving.clone(), Event::Leaving { job });
        } else {
            self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool });
        }
    }

    fn agent_registers(&mut self, key: JobKey) {
        let Some(job) = self.cluster.jobs.get_mut(&key) else { return };
        let scaled_job = &self.cluster.scaled_jobs[job.scaled_job];
        let pool_id = scaled_job.plan.pool;
        let registered = Arc::clone(&scaled_job.registers_with);
        let id = self.next_agent;
        self.next_agent += 1;
        job.agent = Some(id);
        job.stage = Stage::Idle;
        let name = Arc::clone(&job.pod);
        if let Some(pool) = self.pools.get_mut(&pool_id) {
            pool.register(SimulatedAgent::new(id, Arc::clone(&name), registered, true, self.now));
        }
        self.tell(Happening::Agent { agent: name, did: "registers" });
        self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool: pool_id });
    }

    fn enter_stage(&mut self, job: JobKey, stage: Stage) {
        if let Some(job) = self.cluster.jobs.get_mut(&job) {
            job.stage = stage;
        }
    }

    fn of_agent(&mut self, job: JobKey, did: &'static str, change: impl Fn(&mut SimulatedPool, i64, Duration)) {
        let Some(job) = self.cluster.jobs.get(&job) else { return };
        let pool = self.pools.get_mut(&self.cluster.scaled_jobs[job.scaled_job].plan.pool);
        if let Some((pool, agent)) = pool.zip(job.agent) {
            change(pool, agent, self.now);
            let agent = Arc::clone(&job.pod);
            self.tell(Happening::Agent { agent, did });
        }
    }

    fn enter_after(&mut self, delay: Millis, event: Event) {
        let delay = draw(&mut self.random, &delay);
        self.agenda.enter(self.now + delay, event);
    }

    fn tell(&mut self, happening: Happening) {
        self.story.tell(self.now, happening);
    }
}

fn draw(random: &mut fastrand::Rng, from: &Millis) -> Duration {
    Duration::from_millis(random.u64(from.clone()))
}
