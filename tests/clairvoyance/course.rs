//! A world on its course: which of its jobs have been assigned, when and to whom, and for how long all have waited.

use std::{collections::BTreeMap, time::Duration};

use azp_scaler::simulator::{World, claims::Basis, cluster::JobKey, keda::Reply};

use super::worlds::{Job, POOL, SmallWorld};

/// No job runs for less, so none can come and go unseen between two looks.
const LOOK: Duration = Duration::from_millis(900);

/// Which of the agents that fit a job may be started for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Any.
    AnyFit,
    /// Those with the fewest capabilities, while there is room for them.
    TightestFit,
    /// Of those, the first by name.
    TightestThenName,
}

/// A world that somebody drives.
#[derive(Clone)]
pub(crate) struct Course {
    pub(crate) world: World,
    pub(crate) noted: Notes,
}

/// What was seen of a world.
#[derive(Clone)]
pub(crate) struct Notes {
    /// For each job, once it has an agent.
    pub(crate) assigned: Vec<Option<Assigned>>,
    /// When each agent was created.
    pub(crate) created_at: BTreeMap<JobKey, Duration>,
}

#[derive(Clone, Copy)]
pub(crate) struct Assigned {
    pub(crate) at: Duration,
    /// The ScaledJob's place and when the agent was created; none for the static agent.
    pub(crate) agent: Option<(usize, Duration)>,
}

impl Notes {
    pub(crate) fn new(small: &SmallWorld) -> Self {
        Self { assigned: vec![None; small.jobs.len()], created_at: BTreeMap::new() }
    }

    pub(crate) fn look(&mut self, small: &SmallWorld, world: &World) {
        let Some(pool) = world.pool(POOL) else { return };
        for (job, assigned) in small.jobs.iter().zip(&mut self.assigned) {
            let Some(request) = pool.requests.get(&job.id).filter(|_| assigned.is_none()) else { continue };
            let (Some(at), Some(agent)) = (request.assigned_at, request.agent) else { continue };
            let by = world.cluster().job_of_agent(agent).and_then(|key| {
                let scaled_job = world.cluster().jobs.get(&key)?.scaled_job;
                Some((scaled_job, *self.created_at.get(&key)?))
            });
            *assigned = Some(Assigned { at, agent: by });
        }
    }

    /// How many agents of a ScaledJob have been created since this was last asked.
    pub(crate) fn created_since(&mut self, world: &World, scaled_job: usize) -> u32 {
        let mut created = 0;
        for (key, _) in world.cluster().jobs.iter().filter(|(_, job)| job.scaled_job == scaled_job) {
            self.created_at.entry(*key).or_insert_with(|| {
                created += 1;
                world.now()
            });
        }
        created
    }

    pub(crate) fn all_assigned(&self) -> bool {
        self.assigned.iter().all(Option::is_some)
    }

    /// How long all jobs have waited together, those included that still wait.
    pub(crate) fn waited_by(&self, small: &SmallWorld, now: Duration) -> Duration {
        let waiting = small.jobs.iter().zip(&self.assigned).filter(|(_, assigned)| assigned.is_none());
        self.waited(small) + waiting.map(|(job, _)| now.saturating_sub(job.arrives)).sum::<Duration>()
    }

    /// How long the jobs that have been assigned have waited, all together.
    pub(crate) fn waited(&self, small: &SmallWorld) -> Duration {
        let waits = small.jobs.iter().zip(&self.assigned);
        waits.filter_map(|(job, assigned)| Some(assigned.as_ref()?.at.saturating_sub(job.arrives))).sum()
    }
}

impl Course {
    pub(crate) fn begin(small: &SmallWorld) -> Self {
        Self { world: small.begin(), noted: Notes::new(small) }
    }

    /// Lets everything happen up to a moment.
    pub(crate) fn run_until(&mut self, small: &SmallWorld, moment: Duration) {
        while self.world.now() < moment {
            let next = moment.min(self.world.now() + LOOK);
            self.world.run_until(next, |_, _| {});
            self.noted.look(small, &self.world);
        }
    }

    /// A job arrives now.
    pub(crate) fn arrive(&mut self, small: &SmallWorld, job: usize) {
        let id = self.world.queue(POOL, small.jobs[job].kind.clone());
        assert_eq!(id, small.jobs[job].id, "jobs arrive in Azure's order");
    }

    /// How many agents may be created now in answer to a poll: within the ScaledJob's maximum, and each for a job that had
    /// arrived by the look that the answer was made of, waits still, and is not the one that an agent which exists is for. That is to say: each makes
    /// it possible to match one more waiting job to an agent without a job.
    pub(crate) fn room(&self, small: &SmallWorld, scaled_job: usize, seen_at: Duration, rule: Rule) -> u32 {
        let cluster = self.world.cluster();
        let unfinished = cluster.count(scaled_job).running;
        let room = small.plan.scaled_jobs[scaled_job].scaling.max_replicas.saturating_sub(unfinished);
        let jobs = small.jobs.iter().zip(&self.noted.assigned);
        let waiting = jobs.filter(|(job, assigned)| assigned.is_none() && job.arrives < seen_at);
        let waiting: Vec<&Job> = waiting.map(|(job, _)| job).collect();
        let may_start =
            waiting.iter().map(|job| job.fits[scaled_job] && self.may_start(small, scaled_job, job, &waiting, rule));
        let may_start = may_start.collect();
        let mut matching = Matching { taker_of: vec![None; waiting.len()], waiting, may_start };
        let agents = self.world.pool(POOL).into_iter().flat_map(|pool| pool.agents.values());
        for _ in agents.filter(|agent| !agent.ephemeral && agent.assigned.is_none()) {
            matching.add(Taker::Static);
        }
        for job in cluster.jobs.values().filter(|job| job.is_unused()) {
            matching.add(Taker::Of(job.scaled_job));
        }
        (0..room).take_while(|_| matching.add(Taker::New)).zip(1..).map(|(_, count)| count).last().unwrap_or(0)
    }

    /// Whether a rule lets a ScaledJob start an agent for a job that it fits: where agents must fit as tightly as they can,
    /// only if those that fit more tightly have not enough room for all that waits for them.
    fn may_start(&self, small: &SmallWorld, scaled_job: usize, job: &Job, waiting: &[&Job], rule: Rule) -> bool {
        let size = |place: usize| small.plan.scaled_jobs[place].capabilities.len();
        let comes_first = |place: usize| match rule {
            Rule::AnyFit => false,
            Rule::TightestFit => size(place) < size(scaled_job),
            Rule::TightestThenName => (size(place), place) < (size(scaled_job), scaled_job),
        };
        let preferred = (0..job.fits.len()).filter(|place| job.fits[*place] && comes_first(*place));
        preferred.into_iter().all(|place| {
            let own = self.world.cluster().jobs.values().filter(|job| job.scaled_job == place);
            let used = own.filter(|job| !job.is_unused() && !job.is_finished()).count();
            let room = (small.plan.scaled_jobs[place].scaling.max_replicas as usize).saturating_sub(used);
            waiting.iter().filter(|job| job.fits[place]).count() > room
        })
    }

    /// Makes KEDA create so many agents for a ScaledJob by its own arithmetic.
    pub(crate) fn create(&mut self, scaled_job: usize, count: u32) {
        let value = f64::from(count + self.world.cluster().count(scaled_job).running);
        self.world.reply(scaled_job, Reply { value, target: 1.0, active: true }, &Basis::default());
        assert_eq!(self.noted.created_since(&self.world, scaled_job), count, "KEDA creates what was chosen");
    }
}

/// An agent without a job.
#[derive(Clone, Copy)]
enum Taker {
    /// The static one.
    Static,
    /// One of the ScaledJob at that place.
    Of(usize),
    /// One that is to be started.
    New,
}

/// Jobs that wait, and agents without a job.
struct Matching<'a> {
    waiting: Vec<&'a Job>,
    /// Whether a new agent may be started for it.
    may_start: Vec<bool>,
    /// For each job its agent.
    taker_of: Vec<Option<Taker>>,
}

impl Matching<'_> {
    /// Whether one more job is matched with this agent.
    fn add(&mut self, taker: Taker) -> bool {
        self.place(taker, &mut vec![false; self.waiting.len()])
    }

    fn place(&mut self, taker: Taker, tried: &mut [bool]) -> bool {
        for job in 0..self.waiting.len() {
            let fits = match taker {
                Taker::Static => self.waiting[job].fits_static,
                Taker::Of(scaled_job) => self.waiting[job].fits[scaled_job],
                Taker::New => self.may_start[job],
            };
            if !fits || std::mem::replace(&mut tried[job], true) {
                continue;
            }
            let free = match self.taker_of[job] {
                None => true,
                Some(before) => self.place(before, tried),
            };
            if free {
                self.taker_of[job] = Some(taker);
                return true;
            }
        }
        false
    }
}
