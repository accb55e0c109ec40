//! How little the jobs can still wait from some moment on, whatever a policy does: what lets the search leave a branch.
//!
//! Two relaxations, and both hold at once. Each job: no agent that fits it is there before the earliest of those that
//! exist or can be started. All jobs: the n-th assignment needs the n-th agent, and a ScaledJob's agents come one after
//! the other once it is at its maximum. The n-th assignment is no earlier than either says of the n-th.

use std::time::Duration;

use azp_scaler::simulator::cluster::Stage;

use super::{
    course::Course,
    worlds::{Moment, SmallWorld, only},
};

/// When agents can be there.
struct Lane {
    /// The ScaledJob's place; none for the static agent.
    scaled_job: Option<usize>,
    /// When the first agent of this lane is there.
    first: Duration,
}

/// The least sum of all waits, those of assigned jobs included; none where some job can't ever run. `from` is the place of
/// the moment that comes next.
pub(crate) fn least_wait(small: &SmallWorld, course: &Course, from: usize) -> Option<Duration> {
    let now = course.world.now();
    let waiting: Vec<_> = small
        .jobs
        .iter()
        .zip(&course.noted.assigned)
        .filter(|(_, assigned)| assigned.is_none())
        .map(|(job, _)| job)
        .collect();
    let lanes = lanes(small, course, from);

    let mut earliest = Vec::with_capacity(waiting.len());
    for job in &waiting {
        let able = lanes.iter().filter(|lane| match lane.scaled_job {
            Some(place) => job.fits[place],
            None => job.fits_static,
        });
        earliest.push(able.map(|lane| lane.first).min()?.max(job.arrives).max(now));
    }
    earliest.sort_unstable();

    let shortest =
        only(&small.plan.delays.receipt) + waiting.iter().map(|job| only(&job.kind.runs_for)).min().unwrap_or_default();
    let mut there = Vec::new();
    for lane in &lanes {
        let mut at = lane.first;
        for _ in &waiting {
            there.push(at);
            at = match lane.scaled_job {
                None => at + shortest,
                Some(place) => match started(small, place, from, at + shortest + leaving(small)) {
                    Some(at) => at,
                    None => break,
                },
            };
        }
    }
    there.sort_unstable();
    if there.len() < waiting.len() {
        return None;
    }
    let assigned: Duration = earliest.iter().zip(there).map(|(job, agent)| agent.max(*job)).sum();
    let arrived: Duration = waiting.iter().map(|job| job.arrives).sum();
    Some(course.noted.waited(small) + assigned.saturating_sub(arrived))
}

/// One lane for each agent that may run at the same time as the others.
fn lanes(small: &SmallWorld, course: &Course, from: usize) -> Vec<Lane> {
    let now = course.world.now();
    let delays = &small.plan.delays;
    let mut lanes = Vec::new();
    if !small.plan.pools[0].agents.is_empty() {
        let mut busy_until = small.occupied_until().unwrap_or_default();
        for (job, assigned) in small.jobs.iter().zip(&course.noted.assigned) {
            if let Some(assigned) = assigned.filter(|assigned| assigned.agent.is_none()) {
                busy_until = busy_until.max(assigned.at + only(&delays.receipt) + only(&job.kind.runs_for));
            }
        }
        lanes.push(Lane { scaled_job: None, first: busy_until.max(now) });
    }
    for (place, scaled_job) in small.plan.scaled_jobs.iter().enumerate() {
        let mut free = scaled_job.scaling.max_replicas;
        let unfinished =
            course.world.cluster().jobs.iter().filter(|(_, job)| job.scaled_job == place && !job.is_finished());
        for (key, job) in unfinished {
            free = free.saturating_sub(1);
            let created_at = course.noted.created_at[key];
            let first = if job.is_unused() {
                Some(created_at + small.start())
            } else {
                let finished = if job.stage == Stage::Busy { end(small, course, place, created_at) } else { now };
                started(small, place, from, finished)
            };
            lanes.extend(first.map(|first| Lane { scaled_job: Some(place), first: first.max(now) }));
        }
        let first = started(small, place, from, now);
        lanes.extend((0..free).filter_map(|_| Some(Lane { scaled_job: Some(place), first: first? })));
    }
    lanes
}

/// When a Kubernetes Job is finished whose agent runs a job now; of agents created together, the first.
fn end(small: &SmallWorld, course: &Course, place: usize, created_at: Duration) -> Duration {
    let jobs = small.jobs.iter().zip(&course.noted.assigned);
    let of_agent = jobs
        .filter_map(|(job, assigned)| Some((job, assigned.as_ref()?)))
        .filter(|(_, assigned)| assigned.agent == Some((place, created_at)));
    let ends = of_agent.map(|(job, assigned)| {
        assigned.at + only(&small.plan.delays.receipt) + only(&job.kind.runs_for) + leaving(small)
    });
    ends.filter(|end| *end > course.world.now()).min().unwrap_or(course.world.now())
}

/// From the end of an agent's job to its Kubernetes Job being finished.
fn leaving(small: &SmallWorld) -> Duration {
    only(&small.plan.delays.leaving) + only(&small.plan.delays.job_end)
}

/// When an agent can be there that a ScaledJob's first reply from then on starts.
fn started(small: &SmallWorld, place: usize, from: usize, then: Duration) -> Option<Duration> {
    let replies = small.moments[from..].iter().filter(|(at, _)| *at >= then);
    let mut own =
        replies.filter(|(_, moment)| matches!(moment, Moment::Reply { scaled_job, .. } if *scaled_job == place));
    own.next().map(|(at, _)| *at + small.start())
}

/// The floor that needs no search: no job has an agent before the first agent that can be started once the first job has
/// arrived. Nothing is said where a static agent fits a job.
pub(crate) fn floor(small: &SmallWorld) -> Duration {
    if small.jobs.iter().any(|job| job.fits_static) {
        return Duration::ZERO;
    }
    let fits_some = |scaled_job: usize| small.jobs.iter().any(|job| job.fits[scaled_job]);
    let first = small.jobs.iter().map(|job| job.arrives).min().unwrap_or_default();
    let reply = small.moments.iter().find(|(_, moment)| match *moment {
        Moment::Reply { scaled_job, seen_at } => seen_at > first && fits_some(scaled_job),
        Moment::Arrival { .. } => false,
    });
    let agent = reply.map_or(Duration::ZERO, |(at, _)| *at + small.start());
    small.jobs.iter().map(|job| agent.saturating_sub(job.arrives)).sum()
}
