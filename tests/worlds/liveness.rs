//! After the storm every job that fits a ScaledJob with room, and for which there is a licence, gets an agent in time.
//!
//! Judged by the world, not by what the scaler knew. A job's time runs while some ScaledJob that fits it may have more
//! unfinished Kubernetes Jobs, and a licence is free, that no older job can take; it begins anew when that ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use azp_scaler::{
    decision::{Decision, Starts},
    demand::DemandSet,
    job_request::RequestId,
    simulator::{World, organization::SimulatedPool, plan::Delays},
};

/// What is allowed beyond a poll, the round of requests, the pod's start and the registration: an agent that was matched
/// can leave or die unseen, which costs the same once more.
const SLACK: Duration = Duration::from_secs(10);

/// A ScaledJob by its place and how often it was edited, and what a job demands.
type Pair = (usize, u32, Arc<[Box<str>]>);

/// For how long each job has waited though it could have had an agent.
#[derive(Default)]
pub(crate) struct Liveness {
    waits: BTreeMap<(i64, RequestId), Wait>,
    fits: BTreeMap<Pair, bool>,
    /// The longest of these.
    pub(crate) longest: Duration,
    /// The jobs that have waited for longer than is allowed.
    pub(crate) starved: BTreeSet<(i64, RequestId)>,
}

/// For how long a job has waited, and may.
#[derive(Clone, Copy, Default)]
struct Wait {
    waited: Duration,
    allowed: Duration,
}

impl Liveness {
    /// Looks at the world, `since` the look before; `decision` is that of each pool. Time stands still for the jobs that are
    /// `excused`.
    pub(crate) fn look(
        &mut self,
        world: &World,
        since: Duration,
        decision: impl Fn(i64) -> Option<Arc<Decision>>,
        excused: impl Fn(RequestId) -> bool,
    ) -> Result<(), String> {
        let mut waits = BTreeMap::new();
        let mut broken = Ok(());
        for pool in world.pools() {
            let decided = decision(pool.id);
            let failing = |name: &str| {
                let scaled_jobs = decided.iter().flat_map(|decision| &decision.scaled_jobs);
                scaled_jobs.filter(|made| &*made.id.name == name).any(|made| made.starts != Starts::Working)
            };
            for request in pool.queued() {
                let (limit, used) = world.parallel_jobs(request.kind.parallelism);
                let older = || {
                    let waiting = world.pools().flat_map(SimulatedPool::queued);
                    waiting
                        .filter(|other| other.kind.parallelism == request.kind.parallelism && other.id < request.id)
                        .count()
                };
                if limit.is_some_and(|limit| used as usize + older() >= limit as usize) {
                    continue;
                }
                let mut slowest = None;
                for (place, made) in world.cluster().scaled_jobs.iter().enumerate() {
                    let works = !made.paused && !made.deleted && made.broken.is_none();
                    let fits = works && made.plan.pool == pool.id && self.fits(world, place, &request.kind.demands);
                    // One whose agents have just failed is tried at its own pace.
                    let mut has_room = || self.has_room(world, place, request.id);
                    if fits && !failing(&made.plan.id.name) && has_room() {
                        slowest = slowest.max(Some(made.plan.polling_interval));
                    }
                }
                let Some(slowest) = slowest else { continue };
                // KEDA fills a minimum up first, and starts nothing more in that poll: one job a poll at the worst.
                let one_by_one = (world.cluster().scaled_jobs.iter())
                    .any(|made| made.plan.pool == pool.id && made.plan.scaling.min_replicas > 0);
                let in_front = if one_by_one { pool.queued().filter(|other| other.id < request.id).count() } else { 0 };
                let most = allowed(&world.plan().delays, slowest) * u32::try_from(1 + in_front).unwrap_or(u32::MAX);
                let mut wait = self.waits.get(&(pool.id, request.id)).copied().unwrap_or_default();
                let passes = if excused(request.id) { Duration::ZERO } else { since };
                (wait.waited, wait.allowed) = (wait.waited + passes, wait.allowed.max(most));
                self.longest = self.longest.max(wait.waited);
                if wait.waited > wait.allowed && self.starved.insert((pool.id, request.id)) {
                    broken = broken.and(Err(format!(
                        "job {} of {} has waited for {} s beside a ScaledJob with room and a free licence, {} s are allowed",
                        request.id,
                        pool.name,
                        wait.waited.as_secs(),
                        wait.allowed.as_secs()
                    )));
                }
                waits.insert((pool.id, request.id), wait);
            }
        }
        self.waits = waits;
        broken
    }

    /// How many ScaledJobs have a broken image and could be given a job that waits.
    pub(crate) fn broken_and_wanted(&mut self, world: &World) -> usize {
        let scaled_jobs = world.cluster().scaled_jobs.iter().enumerate();
        let broken = scaled_jobs.filter(|(_, made)| made.broken.is_some() && !made.paused && !made.deleted);
        let wanted = |(place, pool): &(usize, i64)| {
            let queued = world.pool(*pool).into_iter().flat_map(SimulatedPool::queued);
            queued.into_iter().any(|request| self.fits(world, *place, &request.kind.demands))
        };
        broken.map(|(place, made)| (place, made.plan.pool)).filter(wanted).count()
    }

    /// Whether a ScaledJob may start an agent for a job and for all older ones that it fits.
    fn has_room(&mut self, world: &World, place: usize, job: RequestId) -> bool {
        let plan = &world.cluster().scaled_jobs[place].plan;
        let older = world.pool(plan.pool).into_iter().flat_map(SimulatedPool::queued).filter(|other| other.id < job);
        let before = older.filter(|other| self.fits(world, place, &other.kind.demands)).count();
        world.cluster().count(place).running as usize + before < plan.scaling.max_replicas as usize
    }

    fn fits(&mut self, world: &World, place: usize, demands: &Arc<[Box<str>]>) -> bool {
        let edits = world.cluster().scaled_jobs[place].edits;
        *self.fits.entry((place, edits, Arc::clone(demands))).or_insert_with(|| {
            let registers_with = &world.cluster().scaled_jobs[place].registers_with;
            registers_with.capabilities.satisfies(&DemandSet::parse(demands.iter()))
        })
    }
}

/// Two polls and two starts: the first can meet a snapshot in which an agent was there that is not.
fn allowed(delays: &Delays, poll: Duration) -> Duration {
    let longest = [&delays.pod_start, &delays.registration, &delays.assignment].map(|range| *range.end());
    let leaves = [&delays.leaving, &delays.job_end].map(|range| *range.end());
    let start = Duration::from_millis(longest.iter().sum::<u64>());
    (poll + start) * 2 + Duration::from_millis(leaves.iter().sum()) + SLACK
}
