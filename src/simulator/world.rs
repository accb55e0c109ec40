//! A world one can step: organisation and cluster together, from event to event, with KEDA's polls as the one thing that
//! is asked of whoever drives it.
//!
//! ```text
//! [Plan] ──▶ World ──poll of a ScaledJob──▶ driver ──asks a scaler──▶ Reply ──▶ World creates Kubernetes Jobs
//! ```
//!
//! Moments are counted from the world's beginning. Nothing here reads a clock: the driver says how far to go.

mod azure;
mod guests;
mod pods;
mod trouble;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use self::guests::Guests;
pub use self::{
    guests::{Guest, Past, PastAgent, PastJob},
    pods::BROKEN_IMAGE,
};
use super::{
    accounts::{Accounts, Endpoint, Summary},
    agenda::{Agenda, Event},
    claims::{self, Basis, Cause},
    cluster::{Cluster, SimulatedScaledJob},
    faults::{Fate, Faults},
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
    /// Until when KEDA does not poll.
    keda_down_until: Duration,
    /// When something last happened that makes a scaler lose what it knew.
    upheaval: Option<Duration>,
    /// Jobs whose agents are gone, and which Azure has not given up yet.
    lost: BTreeSet<RequestId>,
    guests: Guests,
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
            keda_down_until: Duration::ZERO,
            upheaval: None,
            lost: BTreeSet::new(),
            guests: Guests::default(),
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
            world.cluster.scaled_jobs.push(SimulatedScaledJob {
                plan: plan.clone(),
                registers_with,
                edits: 0,
                paused: false,
                deleted: false,
                broken: None,
            });
            let interval = u64::try_from(plan.polling_interval.as_millis()).unwrap_or(u64::MAX);
            let phase = draw(&mut world.random, &(0..=interval));
            world.agenda.enter(phase, Event::Poll { scaled_job: place });
        }
        let Faults { until, disturbances, .. } = &world.plan.faults;
        for (place, (at, _)) in disturbances.iter().enumerate().filter(|(_, (at, _))| at < until) {
            world.agenda.enter(*at, Event::Disturbance { place });
        }
        if !world.plan.faults.until.is_zero() {
            world.agenda.enter(world.plan.faults.until, Event::Calm);
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
        self.azure_looks_again();
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Whether KEDA is down, and so asks nothing.
    #[must_use]
    pub fn keda_is_down(&self) -> bool {
        self.now < self.keda_down_until
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
                let SimulatedScaledJob { paused, deleted, .. } = self.cluster.scaled_jobs[scaled_job];
                if !paused && !deleted && at >= self.keda_down_until {
                    poll(self, scaled_job);
                }
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
        let created =
            if self.cluster.scaled_jobs[scaled_job].deleted { 0 } else { jobs_to_create(&plan.scaling, reply, count) };
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
        for claim in claims::claim(&mut self.cluster, scaled_job, created, basis, age, self.upheaval, is_queued) {
            self.create(scaled_job, claim);
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
        let unused = self.cluster.jobs.values().filter(|job| !job.used);
        let causes = unused.map(|job| {
            let pool = self.pools.get(&self.cluster.scaled_jobs[job.scaled_job].plan.pool);
            job.claim.cause_of_surplus(|request| pool.is_some_and(|pool| pool.is_queued(request)))
        });
        let left = self.accounts.left_unused.iter().map(|cause| Some(*cause));
        self.accounts.sum_up(self.now, self.cluster.created, causes.chain(left))
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
            Event::LeaseEnd { pool, request } => self.lease_ends(pool, request),
            Event::PodStart { job } => self.pod_starts(job),
            Event::Failure { job } => self.kill(job, Cause::Fault(Fate::FailsAtOnce)),
            Event::Eviction { job } => self.kill(job, Cause::Fault(Fate::Evicted)),
            Event::Registration { job } => self.agent_registers(job),
            Event::GivingUp { job } => self.gives_up(job),
            Event::Session { job, online } => self.session_changes(job, online),
            Event::Leaving { job } => self.leaves(job),
            Event::KubernetesJobEnd { job } => self.kubernetes_job_ends(job),
            Event::Unregistration { job } => self.unregisters(job),
            Event::Disturbance { place } => {
                if let Some((_, disturbance)) = self.plan.faults.disturbances.get(place).cloned() {
                    self.disturb(&disturbance);
                }
            }
            Event::GuestLeaves { pool, agent } => self.guest_leaves(pool, agent),
            Event::Calm => self.calm_down(),
            Event::Poll { .. } => {}
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
