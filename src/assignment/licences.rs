//! Who takes the parallel jobs that are left, where an organisation's are limited.
//!
//! Jobs take them in the order of service, those of other pools that stand in front included, whether an agent is there
//! for them or is to be started. A job that finds no place takes none: one that waits for a ScaledJob at its maximum does
//! not keep others from running. Whether a job finds a place depends only on the jobs before it, and once a class has
//! found none, its later jobs don't either; so this is settled by placing again without them, at most once for each class.

use super::{placing::Takers, queue::WaitingJobs};
use crate::{
    decision::{ParallelJobs, Placement},
    job_request::{Order, Parallelism},
    parallel_jobs::{Caps, Each, Report},
    snapshot::Snapshot,
};

/// The licences of one decision.
pub(super) struct Licences<'a> {
    snapshot: &'a Snapshot,
    caps: &'a Caps,
    /// Jobs that run in this pool.
    running: Each<u32>,
}

/// Whether a job may have an agent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grant {
    Granted,
    /// None is left.
    Refused,
    /// It would find no place.
    Useless,
}

impl<'a> Licences<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, caps: &'a Caps) -> Self {
        let runs = |parallelism| {
            let jobs = snapshot.jobs.iter();
            jobs.filter(|job| !job.is_queued() && job.parallelism == Some(parallelism)).count()
        };
        let running = Each::new(|parallelism| u32::try_from(runs(parallelism)).unwrap_or(u32::MAX));
        Self { snapshot, caps, running }
    }

    /// Whether a queued job could begin at once, as far as parallel jobs go.
    pub(super) fn could_begin(&self, place: usize) -> bool {
        let capped = self.parallelism(place).and_then(|parallelism| self.counted(parallelism, 0));
        !capped.is_some_and(|counted| counted.are_used_up())
    }

    /// Where each waiting job goes, in their order.
    pub(super) fn place(&self, waiting: &WaitingJobs<'_>, takers: &Takers) -> Vec<Placement> {
        let classes = waiting.demand_sets.len();
        let mut useless_from: Vec<usize> =
            (0..classes).map(|class| if takers.nobody_takes(class) { 0 } else { usize::MAX }).collect();
        loop {
            let grants = self.grant(waiting, &useless_from);
            let mut placed = Vec::new();
            if grants.iter().all(|grant| *grant == Grant::Granted) {
                placed = takers.place(waiting);
            } else {
                let granted = waiting.only(|at| grants[at] == Grant::Granted);
                let mut found = takers.place(&granted).into_iter();
                placed.extend(grants.iter().map(|grant| match grant {
                    Grant::Granted => found.next().flatten(),
                    Grant::Refused => Some(Placement::WaitingForParallelJob),
                    Grant::Useless => None,
                }));
            }
            let mut again = false;
            if grants.contains(&Grant::Refused) {
                for (at, _) in placed.iter().zip(&grants).enumerate().filter(|(_, (placed, _))| placed.is_none()) {
                    let from = &mut useless_from[waiting.classes[at] as usize];
                    again |= *from > at;
                    *from = at.min(*from);
                }
            }
            if !again {
                let unplaced = |class: &u32| takers.unplaced(*class);
                let placed = placed.into_iter().zip(&waiting.classes);
                return placed.map(|(placed, class)| placed.unwrap_or_else(|| unplaced(class))).collect();
            }
        }
    }

    /// Gives out what is left, in the order of service.
    fn grant(&self, waiting: &WaitingJobs<'_>, useless_from: &[usize]) -> Vec<Grant> {
        let mut left = Each::new(|parallelism| {
            let cap = self.caps.of(parallelism).as_ref()?;
            let running_here = if planted!(RunningHereIgnored) { 0 } else { *self.running.of(parallelism) };
            let running_elsewhere = if planted!(RunningElsewhereIgnored) { 0 } else { cap.running_elsewhere };
            let taken_elsewhere = if planted!(TakenElsewhereIgnored) { 0 } else { cap.taken_elsewhere };
            let headroom = if planted!(HeadroomIgnored) { 0 } else { cap.headroom };
            let used = running_here.saturating_add(running_elsewhere).saturating_add(taken_elsewhere);
            Some((cap.limit.saturating_add(headroom).saturating_sub(used), cap.waiting_elsewhere.iter().peekable()))
        });
        let jobs = waiting.places.iter().zip(&waiting.classes).enumerate();
        let grant = jobs.map(|(at, (place, class))| {
            if at >= useless_from[*class as usize] && !planted!(PlacelessTakeLicences) {
                return Grant::Useless;
            }
            let limited = self.parallelism(*place).filter(|_| !planted!(LicencesIgnored));
            let left = limited.and_then(|parallelism| left.of_mut(parallelism).as_mut());
            let Some((left, before)) = left else { return Grant::Granted };
            let order: Order = self.snapshot.jobs[*place].order();
            while before.next_if(|other| **other < order && !planted!(WaitingElsewhereIgnored)).is_some() {
                *left = left.saturating_sub(1);
            }
            if *left == 0 {
                return Grant::Refused;
            }
            *left -= 1;
            Grant::Granted
        });
        let mut grants: Vec<Grant> = grant.collect();
        if planted!(LicencesToTheYoungest) {
            grants.reverse();
        }
        grants
    }

    /// What a decision took, for the other pools to know.
    pub(super) fn report(&self, jobs: &[Placement]) -> Report {
        let placed = || self.snapshot.jobs.iter().zip(jobs);
        let of = |parallelism: Parallelism| placed().filter(move |(job, _)| job.parallelism == Some(parallelism));
        let takes = |placement: &Placement| {
            matches!(
                placement,
                Placement::IdleAgent { .. } | Placement::StartingAgent { .. } | Placement::Assigned { .. }
            )
        };
        Report {
            running: self.running,
            taken: Each::new(|parallelism| {
                u32::try_from(of(parallelism).filter(|(_, placement)| takes(placement)).count()).unwrap_or(u32::MAX)
            }),
            waiting: Each::new(|parallelism| {
                let refused = of(parallelism).filter(|(_, placement)| **placement == Placement::WaitingForParallelJob);
                refused.map(|(job, _)| job.order()).collect()
            }),
        }
    }

    /// What is counted against a limit, where there is one.
    pub(super) fn counted(&self, parallelism: Parallelism, taken_here: u32) -> Option<ParallelJobs> {
        let cap = self.caps.of(parallelism).as_ref()?;
        Some(ParallelJobs {
            limit: cap.limit,
            headroom: cap.headroom,
            running: self.running.of(parallelism).saturating_add(cap.running_elsewhere),
            taken: cap.taken_elsewhere.saturating_add(taken_here),
        })
    }

    fn parallelism(&self, place: usize) -> Option<Parallelism> {
        self.snapshot.jobs[place].parallelism
    }
}
