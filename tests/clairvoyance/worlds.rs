//! Small worlds drawn from a seed, and the moments at which a policy can act in them.
//!
//! Every delay is a range of one value, so whoever drives such a world meets the same polls, the same arrivals and the
//! same delays. The first job arrives after every ScaledJob has polled once: all triggers are known by then.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use azp_scaler::{
    capability::CapabilitySet,
    demand::DemandSet,
    job_request::{Parallelism, RequestId},
    parallel_jobs::Each,
    simulator::{
        World,
        faults::Faults,
        keda::{Scaling, Strategy},
        plan::{AgentPlan, Arrivals, Delays, JobKind, Millis, Plan, PoolPlan, ScaledJobPlan},
    },
    trigger::ScaledJobId,
};
use fastrand::Rng;
use jiff::Timestamp;

pub(crate) const POOL: i64 = 1;
/// The longest polling interval; nothing arrives before it has passed.
const SLOWEST_POLL: u64 = 10;
/// The world is given up here.
const HORIZON: Duration = Duration::from_mins(15);
/// What the one job that keeps the static agent busy from the beginning asks for.
const MACHINE: &str = "machine";

/// A small world before it begins.
pub(crate) struct SmallWorld {
    pub(crate) plan: Plan,
    /// From a poll to KEDA acting on its answer.
    pub(crate) latency: Millis,
    /// How old a look at the pool may be that answers a poll.
    pub(crate) fresh_for: Duration,
    /// The jobs by arrival, with their number in Azure's order.
    pub(crate) jobs: Vec<Job>,
    /// Keeps the static agent busy from the beginning.
    occupant: Option<JobKind>,
    /// All that happens from outside, in order.
    pub(crate) moments: Vec<(Duration, Moment)>,
}

/// A job to come.
pub(crate) struct Job {
    pub(crate) id: RequestId,
    pub(crate) arrives: Duration,
    pub(crate) kind: JobKind,
    /// Whether agents of the ScaledJob at that place can run it.
    pub(crate) fits: Vec<bool>,
    /// Whether the static agent can.
    pub(crate) fits_static: bool,
}

/// What happens from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// KEDA acts on the answer to a poll, which was made of what was there at a moment.
    Reply { scaled_job: usize, seen_at: Duration },
    /// A job arrives, by its place.
    Arrival { job: usize },
}

impl SmallWorld {
    /// Draws a world whose ScaledJobs are polled every second, or less often, down to every `slowest` seconds.
    pub(crate) fn draw(seed: u64, slowest: u64, fresh_for: Duration) -> Self {
        let random = &mut Rng::with_seed(seed);
        let agent = (random.u8(..3) == 0).then(|| AgentPlan {
            name: "old-machine".into(),
            capabilities: CapabilitySet::new(names(random.u8(..8)).chain([MACHINE]).map(|name| (name, ""))),
            online: true,
            enabled: true,
        });
        let scaled_jobs: Vec<_> = (0..random.usize(1..=3)).map(|place| scaled_job(place, slowest, random)).collect();
        let occupant = agent.as_ref().filter(|_| random.bool()).map(|_| {
            let runs_for = random.u64(12_000..60_000);
            job_kind(&[MACHINE], runs_for)
        });
        let plan = plan(seed, agent, scaled_jobs, random);
        let long = random.bool();
        let within = random.u64(1..=20_000);
        let mut arrivals: Vec<u64> = (0..random.u8(1..=5)).map(|_| random.u64(0..within)).collect();
        arrivals.sort_unstable();
        let first = 1 + i64::from(occupant.is_some());
        let jobs = arrivals.into_iter().zip(first..).map(|(after, number)| {
            let arrives = Duration::from_millis(SLOWEST_POLL * 1_000 + 1_000 + after);
            let runs_for = if long && random.bool() { random.u64(20_000..60_000) } else { random.u64(1_000..5_000) };
            job(RequestId(number), arrives, runs_for, &plan, random)
        });
        let jobs = jobs.collect();
        let latency = random.choice([5, 100, 500]).unwrap_or(5);
        let mut world = Self { plan, latency: latency..=latency, fresh_for, jobs, occupant, moments: Vec::new() };
        world.moments = world.moments();
        world
    }

    /// The world at its beginning.
    pub(crate) fn begin(&self) -> World {
        let mut world = World::new(self.plan.clone());
        self.occupy(&mut world);
        world
    }

    /// Gives the static agent its job, where it is to have one.
    pub(crate) fn occupy(&self, world: &mut World) {
        if let Some(occupant) = &self.occupant {
            world.queue(POOL, occupant.clone());
        }
    }

    /// How long the static agent is busy from the beginning; none where it is idle.
    pub(crate) fn occupied_until(&self) -> Option<Duration> {
        let delays = &self.plan.delays;
        self.occupant.as_ref().map(|kind| only(&delays.assignment) + only(&delays.receipt) + only(&kind.runs_for))
    }

    /// From a reply that creates an agent to that agent being registered.
    pub(crate) fn start(&self) -> Duration {
        only(&self.plan.delays.pod_start) + only(&self.plan.delays.registration)
    }

    /// How long all jobs wait together if each has to wait until all have run one after the other, with two polls missed
    /// before each: no jobs wait longer where nothing is kept idle while work that it could do waits.
    pub(crate) fn one_after_the_other(&self) -> Duration {
        let Delays { assignment, receipt, pod_start, registration, leaving, job_end, .. } = &self.plan.delays;
        let polls = self.plan.scaled_jobs.iter().map(|scaled_job| scaled_job.polling_interval).max();
        let each = [assignment, receipt, pod_start, registration, leaving, job_end, &self.latency].map(only);
        let each = each.iter().sum::<Duration>() + self.fresh_for + polls.unwrap_or_default() * 2;
        let all: Duration = self.jobs.iter().map(|job| each + only(&job.kind.runs_for)).sum();
        all * u32::try_from(self.jobs.len()).unwrap_or(u32::MAX)
    }

    fn moments(&self) -> Vec<(Duration, Moment)> {
        let mut phases = vec![None; self.plan.scaled_jobs.len()];
        World::new(self.plan.clone()).run_until(Duration::from_secs(SLOWEST_POLL), |world, scaled_job| {
            phases[scaled_job].get_or_insert(world.now());
        });
        let mut polls = BTreeSet::new();
        for (place, (scaled_job, phase)) in self.plan.scaled_jobs.iter().zip(phases).enumerate() {
            let mut polled_at = phase.unwrap_or_default();
            while polled_at < HORIZON {
                polls.insert((polled_at, place));
                polled_at += scaled_job.polling_interval;
            }
        }
        let (mut moments, mut looked_at) = (BTreeSet::new(), None);
        for (polled_at, scaled_job) in polls {
            let seen_at = looked_at.filter(|at| *at + self.fresh_for >= polled_at).unwrap_or(polled_at);
            looked_at = Some(seen_at);
            moments.insert((polled_at + only(&self.latency), Moment::Reply { scaled_job, seen_at }));
        }
        let arrivals = self.jobs.iter().enumerate().map(|(place, job)| (job.arrives, Moment::Arrival { job: place }));
        moments.extend(arrivals);
        moments.into_iter().collect()
    }
}

/// The one value of a range.
pub(crate) fn only(range: &Millis) -> Duration {
    Duration::from_millis(*range.start())
}

fn names(bits: u8) -> impl Iterator<Item = &'static str> {
    ["docker", "gpu", "java"].into_iter().enumerate().filter(move |(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| name)
}

fn scaled_job(place: usize, slowest: u64, random: &mut Rng) -> ScaledJobPlan {
    ScaledJobPlan {
        id: ScaledJobId { name: format!("s{place}").into(), namespace: "builds".into() },
        pool: POOL,
        capabilities: CapabilitySet::new(names(random.u8(..8)).map(|name| (name, ""))),
        scaling: Scaling { strategy: Strategy::Default, min_replicas: 0, max_replicas: random.u32(1..=3) },
        priority: 100,
        target: 1,
        polling_interval: Duration::from_secs(random.u64(1..=slowest)),
    }
}

fn plan(seed: u64, agent: Option<AgentPlan>, scaled_jobs: Vec<ScaledJobPlan>, random: &mut Rng) -> Plan {
    let mut one = |range: Millis| {
        let value = random.u64(range);
        value..=value
    };
    Plan {
        seed,
        begins_at: Timestamp::UNIX_EPOCH,
        organization: "contoso".into(),
        parallel_jobs: Each::default(),
        pools: vec![PoolPlan {
            id: POOL,
            name: "linux".into(),
            agents: agent.into_iter().collect(),
            arrivals: Arrivals { every: 1..=1, at_once: 0..=0, kinds: Vec::new() },
        }],
        scaled_jobs,
        delays: Delays {
            assignment: one(20..=150),
            receipt: one(50..=300),
            pod_start: one(1_000..=8_000),
            registration: one(500..=2_000),
            leaving: one(100..=400),
            job_end: one(100..=400),
            linger: one(200..=2_000),
            patience: None,
        },
        faults: Faults::default(),
    }
}

fn job_kind(demands: &[&str], runs_for: u64) -> JobKind {
    JobKind {
        pipeline: "shop".into(),
        job: "build".into(),
        demands: demands.iter().map(|demand| Box::from(*demand)).collect::<Arc<[Box<str>]>>(),
        parallelism: Parallelism::Private,
        weight: 1,
        runs_for: runs_for..=runs_for,
        cancelled_after: None,
    }
}

/// A job that some ScaledJob can run: it asks for a part of what one of them offers.
fn job(id: RequestId, arrives: Duration, runs_for: u64, plan: &Plan, random: &mut Rng) -> Job {
    let scaled_job = &plan.scaled_jobs[random.usize(..plan.scaled_jobs.len())];
    let asked_for = random.u8(..8);
    let offered: Vec<&str> = scaled_job.capabilities.sorted().into_iter().map(|(name, _)| name).collect();
    let demands: Vec<&str> = names(asked_for).filter(|name| offered.contains(name)).collect();
    let kind = job_kind(&demands, runs_for);
    let demands = DemandSet::parse(kind.demands.iter());
    let fits = plan.scaled_jobs.iter().map(|scaled_job| scaled_job.capabilities.satisfies(&demands)).collect();
    let mut agents = plan.pools.iter().flat_map(|pool| &pool.agents);
    let fits_static = agents.any(|agent| agent.capabilities.satisfies(&demands));
    Job { id, arrives, kind, fits, fits_static }
}
