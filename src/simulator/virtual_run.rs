//! A world in virtual time with the real decision core in it: as fast as it goes, and the same every time.
//!
//! ```text
//! World ──KEDA polls S──▶ VirtualRun ──[lens]: a round of requests──▶ Snapshot ──▶ [Pool] ──▶ Answer
//!   ▲                                                                                           │
//!   └────────────────── KEDA creates, `latency` later ◀─────────────────────────────────────────┘
//! ```
//!
//! What stands between Azure and the core in the real program is imitated as far as it matters to numbers: answers are
//! converted by the client's own code, requests take time while the world moves on, one round serves all who ask
//! meanwhile, and what can't be had in time is answered from what there is, or not at all.

mod lens;
mod seen;
mod trouble;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub use self::trouble::{Trouble, Troubles};
use self::{lens::Lens, seen::Seen};
use super::{
    accounts::Endpoint,
    answers,
    claims::Basis,
    cluster::SimulatedScaledJob,
    keda::Reply,
    plan::{Millis, Plan},
    shown::strategy_of,
    world::World,
};
use crate::{
    agent::AgentNamePattern,
    azure_devops::decode::{self, Limit},
    decision::{Answer, Decision},
    job_request::Parallelism,
    parallel_jobs::{Headroom, Ledger, Usage},
    pool::{Pool, Rules},
    snapshot::Snapshot,
    trigger::{CapabilitiesFrom, JobsWithoutDemands, Trigger, TriggerId},
};

/// What stands between Azure, the scaler and KEDA.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// A snapshot this old still serves.
    pub fresh_for: Duration,
    /// Agents are asked for this often though nothing is queued.
    pub background: Duration,
    /// How long a question waits for a round of requests; then it is answered from what there is.
    pub answer_within: Duration,
    /// What is older than this is not known.
    pub tolerated_age: Duration,
    /// From a request to Azure's answer, in milliseconds.
    pub azure: Millis,
    /// From the scaler's answer to KEDA acting on it, in milliseconds.
    pub latency: Millis,
    /// By which pools decide.
    pub rules: Rules,
    /// How many agents are kept ready beyond the parallel jobs.
    pub headroom: Headroom,
    /// Whether the scaler watches the cluster.
    pub view: bool,
    /// What goes wrong with the scaler and its requests.
    pub troubles: Troubles,
}

impl Default for Conditions {
    /// What the configuration says where nothing is written, an Azure that answers at once, and no trouble.
    fn default() -> Self {
        Self {
            fresh_for: Duration::from_secs(1),
            background: Duration::from_secs(30),
            answer_within: Duration::from_secs(2),
            tolerated_age: Duration::from_secs(10),
            azure: 0..=0,
            latency: 5..=150,
            rules: Rules::default(),
            headroom: Headroom::Quarter,
            view: false,
            troubles: Troubles::default(),
        }
    }
}

/// Licences are asked for this often.
const LICENCES_ARE_ASKED_FOR: Duration = Duration::from_secs(10);

/// A world with a scaler.
#[derive(Debug)]
pub struct VirtualRun {
    /// The world.
    pub world: World,
    conditions: Conditions,
    random: fastrand::Rng,
    /// For each ScaledJob its trigger, and how often it had been edited then.
    triggers: Vec<(u32, Arc<Trigger>)>,
    pools: BTreeMap<i64, ScalerPool>,
    /// What the cluster showed last, where it is watched.
    seen: Seen,
    /// What its pools share, and when it was asked for.
    ledger: Arc<Ledger>,
    licences_at: Option<Duration>,
    /// Whether KEDA waits for an answer about a ScaledJob: it asks one thing after the other.
    asking: Vec<bool>,
    steps: BTreeMap<(Duration, u64), Step>,
    steps_made: u64,
    restarts: u64,
}

/// What the scaler knows of one pool.
#[derive(Debug)]
struct ScalerPool {
    core: Pool,
    lens: Lens,
    /// ScaledJobs that wait for the round under way.
    waiting: Vec<usize>,
}

/// Something that happens between Azure, the scaler and KEDA.
#[derive(Debug)]
enum Step {
    /// Azure answers.
    Azure { pool: i64, round: u64 },
    /// A question has waited for long enough.
    Deadline { pool: i64, scaled_job: usize, restarts: u64, asked: Duration },
    /// An answer has reached KEDA.
    Reply { scaled_job: usize, told: Option<(Reply, Basis)> },
    /// The scaler is restarted.
    Restart,
}

/// What KEDA is told in one poll, for whoever watches.
#[derive(Debug)]
pub struct Told<'a> {
    /// The ScaledJob's place.
    pub scaled_job: usize,
    /// The trigger that was asked about.
    pub trigger: &'a Arc<Trigger>,
    /// The answer; none is an error.
    pub answer: Option<Answer>,
    /// What it was made of, where there was something.
    pub snapshot: Option<&'a Arc<Snapshot>>,
    /// The decision that it comes from.
    pub decision: Option<&'a Arc<Decision>>,
}

impl VirtualRun {
    /// A world at its beginning, and a scaler that has just started.
    #[must_use]
    pub fn new(plan: Plan, conditions: Conditions) -> Self {
        let ledger = Arc::new(Ledger::new(conditions.headroom));
        let mut run = Self {
            triggers: Vec::new(),
            pools: BTreeMap::new(),
            seen: Seen::default(),
            ledger,
            licences_at: None,
            asking: vec![false; plan.scaled_jobs.len()],
            // A stream of its own, so that the world's draws don't depend on who drives it.
            random: fastrand::Rng::with_seed(!plan.seed),
            world: World::new(plan),
            steps: BTreeMap::new(),
            steps_made: 0,
            restarts: 0,
            conditions,
        };
        run.triggers = run.world.cluster().scaled_jobs.iter().map(|made| (0, run.trigger_of(made))).collect();
        run.start_scaler();
        for at in run.conditions.troubles.restarts().collect::<Vec<_>>() {
            run.enter(at, Step::Restart);
        }
        run
    }

    /// Lets everything happen up to a moment.
    pub fn run_until(&mut self, moment: Duration) {
        self.watch_until(moment, &mut |_, _| {});
    }

    /// Lets everything happen up to a moment; `watch` sees what KEDA is told.
    pub fn watch_until(&mut self, moment: Duration, watch: &mut dyn FnMut(&World, &Told<'_>)) {
        loop {
            let step = self.steps.keys().next().map(|(at, _)| *at);
            let next = [self.world.next_at(), step].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= moment) else { break };
            let mut polled = Vec::new();
            self.world.run_until(next, |_, scaled_job| polled.push(scaled_job));
            for scaled_job in polled {
                self.poll(scaled_job, watch);
            }
            while let Some(entry) = self.steps.first_entry().filter(|entry| entry.key().0 <= next) {
                let step = entry.remove();
                self.take(step, watch);
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

    fn take(&mut self, step: Step, watch: &mut dyn FnMut(&World, &Told<'_>)) {
        match step {
            Step::Azure { pool, round } => self.azure_answers(pool, round, watch),
            Step::Deadline { pool, scaled_job, restarts, asked } => {
                let Some(side) = self.pools.get_mut(&pool).filter(|_| restarts == self.restarts) else { return };
                if let Some(place) = side.waiting.iter().position(|waits| *waits == scaled_job)
                    && side.lens.asked_before(asked)
                {
                    side.waiting.remove(place);
                    self.answer(pool, scaled_job, watch);
                }
            }
            Step::Reply { scaled_job, told } => {
                self.asking[scaled_job] = false;
                match told {
                    Some((reply, basis)) => self.world.reply(scaled_job, reply, &basis),
                    None => self.world.reply_failed(scaled_job),
                }
            }
            Step::Restart => {
                let waiting: Vec<usize> = self.pools.values().flat_map(|side| side.waiting.iter().copied()).collect();
                self.start_scaler();
                self.world.note_trouble("the scaler is restarted");
                for scaled_job in waiting {
                    self.tell(scaled_job, None);
                }
            }
        }
    }

    /// A scaler that knows nothing.
    fn start_scaler(&mut self) {
        self.restarts += 1;
        self.licences_at = None;
        self.ledger = Arc::new(Ledger::new(self.conditions.headroom));
        let pools = self.world.plan().pools.iter().map(|pool| {
            let core = Pool::new(pool.id, self.conditions.rules, Arc::clone(&self.ledger));
            (pool.id, ScalerPool { core, lens: Lens::new(self.restarts << 32), waiting: Vec::new() })
        });
        self.pools = pools.collect();
    }

    /// Shows a pool what the cluster shows now, and who will ask about it.
    fn show(&mut self, pool: i64) {
        if !self.conditions.view {
            return;
        }
        let seen = self.seen.look(&self.world, &self.conditions.troubles);
        let scaled_jobs = self.world.cluster().scaled_jobs.iter().enumerate();
        let of_pool = scaled_jobs.filter(|(_, made)| made.plan.pool == pool && !made.deleted);
        let triggers = of_pool.map(|(place, made)| match &self.triggers[place] {
            (edits, trigger) if *edits == made.edits => Arc::clone(trigger),
            _ => self.trigger_of(made),
        });
        let triggers = triggers.collect();
        if let Some(side) = self.pools.get_mut(&pool) {
            side.core.see(seen);
            side.core.announce(triggers, true);
        }
    }

    /// KEDA polls a ScaledJob.
    fn poll(&mut self, scaled_job: usize, watch: &mut dyn FnMut(&World, &Told<'_>)) {
        if std::mem::replace(&mut self.asking[scaled_job], true) {
            return;
        }
        self.learn_licences();
        let made = &self.world.cluster().scaled_jobs[scaled_job];
        let (pool, edits) = (made.plan.pool, made.edits);
        if self.triggers[scaled_job].0 != edits {
            self.triggers[scaled_job] = (edits, self.trigger_of(made));
        }
        let now = self.world.now();
        self.show(pool);
        let Some(side) = self.pools.get_mut(&pool) else { return };
        if side.core.note(&self.triggers[scaled_job].1, self.world.timestamp(now)).is_err() {
            self.tell(scaled_job, None);
        } else if side.lens.is_fresh(now, self.conditions.fresh_for) {
            self.answer(pool, scaled_job, watch);
        } else {
            side.waiting.push(scaled_job);
            let begun = side.lens.begin(now);
            let restarts = self.restarts;
            self.enter(now + self.conditions.answer_within, Step::Deadline { pool, scaled_job, restarts, asked: now });
            if let Some(round) = begun {
                let takes = self.request_takes();
                self.enter(now + takes, Step::Azure { pool, round });
            }
        }
    }

    /// Azure answers a request of a round.
    fn azure_answers(&mut self, pool: i64, round: u64, watch: &mut dyn FnMut(&World, &Told<'_>)) {
        let now = self.world.now();
        let Some(side) = self.pools.get_mut(&pool).filter(|side| side.lens.is_under_way(round)) else { return };
        let troubles = &self.conditions.troubles;
        let wrong = troubles.is(Trouble::Wrong, now).then_some(&mut self.random);
        let (ended, was_wrong) = if troubles.is(Trouble::Outage, now) {
            side.lens.fail();
            (true, false)
        } else {
            side.lens.look(&mut self.world, pool, self.conditions.background, wrong)
        };
        if was_wrong {
            self.world.note_trouble("Azure's answer leaves some out");
        }
        if !ended {
            let torn = self.conditions.troubles.is(Trouble::Torn, now);
            let later = if torn { Duration::from_millis(self.random.u64(500..3_000)) } else { Duration::ZERO };
            let takes = self.request_takes();
            self.enter(now + takes + later, Step::Azure { pool, round });
            return;
        }
        let waiting = self.pools.get_mut(&pool).map(|side| std::mem::take(&mut side.waiting)).unwrap_or_default();
        for scaled_job in waiting {
            self.answer(pool, scaled_job, watch);
        }
    }

    /// Answers from the last good snapshot, while its age is tolerated.
    fn answer(&mut self, pool: i64, scaled_job: usize, watch: &mut dyn FnMut(&World, &Told<'_>)) {
        let now = self.world.now();
        self.show(pool);
        let Some(side) = self.pools.get_mut(&pool) else { return };
        let trigger = &self.triggers[scaled_job].1;
        let good = side.lens.last_good(now, self.conditions.tolerated_age);
        let answer = good
            .as_ref()
            .and_then(|(_, snapshot)| side.core.answer(&trigger.id, snapshot, self.world.timestamp(now)).ok());
        let decision = side.core.current();
        let snapshot = good.as_ref().map(|(_, snapshot)| snapshot);
        watch(&self.world, &Told { scaled_job, trigger, answer, snapshot, decision });
        let told = answer.zip(decision).zip(good.as_ref()).map(|((answer, decision), (seen_at, _))| {
            #[expect(clippy::cast_precision_loss, reason = "a count of jobs is far below 2⁵²")]
            let reply = Reply { value: answer.value as f64, target: f64::from(trigger.target), active: answer.active };
            (reply, Basis::of(decision, &trigger.id.scaled_job, *seen_at))
        });
        self.tell(scaled_job, told);
    }

    fn tell(&mut self, scaled_job: usize, told: Option<(Reply, Basis)>) {
        let latency = Duration::from_millis(self.random.u64(self.conditions.latency.clone()));
        self.enter(self.world.now() + latency, Step::Reply { scaled_job, told });
    }

    fn request_takes(&mut self) -> Duration {
        let late = self.conditions.troubles.is(Trouble::Late, self.world.now());
        let late = if late { self.random.u64(500..4_000) } else { 0 };
        Duration::from_millis(self.random.u64(self.conditions.azure.clone()) + late)
    }

    fn enter(&mut self, at: Duration, step: Step) {
        self.steps.insert((at, self.steps_made), step);
        self.steps_made += 1;
    }

    /// Asks how many parallel jobs there are, if it is time to.
    fn learn_licences(&mut self) {
        let now = self.world.now();
        if self.licences_at.is_some_and(|at| now.saturating_sub(at) < LICENCES_ARE_ASKED_FOR) {
            return;
        }
        self.licences_at = Some(now);
        let troubles = &self.conditions.troubles;
        if troubles.is(Trouble::Outage, now) {
            return;
        }
        for parallelism in Parallelism::ALL {
            if troubles.is(Trouble::LicencesUnknown, now) {
                self.ledger.learn(parallelism, None);
                continue;
            }
            self.world.count_request(Endpoint::ResourceUsage);
            let told = decode::usage_of(answers::resource_usage(&self.world, parallelism, true).read());
            let limit = told.limit.and_then(|limit| if let Limit::Jobs(jobs) = limit { Some(jobs) } else { None });
            self.ledger.learn(parallelism, Some(Usage { limit, running: told.running }));
        }
    }

    /// The trigger that the gRPC edge would read out of a ScaledJob's metadata.
    fn trigger_of(&self, made: &SimulatedScaledJob) -> Arc<Trigger> {
        let plan = &made.plan;
        let world = self.world.plan();
        let pool = world.pools.iter().find(|pool| pool.id == plan.pool).map_or("", |pool| &*pool.name);
        Arc::new(Trigger {
            id: TriggerId { scaled_job: plan.id.clone(), metadata: Arc::new(plan.metadata(&world.organization, pool)) },
            capabilities: Arc::new(plan.capabilities.clone()),
            parent: None,
            capabilities_from: CapabilitiesFrom::Declared,
            jobs_without_demands: JobsWithoutDemands::Take,
            strategy: strategy_of(&plan.scaling),
            builtin: None,
            agent_names: AgentNamePattern::of_scaled_job(&plan.id.name),
            max_replicas: plan.scaling.max_replicas,
            min_replicas: plan.scaling.min_replicas,
            priority: plan.priority,
            target: plan.target,
            activation: 0,
            keeps_placeholder: false,
            hints: Vec::new(),
        })
    }
}
